"""The experts that an opinion pool has where none are named.

Four kinds, because none is best everywhere: a linear model, two kinds of trees, a kernel. Each
gives the same fit with sample weights as with repeated rows (boosting up to ties between splits,
the kernel machine up to its tolerance), and each is left out where its work would not be worth its
time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import softmax
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

from .._sklearn import routing_enabled

#: Boosting grows a tree for every class in every round: with many classes it takes minutes for
#: what a linear model does in a second.
MOST_CLASSES_TO_BOOST = 20

#: On wide blocks boosting takes four fifths of all the time, and the other three do without.
MOST_COLUMNS_TO_BOOST = 100

#: Below, boosted trees and kernels cost accuracy more often than they bring any.
FEWEST_ROWS = 500

#: Products of numbers in a kernel matrix, rows * rows * columns: some seconds of work.
LARGEST_KERNEL = 2e10

#: 30 rounds of small trees: early enough for no stopping rule to be needed.
BOOSTING: dict[str, Any] = {
    "max_iter": 30,
    "learning_rate": 0.15,
    "max_leaf_nodes": 8,
    "min_samples_leaf": 5,
    "max_features": 0.25,
    "early_stopping": False,
}


class KernelClassifier(SVC):
    """Support vector machine whose margins count as logits.

    The pool learns the temperature that makes probabilities of them, on out-of-fold predictions,
    which is what Platt's scaling would do in a cross-validation of its own.
    """

    def predict_proba(self, X: Any) -> np.ndarray:
        """Softmax of the margins."""
        margins = self.decision_function(X)
        if margins.ndim == 1:
            margins = np.column_stack([-margins, margins])
        return softmax(margins, axis=1)


class KernelRegressor(SVR):
    """Support vector machine of numbers in any unit: `C` and `epsilon` count their spread."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> KernelRegressor:
        """Fit to `y` less its mean, over its spread."""
        y = np.asarray(y, dtype=np.float64)
        self.centre_ = np.average(y, weights=sample_weight)
        spread = np.sqrt(np.average((y - self.centre_) ** 2, weights=sample_weight))
        self.spread_ = spread if spread > 0 else 1.0
        return super().fit(X, (y - self.centre_) / self.spread_, sample_weight)

    def predict(self, X: Any) -> np.ndarray:
        """Numbers in the units of `y`."""
        return super().predict(X) * self.spread_ + self.centre_


def auto_classifiers(
    n_samples: int, n_features: int, n_classes: int, random_state: Any
) -> dict[str, Any]:
    """Unfitted classifiers by name, for one block of columns."""
    models: dict[str, Any] = {
        "linear": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
        # No bootstrap (the default): a drawn row would not be a row of weight 2.
        "trees": ExtraTreesClassifier(100, random_state=random_state),
    }
    enough = n_samples >= FEWEST_ROWS
    boosts = n_classes <= MOST_CLASSES_TO_BOOST and n_features <= MOST_COLUMNS_TO_BOOST
    if enough and boosts:
        models["boosting"] = HistGradientBoostingClassifier(**BOOSTING, random_state=random_state)
    if enough and _is_kernel_small(n_samples, n_features):
        # gamma = 1 / n_features: "scale" would look at the variance without the weights.
        models["kernel"] = make_pipeline(StandardScaler(), KernelClassifier(gamma="auto"))
    return _requesting_weights(models)


def auto_regressors(n_samples: int, n_features: int, random_state: Any) -> dict[str, Any]:
    """Unfitted regressors by name, for one block of columns."""
    models: dict[str, Any] = {
        "linear": make_pipeline(StandardScaler(), Ridge()),
        "trees": ExtraTreesRegressor(100, random_state=random_state),
    }
    enough = n_samples >= FEWEST_ROWS
    if enough and n_features <= MOST_COLUMNS_TO_BOOST:
        models["boosting"] = HistGradientBoostingRegressor(**BOOSTING, random_state=random_state)
    if enough and _is_kernel_small(n_samples, n_features):
        models["kernel"] = make_pipeline(StandardScaler(), KernelRegressor(gamma="auto"))
    return _requesting_weights(models)


def _is_kernel_small(n_samples: int, n_features: int) -> bool:
    return float(n_samples) ** 2 * n_features <= LARGEST_KERNEL


def _requesting_weights(models: dict[str, Any]) -> dict[str, Any]:
    if routing_enabled():
        for model in models.values():
            for _, step in model.steps if isinstance(model, Pipeline) else [("", model)]:
                step.set_fit_request(sample_weight=True)
    return models
