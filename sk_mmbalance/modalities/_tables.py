"""Named tables of any library (pandas, polars, pyarrow), through narwhals."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from ._numbers import kept_dtype, objects_to_floats, refuse_kind, refuse_no_number
from ._sequences import Numbers, holds_arrays, read_rows

Labels = tuple[str | int, ...]


def is_table(value: Any) -> bool:
    """Whether `value` is a table with named columns whose rows are in memory."""
    return isinstance(value, pd.DataFrame) or (
        not isinstance(value, np.ndarray) and nw.dependencies.is_into_dataframe(value)
    )


def is_column(value: Any) -> bool:
    """Whether `value` is one named column (a Series) of any library."""
    return not isinstance(value, np.ndarray) and nw.dependencies.is_into_series(value)


def to_table(where: str, value: Any) -> Any:
    """Make a table of a named column; refuse a table that has not been computed yet.

    Anything else is given back as it is.
    """
    if isinstance(value, pd.Series):
        return value.to_frame()
    if type(value).__name__ == "RecordBatch" and "pyarrow" in sys.modules:
        return sys.modules["pyarrow"].Table.from_batches([value])
    known = nw.from_native(value, allow_series=True, pass_through=True)
    if isinstance(known, nw.LazyFrame):
        raise TypeError(
            f"{where} is a {type(value).__module__.partition('.')[0]} table that has not been "
            "computed yet; pass the table itself (`.collect()`, `.compute()`)."
        )
    if isinstance(known, nw.Series):
        return known.to_frame().to_native()
    return known.to_native() if isinstance(known, nw.DataFrame) else value


def labels_of(value: Any) -> Labels | None:
    """Names of a table's columns: all strings, or all integers; None for what is no table."""
    if not is_table(value):
        return None
    return as_labels(value.columns if isinstance(value, pd.DataFrame) else _frame(value).columns)


def as_labels(columns: Iterable[Any]) -> Labels:
    """Column names as strings, unless all are integers."""
    labels = list(columns)
    if labels and all(isinstance(label, int | np.integer) for label in labels):
        return tuple(int(label) for label in labels)
    return tuple(str(label) for label in labels)


def is_plain(frame: pd.DataFrame) -> bool:
    """Whether all columns of a DataFrame are numpy's numbers of one dtype."""
    dtypes = set(frame.dtypes)
    return len(dtypes) == 1 and _is_plain_number(dtypes.pop())


def columns_by_modality(frame: pd.DataFrame) -> dict[Any, list[int]]:
    """Column numbers of every modality of a frame with two levels, in one pass."""
    positions: dict[Any, list[int]] = {}
    for position, name in enumerate(frame.columns.get_level_values(0)):
        positions.setdefault(name, []).append(position)
    return positions


def take_columns(table: Any, numbers: np.ndarray) -> Any:
    """Some columns of a table, by their numbers."""
    if isinstance(table, pd.DataFrame):
        return table.iloc[:, numbers]
    return _frame(table)[:, numbers.tolist()].to_native()


def take_table_rows(table: Any, rows: np.ndarray) -> Any:
    """Some rows of a table, by their numbers."""
    if isinstance(table, pd.DataFrame):
        return table.iloc[rows]
    return _frame(table)[rows].to_native()


def stack_tables(tables: list[Any]) -> Any:
    """Rows of tables of one library, one below the other."""
    return nw.concat([_frame(table) for table in tables]).to_native()


def is_sparse_table(value: Any) -> bool:
    """Whether all columns of a DataFrame are sparse."""
    return (
        isinstance(value, pd.DataFrame)
        and value.shape[1] > 0
        and all(isinstance(dtype, pd.SparseDtype) for dtype in value.dtypes)
    )


def object_column(value: Any) -> np.ndarray | None:
    """The only column of a table as an object array, if that is what it is."""
    if not is_table(value) or value.shape[1] != 1:
        return None
    _, column = next(_columns(value))
    # an object column in which nothing stands is text to narwhals
    if isinstance(column.dtype, nw.Object | nw.List | nw.Array) or (
        isinstance(column.dtype, nw.String) and column.null_count() == len(column)
    ):
        rows = np.empty(len(column), dtype=object)
        for row, cell in enumerate(column.to_numpy()):  # arrays of one length would be spread
            rows[row] = cell
        return rows
    return None


def read_table(where: str, table: Any) -> Numbers:
    """Read the numbers of a table; a column of vectors counts as its values."""
    labels = labels_of(table)
    if table.shape[1] == 0:
        return Numbers(np.empty(table.shape))
    if isinstance(table, pd.DataFrame) and all(map(_is_plain_number, table.dtypes)):
        return Numbers(table.to_numpy(dtype=kept_dtype(*set(table.dtypes))), labels)
    read = [_read_column(where, label, column) for label, column in _columns(table)]
    if len(read) == 1 and read[0].array.ndim > 2:
        return read[0]
    for label, column in zip(labels or (), read, strict=True):
        if column.array.ndim > 2:
            raise ValueError(
                f"{where} has sequences or images in column {label!r} beside other columns; make "
                "that column a modality of its own."
            )
    names: list[str | int] = []
    for label, column in zip(labels or (), read, strict=True):
        width = 1 if column.array.ndim == 1 else column.array.shape[1]
        names += [label] if column.array.ndim == 1 else [f"{label}_{j}" for j in range(width)]
    dtype = kept_dtype(*{column.array.dtype for column in read})
    array = np.empty((table.shape[0], len(names)), dtype=dtype)
    start = 0
    for column in read:
        block = column.array if column.array.ndim > 1 else column.array[:, None]
        array[:, start : start + block.shape[1]] = block
        start += block.shape[1]
    return Numbers(array, tuple(names))


def columns_of(table: Any) -> Iterator[tuple[Any, np.ndarray]]:
    """Name and values of every column, as arrays."""
    for label, column in _columns(table):
        yield label, column.to_numpy()


def as_pandas(value: Any) -> Any:
    """Make a pandas DataFrame of a table of any library; what is no table stays as it is.

    Parameters
    ----------
    value : object
        Values of one modality.

    Returns
    -------
    value : DataFrame or the value itself
        Columns of the same names; what is null is NaN or None.
    """
    if isinstance(value, pd.DataFrame) or not is_table(value):
        return value
    return pd.DataFrame(dict(columns_of(value)))


def contiguous_frame(table: Any) -> Any:
    """A pandas DataFrame over one C-contiguous array, if all columns are numbers of one dtype."""
    if isinstance(table, pd.DataFrame) and is_plain(table):
        array = np.ascontiguousarray(table.to_numpy())
    else:
        columns = [column for _, column in _columns(table)]
        dtypes = {column.dtype for column in columns}
        if len(dtypes) != 1 or not all(t.is_numeric() or t == nw.Boolean for t in dtypes):
            return table
        array = np.column_stack([column.to_numpy() for column in columns])
        if array.dtype.kind not in "biuf":
            return table
    index = table.index if isinstance(table, pd.DataFrame) else None
    return pd.DataFrame(
        array,
        columns=table.columns if index is not None else labels_of(table),
        index=index,
        copy=False,
    )


# -- columns -------------------------------------------------------------------------------

# numpy's name of a column's dtype: what holds missing values comes out as objects or float64
_DTYPES = {
    nw.Boolean: "bool",
    nw.Int8: "int8",
    nw.UInt8: "uint8",
    nw.Int16: "int16",
    nw.UInt16: "uint16",
    nw.Float32: "float32",
}


def _is_plain_number(dtype: Any) -> bool:
    return isinstance(dtype, np.dtype) and dtype.kind in "biuf"


def _frame(table: Any) -> Any:
    return nw.from_native(table, eager_only=True)


def _columns(table: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(table, pd.DataFrame):  # names may repeat, which narwhals refuses
        for label, column in table.items():
            yield label, nw.from_native(column, series_only=True)
    else:
        yield from ((column.name, column) for column in _frame(table).iter_columns())


def refuse_what_only_looks_like_numbers(where: str, value: Any) -> None:
    """Refuse dates, durations and text in a table or an array, by the column's name.

    Numpy would make nanoseconds of the ones, and numbers of digits in the other.
    """
    if is_table(value):
        for label, column in _columns(value):
            if not (column.dtype.is_numeric() or column.dtype == nw.Boolean):
                _read_column(where, label, column)
    elif isinstance(value, np.ndarray):
        refuse_no_number(where, value)
        if value.dtype == object and not holds_arrays(value):
            objects_to_floats(where, value)


def _read_column(where: str, label: Any, column: Any) -> Numbers:
    """Read one column as ``(n,)`` numbers, ``(n, d)`` vectors or ``(n, time, ...)`` sequences."""
    dtype = column.dtype
    if dtype.is_temporal():
        refuse_kind(where, "dates", dtype, label)
    if isinstance(dtype, nw.Categorical | nw.Enum):
        refuse_kind(where, "categories", dtype, label)
    if isinstance(dtype, nw.String | nw.Binary) and column.null_count() < len(column):
        refuse_kind(where, "text", dtype, label)
    if isinstance(dtype, nw.Struct):
        raise TypeError(
            f"{where} must be numeric; column {label!r} holds records ({dtype}). Make columns of "
            "their fields."
        )
    if isinstance(dtype, nw.Int128 | nw.UInt128):  # numpy has none
        column = column.cast(nw.Float64)
    values = np.asarray(column.to_numpy())
    refuse_no_number(where, values, label)
    if holds_arrays(values):
        return read_rows(f"{where}, column {label!r},", values)
    if values.dtype == object:
        values = objects_to_floats(where, values, label)
    kept = _DTYPES.get(type(dtype))
    if kept is not None:
        return Numbers(values.astype(kept_dtype(np.dtype(kept)), copy=False))
    if isinstance(dtype, nw.Unknown) and np.isnan(values).all():  # empty: agrees with any dtype
        return Numbers(values.astype(np.float16))
    return Numbers(values)
