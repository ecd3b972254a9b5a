"""What cannot be read as a modality, or as several."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import torch
from scipy import sparse

from sk_mmbalance import Modalities


def no_numbers(n: int) -> dict[str, Any]:
    """What cannot stand for a modality of `n` rows, however it is read."""
    dates = pd.date_range("2024-01-01", periods=n)
    return {
        "text": np.array([["7"]] * n),
        "text in a table": pd.DataFrame({"a": np.ones(n), "b": ["x"] * n}),
        "bytes": np.array([[b"7"]] * n),
        "dates": dates.to_numpy().reshape(-1, 1),
        "dates in a table": pd.DataFrame({"a": np.ones(n), "when": dates}),
        "dates in objects": np.array([[datetime.date(2024, 1, 1)]] * n, dtype=object),
        "durations": pl.DataFrame({"d": [datetime.timedelta(days=1)] * n}),
        "categories": pd.DataFrame({"k": pd.Categorical(["1"] * n)}),
        "complex": np.ones((n, 2), complex),
        "records": np.zeros(n, dtype=[("a", "f8"), ("b", "i4")]),
        "dicts": np.array([{"a": 1}] * n, dtype=object),
        "objects": np.array([[object()]] * n, dtype=object),
        "ragged": [[1.0] * (1 + i % 2) for i in range(n)] if n > 1 else "x",
        "sets": [{1}] * n,
        "a scalar": 3.0,
        "a word": "word",
        "nothing": None,
        "a function": len,
        "an iterator": iter([1]),
        "no columns": np.ones((n, 0)),
        "no axes": np.array(1.0),
        "one row less": np.ones((max(n - 1, 0), 2)),
        "no rows": np.ones((0, 2)),
        "infinite": np.full((n, 1), np.inf),
        "beyond float64": np.array([[10**400]] * n, dtype=object),
        "NaN in part": np.where(np.arange(2 * n).reshape(n, 2) == 1, np.nan, 1.0),
        "absent": np.full((n, 2), np.nan),
        "absent objects": np.full((n, 2), None),
        "sparse tensor": torch.ones(n, 2).to_sparse(),
        "meta tensor": torch.ones(n, 2, device="meta"),
        "complex tensor": torch.ones(n, 2, dtype=torch.complex64),
        "structured": pa.table({"s": [{"a": 1}] * n}),
        "lists of text": pd.DataFrame({"v": [["a", "b"]] * n}),
        "lazy": pl.LazyFrame({"a": [1.0] * n}),
        "unequal vectors": pd.DataFrame({"v": [np.ones(1 + i % 2) for i in range(n)]}),
        "an infinite sparse matrix": sparse.csr_array(np.full((n, 2), np.inf)),
        "sparse NaN": sparse.csr_array(np.full((n, 2), np.nan)),
        "a nested dict": {"a": np.ones(n)},
        "Modalities": Modalities(a=np.ones((n, 1))) if n else None,
        "three levels": pd.DataFrame(
            np.ones((n, 1)), columns=pd.MultiIndex.from_tuples([("a", "b", "c")])
        ),
    }


def no_wholes(n: int) -> dict[str, Any]:
    """What cannot stand for `X` where it is to have several modalities."""
    A = np.ones((n, 2))
    return {
        "nothing": None,
        "empty": {},
        "a number": 1.5,
        "a word": "word",
        "list of arrays": [A, A],
        "tuple of arrays": (A, A),
        "names that are numbers": {0: A, 1: A},
        "a name with two underscores": {"a__b": A, "ear": A},
        "an empty name": {"": A, "ear": A},
        "a function": len,
        "an object": object(),
        "a class": dict,
        "unequal": {"ear": A, "eye": A[1:]},
        "nested": {"ear": {"eye": A}},
        "twice": pd.concat([pd.DataFrame({("ear", "a"): A[:, 0]})] * 2, axis=1),
        "two indices": {
            "ear": pd.DataFrame(A, index=range(n)),
            "eye": pd.DataFrame(A, index=range(1, n + 1)),
        },
    }
