"""What may stand for the values of one modality, and how its rows are taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from scipy.sparse import vstack as sparse_vstack

from ._names import the_modality
from ._numbers import unmask
from ._tables import contiguous_frame, is_table, stack_tables, take_table_rows, to_table
from ._tensors import is_tensor, refuse_odd_tensor, tensor_to_array


class LazyRows:
    """Rows of a memory-mapped array that have been chosen but not read yet.

    Fancy indexing of a memmap reads the rows into memory at once. Keeping the map and the row
    numbers apart lets every fold of a search share one file.
    """

    def __init__(self, memmap: np.memmap, rows: np.ndarray):
        self.memmap = memmap
        self.rows = rows
        self.shape = (len(rows), *memmap.shape[1:])
        self.dtype = memmap.dtype

    def __getitem__(self, key: Any) -> LazyRows:
        return LazyRows(self.memmap, self.rows[key])

    def read(self) -> np.ndarray:
        """Read the rows into memory."""
        return np.asarray(self.memmap[self.rows])


def as_value(name: str, value: Any) -> Any:
    """Keep anything that has rows; make arrays of plain sequences and of what is masked."""
    if isinstance(value, LazyRows | np.memmap):
        return value
    where = the_modality(name)
    if isinstance(value, list | tuple):
        value = _list_to_array(where, value)
    value = plain(where, value)
    if not hasattr(value, "shape"):
        value = np.asarray(value)
    if len(value.shape) == 0:
        raise ValueError(
            f"{where} must have one row per sample; got a scalar "
            f"({type(value).__name__}). Pass an array of shape (n_samples, ...)."
        )
    return value


def plain(where: str, value: Any) -> Any:
    """One form for what comes in several: masked arrays, named columns, batches of records."""
    if isinstance(value, np.ma.MaskedArray):
        return unmask(value)
    if isinstance(value, np.ndarray | pd.DataFrame) or issparse(value):
        return value
    if is_tensor(value):
        refuse_odd_tensor(where, value)
        return value
    return to_table(where, value)


def take_rows(value: Any, rows: Any) -> Any:
    """Some rows of one modality, in the form it has; a memory map stays on disk.

    Parameters
    ----------
    value : array, DataFrame, sparse matrix or tensor of shape (n_samples, ...)
        Values of one modality.
    rows : slice, array of int or array of bool
        Which rows.

    Returns
    -------
    part : of the kind of `value`
        The rows, in the order of `rows`.
    """
    if isinstance(value, np.ndarray) and (
        isinstance(rows, slice) or not isinstance(value, np.memmap)
    ):
        return value[rows]
    rows = np.arange(value.shape[0])[rows]
    if isinstance(value, LazyRows):
        return value[rows]
    if isinstance(value, np.memmap):
        return LazyRows(value, rows)
    if issparse(value):
        return value.tocsr()[rows]
    return take_table_rows(value, rows) if is_table(value) else value[rows]


def stack_rows(blocks: list[Any]) -> Any:
    """Rows of several blocks of one modality, one below the other."""
    if all(isinstance(block, pd.DataFrame) for block in blocks):
        return pd.concat(blocks)
    if any(issparse(block) for block in blocks):
        return sparse_vstack(blocks, format="csr")
    if all(is_table(block) for block in blocks):
        return stack_tables(blocks)
    return np.concatenate(
        [tensor_to_array("`parts`", b) if is_tensor(b) else np.asarray(b) for b in blocks]
    )


def in_row_order(value: Any) -> Any:
    """Bring numbers into the memory layout in which every form of them gives the same bits.

    Sums over rows depend on the layout in their last bit. Arrays and tensors become C-contiguous
    arrays, tables whose columns are numbers of one dtype become pandas DataFrames over such an
    array; everything else stays as it is.

    Parameters
    ----------
    value : array, table, sparse matrix or tensor of shape (n_samples, ...)
        Values of one modality.

    Returns
    -------
    ordered : array, DataFrame or the value itself
        The same numbers.
    """
    if is_tensor(value):
        value = tensor_to_array("`X`", value)
    if isinstance(value, np.ndarray):
        return np.ascontiguousarray(value) if value.dtype != object else value
    return contiguous_frame(value) if is_table(value) else value


def refuse_unaligned_frames(values: Mapping[str, Any]) -> None:
    """Rows are paired by position: row labels that say otherwise are a mistake somewhere."""
    frames = [(name, v.index) for name, v in values.items() if isinstance(v, pd.DataFrame)]
    for name, index in frames[1:]:
        first, expected = frames[0]
        if index is not expected and not index.equals(expected):
            raise ValueError(
                f"`X` modalities {first!r} and {name!r} are DataFrames with different row indices, "
                "but rows are paired by position. Align them first (`.loc`, `.reindex`), or pass "
                "`.to_numpy()` if they are in the same order."
            )


def _list_to_array(where: str, value: list | tuple) -> np.ndarray:
    items = [tensor_to_array(where, item) if is_tensor(item) else item for item in value]
    if not any(isinstance(item, str) or item is None for item in items):
        try:
            return np.asarray(items)
        except ValueError:
            items = [_step_rows(where, item) for item in items]
    array = np.empty(len(items), dtype=object)
    for row, item in enumerate(items):
        array[row] = item
    return array


def _step_rows(where: str, item: Any) -> Any:
    """One sequence of a list of unequal ones; rows of numbers that differ in length are refused."""
    try:
        array = np.asarray(item)
    except ValueError:
        array = np.empty(0, dtype=object)
    if array.ndim < 2:
        raise ValueError(
            f"{where} is a list of rows of unequal length. Rows of values have one length; "
            "sequences of unequal length are a list of arrays of shape (time, features)."
        )
    return array
