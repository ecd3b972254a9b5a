"""`MBSD`: on each row the modality that knows the truth better teaches the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import torch
from torch import Tensor

from .._sklearn import Interval, StrOptions
from ..base import CLASSES, LABELS
from ..networks import Batch, MultimodalOutput, over, weighted_mean_loss
from ._base import Balancing
from ._evidence import (
    credits_and_hits,
    log_probabilities,
    logits_to_train,
    row_means,
    rows_having,
)
from ._protocol import Net


@dataclass(kw_only=True, eq=False, repr=False)
class MBSD(Balancing):
    r"""Multimodal balanced self-distillation.

    On a row that one of two modalities gets right, the one that gives more probability to the truth
    teaches the other, the more, the further ahead it is. The loss gets the mean over rows and pairs
    of :math:`g [\beta D(p_t, p_l) + \delta KL(p_t \| p_l)]`, where g is by how much the credit of
    the teacher t exceeds that of the learner l, and D the mean squared difference of their
    probabilities.

    Parameters
    ----------
    similarity_weight : float, default=1.0
        Weight :math:`\beta`.
    distill_weight : float, default=1.0
        Weight :math:`\delta`.
    direction : {"learner", "both"}, default="learner"
        Whether only the learner moves, or (published) the teacher and the gap too.
    form : {"divergence", "code"}, default="divergence"
        "code" compares logits instead of probabilities in D, and in place of KL has
        :math:`p_l (\ln p_l - p_t)` of the probabilities of the truth, as the released code does;
        that is no divergence, and can be negative.
    start_epoch, stop_epoch : int, default=0, None
        First epoch with teaching, and the first without again; None goes on to the end.

    Notes
    -----
    A modality's logits are its own classifier's where one is trained (``unimodal_weight`` above 0
    or ``fusion="late"``), else its part of a fused classifier that is a sum. Any number of
    modalities (the mean is over a row's pairs), rows that lack some, and several labels (whose
    credits are means) are ours; numbers have no probabilities. With one modality this is plain
    training. ``history_`` gets ``face__taught``, the share of rows on which a modality is taught.
    Only code of a benchmark is published. See `NegativeLearning` for the same idea on the wrong
    classes.

    References
    ----------
    .. [1] Xu, Cui, Huang, Wang, Hu, "BalanceBenchmark: A Survey for Multimodal Imbalance Learning",
       arXiv 2502.10816: in its code, after a paper of WSDM 2023.

    Examples
    --------
    >>> from sk_mmbalance import MultimodalClassifier
    >>> from sk_mmbalance.balancing import MBSD
    >>> from sk_mmbalance.datasets import load_digits_views
    >>> X, y = load_digits_views(return_X_y=True)
    >>> clf = MultimodalClassifier(balancing=MBSD(), max_epochs=5, random_state=0)
    >>> bool(clf.fit(X[:900], y[:900]).score(X[900:], y[900:]) > 0.7)
    True
    """

    similarity_weight: float = 1.0
    distill_weight: float = 1.0
    direction: str = "learner"
    form: str = "divergence"
    start_epoch: int = 0
    stop_epoch: Any = None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "similarity_weight": [Interval(Real, 0, None, closed="left")],
        "distill_weight": [Interval(Real, 0, None, closed="left")],
        "direction": [StrOptions({"learner", "both"})],
        "form": [StrOptions({"divergence", "code"})],
        "start_epoch": [Interval(Integral, 0, None, closed="left")],
        "stop_epoch": [Interval(Integral, 0, None, closed="left"), None],
    }
    _published: ClassVar[Mapping[str, Any]] = {"direction": "both", "form": "code"}
    _kinds: ClassVar[tuple[str, ...]] = (CLASSES, LABELS)
    _stacks: ClassVar[bool] = True

    def check_net(self, net: Net) -> None:
        """Refuse modalities without logits of their own."""
        self._refuse_no_logits(net)

    def _takes_part(self, net: Net) -> bool:
        wanted = self.similarity_weight > 0 or self.distill_weight > 0
        return wanted and len(net.network.names) > 1 and self.acts(net)

    def needs_own_logits(self, net: Net) -> bool:
        """Where there are teachers."""
        return net.network.has_own_logits and self._takes_part(net)

    def loss(self, net: Net, output: MultimodalOutput, batch: Batch, loss: Tensor) -> Tensor:
        """Add what the teachers ask for."""
        if not self._takes_part(net):
            return loss
        X, y = batch
        names, weight = net.network.names, X.get("weight")
        logits = logits_to_train(net, output, batch)
        logits = {m: logits[m] for m in names}
        present = rows_having(batch, names)
        moving = self.direction == "both" or self.form == "code"
        shown = logits if moving else over(Tensor.detach, logits)
        credits, right = credits_and_hits(net.criterion_, shown, y)
        moved = credits if self.direction == "both" else credits.detach()
        gaps = teaching(moved, right, present)
        apart = self._apart(net, torch.stack(list(logits.values()), dim=1), credits)
        losses = (gaps / n_pairs(gaps, present) * apart).sum(dim=(1, 2))
        if net.measuring:
            taught = row_means((gaps.detach() > 0).any(dim=1).to(losses.dtype), present, weight)
            net.note_each("taught", taught)
        return loss + weighted_mean_loss(losses, weight)

    def _apart(self, net: Net, z: Tensor, credits: Tensor) -> Tensor:
        """Weighted differences, [i, t, l] of teacher and learner on row i."""
        code, both = self.form == "code", self.direction == "both"
        log_p = log_probabilities(net.criterion_, z)
        values = z if code else log_p.exp().flatten(2)
        apart: Any = 0
        if self.similarity_weight:
            apart = self.similarity_weight * squared_differences(values, both)
        if self.distill_weight and code:
            apart = apart + self.distill_weight * code_divergences(credits, both)
        elif self.distill_weight:
            apart = apart + self.distill_weight * divergences(log_p, both)
        return apart


def teaching(credits: Tensor, right: Tensor, present: Tensor | None = None) -> Tensor:
    """[i, t, l], by how much t is ahead of l on row i, where one of them is right; else 0.

    Parameters
    ----------
    credits, right : Tensor of shape (batch, n_modalities)
        How right each modality is, and whether it is.
    present : Tensor of bool of shape (batch, n_modalities), default=None
        Which modalities a row has.
    """
    ahead = credits[:, :, None] - credits[:, None, :]
    teaches = right[:, :, None] | right[:, None, :]
    if present is not None:
        teaches = teaches & present[:, :, None] & present[:, None, :]
    return torch.relu(ahead) * teaches


def n_pairs(gaps: Tensor, present: Tensor | None) -> Any:
    """How many pairs of modalities a row has, at least 1; a number or (batch, 1, 1)."""
    if present is None:
        return gaps.shape[1] * (gaps.shape[1] - 1) // 2
    count = present.sum(dim=1)
    return (count * (count - 1) // 2).clamp_min(1)[:, None, None]


def squared_differences(values: Tensor, both: bool = False) -> Tensor:
    """Mean squared difference of (batch, n_modalities, n_values), [i, t, l]."""
    teacher = values if both else values.detach()
    return (teacher[:, :, None] - values[:, None, :]).square().mean(dim=3)


def divergences(log_p: Tensor, both: bool = False) -> Tensor:
    """``KL(p_t || p_l)``, [i, t, l], the mean over targets."""
    teacher = (log_p if both else log_p.detach())[:, :, None]
    return (teacher.exp() * (teacher - log_p[:, None])).sum(dim=(3, 4)) / log_p.shape[2]


def code_divergences(credits: Tensor, both: bool = False) -> Tensor:
    """``c_l (ln c_l - c_t)``, [i, t, l], of the credits c."""
    teacher = credits if both else credits.detach()
    floor = torch.finfo(credits.dtype).tiny
    learner = credits[:, None, :]
    return learner * (learner.clamp_min(floor).log() - teacher[:, :, None])
