"""One column of names: labels, groups or clients, every one known and all of one kind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import assert_all_finite, column_or_1d

#: From here on a float64 stands for more than one integer.
_INEXACT = 2.0**53


def read_column(
    values: Any, name: str, what: str, n_samples: int | None = None, remedy: str = ""
) -> np.ndarray:
    """Values of one column, in a type that keeps them apart.

    Parameters
    ----------
    values : array-like
        As they came: an array, a list, a column of any table.
    name : str
        Parameter that brought them, for messages.
    what : str
        What one of them is: "label", "group", "client".
    n_samples : int, default=None
        Rows of `X`; None if any number will do.
    remedy : str, default=""
        What to do about unknown values.

    Returns
    -------
    ndarray of shape (n_samples,)
        Numbers, or objects of one kind.

    Raises
    ------
    ValueError
        If a value is unknown (None, NaN, ``<NA>``, ``NaT``), text stands beside numbers, a number
        is no longer exact, or there are not `n_samples` values.
    """
    column = as_column(values, name)
    if n_samples is not None and len(column) != n_samples:
        several = "labels" if what == "label" else "values"
        raise ValueError(f"`{name}` has {len(column)} {several} for {n_samples} samples in `X`.")
    refuse_unknown(column, is_unknown(column, values), name, what, remedy)
    return of_one_kind(column, name)


def as_column(values: Any, name: str) -> np.ndarray:
    """Values in one dimension; of a list, each as it is where numpy would write text for it."""
    column = as_array(values, name)
    if column.dtype.kind == "T":  # numpy's strings of any length; much of it knows only the others
        column = column.astype(object)
    if isinstance(values, list | tuple) and column.ndim == 1 and column.dtype.kind in "US":
        kept = np.empty(len(values), dtype=object)
        kept[:] = values
        if len({_kind(value) for value in kept}) > 1:
            column = kept
    if column.ndim == 2 and column.shape[1] == 1:
        return column_or_1d(column, warn=name == "y")
    if column.ndim != 1:
        raise ValueError(f"`{name}` must be one column; got shape {column.shape}.")
    return column


def as_array(values: Any, name: str) -> np.ndarray:
    """An array of what may be anything."""
    try:
        return np.asarray(values)
    except (TypeError, ValueError) as error:  # lists of several lengths, what refuses to be one
        raise ValueError(
            f"`{name}` must be an array of one value a row, all of one shape; {error}"
        ) from error


def is_unknown(array: np.ndarray, values: Any = None) -> np.ndarray:
    """Where an array has no value; `values` is what it was made of, which may have a mask."""
    if isinstance(values, np.ma.MaskedArray):
        return np.ma.getmaskarray(values).reshape(array.shape) | is_unknown(array)
    if array.dtype.kind == "O":
        unknown = [_lacks_value(value) for value in array.ravel()]
        return np.array(unknown, dtype=bool).reshape(array.shape)
    if array.dtype.kind in "fcmM":
        return np.isnan(array)
    return np.zeros(array.shape, dtype=bool)


def scorable(y: Any) -> Any:
    """Labels as scikit-learn's scores can compare them; anything else as it came.

    numpy's variable-width strings it does not know, and numbers in an array of objects (as tables
    keep them at times) are of a type "unknown" to it.
    """
    if isinstance(y, np.ndarray) and y.dtype.kind == "T":
        return y.astype(object)
    dtype = getattr(y, "dtype", None)
    if dtype is None or not pd.api.types.is_object_dtype(dtype):
        return y
    values = np.asarray(y)
    if values.size and {_kind(value) for value in values.ravel()} == {"numbers"}:
        return np.array(values.tolist())
    return y


def refuse_unknown(
    array: np.ndarray, unknown: np.ndarray, name: str, what: str, remedy: str = ""
) -> None:
    """Raise if there are unknown values."""
    rows = unknown.any(axis=tuple(range(1, unknown.ndim)))
    if rows.any():
        found = array[unknown].ravel()[0]
        shown = found if _lacks_value(found) else "masked"
        raise ValueError(
            f"`{name}` has no {what} ({shown}) in {rows.sum()} of {len(array)} rows. "
            f"{remedy or 'Leave these rows out.'}"
        )


def of_one_kind(column: np.ndarray, name: str) -> np.ndarray:
    """The column, where its values are of one kind and can be told apart."""
    if column.dtype.kind == "O":
        kinds = sorted({_kind(value) for value in column})
        if len(kinds) > 1:
            raise ValueError(
                f"`{name}` must hold values of one kind, numbers or text; got "
                f"{' beside '.join(kinds)}. Make them one kind, for instance "
                f"[str(value) for value in {name}]."
            )
        if kinds == ["numbers"]:  # tables keep integers and booleans as objects at times
            column = np.array(column.tolist())
    if column.dtype.kind == "c":
        raise ValueError(f"`{name}` must hold real numbers or text; got complex numbers.")
    if column.dtype.kind == "f":
        try:
            assert_all_finite(column, input_name=name)
        except ValueError as error:
            raise ValueError(f"`{name}` must hold finite values. {error}") from error
        if column.dtype == np.float64 and np.abs(column).max(initial=0.0) >= _INEXACT:
            raise ValueError(
                f"`{name}` has numbers of 2**53 and more as float64 ({np.abs(column).max():.0f}), "
                "where neighbouring integers are the same number. Pass integers (a column of "
                "integers with missing values becomes float64), or text."
            )
    return column


def _lacks_value(value: Any) -> bool:
    """Whether it is None, or differs from itself as NaN and NaT do, or cannot say, as NA."""
    if value is None:
        return True
    try:
        return bool(value != value)
    except TypeError:  # the truth of NA is not known
        return True
    except ValueError:  # an array of values
        return False


def _kind(value: Any) -> str:
    if isinstance(value, bool | int | float | np.number | np.bool_):
        return "numbers"
    return "text" if isinstance(value, str) else f"values of type {type(value).__name__}"
