"""`UnimodalClassifier`: the best single modality, the first floor under any fusion."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, get_scorer
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ..base import make_folds, read_groups
from ._base import ExpertsClassifier
from ._expert import fit_expert
from ._folds import cross_fit


def _gives_probabilities(self: UnimodalClassifier) -> bool:
    models = getattr(self, "estimators_", None) or self._given_classifiers()
    return all(hasattr(model, "predict_proba") for model in models.values())


class UnimodalClassifier(ExpertsClassifier):
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
        Cross-validation for ``modality="best"``. A number of folds is stratified, and keeps
        groups together if `groups` are given to `fit`.
    scoring : str or callable, default=None
        What is maximised; None is accuracy, weighted by `sample_weight`. A callable has the
        signature ``scorer(estimator, X, y)``.
    modalities : dict of str to columns, default=None
        Column blocks of a flat table. None takes a flat table for one modality named ``"X"``.
    missing : {"error", "mask"}, default="error"
        Whether rows may lack a modality.
    n_jobs : int, default=None
        Number of fits run in parallel.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    best_modality_ : str
        The modality that is used.
    estimators_ : dict of str to classifier
        The fitted classifier, by the name of its modality.
    weights_ : dict of str to float
        1 for the modality used, 0 for the others.
    scores_ : dict of str to float
        Mean score of each modality over the folds; empty if nothing was cross-validated.
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

    Notes
    -----
    Of modalities with the same score the first by name is taken. A class that is not among the
    rows of the chosen modality keeps its prior probability.

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

    def __init__(
        self,
        estimator: Any = None,
        modality: str = "best",
        *,
        cv: Any = 5,
        scoring: Any = None,
        modalities: Any = None,
        missing: str = "error",
        n_jobs: int | None = None,
    ):
        self.estimator = estimator
        self.modality = modality
        self.cv = cv
        self.scoring = scoring
        self.modalities = modalities
        self.missing = missing
        self.n_jobs = n_jobs

    def _needed_methods(self) -> tuple[str, ...]:
        return ()

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None
    ) -> UnimodalClassifier:
        """Choose the modality and fit its classifier.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like
            Multimodal input.
        y : array-like of shape (n_samples,)
            Class labels.
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
        checked = self._read_sparse(X, reset=True)
        classes, codes = self._read_labels(y, checked.n_samples)
        weights = self._read_weights(sample_weight, checked, codes, classes)
        groups = read_groups(groups, checked.n_samples)
        names = list(checked.names)
        models = self._classifiers(names)
        params = self._fit_params(models, weights, groups)
        labels = classes[codes]
        scores: dict[str, float] = {}
        if self.modality != "best":
            if self.modality not in names:
                raise ValueError(
                    f"`modality` must be 'best' or one of {names}; got {self.modality!r}."
                )
            best = self.modality
        elif len(names) == 1:
            best = names[0]
        else:
            folds = make_folds(self.cv, labels, groups)
            experts = cross_fit(
                models, folds, checked, labels, classes, weights, params, self.n_jobs
            )
            scores = {
                name: self._mean_score(experts[name], folds, checked, labels, weights)
                for name in names
            }
            best = max(names, key=scores.__getitem__)  # the first of equals: names are sorted
        expert = fit_expert(models[best], checked, best, labels, classes, weights, params[best])

        self.classes_ = classes
        self.best_modality_ = best
        self.scores_ = scores
        self.weights_ = {name: float(name == best) for name in names}
        self.estimators_ = {best: expert.model}
        self._experts = {best: expert}
        self._remember_modalities(checked)
        return self

    def _mean_score(
        self, experts: Any, folds: Any, checked: Any, y: np.ndarray, weights: np.ndarray | None
    ) -> float:
        scores = []
        for expert, (_, test) in zip(experts, folds, strict=True):
            weight = None if weights is None else weights[test]
            if weight is not None and not weight.any():
                continue  # nothing in this fold counts
            part = checked.rows(test)
            if self.scoring is None:
                score = accuracy_score(y[test], expert.predict(part), sample_weight=weight)
            elif callable(self.scoring) and not hasattr(self.scoring, "_score_func"):
                score = self.scoring(expert, part, y[test])
            else:
                extra = {} if weight is None else {"sample_weight": weight}
                score = get_scorer(self.scoring)(expert, part, y[test], **extra)
            scores.append(score)
        mean = float(np.mean(scores))
        if not np.isfinite(mean):
            raise ValueError(
                f"`scoring` gives {mean} for modality {experts[0].name!r}; every fold must have a "
                "finite score. Choose another `scoring` or fewer folds in `cv`."
            )
        return mean

    def predict(self, X: Any) -> np.ndarray:
        """Predict class labels.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like
            Multimodal input.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            As the classifier of the modality says; the most frequent class of `fit` in rows that
            lack the modality.
        """
        check_is_fitted(self)
        checked = self._read_sparse(X, reset=False)
        return self._experts[self.best_modality_].predict(checked)

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
        """
        check_is_fitted(self)
        checked = self._read_sparse(X, reset=False)
        return self._experts[self.best_modality_].predict_proba(checked)

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
