"""What is to be learnt from what: the data of a comparison, read once, and its folds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.multiclass import type_of_target

from ..base import (
    CLASSES,
    LABELS,
    NUMBERS,
    Fold,
    cut_folds,
    read_column,
    read_groups,
    read_target,
)
from ..modalities import Modalities, missing_rows, name_modalities

#: Whole numbers with more different values than this are amounts, not classes.
_MOST_CLASSES = 30


@dataclass(frozen=True)
class Problem:
    """Data of a comparison.

    Attributes
    ----------
    X : Modalities
        By name.
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Labels or numbers.
    groups : ndarray of shape (n_samples,) or None
        Rows that stay together.
    kind : {"classes", "labels", "numbers"}
        What `y` is: one class a row, several labels (an indicator matrix), or numbers.
    folds : list of (train, test)
        The outer folds.
    seed : int
        Of everything drawn.
    """

    X: Modalities
    y: np.ndarray
    groups: np.ndarray | None
    kind: str
    folds: list[Fold]
    seed: int

    @property
    def classes(self) -> np.ndarray | None:
        """Sorted classes; None for labels and numbers."""
        return np.unique(self.y) if self.kind == CLASSES else None

    @property
    def has_missing(self) -> bool:
        """Whether a row lacks a modality."""
        return any(missing_rows(value).any() for value in self.X.values())

    def groups_of(self, rows: np.ndarray) -> np.ndarray | None:
        """Groups of some rows."""
        return None if self.groups is None else self.groups[rows]


def read_problem(
    X: Any, y: Any, groups: Any, modalities: Any, cv: Any, seed: int, task: str
) -> Problem:
    """Read what `compare` was given."""
    container, _ = name_modalities(X, modalities=modalities)
    target, kind = read_y(y, len(container), task)
    groups = read_groups(groups, len(container))
    empty = np.all([missing_rows(value) for value in container.values()], axis=0)
    if empty.any():
        raise ValueError(
            f"`X` has {int(empty.sum())} row(s) in which every modality is missing; drop them: "
            "there is nothing to learn or predict from."
        )
    folds = shuffled_folds(cv, strata_of(target, kind), len(target), groups, seed)
    return Problem(container, target, groups, kind, folds, seed)


def read_y(y: Any, n_samples: int, task: str) -> tuple[np.ndarray, str]:
    """`y` as an array, and what it is."""
    if not isinstance(task, str) or task not in ("auto", CLASSES, LABELS, NUMBERS):
        raise ValueError(f"`task` must be 'auto', 'classes', 'labels' or 'numbers'; got {task!r}.")
    if hasattr(y, "toarray"):
        y = y.toarray()
    try:
        target = np.asarray(y.to_numpy() if hasattr(y, "to_numpy") else y)
    except (TypeError, ValueError) as error:  # lists of several lengths
        raise ValueError(f"`y` must have one value a row, or several; {error}") from error
    if target.ndim not in (1, 2) or not target.size:
        raise ValueError(f"`y` must hold a value, or several, of every row; got {target.shape}.")
    if target.ndim == 2 and target.shape[1] == 1:
        target = target[:, 0]
    if len(target) != n_samples:
        raise ValueError(f"`y` has {len(target)} values, and `X` has {n_samples} rows.")
    unknown = int(np.asarray(pd.isna(target)).reshape(len(target), -1).any(axis=1).sum())
    if unknown:
        raise ValueError(f"`y` has no value in {unknown} row(s); leave these rows out.")
    if target.dtype == object:
        target = read_column(target, "y", "label") if target.ndim == 1 else target
        target = np.asarray(target.tolist())
    found = _kind(target) if task == "auto" else task
    if found == LABELS:
        if target.ndim != 2 or target.dtype.kind not in "biuf" or not np.isin(target, (0, 1)).all():
            raise ValueError(
                "`y` has several columns, which are no labels that a row has (1) or has not (0). "
                "Compare one column at a time; `task='numbers'` takes amounts."
            )
        target = target.astype(np.int64)
        if not (np.ptp(target, axis=0) > 0).any():
            raise ValueError("`y` has no label that varies; there is nothing to tell apart.")
    elif found == CLASSES:
        if target.ndim > 1:
            raise ValueError("`task='classes'` needs one column; `y` has several.")
        target = read_column(target, "y", "label")
        n_classes = len(np.unique(target))
        if n_classes < 2:
            raise ValueError("`y` has one value only; there is nothing to tell apart.")
        if n_classes == len(target) > 2:
            raise ValueError(
                f"`y` has {n_classes} values in as many rows, none of them twice: that is a name, "
                "a date or an amount (`task='numbers'`), and no class."
            )
    elif target.dtype.kind not in "biuf":
        raise ValueError(f"`y` holds {target.dtype}, and `task='numbers'` needs numbers.")
    else:
        target = target.astype(np.float64)
    return target, found


def _kind(target: np.ndarray) -> str:
    if target.ndim > 1:
        if target.dtype.kind in "biuf" and np.isin(target, (0, 1)).all():
            return LABELS
        return NUMBERS if target.dtype.kind == "f" else LABELS  # which refuses them
    if target.dtype.kind not in "iuf":
        return CLASSES
    if type_of_target(target).startswith("continuous"):
        return NUMBERS
    return NUMBERS if len(np.unique(target)) > _MOST_CLASSES else CLASSES


def strata_of(y: np.ndarray, kind: str) -> np.ndarray | None:
    """Numbers of what is spread evenly over folds; None for numbers."""
    if kind == NUMBERS:
        return None
    if kind == LABELS:
        target, coded = read_target(y, len(y), (LABELS,), "comparison")
        return target.strata(coded)
    return np.unique(y, return_inverse=True)[1]


def shuffled_folds(
    cv: Any, strata: np.ndarray | None, n_samples: int, groups: np.ndarray | None, seed: int
) -> list[Fold]:
    """Folds by the policy of the house; a number of folds cuts rows in an order drawn by `seed`.

    Files are often sorted, by day or by result.
    """
    if not (cv is None or isinstance(cv, int | np.integer)):
        return cut_folds(cv, n_samples, strata, groups)
    order = np.random.RandomState(seed).permutation(n_samples)
    folds = cut_folds(
        cv,
        n_samples,
        None if strata is None else strata[order],
        None if groups is None else groups[order],
    )
    return [(np.sort(order[train]), np.sort(order[test])) for train, test in folds]
