"""`DataRemixing`: rows train the modality that is least sure about them."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from .._sklearn import Interval, StrOptions
from ..base import NUMBERS
from ..exceptions import CollapseWarning
from ..networks import (
    Batch,
    EpochLog,
    MultimodalOutput,
    RowBatches,
    mean_criterion,
    unimodal_losses,
)
from ._base import Balancing, switched_on
from ._protocol import Net
from ._remixed_batches import RemixedBatches
from ._uncertainty import assign, uncertainty

#: A modality is as good as untrained below this share of its rows (below half its fair share,
#: where there are many modalities) ...
COLLAPSED_SHARE = 0.1
#: ... in so many remixed epochs in a row; a single epoch may be a whim of the heads.
COLLAPSED_EPOCHS = 5


@dataclass(kw_only=True, eq=False, repr=False)
class DataRemixing(Balancing):
    """Joint training first; then each row trains the modality that is least sure about it.

    At the start of a remixed epoch every training row is given to the one of its modalities whose
    own prediction has the largest entropy, and trains that modality alone, in batches of one
    modality each. See `DataRemixingClassifier`, which has the same as flat parameters.

    Parameters
    ----------
    start_epoch : int or None, default=10
        Number of joint epochs before remixing begins; None never begins.
    gamma : float or dict of str to float, default=1.0
        Weight of the modality's own loss in a batch of that modality; a modality that a dict does
        not name has 1.
    order : {"shuffled", "sequential"} or list of str, default="shuffled"
        Order of the batches of a remixed epoch: all modalities mixed, or one modality after the
        other, by name or as listed. (Published is one after the other, with ``["video",
        "audio"]``: the last one is trained best.)
    min_share : float, default=0.0
        Share of the rows that every modality gets at least, at most one over the number of
        modalities. Missing rows are moved from the others, those first that lose least entropy.
    joint_every : int, default=2
        One epoch in so many is a joint one once remixing has begun. None (published) has none: a
        modality that is unsure of everything because its data are poor then takes nearly all
        rows, and the rest is forgotten.
    predictor : {"head", "mask"}, default="head"
        What a modality's own prediction is: that of a linear head on its embedding, or that of the
        fusion with the other modalities masked (then there are no heads and no losses on them,
        save for ``fusion="late"``, which is made of heads).
    temperature : float, default=1.0
        Divides the logits before the entropy is taken.
    criterion : {"entropy", "label"}, default="entropy"
        Rows go to the modality with the largest entropy, or (ours) with the smallest probability
        of the true class.
    ablation : {"decouple", "reassemble"}, default=None
        For experiments: "decouple" masks each row to its modality in mixed batches; "reassemble"
        makes batches by modality but feeds all inputs.

    Warns
    -----
    CollapseWarning
        If a modality's share of the rows that have it stays under 10 % (under half a fair share
        from six modalities on) for five remixed epochs.

    Notes
    -----
    The rule for missing modalities, `min_share`, `joint_every`, `temperature` and `criterion` are
    ours. Published: ``order="sequential", joint_every=None``, predicting with
    ``fusion_weights=None``; its authors' order is video, then audio, which a list says.

    References
    ----------
    .. [1] "Improving Multimodal Learning Balance and Sufficiency through Data Remixing",
       ICML 2025, arXiv 2506.11550.

    Examples
    --------
    >>> from sk_mmbalance import MultimodalClassifier
    >>> from sk_mmbalance.balancing import DataRemixing
    >>> from sk_mmbalance.datasets import load_digits_views
    >>> X, y = load_digits_views(return_X_y=True)
    >>> clf = MultimodalClassifier(
    ...     balancing=DataRemixing(start_epoch=2), max_epochs=5, early_stopping=False
    ... )
    >>> clf.fit(X[:1000], y[:1000]).history_["remixed"].tolist()
    [False, False, True, False, True]
    """

    start_epoch: Any = 10
    gamma: Any = 1.0
    order: Any = "shuffled"
    min_share: float = 0.0
    joint_every: Any = 2
    predictor: str = "head"
    temperature: float = 1.0
    criterion: str = "entropy"
    ablation: Any = None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "start_epoch": [Interval(Integral, 0, None, closed="left"), None],
        "gamma": [Interval(Real, 0, None, closed="left"), dict],
        "order": [StrOptions({"shuffled", "sequential"}), list],
        "min_share": [Interval(Real, 0, 1, closed="both")],
        "joint_every": [Interval(Integral, 1, None, closed="left"), None],
        "predictor": [StrOptions({"head", "mask"})],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "criterion": [StrOptions({"entropy", "label"})],
        "ablation": [StrOptions({"decouple", "reassemble"}), None],
    }
    _published: ClassVar[Mapping[str, Any]] = {"order": "sequential", "joint_every": None}
    _published_side: ClassVar[Mapping[str, Any]] = {"fusion_weights": None}
    _in_groups: ClassVar[bool | None] = True
    _stacks: ClassVar[bool] = True
    _each_its_own: ClassVar[frozenset[str]] = frozenset(
        {"criterion", "gamma", "joint_every", "min_share", "order", "start_epoch", "temperature"}
    )
    _unimodal_weight: ClassVar[float] = 0.5
    _fixed: ClassVar[frozenset[str]] = frozenset({"predictor"})

    def wants_heads(self, wanted: bool) -> bool:
        """Heads, unless the fusion is asked with the other modalities masked."""
        return wanted and self.predictor == "head"

    def check_training(self, names: list[str], validating: bool) -> None:
        """Refuse settings that the modalities at hand cannot have."""
        if self.start_epoch is None:
            return
        _check_gamma(self.gamma, names)
        if isinstance(self.order, list) and sorted(self.order, key=str) != names:
            raise ValueError(
                f"`order` must list every modality of `X` once, {names}; got {self.order}."
            )
        if self.min_share > 1 / len(names):
            raise ValueError(
                f"`min_share` must be at most one over the number of modalities, 1/{len(names)}; "
                f"got {self.min_share}."
            )

    def check_net(self, net: Net) -> None:
        """Refuse an optimiser that cannot leave weights alone."""
        if net.needs_closure_ and self.start_epoch is not None:
            raise ValueError(
                f"`optimizer` {type(net.optimizer_).__name__} moves all weights in every step and "
                "cannot train one modality at a time. Use 'adamw', 'adam' or 'sgd', or do without "
                "remixing (remix_after=None)."
            )

    def why_not_stacked(self) -> str:
        """Ablations cut batches that train all modalities."""
        if self.ablation is None:
            return ""
        return f"DataRemixing(ablation={self.ablation!r}) is for experiments, one network at a time"

    # -- epochs ----------------------------------------------------------------------------

    def is_joint(self, epoch: int) -> bool:
        """Whether epoch number `epoch` (from 0) is trained as without remixing."""
        if self.start_epoch is None or epoch < self.start_epoch:
            return True
        return (
            self.joint_every is not None and (epoch - self.start_epoch + 1) % self.joint_every == 0
        )

    def first_parts(self) -> float:
        """First epoch after the joint ones."""
        return math.inf if self.start_epoch is None else self.start_epoch

    def batches(self, net: Net, plain: RowBatches) -> RowBatches | None:
        """Batches that can be cut by modality."""
        if self.start_epoch is None:
            return None
        return RemixedBatches(self, plain.rows, plain.batch_size, plain.device, seed=plain.seed)

    def begin_pass(self, net: Net, batches: RowBatches) -> dict[str, Any]:
        """Cut the coming epoch, and say what the history is to say of it.

        In a remixed epoch accuracy, and each modality's own figures, are those of the pass over
        all training rows that the assignment needs anyway: batches of one modality would measure
        each modality on the rows it knows least.
        """
        if not isinstance(batches, RemixedBatches):  # a net without rows of ours
            return {}
        rows, names = batches.rows, batches.names
        figures: dict[str, Any] = {}
        batches.remix(None)
        if not self.is_joint(batches.epoch):
            scores, measured = self._look_at_all_rows(net, batches)
            present = None
            if rows.present is not None:
                present = torch.stack([rows.present[name] for name in names], dim=1)
            batches.remix(assign(scores, present, self.min_share))
            if batches.assigned is not None:
                figures.update(measured)
        having = [len(rows)] * len(names)
        if rows.present is not None:
            having = [int(rows.present[name].sum()) for name in names]
        figures["remixed"] = batches.assigned is not None
        figures["n_skipped"] = batches.n_skipped
        for name, count in zip(names, batches.counts or having, strict=True):
            figures[f"{name}__n_samples"] = count
            figures[f"{name}__share"] = count / len(rows)
        if batches.assigned is not None:
            _warn_of_collapse(net, dict(zip(names, having, strict=True)), figures)
        return figures

    @torch.inference_mode()
    def _look_at_all_rows(
        self, net: Net, batches: RemixedBatches
    ) -> tuple[Tensor, dict[str, float]]:
        """Uncertainty ``(n_samples, n_modalities)`` and figures, from the model as it stands."""
        names = batches.names
        log = EpochLog(names, net.criterion_)
        scores = []
        for X, y in net.get_iterator(batches.rows):
            output = net.evaluate((X, y))
            if self.predictor == "mask" and net.network.has_own_logits:
                own = {m: net.evaluate((_only(X, m), y), unimodal=False).logits for m in names}
                output = MultimodalOutput(output.logits, own)
            log_p = {}
            if y.ndim == 1:  # what the figures and the scores have in common is computed once
                log_p = {name: F.log_softmax(output.unimodal[name], dim=1) for name in names}
            log.add(torch.zeros((), device=y.device), output, (X, y), log_p=log_p)
            each = [self._unsure(net, output.unimodal[m], y, log_p.get(m)) for m in names]
            scores.append(torch.stack(each, dim=1))
        figures = log.summary("train")
        del figures["train_loss"]
        return torch.cat(scores).to(batches.rows.codes.device), figures

    def _unsure(self, net: Net, outputs: Tensor, y: Tensor, log_p: Tensor | None) -> Tensor:
        """How unsure a modality is about each row; for several labels or numbers, as they say."""
        if log_p is not None:
            return uncertainty(outputs, y, self.criterion, self.temperature, log_p)
        if self.criterion == "label":
            return net.criterion_(outputs, y)
        return net.criterion_.doubt(outputs / self.temperature)

    def check_target(self, kind: str) -> None:
        """Refuse to ask numbers how sure they are."""
        super().check_target(kind)
        if self.criterion == "entropy" and kind == NUMBERS:
            raise ValueError(
                "Data remixing by entropy (`remix_after`, or `balancing` DataRemixing()) needs "
                "probabilities, and `y` holds numbers. Use DataRemixing(criterion='label'), which "
                "goes by the loss of a row."
            )

    def gamma_of(self, name: str) -> Any:
        """Weight of a modality's own loss in its batches."""
        return self.gamma.get(name, 1.0) if isinstance(self.gamma, Mapping) else self.gamma

    def part_loss(self, net: Net, output: MultimodalOutput, batch: Batch) -> Tensor:
        """Criterion of the fused logits, and gamma times that of the assigned modality's own."""
        X, y = batch
        weight = X.get("weight")
        loss = mean_criterion(net.criterion_, output.logits, y, weight)
        for name in X["assigned"]:
            gamma = self.gamma_of(name)
            if switched_on(gamma) and name in output.unimodal:
                own = {name: output.unimodal[name]}
                losses = unimodal_losses(net.criterion_, own, y, weight, X.get("present"))
                loss = loss + gamma * losses[name]
        return loss


def _check_gamma(gamma: Any, names: list[str]) -> None:
    if not isinstance(gamma, Mapping):
        return
    unknown = sorted(set(gamma) - set(names))
    if unknown:
        raise ValueError(f"`gamma` names {unknown}, which are no modalities of `X`: {names}.")
    for name, value in gamma.items():
        if not (isinstance(value, Real) and float(value) >= 0):
            raise ValueError(f"`gamma` must not be negative; got {value!r} for {name!r}.")


def _only(X: dict[str, Any], name: str) -> dict[str, Any]:
    part: dict[str, Any] = {"inputs": {name: X["inputs"][name]}}
    if "present" in X:
        part["present"] = {name: X["present"][name]}
    return part


def _warn_of_collapse(net: Any, having: dict[str, int], figures: dict[str, Any]) -> None:
    """Warn once of each run of `COLLAPSED_EPOCHS` remixed epochs that starve a modality."""
    if len(having) == 1:
        return
    limit = min(COLLAPSED_SHARE, 0.5 / len(having))
    before = itertools.islice(reversed(net.history), 1, None)  # this epoch's row is the last
    earlier = (row for row in before if row.get("remixed"))
    # one more than the run that is warned of, to tell a run that has just become so long
    epochs = [figures, *itertools.islice(earlier, COLLAPSED_EPOCHS)]
    for name, count in having.items():
        low = [row[f"{name}__n_samples"] < int(limit * count) for row in epochs]
        run = low.index(False) if False in low else len(low)
        if run == COLLAPSED_EPOCHS:
            warnings.warn(
                f"Modality {name!r} was given fewer than {limit:.0%} of its rows in "
                f"{COLLAPSED_EPOCHS} remixed epochs in a row, because the others are less sure of "
                "nearly every row; only joint epochs train it on all rows. If accuracy suffers "
                "(see `history_`), use `min_share`, a smaller `joint_every` or remix_after=None.",
                CollapseWarning,
                stacklevel=2,
            )
