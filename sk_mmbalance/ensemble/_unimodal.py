"""`UnimodalClassifier` and `UnimodalRegressor`: the best single modality, below any fusion."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.metaestimators import available_if

from ._base import ExpertsClassifier, ExpertsRegressor
from ._best_modality import BestModality


def _gives_probabilities(self: UnimodalClassifier) -> bool:
    experts = getattr(self, "_experts", None)
    if experts:
        return all(expert.gives_scores for expert in experts.values())
    return all(hasattr(model, "predict_proba") for model in self._given_estimators().values())


class UnimodalClassifier(BestModality, ExpertsClassifier):
    """A scikit-learn classifier on one modality, the best one by cross-validation.

    A fusion that does not beat it is not worth having. The modality is chosen on the data of
    `fit` only: the classifier of each modality is cross-validated, that with the highest mean
    score is fitted again on all rows. With a single modality, or with a name given, nothing is
    cross-validated.

    Rows that lack the modality are left out of its fit; for them the class prior is predicted, in
    cross-validation as well, so a modality that is often missing is not preferred by mistake.

    Parameters
    ----------
    estimator : classifier or dict of str to classifier, default=None
        Classifier, or one for each modality. None is logistic regression. Images and sequences
        are flattened, unless the classifier declares to take arrays of three dimensions.
    modality : str, default="best"
        Name of the modality, or "best".
    cv : int, splitter or iterable of (train, test), default=5
        Cross-validation for ``modality="best"``. A number of folds is stratified, keeps groups
        together if `groups` are given to `fit`, and is lowered to the size of the largest class.
    scoring : str or callable, default=None
        What is maximised; None is accuracy (of all labels of a row at once, where it has several),
        weighted by `sample_weight`. A callable has the
        signature ``scorer(estimator, X, y)`` and gets a fitted estimator and the test rows in the
        form that the estimator takes.
    modalities : dict of str to columns, default=None
        Column blocks of a flat table. None takes a flat table for one modality named ``"X"``.
    missing : {"error", "mask"}, default="error"
        Whether rows may lack a modality.
    n_jobs : int, default=None
        Number of fits run in parallel.
    verbose : int, default=0
        1 shows a bar over the cross-validated fits, and a line of what was learnt at the end.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds, where a number of them is cut from shuffled rows too (see
        `row_order_`).

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels; of several labels a row, their numbers.
    best_modality_ : str
        The modality that is used.
    estimators_ : dict of str to classifier
        The fitted classifier, by the name of its modality; None if no row has the modality.
    weights_ : dict of str to float
        1 for the modality used, 0 for the others.
    scores_ : dict of str to float
        Mean score of each modality over the folds; empty if nothing was cross-validated.
    row_order_ : dict
        How folds were cut: "folds" is "in order", "both" (in order, and from shuffled rows; a row
        counts half under each), "by group" or "as given". Where it was looked whether rows
        resemble their neighbours, also `loss_in_order` and `loss_shuffled`, what a few trees lose
        out of fold under both, as shares of what the mean loses, and the `interval` of their
        difference. Empty if nothing was cross-validated.
    modality_names_ : list of str
        Modalities seen in `fit`, sorted.
    modality_shapes_ : dict of str to tuple of int
        Shape of one sample of each modality.
    n_features_in_ : int
        Number of columns in all.
    feature_names_in_ : ndarray of str
        Column names, where every modality has some.

    See Also
    --------
    LateFusionClassifier : All modalities, one classifier each.
    UnimodalRegressor : The same for numbers.

    Notes
    -----
    Of modalities with the same score the first by name is taken. A class that is not among the
    rows of the chosen modality keeps its prior probability.

    `y` may be an indicator matrix, of several labels a row. A classifier that does not declare
    ``multi_label`` is then fitted once for each label; `predict_proba` has a column for each.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mmbalance import Modalities, UnimodalClassifier
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat([0, 1], 50)
    >>> X = Modalities(face=y[:, None] + rng.normal(0, 0.3, (100, 2)), voice=rng.normal(size=100))
    >>> model = UnimodalClassifier().fit(X, y)
    >>> model.best_modality_, model.score(X, y)
    ('face', 0.98)
    """

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None
    ) -> UnimodalClassifier:
        """Choose the modality and fit its classifier.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like
            Multimodal input.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Class labels, or an indicator matrix of several labels a row.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, for fits and scores.
        groups : array-like of shape (n_samples,), default=None
            Rows of the same group are never divided between training and test part.

        Returns
        -------
        self : UnimodalClassifier
            The fitted classifier.

        Raises
        ------
        ValueError
            If `modality` is not in `X`, or input cannot be used.
        TypeError
            If `estimator` is no classifier, or does not take `sample_weight`.
        """
        self._fit(X, y, sample_weight, groups)
        return self

    @available_if(_gives_probabilities)
    def predict_proba(self, X: Any) -> np.ndarray:
        """Predict class probabilities.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like
            Multimodal input.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            As the classifier of the modality says; the class prior in rows that lack the modality.
            Of several labels a row, the probability of each.
        """
        checked = self._read_new(X)
        return self._experts[self.best_modality_].answers(checked)

    @available_if(_gives_probabilities)
    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Predict logarithms of class probabilities.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like
            Multimodal input.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
            Logarithm of `predict_proba`.
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))


class UnimodalRegressor(BestModality, ExpertsRegressor):
    """A scikit-learn regressor on one modality, the best one by cross-validation.

    The sibling of `UnimodalClassifier` for numbers, of one or several columns.

    Parameters
    ----------
    estimator : regressor or dict of str to regressor, default=None
        Regressor, or one for each modality. None is ridge regression on scaled features. One that
        does not declare ``multi_output`` is fitted once for each column of `y`. Images and
        sequences are flattened, unless the regressor declares to take arrays of three dimensions.
    modality : str, default="best"
        Name of the modality, or "best".
    cv : int, splitter or iterable of (train, test), default=5
        Cross-validation for ``modality="best"``. A number of folds cuts rows in the order given,
        and keeps groups together if `groups` are given to `fit`.
    scoring : str or callable, default=None
        What is maximised; None is R², weighted by `sample_weight`. A callable has the signature
        ``scorer(estimator, X, y)`` and gets a fitted estimator and the test rows in the form that
        the estimator takes.
    modalities : dict of str to columns, default=None
        Column blocks of a flat table. None takes a flat table for one modality named ``"X"``.
    missing : {"error", "mask"}, default="error"
        Whether rows may lack a modality.
    n_jobs : int, default=None
        Number of fits run in parallel.
    verbose : int, default=0
        1 shows a bar over the cross-validated fits, and a line of what was learnt at the end.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds, where a number of them is cut from shuffled rows too (see
        `row_order_`).

    Attributes
    ----------
    best_modality_ : str
        The modality that is used.
    estimators_ : dict of str to regressor
        The fitted regressor, by the name of its modality; None if no row has the modality.
    weights_ : dict of str to float
        1 for the modality used, 0 for the others.
    scores_ : dict of str to float
        Mean score of each modality over the folds; empty if nothing was cross-validated.
    row_order_ : dict
        How folds were cut: "folds" is "in order", "both" (in order, and from shuffled rows; a row
        counts half under each), "by group" or "as given". Where it was looked whether rows
        resemble their neighbours, also `loss_in_order` and `loss_shuffled`, what a few trees lose
        out of fold under both, as shares of what the mean loses, and the `interval` of their
        difference. Empty if nothing was cross-validated.
    modality_names_ : list of str
        Modalities seen in `fit`, sorted.
    modality_shapes_ : dict of str to tuple of int
        Shape of one sample of each modality.
    n_features_in_ : int
        Number of columns in all.
    feature_names_in_ : ndarray of str
        Column names, where every modality has some.

    See Also
    --------
    LateFusionRegressor : All modalities, one regressor each.
    UnimodalClassifier : The same for classes.

    Notes
    -----
    Rows that lack the modality are left out of its fit; for them the weighted mean of `y` is
    predicted, in cross-validation as well.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mmbalance import Modalities, UnimodalRegressor
    >>> rng = np.random.default_rng(0)
    >>> y = rng.normal(size=100)
    >>> X = Modalities(face=y[:, None] + rng.normal(0, 0.3, (100, 2)), voice=rng.normal(size=100))
    >>> model = UnimodalRegressor().fit(X, y)
    >>> model.best_modality_, round(model.score(X, y), 2)
    ('face', 0.95)
    """

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None
    ) -> UnimodalRegressor:
        """Choose the modality and fit its regressor.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like
            Multimodal input.
        y : array-like of shape (n_samples,) or (n_samples, n_columns)
            Numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, for fits and scores.
        groups : array-like of shape (n_samples,), default=None
            Rows of the same group are never divided between training and test part.

        Returns
        -------
        self : UnimodalRegressor
            The fitted regressor.

        Raises
        ------
        ValueError
            If `modality` is not in `X`, or input cannot be used.
        TypeError
            If `estimator` is no regressor, or does not take `sample_weight`.
        """
        self._fit(X, y, sample_weight, groups)
        return self
