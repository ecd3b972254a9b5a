"""A value a row: numbers to be learnt, weights, groups; and what can be none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import torch

from ._labels import as_series


def bad_numbers(n: int, unlabelled: bool = False) -> dict[str, Any]:
    """Targets of a regressor that must be refused."""
    found = {
        "too few": np.arange(n - 1.0),
        "text": ["a"] * n,
        "infinite": np.full(n, np.inf),
        "too large": np.full(n, 1e300),
        "three axes": np.ones((n, 1, 1)),
        "complex": np.ones(n, complex),
        "dates": pd.date_range("2024-01-01", periods=n),
        "a scalar": 1.0,
        "a word": "word",
        "empty": [],
        "no columns": np.ones((n, 0)),
        "ragged": [[1.0], *[[1.0, 2.0]] * (n - 1)],
        "objects": [object()] * n,
        "a function": len,
        "a dict": {"y": [1.0] * n},
    }
    if not unlabelled:
        found |= {
            "nothing": None,
            "NaN": np.array([np.nan, *np.arange(n - 1.0)]),
            "NA": pd.Series(pd.array([None, *range(n - 1)], dtype="Int64")),
            "None": [None, *range(n - 1)],
            "masked": np.ma.masked_array(np.arange(n, dtype=float), mask=np.arange(n) == 0),
        }
    return found


NUMBER_TARGETS: dict[str, Callable[[np.ndarray], Any]] = {
    "array": lambda y: y,
    "list": lambda y: y.tolist(),
    "column": lambda y: y.reshape(-1, 1),
    "series": lambda y: as_series(y, "float64"),
    "nullable": lambda y: as_series(y, "Float64"),
    "Arrow": lambda y: as_series(y, "double[pyarrow]"),
    "polars": pl.Series,
    "pyarrow": pa.array,
    "torch": torch.from_numpy,
    "objects": lambda y: y.astype(object),
    "big-endian": lambda y: y.astype(">f8"),
    "two columns": lambda y: np.column_stack([y, -y]),
}

WEIGHTS: dict[str, Callable[[np.ndarray], Any]] = {
    "array": lambda w: w,
    "list": lambda w: w.tolist(),
    "series": lambda w: as_series(w, "float64"),
    "nullable": lambda w: as_series(w, "Float64"),
    "Arrow": lambda w: as_series(w, "double[pyarrow]"),
    "polars": pl.Series,
    "pyarrow": pa.array,
    "torch": torch.from_numpy,
    "single precision": lambda w: w.astype("float32"),
    "objects": lambda w: w.astype(object),
    "strided": lambda w: np.repeat(w, 2)[::2],
    "masked": lambda w: np.ma.masked_array(w, mask=False),
}


def bad_weights(n: int) -> dict[str, Any]:
    """Weights of rows that must be refused."""
    ones = np.ones(n)
    return {
        "negative": np.where(np.arange(n) == 0, -1.0, 1.0),
        "NaN": np.where(np.arange(n) == 0, np.nan, 1.0),
        "infinite": np.where(np.arange(n) == 0, np.inf, 1.0),
        "None": [None, *ones[1:]],
        "NA": pd.Series(pd.array([None, *ones[1:]], dtype="Float64")),
        "masked": np.ma.masked_array(ones, mask=np.arange(n) == 0),
        "too few": ones[1:],
        "too many": np.ones(n + 1),
        "two axes": np.ones((n, 2)),
        "text": ["heavy"] * n,
        "none positive": np.zeros(n),
        "a word": "balanced",
        "a dict": {0: 1.0, 1: 2.0},
        "complex": ones + 1j,
        "dates": pd.date_range("2024-01-01", periods=n),
        "ragged": [[1.0], *[[1.0, 2.0]] * (n - 1)],
        "a function": len,
        "empty": [],
    }


def bad_groups(n: int) -> dict[str, Any]:
    """Groups (or clients) that must be refused."""
    return {
        "None": [None, *range(n - 1)],
        "NaN": np.where(np.arange(n) == 0, np.nan, 1.0),
        "NA": pd.Series(pd.array([None, *range(n - 1)], dtype="Int64")),
        "NaT": np.array(["NaT", *["2024-01-01"] * (n - 1)], dtype="datetime64[D]"),
        "too few": np.arange(n - 1),
        "two axes": np.ones((n, 2)),
        "mixed": ["a", *range(n - 1)],
        "a scalar": 3,
        "a word": "speaker",
        "masked": np.ma.masked_array(np.arange(n), mask=np.arange(n) == 0),
        "inexact": np.arange(n) + 2.0**60,
        "ragged": [[1], *[[1, 2]] * (n - 1)],
        "a function": len,
        "empty": [],
    }
