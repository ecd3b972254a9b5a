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
from sklearn import get_config
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

#: Boosting grows a tree for every class in every round: with many classes it takes minutes for
#: what a linear model does in a second.
MOST_CLASSES_TO_BOOST = 20

#: On wide blocks boosting takes four fifths of all the time, and the other three do without.
MOST_COLUMNS_TO_BOOST = 100

#: Below, boosted trees and kernels cost accuracy more often than they bring any.
FEWEST_ROWS = 500

#: Products of numbers in a kernel matrix, rows * rows * columns: some seconds of work.
LARGEST_KERNEL = 2e10


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
        # 30 rounds of small trees: early enough for no stopping rule to be needed.
        models["boosting"] = HistGradientBoostingClassifier(
            max_iter=30,
            learning_rate=0.15,
            max_leaf_nodes=8,
            min_samples_leaf=5,
            max_features=0.25,
            early_stopping=False,
            random_state=random_state,
        )
    if enough and float(n_samples) ** 2 * n_features <= LARGEST_KERNEL:
        # gamma = 1 / n_features: "scale" would look at the variance without the weights.
        models["kernel"] = make_pipeline(StandardScaler(), KernelClassifier(gamma="auto"))
    if get_config()["enable_metadata_routing"]:
        for model in models.values():
            for step in model if isinstance(model, Pipeline) else [model]:
                step.set_fit_request(sample_weight=True)
    return models
