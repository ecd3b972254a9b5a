"""`OpinionPoolClassifier`: many experts, and the convex pool that gives each its due."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ..base import LABELS, FoldChoice, TrainingRows, is_word
from ..experts import Admission, NamedExpert, OutOfFold, auto_classifiers, classes_of
from ._base import ExpertsClassifier
from ._opinion_pool_base import OpinionPool
from ._pool_fusion import PoolFusion
from ._pool_report import joined_tables, side_by_side, told_weights
from ._pooling import Opinions, smooth_log


class OpinionPoolClassifier(OpinionPool, ExpertsClassifier):
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
    experts : {"auto", "auto+nets"}, dict or list, default="auto"
        A dict of name to classifier or to ``(classifier, modalities)``, or a list of ``(name,
        classifier, modalities)``. `modalities` is a name or a list of names; without it, or with
        None, the expert sees them all. A classifier None is logistic regression. Estimators of this
        package get the modalities by name, all others a flat table of the modalities side by side.
        "auto" is logistic regression (on wide blocks also weaker ones) and extra trees on every
        modality, from 500 rows also histogram boosting (up to 20 classes and 100 columns) and a
        kernel machine; and where there are several modalities, the same on all of them together,
        which make do with incomplete rows. What would take too long, as reckoned, is left out,
        approximated, or smaller: see `left_out_` and `time_limit`. "auto+nets" has besides a
        joint network on all modalities, and where there are several one with `balancing.LFM`.
    rule : {"pool", "select", "stack"}, default="pool"
        "pool" as above; "select" takes the one expert with the least out-of-fold log-loss;
        "stack" is logistic regression on the experts' log-probabilities [3]_ (0 where an expert
        lacks its input), free to take weights of any sign.
    alpha : float, default=10.0
        Penalty of a unit of weight, ``alpha * sum_e w_e`` beside the *sum* of all rows' losses:
        the fewer rows, the more it weighs, as with `C` of logistic regression.
    per_class : bool or "auto", default="auto"
        Whether the pool has a weight for every expert and class. "auto" draws the weights of the
        classes to one weight an expert by a penalty; its strength, or one weight for all classes,
        is chosen by nested cross-validation of the out-of-fold probabilities. (Not for two
        classes, nor beyond 600 weights: they stay common.)
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
        `groups` are given to `fit`, and is lowered to the size of the largest class. Where rows
        resemble their neighbours it is cut both in order and from shuffled rows, with a
        `RowOrderWarning`.
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
    time_limit : float, default=None
        Seconds after which no further expert is begun, nor one that by the pace of those before it
        would end later. None lets reckoned costs decide which default experts there are, the same
        on every machine; with a limit the clock alone does, cheap experts first, so that another
        run may end with other experts. The first expert is fitted in any case, and none is broken
        off.
    memory_limit : float, default=None
        Megabytes that a fit of a default expert may take beside its input, as reckoned; sparse
        modalities, which are made dense, count too. There must be an expert that takes no more.
    n_jobs : int, default=None
        Number of fits run in parallel.
    verbose : int, default=0
        1 shows a bar over the cross-validated fits, experts that are left out, and a line of what
        was learnt at the end; 2 says besides when what is done.
    random_state : int, RandomState instance or None, default=None
        Seed of the trees and networks of "auto" and "auto+nets".

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels; of several labels a row, their numbers.
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
    left_out_ : dict of str to str
        Experts that were left out for their cost or by a limit, or that have fewer trees, and why.
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
    class_penalty_ : float or None
        What it costs that an expert's weights differ by class, in units of `alpha`, as
        `sk_mmbalance.convex.fit_opinion_pool` has it; infinite for weights common to all classes.
    class_penalty_losses_ : dict of float to float or None
        With ``per_class="auto"``: nested out-of-fold log-loss for every penalty that was compared,
        the chosen one first.
    stacker_ : LogisticRegression, list of LogisticRegression or None
        The fusion of ``rule="stack"``.
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
    LateFusionClassifier : One classifier per modality, with equal weights by default.
    OpinionPoolRegressor : The same for numbers.
    sk_mmbalance.convex.fit_opinion_pool : The solver, for log-probabilities of one's own.

    Notes
    -----
    Every expert is fitted on the rows that have its input, and drops out where a row lacks it:
    one on several modalities needs all of them, unless it is an estimator of this package with
    ``missing="mask"``. With up to six modalities all patterns of them get weights of their own if
    there are rows to learn from, otherwise those that occur in `fit`. A complete row teaches every
    pattern, but where default experts on all modalities make do with incomplete rows: what they say
    hangs on what is there, so that a pattern is taught by its own rows, and the default weights by
    all rows.

    With a single expert nothing is cross-validated and its probabilities are given as they are.
    A row of `sample_weight` 2 counts as two rows, in the penalty too: weights that sum to 1 are a
    single row's. If the penalty outweighs the rows so far that no weight is left, all experts count
    alike.

    `y` may be an indicator matrix, of several labels a row. An expert that does not declare
    ``multi_label`` is then fitted once for each label. The pool is one pool of two classes for each
    label: `weights_`, `pattern_weights_` and `oof_scores_` have "label" as the first level of their
    index, `modality_weights_` holds an array with an entry for each label, `gap_`,
    `kkt_residual_` and `n_iter_` are such arrays, `stacker_` is a list. A label that does not vary
    in `y` has no pool (NaN, None) and is predicted as it is.

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

    _pool_rules = ("pool", "select", "stack")

    def __init__(
        self,
        experts: Any = "auto",
        *,
        rule: str = "pool",
        alpha: float = 10.0,
        per_class: Any = "auto",
        temperature: bool = True,
        objective: str = "log_loss",
        smoothing: float = 0.01,
        class_weight: Any = None,
        cv: Any = 5,
        min_pattern_rows: int = 50,
        tol: float = 1e-6,
        modalities: Any = None,
        missing: str = "error",
        time_limit: float | None = None,
        memory_limit: float | None = None,
        n_jobs: int | None = None,
        verbose: int = 0,
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
        self.time_limit = time_limit
        self.memory_limit = memory_limit
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.random_state = random_state

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None
    ) -> OpinionPoolClassifier:
        """Cross-fit the experts, learn their weights, and fit them on all rows.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like
            Multimodal input.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Class labels, or an indicator matrix of several labels a row.
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
        self._fit(X, y, sample_weight, groups)
        return self

    def _check_parameters(self) -> None:
        super()._check_parameters()
        self._check_choice("objective", ("log_loss", "balanced_log_loss"))
        if not isinstance(self.per_class, bool | np.bool_) and not is_word(
            self.per_class, ("auto",)
        ):
            raise ValueError(f"`per_class` must be True, False or 'auto'; got {self.per_class!r}.")
        for name in ("alpha", "tol"):
            if not 0 < float(getattr(self, name)) < np.inf:
                raise ValueError(
                    f"`{name}` must be a finite number above 0; got {getattr(self, name)!r}."
                )
        if not 0 < self.smoothing < 1:
            raise ValueError(f"`smoothing` must lie between 0 and 1; got {self.smoothing!r}.")

    def _auto(self, rows: TrainingRows, n_columns: int, **limits: Any) -> Admission:
        return auto_classifiers(
            len(rows), n_columns, rows.target.n_outputs, self.random_state, **limits
        )

    def _new_fusions(self, named: list[NamedExpert], rows: TrainingRows) -> list[PoolFusion | None]:
        def new() -> PoolFusion:
            return PoolFusion(named, rows.checked.names, self.rule, self.smoothing)

        if rows.target.kind != LABELS:
            return [new()]
        return [new() if (label != label[0]).any() else None for label in rows.y.T]

    def _learn(
        self,
        fusions: list[PoolFusion | None],
        oof: OutOfFold,
        rows: TrainingRows,
        choice: FoldChoice,
    ) -> pd.DataFrame:
        tested = oof.tested
        fold_of = choice.fold_of(len(rows))
        several = rows.target.kind == LABELS
        tables = {}
        for k, fusion in enumerate(fusions):
            if fusion is None:
                continue
            answers, codes = oof.answers[:, tested], rows.y[oof.rows]
            if several:
                answers, codes = two_classes(answers[:, :, k]), codes[:, k].astype(np.intp)
            opinions = Opinions(
                logs=smooth_log(answers, self.smoothing),
                present=oof.available[:, tested].T,
                codes=codes,
                # a row that is answered twice counts half each time
                weights=rows.weight_or_ones[oof.rows] / oof.n_parts,
                alpha=self.alpha,
                balanced=self.objective == "balanced_log_loss",
                per_class=self.per_class != "auto" and bool(self.per_class),
                tol=self.tol,
            )
            tables[k] = fusion.learn(
                opinions,
                rows.checked.present[oof.rows],
                temperature=self.temperature,
                masked=self.missing == "mask",
                min_rows=self.min_pattern_rows * oof.n_parts,
                fold_of=fold_of[oof.rows] if self.per_class == "auto" else None,
            )
        return joined_tables(tables, "label") if several else tables[0]

    def _told(self, fusions: list[PoolFusion | None], rows: TrainingRows) -> dict[str, Any]:
        classes = classes_of(rows.target)
        if rows.target.kind != LABELS:
            (fusion,) = fusions
            assert fusion is not None
            return {"classes_": classes, **_told_of(fusion, classes)}
        pair = np.array([0, 1])
        told = [None if fusion is None else _told_of(fusion, pair) for fusion in fusions]
        return {"classes_": classes, **_NOTHING, **side_by_side(told, "label")}

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
            prior where none has. Of several labels a row, the probability of each.
        """
        checked = self._read_new(X)
        probas = self._answers(checked)
        if len(probas) == 1:
            return next(iter(probas.values()))
        if self._target.kind == LABELS:
            proba = np.tile(self._prior, (checked.n_samples, 1))
            for k, fusion in enumerate(self._fusions):
                if fusion is not None:
                    own = {name: two_classes(answer[:, k]) for name, answer in probas.items()}
                    proba[:, k] = fusion.fuse(own, checked.present)[:, 1]
        else:
            proba = self._fusions[0].fuse(probas, checked.present)
        proba[self._without_expert(checked)] = self._prior
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
            lack it. Of several labels a row, the probability of each.
        """
        checked = self._read_new(X)
        probas = self._answers(checked)
        own = {}
        for name in self.modality_names_:
            proba = self._of_modality(name, probas)
            if proba is not None:
                proba[~checked.present_in(name)] = np.nan
                own[name] = proba
        return own

    def _of_modality(self, name: str, probas: dict[str, np.ndarray]) -> np.ndarray | None:
        if self._target.kind != LABELS:
            return self._fusions[0].of_modality(name, probas)
        if not any(e.named.modalities == (name,) for e in self._experts.values()):
            return None
        n_samples = len(next(iter(probas.values())))
        proba = np.tile(self._prior, (n_samples, 1))
        for k, fusion in enumerate(self._fusions):
            if fusion is not None:
                each = {expert: two_classes(answer[:, k]) for expert, answer in probas.items()}
                proba[:, k] = fusion.of_modality(name, each)[:, 1]
        return proba


#: What is told where there is nothing to tell.
_NOTHING: dict[str, Any] = dict.fromkeys(
    (
        "weights_",
        "modality_weights_",
        "pattern_weights_",
        "gap_",
        "kkt_residual_",
        "n_iter_",
        "stacker_",
        "class_penalty_",
        "class_penalty_losses_",
    )
)


def _told_of(fusion: PoolFusion, classes: np.ndarray) -> dict[str, Any]:
    """What people read of one fusion."""
    told = {**_NOTHING, "stacker_": fusion.stacker}
    learnt = fusion.weights
    if learnt is None:
        return told
    told |= {"class_penalty_": fusion.class_penalty, "class_penalty_losses_": fusion.class_losses}
    if learnt.solution is not None:
        solution = learnt.solution
        told |= {"gap_": solution.gap, "kkt_residual_": solution.kkt_residual}
        told["n_iter_"] = solution.n_iter
    elif len(fusion.named) == 1:
        told |= {"gap_": 0.0, "kkt_residual_": 0.0, "n_iter_": 0}
    with np.errstate(divide="ignore"):
        temperatures = {"temperature": 1.0 / fusion.factors}
    told |= told_weights(fusion.named, fusion.modality_names, learnt, temperatures)
    complete = learnt.of(np.ones(len(fusion.modality_names), dtype=bool))
    if complete.ndim == 2:
        by_class = dict(zip(classes.tolist(), complete.T, strict=True))
        table = told["weights_"]
        told["weights_"] = table.join(pd.DataFrame(by_class, index=table.index))
    return told


def two_classes(proba: np.ndarray) -> np.ndarray:
    """Probability of a label as those of two classes, on a last axis."""
    return np.stack([1.0 - proba, proba], axis=-1)
