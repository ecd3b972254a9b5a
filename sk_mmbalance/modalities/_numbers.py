"""One rule for numbers: which dtype they are kept in, and what is not a number."""

from __future__ import annotations

from datetime import date, time, timedelta
from typing import Any, NoReturn

import numpy as np
import pandas as pd

# Exact in float32; a float64 copy of images would take twice to eight times the memory.
_EXACT_IN_FLOAT32 = {
    np.dtype(t) for t in ("bool", "int8", "uint8", "int16", "uint16", "float16", "float32")
}

_DATES = (date, time, timedelta, np.datetime64, np.timedelta64, pd.Period, type(pd.NaT))

_REMEDIES = {
    "text": "Encode it first, for example with ModalityTransformer and OneHotEncoder",
    "categories": "Encode it first, for example with ModalityTransformer and OneHotEncoder",
    "dates": (
        "Make numbers of it first, such as the days since a fixed date (a FunctionTransformer in "
        "ModalityTransformer can)"
    ),
}


def kept_dtype(*dtypes: np.dtype) -> np.dtype:
    """The dtype in which numbers are kept, whatever form they came in.

    float32 if their common dtype is one whose values are all exact in it (small integers, bool,
    float16, float32, in any byte order), float64 otherwise.
    """
    common = np.result_type(*dtypes).newbyteorder("=")
    return np.dtype(np.float32 if common in _EXACT_IN_FLOAT32 else np.float64)


def refuse_kind(where: str, holds: str, dtype: Any, column: Any = None) -> NoReturn:
    """Refuse dates, text or categories, by the column's name if there is one."""
    what = f"got dtype {dtype}" if column is None else f"column {column!r} holds {holds} ({dtype})"
    kind = TypeError if holds == "dates" else ValueError
    raise kind(f"{where} must be numeric; {what}. {_REMEDIES[holds]}, or leave it out.")


def refuse_no_number(where: str, array: np.ndarray, column: Any = None) -> None:
    """Refuse an array of dates, text, records or complex numbers."""
    if array.dtype.kind in "mM":
        refuse_kind(where, "dates", array.dtype, column)
    if array.dtype.kind in "SUT":  # T: numpy's strings of any length
        refuse_kind(where, "text", array.dtype, column)
    if array.dtype.kind == "c":
        what = "got" if column is None else f"column {column!r} holds"
        raise ValueError(
            f"{where} must be real; {what} complex numbers. Take parts or absolute values."
        )
    if array.dtype.kind == "V":
        raise TypeError(
            f"{where} must be numeric; got records ({array.dtype}). Pass a DataFrame of their "
            "fields."
        )


def objects_to_floats(where: str, array: np.ndarray, column: Any = None) -> np.ndarray:
    """Read an object array of numbers and missing values (None, NaN, NA) as float64."""
    flat = array.reshape(-1)
    kinds = {type(item) for item in flat}
    for holds, classes in (("dates", _DATES), ("text", (str, bytes))):
        found = {kind for kind in kinds if issubclass(kind, classes)}
        if found:
            if column is None and array.ndim == 2:
                column = next(
                    j for j, values in enumerate(array.T) if found & {type(v) for v in values}
                )
            refuse_kind(where, holds, array.dtype, column)
    missing = np.asarray(pd.isna(flat))
    values = np.empty(len(flat))
    values[missing] = np.nan
    try:
        values[~missing] = flat[~missing].astype(np.float64)
    except OverflowError as error:
        which = "" if column is None else f" in column {column!r}"
        raise ValueError(f"{where} has numbers beyond float64{which} ({error}).") from error
    except (TypeError, ValueError) as error:
        what = "got dtype" if column is None else f"column {column!r} holds"
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(
            f"{where} must be numeric; {what} {array.dtype} ({error}). Encode it first, for "
            "example with ModalityTransformer."
        ) from error
    return values.reshape(array.shape)


def unmask(array: np.ma.MaskedArray) -> np.ndarray:
    """A plain array in which what is masked is missing; the values under the mask are no data."""
    if not np.ma.is_masked(array):
        return np.asarray(array.data)
    if array.dtype.kind in "biuf":
        values = array.data.astype(kept_dtype(array.dtype))
        values[np.ma.getmaskarray(array)] = np.nan
    elif array.dtype.kind in "mM":
        values = array.data.copy()
        values[np.ma.getmaskarray(array)] = "NaT"
    else:
        values = array.data.astype(object)
        values[np.ma.getmaskarray(array)] = None
    return values
