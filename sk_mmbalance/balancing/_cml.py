"""`CML`: confidence may not rise when a modality is taken away (calibrated learning)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import torch
from torch import Tensor

from .._sklearn import Interval, StrOptions
from ..base import CLASSES, LABELS
from ..networks import (
    Batch,
    LabelLoss,
    MultimodalOutput,
    mean_criterion,
    mix_seeds,
    total,
    weighted_mean_loss,
)
from ._base import Balancing
from ._evidence import coalition
from ._protocol import Net


@dataclass(kw_only=True, eq=False, repr=False)
class CML(Balancing):
    r"""Calibrated multimodal learning: fewer modalities, no more confidence.

    In every batch modalities are taken away, one after the other in a random order, and the fused
    classifier is asked again. The loss gets its own criterion on what is left, and a penalty
    :math:`\max(0, c_T - c_S)` on every row where the confidence of the smaller set T exceeds that
    of the larger set S, except where only T is right. Confidence is the largest probability.

    Parameters
    ----------
    rank_weight : float, default=0.1
        Weight of the penalty, of which the removals of a batch are summed.
    partial_weight : float, default=1.0
        Weight of the criterion on what is left, of which the removals are averaged.
    removal : {"random", "each"}, default="random"
        Whether all but one modality go one after the other, or each goes alone, with all others
        there.
    rule : {"cpm", "miwae"}, default="cpm"
        What a penalty may do where both sets are wrong: also raise the confidence of the larger set
        (the authors' code for CPM nets), or only lower that of the smaller (theirs for MIWAE).
    reduction : {"mean", "sum"}, default="mean"
        Whether the penalties of a batch are averaged or (published) summed over its rows.
    start_epoch, stop_epoch : int, default=0, None
        First epoch with removals, and the first without again; None goes on to the end.

    Notes
    -----
    A modality is taken away as if the row lacked it. A row takes part in a removal if it has the
    modality and another that is left. Any fusion and any number of modalities will do; of several
    labels the confidence is a mean, and a row is right if all are; numbers have no confidence. A
    step runs the fusion as often as there are modalities, the encoders once. With one modality this
    is plain training. ``history_`` gets ``face__confidence_rise``, the mean penalty of removing a
    modality. The claim is calibration: look at the log-loss, not at the accuracy alone. The
    benchmark's code hinges sums over the batch, in which a fall on one row pays for a rise on
    another; this hinges row by row, as the authors do.

    References
    ----------
    .. [1] Ma, Zhang, Zhang, Wu, Fu, Zhou, Hu, "Calibrating Multimodal Learning", ICML 2023.

    Examples
    --------
    >>> from sk_mmbalance import MultimodalClassifier
    >>> from sk_mmbalance.balancing import CML
    >>> from sk_mmbalance.datasets import load_digits_views
    >>> X, y = load_digits_views(return_X_y=True)
    >>> clf = MultimodalClassifier(balancing=CML(), max_epochs=5, random_state=0)
    >>> bool(clf.fit(X[:900], y[:900]).score(X[900:], y[900:]) > 0.7)
    True
    """

    rank_weight: float = 0.1
    partial_weight: float = 1.0
    removal: str = "random"
    rule: str = "cpm"
    reduction: str = "mean"
    start_epoch: int = 0
    stop_epoch: Any = None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "rank_weight": [Interval(Real, 0, None, closed="left")],
        "partial_weight": [Interval(Real, 0, None, closed="left")],
        "removal": [StrOptions({"random", "each"})],
        "rule": [StrOptions({"cpm", "miwae"})],
        "reduction": [StrOptions({"mean", "sum"})],
        "start_epoch": [Interval(Integral, 0, None, closed="left")],
        "stop_epoch": [Interval(Integral, 0, None, closed="left"), None],
    }
    _published: ClassVar[Mapping[str, Any]] = {"reduction": "sum"}
    _unimodal_weight: ClassVar[float] = 0.0
    _kinds: ClassVar[tuple[str, ...]] = (CLASSES, LABELS)
    _stacks: ClassVar[bool] = True
    _draws: ClassVar[bool] = True

    def control(self) -> dict[str, Any]:
        """The same removals without penalty."""
        return {"balancing": CML(**{**self.get_params(), "rank_weight": 0.0})}

    def loss(self, net: Net, output: MultimodalOutput, batch: Batch, loss: Tensor) -> Tensor:
        """Ask again with fewer modalities."""
        names = net.network.names
        if not (self.rank_weight or self.partial_weight) or len(names) == 1 or not self.acts(net):
            return loss
        X, y = batch
        weight, present = X.get("weight"), X.get("present")
        ranks, partial, rises = [], [], {}
        removals = self._removals(net, names)
        asked = {tuple(names): output.logits}
        for removed, larger in removals:
            left = tuple(name for name in larger if name != removed)
            with net.autocast():
                z = coalition(net.network.fusion, output.embeddings or {}, left, present)
            asked[left] = z = z.float() if net.amp else z
            told = None
            if present is not None:
                told = present[removed] & torch.stack([present[m] for m in left]).any(dim=0)
            if self.partial_weight:
                partial.append(mean_criterion(net.criterion_, z, y, weight, told))
            if self.rank_weight:
                rise = confidence_rise(net.criterion_, asked[larger], z, y, self.rule)
                mean = weighted_mean_loss(rise, weight, told)
                rises[f"{removed}__confidence_rise"] = mean.detach()
                ranks.append(mean if self.reduction == "mean" else mean * _n_rows(y, weight))
        net.note(rises)
        if partial:
            loss = loss + self.partial_weight / len(partial) * _sum(partial)
        return loss + self.rank_weight * _sum(ranks) if ranks else loss

    def _removals(self, net: Net, names: list[str]) -> list[tuple[str, tuple[str, ...]]]:
        """What is removed, and from which modalities."""
        if self.removal == "each":
            return [(name, tuple(names)) for name in names]
        seed = mix_seeds(net.seed, len(net.history), net.batch_number)
        order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed)).tolist()
        removals = []
        for k, gone in enumerate(order[:-1]):
            before = set(order[:k])
            larger = tuple(name for j, name in enumerate(names) if j not in before)
            removals.append((names[gone], larger))
        return removals


def _n_rows(y: Tensor, weight: Tensor | None) -> Any:
    """What makes a sum of a mean."""
    return len(y) if weight is None else weight.sum()


def _sum(numbers: list[Tensor]) -> Tensor:
    return total(dict(enumerate(numbers)))


def confidence(criterion: Any, outputs: Tensor) -> Tensor:
    """Largest probability of each row, the mean over labels."""
    if isinstance(criterion, LabelLoss):
        return torch.sigmoid(outputs.abs()).mean(dim=1)
    return outputs.softmax(dim=1).amax(dim=1)


def confidence_rise(
    criterion: Any, larger: Tensor, smaller: Tensor, y: Tensor, rule: str = "cpm"
) -> Tensor:
    """``max(0, c_T - c_S)`` of each row, from outputs of S and T; 0 where only T is right.

    By the rule "miwae" there is no gradient to S where both are wrong.
    """
    with torch.no_grad():
        right, right_alone = criterion.hits(larger, y), criterion.hits(smaller, y)
    before = confidence(criterion, larger)
    if rule == "miwae":
        before = torch.where(right > 0, before, before.detach())
    rise = (confidence(criterion, smaller) - before).clamp_min(0)
    return rise * (right_alone <= right)
