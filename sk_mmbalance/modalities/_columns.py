"""From a column specification (``modalities=``) to column numbers of a flat table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import _safe_indexing

from ._names import check_names


def resolve_columns(modalities: Any, X: Any) -> dict[str, np.ndarray]:
    """Column numbers of each modality in the 2-D array or DataFrame `X`.

    Columns are chosen as in `sklearn.compose.ColumnTransformer`: by slice, integers, column
    names, boolean mask or callable; a string is a regular expression searched in column names.
    """
    if not isinstance(modalities, Mapping):
        raise TypeError(
            "`modalities` must map each modality's name to its columns, as "
            "{'face': slice(0, 40), 'voice': ['mfcc_1', 'mfcc_2']}; got "
            f"{type(modalities).__name__}."
        )
    columns = {name: _resolve(name, modalities[name], X) for name in check_names(modalities)}
    _refuse_overlap(columns)
    return columns


def _resolve(name: str, spec: Any, X: Any) -> np.ndarray:
    if callable(spec):
        spec = spec(X)
    labels = list(X.columns) if isinstance(X, pd.DataFrame) else None
    if isinstance(spec, str):
        if labels is None:
            raise ValueError(
                f"`modalities` chooses {name!r} by the pattern {spec!r}, which needs column names; "
                f"got {type(X).__name__}. Pass a DataFrame, or give column numbers."
            )
        spec = [bool(re.search(spec, str(label))) for label in labels]
    if isinstance(spec, range | set | frozenset | pd.Index):
        spec = list(spec)
    numbers = pd.DataFrame(np.arange(X.shape[1])[None], columns=labels)
    try:
        chosen = np.asarray(_safe_indexing(numbers, spec, axis=1), dtype=np.intp).reshape(-1)
    except (ValueError, IndexError, KeyError, TypeError) as error:
        raise ValueError(
            f"`modalities` gives columns for {name!r} that `X` with {X.shape[1]} columns does not "
            f"have, or cannot be read: {spec!r} ({error})."
        ) from error
    if chosen.size == 0:
        raise ValueError(
            f"`modalities` chooses no column for {name!r} ({spec!r}) in `X` with {X.shape[1]} "
            "columns. Name at least one, or leave the modality out."
        )
    return chosen


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
