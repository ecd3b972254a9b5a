"""Bootstrap resamples of rows, drawn once and used for every score."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn import config_context


class Resamples:
    """Rows drawn with replacement; with groups, whole groups are drawn.

    Parameters
    ----------
    n_samples : int
        Number of rows.
    groups : ndarray of shape (n_samples,) or None
        Rows that belong together.
    n_bootstrap : int
        Number of resamples.
    rng : RandomState
        Draws them.
    """

    def __init__(
        self,
        n_samples: int,
        groups: np.ndarray | None,
        n_bootstrap: int,
        rng: np.random.RandomState,
    ):
        if groups is None:
            self.rows = [rng.randint(n_samples, size=n_samples) for _ in range(n_bootstrap)]
            return
        _, codes = np.unique(groups, return_inverse=True)
        members = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])
        if len(members) < 2 and n_bootstrap:
            raise ValueError(
                "`groups` has a single group, of which no interval can be made. Leave `groups` "
                "out if rows are independent, or set `n_bootstrap=0`."
            )
        n_groups = len(members)
        self.rows = [
            np.concatenate([members[number] for number in rng.randint(n_groups, size=n_groups)])
            for _ in range(n_bootstrap)
        ]

    def __len__(self) -> int:
        return len(self.rows)

    def means(self, values: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
        """Weighted mean of a value per row, in every resample."""
        if weights is None:
            return np.array([values[rows].mean() for rows in self.rows])
        products = values * weights
        return np.array([_ratio(products[rows].sum(), weights[rows].sum()) for rows in self.rows])

    def r2(self, errors: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
        """Share of variance explained, in every resample, from squared errors."""
        weights = np.ones(len(y)) if weights is None else weights
        found = []
        for rows in self.rows:
            w, target = weights[rows], y[rows]
            centred = target - _ratio(w @ target, w.sum())
            found.append(1.0 - _ratio(w @ errors[rows], w @ centred**2))
        return np.array(found)

    def scores(self, scorers: list[Callable[[np.ndarray], float]]) -> np.ndarray:
        """A score of the rows in every resample, by the scorers in turn; NaN if not defined."""
        # the same rows have been scored and checked as a whole: checks are most of a scorer's time
        with config_context(assume_finite=True, skip_parameter_validation=True):
            return np.array(
                [_or_nan(scorers[b % len(scorers)], rows) for b, rows in enumerate(self.rows)]
            )


def _ratio(above: Any, below: Any) -> float:
    return above / below if below > 0 else float("nan")


def _or_nan(score: Callable[[np.ndarray], float], rows: np.ndarray) -> float:
    with warnings.catch_warnings():
        # a resample may lack a class: metrics say so by a warning, a ValueError or NaN
        warnings.simplefilter("ignore", UserWarning)
        try:
            return score(rows)
        except ValueError:
            return float("nan")


def interval(replicates: np.ndarray, confidence: float) -> tuple[float, float]:
    """Percentile interval over replicates; NaN where there are none."""
    known = replicates[np.isfinite(replicates)]
    if not len(known):
        return float("nan"), float("nan")
    tail = 50 * (1 - confidence)
    low, high = np.percentile(known, [tail, 100 - tail])
    return float(low), float(high)


def spread(replicates: np.ndarray) -> float:
    """Standard error: standard deviation over replicates; NaN where there are fewer than two."""
    known = replicates[np.isfinite(replicates)]
    return float(known.std(ddof=1)) if len(known) > 1 else float("nan")
