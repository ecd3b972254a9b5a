"""Losses and scores of a batch that several methods share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .. import networks


def mean_cross_entropy(
    logits: Tensor, codes: Tensor, weight: Tensor | None, mask: Tensor | None = None
) -> Tensor:
    """Weighted mean cross-entropy; rows outside `mask` count in the denominator only."""
    if weight is None and mask is None:
        return F.cross_entropy(logits, codes)
    return networks.weighted_mean_loss(
        F.cross_entropy(logits, codes, reduction="none"), weight, mask
    )


def credit(logits: Tensor, codes: Tensor) -> Tensor:
    """How right each row's logits are: the probability of its true class, shape (batch,)."""
    return F.softmax(logits, dim=1).gather(1, codes[:, None])[:, 0]


def mean_credit(
    logits: Tensor, codes: Tensor, weight: Tensor | None, mask: Tensor | None
) -> float | None:
    """Weighted mean credit of the rows inside `mask`; None if there are none."""
    right = credit(logits, codes)
    share = torch.ones_like(right) if weight is None else weight
    if mask is not None:
        share = torch.where(mask, share, torch.zeros_like(share))
    total = share.sum()
    return float((share * right).sum() / total) if bool(total > 0) else None
