"""From a column specification (``modalities=``) to column numbers of a flat table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from .._sklearn import safe_indexing
from ._names import check_names
from ._tables import labels_of


def resolve_columns(modalities: Any, X: Any) -> dict[str, np.ndarray]:
    """Column numbers of each modality in the 2-D array or table `X`.

    Columns are chosen as in `sklearn.compose.ColumnTransformer`: by slice, integers, column
    names, boolean mask or callable; a string is a regular expression searched in column names.
    """
    if not isinstance(modalities, Mapping):
        raise TypeError(
            "`modalities` must map each modality's name to its columns, as "
            "{'face': slice(0, 40), 'voice': ['mfcc_1', 'mfcc_2']}; got "
            f"{type(modalities).__name__}."
        )
    labels = labels_of(X)
    named = None if labels is None else {label: j for j, label in enumerate(labels)}
    columns = {
        name: _resolve(name, modalities[name], X, named)
        for name in check_names(modalities, parameter="modalities")
    }
    _refuse_overlap(columns)
    return columns


def _asked(name: str, choose: Any, X: Any) -> Any:
    """Columns that a user's callable chooses."""
    try:
        return choose(X)
    except Exception as error:
        raise ValueError(
            f"`modalities` chooses {name!r} by a callable that failed on `X`: "
            f"{type(error).__name__}: {error}. It is given {type(X).__name__} and must return "
            "columns."
        ) from error


def _resolve(name: str, spec: Any, X: Any, named: dict[Any, int] | None) -> np.ndarray:
    if callable(spec):
        spec = _asked(name, spec, X)
    given = spec
    if isinstance(spec, str):
        if named is None:
            raise ValueError(
                f"`modalities` chooses {name!r} by the pattern {spec!r}, which needs column names; "
                f"got {type(X).__name__}. Pass a table with names, or give column numbers."
            )
        pattern = _compiled(name, spec)
        spec = [pattern.search(str(label)) is not None for label in named]
    if isinstance(spec, range | set | frozenset | pd.Index):
        spec = list(spec)
    try:
        chosen = _positions(spec, X.shape[1], named)
    except (ValueError, IndexError, KeyError, TypeError) as error:
        raise ValueError(
            f"`modalities` gives columns for {name!r} that `X` with {X.shape[1]} columns does not "
            f"have, or cannot be read: {spec!r} ({error})."
        ) from error
    if chosen.size == 0:
        raise ValueError(
            f"`modalities` chooses no column for {name!r} ({given!r}) in `X` with {X.shape[1]} "
            "columns. Name at least one, or leave the modality out."
            + (
                " (A string is a regular expression; names themselves stand in a list.)"
                if isinstance(given, str)
                else ""
            )
        )
    return chosen


#: What a shell has no special meaning for, but a regular expression has: who writes one of these
#: knows which of the two it is.
_ONLY_IN_EXPRESSIONS = set("\\^$.|+()[]{}")


def _compiled(name: str, text: str) -> re.Pattern[str]:
    """A regular expression; a shell's pattern, which chooses other columns, is refused."""
    start, end = text.startswith("*"), text.endswith("*")
    plain = re.escape(text.strip("*"))
    remedy = plain if start and end else f"{plain}$" if start else f"^{plain}"
    if set(text) & set("*?") and not set(text) & _ONLY_IN_EXPRESSIONS:
        raise ValueError(
            f"`modalities` gives {name!r} the pattern {text!r}, which looks like a shell's. "
            "Strings are regular expressions that are searched for in the names of columns: "
            + (f"write {remedy!r}." if set(plain).isdisjoint("*?") else "'^acc_', say, or '_x$'.")
        )
    try:
        return re.compile(text)
    except re.error as error:
        raise ValueError(
            f"`modalities` gives {name!r} the pattern {text!r}, which is no regular expression "
            f"({error}). '^acc_' chooses names that begin with 'acc_', '_x$' those that end with "
            "'_x'; names themselves stand in a list."
        ) from error


def _positions(spec: Any, n_columns: int, named: dict[Any, int] | None) -> np.ndarray:
    """Column numbers of a slice, of numbers, of a mask or of names."""
    numbers = np.arange(n_columns)
    if isinstance(spec, slice):
        if not any(isinstance(bound, str) for bound in (spec.start, spec.stop)):
            return numbers[spec]
        # scikit-learn's slices of names include the last one
        row = pd.DataFrame(numbers[None], columns=list(named or ()) or None)
        return np.asarray(safe_indexing(row, spec, axis=1), dtype=np.intp).reshape(-1)
    wanted = np.atleast_1d(np.asarray(spec))
    if wanted.size and all(isinstance(item, str) for item in wanted):
        return np.array([(named or {})[str(item)] for item in wanted], dtype=np.intp)
    if wanted.dtype == object:  # numbers or a mask, as pandas hands them out
        wanted = np.asarray(wanted.tolist())
    return numbers[wanted.astype(np.intp) if wanted.size == 0 else wanted]


def _refuse_overlap(columns: dict[str, np.ndarray]) -> None:
    owner: dict[int, str] = {}
    for name, numbers in columns.items():
        for number in numbers.tolist():
            if number in owner:
                raise ValueError(
                    f"`modalities` gives column {number} to both {owner[number]!r} and {name!r}; "
                    "a column belongs to one modality (once)."
                )
            owner[number] = name
