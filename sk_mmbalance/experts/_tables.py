"""What an expert is given: its modalities by name, or one flat table of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import hstack, issparse

from ..base import first_tags
from ..modalities import CheckedModalities, Modalities
from ._named import NamedExpert


class Tables:
    """Inputs of experts, made when they are needed.

    Only the latest is kept: experts on the same modalities and rows, asked for one after another,
    share it, and nobody else's memory is taken.

    Parameters
    ----------
    checked : CheckedModalities
        All rows.
    """

    def __init__(self, checked: CheckedModalities):
        self.checked = checked
        self._made_for: Any = None
        self._rows: np.ndarray | None = None
        self._table: Any = None

    def of(self, expert: NamedExpert, rows: np.ndarray | None = None) -> Any:
        """Input of `expert` for some of the rows, by number; None is all of them."""
        made_for = (expert.modalities, expert.takes_names, _takes_whole(expert))
        same = self._rows is rows or (
            self._rows is not None and rows is not None and np.array_equal(self._rows, rows)
        )
        if made_for != self._made_for or not same:
            self._made_for = self._table = None  # drop the old before the new is made
            self._table = expert_input(expert, self.checked.arrays, rows)
            self._made_for, self._rows = made_for, rows
        return self._table


def expert_input(
    expert: NamedExpert, arrays: dict[str, Any], rows: np.ndarray | None = None
) -> Any:
    """What `expert` is given of `arrays`, which have all its modalities.

    A single modality that is an image or a sequence stays one for estimators that declare to take
    arrays of three dimensions.
    """
    if expert.takes_names:
        chosen = {name: arrays[name] for name in expert.modalities}
        return Modalities({n: v if rows is None else v[rows] for n, v in chosen.items()})
    if _takes_whole(expert):
        value = arrays[expert.modalities[0]]
        return value if rows is None else value[rows]
    return side_by_side({name: arrays[name] for name in expert.modalities}, rows)


def _takes_whole(expert: NamedExpert) -> bool:
    if len(expert.modalities) > 1:
        return False
    tags = first_tags(expert.estimator)
    return tags is not None and bool(tags.input_tags.three_d_array)


def side_by_side(arrays: dict[str, Any], rows: np.ndarray | None = None) -> Any:
    """One 2-D array (or CSR matrix) of all modalities in the order of their names."""
    blocks = [_flat(arrays[name]) for name in sorted(arrays)]
    if len(blocks) == 1:
        return blocks[0] if rows is None else blocks[0][rows]
    if any(issparse(block) for block in blocks):
        return hstack([b if rows is None else b[rows] for b in blocks], format="csr")
    edges = np.cumsum([0, *(block.shape[1] for block in blocks)])
    n_rows = len(blocks[0]) if rows is None else len(rows)
    table = np.empty((n_rows, edges[-1]), dtype=np.result_type(*blocks))
    for block, start, stop in zip(blocks, edges[:-1], edges[1:], strict=True):
        # block by block: a copy of all rows of all modalities would double the memory
        table[:, start:stop] = block if rows is None else block[rows]
    return table


def _flat(array: Any) -> Any:
    return array if issparse(array) else array.reshape(len(array), -1)
