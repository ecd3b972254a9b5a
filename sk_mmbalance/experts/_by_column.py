"""`ByColumn`: one estimator for each label or column of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils.metaestimators import available_if


def _all_have(method: str) -> Any:
    return available_if(lambda self: all(hasattr(m, method) for m in self.estimators_))


class ByColumn(BaseEstimator):
    """One clone of an estimator for each column of `y`.

    Parameters
    ----------
    estimator : estimator
        Not fitted.

    Attributes
    ----------
    estimators_ : list of estimator
        Fitted, one a column.
    """

    def __init__(self, estimator: Any):
        self.estimator = estimator

    def fit(self, X: Any, y: np.ndarray, **params: Any) -> ByColumn:
        """Fit one clone to each column; `params` go to all of them."""
        self.estimators_ = [clone(self.estimator).fit(X, column, **params) for column in y.T]
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Predictions side by side, (n_samples, n_columns)."""
        return np.column_stack([model.predict(X) for model in self.estimators_])

    @_all_have("predict_proba")
    def predict_proba(self, X: Any) -> np.ndarray:
        """Probability of each label, (n_samples, n_labels)."""
        return np.column_stack([model.predict_proba(X)[:, 1] for model in self.estimators_])

    @_all_have("decision_function")
    def decision_function(self, X: Any) -> np.ndarray:
        """Margin of each label, (n_samples, n_labels)."""
        return np.column_stack([model.decision_function(X) for model in self.estimators_])
