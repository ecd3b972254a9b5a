"""The loss that a joint network is trained with, alone or as one of many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ._aligned import total
from ._module import MultimodalOutput
from ._target_loss import mean_criterion, unimodal_losses


def joint_loss(
    criterion: Any,
    output: MultimodalOutput,
    y: Tensor,
    X: Mapping[str, Any],
    unimodal_weight: float | Tensor,
) -> Tensor:
    """Criterion of the fused outputs, and `unimodal_weight` times the sum of the modalities' own.

    ``X`` is a batch, which may have "weight" and "present". A weight that is a tensor is that of
    one of many networks that are trained together.
    """
    weight = X.get("weight")
    loss = mean_criterion(criterion, output.logits, y, weight)
    if not isinstance(unimodal_weight, Tensor) and not unimodal_weight:
        return loss
    own = unimodal_losses(criterion, output.unimodal, y, weight, X.get("present"))
    both = total(own)
    if isinstance(unimodal_weight, Tensor) or unimodal_weight != 1:
        both = unimodal_weight * both
    return loss + both
