"""`GradientBlending`: losses are weighed by how much a branch generalises, and overfits."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from .._sklearn import Interval, StrOptions
from ..networks import (
    Batch,
    ModalityRows,
    MultimodalModule,
    MultimodalOutput,
    RowBatches,
    make_fusion,
    mean_criterion,
    unimodal_losses,
)
from ._base import Balancing
from ._parts_of_rows import hold_out_by_content, rows_with
from ._protocol import Net

#: What `weights` call the fused classifier.
FUSED = "fused"


class _Blend(nn.Module):
    """Weights of the losses, each modality's and the fused one's, and losses of a span's start."""

    def __init__(self, n_branches: int):
        super().__init__()
        equal = torch.full((n_branches,), 1 / n_branches, dtype=torch.float64)
        self.register_buffer("weights", equal)
        self.register_buffer("train_loss", torch.zeros(n_branches))
        self.register_buffer("held_loss", torch.zeros(n_branches))
        self.register_buffer("measured", torch.tensor(False))


@dataclass(kw_only=True, eq=False, repr=False)
class GradientBlending(Balancing):
    r"""Gradient blending: the loss is a weighted mean of the fused loss and the modalities' own.

    Over a span of epochs a branch k (a modality with its own classifier, or the fused one)
    generalises by :math:`G_k`, the fall of its loss on held-out rows, and overfits by :math:`O_k`,
    the growth of the difference between held-out and training loss. Its loss gets the weight
    :math:`w_k \propto G_k / O_k^2`, with :math:`\sum_k w_k = 1`.

    Parameters
    ----------
    every : int, default=10
        Epochs of a span, after which weights are found anew.
    estimate : {"tracked", "separate", "equal"}, default="tracked"
        From what: the branches of the run itself (ours), in which the first span has equal weights;
        copies of the branches, each of which is trained alone for a span before it begins
        (published; about two further trainings); or nothing: equal weights, the control.
    weights : dict of str to float, default=None
        Fixed weights instead, of each modality by its name and of "fused"; nothing is held out.
    min_overfitting : float, default=0.01
        Smallest :math:`|O_k|` that is reckoned with.
    validation_fraction : float, default=0.1
        Part of the rows held out for this where the estimator holds out none.

    Notes
    -----
    The losses' weights are the method's own (``unimodal_weight="auto"``). Rows that are held out
    for early stopping, or given as ``X_val``, are used; else a part of each class is held out by
    the content of its rows, in `partial_fit` too, and groups are not looked at. A branch that got
    worse has weight 0, and where all did, or no row is held out, weights are equal; one that no
    held-out row has gets the mean weight. Losses are means over the rows that have a modality.
    Any fusion, any kind of target and any number of modalities will do; with one this is plain
    training. ``history_`` gets ``face__loss_weight`` and ``fused_loss_weight``. The authors'
    code takes given weights only. Because weights sum to 1, compare with equal weights
    (``control()``): under plain SGD their size is a learning rate.

    References
    ----------
    .. [1] Wang, Tran, Feiszli, "What Makes Training Multi-Modal Classification Networks Hard?",
       CVPR 2020.

    Examples
    --------
    >>> from sk_mmbalance import MultimodalClassifier
    >>> from sk_mmbalance.balancing import GradientBlending
    >>> from sk_mmbalance.datasets import load_digits_views
    >>> X, y = load_digits_views(return_X_y=True)
    >>> blending = GradientBlending(every=2)
    >>> clf = MultimodalClassifier(balancing=blending, max_epochs=6, random_state=0)
    >>> bool(clf.fit(X[:900], y[:900]).score(X[900:], y[900:]) > 0.7)
    True
    """

    every: int = 10
    estimate: str = "tracked"
    weights: Any = None
    min_overfitting: float = 0.01
    validation_fraction: float = 0.1

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "every": [Interval(Integral, 1, None, closed="left")],
        "estimate": [StrOptions({"tracked", "separate", "equal"})],
        "weights": [dict, None],
        "min_overfitting": [Interval(Real, 0, None, closed="neither")],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    }
    _published: ClassVar[Mapping[str, Any]] = {"estimate": "separate"}
    _published_side: ClassVar[Mapping[str, Any]] = {"optimizer": "sgd"}
    _other_unimodal_weights: ClassVar[str] = "none"

    def control(self) -> dict[str, Any]:
        """Equal weights, the same rows held out."""
        equal = {**self.get_params(), "estimate": "equal", "weights": None}
        return {"balancing": GradientBlending(**equal)}

    def check_training(self, names: list[str], validating: bool) -> None:
        """Refuse weights of what is not there, and what is no weight."""
        if self.weights is None:
            return
        if FUSED in names or sorted(self.weights) != sorted([*names, FUSED]):
            raise ValueError(
                "`weights` of `balancing` GradientBlending() must name every modality of `X` and "
                f"{FUSED!r}, which no modality may be called; got {sorted(self.weights)} for the "
                f"modalities {names}."
            )
        for name, value in self.weights.items():
            if not (isinstance(value, Real) and 0 <= float(value) < float("inf")):
                raise ValueError(
                    "`weights` of `balancing` GradientBlending() must be finite and not negative; "
                    f"got {value!r} for {name!r}."
                )

    def make_state(self, module: Any, dims: Mapping[str, int], n_classes: int) -> nn.Module | None:
        """Equal weights so far."""
        return _Blend(len(dims) + 1)

    def _state(self, net: Net) -> Any:
        return net.running(self)

    def _takes_part(self, net: Net) -> bool:
        return len(net.network.names) > 1 and self.acts(net)

    def needs_own_logits(self, net: Net) -> bool:
        """For their losses."""
        return self._takes_part(net)

    # -- weights ---------------------------------------------------------------------------

    def on_train_begin(self, net: Net, rows: ModalityRows, valid: Any) -> ModalityRows:
        """Find rows that are held out."""
        if self.weights is not None or len(net.network.names) == 1:
            return rows
        if valid is None:
            rows, valid = hold_out_by_content(net, rows, self.validation_fraction)
        self._held: Any = valid
        return rows

    def on_train_end(self, net: Net) -> None:
        """Rows stay with nobody."""
        self.__dict__.pop("_held", None)

    def begin_pass(self, net: Net, batches: RowBatches) -> dict[str, Any]:
        """Find the weights of a new span."""
        if not self._takes_part(net):
            return {}
        names, state = net.network.names, self._state(net)
        if self.weights is not None:
            fixed = [float(self.weights[name]) for name in [*names, FUSED]]
            state.weights.copy_(torch.tensor(fixed))
        elif self.estimate == "equal":
            state.weights.fill_(1 / (len(names) + 1))
        elif (len(net.history) - 1) % self.every == 0 and len(self._held):
            self._find(net, batches.rows)
        found = state.weights.tolist()
        figures = {f"{name}__loss_weight": found[k] for k, name in enumerate(names)}
        return {**figures, f"{FUSED}_loss_weight": found[-1]}

    def _find(self, net: Net, rows: ModalityRows) -> None:
        state = self._state(net)
        parts = [rows, self._held]
        train, held = (_mean_losses(net, part, _branches(net)) for part in parts)
        if self.estimate == "separate":
            after = [_trained_alone(net, name, parts, self.every) for name in net.network.names]
            after.append(_trained_alone(net, None, parts, self.every))
            before, now = (train, held), tuple(torch.cat(each) for each in zip(*after, strict=True))
        else:
            before, now = (state.train_loss.clone(), state.held_loss.clone()), (train, held)
        if self.estimate == "separate" or state.measured:
            generalised = before[1] - now[1]
            overfitted = (now[1] - now[0]) - (before[1] - before[0])
            state.weights.copy_(blend(generalised, overfitted, self.min_overfitting))
        state.train_loss.copy_(train)
        state.held_loss.copy_(held)
        state.measured.fill_(True)

    def replaces_loss(self, net: Net) -> bool:
        """By a weighted mean."""
        return self._takes_part(net)

    def loss(self, net: Net, output: MultimodalOutput, batch: Batch, loss: Tensor) -> Tensor:
        """The weighted mean of the losses."""
        if not self._takes_part(net):
            return loss
        X, y = batch
        weight, names = X.get("weight"), net.network.names
        own = unimodal_losses(net.criterion_, output.unimodal, y, weight, X.get("present"))
        fused = mean_criterion(net.criterion_, output.logits, y, weight)
        losses = torch.stack([*(own[name] for name in names), fused])
        return self._state(net).weights @ losses


def blend(generalised: Tensor, overfitted: Tensor, least: float) -> Tensor:
    """``w_k`` in proportion to ``max(0, G_k) / max(|O_k|, least)^2``, with sum 1.

    Equal where no branch generalised. A branch with NaN is not known, and gets the mean weight.
    """
    shares = generalised.clamp_min(0) / overfitted.abs().clamp_min(least).square()
    shares = torch.where(shares.isnan(), shares.nanmean(), shares)
    total = shares.sum()
    return torch.where(total > 0, shares / total, 1 / len(shares))


Ask = Callable[[Batch], dict[str | None, Tensor]]


def _branches(net: Net) -> Ask:
    """Outputs of all branches, by name, the fused last."""

    def ask(batch: Batch) -> dict[str | None, Tensor]:
        output = net.evaluate(batch)
        return {**{name: output.unimodal[name] for name in net.network.names}, None: output.logits}

    return ask


@torch.no_grad()
def _mean_losses(net: Net, rows: ModalityRows, ask: Ask) -> Tensor:
    """Mean loss of each branch over the rows that have its modality; NaN where none has."""
    sums: Any = 0
    for X, y in net.get_iterator(replace(rows, extras={})):
        outputs = ask((X, y))
        losses = torch.stack([net.criterion_(z, y) for z in outputs.values()])
        share = torch.ones_like(losses[0]) if "weight" not in X else X["weight"].to(losses.dtype)
        share = share.expand_as(losses)
        if "present" in X:
            everywhere = torch.ones(len(y), dtype=torch.bool, device=y.device)
            here = [everywhere if m is None else X["present"][m] for m in outputs]
            share = torch.where(torch.stack(here), share, 0)
        sums = sums + torch.stack([(share * losses).sum(dim=1), share.sum(dim=1)])
    return sums[0] / sums[1]


def _trained_alone(
    net: Net, name: str | None, parts: list[ModalityRows], epochs: int
) -> tuple[Tensor, Tensor]:
    """Mean losses of one branch in the parts of the rows, after it was trained by itself."""
    network = net.network
    if name is None:
        branch = copy.deepcopy(network)
        branch.heads = None
    else:
        fusion: Any = network.fusion
        head: Any = (fusion.heads if network.heads is None else network.heads)[name]
        late = make_fusion("late", {name: head.in_features}, head.out_features)
        late.heads[name].load_state_dict(head.state_dict())  # type: ignore[index, union-attr]
        backbone = copy.deepcopy(network.backbones[name])
        branch = MultimodalModule({name: backbone}, late, copied=network.copied & {name})
        branch.to(head.weight)
        parts = [rows_with(part, name) for part in parts]
    if len(parts[0]):
        watched = parts[1] if len(parts[1]) else parts[0]  # by a schedule that looks at losses
        net.train_like(branch, parts[0], watched, epochs, stops_early=False)
    branch.eval()

    def ask(batch: Batch) -> dict[str | None, Tensor]:
        with net.autocast():
            logits = branch(batch[0]["inputs"], batch[0].get("present"), unimodal=False).logits
        return {name: logits.float() if net.amp else logits}

    nothing = torch.full((1,), float("nan"), device=next(branch.parameters()).device)
    train, valid = (_mean_losses(net, part, ask) if len(part) else nothing for part in parts)
    return train, valid
