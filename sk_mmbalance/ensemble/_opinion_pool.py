"""`OpinionPoolClassifier`: many experts, and the convex pool that gives each its due."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from .._sklearn import routing_enabled
from ..base import TrainingRows
from ..experts import NamedExpert, classes_of, cross_fit, fit_experts
from ._auto_experts import auto_classifiers
from ._base import ExpertsClassifier
from ._pool_experts import auto_experts, given_experts, read_experts, replaced
from ._pool_fusion import PoolFusion
from ._pooling import Opinions, smooth_log

_RULES = ("pool", "select", "stack")
_OBJECTIVES = ("log_loss", "balanced_log_loss")


class OpinionPoolClassifier(ExpertsClassifier):
    """Many experts on one or several modalities, in a convex logarithmic opinion pool.

    Experts are any classifiers, each on one modality, on several or on all. Their out-of-fold
    probabilities ``p_e`` teach the weights of the logarithmic opinion pool [1]_

        ``p`` proportional to ``prod_e p_e ** w_e``,  ``w >= 0``,

    the weights that make its log-loss least [2]_. This is a convex problem, solved to a certified
    duality gap by `sk_mmbalance.convex.fit_opinion_pool`; then the experts are fitted again on
    all rows. An expert that adds nothing gets weight 0, so the pool is seldom much worse than its
    best expert, and tells which modality earns its place.

    Parameters
    ----------
    experts : "auto", dict or list, default="auto"
        A dict of name to classifier or to ``(classifier, modalities)``, or a list of ``(name,
        classifier, modalities)``. `modalities` is a name or a list of names; without it, or with
        None, the expert sees them all. A classifier None is logistic regression. Estimators of this
        package get the modalities by name, all others a flat table of the modalities side by side.
        "auto" is logistic regression and extra trees on every modality, from 500 rows also
        histogram boosting (up to 20 classes and 100 columns) and a kernel machine (while rows *
        rows * columns are at most 2e10); and where there are several modalities, the same on all of
        them together.
    rule : {"pool", "select", "stack"}, default="pool"
        "pool" as above; "select" takes the one expert with the least out-of-fold log-loss;
        "stack" is logistic regression on the experts' log-probabilities [3]_ (0 where an expert
        lacks its input), free to take weights of any sign.
    alpha : float, default=10.0
        Penalty of a unit of weight, ``alpha * sum_e w_e`` beside the *sum* of all rows' losses:
        the fewer rows, the more it weighs, as with `C` of logistic regression.
    per_class : bool, default=False
        Whether the pool has a weight for every expert and class.
    temperature : bool, default=True
        Whether each expert's probabilities get a temperature first, by its own out-of-fold
        log-loss [4]_. The pool alone would choose weights and temperatures in one; this way the
        penalty and the table of weights compare experts of like boldness.
    objective : {"log_loss", "balanced_log_loss"}, default="log_loss"
        Log-loss that temperatures, weights and selection make least; "balanced_log_loss" gives
        all classes the same sum of weights there, but leaves the experts as they are.
    smoothing : float, default=0.01
        Part of equal probabilities mixed into each expert's own before the logarithm, so that no
        expert vetoes a class.
    class_weight : dict or "balanced", default=None
        Weights of classes, for the experts (which must take `sample_weight`) and the pool.
    cv : int, splitter or iterable of (train, test), default=5
        Cross-validation of the experts. A number of folds is stratified, keeps groups together if
        `groups` are given to `fit`, and is lowered to the size of the largest class.
    min_pattern_rows : int, default=50
        With ``missing="mask"``: a pattern of modalities gets weights of its own if so many rows
        have all that its experts need. Other patterns get the weights of the complete one,
        renormalised to the same sum.
    tol : float, default=1e-6
        Relative duality gap of the weights.
    modalities : dict of str to columns, default=None
        Column blocks of a flat table. None takes a flat table for one modality named ``"X"``.
    missing : {"error", "mask"}, default="error"
        Whether rows may lack a modality.
    n_jobs : int, default=None
        Number of fits run in parallel.
    random_state : int, RandomState instance or None, default=None
        Seed of the trees of "auto".

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    experts_ : dict of str to classifier
        Fitted classifier of each expert, on all rows that have its input.
    weights_ : DataFrame or None
        One row an expert: `modalities`, `temperature`, `weight` where all modalities are there,
        and with ``per_class`` a column for every class (`weight` is then their mean). None with
        ``rule="stack"``.
    modality_weights_ : dict of str to float or None
        Sum of the weights by modality. An expert on several counts for each of them in equal
        parts, so that the sums add up to the sum of all weights.
    pattern_weights_ : DataFrame or None
        Weights learnt for patterns with missing modalities, one row a pattern, one column an
        expert (means over classes with ``per_class``); None with ``rule="stack"``.
    oof_scores_ : DataFrame
        Out-of-fold `accuracy`, `balanced_accuracy` and `log_loss` of each expert on the rows that
        have its input, weighted by `sample_weight`, with their number `n_rows`; the last row,
        "pool", is the fusion of the same predictions, on which its weights were learnt. Empty if
        nothing was cross-validated.
    gap_ : float or None
        Certified relative duality gap of the weights; 0 for a single expert, None for another
        rule.
    kkt_residual_ : float or None
        Violation of the conditions of a minimum.
    n_iter_ : int or None
        Newton steps of the solver.
    stacker_ : LogisticRegression or None
        The fusion of ``rule="stack"``.
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
    LateFusionClassifier : One classifier per modality, with equal weights by default.
    sk_mmbalance.convex.fit_opinion_pool : The solver, for log-probabilities of one's own.

    Notes
    -----
    Every expert is fitted on the rows that have its input, and drops out where a row lacks it:
    one on several modalities needs all of them, unless it is an estimator of this package with
    ``missing="mask"``. With up to six modalities all patterns of them get weights of their own if
    there are rows to learn from, otherwise those that occur in `fit`. A complete row teaches every
    pattern.

    With a single expert nothing is cross-validated and its probabilities are given as they are.
    A row of `sample_weight` 2 counts as two rows, in the penalty too: weights that sum to 1 are a
    single row's. If the penalty outweighs the rows so far that no weight is left, all experts count
    alike.

    Pass `groups` where rows resemble one another (speaker, day, person): otherwise the experts
    that know the group best are taken for the best ones.

    References
    ----------
    .. [1] C. Genest, J. V. Zidek, "Combining Probability Distributions: A Critique and an
       Annotated Bibliography", Statistical Science 1(1), 1986.
    .. [2] T. Heskes, "Selecting Weighting Factors in Logarithmic Opinion Pools", NIPS 1997.
    .. [3] D. H. Wolpert, "Stacked Generalization", Neural Networks 5(2), 1992.
    .. [4] C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On Calibration of Modern Neural
       Networks", ICML 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mmbalance import Modalities, OpinionPoolClassifier
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat([0, 1], 100)
    >>> X = Modalities(
    ...     face=y[:, None] + rng.normal(0, 0.5, (200, 2)), voice=rng.normal(0, 1, (200, 3))
    ... )
    >>> model = OpinionPoolClassifier(random_state=0).fit(X, y)
    >>> {name: round(weight, 2) for name, weight in model.modality_weights_.items()}
    {'face': 0.61, 'voice': 0.24}
    >>> model.oof_scores_.loc[["face: linear", "voice: linear", "pool"], "accuracy"].round(2)
    expert
    face: linear     0.88
    voice: linear    0.52
    pool             0.90
    Name: accuracy, dtype: float64
    >>> model.gap_ < 1e-6
    True
    """

    _makes_dense = True
    _role = "expert"
    _holder = "experts"

    def __init__(
        self,
        experts: Any = "auto",
        *,
        rule: str = "pool",
        alpha: float = 10.0,
        per_class: bool = False,
        temperature: bool = True,
        objective: str = "log_loss",
        smoothing: float = 0.01,
        class_weight: Any = None,
        cv: Any = 5,
        min_pattern_rows: int = 50,
        tol: float = 1e-6,
        modalities: Any = None,
        missing: str = "error",
        n_jobs: int | None = None,
        random_state: Any = None,
    ):
        self.experts = experts
        self.rule = rule
        self.alpha = alpha
        self.per_class = per_class
        self.temperature = temperature
        self.objective = objective
        self.smoothing = smoothing
        self.class_weight = class_weight
        self.cv = cv
        self.min_pattern_rows = min_pattern_rows
        self.tol = tol
        self.modalities = modalities
        self.missing = missing
        self.n_jobs = n_jobs
        self.random_state = random_state

    # -- fit -------------------------------------------------------------------------------

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None
    ) -> OpinionPoolClassifier:
        """Cross-fit the experts, learn their weights, and fit them on all rows.

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
        self : OpinionPoolClassifier
            The fitted classifier.

        Raises
        ------
        ValueError
            If a parameter is out of its range, or input cannot be used.
        TypeError
            If an expert is no classifier with probabilities, or does not take `sample_weight`.
        """
        self._check_parameters()
        rows = self._read_rows(X, y, sample_weight, groups)
        checked, target = rows.checked, rows.target
        named = self._experts_for(rows)
        rows = self._with_params(rows, named)
        fusion = PoolFusion(named, checked.names, self.rule, self.smoothing)
        scores = pd.DataFrame()
        if len(named) > 1:
            oof = cross_fit(named, rows, rows.folds(self.cv), self.n_jobs)
            tested = oof.tested
            scores = fusion.learn(
                Opinions(
                    logs=smooth_log(oof.answers[:, tested], self.smoothing),
                    present=oof.available[:, tested].T,
                    codes=rows.y[tested],
                    weights=rows.weight_or_ones[tested],
                    alpha=self.alpha,
                    balanced=self.objective == "balanced_log_loss",
                    per_class=self.per_class,
                    tol=self.tol,
                ),
                checked.present[tested],
                temperature=self.temperature,
                masked=self.missing == "mask",
                min_rows=self.min_pattern_rows,
            )
            del oof
        fitted = fit_experts(named, rows, self.n_jobs)
        self._become_fitted(
            checked.spec,
            classes_=classes_of(target),
            experts_={expert.name: expert.model for expert in fitted},
            oof_scores_=scores,
            stacker_=fusion.stacker,
            _experts={expert.name: expert for expert in fitted},
            _fusion=fusion,
            _target=target,
            **self._told_weights(fusion, classes_of(target)),
        )
        return self

    def _experts_for(self, rows: TrainingRows) -> list[NamedExpert]:
        """The experts, each of which has a row to learn from."""
        checked = rows.checked
        if isinstance(self.experts, str):

            def models_for(n_columns: int) -> dict[str, Any]:
                n_classes = rows.target.n_outputs
                return auto_classifiers(len(rows), n_columns, n_classes, self.random_state)

            named = auto_experts(checked, models_for)
        else:
            named = read_experts(self.experts, checked.names, self._checked_expert)
        for expert in named:
            if not expert.available(checked.present, checked.names).any():
                raise ValueError(
                    f"`X` has no row with the modalities {list(expert.modalities)} that expert "
                    f"{expert.name!r} needs; leave it out, or give it fewer."
                )
        return named

    def _checked_expert(self, name: str, given: Any) -> Any:
        model = self._or_default(given)
        self._refuse_other(f"`experts` for {name!r} must be a {self._noun} instance", model)
        return model

    def _check_parameters(self) -> None:
        for name, known in (("rule", _RULES), ("objective", _OBJECTIVES)):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"`{name}` must be one of {list(known)}; got {getattr(self, name)!r}."
                )
        if isinstance(self.experts, str) and self.experts != "auto":
            raise ValueError(
                f"`experts` must be 'auto', a dict or a list of experts; got {self.experts!r}."
            )
        for name in ("alpha", "tol"):
            if not (np.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise ValueError(
                    f"`{name}` must be a finite number above 0; got {getattr(self, name)!r}."
                )
        if not 0 < self.smoothing < 1:
            raise ValueError(f"`smoothing` must lie between 0 and 1; got {self.smoothing!r}.")
        if self.min_pattern_rows < 1:
            raise ValueError(
                f"`min_pattern_rows` must be at least 1; got {self.min_pattern_rows!r}."
            )

    def _told_weights(self, fusion: PoolFusion, classes: np.ndarray) -> dict[str, Any]:
        """What people read of the weights, by name of attribute."""
        learnt = fusion.weights
        told: dict[str, Any] = dict.fromkeys(
            (
                "weights_",
                "modality_weights_",
                "pattern_weights_",
                "gap_",
                "kkt_residual_",
                "n_iter_",
            )
        )
        solution = None if learnt is None else learnt.solution
        if solution is not None:
            told["gap_"], told["kkt_residual_"] = solution.gap, solution.kkt_residual
            told["n_iter_"] = solution.n_iter
        elif len(fusion.named) == 1:
            told["gap_"], told["kkt_residual_"], told["n_iter_"] = 0.0, 0.0, 0
        if learnt is None:
            return told
        names = pd.Index([expert.name for expert in fusion.named], name="expert")
        complete = learnt.of(np.ones(len(fusion.modality_names), dtype=bool))
        mean = _mean_over_classes(complete)
        with np.errstate(divide="ignore"):
            columns: dict[Any, Any] = {
                "modalities": [" + ".join(expert.modalities) for expert in fusion.named],
                "temperature": 1.0 / fusion.factors,
                "weight": mean,
            }
        if complete.ndim == 2:
            columns |= dict(zip(classes.tolist(), complete.T, strict=True))
        told["weights_"] = pd.DataFrame(columns, index=names)
        told["modality_weights_"] = {
            modality: float(
                sum(
                    weight / len(expert.modalities)
                    for expert, weight in zip(fusion.named, mean, strict=True)
                    if modality in expert.modalities
                )
            )
            for modality in fusion.modality_names
        }
        told["pattern_weights_"] = pd.DataFrame(
            {
                " + ".join(np.array(fusion.modality_names)[list(pattern)]): (
                    _mean_over_classes(learnt.of(pattern))
                )
                for pattern in learnt.learnt
            },
            index=names,
        ).T
        return told

    # -- predict ---------------------------------------------------------------------------

    def predict_proba(self, X: Any) -> np.ndarray:
        """Predict class probabilities.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like
            Multimodal input.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Pooled probabilities of the experts that have their input in each row; the class
            prior where none has.
        """
        checked = self._read_new(X)
        probas = self._answers(checked)
        if len(probas) == 1:
            return next(iter(probas.values()))
        proba = self._fusion.fuse(probas, checked.present)
        knows = [e.named.available(checked.present, checked.names) for e in self._experts.values()]
        proba[~np.any(knows, axis=0)] = next(iter(self._experts.values())).prior
        return proba

    def unimodal_predict_proba(self, X: Any) -> dict[str, np.ndarray]:
        """Probabilities according to the experts of one modality alone.

        They are pooled with weights of their own, learnt on the same out-of-fold predictions.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like
            Multimodal input.

        Returns
        -------
        probabilities : dict of str to ndarray of shape (n_samples, n_classes)
            By name of modality, for modalities that have experts of their own; NaN in rows that
            lack it.
        """
        checked = self._read_new(X)
        probas = self._answers(checked)
        own = {}
        for name in self.modality_names_:
            proba = self._fusion.of_modality(name, probas)
            if proba is not None:
                proba[~checked.present_in(name)] = np.nan
                own[name] = proba
        return own

    # -- parameters and metadata of the experts --------------------------------------------

    def _named(self) -> dict[str, Any]:
        """Classifiers as they were given, None among them."""
        try:
            return {name: model for name, model, _ in given_experts(self.experts)}
        except (TypeError, ValueError):  # "auto" has none yet; what is wrong, `fit` says
            return {}

    def _replaced(self, name: str, model: Any) -> Any:
        return replaced(self.experts, name, model)

    def _given_estimators(self) -> dict[str, Any]:
        return {name: self._or_default(model) for name, model in self._named().items()}

    def _with_params(self, rows: TrainingRows, experts: list[NamedExpert]) -> TrainingRows:
        if isinstance(self.experts, str):  # they are made to request weights
            return rows.with_routed({}) if routing_enabled() else rows
        return super()._with_params(rows, experts)

    def _route_of(self, name: str) -> str:
        return name


def _mean_over_classes(weights: np.ndarray) -> np.ndarray:
    return weights.reshape(len(weights), -1).mean(axis=1)
