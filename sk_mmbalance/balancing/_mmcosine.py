"""`MMCosine`: a classifier of cosines, in which no modality wins by the size of its embeddings."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from .._sklearn import Interval, StrOptions
from ..base import CLASSES, LABELS
from ..networks import ByModality, ClassLoss, Embeddings, Fused, ModalityRows, Presence
from ._base import Balancing
from ._protocol import Net

#: Lowest cross-entropy that a scale may leave before a warning tells of it.
HIGH_FLOOR = 0.1


@dataclass(kw_only=True, eq=False, repr=False)
class MMCosine(Balancing):
    r"""Multi-modal cosine loss: the fused classifier adds up cosines.

    In a linear classifier on concatenated embeddings, a modality with large embeddings or large
    weights has the say. Here the logit of class c is
    :math:`s \sum_m \cos(u_m, W_{m,c})`, so that only directions count, in training and in
    prediction alike.

    Parameters
    ----------
    scale : float, default=10.0
        Scale :math:`s` of the cosines. Too small a scale keeps the loss from falling, however well
        the classes are told apart; a `UserWarning` says so.
    over : {"modality", "concatenation"}, default="modality"
        "concatenation" has one cosine over all embeddings together, times s and the number of
        modalities: the control.

    Notes
    -----
    The fusion is the method's own, in place of "concat"; others are refused. A modality that a row
    lacks adds nothing to any class. Targets are classes or labels: a number is a size, which
    cosines do not have. With one modality this is one classifier of cosines, not plain training.
    The released code trains with cosines and predicts with the plain linear layer; this predicts
    as it trains.

    References
    ----------
    .. [1] Xu, Feng, Zhang, Hu, "MMCosine: Multi-Modal Cosine Loss Towards Balanced Audio-Visual
       Fine-Grained Learning", ICASSP 2023.

    Examples
    --------
    >>> from sk_mmbalance import MultimodalClassifier
    >>> from sk_mmbalance.balancing import MMCosine
    >>> from sk_mmbalance.datasets import load_digits_views
    >>> X, y = load_digits_views(return_X_y=True)
    >>> clf = MultimodalClassifier(balancing=MMCosine(), max_epochs=5, random_state=0)
    >>> bool(clf.fit(X[:900], y[:900]).score(X[900:], y[900:]) > 0.7)
    True
    """

    scale: float = 10.0
    over: str = "modality"

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "scale": [Interval(Real, 0, None, closed="neither")],
        "over": [StrOptions({"modality", "concatenation"})],
    }
    _published_side: ClassVar[Mapping[str, Any]] = {"optimizer": "sgd", "unimodal_weight": 0.0}
    _fusions: ClassVar[frozenset[str] | None] = frozenset({"concat"})
    _fixed: ClassVar[frozenset[str]] = frozenset({"scale", "over"})
    _kinds: ClassVar[tuple[str, ...]] = (CLASSES, LABELS)
    _stacks: ClassVar[bool] = True

    def control(self) -> dict[str, Any]:
        """One cosine over all embeddings together."""
        return {"balancing": MMCosine(scale=self.scale, over="concatenation")}

    def make_fusion(
        self, dims: Mapping[str, int], n_classes: int, weights: Mapping[str, float] | None
    ) -> nn.Module | None:
        """Cosines."""
        return CosineFusion(dims, n_classes, self.scale, together=self.over == "concatenation")

    def on_train_begin(self, net: Net, rows: ModalityRows, valid: Any) -> ModalityRows:
        """Warn of a scale that keeps the loss up."""
        fusion: Any = net.network.fusion
        if isinstance(net.criterion_, ClassLoss):
            floor = lowest_loss(self.scale * len(fusion.maps), fusion.n_classes)
            if floor > HIGH_FLOOR:
                warnings.warn(
                    f"With `balancing` MMCosine(scale={self.scale}), {len(fusion.maps)} "
                    f"modalities and {fusion.n_classes} classes, the loss cannot fall below "
                    f"{floor:.3g}. Raise `scale`.",
                    UserWarning,
                    stacklevel=2,
                )
        return rows


class CosineFusion(nn.Module):
    """Scaled sum of one cosine a modality, between its embedding and the weights of a class.

    Parameters
    ----------
    dims : mapping of str to int
        Sizes of the embeddings.
    n_classes : int
        Number of classes.
    scale : float
        Multiplies the cosines.
    together : bool, default=False
        Whether there is one cosine of all embeddings, times the number of modalities.
    """

    def __init__(
        self, dims: Mapping[str, int], n_classes: int, scale: float, together: bool = False
    ):
        super().__init__()
        bound = 1 / math.sqrt(sum(dims.values()))
        maps = {m: nn.Linear(dims[m], n_classes, bias=False) for m in sorted(dims)}
        for linear in maps.values():
            nn.init.uniform_(linear.weight, -bound, bound)
        self.maps = ByModality(maps)
        self.n_classes = n_classes
        self.scale = scale
        self.together = together and len(dims) > 1

    def forward(self, embeddings: Embeddings, present: Presence = None) -> Fused:
        """Add up the cosines."""
        if not self.together:
            return sum(self.terms(embeddings, present).values()), None  # type: ignore[return-value]
        # a modality that is not there has an embedding of zeros, and its weights count all the same
        weights: Any = {m: self.maps[m].weight for m in self.maps}
        u = torch.cat([embeddings[m] for m in embeddings], dim=1)
        w = torch.cat([weights[m] for m in embeddings], dim=1)
        whole = torch.cat(list(weights.values()), dim=1)
        cosines = (u @ w.t()) * _one_over_norm(u)[:, None] * _one_over_norm(whole)
        return self.scale * len(weights) * cosines, None

    def terms(self, embeddings: Embeddings, present: Presence = None) -> dict[str, Tensor]:
        """What each modality adds to the logits."""
        weights: Any = {m: self.maps[m].weight for m in embeddings}
        return {m: self.scale * cosines(u, weights[m]) for m, u in embeddings.items()}


def cosines(u: Tensor, weight: Tensor) -> Tensor:
    """Cosine of every row of `u` with every row of `weight`; 0 where either is zero."""
    return (u @ weight.t()) * _one_over_norm(u)[:, None] * _one_over_norm(weight)


def _one_over_norm(rows: Tensor) -> Tensor:
    """``1 / |row|``, and 0 for a row of zeros, which then gets no gradient either."""
    squares = rows.square().sum(dim=1)
    some = squares > 0
    return torch.where(some, torch.where(some, squares, 1).rsqrt(), 0)


def lowest_loss(scale: float, n_classes: int) -> float:
    """Cross-entropy that no weights can go below: ``log(1 + (C - 1) exp(-S C / (C - 1)))``.

    Cosines with C classes are at best 1 and ``-1 / (C - 1)``.
    """
    others = n_classes - 1
    return math.log1p(others * math.exp(-scale * n_classes / others)) if others else 0.0
