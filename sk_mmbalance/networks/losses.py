"""Losses and credits of rows, and their means: all that depends on what the target is."""

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


def mean_where(losses: Tensor, weight: Tensor | None, here: Tensor) -> Tensor:
    """``sum_i w_i l_i / sum_i w_i`` over the rows in `here` alone, denominator and all."""
    share = here.to(losses.dtype) if weight is None else torch.where(here, weight, 0)
    return (share * torch.where(here, losses, 0)).sum() / share.sum()


def mean_criterion(
    criterion: nn.Module, logits: Tensor, codes: Tensor, weight: Tensor | None
) -> Tensor:
    """Weighted mean of a criterion that gives a loss per row."""
    if weight is None and type(criterion) is nn.CrossEntropyLoss and criterion.weight is None:
        # the same number in one kernel instead of three
        return F.cross_entropy(logits, codes, label_smoothing=criterion.label_smoothing)
    return weighted_mean_loss(criterion(logits, codes), weight)


def unimodal_losses(
    criterion: nn.Module,
    logits: Mapping[str, Tensor],
    codes: Tensor,
    weight: Tensor | None = None,
    present: Mapping[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    """Criterion of every modality's own logits, averaged over the rows that have it."""
    if present is None:
        return {name: mean_criterion(criterion, z, codes, weight) for name, z in logits.items()}
    return {
        name: weighted_mean_loss(criterion(z, codes), weight, present[name])
        for name, z in logits.items()
    }


def credit(logits: Tensor, codes: Tensor) -> Tensor:
    """How right each row's output is, in [0, 1]: the probability of the true class."""
    return F.softmax(logits, dim=1).gather(1, codes[:, None])[:, 0]


def doubt(logits: Tensor) -> Tensor:
    """How unsure each row's output is: the entropy of its probabilities."""
    log_p = F.log_softmax(logits, dim=1)
    return -(log_p.exp() * log_p).sum(dim=1)
