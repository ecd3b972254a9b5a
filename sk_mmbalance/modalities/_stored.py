"""How the values of a modality are kept in a file: arrays, and a few words that say of what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_array, issparse

from ._names import the_modality
from ._numbers import objects_to_floats
from ._sequences import holds_arrays, read_items
from ._tables import is_table, labels_of, read_table
from ._tensors import is_tensor, tensor_to_array


@dataclass(frozen=True)
class Part:
    """A modality in a file.

    Attributes
    ----------
    about : dict
        What the arrays are, in JSON's terms.
    arrays : dict of str to ndarray
        By the ending of their names in the file; the modality's own array has none.
    """

    about: dict[str, Any]
    arrays: dict[str, np.ndarray]


def encode(name: str, value: Any, feature_names: Any = None) -> Part:
    """Keep a modality as arrays, or raise an error that names what cannot be kept."""
    where = the_modality(name)
    if is_table(value):
        return _of_table(where, value)
    if issparse(value):
        value = csr_array(value)
        arrays = {"__data": value.data, "__indices": value.indices, "__indptr": value.indptr}
        return _part("sparse", arrays, feature_names, shape=list(value.shape))
    value = tensor_to_array(where, value) if is_tensor(value) else np.asarray(value)
    if value.dtype == object and holds_arrays(value):
        return _of_sequences(where, value)
    if value.dtype == object:
        if _is_text(value):
            return _of_text(value)
        value = objects_to_floats(where, value)
    if value.dtype.kind not in "biufcmMSU":
        raise TypeError(f"{where} cannot be saved; got dtype {value.dtype}.")
    return _part("array", {"": value}, feature_names)


def decode(part: Part) -> tuple[Any, Any]:
    """Values of a modality, and the names of its columns if it is an array that has some."""
    about, arrays = part.about, part.arrays
    kind = about["kind"]
    names = about["feature_names"]
    names = None if names is None else tuple(names)
    if kind == "array":
        return arrays[""], names
    if kind == "table":
        return pd.DataFrame(arrays[""], columns=list(names or ()), copy=False), None
    if kind == "sparse":
        n_rows, n_columns = about["shape"]
        parts = (arrays["__data"], arrays["__indices"], arrays["__indptr"])
        matrix = csr_array(parts, shape=(n_rows, n_columns))
        matrix.check_format(full_check=True)  # compiled code trusts the indices
        return matrix, names
    lengths = arrays["__lengths"].tolist()
    if min(lengths, default=0) < -1 or sum(max(n, 0) for n in lengths) != len(arrays[""]):
        raise ValueError("the lengths of its rows do not add up")
    rows = np.empty(len(lengths), dtype=object)
    start = 0
    for row, length in enumerate(lengths):
        if length >= 0:
            piece = arrays[""][start : start + length]
            rows[row] = piece.tobytes().decode() if kind == "text" else piece
            start += length
    if kind not in ("text", "sequences"):
        raise ValueError(f"it holds {kind!r}, which this release does not know")
    return rows.reshape(about["shape"]), None


def _part(kind: str, arrays: dict[str, np.ndarray], names: Any = None, **more: Any) -> Part:
    names = None if names is None else list(names)
    about = {"kind": kind, "feature_names": names, "arrays": list(arrays), **more}
    return Part(about, arrays)


def _of_table(where: str, table: Any) -> Part:
    if isinstance(table, pd.DataFrame) and len(set(table.dtypes)) == 1:
        dtype = table.dtypes.iloc[0]
        if isinstance(dtype, np.dtype) and dtype.kind in "biufc":
            return _part("table", {"": table.to_numpy()}, labels_of(table))
    read = read_table(where, table)
    if read.names is None or read.array.ndim != 2:
        raise TypeError(
            f"{where} is a table of sequences or images, which cannot be saved. Make it an array, "
            "or a list of arrays."
        )
    return _part("table", {"": read.array}, read.names)


def _of_sequences(where: str, rows: np.ndarray) -> Part:
    items = read_items(where, rows)
    lengths = np.array([-1 if item is None else len(item) for item in items], dtype=np.int64)
    steps = np.concatenate([item for item in items if item is not None])
    return _part("sequences", {"": steps, "__lengths": lengths}, shape=list(rows.shape))


def _is_text(value: np.ndarray) -> bool:
    flat = value.reshape(-1)
    kinds = {type(item) for item in flat[~np.asarray(pd.isna(flat))]}
    return kinds == {str}


def _of_text(value: np.ndarray) -> Part:
    encoded = [item.encode() if isinstance(item, str) else None for item in value.reshape(-1)]
    lengths = np.array([-1 if item is None else len(item) for item in encoded], dtype=np.int64)
    letters = np.frombuffer(b"".join(item or b"" for item in encoded), dtype=np.uint8)
    return _part("text", {"": letters, "__lengths": lengths}, shape=list(value.shape))
