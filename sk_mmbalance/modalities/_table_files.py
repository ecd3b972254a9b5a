"""Tables read from files: csv and parquet."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path

import pandas as pd

from ..exceptions import DamagedFileError, MissingDependencyError

_SEPARATORS = {".csv": ",", ".tsv": "\t"}

#: Ends of file names that `read_table_file` knows (``.csv.gz`` and its like are read as well).
TABLE_FILES = (*_SEPARATORS, ".parquet")


def file_kind(file: str | PathLike) -> str:
    """What a file is by the end of its name, compression apart: ``".csv"`` of ``a.csv.gz``.

    Parameters
    ----------
    file : str or path-like
        Its name.

    Returns
    -------
    kind : str
        The ending, in small letters; empty if there is none.
    """
    suffixes = [suffix.lower() for suffix in Path(fspath(file)).suffixes]
    while suffixes and suffixes[-1] in (".gz", ".bz2", ".xz", ".zip", ".zst"):
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def read_table_file(file: str | PathLike) -> pd.DataFrame:
    """Read a table from a csv, tsv or parquet file.

    Parameters
    ----------
    file : str or path-like
        The file; the end of its name says what it is.

    Returns
    -------
    table : DataFrame
        Its columns, rows numbered from 0 unless a parquet file brings labels.

    Raises
    ------
    DamagedFileError
        If it cannot be read as what its name says.
    MissingDependencyError
        If it is a parquet file and pyarrow is not installed.
    OSError
        If it cannot be opened.
    ValueError
        If its name ends otherwise.
    """
    kind = file_kind(file)
    if kind not in TABLE_FILES:
        raise ValueError(
            f"{fspath(file)} is no file of a kind that is read; names end with "
            f"{', '.join(TABLE_FILES)} (tables) or .npz (arrays)."
        )
    with open(file, "rb"):  # the system's own words, whatever the readers would say
        pass
    try:
        if kind == ".parquet":
            return pd.read_parquet(file)  # which refuses names that stand twice
        table = pd.read_csv(file, sep=_SEPARATORS[kind])
        first = pd.read_csv(file, sep=_SEPARATORS[kind], header=None, nrows=1, dtype=str)
    except ImportError as error:
        raise MissingDependencyError(
            f"{fspath(file)}: parquet files need pyarrow: pip install 'sk_mmbalance[arrow]'."
        ) from error
    except MemoryError:
        raise
    except Exception as error:  # whatever a reader says of bytes that are not in order
        raise DamagedFileError(
            f"{fspath(file)} cannot be read as {kind.removeprefix('.')}: {error}"
        ) from error
    names = first.iloc[0].dropna()
    if names.duplicated().any():  # pandas would rename the second one, and nobody would know
        raise DamagedFileError(
            f"{fspath(file)} has several columns named {names[names.duplicated()].iloc[0]!r}; give "
            "each a name of its own."
        )
    return table
