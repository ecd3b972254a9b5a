"""Class prototypes: means of a modality's features, and what is computed from distances to them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

#: Distances are rounded off below this. A row that is alone in its class *is* its prototype; the
#: slope of the distance would there be a unit vector along rounding errors.
_SOFT = 1e-6


def class_means(
    features: Tensor, codes: Tensor, n_classes: int, weight: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Mean feature of every class, and the weight of its rows.

    Parameters
    ----------
    features : Tensor of shape (n_samples, size)
        Features of one modality, rows that have it only.
    codes : Tensor of int64 of shape (n_samples,)
        Classes.
    n_classes : int
        Number of classes.
    weight : Tensor of shape (n_samples,), default=None
        Weights of the rows.

    Returns
    -------
    means : Tensor of shape (n_classes, size)
        Zeros for a class without rows; its count says so.
    counts : Tensor of shape (n_classes,)
        n(c).
    """
    share = torch.ones(len(codes), dtype=torch.float64, device=codes.device)
    share = share if weight is None else weight.double()
    counts = share.new_zeros(n_classes).index_add(0, codes, share)
    sums = share.new_zeros(n_classes, features.shape[1])
    sums = sums.index_add(0, codes, share[:, None] * features.double())
    means = sums / torch.where(counts > 0, counts, torch.ones_like(counts))[:, None]
    return means.to(features.dtype), counts


def distance_logits(features: Tensor, prototypes: Tensor, known: Tensor) -> Tensor:
    """Negative Euclidean distances (not squared) to the prototypes; -inf for unknown classes.

    Parameters
    ----------
    features : Tensor of shape (batch, size)
        Features z.
    prototypes : Tensor of shape (n_classes, size)
        Prototypes g(c).
    known : Tensor of bool of shape (n_classes,)
        Classes that have a prototype.

    Returns
    -------
    Tensor of shape (batch, n_classes)
        ``-||z - g(c)||``.
    """
    # the other ways of torch.cdist lose digits where a feature lies near its prototype
    away = torch.cdist(features, prototypes, compute_mode="donot_use_mm_for_euclid_dist")
    away = (away**2 + _SOFT**2).sqrt()
    return (-away).masked_fill(~known, -torch.inf)


def unit(features: Tensor) -> Tensor:
    """Rows of length one, but for those that are near nought."""
    return features / (features.square().sum(dim=1, keepdim=True) + _SOFT).sqrt()


def prototype_losses(logits: Tensor, codes: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy of every row, and which rows count (those whose class has a prototype)."""
    counted = known[codes]
    # a row that does not count asks for a class that is known, so that nothing becomes infinite
    safe = torch.where(counted, codes, known.long().argmax())
    losses = F.cross_entropy(logits, safe, reduction="none")
    return torch.where(counted, losses, torch.zeros_like(losses)), counted


def nearest_prototype_accuracy(
    features: Tensor, codes: Tensor, prototypes: Tensor, known: Tensor, weight: Tensor | None = None
) -> float:
    """Share of the rows whose nearest prototype is that of their class."""
    if not len(codes) or not bool(known.any()):
        return 0.0
    right = distance_logits(features, prototypes, known).argmax(dim=1) == codes
    share = torch.ones(len(codes), dtype=torch.float64, device=codes.device)
    share = share if weight is None else weight.double()
    return float((share * right).sum() / share.sum())


def merge_prototypes(
    old: tuple[np.ndarray, np.ndarray] | None,
    sent: Sequence[tuple[np.ndarray, np.ndarray]],
    keep_old: bool = True,
) -> tuple[np.ndarray, np.ndarray] | None:
    """Global prototypes of one modality: ``sum_k n_k(c) p_k(c) / sum_k n_k(c)``.

    Parameters
    ----------
    old : (prototypes, known) or None
        Prototypes so far, shape (n_classes, size), and which classes have one.
    sent : sequence of (prototypes, counts)
        Of every client that has the modality.
    keep_old : bool, default=True
        Whether a class that no client has shown this time keeps its prototype; else it has none.

    Returns
    -------
    (prototypes, known) or None
        None if there has never been one.
    """
    if not sent:
        return old if keep_old else None
    total = sum(counts.astype(np.float64) for _, counts in sent)
    summed = sum(counts[:, None] * means.astype(np.float64) for means, counts in sent)
    known = np.asarray(total) > 0
    means = np.asarray(summed) / np.where(known, total, 1)[:, None]
    if old is not None and keep_old:
        means = np.where(known[:, None], means, old[0])
        known = known | old[1]
    return means.astype(sent[0][0].dtype), known
