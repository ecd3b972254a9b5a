"""`Collected`: what a network gives for batch after batch."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


class Collected:
    """What a network gives for batch after batch, written into tensors of all rows.

    Pieces that were kept one by one would stand in the gaps that a batch leaves in memory, and the
    next batch would need new room.

    Parameters
    ----------
    n_rows : int
        Of all batches together.
    dim : int, default=0
        Along which the rows lie.
    """

    def __init__(self, n_rows: int, dim: int = 0):
        self.parts: dict[str, Tensor] = {}
        self._n_rows, self._dim = n_rows, dim
        self._filled: dict[str, int] = {}

    def add(self, found: Mapping[str, Tensor]) -> None:
        """Put what was found for the next rows behind what there is, in main memory."""
        for name, values in found.items():
            start = self._filled.get(name, 0)
            n_rows = values.shape[self._dim]
            if name not in self.parts:
                shape = [*values.shape]
                shape[self._dim] = self._n_rows
                self.parts[name] = torch.empty(shape, dtype=values.dtype)
            self.parts[name].narrow(self._dim, start, n_rows).copy_(values)
            self._filled[name] = start + n_rows
