"""`Balancing`: a method is a value, and plugs into named moments of a step."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from sklearn.base import BaseEstimator
from torch import Tensor, nn

from ..base import CLASSES, LABELS, NUMBERS, PublishedFormMixin
from ..networks import Batch, ModalityRows, MultimodalOutput, RowBatches
from ._protocol import Net

#: What a step gives: "loss", and "y_pred" as `MultimodalOutput`.
Step = dict[str, Any]


@dataclass(kw_only=True, eq=False, repr=False)
class Balancing(PublishedFormMixin, BaseEstimator):
    """Base of the balancing methods.

    A method is its parameters (fields), what it asks of the estimator (class attributes) and the
    hooks that it overrides. It is never changed by a fit: the net holds a clone. What it has to
    remember from step to step are tensors, in the module that its `make_state` gives, so that
    whatever copies, saves or restores weights takes it along. The net calls only what is
    overridden.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {}

    # -- what a method asks of the estimator -----------------------------------------------

    #: What ``fusion="auto"`` stands for, and the names that can be used (None: anything).
    _fusion: ClassVar[str] = "concat"
    _fusions: ClassVar[frozenset[str] | None] = None
    #: What ``unimodal_weight="auto"`` stands for, and what else can be used.
    _unimodal_weight: ClassVar[float] = 1.0
    _other_unimodal_weights: ClassVar[str] = "any"  # or "positive", or "none"
    #: Further estimator parameters with which the method was published.
    _published_side: ClassVar[Mapping[str, Any]] = {}
    #: Parameters that shape the network, and stay what they are while training goes on.
    _fixed: ClassVar[frozenset[str]] = frozenset()
    #: Kinds of targets that it can learn.
    _kinds: ClassVar[tuple[str, ...]] = (CLASSES, LABELS, NUMBERS)
    #: Whether the method works on batches that hold a part of each row's modalities.
    _takes_parts: ClassVar[bool] = False
    #: Whether many networks can be trained with it as one, and which of its numbers may then differ
    #: from network to network: inside hooks they may be tensors. Networks for which a number is 0
    #: are never together with others.
    _stacks: ClassVar[bool] = False
    _stacked_numbers: ClassVar[frozenset[str]] = frozenset()
    #: Parameters that differ freely among networks that are trained as one: only hooks between the
    #: steps look at them, or a step of a single modality, for which each network is asked.
    _each_its_own: ClassVar[frozenset[str]] = frozenset()
    #: Whether many encoders may be run as one: not where gradients of one modality, or at its
    #: embeddings, are asked for. None is whether the method stacks, whose hooks know no graphs.
    _in_groups: ClassVar[bool | None] = None
    #: Whether its hooks draw, by the net's seed: then only networks of one seed are together.
    _draws: ClassVar[bool] = False
    #: Whether the modalities are measured on every batch.
    _measures_always: ClassVar[bool] = False

    def control(self) -> dict[str, Any]:
        """Parameters of the estimator that differs from this one by the balancing alone.

        Returns
        -------
        dict
            For ``set_params`` of the estimator that holds this value.
        """
        return {
            "balancing": None,
            "fusion": self._fusion,
            "unimodal_weight": self._unimodal_weight,
        }

    @classmethod
    def published_side(cls) -> dict[str, Any]:
        """Parameters of the estimator with which the method was published (optimiser, fusion)."""
        return dict(cls._published_side)

    @classmethod
    def published_estimator(cls, **params: Any) -> Any:
        """Make a `MultimodalClassifier` with the published value and its authors' side.

        Parameters
        ----------
        **params : dict
            Further parameters of the estimator; they override the published ones.

        Returns
        -------
        MultimodalClassifier
            Not fitted.
        """
        # by its public name, looked up when it is asked for: estimators stand above this room
        package = sys.modules[__name__.partition(".")[0]]
        side = {**cls.published_side(), "balancing": cls.published(), **params}
        return package.MultimodalClassifier(**side)

    def _encodes_apart(self) -> bool:
        """Whether every encoder needs a graph of its own."""
        return not (self._stacks if self._in_groups is None else self._in_groups)

    def why_not_stacked(self) -> str:
        """Why networks cannot be trained with it as one although it stacks; empty if they can."""
        return ""

    def prepare(self, max_epochs: int) -> None:
        """Settle what depends on the estimator; called on the clone that a fit works with."""

    def check_side(self, fusion: Any, unimodal_weight: Any) -> None:
        """Refuse an explicit choice of the estimator that the method cannot use."""
        called = f"`balancing` {type(self).__name__}()"
        allowed = self._fusions
        if allowed is not None and not (isinstance(fusion, str) and fusion in {*allowed, "auto"}):
            raise ValueError(
                f"{called} needs `fusion` to be 'auto' or one of {sorted(allowed)}; got {fusion!r}."
            )
        if unimodal_weight == "auto" or self._other_unimodal_weights == "any":
            return
        positive = self._other_unimodal_weights == "positive"
        if unimodal_weight != self._unimodal_weight and not (positive and unimodal_weight > 0):
            wanted = "above 0" if positive else f"'auto' or {self._unimodal_weight}"
            raise ValueError(
                f"{called} needs `unimodal_weight` to be {wanted}; got {unimodal_weight!r}."
            )

    def check_target(self, kind: str) -> None:
        """Refuse a kind of target ("classes", "labels", "numbers") that the method cannot learn."""
        if kind not in self._kinds:
            raise ValueError(
                f"`balancing` {type(self).__name__}() works with {' and '.join(self._kinds)}, and "
                f"`y` holds {kind}. Use another method, or (for several labels) one estimator a "
                "column: sklearn.multioutput.MultiOutputClassifier."
            )

    def check_network(self, names: list[str], compiled: bool) -> None:
        """Refuse modalities or settings that the method's network cannot be made for."""

    def check_training(self, names: list[str], validating: bool) -> None:
        """Refuse to train, at first or further, on what the estimator has."""

    def check_net(self, net: Net) -> None:
        """Refuse a net that the method cannot be trained with, new or continued."""

    def _refuse_closure(self, net: Net) -> None:
        if net.needs_closure_:
            raise ValueError(
                f"`balancing` {type(self).__name__}() cannot be had with `optimizer` "
                f"{type(net.optimizer_).__name__}, whose step evaluates the loss several times. "
                "Use 'adamw', 'adam' or 'sgd'."
            )

    def _refuse_no_logits(self, net: Net) -> None:
        fusion = net.network.fusion
        if not (net.network.has_own_logits or hasattr(fusion, "terms")):
            raise ValueError(
                f"`balancing` {type(self).__name__}() needs logits of each modality, and `fusion` "
                f"{type(fusion).__name__} is no sum of such. Set `unimodal_weight` above 0 (own "
                "classifiers), or use the fusion 'concat', 'sum' or 'late'."
            )

    # -- the network -----------------------------------------------------------------------

    def make_fusion(
        self, dims: Mapping[str, int], n_classes: int, weights: Mapping[str, float] | None
    ) -> nn.Module | None:
        """Fusion of the method's own, in place of the estimator's.

        `weights` are those of a late fusion, None for equal ones.
        """
        return None

    def wants_heads(self, wanted: bool) -> bool:
        """Whether modalities get heads beside the fusion, where the estimator `wanted` them."""
        return wanted

    def gives_own_logits(self, module: Any) -> bool:
        """Whether `forward` gives logits of modalities that have no classifiers, for a loss."""
        return False

    def make_state(self, module: Any, dims: Mapping[str, int], n_classes: int) -> nn.Module | None:
        """What the method keeps from step to step; `module` is the network as it was made."""
        return None

    def resume(self, net: Net) -> None:
        """Take the parameters of now into a net that is trained further."""

    # -- between epochs --------------------------------------------------------------------

    def on_train_begin(self, net: Net, rows: ModalityRows, valid: Any) -> ModalityRows:
        """Before the first epoch of a call; rows that are given back may have `extras`."""
        return rows

    def on_epoch_begin(self, net: Net) -> None:
        """Before an epoch; the history ends on the last finished one."""

    def on_epoch_end(self, net: Net) -> None:
        """After an epoch; the history ends on it, and takes more columns."""

    def on_train_end(self, net: Net) -> None:
        """After the last epoch, when the best one may have been restored."""

    def fitted(self, net: Net) -> dict[str, Any]:
        """What the method has to say after training, by name."""
        return {}

    def remembered(self, net: Net) -> dict[str, Any]:
        """What it has to remember from epoch to epoch that is no tensor of `make_state`.

        Numbers, text, lists, dicts, sets and arrays, for a checkpoint; `remind` takes it.
        """
        return {}

    def remind(self, net: Net, remembered: Mapping[str, Any]) -> None:
        """Go on from what `remembered` gave."""

    # -- batches ---------------------------------------------------------------------------

    def first_parts(self) -> float:
        """First epoch from which this method cuts rows into parts; infinite if it never does."""
        return math.inf

    def batches(self, net: Net, plain: RowBatches) -> RowBatches | None:
        """Batches to train on, in place of the plain ones.

        A batch whose loss is the method's own says so: ``X["cut_by"]`` is the method, and its
        `part_loss` is asked. Methods that compare the modalities of a row stay away from it.
        """
        return None

    def begin_pass(self, net: Net, batches: RowBatches) -> dict[str, Any]:
        """Before a pass over the training rows; gives figures for the history.

        With losses of modalities ("face__train_loss") among them, the pass itself is not measured.
        """
        return {}

    def part_loss(self, net: Net, output: MultimodalOutput, batch: Batch) -> Tensor:
        """Loss of a batch that this method has cut."""
        raise NotImplementedError

    # -- a step ----------------------------------------------------------------------------

    def step(self, net: Net, batch: Batch) -> Step | None:
        """Take the whole step, gradients and optimiser; None leaves it to the net."""
        return None

    def gradients(self, net: Net, batch: Batch) -> Step | None:
        """Compute loss and gradients; None leaves it to the net."""
        return None

    def needs_own_logits(self, net: Net) -> bool:
        """Whether a step needs the modalities' own logits, also where they have no loss."""
        return False

    def forward(self, net: Net, batch: Batch, unimodal: bool) -> MultimodalOutput | None:
        """Run the network; None leaves it to the net."""
        return None

    def replaces_loss(self, net: Net) -> bool:
        """Whether `loss` looks at no loss that it is given: then none is computed for it."""
        return False

    def loss(self, net: Net, output: MultimodalOutput, batch: Batch, loss: Tensor) -> Tensor:
        """Change the loss of a training batch."""
        return loss

    def after_backward(self, net: Net, batch: Batch, output: MultimodalOutput) -> None:
        """Change gradients before the step."""

    def after_step(self, net: Net) -> None:
        """Change weights after the step."""

    # -- when ------------------------------------------------------------------------------

    def acts(self, net: Net) -> bool:
        """Whether the method takes part in this epoch: ``start_epoch <= epoch < stop_epoch``.

        Epochs count on in `partial_fit` and with ``warm_start``.
        """
        epoch = len(net.history) - 1
        stop = getattr(self, "stop_epoch", None)
        inside = getattr(self, "start_epoch", 0) <= epoch and (stop is None or epoch < stop)
        # a whole number of numpy's compares to a bool that no tensor takes
        return bool(inside) and (self._takes_parts or epoch < net.whole_rows_until)


def switched_on(number: Any) -> bool:
    """Whether a strength is not 0; as a tensor it is that of networks for which it is not."""
    return isinstance(number, Tensor) or bool(number)


#: The moments of a training that a method may plug into, and what a step asks it.
HOOKS = (
    "needs_own_logits",
    "on_train_begin",
    "on_epoch_begin",
    "on_epoch_end",
    "on_train_end",
    "batches",
    "begin_pass",
    "step",
    "gradients",
    "forward",
    "loss",
    "after_backward",
    "after_step",
)


def changed_loss(
    methods: Sequence[Balancing],
    net: Any,
    output: MultimodalOutput,
    batch: Batch,
    joint: Callable[[], Tensor],
) -> Tensor:
    """The joint loss as methods change it; not computed where the first has one in its place."""
    replaced = bool(methods) and methods[0].replaces_loss(net)
    loss = output.logits.new_zeros(()) if replaced else joint()
    for method in methods:
        loss = method.loss(net, output, batch, loss)
    return loss


def hooks_of(methods: Any) -> dict[str, list[Any]]:
    """By the name of each hook, the methods that override it, in their order."""
    return {
        name: [m for m in methods if getattr(type(m), name) is not getattr(Balancing, name)]
        for name in HOOKS
    }
