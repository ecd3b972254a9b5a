"""Bins by weighted quantiles, found once a column: what weighted boosting spends its time on."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

#: Bins of scikit-learn's histogram boosting. With no more values than these in a column, it takes
#: every value for a bin.
N_BINS = 255

#: Sums of weights that differ by less, as a part of the whole sum, are the same sum.
ROUNDING = 1e-10


class WeightedBins(TransformerMixin, BaseEstimator):
    """Columns as numbers of bins, where rows are weighted; without weights, as they are.

    Histogram boosting of scikit-learn looks for the weighted quantiles of a column one after
    another, each by sorting it anew: a weighted fit takes six times as long as one without. Given
    the number of the bin in place of the value, it has no quantiles to look for, and makes the
    same bins of it, up to rounding of the sums of weights. (Before scikit-learn 1.9 its bins knew
    no weights; there these are the better ones.)

    Attributes
    ----------
    edges_ : list of ndarray or None, or None
        Upper edges of the bins of each column but the last bin's; None for a column that has few
        values, and stays as it is.
    """

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> WeightedBins:
        """Find the bins of every column; missing values have none."""
        self.edges_ = None
        if sample_weight is not None:
            weight = np.asarray(sample_weight, dtype=np.float64)
            self.edges_ = [weighted_edges(column, weight) for column in np.asarray(X).T]
        return self

    def transform(self, X: Any) -> Any:
        """Number of the bin in place of every value that is not missing."""
        if self.edges_ is None:
            return X
        X = np.asarray(X)
        out = np.array(X, dtype=np.float32 if X.dtype == np.float32 else np.float64)
        for column, edges in zip(out.T, self.edges_, strict=True):
            if edges is not None:
                known = ~np.isnan(column)
                column[known] = np.searchsorted(edges, column[known], side="left")
        return out

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def weighted_edges(column: np.ndarray, weight: np.ndarray) -> np.ndarray | None:
    """Averaged inverted quantiles of a column, at 1/255, 2/255, ... of the sum of weights."""
    known = ~np.isnan(column) & (weight > 0)
    values, weight = column[known], weight[known]
    order = np.argsort(values)
    values, sums = values[order], np.cumsum(weight[order])
    if np.count_nonzero(np.diff(values)) < N_BINS:
        return None
    wanted = np.arange(1, N_BINS) / N_BINS * sums[-1]
    tolerance = ROUNDING * sums[-1]
    below = np.searchsorted(sums, wanted - tolerance)
    above = np.minimum(below + 1, len(values) - 1)
    tied = np.abs(sums[below] - wanted) <= tolerance
    return np.unique(np.where(tied, (values[below] + values[above]) / 2, values[below]))
