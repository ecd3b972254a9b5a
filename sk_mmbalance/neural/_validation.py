"""The held-out part that early stopping watches."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.model_selection import (
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedShuffleSplit,
)
from sklearn.utils.validation import check_consistent_length

#: Below this many rows ``early_stopping="auto"`` is off: a tenth of them is too few to choose an
#: epoch by, and too many to do without.
AUTO_EARLY_STOPPING_ROWS = 1000


def split_off_validation(
    codes: np.ndarray, groups: Any, fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers for training and for validation.

    Stratified by class where there are enough rows; with `groups`, no group is on both sides.
    """
    rows = np.arange(len(codes))
    splitter: Any
    if groups is not None:
        check_consistent_length(codes, groups)
        n_groups = len(np.unique(groups))
        if n_groups < 2:
            raise ValueError(
                "`groups` has one group only, which cannot be on both sides of the validation "
                "split. Set `early_stopping=False`, or pass more groups."
            )
        n_parts = min(max(2, round(1 / fraction)), n_groups)
        splitter = StratifiedGroupKFold(n_splits=n_parts, shuffle=True, random_state=seed)
        return next(splitter.split(rows, codes, groups))
    n_valid = max(1, round(fraction * len(codes)))
    counts = np.bincount(codes)
    n_classes = int((counts > 0).sum())
    enough = counts[counts > 0].min() >= 2 and min(n_valid, len(codes) - n_valid) >= n_classes
    if n_valid >= len(codes):
        raise ValueError(
            f"`validation_fraction` leaves no row to train on ({len(codes)} rows in all). Set "
            "`early_stopping=False`."
        )
    kind = StratifiedShuffleSplit if enough else ShuffleSplit
    splitter = kind(n_splits=1, test_size=n_valid, random_state=seed)
    return next(splitter.split(rows, codes))
