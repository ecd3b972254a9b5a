"""`PMR`: a modality that is behind learns from its class means too (prototypical rebalance)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._sklearn import Interval, StrOptions
from ..base import CLASSES
from ..networks import (
    Batch,
    ByModality,
    MultimodalOutput,
    RowBatches,
    entropy,
    weighted_mean_loss,
)
from ._base import Balancing, switched_on
from ._evidence import credits_of, pair_ratios, rows_having
from ._protocol import Net


class _Prototypes(nn.Module):
    """Mean embedding of each class in one modality, and which classes have one."""

    def __init__(self, n_classes: int, size: int):
        super().__init__()
        self.register_buffer("means", torch.zeros(n_classes, size))
        self.register_buffer("known", torch.zeros(n_classes, dtype=torch.bool))


@dataclass(kw_only=True, eq=False, repr=False)
class PMR(Balancing):
    r"""Prototypical modal rebalance.

    Minus the distances of an embedding to the class means of its modality are logits of a
    classifier without parameters. It tells how far each modality is by itself, and as a loss it
    speeds up those behind: the loss gets
    :math:`\lambda \sum_m \beta_m \operatorname{CE}(-d(u_m, c_m), y)`, where :math:`\beta_m` is how
    much the credit of the best modality exceeds that of modality m, as a share of the latter,
    between 0 and 1.

    Parameters
    ----------
    weight : float, default=1.0
        Weight :math:`\lambda`.
    coefficient : {"ratio", "constant", "equal"}, default="ratio"
        Whether :math:`\beta_m` is as above (the paper), or 1 for every modality that is behind (the
        released code), or 1/2 for all: the control.
    momentum : float, default=0.0
        Share of the former class means in those of a new epoch.
    entropy_weight : float, default=0.0
        Reward for entropy of the distances' probabilities in a modality that is ahead, as a share
        of how far it is.
    entropy_epochs : int, default=0
        In so many first epochs.
    start_epoch, stop_epoch : int, default=0, None
        First epoch with prototypes, and the first without again; None goes on to the end.

    Notes
    -----
    Class means are those of all training rows that have the modality, weighted, in evaluation mode
    before each epoch, which costs a third of an epoch. A class without rows keeps its former mean;
    without any it is left out. Distances, and so the strength, depend on the scale of the
    embeddings. The form for more than two modalities, and for rows that lack some, is ours: two
    modalities are compared on the rows that have both. Any fusion will do; ``y`` must hold
    classes. With one modality this is plain training. ``history_`` gets ``face__score`` and
    ``face__loss_weight``. The paper's ratio and its reward for entropy are not in the released
    code, which takes the means from a tenth of the rows.

    References
    ----------
    .. [1] Fan, Xu, Wang, Wang, Guo, "PMR: Prototypical Modal Rebalance for Multimodal Learning",
       CVPR 2023.

    Examples
    --------
    >>> from sk_mmbalance import MultimodalClassifier
    >>> from sk_mmbalance.balancing import PMR
    >>> from sk_mmbalance.datasets import load_digits_views
    >>> X, y = load_digits_views(return_X_y=True)
    >>> clf = MultimodalClassifier(balancing=PMR(), max_epochs=5, random_state=0)
    >>> bool(clf.fit(X[:900], y[:900]).score(X[900:], y[900:]) > 0.7)
    True
    """

    weight: float = 1.0
    coefficient: str = "ratio"
    momentum: float = 0.0
    entropy_weight: float = 0.0
    entropy_epochs: int = 0
    start_epoch: int = 0
    stop_epoch: Any = None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "weight": [Interval(Real, 0, None, closed="left")],
        "coefficient": [StrOptions({"ratio", "constant", "equal"})],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "entropy_weight": [Interval(Real, 0, None, closed="left")],
        "entropy_epochs": [Interval(Integral, 0, None, closed="left")],
        "start_epoch": [Interval(Integral, 0, None, closed="left")],
        "stop_epoch": [Interval(Integral, 0, None, closed="left"), None],
    }
    _published: ClassVar[Mapping[str, Any]] = {"coefficient": "constant"}
    _published_side: ClassVar[Mapping[str, Any]] = {"optimizer": "sgd", "unimodal_weight": 0.0}
    _kinds: ClassVar[tuple[str, ...]] = (CLASSES,)
    _stacks: ClassVar[bool] = True
    _stacked_numbers: ClassVar[frozenset[str]] = frozenset({"weight", "entropy_weight"})

    def control(self) -> dict[str, Any]:
        """The same loss for all modalities alike."""
        return {"balancing": PMR(**{**self.get_params(), "coefficient": "equal"})}

    def make_state(self, module: Any, dims: Mapping[str, int], n_classes: int) -> nn.Module | None:
        """No prototypes so far."""
        return ByModality({name: _Prototypes(n_classes, size) for name, size in dims.items()})

    def _takes_part(self, net: Net) -> bool:
        rewards = switched_on(self.entropy_weight) and self.entropy_epochs > 0
        wanted = switched_on(self.weight) or rewards
        return wanted and len(net.network.names) > 1 and self.acts(net)

    @torch.no_grad()
    def begin_pass(self, net: Net, batches: RowBatches) -> dict[str, Any]:
        """Take the class means of now."""
        if not self._takes_part(net):
            return {}
        state: Any = net.running(self)
        sums = {m: torch.zeros_like(state[m].means) for m in net.network.names}
        counts = {m: torch.zeros_like(state[m].means[:, 0]) for m in sums}
        for X, y in net.get_iterator(replace(batches.rows, extras={})):
            embeddings = net.evaluate((X, y), unimodal=False).embeddings or {}
            for m, u in embeddings.items():
                share = counts[m].new_ones(len(y)) if "weight" not in X else X["weight"]
                share = torch.where(X["present"][m], share, 0) if "present" in X else share
                counts[m].index_add_(0, y, share)
                sums[m].index_add_(0, y, share[:, None] * u.to(share.dtype))
        for m, total in sums.items():
            own = state[m]
            means, known = next_means(total, counts[m], own.means, own.known, self.momentum)
            own.means.copy_(means)
            own.known.copy_(known)
        return {}

    def loss(self, net: Net, output: MultimodalOutput, batch: Batch, loss: Tensor) -> Tensor:
        """Add the losses of the modalities that are behind."""
        if not self._takes_part(net):
            return loss
        X, y = batch
        names, weight, state = net.network.names, X.get("weight"), self._state(net)
        embeddings = output.embeddings or {}
        logits = {}
        for m in names:
            u = embeddings[m].to(state[m].means.dtype)
            logits[m] = prototype_logits(u, state[m].means, state[m].known)
        # the class of a row that has a modality has a mean in it, to which the row belonged
        here = X.get("present") or dict.fromkeys(names)
        with torch.no_grad():
            credits = credits_of(net.criterion_, logits, y)
            scores, ratios, pairs = pair_ratios(credits, rows_having(batch, names), weight)
            behind = self._coefficients(ratios.t(), pairs)
        if switched_on(self.weight):
            for m, share in zip(names, (self.weight * behind).unbind(), strict=True):
                loss = loss + share * _mean_loss(logits[m], y, weight, here[m])
        if switched_on(self.entropy_weight) and len(net.history) <= self.entropy_epochs:
            ahead = self._coefficients(ratios, pairs)
            for m, share in zip(names, (self.entropy_weight * ahead).unbind(), strict=True):
                loss = loss - share * weighted_mean_loss(_entropy(logits[m]), weight, here[m])
        net.note_each("score", scores)
        net.note_each("loss_weight", behind)
        return loss

    def _state(self, net: Net) -> Any:
        return net.running(self)

    def _coefficients(self, ratios: Tensor, pairs: Tensor) -> Tensor:
        """How far each modality is behind the best, from ``[m, j] = s_j / s_m``.

        From the transposed, how far it is ahead of the last.
        """
        if self.coefficient == "equal":
            return torch.full_like(ratios[0], 0.5)
        return shortfall(ratios, pairs, self.coefficient == "constant")


def _mean_loss(logits: Tensor, y: Tensor, weight: Tensor | None, here: Tensor | None) -> Tensor:
    if weight is None and here is None:
        return F.cross_entropy(logits, y)
    return weighted_mean_loss(F.cross_entropy(logits, y, reduction="none"), weight, here)


def prototype_logits(u: Tensor, means: Tensor, known: Tensor) -> Tensor:
    """Minus the distance of every embedding to every class mean; least where there is no mean."""
    # not by way of a product, which is inexact for embeddings that are near their class mean
    distances = torch.cdist(u, means, compute_mode="donot_use_mm_for_euclid_dist")
    return (-distances).masked_fill(~known, torch.finfo(u.dtype).min)


def next_means(
    sums: Tensor, counts: Tensor, means: Tensor, known: Tensor, momentum: float
) -> tuple[Tensor, Tensor]:
    """Class means after a pass, and which classes have one.

    Parameters
    ----------
    sums, counts : Tensor of shape (n_classes, size) and (n_classes,)
        Weighted sum of the embeddings of each class in this pass, and its weight.
    means, known : Tensor of shape (n_classes, size) and (n_classes,)
        Those before.
    momentum : float
        Share of the former mean, where there is one.
    """
    seen = counts > 0
    new = sums / torch.where(seen, counts, 1)[:, None]
    mixed = torch.where((seen & known)[:, None], (1 - momentum) * new + momentum * means, new)
    return torch.where(seen[:, None], mixed, means), seen | known


def shortfall(ratios: Tensor, pairs: Tensor, constant: bool = False) -> Tensor:
    """``clip(max_j s_j / s_m - 1, 0, 1)`` from ``[m, j] = s_j / s_m``; or whether it is above 0."""
    most = torch.where(pairs, ratios, 1).amax(dim=1)
    return (most > 1).to(ratios.dtype) if constant else (most - 1).clamp(0, 1)


def _entropy(logits: Tensor) -> Tensor:
    """Entropy of logits of which some are the least there are: those classes add nothing."""
    return entropy(logits.clamp_min(torch.finfo(logits.dtype).min / 4))
