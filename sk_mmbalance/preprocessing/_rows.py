"""What goes into an inner transformer and what comes out of it, row by row.

Inner transformers are scikit-learn's: most want 2-D arrays, text vectorizers a 1-D sequence of
strings. These functions bring a modality into that form, and the result back into one with a row
for every sample, missing ones included.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse

from ..base import first_step, first_tags
from ..modalities import (
    holds_arrays,
    in_row_order,
    is_filled_up,
    object_column,
    refuse_what_only_looks_like_numbers,
)

#: Where scikit-learn keeps transformers of numbers.
_OF_NUMBERS = (
    "sklearn.decomposition",
    "sklearn.kernel_approximation",
    "sklearn.preprocessing._data",
    "sklearn.preprocessing._discretization",
    "sklearn.preprocessing._polynomial",
    "sklearn.random_projection",
)


def as_input(transformer: Any, value: Any, name: str) -> Any:
    """Bring a modality into the form that a transformer takes."""
    value = in_row_order(value)
    tags = first_tags(transformer)
    if tags is None or tags.no_validation or len(value.shape) == 0:
        return value
    if not tags.input_tags.three_d_array:
        _refuse_sequences(transformer, value, name)
    refuse_no_numbers_for(transformer, f"`X` modality {name!r}", value)
    if isinstance(value, pd.DataFrame) and not value.columns.is_unique:
        twice = value.columns[value.columns.duplicated()][0]
        raise ValueError(
            f"`X` modality {name!r} has more than one column {twice!r}, which a transformer cannot "
            "tell apart. Give each a name of its own."
        )
    if tags.input_tags.string and not tags.input_tags.two_d_array:
        return _as_texts(value, name)
    if len(value.shape) == 1:
        return value.reshape(-1, 1)
    if len(value.shape) > 2 and not tags.input_tags.three_d_array:
        return value.reshape(value.shape[0], int(np.prod(value.shape[1:])))
    return value


def refuse_no_numbers_for(transformer: Any, where: str, value: Any) -> None:
    """Refuse dates and text that a transformer of numbers would make numbers of."""
    if type(first_step(transformer)).__module__.startswith(_OF_NUMBERS):
        refuse_what_only_looks_like_numbers(where, value)


def _refuse_sequences(transformer: Any, value: Any, name: str) -> None:
    """Refuse sequences of unequal length for a transformer of rows."""
    column = value if isinstance(value, np.ndarray) else object_column(value)
    if column is None or not (holds_arrays(column) or is_filled_up(column)):
        return
    kind = type(transformer).__name__
    raise ValueError(
        f"`X` modality {name!r} has sequences of unequal length, and {kind} would take padding for "
        f"data. Use StepTransformer({kind}(...)), which takes every step for a row, or make a "
        "vector of each sequence (a FunctionTransformer can)."
    )


def _as_texts(value: Any, name: str) -> Any:
    if len(value.shape) == 1:
        return value
    if value.shape[1:] != (1,):
        raise ValueError(
            f"`transformers` gives {name!r} a text transformer, which takes one string per sample; "
            f"the modality has shape {tuple(value.shape)}. Make each text column a modality."
        )
    if isinstance(value, pd.DataFrame):
        return value.iloc[:, 0]
    return np.asarray(value)[:, 0]


def as_output(result: Any, value: Any, name: str, n_rows: int) -> Any:
    """Check the number of rows and give a flattened modality its shape back.

    An image or a sequence gets its shape back if the number of values per sample is what it was;
    otherwise (a PCA, a sparse encoding) the result stays 2-D.
    """
    if not hasattr(result, "shape"):
        result = np.asarray(result)
    if result.shape[0] != n_rows:
        raise ValueError(
            f"`transformers` changes the number of rows of {name!r} from {n_rows} to "
            f"{result.shape[0]}; a transformer must keep one row per sample."
        )
    shape = tuple(value.shape[1:])
    flattened = len(shape) > 1 and len(result.shape) == 2 and result.shape[1] == np.prod(shape)
    if flattened and not issparse(result):
        return np.asarray(result).reshape(n_rows, *shape)
    return result


def spread(result: Any, missing: np.ndarray, value: Any) -> Any:
    """One row for every sample: results where there were some, NaN where the modality is missing.

    A sparse result with missing rows becomes dense, because a row of a sparse matrix cannot be
    missing: its zeros are values.
    """
    if not missing.any():
        return result
    if issparse(result):
        result = result.toarray()
    if isinstance(result, pd.DataFrame):
        rows = result.set_axis(np.flatnonzero(~missing), axis=0).reindex(range(len(missing)))
        return rows.set_axis(value.index, axis=0) if isinstance(value, pd.DataFrame) else rows
    result = np.asarray(result)
    kind = result.dtype.kind
    dtype = result.dtype if kind == "f" else np.dtype(object if kind in "OUS" else np.float64)
    whole = np.full((len(missing), *result.shape[1:]), np.nan, dtype=dtype)
    whole[~missing] = result
    return whole
