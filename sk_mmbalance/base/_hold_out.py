"""A held-out part of the rows: what early stopping watches."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedShuffleSplit


def hold_out(
    codes: np.ndarray, groups: np.ndarray | None, fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers for training and for validation.

    Stratified by class where there are enough rows; with `groups`, no group is on both sides.
    """
    n_valid = max(1, round(fraction * len(codes)))
    if n_valid >= len(codes):
        raise ValueError(
            f"`validation_fraction` leaves no row to train on ({len(codes)} rows in all). Set "
            "`early_stopping=False`."
        )
    if groups is not None:
        return _whole_groups(codes, groups, n_valid, fraction, seed)
    return _rows(codes, n_valid, seed)


def _whole_groups(
    codes: np.ndarray, groups: np.ndarray, n_valid: int, fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The part nearest to the size wanted among those that leave every class to train on."""
    n_groups = len(np.unique(groups))
    if n_groups < 2:
        raise ValueError(
            "`groups` has one group only, which cannot be on both sides of the validation "
            "split. Set `early_stopping=False`, or pass more groups."
        )
    counts = np.unique(codes, return_counts=True)[1]
    n_classes, most = len(counts), int(counts.max())
    n_parts = min(max(2, round(1 / fraction)), n_groups, max(2, most))
    parts = []
    if most > 1:  # else each part has all rows of some class
        splitter = StratifiedGroupKFold(n_splits=n_parts, shuffle=True, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # classes with fewer rows than parts
            parts = list(splitter.split(codes, codes, groups))
    whole = [part for part in parts if len(np.unique(codes[part[0]])) == n_classes]
    if not whole:
        raise ValueError(
            "`groups` cannot be held out for validation: each part of them has all rows of some "
            "class. Set `early_stopping=False`, or pass finer groups."
        )
    return min(whole, key=lambda part: abs(len(part[1]) - n_valid))


def _rows(codes: np.ndarray, n_valid: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Stratified by the classes that have two rows or more; the others' rows are trained on."""
    rows = np.arange(len(codes))
    often = np.bincount(codes)[codes] >= 2
    pool, single = rows[often], rows[~often]
    n_classes = len(np.unique(codes[pool]))
    if n_classes and n_classes <= n_valid <= len(pool) - n_classes:
        splitter = StratifiedShuffleSplit(n_splits=1, test_size=n_valid, random_state=seed)
        train, valid = next(splitter.split(pool, codes[pool]))
        return np.sort(np.concatenate([pool[train], single])), pool[valid]
    # too few rows to stratify: one row of every class stays, the rest may be held out
    order = np.random.RandomState(seed).permutation(len(codes))
    _, first = np.unique(codes[order], return_index=True)
    rest = np.delete(order, first)[:n_valid]
    if not len(rest):
        raise ValueError(
            f"`early_stopping` cannot hold out a row of {len(codes)}: every class has one row "
            "only. Set `early_stopping=False`."
        )
    return np.setdiff1d(rows, rest), np.sort(rest)
