"""Cross-validation inside an estimator with few labels."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np

from ...base import Fold, make_folds


def inner_splits(
    cv: Any, target: np.ndarray, *, classifier: bool, groups: np.ndarray | None
) -> list[Fold]:
    """Train and test rows of each split.

    An integer `cv` is lowered to the size of the smallest class where that is smaller: with
    few labels, fewer folds beat a fold without a class. With `groups` it is lowered to their
    number too, and all rows of a group stay together.

    Raises
    ------
    ValueError
        If a class has a single row and `cv` is an integer, or if there is a single group.
    """
    if classifier and isinstance(cv, Integral):
        smallest = int(np.min(np.unique(target, return_counts=True)[1]))
        if smallest < 2:
            raise ValueError(
                "`cv` needs at least two labelled rows of every class; one class has a single "
                "row. Label more rows, or pass `cv` as a list of splits."
            )
        cv = min(int(cv), smallest)
    return make_folds(cv, target, groups, classifier=classifier)
