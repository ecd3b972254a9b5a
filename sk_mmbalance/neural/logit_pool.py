"""The weighted mean of unimodal logits, with weights that are given, or fitted after training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

FIT = "fit"


class LogitPool(nn.Module):
    """Fused logits from those of the modalities.

    Weights that are given are shares: they are divided by their sum over the modalities that a
    row has. Weights that are *fitted* (see `fit_fusion_weights`) also carry a temperature, in
    their sum ``W``: a row has ``W`` times the mean of its modalities' logits by their shares. A
    row that has no modality with a weight above 0 has their plain mean.

    Fitted weights are a buffer, and thereby in checkpoints and files of weights. Until they are
    fitted, and while the network is trained, modalities weigh equally.

    Parameters
    ----------
    names : iterable of str
        The modalities.
    weights : dict of str to float, "fit" or None
        None and "fit" weigh them equally.
    """

    fitted_weights: Tensor

    def __init__(self, names: Any, weights: Any = None):
        super().__init__()
        self.names = sorted(names)
        self.fitted: dict[str, float] | None = None
        self.give(weights)
        if weights == FIT:
            self._make_room()

    def _make_room(self) -> None:
        unknown = torch.full((len(self.names),), torch.nan, dtype=torch.float64)
        self.register_buffer("fitted_weights", unknown)

    def give(self, weights: Any) -> None:
        """Take weights that are given."""
        equal = weights is None or weights == FIT
        self.given = {m: 1.0 if equal else float(weights[m]) for m in self.names}

    def set_fitted(self, weights: Any) -> None:
        """Take weights that were fitted, in the order of names; None goes back to equal ones."""
        if "fitted_weights" not in self._buffers:  # a warm start under other parameters
            self._make_room()
        with torch.no_grad():
            values = torch.nan if weights is None else torch.as_tensor(weights)
            self.fitted_weights[:] = values  # rounded to the precision of the network
        self._read_fitted()

    def _read_fitted(self) -> None:
        values = self.fitted_weights.tolist()  # once, so that no prediction waits for the device
        known = all(value == value for value in values)
        self.fitted = dict(zip(self.names, values, strict=True)) if known else None

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        if "fitted_weights" in self._buffers:
            self._read_fitted()

    @property
    def weights(self) -> dict[str, float]:
        """Weights in force."""
        return self.given if self.fitted is None else self.fitted

    def forward(
        self, logits: Mapping[str, Tensor], present: Mapping[str, Tensor] | None = None
    ) -> Tensor:
        """Fused logits of a batch."""
        if self.fitted is None:
            return weighted_mean(logits, self.given, present)
        mean = weighted_mean(logits, dict.fromkeys(logits, 1.0), present)
        heard = [m for m in logits if self.fitted[m] > 0]
        if not heard:
            return mean
        some = {m: logits[m] for m in heard}
        pooled = sum(self.fitted.values()) * weighted_mean(some, self.fitted, present)
        if present is None:
            return pooled
        has_one = torch.stack([present[m] for m in heard]).any(dim=0)
        return torch.where(has_one[:, None], pooled, mean)


def weighted_mean(
    logits: Mapping[str, Tensor],
    weights: Mapping[str, float],
    present: Mapping[str, Tensor] | None,
) -> Tensor:
    """Weighted mean of unimodal logits over the modalities present in each row."""
    if present is None:
        sum_of_weights = sum(weights[m] for m in logits)
        return add_up([z * (weights[m] / sum_of_weights) for m, z in logits.items()])
    shares = {m: present[m].to(z.dtype) * weights[m] for m, z in logits.items()}
    scale = add_up(list(shares.values()))
    scale = scale.clamp_min(torch.finfo(scale.dtype).tiny)  # rows that have none of these
    return add_up([z * (shares[m] / scale)[:, None] for m, z in logits.items()])


def add_up(terms: list[Tensor]) -> Tensor:
    """Sum of tensors, in their order."""
    result = terms[0]
    for term in terms[1:]:
        result = result + term
    return result
