"""Parts of the training rows that a method wants for itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..networks import ModalityRows, SparseInput, mix_seeds
from ._protocol import Net


def rows_with(rows: ModalityRows, name: str) -> ModalityRows:
    """The rows that have a modality, with it alone."""
    alone = replace(rows.only(name), extras={})
    return alone if rows.present is None else alone.take(rows.present[name].nonzero()[:, 0])


def hold_out_by_content(
    net: Net, rows: ModalityRows, fraction: float
) -> tuple[ModalityRows, ModalityRows]:
    """Rows to train on, and rows held out.

    Which is which depends on what a row holds and on the net's seed: a row that stands twice is on
    one side, as a row of weight 2 is, and what was held out before is so when training goes on.
    Each class gives the part of its weight that `fraction` says, rounded down.
    """
    codes = rows.codes.cpu().numpy()
    classes = codes if codes.ndim == 1 else np.zeros(len(codes), dtype=int)
    weight = np.ones(len(codes)) if rows.weight is None else rows.weight.double().cpu().numpy()
    held = first_of_each_class(_keys(net, rows), classes, weight, fraction)
    return tuple(_take(rows, np.flatnonzero(part)) for part in (~held, held))  # type: ignore


def first_of_each_class(
    keys: np.ndarray, classes: np.ndarray, weight: np.ndarray, fraction: float
) -> np.ndarray:
    """Which rows are first in their class by `keys`, up to a fraction of its weight.

    Parameters
    ----------
    keys, classes, weight : array of shape (n_samples,)
        Rows with the same key stay together.
    fraction : float
        Largest part of a class's weight.

    Returns
    -------
    array of bool of shape (n_samples,)
    """
    order = np.lexsort((keys, classes))
    _, start, place = np.unique(classes[order], return_index=True, return_inverse=True)
    total = np.cumsum(weight[order])
    before = np.append(0.0, total)[start]
    whole = np.append(before[1:], total[-1]) - before
    last = np.ones(len(order), dtype=bool)  # of those that have the same key
    sorted_keys, sorted_classes = keys[order], classes[order]
    last[:-1] = (sorted_keys[1:] != sorted_keys[:-1]) | (sorted_classes[1:] != sorted_classes[:-1])
    ends = np.flatnonzero(last)[np.cumsum(np.append(False, last[:-1]))]
    held = np.empty(len(order), dtype=bool)
    held[order] = total[ends] - before[place] <= fraction * whole[place] * (1 + 1e-9)
    return held


def _keys(net: Net, rows: ModalityRows) -> np.ndarray:
    """A number for each row, drawn by its bits in integers, whose sums have no order."""
    keys = []
    for X, y in net.get_iterator(replace(rows, extras={})):
        total = torch.zeros(len(y), dtype=torch.int64, device=y.device)
        for name, x in X["inputs"].items():
            bits = _bits(x.to_dense().reshape(len(x), -1))
            generator = torch.Generator().manual_seed(mix_seeds(net.seed, bits.shape[1]))
            factors = torch.randint(2**62, (bits.shape[1],), generator=generator) * 2 + 1
            own = _stirred((bits * factors.to(bits.device)).sum(dim=1))
            total += own if "present" not in X else torch.where(X["present"][name], own, 0)
        keys.append(_stirred(total))
    return torch.cat(keys).cpu().numpy()


def _bits(x: Tensor) -> Tensor:
    whole = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[x.element_size()]
    return x.contiguous().view(whole).to(torch.int64)


def _stirred(numbers: Tensor) -> Tensor:
    """Spread the low bits of integers over all, as hash functions do."""
    numbers = (numbers ^ (numbers >> 31)) * 0x7FB5D329728EA185
    return numbers ^ (numbers >> 27)


def _take(rows: ModalityRows, chosen: np.ndarray) -> ModalityRows:
    """Some rows, sparse ones as sparse."""
    index = torch.from_numpy(chosen).to(rows.codes.device)

    def part(values: Any) -> Any:
        if isinstance(values, SparseInput):
            return SparseInput(values.matrix[chosen], values.dtype)
        return values[index.to(values.device)]

    return replace(
        rows,
        inputs={name: part(x) for name, x in rows.inputs.items()},
        codes=part(rows.codes),
        present=rows.present and {name: part(p) for name, p in rows.present.items()},
        weight=None if rows.weight is None else part(rows.weight),
        extras={name: part(value) for name, value in rows.extras.items()},
    )
