"""The numbers of one modality, in every form that somebody may have them in.

A form makes of an array and of its missing rows what is handed over, and the same in plain form.
"""

from __future__ import annotations

import decimal
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import torch
from scipy import sparse

Values = tuple[Any, np.ndarray | None]

SMALL = ("bool", "int8", "uint8", "int16", "uint16", "float16", "float32")
DTYPES = (*SMALL, "int32", "int64", "uint32", "uint64", "float64")


class _Subclass(np.ndarray):
    """An array of somebody's own kind."""


def plain(A: np.ndarray, dtype: str | None = None) -> np.ndarray:
    """An array in the precision that small numbers, and others, are promised."""
    kept = np.float32 if (dtype or A.dtype.name) in SMALL else np.float64
    return np.ascontiguousarray(A.astype(kept)).reshape(len(A), -1 if A.ndim < 3 else A.shape[1])


def with_holes(A: np.ndarray, holes: np.ndarray) -> np.ndarray:
    """An array of numbers with NaN in whole rows."""
    if not holes.any():
        return A
    A = A.copy() if A.dtype.kind == "f" else A.astype(plain(A[:1]).dtype)
    A[holes] = np.nan
    return A


def _columns(A: np.ndarray) -> dict[str, np.ndarray]:
    return {f"c{j}": column for j, column in enumerate(A.T)}


def _nullable_name(dtype: str) -> str:
    return {"bool": "boolean"}.get(dtype, dtype.replace("ui", "UI").replace("int", "Int"))


def _in(make: Callable[[np.ndarray], Any]) -> Callable[[np.ndarray, np.ndarray], Values]:
    """A form whose missing rows are NaN, in a float type."""

    def form(A: np.ndarray, holes: np.ndarray) -> Values:
        A = with_holes(A, holes)
        return make(A), plain(A)

    return form


def _masking(make: Callable[[np.ndarray, np.ndarray], Any]) -> Callable[..., Values]:
    """A form that can say of any type that a value is missing."""

    def form(A: np.ndarray, holes: np.ndarray) -> Values:
        return make(A, holes), with_holes(plain(A), holes)

    return form


def _masked(A: np.ndarray, holes: np.ndarray) -> Any:
    return np.ma.masked_array(A, mask=np.repeat(holes[:, None], A.shape[1], axis=1))


def _objects(A: np.ndarray, holes: np.ndarray) -> Values:
    value = A.astype(object)
    value[holes] = None
    return value, with_holes(A.astype(np.float64), holes)


def _decimals(A: np.ndarray, holes: np.ndarray) -> Values:
    A = np.round(A.astype(np.float64), 2)
    value = pd.DataFrame(
        {n: [decimal.Decimal(str(v)) for v in col] for n, col in _columns(A).items()}
    )
    value[holes] = None
    return value, with_holes(A, holes)


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
    return pd.DataFrame({"vector": column}), with_holes(plain(A), holes)


def _mixed(A: np.ndarray, holes: np.ndarray) -> Values:
    """Columns of several number types: their common type decides."""
    A = with_holes(A, holes)
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
        with_holes(A, holes).tolist(),
        plain(np.asarray(with_holes(A, holes).tolist())),
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
        (T := torch.from_numpy(with_holes(A.astype("float32"), holes)).to(torch.bfloat16)),
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


def _read_only(A: np.ndarray) -> np.ndarray:
    A = A.copy()
    A.flags.writeable = False
    return A
