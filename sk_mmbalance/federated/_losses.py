"""Losses and scores of a batch that several methods share."""

from __future__ import annotations

import torch
from torch import Tensor

from .. import networks

#: What a row of one class loses, and how right its logits are.
LOSS = networks.ClassLoss(reduction="none")


def mean_cross_entropy(
    logits: Tensor, codes: Tensor, weight: Tensor | None, mask: Tensor | None = None
) -> Tensor:
    """Weighted mean cross-entropy; rows outside `mask` count in the denominator only."""
    return networks.mean_criterion(LOSS, logits, codes, weight, mask)


def mean_credit(
    logits: Tensor, codes: Tensor, weight: Tensor | None, mask: Tensor | None
) -> float | None:
    """Weighted mean credit of the rows inside `mask`; None if there are none."""
    right = LOSS.credit(logits, codes)
    share = torch.ones_like(right) if weight is None else weight
    if mask is not None:
        share = torch.where(mask, share, torch.zeros_like(share))
    total = share.sum()
    return float((share * right).sum() / total) if bool(total > 0) else None
