"""`DeepEnsembleClassifier`."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .._sklearn import HasMethods
from ..base import scorable
from ..neural import MultimodalClassifier
from ._base import DeepEnsemble


def _has_own_probabilities(self: Any) -> bool:
    member = self.estimators_[0] if hasattr(self, "estimators_") else self._member()
    return hasattr(member, "unimodal_predict_proba")


class DeepEnsembleClassifier(ClassifierMixin, DeepEnsemble):
    """Networks of several seeds whose probabilities are averaged.

    Networks that differ by their seed alone (initial weights, order of rows, which rows are held
    out) err differently, and the mean of their probabilities is surer of what they agree on [1]_.
    Where rows are few this gains more than most of what is done to a single network; it takes as
    many trainings. Small networks are trained as one, as in the searches of `model_selection`.

    Parameters
    ----------
    estimator : classifier, default=None
        What the members are clones of; anything with ``predict_proba`` and a ``random_state``, a
        pipeline that ends in such a one included. None is `MultimodalClassifier()`.
    n_estimators : int, default=5
        How many members there are.
    stack : bool or "auto", default="auto"
        Whether members are trained as one stack: "auto" where that is faster, False never.
    n_jobs : int, default=None
        Threads that share out a stack, or processes for members that are trained one by one.
    random_state : int, RandomState or None, default=None
        Draws a seed for every ``random_state`` of every member, whatever the estimator has there.
    verbose : int, default=0
        1 shows a bar while a stack is trained.

    Attributes
    ----------
    estimators_ : list of classifiers
        The fitted members.
    classes_ : ndarray of shape (n_classes,)
        Classes; of several labels their numbers.
    vectorized_ : DataFrame
        By member, whether it was trained in a stack, in which, and if not, why.
    modality_names_ : list of str
        Names of the modalities, where members know them; with `modality_shapes_`.
    n_features_in_ : int
        Columns of a flat input, where members know them; with `feature_names_in_`.

    See Also
    --------
    LateFusionClassifier : Averages models of different modalities.
    OpinionPoolClassifier : Weighs models of different kinds.

    Notes
    -----
    On eleven sets the mean of three networks (on normal scores of their columns, as a single
    network beside them) had a lower log-loss than the single one on ten; see the user guide.

    References
    ----------
    .. [1] Lakshminarayanan, Pritzel, Blundell, "Simple and Scalable Predictive Uncertainty
       Estimation using Deep Ensembles", NeurIPS 2017.

    Examples
    --------
    >>> from sk_mmbalance import DeepEnsembleClassifier, MultimodalClassifier
    >>> from sk_mmbalance.datasets import load_digits_views
    >>> X, y = load_digits_views(return_X_y=True)
    >>> network = MultimodalClassifier(max_epochs=5)
    >>> ensemble = DeepEnsembleClassifier(network, n_estimators=3, random_state=0)
    >>> bool(ensemble.fit(X[:900], y[:900]).score(X[900:], y[900:]) > 0.8)
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **DeepEnsemble._parameter_constraints,
        "estimator": [HasMethods(["fit", "predict_proba"]), None],
    }

    def _default(self) -> Any:
        return MultimodalClassifier()

    def _kept(self) -> tuple[str, ...]:
        return (*self._shared, "classes_")

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy of the predictions.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array of shape (n_samples, n_features)
            What the estimator takes.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            True classes or labels, in any form that `fit` takes.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights.

        Returns
        -------
        score : float
            Weighted share of rows that are right (in all labels, where there are several).
        """
        return super().score(X, scorable(y), sample_weight=sample_weight)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Predict probabilities: the mean over members.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array of shape (n_samples, n_features)
            What the members take.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Probabilities of the classes, or of each label.
        """
        return self._mean("predict_proba", X)

    def predict(self, X: Any) -> np.ndarray:
        """Predict the likeliest class, or the labels that are likelier than not.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array of shape (n_samples, n_features)
            What the members take.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
            In the type of the target.
        """
        proba = self.predict_proba(X)
        if self._several_labels:
            return (proba > 0.5).astype(self.estimators_[0].predict(X).dtype)
        return self.classes_[proba.argmax(axis=1)]

    @available_if(_has_own_probabilities)
    def unimodal_predict_proba(self, X: Any) -> dict[str, np.ndarray]:
        """Predict probabilities from each modality alone: the mean over members.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array of shape (n_samples, n_features)
            What the members take.

        Returns
        -------
        proba : dict of str to ndarray of shape (n_samples, n_classes)
            By modality; NaN in rows that lack it.
        """
        check_is_fitted(self, "estimators_")
        answers = [member.unimodal_predict_proba(X) for member in self.estimators_]
        return {name: np.mean([one[name] for one in answers], axis=0) for name in answers[0]}
