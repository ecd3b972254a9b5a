"""One policy of cross-validation for the whole house.

A number of folds

- is lowered to the number of groups, or to the size of the largest class where that is smaller;
- spreads classes evenly, and keeps all rows of a group on one side;
- leaves rows in the order given.

A class that has fewer rows than there are folds is not tested in some of them, and one that has a
single row, or a single group, is not trained on in one: who fits a model there gives such a class
its prior. Folds in which most of the rows that are tested are of such a class are refused. What a
user gives instead, a splitter or the splits themselves, is taken as it is, repeated rows included.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    PredefinedSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    check_cv,
)

from .._sklearn import IterableOfSplits

#: Row numbers to train on and to test on.
Fold = tuple[np.ndarray, np.ndarray]

#: Folds where none are asked for, as in scikit-learn.
DEFAULT_FOLDS = 5


def is_number(cv: Any) -> bool:
    """Whether `cv` asks for a number of folds, and not for a way to cut them."""
    return cv is None or isinstance(cv, int | np.integer)


def numbers_rows_itself(cv: Any) -> bool:
    """Whether `cv` holds row numbers, which count the rows as they were given."""
    return not hasattr(cv, "split") or isinstance(cv, PredefinedSplit | IterableOfSplits)


def cut_folds(
    cv: Any, n_samples: int, strata: np.ndarray | None = None, groups: np.ndarray | None = None
) -> list[Fold]:
    """Rows to train on and rows to test on, fold by fold.

    Parameters
    ----------
    cv : int, splitter or iterable of (train, test), or None
        None is five folds.
    n_samples : int
        Number of rows.
    strata : ndarray of int of shape (n_samples,), default=None
        Class of each row, to be spread over the folds.
    groups : ndarray of shape (n_samples,), default=None
        Group of each row, to be kept whole.

    Raises
    ------
    ValueError
        If there are too few rows or groups for two folds, or no fold tests a row.
    """
    if is_number(cv):
        cv = _splitter(DEFAULT_FOLDS if cv is None else int(cv), n_samples, strata, groups)
    splitter = check_cv(cv)
    rows = np.arange(n_samples)  # what was given as a mask becomes row numbers
    with warnings.catch_warnings():
        # rare classes are provided for, see above
        warnings.filterwarnings("ignore", message="The least populated class in y")
        folds = [
            (rows[train], rows[test])
            for train, test in splitter.split(rows[:, None], strata, groups)
            if len(test)
        ]
    if not folds:
        raise ValueError(f"`cv` gives no row to test on: {cv!r}.")
    return folds


def _splitter(
    n_folds: int, n_samples: int, strata: np.ndarray | None, groups: np.ndarray | None
) -> Any:
    """What cuts a number of folds."""
    if n_folds < 2:
        raise ValueError(f"`cv` must be at least 2 folds, a splitter or splits; got {n_folds}.")
    if groups is not None:
        n_groups = len(np.unique(groups))
        if n_groups < 2:
            raise ValueError(
                "`groups` has a single group; cross-validation needs at least two. Leave `groups` "
                "out if rows are independent."
            )
        n_folds = min(n_folds, n_groups)
    most = n_samples if strata is None else int(np.unique(strata, return_counts=True)[1].max())
    if most < 2:
        what = "two rows" if strata is None else "two rows of some class"
        raise ValueError(
            f"`cv` cannot cut folds: cross-validation needs at least {what}, and `X` has "
            f"{n_samples} sample(s). Give more rows, or `cv` as splits of your own."
        )
    n_folds = min(n_folds, most)
    if groups is not None:
        return GroupKFold(n_folds) if strata is None else StratifiedGroupKFold(n_folds)
    return KFold(n_folds) if strata is None else StratifiedKFold(n_folds)
