"""Rows that are arrays themselves: vectors of equal length, sequences of unequal length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ._numbers import kept_dtype, objects_to_floats, refuse_no_number
from ._tensors import is_tensor, tensor_to_array


@dataclass(frozen=True)
class Numbers:
    """A modality that has been read.

    Attributes
    ----------
    array : array of shape (n_samples, ...)
        Numbers; sequences of unequal length are filled up with zeros.
    names : tuple of str or int, or None
        Names of its columns, if they have some.
    lengths : ndarray of int of shape (n_samples,), or None
        Number of steps of each sequence, 0 where it is missing; None where all are equal.
    """

    array: Any
    names: tuple[str | int, ...] | None = None
    lengths: np.ndarray | None = None


def holds_arrays(column: np.ndarray) -> bool:
    """Whether the rows of an object array ``(n,)`` or ``(n, 1)`` are arrays."""
    if column.dtype != object or not (column.ndim == 1 or column.shape[1:] == (1,)):
        return False
    first = next((row for row in column.reshape(-1) if not _is_missing(row)), None)
    return first is not None and _is_array(first)


def read_items(where: str, rows: np.ndarray) -> list[np.ndarray | None]:
    """The arrays in an object array, None where one is missing; they go together in shape."""
    items = [None if _is_missing(row) else _read_row(where, row) for row in rows.reshape(-1)]
    shapes = {item.shape for item in items if item is not None}
    if len({shape[1:] for shape in shapes}) > 1 or () in shapes:
        listing = ", ".join(str(shape) for shape in sorted(shapes)[:4])
        raise ValueError(
            f"{where} has rows of shapes {listing}; vectors of one length, or sequences of shape "
            "(time, features) with the same features are needed."
        )
    lengths = sorted(shape[0] for shape in shapes)
    if len(lengths) > 1 and len(min(shapes)) == 1:
        raise ValueError(
            f"{where} has rows of unequal length ({lengths[0]} to {lengths[-1]} values). A vector "
            "has the same length in every row; a sequence has shape (time, features), so pass "
            "rows of shape (time, 1) for a single feature."
        )
    return items


def read_rows(where: str, rows: np.ndarray) -> Numbers:
    """Stack the arrays in an object array; a row of None or NaN is missing."""
    items = read_items(where, rows)
    lengths = np.array([0 if item is None else len(item) for item in items])
    there = [item for item in items if item is not None]
    shape = (len(items), max(1, lengths.max()), *there[0].shape[1:])
    array = np.zeros(shape, kept_dtype(*{item.dtype for item in there}))
    for into, item in zip(array, items, strict=True):
        if item is None or not len(item):  # a sequence of no step is a missing one
            into[...] = np.nan
        else:
            into[: len(item)] = item
    unequal = len({len(item) for item in there}) > 1
    return Numbers(array, None, lengths if unequal else None)


def padded_lengths(array: np.ndarray) -> np.ndarray | None:
    """Lengths of sequences ``(n, time, features)`` that NaN fills up at the end, or None.

    None if NaN stands anywhere else, too. A row of NaN only has length 0.
    """
    if array.ndim < 3 or n_with_gaps(array):
        return None
    return _ends(np.isnan(array))


def n_with_gaps(array: np.ndarray) -> int:
    """Number of sequences ``(n, time, features)`` with NaN before their end."""
    flags = np.isnan(array)
    within = np.arange(array.shape[1]) < _ends(flags)[:, None]
    some = flags.reshape(*array.shape[:2], -1).any(axis=2)
    return int((some & within).any(axis=1).sum())


def is_filled_up(array: np.ndarray) -> bool:
    """Whether an array holds sequences of unequal length, which NaN fills up at the end."""
    if array.ndim < 3 or array.dtype.kind != "f" or not array.size:
        return False
    with np.errstate(over="ignore", invalid="ignore"):  # one pass answers the usual case
        if np.isfinite(np.sum(array)):
            return False
    ends = _ends(np.isnan(array))
    return bool(((ends > 0) & (ends < array.shape[1])).any())


def _ends(flags: np.ndarray) -> np.ndarray:
    """Where every sequence ends: behind its last step in which not all is flagged."""
    there = ~np.asarray(flags.reshape(*flags.shape[:2], -1).all(axis=2))
    return np.where(there.any(axis=1), there.shape[1] - there[:, ::-1].argmax(axis=1), 0)


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray | list | tuple) or is_tensor(value)


def _is_missing(value: Any) -> bool:
    return value is None or (
        not _is_array(value) and pd.api.types.is_scalar(value) and pd.isna(value)
    )


def _read_row(where: str, row: Any) -> np.ndarray:
    if is_tensor(row):
        row = tensor_to_array(where, row)
    if isinstance(row, list | tuple):
        try:
            row = np.asarray(row)
        except ValueError as error:
            raise ValueError(f"{where} has a row that is no array: {error}") from error
    if not isinstance(row, np.ndarray):
        raise ValueError(
            f"{where} has rows that are arrays and one that is {row!r}; every row must be an "
            "array, or None where it is missing."
        )
    if row.dtype == object and row.ndim == 1 and len(row) and _is_array(row[0]):
        return np.stack([_read_row(where, step) for step in row])  # lists of lists, as Arrow gives
    refuse_no_number(where, row)
    return objects_to_floats(where, row) if row.dtype == object else row
