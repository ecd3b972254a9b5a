"""Random cases: what somebody may hand to `fit` and `predict`, and the same data in plain form.

A case is drawn by hypothesis; its numbers come from a seed, so that drawing is cheap. *Plain* form
is a dict of C-contiguous float arrays in the precision that the docs promise, labels in a list,
weights in a float64 array. A case holds what was spoilt in it, by the names of the parameters that
an error may name, and whether it must be refused or taken.
"""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import torch
from hypothesis import strategies as st
from scipy import sparse

from sk_mmbalance import Modalities

Values = tuple[Any, np.ndarray | None]

SMALL = ("bool", "int8", "uint8", "int16", "uint16", "float16", "float32")
DTYPES = (*SMALL, "int32", "int64", "uint32", "uint64", "float64")
NAMES = ("ear", "eye", "hand")
#: Rows of `fit` that are predicted.
NEW = slice(-15, None)


@dataclass
class Case:
    """Input of `fit` and `predict`, as it came and in plain form (None where there is none)."""

    X: Any
    y: Any
    plain: dict[str, np.ndarray] | None
    plain_y: Any
    X_new: Any = None
    plain_new: dict[str, np.ndarray] | None = None
    fit: dict[str, Any] = field(default_factory=dict)
    plain_fit: dict[str, Any] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    plain_params: dict[str, Any] = field(default_factory=dict)
    faults: set[str] = field(default_factory=set)
    must_refuse: bool = False
    must_take: bool = True
    #: Words of warnings of others that are right here.
    may_warn: tuple[str, ...] = ()

    def spoilt(self, *names: str, refused: bool = False) -> None:
        """Note that something may be refused by one of these names, or must be."""
        self.faults |= set(names)
        self.must_take = False
        self.must_refuse = self.must_refuse or refused

    def __repr__(self) -> str:
        whole = self.X.items() if isinstance(self.X, dict | Modalities) else [("X", self.X)]
        new = self.X_new.items() if isinstance(self.X_new, dict) else [("X", self.X_new)]
        return "; ".join(
            [
                *(f"{name}: {_shown(value)}" for name, value in whole),
                *(f"new {name}: {_shown(value)}" for name, value in new),
                f"y: {_shown(self.y)}",
                *(f"{name}: {_shown(value)}" for name, value in self.fit.items()),
                f"params {self.params}, faults {sorted(self.faults)}",
            ]
        )


def _shown(value: Any) -> str:
    """What a value is, in a line."""
    kind, dtype = type(value).__name__, getattr(value, "dtype", "")
    words = " ".join(str(value).split())
    return f"{kind} {dtype} {getattr(value, 'shape', '')} {words[:90]}"


# -- numbers in every form ---------------------------------------------------------------------


class _Subclass(np.ndarray):
    """An array of somebody's own kind."""


def plain(A: np.ndarray, dtype: str | None = None) -> np.ndarray:
    """An array in the precision that small numbers, and others, are promised."""
    kept = np.float32 if (dtype or A.dtype.name) in SMALL else np.float64
    return np.ascontiguousarray(A.astype(kept)).reshape(len(A), -1 if A.ndim < 3 else A.shape[1])


def _holes(A: np.ndarray, holes: np.ndarray) -> np.ndarray:
    """An array of numbers with NaN in whole rows."""
    if not holes.any():
        return A
    A = A.copy() if A.dtype.kind == "f" else A.astype(plain(A[:1]).dtype)
    A[holes] = np.nan
    return A


def _columns(A: np.ndarray) -> dict[str, np.ndarray]:
    return {f"c{j}": column for j, column in enumerate(A.T)}


def _lists(A: np.ndarray, holes: np.ndarray) -> dict[str, list]:
    return {
        name: [None if hole else value for hole, value in zip(holes, column.tolist(), strict=True)]
        for name, column in _columns(A).items()
    }


def _nullable_name(dtype: str) -> str:
    return {"bool": "boolean"}.get(dtype, dtype.replace("ui", "UI").replace("int", "Int"))


def _in(make: Callable[[np.ndarray], Any]) -> Callable[[np.ndarray, np.ndarray], Values]:
    """A form whose missing rows are NaN, in a float type."""

    def form(A: np.ndarray, holes: np.ndarray) -> Values:
        A = _holes(A, holes)
        return make(A), plain(A)

    return form


def _masking(make: Callable[[np.ndarray, np.ndarray], Any]) -> Callable[..., Values]:
    """A form that can say of any type that a value is missing."""

    def form(A: np.ndarray, holes: np.ndarray) -> Values:
        return make(A, holes), _holes(plain(A), holes)

    return form


def _masked(A: np.ndarray, holes: np.ndarray) -> Any:
    return np.ma.masked_array(A, mask=np.repeat(holes[:, None], A.shape[1], axis=1))


def _objects(A: np.ndarray, holes: np.ndarray) -> Values:
    value = A.astype(object)
    value[holes] = None
    return value, _holes(A.astype(np.float64), holes)


def _decimals(A: np.ndarray, holes: np.ndarray) -> Values:
    A = np.round(A.astype(np.float64), 2)
    value = pd.DataFrame(
        {n: [decimal.Decimal(str(v)) for v in col] for n, col in _columns(A).items()}
    )
    value[holes] = None
    return value, _holes(A, holes)


def _nullable(A: np.ndarray, holes: np.ndarray) -> Any:
    if A.dtype.name == "float16":
        A = A.astype("float32")
    frame = pd.DataFrame(_columns(A)).astype(_nullable_name(A.dtype.name).replace("f", "F", 1))
    frame[holes] = pd.NA
    return frame


def _arrow(A: np.ndarray, holes: np.ndarray) -> pa.Table:
    A = A.astype("float32") if A.dtype.name == "float16" else A
    return pa.table({n: pa.array(c, mask=holes) for n, c in _columns(A).items()})


def _vectors(A: np.ndarray, holes: np.ndarray) -> Values:
    column = pd.Series([None if hole else row for hole, row in zip(holes, A, strict=True)])
    return pd.DataFrame({"vector": column}), _holes(plain(A), holes)


def _mixed(A: np.ndarray, holes: np.ndarray) -> Values:
    """Columns of several number types: their common type decides."""
    A = _holes(A, holes)
    value = pd.DataFrame(
        {n: c if j % 2 else c.astype("float32") for j, (n, c) in enumerate(_columns(A).items())}
    )
    common = np.result_type(*value.dtypes)
    return value, plain(value.to_numpy(common), common.name)


FORMS: dict[str, Callable[[np.ndarray, np.ndarray], Values]] = {
    "array": _in(lambda A: A),
    "columns in a row": _in(np.asfortranarray),
    "strided": _in(lambda A: np.repeat(A, 2, axis=1)[:, ::2]),
    "backwards": _in(lambda A: A[::-1].copy()[::-1]),
    "big-endian": _in(lambda A: A.astype(A.dtype.newbyteorder(">"))),
    "masked": _masking(_masked),
    "list": lambda A, holes: (
        _holes(A, holes).tolist(),
        plain(np.asarray(_holes(A, holes).tolist())),
    ),
    "objects": _objects,
    "pandas": _in(lambda A: pd.DataFrame(_columns(A))),
    "pandas, numbered": _in(pd.DataFrame),
    "pandas, mixed": _mixed,
    "pandas, nullable": _masking(_nullable),
    "pandas, Arrow": _masking(lambda A, h: _arrow(A, h).to_pandas(types_mapper=pd.ArrowDtype)),
    "pandas, decimals": _decimals,
    "pandas, vectors": _vectors,
    "polars": _masking(lambda A, h: pl.from_arrow(_arrow(A, h))),
    "pyarrow": _masking(_arrow),
    "torch": _in(
        lambda A: torch.from_numpy(A.astype("float32") if A.dtype == np.float16 else A.copy())
    ),
    "torch, transposed": _in(lambda A: torch.from_numpy(np.ascontiguousarray(A.T)).T),
    "torch, bfloat16": lambda A, holes: (
        (T := torch.from_numpy(_holes(A.astype("float32"), holes)).to(torch.bfloat16)),
        T.float().numpy(),
    ),
    "torch, with gradient": _in(
        lambda A: (
            torch.from_numpy(A.astype("float64")).requires_grad_()
            if plain(A[:1]).dtype == np.float64
            else torch.from_numpy(A.astype("float32")).requires_grad_()
        )
    ),
    "read-only": _in(lambda A: _read_only(A)),
    "subclass": _in(lambda A: A.view(_Subclass)),
}
SPARSE_FORMS = {
    "csr": lambda A: sparse.csr_array(A),
    "csc": lambda A: sparse.csc_matrix(A),
    "coo": lambda A: sparse.coo_array(A),
    "dok": lambda A: sparse.dok_array(A.astype("float64")),
    "sparse columns": lambda A: pd.DataFrame(A).astype(pd.SparseDtype(A.dtype, A.dtype.type(0))),
}
#: What a whole input of several modalities can be given as.
WHOLES = ("dict", "Modalities", "two levels", "flat", "flat frame", "flat polars", "reversed dict")


def _read_only(A: np.ndarray) -> np.ndarray:
    A = A.copy()
    A.flags.writeable = False
    return A


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


def _numbers(rng: np.random.Generator, codes: np.ndarray, n_columns: int, dtype: str) -> np.ndarray:
    """Numbers that know the class, small enough for every type."""
    centres = rng.normal(0, 2, (int(codes.max(initial=0)) + 1, n_columns))
    A = centres[codes] + rng.normal(size=(len(codes), n_columns))
    if dtype == "bool":
        return np.median(A, axis=0) < A
    if dtype.startswith("u"):
        return np.abs(np.round(A * 5)).astype(dtype)
    return np.round(A * 5).astype(dtype) if dtype.startswith("i") else A.astype(dtype)


def _whole(how: str, values: dict[str, Any]) -> Any:
    if how == "Modalities":
        return Modalities(values)
    if how == "two levels":
        return pd.concat({n: pd.DataFrame(v) for n, v in values.items()}, axis=1)
    return dict(reversed(values.items())) if how == "reversed dict" else dict(values)


def _flat(how: str, arrays: dict[str, np.ndarray]) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """A flat table, its blocks, and the same in plain form."""
    table = np.column_stack(list(arrays.values()))
    edges = np.cumsum([0, *(A.shape[1] for A in arrays.values())])
    blocks: dict[str, Any] = {
        name: slice(int(a), int(b))
        for name, a, b in zip(arrays, edges[:-1], edges[1:], strict=True)
    }
    same = {name: plain(table[:, block]) for name, block in blocks.items()}
    if how == "flat":
        return table, blocks, same
    labels = [f"c{j}" for j in range(table.shape[1])]
    blocks = {name: labels[block] for name, block in blocks.items()}
    if table.dtype == np.float16:
        table = table.astype("float32")
    frame = pd.DataFrame(table, columns=labels)
    return (pl.from_pandas(frame) if how == "flat polars" else frame), blocks, same


# -- labels, weights, groups ---------------------------------------------------------------------


def _as_series(values: Any, dtype: str) -> pd.Series:
    return pd.Series(values, index=range(7, 7 + len(values)), dtype=dtype)


INTEGER_LABELS: dict[str, Callable[[list[int]], Any]] = {
    "integers": np.array,
    "list": list,
    "tuple": tuple,
    "small integers": lambda y: np.array(y, dtype="uint8"),
    "floats": lambda y: np.array(y, dtype=float),
    "objects": lambda y: np.array(y, dtype=object),
    "column": lambda y: np.array(y).reshape(-1, 1),
    "series": lambda y: _as_series(y, "int64"),
    "nullable": lambda y: _as_series(y, "Int64"),
    "Arrow": lambda y: _as_series(y, "int64[pyarrow]"),
    "categories": lambda y: _as_series(y, "category"),
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
    "series": lambda y: _as_series(y, "object"),
    "strings": lambda y: _as_series(y, "string"),
    "Arrow": lambda y: _as_series(y, "string[pyarrow]"),
    "categories": lambda y: _as_series(y, "category"),
    "polars": pl.Series,
    "polars categories": lambda y: pl.Series(y, dtype=pl.Categorical),
    "pyarrow": pa.array,
    "numpy strings": lambda y: np.array(y, dtype=np.dtypes.StringDType()),
}
BOOL_LABELS: dict[str, Callable[[list[bool]], Any]] = {
    "bool": np.array,
    "list": list,
    "nullable": lambda y: _as_series(y, "boolean"),
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
    "series": lambda y: _as_series(y, "float64"),
    "nullable": lambda y: _as_series(y, "Float64"),
    "Arrow": lambda y: _as_series(y, "double[pyarrow]"),
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
    "series": lambda w: _as_series(w, "float64"),
    "nullable": lambda w: _as_series(w, "Float64"),
    "Arrow": lambda w: _as_series(w, "double[pyarrow]"),
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


#: Values that most parameters are not made for.
JUNK: tuple[Any, ...] = (
    None, True, False, 0, 1, 2, 3, -1, 10**30, 0.0, 0.5, 1.5, -0.5, 1e-300, 1e300,
    float("nan"), float("inf"), "auto", "bogus", "", b"mean", (), (1,), (2, -1), [], [0.5], ["ear"],
    {}, {"ear": 1.0}, {"nobody": 1.0}, {"ear": "bogus"}, {0: 1.0}, {1}, len, object, object(),
    np.float64(0.3), np.int64(2), np.array([0.1, 0.2]), np.array(3), np.nan, decimal.Decimal("0.5"),
    1j, slice(0, 1), "ear", np.random.default_rng(0), pd.NA, ("ear", "eye"), [None], np.bool_(True),
)  # fmt: skip


# -- whole cases ---------------------------------------------------------------------------------


@st.composite
def cases(
    draw: Any,
    target: str = "classes",
    *,
    labels: bool = False,
    unlabelled: bool = False,
    sparse_too: bool = False,
    groups: str | None = "groups",
    weights: bool = True,
    faults: bool = True,
    missing: bool = True,
    min_modalities: int = 1,
    sides: bool = False,
    lazy: bool = False,
) -> Case:
    """Input for `fit` and `predict`, most of it sound, some of it spoilt in one place.

    Parameters
    ----------
    target : {"classes", "numbers", "none"}
        What `y` is.
    labels : bool
        Whether the estimator may learn several labels a row.
    unlabelled : bool
        Whether rows without label mean something to it.
    sparse_too : bool
        Whether it says that it takes sparse modalities.
    groups : str or None
        Name of the parameter of `fit` that takes groups.
    weights : bool
        Whether `fit` takes weights.
    faults : bool
        Whether something may be spoilt.
    missing : bool
        Whether it has the parameter `missing`.
    min_modalities : int
        How many there are at least.
    sides : bool
        Whether modalities are put together in two sides.
    lazy : bool
        Whether a modality to predict is looked at only in the rows that need it.
    """
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    pick = lambda options: draw(st.sampled_from(list(options)))  # noqa: E731
    fault = pick(_FAULTS) if faults else "none"
    n = pick([24, 30, 24, 25]) if fault != "few rows" else pick([1, 2, 3, 5])
    n_classes = pick([2, 3])
    codes = np.arange(n) % n_classes
    names = NAMES[: pick([m for m in (1, 2, 2, 3) if m >= min_modalities])]
    masks = missing and pick([False, False, True])
    holes = {name: np.zeros(n, bool) for name in names}
    if masks and len(names) > 1:
        for name in names[1:]:
            holes[name] = rng.random(n) < 0.3
            holes[name][:6] = False
    dtypes = {name: pick(DTYPES) for name in names}
    arrays = {name: _numbers(rng, codes, pick([1, 2, 3]), dtypes[name]) for name in names}
    case = Case(None, None, None, None)
    if masks:
        case.params["missing"] = case.plain_params["missing"] = "mask"
    _fill(case, pick, arrays, holes, sparse_too, masks)
    _target(case, pick, rng, codes, target, labels)
    if weights and pick([False, False, True]):
        w = np.round(rng.random(n) * 4 + 1) / 4
        if pick([False, True]):
            w[n_classes : n_classes + 3] = 0
        case.fit["sample_weight"] = WEIGHTS[pick(WEIGHTS)](w)
        case.plain_fit["sample_weight"] = w
    if groups and pick([False, False, True]):
        g = np.arange(n) // 2
        as_text = pick([False, True])
        case.plain_fit[groups] = [f"g{v:02d}" for v in g] if as_text else g
        make = (TEXT_LABELS if as_text else INTEGER_LABELS)[pick(["list", "objects", "series"])]
        case.fit[groups] = make([f"g{v:02d}" for v in g] if as_text else g.tolist())
    _spoil(case, pick, fault, names, n, target, unlabelled, groups, weights)
    if lazy and fault.startswith("new"):
        case.must_refuse = False
    if sides and len(names) > 2 and masks:  # a side lacks what one of its modalities lacks
        case.spoilt("X")
    return case


_FAULTS = (
    *["none"] * 14,
    *["modality"] * 3,
    *["y"] * 3,
    "whole",
    "weight",
    "weight",
    "groups",
    "few rows",
    "new modality",
    "new modality",
    "new names",
    "new columns",
    "scale",
)


def _fill(case: Case, pick: Any, arrays: dict, holes: dict, sparse_too: bool, masks: bool) -> None:
    """`X` and `X_new`, in one form each or in two."""
    how = pick(WHOLES)
    n = len(next(iter(arrays.values())))
    if how.startswith("flat"):
        whole = {name: _holes(A, holes[name]) for name, A in arrays.items()}
        case.X, blocks, case.plain = _flat(how, whole)
        case.params["modalities"] = blocks
        case.X_new, case.plain_new = case.X[NEW], {m: A[NEW] for m, A in case.plain.items()}
        return
    if how == "two levels":
        forms = {name: pick(["pandas", "pandas, nullable"]) for name in arrays}
    else:
        forms = {name: pick([*FORMS, *(SPARSE_FORMS if sparse_too else ())]) for name in arrays}
    read: dict[str, Values] = {}
    for name, A in arrays.items():
        if forms[name] in SPARSE_FORMS:
            A = A.astype("float32") if A.dtype == np.float16 else A
            holes[name] = np.zeros(n, bool)
            dtype = "float64" if forms[name] == "dok" else A.dtype.name
            read[name] = SPARSE_FORMS[forms[name]](A), plain(A, dtype)
        else:
            read[name] = FORMS[forms[name]](A, holes[name])
    case.X = _whole(how, {name: value for name, (value, _) in read.items()})
    case.plain = {name: same for name, (_, same) in read.items()}
    # to predict: some rows, as arrays or in the form of fit
    case.plain_new = {name: same[NEW] for name, same in case.plain.items()}
    if (
        pick([False, True])
        and how != "two levels"
        and not any("pandas" in f for f in forms.values())
    ):
        again = {
            name: SPARSE_FORMS[forms[name]](A[NEW])
            if forms[name] in SPARSE_FORMS and A.dtype != np.float16
            else FORMS[forms[name]](A[NEW], holes[name][NEW])[0]
            if forms[name] in FORMS
            else case.plain_new[name]
            for name, A in arrays.items()
        }
        case.X_new = again
    else:
        case.X_new = dict(case.plain_new)


def _target(case: Case, pick: Any, rng: Any, codes: np.ndarray, target: str, labels: bool) -> None:
    if target == "none":
        return
    if target == "numbers":
        y = np.round(codes * 3 + rng.normal(size=len(codes)), 3)
        how = pick(NUMBER_TARGETS)
        case.y = NUMBER_TARGETS[how](y)
        case.plain_y = np.column_stack([y, -y]) if how == "two columns" else y
        return
    if labels and pick([False] * 4 + [True]):
        several = np.column_stack([codes == 0, codes > 0, rng.random(len(codes)) < 0.5]).astype(int)
        case.y = pick([several, several.astype(bool), several.tolist(), pd.DataFrame(several)])
        case.plain_y = several
        case.spoilt("y", "class_weight")  # not every estimator of a family takes several
        return
    kind = pick(["integers", "integers", "text", "text", "bool"])
    if kind == "text":
        case.plain_y = [f"class {c}" for c in codes]
        case.y = TEXT_LABELS[pick(TEXT_LABELS)](list(case.plain_y))
    elif kind == "bool":
        case.plain_y = [bool(c) for c in codes % 2]
        case.y = BOOL_LABELS[pick(BOOL_LABELS)](list(case.plain_y))
    else:
        shift = pick([0, 1, -1, 7])
        case.plain_y = [int(c) + shift for c in codes]
        how = pick([h for h in INTEGER_LABELS if shift >= 0 or h != "small integers"])
        case.y = INTEGER_LABELS[how](list(case.plain_y))
        if how == "large":
            case.plain_y = case.y.tolist()


def _spoil(
    case: Case,
    pick: Any,
    fault: str,
    names: tuple[str, ...],
    n: int,
    target: str,
    unlabelled: bool,
    groups: str | None,
    weights: bool,
) -> None:
    """Spoil one thing."""
    if fault == "few rows":
        case.spoilt("X", "y", "cv", "sample_weight", "groups", "clients", "validation_fraction")
    elif fault in ("modality", "new modality"):
        name = pick(names)
        table = no_numbers(n if fault == "modality" else min(n, 15))
        what = pick(table)
        given = {m: A for m, A in (case.plain if fault == "modality" else case.plain_new).items()}
        given[name] = table[what]
        # what is missing as a whole may be masked, and one row less is none where there is one
        # and a table is numbers whatever its columns are called
        refused = what not in (
            *("absent", "absent objects", "NaN in part", "unequal vectors", "three levels"),
        )
        refused = refused and not (
            len(names) == 1 and what in ("one row less", "no rows") and fault != "modality"
        )
        refused = refused and not (what == "ragged" and n < 2)
        case.params.pop("modalities", None)
        if fault == "modality":
            case.X, case.plain = given, None
            case.spoilt(
                "X", "y", "sample_weight", "groups", "clients", "modalities", refused=refused
            )
        else:
            case.X, case.X_new, case.plain_new = case.plain, given, None
            case.spoilt("X", refused=refused)
    elif fault == "whole":
        table = no_wholes(n)
        what = pick(table)
        case.X, case.plain = table[what], None
        # columns of one name are told apart by their position
        case.spoilt("X", "modalities", "y", refused=what != "twice")
    elif fault == "y" and target != "none":
        table = (
            bad_numbers(n, unlabelled)
            if target == "numbers"
            else bad_labels(_plain_list(case.plain_y), unlabelled)
        )
        what = pick(table)
        case.y, case.plain_y, case.plain = table[what], None, None
        case.spoilt("y", "unlabeled_label", refused=True)
    elif fault == "weight" and weights:
        table = bad_weights(n)
        case.fit["sample_weight"] = table[pick(table)]
        case.plain = None
        case.spoilt("sample_weight", refused=True)
    elif fault == "groups" and groups:
        table = bad_groups(n)
        case.fit[groups] = table[pick(table)]
        case.plain = None
        case.spoilt(groups, refused=True)
    elif fault == "new names":
        given = dict(case.plain_new)
        what = pick(["less", "other", "more"])
        if what != "more":
            value = given.pop(names[-1])
        if what != "less":
            given["other"] = value if what == "other" else given[names[0]]
        case.params.pop("modalities", None)
        case.X, case.X_new, case.plain_new = case.plain, given, None
        case.spoilt("X", refused=what == "less" and len(names) == 1)
    elif fault == "new columns":
        case.params.pop("modalities", None)
        columns = [f"c{j}" for j in range(case.plain[names[0]].shape[1])]
        table = pd.DataFrame(case.plain[names[0]], columns=columns)
        case.X = case.plain | {names[0]: table}
        other = pick(["added", "renamed", "reversed"])
        new = table[NEW].reset_index(drop=True)
        if other == "added":
            new = new.assign(more=1.0)
        elif other == "renamed":
            new.columns = [f"d{j}" for j in range(len(columns))]
        else:
            new = new[columns[::-1]]
        kind = pick(["pandas", "polars", "pyarrow"])
        new = {"pandas": lambda t: t, "polars": pl.from_pandas, "pyarrow": pa.Table.from_pandas}[
            kind
        ](new)
        case.X_new, case.plain_new = case.plain_new | {names[0]: new}, None
        case.spoilt("X", refused=other != "reversed" or len(columns) > 1)
    elif fault == "scale":
        factor = pick([1e39, 1e200, 1e-200, 1e30, 0.0])
        case.params.pop("modalities", None)
        case.X = {m: A.astype(float) * factor for m, A in case.plain.items()}
        case.X_new = {m: A.astype(float) * factor for m, A in case.plain_new.items()}
        case.plain, case.plain_new = dict(case.X), dict(case.X_new)
        case.spoilt("X", "lr")


def _plain_list(y: Any) -> list:
    return y[:, 0].tolist() if isinstance(y, np.ndarray) else list(y)


@st.composite
def with_parameter(draw: Any, base: dict[str, Any], names: list[str]) -> tuple[dict, set[str]]:
    """Parameters of an estimator, one of them at times a value that it was not made for."""
    if draw(st.integers(0, 2)):
        return dict(base), set()
    name = draw(st.sampled_from(names))
    return {**base, name: draw(st.sampled_from(JUNK))}, {name}
