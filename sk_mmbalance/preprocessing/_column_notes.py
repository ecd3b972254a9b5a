"""What became of columns that are not plain numbers, in a line or two for who brought them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..modalities import Modalities
from ._column_kinds import CATEGORIES, DATES, NOTHING, NUMBERS, TEXT, kind_of_column

_CONSTANT = "constant"
_TOLD = {
    CATEGORIES: "categories (a column for each kind)",
    DATES: "dates (their parts, as numbers)",
    TEXT: "text (TF-IDF)",
    _CONSTANT: "constant (says nothing)",
    NOTHING: "empty (left out)",
}
#: Words in names of columns that number rows, and of those that keep rows together.
_NUMBERS_ROWS = re.compile(
    r"(?i)(^|[_. -])(id|uid|uuid|nr|no|number|index|key|row|record)([_. -]|$)"
)
_NAMES_GROUPS = re.compile(
    r"(?i)(^|[_. -])(person|subject|patient|participant|user|speaker|group|session|id|day|date)s?"
    r"([_. -]|$)"
)
_FEWEST_GROUPS, _FEWEST_ROWS, _MOST_NAMES = 5, 10, 8


def column_notes(X: Modalities | Mapping[str, Any], *, has_groups: bool = False) -> list[str]:
    """Lines on columns that are not plain numbers, and on those that name rows or groups of rows.

    Parameters
    ----------
    X : Modalities or dict of str to table or array
        Read before; tables are those of pandas.
    has_groups : bool, default=False
        Whether rows are kept together already, so that no further column is proposed for that.

    Returns
    -------
    notes : list of str
        One on what became of them, one on identifiers, one on groups; none where all is plain.
    """
    by_kind: dict[str, list[str]] = {}
    rows_by_name: list[str] = []
    groups_by_name: list[str] = []
    for name, modality, label, column in _columns(X):
        kind = kind_of_column(f"`X` modality {modality!r}", label, column)
        values = column.dropna()
        n_kinds = _n_kinds(values)
        told = _CONSTANT if n_kinds == 1 and len(values) == len(column) > 1 else kind
        if told != NUMBERS:
            by_kind.setdefault(told, []).append(name)
        if _names_rows(str(label), kind, values, n_kinds):
            rows_by_name.append(name)
        elif _names_groups(str(label), kind, values, n_kinds):
            groups_by_name.append(f"{name} ({n_kinds} values)")
    notes = []
    if by_kind:
        told_kinds = [f"{_some(by_kind[k])} as {w}" for k, w in _TOLD.items() if k in by_kind]
        notes.append(f"columns taken otherwise than as numbers: {'; '.join(told_kinds)}")
    if rows_by_name:
        notes.append(
            f"every row has another value in {_some(rows_by_name)}, as an identifier has: such a "
            "column can only be learnt by heart; drop it (--drop)"
        )
    if groups_by_name and not has_groups:
        notes.append(
            f"used as features, while they may name what rows belong to: {_some(groups_by_name)}. "
            "Where new rows are of others than these, give the column as `groups` (--groups), or "
            "drop it (--drop)"
        )
    return notes


def _columns(X: Modalities | Mapping[str, Any]) -> Iterator[tuple[str, str, Any, pd.Series]]:
    """Columns of tables, by names that tell them apart."""
    tables = {}
    for modality, value in X.items():
        if hasattr(value, "to_pandas") and not isinstance(value, pd.DataFrame):
            value = value.to_pandas()
        if _holds_words(value):
            value = pd.Series(value) if value.ndim == 1 else pd.DataFrame(value)
        if isinstance(value, pd.Series):
            value = value.to_frame(modality)
        if isinstance(value, pd.DataFrame):
            tables[modality] = value
    labels = [str(label) for table in tables.values() for label in table.columns]
    for modality, table in tables.items():
        for label, column in table.items():
            once = (isinstance(label, str) and labels.count(label) == 1) or label == modality
            yield (str(label) if once else f"{modality}[{label}]"), modality, label, column


def _holds_words(value: Any) -> bool:
    """Whether an array has what a table's columns may have, and not sequences."""
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "OUM" or value.ndim > 2:
        return False
    return not any(np.ndim(item) > 0 for item in value.reshape(-1)[:100])


def _n_kinds(values: pd.Series) -> int:
    try:
        return int(values.nunique())
    except TypeError:  # of what cannot be hashed; such a column is refused elsewhere
        return len(values)


def _names_rows(label: str, kind: str, values: pd.Series, n_kinds: int) -> bool:
    if len(values) < _FEWEST_ROWS or n_kinds < len(values):
        return False
    if kind == TEXT:
        return _is_one_word(values)
    if kind != NUMBERS:
        return False
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=float)
    if not np.equal(numbers, np.floor(numbers)).all():
        return False
    in_a_row = float(np.ptp(numbers)) == len(numbers) - 1
    return in_a_row or bool(_NUMBERS_ROWS.search(label))


def _names_groups(label: str, kind: str, values: pd.Series, n_kinds: int) -> bool:
    if n_kinds < _FEWEST_GROUPS or len(values) < _FEWEST_ROWS:
        return False
    if kind == TEXT and _is_one_word(values):
        return True
    return bool(_NAMES_GROUPS.search(label)) and len(values) >= 3 * n_kinds


def _is_one_word(values: pd.Series) -> bool:
    return not values.astype(str).str.contains(r"\s").any()


def _some(names: list[str]) -> str:
    short = [name if len(name) <= 40 else f"{name[:39]}…" for name in names[:_MOST_NAMES]]
    more = len(names) - len(short)
    return ", ".join(short) + (f" and {more} more" if more else "")
