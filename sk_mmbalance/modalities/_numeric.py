"""The values of one modality as numbers, whatever they came as."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.utils import check_array

from ._names import the_modality
from ._numbers import kept_dtype, objects_to_floats, refuse_no_number
from ._sequences import Numbers, holds_arrays, is_filled_up, read_rows
from ._tables import is_sparse_table, is_table, labels_of, object_column, read_table
from ._tensors import is_tensor, tensor_to_array
from ._values import LazyRows, plain

_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def read_numbers(
    name: str, value: Any, estimator: Any, accept_sparse: bool, sequences: bool = False
) -> Numbers:
    """Read a modality as a C-contiguous float array (or CSR matrix).

    Parameters
    ----------
    name : str
        The modality, for error messages.
    value : array-like of shape (n_samples, ...)
        Its values in any form.
    estimator : object
        Named in error messages.
    accept_sparse : bool
        Whether a sparse matrix stays one.
    sequences : bool, default=False
        Whether these are known to be sequences of any length.

    Returns
    -------
    numbers : Numbers
        The array, in float32 or float64 by one rule for all forms, the names of its columns, and
        the lengths of sequences that have unequal ones.
    """
    if _is_plain(value):
        return Numbers(value)
    where = the_modality(name)
    read = _read(where, value)
    array = read.array
    try:
        array = check_array(
            array,
            accept_sparse="csr" if accept_sparse else False,
            dtype=kept_dtype(array.dtype) if array.dtype.kind in "biuf" else "numeric",
            order="C",
            ensure_2d=False,
            allow_nd=True,
            ensure_all_finite=False,
            ensure_min_features=1 if array.ndim == 2 else 0,
            estimator=estimator,
            input_name=name,
        )
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{where} cannot be used: {error}") from error
    if array.ndim == 1:
        array = array.reshape(-1, 1)
    if sequences and array.ndim > 2 and array.shape[1] == 0:  # those of no step are missing
        array = np.full((len(array), 1, *array.shape[2:]), np.nan, array.dtype)
    if not issparse(array) and array[:1].size == 0:
        raise ValueError(f"{where} has no values (shape {array.shape}).")
    return Numbers(array, read.names, read.lengths)


def _is_plain(value: Any) -> bool:
    """Whether an array is what reading would make of it: it need not be looked at any further."""
    return (
        type(value) is np.ndarray
        and value.dtype in _FLOATS
        and value.ndim >= 2
        and value.size > 0
        and value.flags.c_contiguous
    )


def _read(where: str, value: Any) -> Numbers:
    """Numbers in any dtype and layout."""
    if isinstance(value, LazyRows):
        value = value.read()
    if is_tensor(value):
        array = tensor_to_array(where, value)
        refuse_no_number(where, array)
        return Numbers(array)
    if isinstance(value, pd.api.extensions.ExtensionArray | pd.Index):
        value = pd.DataFrame({0: value})
    if not isinstance(value, np.memmap):
        value = plain(where, value)
    if is_sparse_table(value):
        return Numbers(value.sparse.to_coo(), labels_of(value))
    if is_table(value):
        return read_table(where, value)
    if issparse(value):
        return Numbers(value)
    array = value if isinstance(value, np.ndarray) else _as_array(where, value)
    refuse_no_number(where, array)
    if holds_arrays(array):
        return read_rows(where, array)
    return Numbers(objects_to_floats(where, array) if array.dtype == object else array)


def _as_array(where: str, value: Any) -> np.ndarray:
    try:
        return np.asarray(value)
    except TypeError as error:  # it refuses to be one array, as `Modalities` does
        raise TypeError(
            f"{where} must be one array or table; got {type(value).__name__}: {error}"
        ) from error


def says_nothing_of_its_rows(value: Any, numbers: Numbers) -> bool:
    """Whether a column that may hold arrays holds none: a batch that lacks all its vectors."""
    array = numbers.array
    if issparse(array) or array.shape[1:] != (1,) or not np.isnan(array).all():
        return False
    column = value if isinstance(value, np.ndarray) else object_column(value)
    return column is not None and column.dtype == object


@dataclass(frozen=True)
class Stacked:
    """A modality of any kind whose vectors are stacked.

    Attributes
    ----------
    value : array-like of shape (n_samples, ...)
        The modality; sequences of unequal length as they came.
    shape : tuple of int
        Shape of a sample; the first number of that of sequences is the longest there is.
    names : tuple of str or int, or None
        Names of its columns, if it has some.
    unequal : bool
        Whether these are sequences of unequal length, in a list or filled up with NaN.
    """

    value: Any
    shape: tuple[int, ...]
    names: tuple[str | int, ...] | None = None
    unequal: bool = False


def stack_vectors(where: str, value: Any, *, unequal: bool = False) -> Stacked:
    """Stack a column of vectors of one length; whatever else there is stays as it came.

    Sequences of which `fit` saw `unequal` ones stay, too, whatever lengths they have here.
    """
    column = value if isinstance(value, np.ndarray) else object_column(value)
    if column is not None and holds_arrays(column):
        read = read_table(where, value) if is_table(value) else read_rows(where, column)
        if read.lengths is not None or unequal:
            return Stacked(value, read.array.shape[1:], labels_of(value), True)
        value, names = read.array, read.names
    else:
        names = labels_of(value)
    array = tensor_to_array(where, value) if is_tensor(value) else value
    unequal = unequal or (isinstance(array, np.ndarray) and is_filled_up(array))
    return Stacked(value, tuple(value.shape[1:]), names, unequal)
