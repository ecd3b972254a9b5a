"""Data of a comparison from one file, as the command line has it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..exceptions import DamagedFileError
from ..modalities import Modalities, file_kind, missing_rows, read_table_file
from ..preprocessing import TEXT, kind_of_column


@dataclass(frozen=True)
class DataFile:
    """Rows of a file.

    Attributes
    ----------
    X : Modalities
        The modalities.
    y : ndarray of shape (n_samples,) or (n_samples, n_targets)
        The target.
    groups : ndarray of shape (n_samples,) or None
        What keeps rows together.
    notes : list of str
        What was decided on the way, for the user to see.
    """

    X: Modalities
    y: np.ndarray
    groups: np.ndarray | None
    notes: list[str]


def read_data_file(
    file: str | PathLike,
    target: str | Sequence[str],
    groups: str | None = None,
    modalities: Sequence[str] | Mapping[str, Any] | None = None,
    drop: Sequence[str] = (),
) -> DataFile:
    """Read modalities, target and groups from a csv, tsv, parquet or npz file.

    Rows without a target, without a group, or without any modality are left out, which a note says.

    Parameters
    ----------
    file : str or path-like
        The file.
    target : str or list of str
        Column, or array of an ``.npz`` file, to be learnt; several columns are several labels, or
        several numbers.
    groups : str, default=None
        Column or array that keeps rows together.
    modalities : dict of str to columns, or list of str, default=None
        Columns of each modality: a dict, or the words of a command line (``acc=^acc_``,
        ``clinic=age,bmi``, or one word of JSON, or the name of a JSON file). None goes by the
        beginnings of names: see `guess_modalities`. Of an ``.npz`` file, names of arrays.
    drop : list of str, default=()
        Columns, or arrays, that are left out.

    Returns
    -------
    DataFile
        The rows.

    Raises
    ------
    ValueError, TypeError, OSError
        If something is not there or cannot be read; the message names it.
    """
    targets = [target] if isinstance(target, str) else list(target)
    if file_kind(file) == ".npz":
        if len(targets) != 1:
            raise ValueError(f"`target` must be one array of {fspath(file)}; got {targets}.")
        return _from_arrays(file, targets[0], groups, modalities, drop)
    table, notes = _read_table(file)
    asked = [("target", one) for one in targets] + [("drop", one) for one in drop]
    for parameter, column in (*asked, ("groups", groups)):
        if column is not None and column not in table.columns:
            raise ValueError(
                f"`{parameter}` is {column!r}, and {fspath(file)} has no such column"
                f"{_instead(column, list(table.columns))}.{_separated(table)}"
            )
    rest = table.drop(
        columns=[c for c in dict.fromkeys([*targets, *drop, groups]) if c is not None]
    )
    if not len(rest.columns):
        raise ValueError(f"{fspath(file)} has no column besides `target` and `groups`.")
    if modalities is None:
        chosen: Any = guess_modalities(rest)
        told = "; ".join(f"{name}: {', '.join(_some(cols))}" for name, cols in chosen.items())
        notes.append(f"modalities by the beginnings of names ({told})")
    else:
        chosen = _read_modalities(modalities, list(rest.columns))
    X = Modalities.from_frame(rest, chosen)
    unused = [c for c in rest.columns if not any(c in value.columns for value in X.values())]
    if unused:
        notes.append(f"in no modality, so not used: {', '.join(_some(unused))}")
    return _usable(
        X,
        table[targets[0]].to_numpy() if len(targets) == 1 else table[targets].to_numpy(),
        None if groups is None else table[groups].to_numpy(),
        notes,
    )


def _read_table(file: str | PathLike) -> tuple[pd.DataFrame, list[str]]:
    """The table, without what numbers its rows: in a sorted file that would tell the target."""
    table = read_table_file(file)
    table.columns = [str(column) for column in table.columns]
    if not len(table):
        raise ValueError(f"{fspath(file)} has no rows.")
    first = table.columns[0]
    if first.startswith("Unnamed: 0") and len(table.columns) > 1:  # as DataFrame.to_csv writes it
        numbers = table[first]
        if numbers.dtype.kind in "iu" and (numbers.diff().iloc[1:] == 1).all():
            return table.drop(columns=[first]), ["the first column numbers the rows: left out"]
    return table, []


def _separated(table: pd.DataFrame) -> str:
    """A hint where a table came as one column."""
    only = table.columns[0]
    marks = [mark for mark in (";", "\t", "|", ",") if mark in only]
    if len(table.columns) > 1 or not marks:
        return ""
    return f" Are its columns separated by {marks[0]!r}? A csv has commas, a tsv tabs."


def guess_modalities(table: pd.DataFrame) -> dict[str, list[str]]:
    """Modalities by the beginnings of the names of columns.

    Columns whose names share what stands before the first ``__``, ``.``, ``:``, ``-``, ``/`` or
    ``_`` are a modality of that name; a column of text is one of its own; all others are "other".

    Parameters
    ----------
    table : DataFrame
        Columns of the modalities alone.

    Returns
    -------
    modalities : dict of str to list of str
        Columns by modality.

    Examples
    --------
    >>> import pandas as pd
    >>> from sk_mmbalance.comparison import guess_modalities
    >>> guess_modalities(pd.DataFrame(columns=["acc_x", "acc_y", "age", "bmi"]))
    {'acc': ['acc_x', 'acc_y'], 'other': ['age', 'bmi']}
    """
    by_start: dict[str, list[str]] = {}
    others: list[str] = []
    texts: list[str] = []
    for column in map(str, table.columns):
        start = re.split(r"__|[.:/_-]", column, maxsplit=1)[0]
        if _is_text(column, table[column]):
            texts.append(column)
        elif start and start != column:
            by_start.setdefault(start, []).append(column)
        else:
            others.append(column)
    found = {start: columns for start, columns in by_start.items() if len(columns) > 1}
    others += [c for columns in by_start.values() if len(columns) == 1 for c in columns]
    for text in texts:
        found[text.replace("__", "_") if text not in found else f"{text} text"] = [text]
    if others:
        found["other" if "other" not in found else "other columns"] = others
    return found


def _is_text(name: str, column: pd.Series) -> bool:
    """Whether it holds sentences, of which many differ; words without are names or categories."""
    values = column.dropna()
    if not all(isinstance(value, str) for value in values):
        return False
    sentences = values.str.count(" ") >= 2 if len(values) else values
    return bool(sentences.mean() >= 0.5) and kind_of_column("table", name, column) == TEXT


def _read_modalities(given: Any, columns: list[str]) -> dict[str, Any]:
    """A dict as it is; words of a command line read."""
    if isinstance(given, Mapping):
        return dict(given)
    words = list(given)
    if len(words) == 1 and (words[0].lstrip().startswith("{") or words[0].endswith(".json")):
        text = words[0]
        if text.endswith(".json"):
            text = Path(text).read_text(encoding="utf-8")
        try:
            found = json.loads(text)
        except ValueError as error:
            raise ValueError(f"`modalities` is no JSON: {error}") from error
        if not isinstance(found, dict):
            raise ValueError("`modalities` must be a JSON object of name to columns.")
        return found
    chosen: dict[str, Any] = {}
    for word in words:
        name, sign, what = word.partition("=")
        if not sign or not name or not what:
            raise ValueError(
                f"`modalities` has {word!r}; write name=pattern or name=column,column, as in "
                "acc=^acc_ clinic=age,bmi."
            )
        names = what.split(",")
        chosen[name] = names if all(one in columns for one in names) else what
    return chosen


def _from_arrays(
    file: str | PathLike, target: str, groups: str | None, names: Any, drop: Sequence[str]
) -> DataFile:
    found = Modalities.load(file)
    values = dict(found.items())
    try:
        with np.load(file, allow_pickle=False) as archive:
            beside = {
                key: archive[key]
                for key in (target, groups)
                if key is not None and key in archive and key not in values
            }
            there = [key for key in archive.files if not key.endswith(".json")]
    except (ValueError, OSError, EOFError) as error:
        raise DamagedFileError(f"{fspath(file)} is damaged: {error}") from error
    columns = {}
    for parameter, key in (("target", target), ("groups", groups)):
        if key is None:
            continue
        if key not in values and key not in beside:
            raise ValueError(
                f"`{parameter}` is {key!r}, and {fspath(file)} has no such array"
                f"{_instead(key, there)}."
            )
        columns[parameter] = np.asarray(values.pop(key) if key in values else beside[key])
    if isinstance(names, Mapping) or any("=" in word for word in names or ()):
        raise ValueError(
            f"`modalities` must be names of arrays for {fspath(file)}, which holds them by name."
        )
    for name in drop:
        if values.pop(name, None) is None:
            raise ValueError(
                f"`drop` has {name!r}, and {fspath(file)} has no such modality"
                f"{_instead(name, list(values))}."
            )
    X = Modalities(values)
    if names:
        unknown = sorted(set(names) - set(X.names))
        if unknown:
            raise ValueError(f"`modalities` names {unknown}; there are {list(X.names)}.")
        X = X.select(list(names))
    for parameter, column in columns.items():
        columns[parameter] = column[:, 0] if column.ndim == 2 and column.shape[1] == 1 else column
        if len(column) != len(X):
            raise ValueError(
                f"`{parameter}` has {len(column)} values in {fspath(file)}, and the modalities "
                f"have {len(X)} rows."
            )
    return _usable(X, columns["target"], columns.get("groups"), [])


def _usable(X: Modalities, y: np.ndarray, groups: Any, notes: list[str]) -> DataFile:
    """Without the rows that cannot be used; a note for each kind of them."""
    reasons = {"a target": np.asarray(pd.isna(y)).reshape(len(y), -1).any(axis=1)}
    if groups is not None:
        reasons["a group"] = np.asarray(pd.isna(groups))
    reasons["any modality"] = np.logical_and.reduce([missing_rows(v) for v in X.values()])
    keep = np.ones(len(X), dtype=bool)
    for what, without in reasons.items():
        if without.any():
            notes.append(f"{int(without.sum())} row(s) without {what} left out")
            keep &= ~without
    if not keep.any():
        raise ValueError("no row has a target and a modality.")
    if keep.all():
        return DataFile(X, y, groups, notes)
    return DataFile(X[keep], y[keep], None if groups is None else groups[keep], notes)


def _instead(name: str, there: list[str]) -> str:
    """What may be meant: the likest names, and what there is."""
    like = get_close_matches(name, there, n=2)
    if like:
        return f". Is {' or '.join(map(repr, like))} meant? It has {_some(there, 30)}"
    return f"; it has {_some(there, 30)}"


def _some(names: Sequence[str], most: int = 12) -> list[str]:
    short = [name if len(name) <= 40 else f"{name[:39]}…" for name in names[:most]]
    return [*short, "..."] if len(names) > most else short
