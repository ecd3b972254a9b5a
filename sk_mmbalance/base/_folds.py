"""One policy of cross-validation for the whole house.

A number of folds

- is lowered to the number of groups, or to the size of the largest class where that is smaller;
- spreads classes evenly, and keeps all rows of a group on one side;
- leaves rows in the order given where any order is as good as another, or nobody can say; where
  rows are shown to resemble their neighbours (`_row_order`), it is cut both from rows in order and
  from shuffled rows, with a warning.

A class that has fewer rows than there are folds is not tested in some of them, and one that has a
single row, or a single group, is not trained on in one: who fits a model there gives such a class
its prior. Folds in which most of the rows that are tested are of such a class are refused. What a
user gives instead, a splitter or the splits themselves, is taken as it is, repeated rows included.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
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
from ..exceptions import RowOrderWarning
from ._row_order import CONFIDENCE, RowOrder

#: Row numbers to train on and to test on.
Fold = tuple[np.ndarray, np.ndarray]

#: Folds where none are asked for, as in scikit-learn.
DEFAULT_FOLDS = 5


#: What `FoldChoice.how` may be.
AS_GIVEN, BY_GROUP, IN_ORDER, BOTH = "as given", "by group", "in order", "both"


@dataclass(frozen=True, eq=False)
class FoldChoice:
    """Folds, and how they came about.

    Attributes
    ----------
    parts : list of list of (train, test)
        Row numbers: one cross-validation, or two, of rows in order and of shuffled rows.
    how : {"as given", "by group", "in order", "both"}
        The user's own splits or splitter, groups kept whole, rows cut as they come, or as they
        come and shuffled.
    order : RowOrder or None
        What the order of rows was found to say, where that was asked.
    """

    parts: list[list[Fold]]
    how: str
    order: RowOrder | None = None

    @property
    def folds(self) -> list[Fold]:
        """All folds: every row is tested twice where there are two parts."""
        return [fold for part in self.parts for fold in part]

    def fold_of(self, n_rows: int) -> np.ndarray:
        """Number of the fold of the first part in which each row is tested."""
        found = np.zeros(n_rows, dtype=np.intp)
        for number, (_, test) in enumerate(self.parts[0]):
            found[test] = number
        return found

    def told(self) -> dict[str, Any]:
        """What people read of it: the fitted attribute `row_order_`."""
        return told_of(self.how, self.order)


def told_of(how: str, order: RowOrder | None) -> dict[str, Any]:
    """How folds were cut, and what the order of rows was found to say."""
    table: dict[str, Any] = {"folds": how}
    if order is not None:
        table |= {
            "loss_in_order": order.loss_in_order,
            "loss_shuffled": order.loss_shuffled,
            "interval": order.interval,
        }
    return table


def warn_of_order(order: RowOrder, consequence: str, stacklevel: int) -> None:
    """Say how far folds in order and shuffled folds differ, and what follows."""
    low, high = order.interval
    warnings.warn(
        "Rows resemble their neighbours: a few trees lose out of fold "
        f"{order.loss_in_order:.2f} of what the mean loses where folds are cut in order, and "
        f"{order.loss_shuffled:.2f} where rows are shuffled (difference {low:.2f} to {high:.2f}, "
        f"{CONFIDENCE:.1%} interval). {consequence}",
        RowOrderWarning,
        stacklevel=stacklevel + 1,
    )


def said_of_both(cv: Any) -> str:
    """What is said where a number of folds was cut both ways."""
    return (
        f"`cv`={cv!r} was cut both ways, which is safe for either use and best for none. If new "
        "rows lie among these, pass a splitter that shuffles as `cv`, such as StratifiedKFold(5, "
        "shuffle=True). If they come from later times or other places, pass `groups` (day, "
        "session, person) to fit, or a splitter that keeps the order, such as StratifiedKFold(5)."
    )


def is_number(cv: Any) -> bool:
    """Whether `cv` asks for a number of folds, and not for a way to cut them."""
    return cv is None or isinstance(cv, int | np.integer)


def numbers_rows_itself(cv: Any) -> bool:
    """Whether `cv` holds row numbers, which count the rows as they were given."""
    return not hasattr(cv, "split") or isinstance(cv, PredefinedSplit | IterableOfSplits)


def cut_folds(
    cv: Any,
    n_samples: int,
    strata: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    shuffle: int | None = None,
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
    shuffle : int, default=None
        Seed by which a number of folds is cut from shuffled rows; None keeps their order. Groups
        are what is cut where there are some, and stay in order.

    Raises
    ------
    ValueError
        If there are too few rows or groups for two folds, or no fold tests a row.
    """
    if is_number(cv):
        n_folds = DEFAULT_FOLDS if cv is None else int(cv)
        cv = _splitter(n_folds, n_samples, strata, groups, shuffle)
    splitter = _as_splitter(cv)
    rows = np.arange(n_samples)  # what was given as a mask becomes row numbers
    with warnings.catch_warnings():
        # rare classes are provided for, see above
        warnings.filterwarnings("ignore", message="The least populated class in y")
        try:
            folds = [
                (rows[train], rows[test])
                for train, test in splitter.split(rows[:, None], strata, groups)
                if len(test)
            ]
        except (IndexError, TypeError, ValueError) as error:
            raise ValueError(
                f"`cv` cannot cut folds of {n_samples} rows: {error} ({cv!r})"
            ) from error
    if not folds:
        raise ValueError(f"`cv` gives no row to test on: {cv!r}.")
    return folds


def _as_splitter(cv: Any) -> Any:
    """A splitter, of itself or of splits."""
    if hasattr(cv, "split") and not isinstance(cv, str | bytes | type):
        return check_cv(cv)
    try:
        splits = [(np.asarray(train), np.asarray(test)) for train, test in cv]
    except (TypeError, ValueError) as error:
        raise TypeError(
            "`cv` must be a number of folds, a splitter (with split and get_n_splits) or splits, "
            f"pairs of row numbers to train and to test on; got {cv!r}."
        ) from error
    return check_cv(splits)


def _splitter(
    n_folds: int,
    n_samples: int,
    strata: np.ndarray | None,
    groups: np.ndarray | None,
    shuffle: int | None,
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
    how: dict[str, Any] = {} if shuffle is None else {"shuffle": True, "random_state": shuffle}
    return KFold(n_folds, **how) if strata is None else StratifiedKFold(n_folds, **how)
