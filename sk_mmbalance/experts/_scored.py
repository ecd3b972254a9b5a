"""`ScoredExpert`: a fitted expert as scikit-learn's scorers know estimators."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import issparse
from scipy.special import logit
from sklearn.base import BaseEstimator
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import ClassifierTags, RegressorTags
from sklearn.utils.metaestimators import available_if

from ..base import LABELS, NUMBERS, ClassTarget, LabelTarget
from ..modalities import Modalities
from ._by_column import ByColumn
from ._expert import Expert


def _gives_probabilities(self: ScoredExpert) -> bool:
    return self.expert.target.kind != NUMBERS and self.expert.gives_scores


def _gives_margins(self: ScoredExpert) -> bool:
    return self.expert.target.kind != NUMBERS and hasattr(self.expert.model, "decision_function")


class ScoredExpert(BaseEstimator):
    """A fitted expert that takes input in the expert's own form and answers for every row.

    Rows that lack its modalities (they are NaN), and classes and labels that it did not see, have
    their prior. Where the expert's own estimator answers for everything, scorers get that itself;
    see `of`.

    Parameters
    ----------
    expert : Expert
        Fitted.
    """

    def __init__(self, expert: Expert):
        self.expert = expert
        if isinstance(expert.target, ClassTarget | LabelTarget):
            self.classes_ = expert.target.classes

    @staticmethod
    def of(expert: Expert, complete: bool) -> Any:
        """The expert's estimator, if it answers for all classes and rows are complete.

        Of one estimator a column scorers know neither whether it classifies nor its own score.
        """
        whole = complete and expert.knows_all and not isinstance(expert.model, ByColumn)
        return expert.model if whole else ScoredExpert(expert)

    def fit(self, X: Any, y: Any = None) -> ScoredExpert:
        """Do nothing: it is fitted already."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, X: Any) -> np.ndarray:
        """Predictions as the user knows them."""
        n = _n_rows(X)
        out = self.expert.told(np.tile(self.expert.prior, (n, 1)))
        rows, own = self._known(X)
        if len(rows):
            out[rows] = self.expert.predict_rows(own, len(rows))
        return out

    @available_if(_gives_probabilities)
    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of all classes or labels."""
        rows, own = self._known(X)
        out = np.tile(self.expert.prior, (_n_rows(X), 1))
        out[rows] = self.expert.answer(own, len(rows))
        return out

    @available_if(_gives_margins)
    def decision_function(self, X: Any) -> np.ndarray:
        """Margins of the estimator; where it knows nothing, (log-odds of) the prior."""
        expert = self.expert
        eps = np.finfo(float).eps
        prior = np.clip(expert.prior, eps, 1 - eps)
        rows, own = self._known(X)
        if expert.target.kind == LABELS:
            out = np.tile(logit(prior), (_n_rows(X), 1))
            if len(rows):
                margin = expert.model.decision_function(own).reshape(len(rows), -1)
                out[np.ix_(rows, expert.columns)] = margin
            return out
        binary = len(prior) == 2
        out = np.tile(logit(prior[1:]) if binary else np.log(prior), (_n_rows(X), 1))
        if len(rows):
            margin = expert.model.decision_function(own).reshape(len(rows), -1)
            if expert.knows_all:
                out[rows] = margin
            else:  # margins of fewer classes are of another kind: all go by scores
                out[rows] = np.log(np.clip(expert.answer(own, len(rows)), eps, None))
        return out[:, 0] if binary else out

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy, or R² of numbers."""
        score = r2_score if self.expert.target.kind == NUMBERS else accuracy_score
        return float(score(y, self.predict(X), sample_weight=sample_weight))

    def _known(self, X: Any) -> tuple[np.ndarray, Any]:
        """Rows that have the expert's modalities, by number, and their input."""
        named = self.expert.named
        if isinstance(X, Modalities):
            present = np.column_stack([~_lacking(X[name], np.all) for name in named.modalities])
            here = named.available(present, named.modalities)
        else:
            here = ~_lacking(X, np.any)
        rows = np.flatnonzero(here)
        return rows, X if len(rows) == len(here) else X[rows]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        if self.expert.target.kind == NUMBERS:
            tags.estimator_type, tags.regressor_tags = "regressor", RegressorTags()
        else:
            tags.estimator_type, tags.classifier_tags = "classifier", ClassifierTags()
            tags.classifier_tags.multi_label = self.expert.target.kind == LABELS
        return tags


def _n_rows(X: Any) -> int:
    return int(X.shape[0])


def _lacking(values: Any, reduce: Any) -> np.ndarray:
    """Rows of an array that are NaN (`np.all`), or have some (`np.any`)."""
    if issparse(values):
        return np.isnan(np.asarray(values.sum(axis=1)).ravel())
    return np.asarray(reduce(np.isnan(values.reshape(len(values), -1)), axis=1))
