"""Losses that several methods share."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor


def weighted_mean_loss(losses: Tensor, weight: Tensor | None, mask: Tensor | None = None) -> Tensor:
    """``sum_i w_i l_i / sum_i w_i`` over the rows of a batch.

    Rows outside `mask` add nothing to the numerator but stay in the denominator: a loss that
    concerns few rows weighs little.
    """
    if mask is not None:
        losses = torch.where(
            mask, losses, torch.zeros((), dtype=losses.dtype, device=losses.device)
        )
    if weight is None:
        return losses.mean()
    return (weight * losses).sum() / weight.sum()


def unimodal_losses(
    logits: Mapping[str, Tensor],
    codes: Tensor,
    weight: Tensor | None = None,
    present: Mapping[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    """Cross-entropy of every modality's own logits over the rows that have it."""
    return {
        name: weighted_mean_loss(
            F.cross_entropy(z, codes, reduction="none"),
            weight,
            None if present is None else present[name],
        )
        for name, z in logits.items()
    }
