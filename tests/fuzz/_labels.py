"""Class labels in every form, and what can be none."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import torch


def as_series(values: Any, dtype: str) -> pd.Series:
    return pd.Series(values, index=range(7, 7 + len(values)), dtype=dtype)


INTEGER_LABELS: dict[str, Callable[[list[int]], Any]] = {
    "integers": np.array,
    "list": list,
    "tuple": tuple,
    "small integers": lambda y: np.array(y, dtype="uint8"),
    "floats": lambda y: np.array(y, dtype=float),
    "objects": lambda y: np.array(y, dtype=object),
    "column": lambda y: np.array(y).reshape(-1, 1),
    "series": lambda y: as_series(y, "int64"),
    "nullable": lambda y: as_series(y, "Int64"),
    "Arrow": lambda y: as_series(y, "int64[pyarrow]"),
    "categories": lambda y: as_series(y, "category"),
    "polars": pl.Series,
    "pyarrow": pa.array,
    "torch": torch.tensor,
    "frame": lambda y: pd.DataFrame({"y": y}),
    "big-endian": lambda y: np.array(y, dtype=">i4"),
    "masked": lambda y: np.ma.masked_array(y, mask=False),
    "large": lambda y: np.array(y) + 2**60,
}
TEXT_LABELS: dict[str, Callable[[list[str]], Any]] = {
    "text": np.array,
    "list": list,
    "objects": lambda y: np.array(y, dtype=object),
    "series": lambda y: as_series(y, "object"),
    "strings": lambda y: as_series(y, "string"),
    "Arrow": lambda y: as_series(y, "string[pyarrow]"),
    "categories": lambda y: as_series(y, "category"),
    "polars": pl.Series,
    "polars categories": lambda y: pl.Series(y, dtype=pl.Categorical),
    "pyarrow": pa.array,
    "numpy strings": lambda y: np.array(y, dtype=np.dtypes.StringDType()),
}
BOOL_LABELS: dict[str, Callable[[list[bool]], Any]] = {
    "bool": np.array,
    "list": list,
    "nullable": lambda y: as_series(y, "boolean"),
    "torch": torch.tensor,
    "polars": pl.Series,
}


def bad_labels(labels: list, unlabelled: bool = False) -> dict[str, Any]:
    """Labels that must be refused."""
    n = len(labels)
    objects = np.array(labels, dtype=object)

    def first(value: Any) -> np.ndarray:
        return np.array([value, *labels[1:]], dtype=object)

    found = {
        "one class": [labels[0]] * n,
        "too few": labels[1:],
        "too many": [*labels, labels[0]],
        "empty": [],
        "a scalar": labels[0],
        "a word": "word",
        "a function": len,
        "a dict": {"y": labels},
        "three axes": objects.reshape(-1, 1, 1),
        "lists": [[3, 5]] * n,
        "numbers beside text": first(3.5 if isinstance(labels[0], str) else "text"),
        "tuples": [(1, 2), *[(3, 4)] * (n - 1)],
        "fractions": np.linspace(0.1, 0.9, n),
        "infinite": np.array([np.inf, *np.arange(n - 1) % 2]),
        "inexact": np.array([2.0**60, *np.arange(n - 1) % 2]),
        "several numbers": np.arange(2 * n).reshape(n, 2),
        "dates beside text": first(datetime.date(2024, 1, 1)),
        "complex": np.arange(n) % 2 + 1j,
        "an object": object(),
        "ragged": [[1], *[[1, 2]] * (n - 1)],
    }
    if not unlabelled:
        found |= {
            "nothing": None,
            "None": first(None),
            "NaN": first(np.nan),
            "NA": first(pd.NA),
            "NA, nullable": pd.Series(pd.array([None, *np.arange(n - 1) % 2], dtype="Int64")),
            "NaN among numbers": np.array([np.nan, *np.arange(n - 1) % 2]),
            "null": pl.Series([None, *(np.arange(n - 1) % 2).tolist()]),
            "NA, Arrow": pd.Series([None, *["a", "b"] * n][:n], dtype="string[pyarrow]"),
            "no category": pd.Series(pd.Categorical([None, *["a", "b"] * n][:n])),
            "masked": np.ma.masked_array(np.arange(n) % 2, mask=np.arange(n) == 0),
            "NaT": np.array(["NaT", *["2024-01-01"] * (n - 1)], dtype="datetime64[D]"),
        }
    return found
