"""One file a modality: rows paired by place, or by a column that says which row is which."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike, fspath
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse

from ._columns import resolve_columns
from ._file import read_file
from ._names import check_names
from ._table_files import file_kind, read_table_file
from ._tables import is_table

Label = str | None


def read_modality_files(
    files: Mapping[str, str | PathLike], modalities: Any, index: Label
) -> dict[str, Any]:
    """Values by modality, each from its own file.

    With `index`, rows that one file has and another lacks are missing there; rows come in the order
    in which the files, by the names of their modalities, first name them.
    """
    columns = {} if modalities is None else dict(modalities)
    unknown = sorted(set(columns) - set(files))
    if unknown:
        raise ValueError(
            f"`modalities` names {unknown}, for which `files` has no file; there are "
            f"{sorted(files)}."
        )
    read = {
        name: _read_one(name, files[name], index, columns.get(name))
        for name in check_names(files, parameter="files")
    }
    if index is None:
        return {name: value for name, (value, _) in read.items()}
    known = {n: (value, labels) for n, (value, labels) in read.items() if labels is not None}
    everywhere = pd.Index(
        pd.unique(
            np.concatenate([np.asarray(labels, dtype=object) for _, labels in known.values()])
        )
    ).infer_objects()
    everywhere.name = index
    return {name: _placed(value, labels, everywhere) for name, (value, labels) in known.items()}


def _read_one(
    name: str, file: str | PathLike, index: Label, columns: Any
) -> tuple[Any, pd.Index | None]:
    """Values of a file, and the labels of its rows."""
    if file_kind(file) == ".npz":
        value, labels = _read_arrays(name, file, index)
    else:
        value = read_table_file(file)
        labels = None
        if index is not None:
            if index not in value.columns:
                raise ValueError(
                    f"`index` is {index!r}, which {fspath(file)} has no column of; it has "
                    f"{[str(c) for c in value.columns[:20]]}."
                )
            labels = pd.Index(value[index])
            value = value.drop(columns=index).set_axis(labels, axis=0)
    if labels is not None:
        _refuse_odd_labels(file, labels)
    if columns is not None:
        numbers = resolve_columns({name: columns}, value)[name]
        value = value.iloc[:, numbers] if is_table(value) else value[:, numbers]
    return value, labels


def _read_arrays(name: str, file: str | PathLike, index: Label) -> tuple[Any, pd.Index | None]:
    arrays = {entry: value for entry, value, _ in read_file(file)}
    labels = None
    if index is not None:
        if index not in arrays:
            raise ValueError(
                f"`index` is {index!r}, which {fspath(file)} has no array of; it has "
                f"{sorted(arrays)}."
            )
        labels = pd.Index(np.asarray(arrays.pop(index)).reshape(-1))
    if name not in arrays and len(arrays) != 1:
        raise ValueError(
            f"{fspath(file)} must hold one array, or one named {name!r}; it has {sorted(arrays)}."
        )
    value = arrays[name] if name in arrays else next(iter(arrays.values()))
    if labels is not None and len(labels) != value.shape[0]:
        raise ValueError(
            f"{fspath(file)} has {value.shape[0]} rows and {len(labels)} values of {index!r}."
        )
    return value, labels


def _refuse_odd_labels(file: str | PathLike, labels: pd.Index) -> None:
    if labels.hasnans:
        raise ValueError(
            f"{fspath(file)} has rows without a value of the `index` {labels.name!r}; "
            "give each row one."
        )
    if labels.has_duplicates:
        twice = labels[labels.duplicated()][0]
        raise ValueError(
            f"{fspath(file)} has several rows for {twice!r}; with `index`, a row of the data is "
            "one row of each file. Aggregate them first."
        )


def _placed(value: Any, labels: pd.Index, everywhere: pd.Index) -> Any:
    """The values in the rows that all files have in common; NaN where this one has none."""
    if isinstance(value, pd.DataFrame):
        return value.reindex(everywhere)
    if issparse(value):
        value = value.toarray()
    value = np.asarray(value)
    rows = everywhere.get_indexer(labels)
    if len(rows) == len(everywhere):
        return value[np.argsort(rows)]
    kind = value.dtype.kind
    whole: Any = np.full(
        (len(everywhere), *value.shape[1:]),
        None if kind in "OUS" else np.datetime64("NaT") if kind == "M" else np.nan,
        dtype=object if kind in "OUS" else value.dtype if kind in "fM" else np.float64,
    )
    whole[rows] = value
    return whole


def row_labels(values: Mapping[str, Any], n_samples: int) -> pd.Index:
    """Labels of the rows: of the first DataFrame that has other than numbers from 0."""
    for value in values.values():
        if isinstance(value, pd.DataFrame) and not isinstance(value.index, pd.RangeIndex):
            return value.index
    return pd.RangeIndex(n_samples)
