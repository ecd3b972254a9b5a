"""Which rows lack a modality: all its values are NaN (or None)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse

from ._tables import columns_of, is_table
from ._tensors import is_tensor, tensor_to_array


def missing_values(value: Any) -> np.ndarray | None:
    """Boolean array ``(n_samples, n_values)`` of NaN / None entries, or None if there are none."""
    if issparse(value):  # a zero that is not stored is a value: whole rows cannot be missing
        return None
    if isinstance(value, pd.DataFrame):
        flags = value.isna().to_numpy()
    elif is_table(value):
        flags = np.column_stack([pd.isna(column) for _, column in columns_of(value)])
    else:
        if is_tensor(value):
            value = tensor_to_array("`X`", value)
        value = np.asarray(value)
        if value.dtype.kind == "f":
            # one pass that allocates nothing answers the usual case
            with np.errstate(over="ignore", invalid="ignore"):
                if np.isfinite(np.sum(value)):
                    return None
            flags = np.isnan(value)
        elif value.dtype.kind in "mM":
            flags = np.isnat(value)
        elif value.dtype == object:
            flags = np.asarray(pd.isna(value.reshape(-1))).reshape(value.shape)
        else:
            return None
    flags = flags.reshape(len(flags), -1)
    return flags if flags.any() else None


def missing_rows(value: Any) -> np.ndarray:
    """Rows in which a whole modality is missing.

    Parameters
    ----------
    value : array-like of shape (n_samples, ...)
        Values of one modality.

    Returns
    -------
    missing : ndarray of bool of shape (n_samples,)
        Whether all values of a row are NaN or None.
    """
    flags = missing_values(value)
    if flags is None:
        return np.zeros(value.shape[0], dtype=bool)
    return np.asarray(flags.all(axis=1))
