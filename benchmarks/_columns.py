"""Data files of results: a table as compressed text, one line a column.

Lines of a column are alike, so that they take less than half the room of lines of rows. Anybody can
read them::

    pandas.read_csv(file, header=None, index_col=0).T
"""

from __future__ import annotations

import csv
import io
import lzma
from pathlib import Path

import pandas as pd


def read_columns(file: str | Path) -> pd.DataFrame:
    """The table of a file that `write_columns` wrote."""
    with lzma.open(file, "rt", encoding="utf-8", newline="") as stream:
        lines = list(csv.reader(stream))
    table = pd.DataFrame({name: values for name, *values in lines}, dtype=str)
    for name in table:
        # as pandas reads rows: numbers where all are, with nothing for NaN
        values = table[name].where(table[name] != "")
        numbers = pd.to_numeric(values, errors="coerce")
        table[name] = numbers if numbers.notna().equals(values.notna()) else values
    return table


def write_columns(table: pd.DataFrame, file: str | Path, digits: int = 6) -> None:
    """Write a table; the same rows are the same bytes."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for name in table:
        writer.writerow([name, *(_plain(value, digits) for value in table[name])])
    packed = lzma.compress(text.getvalue().encode(), preset=9 | lzma.PRESET_EXTREME)
    Path(file).write_bytes(packed)


def _plain(value: object, digits: int) -> str:
    if isinstance(value, float):
        return "" if value != value else f"{value:.{digits}g}"
    return str(value)
