"""`LateFusionClassifier`: one classifier per modality, fused by their probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted

from ..base import make_folds, read_groups
from ..modalities import CheckedModalities
from ._base import ExpertsClassifier
from ._expert import MAX_ITER, Expert, align_classes, fit_expert
from ._folds import cross_fit, out_of_fold
from ._fusion import best_weights, pool, safe_log

_RULES = ("mean", "product", "stacking")


class LateFusionClassifier(ExpertsClassifier):
    """One scikit-learn classifier per modality, fused by their probabilities.

    The second floor under any joint training: modalities cannot starve one another, because they
    never meet before their probabilities do.

    With probabilities ``p_m`` and weights ``w_m`` of the modalities that a row has, renormalised
    to sum to 1 over these, the rules are

    - "mean": ``p = sum_m w_m p_m`` (linear opinion pool);
    - "product": ``p`` proportional to ``prod_m p_m ** w_m`` (logarithmic opinion pool [1]_);
    - "stacking": logistic regression on ``log p_m - log prior`` of all modalities and classes
      (0 for a modality that the row lacks: no evidence), fitted on out-of-fold probabilities [2]_.

    Every classifier is fitted on the rows that have its modality.

    Parameters
    ----------
    estimator : classifier or dict of str to classifier, default=None
        Classifier with `predict_proba`, or one for each modality. None is logistic regression.
        Images and sequences are flattened, unless the classifier declares to take arrays of three
        dimensions.
    weights : {"uniform", "cv"}, dict of str to float or array-like, default="uniform"
        Weights of the modalities, by name or in the order of sorted names; they need not sum
        to 1. "cv" minimises the log-loss of the fused out-of-fold probabilities (weighted by
        `sample_weight`) over all weights that are not negative and sum to 1, by SLSQP. With
        ``rule="stacking"`` the weights are learnt in any case and "uniform" must be left.
    rule : {"mean", "product", "stacking"}, default="mean"
        How probabilities are fused.
    cv : int, splitter or iterable of (train, test), default=5
        Cross-validation for ``weights="cv"`` and ``rule="stacking"``. A number of folds is
        stratified, and keeps groups together if `groups` are given to `fit`.
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
    estimators_ : dict of str to classifier
        Fitted classifier of each modality.
    weights_ : dict of str to float or None
        Weight of each modality, summing to 1; None with ``rule="stacking"``.
    stacker_ : LogisticRegression or None
        The fusion of ``rule="stacking"``, where there is more than one modality.
    best_modality_ : str or None
        Modality with the highest score in `scores_`; None if nothing was cross-validated.
    scores_ : dict of str to float
        Out-of-fold accuracy of each modality, weighted by `sample_weight`; empty if nothing was
        cross-validated.
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
    UnimodalClassifier : The best single modality.

    Notes
    -----
    A class that was not among a modality's rows keeps its prior probability there. The smallest
    probability a logarithm sees is the machine epsilon, so that no classifier vetoes the others.
    With "cv" a modality gets at least 1e-6, because a row may have no other. If all modalities
    that a row has weigh 0, they count alike. With a single modality nothing is cross-validated
    and its probabilities are given as they are.

    Learning the fusion costs data: where groups are few and unlike one another, "cv" and
    "stacking" can do worse on a new group than equal weights, and "stacking" is then sure of its
    errors. Compare them.

    References
    ----------
    .. [1] C. Genest, J. V. Zidek, "Combining Probability Distributions: A Critique and an
       Annotated Bibliography", Statistical Science 1(1), 1986.
    .. [2] D. H. Wolpert, "Stacked Generalization", Neural Networks 5(2), 1992.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mmbalance import LateFusionClassifier, Modalities
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat([0, 1], 100)
    >>> X = Modalities(
    ...     face=y[:, None] + rng.normal(0, 0.5, (200, 2)), voice=y + rng.normal(0, 1, 200)
    ... )
    >>> model = LateFusionClassifier(weights="cv").fit(X, y)
    >>> model.best_modality_, round(model.score(X, y), 2)
    ('face', 0.89)
    """

    def __init__(
        self,
        estimator: Any = None,
        weights: Any = "uniform",
        rule: str = "mean",
        *,
        cv: Any = 5,
        modalities: Any = None,
        missing: str = "error",
        n_jobs: int | None = None,
    ):
        self.estimator = estimator
        self.weights = weights
        self.rule = rule
        self.cv = cv
        self.modalities = modalities
        self.missing = missing
        self.n_jobs = n_jobs

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None
    ) -> LateFusionClassifier:
        """Fit the classifiers, and the weights if they are to be learnt.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like
            Multimodal input.
        y : array-like of shape (n_samples,)
            Class labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, for all fits.
        groups : array-like of shape (n_samples,), default=None
            Rows of the same group are never divided between training and test part.

        Returns
        -------
        self : LateFusionClassifier
            The fitted classifier.

        Raises
        ------
        ValueError
            If `weights` or `rule` are not understood, or input cannot be used.
        TypeError
            If `estimator` is no classifier with probabilities, or does not take `sample_weight`.
        """
        checked = self._read_sparse(X, reset=True)
        classes, codes = self._read_labels(y, checked.n_samples)
        weights = self._read_weights(sample_weight, checked, codes, classes)
        groups = read_groups(groups, checked.n_samples)
        names = list(checked.names)
        fixed = self._fixed_weights(names)
        models = self._classifiers(names)
        params = self._fit_params(models, weights, groups)
        labels = classes[codes]

        learns = len(names) > 1 and (fixed is None or self.rule == "stacking")
        probas: dict[str, np.ndarray] = {}
        scores: dict[str, float] = {}
        stacker = None
        if learns:
            folds = make_folds(self.cv, labels, groups)
            by_fold = cross_fit(
                models, folds, checked, labels, classes, weights, params, self.n_jobs
            )
            probas, tested = out_of_fold(by_fold, folds, checked, len(classes))
            part = checked.rows(tested)
            tested_weights = None if weights is None else weights[tested]
            if tested_weights is not None and not tested_weights.any():
                raise ValueError("`sample_weight` is zero in all rows that `cv` tests on.")
            hits = {name: proba.argmax(axis=1) == codes[tested] for name, proba in probas.items()}
            scores = {n: float(np.average(hit, weights=tested_weights)) for n, hit in hits.items()}
        fitted = Parallel(n_jobs=self.n_jobs)(
            delayed(fit_expert)(models[name], checked, name, labels, classes, weights, params[name])
            for name in names
        )
        experts = dict(zip(names, fitted, strict=True))
        if learns and self.rule == "stacking":
            stacker = LogisticRegression(max_iter=MAX_ITER).fit(
                _evidence(probas, part, experts), labels[tested], tested_weights
            )
        elif learns:
            fixed = best_weights(
                [probas[name] for name in names],
                part.present,
                codes[tested],
                tested_weights,
                self.rule,
            )

        shares = np.ones(1) if fixed is None else fixed
        self.classes_ = classes
        self.estimators_ = {name: expert.model for name, expert in experts.items()}
        self.weights_ = (
            None if stacker is not None else dict(zip(names, shares.tolist(), strict=True))
        )
        self.stacker_ = stacker
        self.scores_ = scores
        self.best_modality_ = max(names, key=scores.__getitem__) if scores else None
        self._experts = experts
        self._remember_modalities(checked)
        return self

    def _fixed_weights(self, names: list[str]) -> np.ndarray | None:
        """Weights that need not be learnt, summing to 1; None for "cv"."""
        if self.rule not in _RULES:
            raise ValueError(f"`rule` must be one of {list(_RULES)}; got {self.rule!r}.")
        given = self.weights
        if isinstance(given, str) and given not in ("uniform", "cv"):
            raise ValueError(
                f"`weights` must be 'uniform', 'cv', a dict by modality or an array; got {given!r}."
            )
        if self.rule == "stacking" and not (isinstance(given, str) and given == "uniform"):
            raise ValueError(
                "`weights` must be left at 'uniform' with rule='stacking', which learns its own; "
                f"got {given!r}."
            )
        if isinstance(given, str):
            return None if given == "cv" else np.full(len(names), 1.0 / len(names))
        if isinstance(given, Mapping):
            if set(given) != set(names):
                raise ValueError(
                    f"`weights` must name every modality of {names} and no other; got "
                    f"{sorted(given)}."
                )
            given = [given[name] for name in names]
        values = np.asarray(given, dtype=np.float64)
        if values.shape != (len(names),):
            raise ValueError(
                f"`weights` must have one value for each modality of {names}; got shape "
                f"{values.shape}."
            )
        if not np.isfinite(values).all() or (values < 0).any() or not values.any():
            raise ValueError(
                f"`weights` must be finite, not negative and not all 0; got {values.tolist()}."
            )
        return values / values.sum()

    def predict_proba(self, X: Any) -> np.ndarray:
        """Predict class probabilities.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like
            Multimodal input.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Fused probabilities of the modalities that each row has.
        """
        check_is_fitted(self)
        checked = self._read_sparse(X, reset=False)
        probas = {name: expert.predict_proba(checked) for name, expert in self._experts.items()}
        if len(probas) == 1:
            return next(iter(probas.values()))
        if self.stacker_ is not None:
            proba = self.stacker_.predict_proba(_evidence(probas, checked, self._experts))
            prior = next(iter(self._experts.values())).prior
            if len(self.stacker_.classes_) < len(self.classes_):
                proba = align_classes(proba, self.stacker_.classes_, self.classes_, prior)
            return proba
        assert self.weights_ is not None
        weights = np.array([self.weights_[name] for name in probas])
        return pool(list(probas.values()), checked.present, weights, self.rule)


def _evidence(
    probas: dict[str, np.ndarray], checked: CheckedModalities, experts: dict[str, Expert]
) -> np.ndarray:
    """Take what each modality says beyond the prior: ``log p_m - log prior``, 0 if missing.

    The constant ``log prior`` only shifts the intercept; it is there to make 0 mean "nothing".
    """
    blocks = []
    for name, proba in probas.items():
        block = safe_log(proba) - safe_log(experts[name].prior)
        block[~checked.present_in(name)] = 0.0
        blocks.append(block)
    return np.concatenate(blocks, axis=1)
