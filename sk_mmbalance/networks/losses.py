"""Losses that several methods share."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn


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


def mean_criterion(
    criterion: nn.Module, logits: Tensor, codes: Tensor, weight: Tensor | None
) -> Tensor:
    """Weighted mean of a criterion that gives a loss per row."""
    if weight is None and type(criterion) is nn.CrossEntropyLoss and criterion.weight is None:
        # the same number in one kernel instead of three
        return F.cross_entropy(logits, codes, label_smoothing=criterion.label_smoothing)
    return weighted_mean_loss(criterion(logits, codes), weight)


def unimodal_losses(
    logits: Mapping[str, Tensor],
    codes: Tensor,
    weight: Tensor | None = None,
    present: Mapping[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    """Cross-entropy of every modality's own logits over the rows that have it."""
    if weight is None and present is None:
        return {name: F.cross_entropy(z, codes) for name, z in logits.items()}
    return {
        name: weighted_mean_loss(
            F.cross_entropy(z, codes, reduction="none"),
            weight,
            None if present is None else present[name],
        )
        for name, z in logits.items()
    }
