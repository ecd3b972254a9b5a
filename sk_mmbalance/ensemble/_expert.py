"""`Expert`: a fitted classifier of one modality that answers for every row and every class."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn import get_config
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.utils.validation import _check_method_params

from ..base import first_tags
from ..modalities import CheckedModalities, Modalities

#: Enough for lbfgs on features that nobody has scaled; it stops at `tol` long before on others.
MAX_ITER = 10_000


def default_classifier() -> LogisticRegression:
    """Logistic regression that takes the weights it is given."""
    model = LogisticRegression(max_iter=MAX_ITER)
    if get_config()["enable_metadata_routing"]:
        model.set_fit_request(sample_weight=True)
    return model


def or_default(model: Any) -> Any:
    """The classifier, or logistic regression for None."""
    return default_classifier() if model is None else model


class Expert(ClassifierMixin, BaseEstimator):
    """A classifier of one modality, aligned to all classes and all rows.

    It was fitted on the rows that have its modality. Where a row lacks the modality it predicts
    the class prior; a class that was not among its rows keeps its prior probability, because the
    expert knows nothing about it. Scorers of scikit-learn take it for a fitted classifier.

    Parameters
    ----------
    model : classifier
        Fitted on one modality.
    name : str
        The modality.
    classes : ndarray of shape (n_classes,)
        All classes.
    prior : ndarray of shape (n_classes,)
        Share of each class among all rows of the fit.
    """

    def __init__(self, model: Any, name: str, classes: np.ndarray, prior: np.ndarray):
        self.model = model
        self.name = name
        self.classes = classes
        self.prior = prior
        self.classes_ = classes

    def predict_proba(self, checked: CheckedModalities) -> np.ndarray:
        """Probability of every class for every row; the prior where the modality is missing."""
        present = checked.present_in(self.name)
        if present.all():
            return self._aligned(expert_input(self.model, checked, self.name))
        proba = np.tile(self.prior, (checked.n_samples, 1))
        if present.any():
            rows = np.flatnonzero(present)
            proba[rows] = self._aligned(expert_input(self.model, checked, self.name, rows))
        return proba

    def predict(self, checked: CheckedModalities) -> np.ndarray:
        """Predict the class of every row; the most frequent one where the modality is missing."""
        saw_all = len(self.model.classes_) == len(self.classes)
        if not saw_all and hasattr(self.model, "predict_proba"):
            return self.classes[self.predict_proba(checked).argmax(axis=1)]
        present = checked.present_in(self.name)
        if present.all():
            return self.model.predict(expert_input(self.model, checked, self.name))
        labels = np.full(checked.n_samples, self.classes[self.prior.argmax()], self.classes.dtype)
        if present.any():
            rows = np.flatnonzero(present)
            labels[rows] = self.model.predict(expert_input(self.model, checked, self.name, rows))
        return labels

    def _aligned(self, X: Any) -> np.ndarray:
        proba = self.model.predict_proba(X)
        if len(self.model.classes_) == len(self.classes):
            return proba
        return align_classes(proba, self.model.classes_, self.classes, self.prior)


def align_classes(
    proba: np.ndarray, seen: np.ndarray, classes: np.ndarray, prior: np.ndarray
) -> np.ndarray:
    """Spread probabilities over all classes; a class not seen keeps its prior probability."""
    columns = np.searchsorted(classes, seen)
    unseen = np.setdiff1d(np.arange(len(classes)), columns)
    aligned = np.tile(prior, (len(proba), 1))
    aligned[:, columns] = proba * (1.0 - prior[unseen].sum())
    return aligned


def expert_input(
    model: Any, checked: CheckedModalities, name: str, rows: np.ndarray | None = None
) -> Any:
    """Bring a modality into the form that a model takes: 2-D, unless it declares more.

    Where an expert has several modalities by name (`Modalities`), it gets them as they are.
    """
    value = checked.arrays[name]
    if rows is not None:
        value = value[rows]
    if isinstance(value, Modalities):
        return value
    tags = first_tags(model)
    whole = issparse(value) or value.ndim == 2
    if whole or (tags is not None and tags.input_tags.three_d_array):
        return value
    return value.reshape(len(value), -1)


def fit_expert(
    estimator: Any,
    checked: CheckedModalities,
    name: str,
    y: np.ndarray,
    classes: np.ndarray,
    weights: np.ndarray | None,
    params: dict[str, Any],
    rows: np.ndarray | None = None,
) -> Expert:
    """Fit a clone of `estimator` on the rows that have the modality and some weight.

    Parameters
    ----------
    estimator : classifier
        Not fitted.
    checked : CheckedModalities
        All rows.
    name : str
        The modality.
    y : ndarray of shape (n_samples,)
        Class of every row.
    classes : ndarray of shape (n_classes,)
        All classes.
    weights : ndarray of shape (n_samples,) or None
        Weight of every row. A row of weight 0 counts as absent.
    params : dict
        Parameters of ``fit``; those with a value per row are cut to the rows used.
    rows : ndarray of int, default=None
        The training part; None is all rows.

    Returns
    -------
    expert : Expert
        Fitted.
    """
    used = np.zeros(len(y), dtype=bool)
    used[slice(None) if rows is None else rows] = True
    if weights is not None:
        used &= weights > 0
    if not used.any():
        raise ValueError(
            "`sample_weight` is zero in all rows that a fold of `cv` trains on; give fewer folds, "
            "or positive weights."
        )
    prior = np.bincount(
        np.searchsorted(classes, y[used]),
        weights=None if weights is None else weights[used],
        minlength=len(classes),
    )
    prior = prior / prior.sum()
    used &= checked.present_in(name)
    index = np.flatnonzero(used)
    if len(index) == 0:
        index = np.flatnonzero(checked.present_in(name))[:1]  # the constant expert needs a row
        constant = True
    else:
        constant = bool((y[index] == y[index[0]]).all())
    X = expert_input(estimator, checked, name, None if len(index) == len(y) else index)
    try:
        if constant:
            model = DummyClassifier(strategy="prior").fit(X, y[index])
        else:
            part = _check_method_params(y, params, index)
            model = clone(estimator).fit(X, y[index], **part)
    except Exception as error:
        error.add_note(f"(while fitting the classifier of {name!r})")
        raise
    return Expert(model, name, classes, prior)
