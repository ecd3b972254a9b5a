"""Cross-validation inside an estimator."""

from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.model_selection import check_cv

Array = np.ndarray


def inner_splits(
    cv: Any, target: Array, *, classifier: bool, groups: Array | None
) -> Iterator[tuple[Array, Array]]:
    """Train and test rows of each split.

    An integer `cv` is lowered to the size of the smallest class where that is smaller: with
    few labels, fewer folds beat a fold without a class.

    Raises
    ------
    ValueError
        If a class has a single row and `cv` is an integer.
    """
    if classifier and isinstance(cv, Integral) and groups is None:
        smallest = int(np.min(np.unique(target, return_counts=True)[1]))
        if smallest < 2:
            raise ValueError(
                "`cv` needs at least two labelled rows of every class; one class has a single "
                "row. Label more rows, or pass `cv` as a list of splits."
            )
        cv = min(int(cv), smallest)
    splitter = check_cv(cv, target, classifier=classifier)
    yield from splitter.split(np.zeros((len(target), 1)), target, groups)
