"""`SerialFusionClassifier`: acquire the next modality only where the last one left doubt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import pandas as pd
from sklearn.exceptions import NotFittedError
from sklearn.utils.metadata_routing import MetadataRouter

from .._sklearn import BaseComposition
from ..base import FoldChoice, TrainingRows
from ..experts import Expert, classes_of, fit_expert, prefit_expert, say
from ._acquire import refuse_callables
from ._base import SerialClassifier
from ._curve import chain_scores, stage_table
from ._fitting import out_of_fold_scores, scores_of, stage_router, with_params
from ._limits import effective_rows, upper_bound
from ._order import Order, best_order
from ._policy import policy_for
from ._rare import warn_of_rare_class
from ._rates import Rates, empirical_rates, predicted_rates
from ._run import FittedChain
from ._stages import PlacedStage, Stage, place, read_stages
from ._tuning import Tuning, check_number, tune, without_scores


class SerialFusionClassifier(SerialClassifier, BaseComposition):
    """A chain of classifiers in which each row stops as soon as its decision is clear.

    The first stage scores every row on the cheapest modality. Where the score is clear the row
    is decided; otherwise the next modality is acquired and paid for, and so on to the last stage.
    With two classes a stage rejects below ``lo``, accepts above ``hi`` and defers in the closed
    band between; with more classes it defers when the top class probability is below ``tau``.
    Thresholds are found on out-of-fold scores.

    The idea is that of serial fusion in biometrics [1]_; formulae and thresholds are our
    reconstruction (see Notes).

    Parameters
    ----------
    stages : list of (str, estimator, str or list of str, float or None), default=None
        Name, classifier, modalities and cost of each stage, cheapest first. The classifier may be
        anything with ``predict_proba`` or ``decision_function``; None is a logistic regression on
        scaled features, and ``"drop"`` leaves the stage out. The cost is what a row pays for
        running the stage; None counts the features that the stage acquires (those that no
        earlier stage has acquired already). By default there is one logistic stage per modality
        in order of feature count.
    thresholds : {"cost", "budget", "far", "frr", "never", "always", "zero-error"} or list, \
            default="cost"
        How thresholds are found.

        - "cost": minimise error + `price` x mean cost per row;
        - "budget": minimise error with the mean cost at most `budget`;
        - "far" (two classes): minimise the false rejection rate + `price` x cost with the false
          acceptance rate at most `max_far`;
        - "frr" (two classes): the other way round, with `max_frr`;
        - "never", "always": never defer (the first stage decides), always defer (the last does);
        - "zero-error": defer whatever is not beyond the last error seen in tuning;
        - a list: pairs ``(lo, hi)``, or confidences with more than two classes, for every stage
          but the last. With two classes a last entry ``(t, t)`` moves the final cut off 0.5.
    price : float, default=0.01
        Error rate that one unit of cost is worth.
    budget : float, default=None
        Highest mean cost per row on the tuning scores; a limit in every mode, if given.
    max_far, max_frr : float, default=None
        Highest false acceptance and rejection rate on the tuning scores (two classes; acceptance
        means ``classes_[1]``); limits in every mode, if given. A limit that is finer than the rows
        of that class can show (about 3 / n at 95 %) is warned of.
    limit : {"estimate", "bound"}, default="estimate"
        What `max_far` and `max_frr` limit: the rate as it is counted on the tuning scores, or the
        upper confidence bound of it (Clopper-Pearson [2]_, one-sided, 95 %), so that what was
        counted vouches for the limit. With weights rows count as ``(sum w)^2 / sum w^2`` of them.
    w_far, w_frr : float, default=None
        Weights of the two rates in the error. None: the shares of the classes, which makes the
        error the misclassification rate. A rare class hardly counts in it, and is given up before
        cost is: 0.5 for both is the half total error rate of verification.
    accumulate : bool, default=False
        Whether a stage's classifier also sees the modalities that earlier stages have acquired
        (and paid for).
    order : {"given", "search"}, default="given"
        Whether to search the order of stages by the same criterion: all orders of up to four
        stages, beyond that by swaps from the order given. From about 30 stages on only neighbours
        are swapped, and the number of orders looked at falls with the square of the number of
        stages; from 500 on none is, and the order given stays.
    final : {"last", "mean"}, default="last"
        What decides at the end of the chain: the last score, or the mean of all scores acquired.
    reject_below : float, default=None
        Refuse a row at the end of the chain if its top class probability is below this.
    reject_label : object, default=None
        Label of refused rows in `predict`; None keeps the most probable class there, and the mask
        is in `decision_report`.
    prefit : bool, default=False
        The classifiers are fitted already: `fit` only finds thresholds, on the rows it is given
        (which the classifiers must not have seen).
    cv : int, splitter or iterable, default=5
        Folds for the out-of-fold scores. An integer means stratified folds (of whole groups, if
        `groups` are given), at most as many as the largest class has rows. With a single stage
        there is nothing to tune and nothing is cross-validated.
    n_grid : int, default=60
        Number of quantiles of a stage's score that are tried as thresholds.
    n_jobs : int, default=None
        Number of jobs over stages and folds.
    verbose : int, default=0
        Show progress, and at the end what was found.
    modalities : dict of str to columns, default=None
        Column blocks of a flat table, as in `sklearn.compose.ColumnTransformer`.
    missing : {"error", "mask"}, default="error"
        Rows that lack a modality which the chain asks for: an error, or (in `fit`) left out of
        that stage's training and (in `predict`) handed on to the next stage, or decided by the
        latest score if there is none.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds, where a number of them is cut from shuffled rows too (see
        `row_order_`).

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    stage_names_ : list of str
        Names of the stages in the order of the chain.
    estimators_ : list of estimators
        Fitted classifiers in the order of the chain.
    costs_ : ndarray of shape (n_stages,)
        Cost of running each stage.
    thresholds_ : ndarray of shape (n_stages, 2) or (n_stages,)
        ``lo`` and ``hi`` of each stage (two classes; twice the cut in the last row), or the
        confidence below which it defers (0 at the last stage).
    expected_cost_, expected_error_ : float
        Mean cost per row and error rate on the tuning scores (NaN without tuning).
    empirical_far_, empirical_frr_ : float
        Error rate of ``classes_[0]`` and ``classes_[1]`` on the tuning scores (two classes).
    far_bound_, frr_bound_ : float
        Upper confidence bounds of these two rates, as `limit` has them.
    predicted_far_, predicted_frr_ : float
        The same as the model of independent stages predicts it.
    predicted_cost_, predicted_error_ : float
        Mean cost and error rate of that model.
    stage_summary_ : DataFrame
        Per stage: modalities, cost, out-of-fold accuracy if it decided alone, and share of rows
        that run it.
    row_order_ : dict
        How folds were cut: "folds" is "in order", "both" (in order, and from shuffled rows; a row
        counts half under each), "by group" or "as given". Where it was looked whether rows
        resemble their neighbours, also `loss_in_order` and `loss_shuffled`, what a few trees lose
        out of fold under both, as shares of what the mean loses, and the `interval` of their
        difference. Empty if nothing was cross-validated.
    modality_names_, modality_shapes_, n_features_in_, feature_names_in_
        What `fit` saw.

    Warns
    -----
    RareClassWarning
        If errors are counted by rows, and much of a rare class (of two) is given up by that.

    Raises
    ------
    ValueError
        If limits cannot be met on the tuning scores, or with ``limit="bound"`` not by any counted
        rate of so few rows, or parameters do not fit together.
    TypeError
        If a stage's classifier gives no scores, or does not take the `sample_weight` given.

    Notes
    -----
    What a stage's classifier is given: estimators of this package (and pipelines that start with,
    or searches that wrap, one) get `Modalities` with the stage's names, in their own shapes;
    every other classifier gets one 2-D array, the modalities side by side in the order of their
    names. An estimator of this package with ``modalities=`` set gets the 2-D array to cut up.
    A class that a stage did not meet in training keeps its prior probability there.

    Thresholds of two stages (and mostly of three) are the best on the grid. For more, thresholds
    are improved one at a time from several starting points (from about twelve stages on only from
    "never defer" and "always defer"), which may end in a local optimum.

    No full text or code of [1]_ was available to us: the two-threshold rule is the standard one,
    and the independence model behind ``predicted_far_`` is a reconstruction.

    References
    ----------
    .. [1] G. L. Marcialis, P. Mastinu, F. Roli, "Serial fusion of multi-modal biometric systems",
       IEEE Workshop on Biometric Measurements and Systems (BIOMS), 2010.
    .. [2] C. J. Clopper, E. S. Pearson, "The use of confidence or fiducial limits illustrated in
       the case of the binomial", Biometrika 26, 1934.

    Examples
    --------
    >>> from sklearn.model_selection import train_test_split
    >>> from sk_mmbalance import SerialFusionClassifier
    >>> from sk_mmbalance.datasets import load_breast_cancer_views
    >>> X, y = load_breast_cancer_views(return_X_y=True)
    >>> X, X_test, y, y_test = train_test_split(X, y, stratify=y, random_state=1)
    >>> stages = [("quick", None, "mean", 1), ("thorough", None, "worst", 10)]
    >>> chain = SerialFusionClassifier(stages, price=0.001).fit(X, y)
    >>> round(chain.score(X_test, y_test), 3)
    0.951
    >>> round(chain.acquisition_cost(X_test).mean, 2)
    2.19
    """

    def __init__(
        self,
        stages: Any = None,
        *,
        thresholds: Any = "cost",
        price: float = 0.01,
        budget: float | None = None,
        max_far: float | None = None,
        max_frr: float | None = None,
        limit: str = "estimate",
        w_far: float | None = None,
        w_frr: float | None = None,
        accumulate: bool = False,
        order: str = "given",
        final: str = "last",
        reject_below: float | None = None,
        reject_label: Any = None,
        prefit: bool = False,
        cv: Any = 5,
        n_grid: int = 60,
        n_jobs: int | None = None,
        verbose: int = 0,
        modalities: Any = None,
        missing: str = "error",
        random_state: Any = None,
    ):
        self.stages = stages
        self.thresholds = thresholds
        self.price = price
        self.budget = budget
        self.max_far = max_far
        self.max_frr = max_frr
        self.limit = limit
        self.w_far = w_far
        self.w_frr = w_frr
        self.accumulate = accumulate
        self.order = order
        self.final = final
        self.reject_below = reject_below
        self.reject_label = reject_label
        self.prefit = prefit
        self.cv = cv
        self.n_grid = n_grid
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.modalities = modalities
        self.missing = missing
        self.random_state = random_state

    # -- nested parameters ---------------------------------------------------------------------

    @property
    def _named_estimators(self) -> Any:
        """Pairs of name and estimator, as scikit-learn's compositions want them."""
        try:
            return [(name, estimator) for name, estimator, _, _ in self.stages or []]
        except (TypeError, ValueError):  # reported by `fit`
            return []

    @_named_estimators.setter
    def _named_estimators(self, pairs: Any) -> None:
        self.stages = [
            (name, estimator, *rest)
            for (name, estimator), (_, _, *rest) in zip(pairs, self.stages, strict=True)
        ]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters, with those of the stages as ``name__parameter``.

        Parameters
        ----------
        deep : bool, default=True
            Whether to include the stages' estimators and their parameters.

        Returns
        -------
        dict
            Names and values.
        """
        return self._get_params("_named_estimators", deep=deep)

    def set_params(self, **params: Any) -> SerialFusionClassifier:
        """Set parameters: own, ``name`` (a stage's estimator, or "drop") or ``name__parameter``.

        Parameters
        ----------
        **params
            Names and values.

        Returns
        -------
        SerialFusionClassifier
            Itself.
        """
        if "stages" in params:  # first: the names below may be new
            self.stages = params.pop("stages")
        return self._set_params("_named_estimators", **params)

    def get_metadata_routing(self) -> MetadataRouter:
        """How `sample_weight` and `groups` go to the stages and the splitter.

        Returns
        -------
        MetadataRouter
            The routing of this object.
        """
        stages = {name: est for name, est in self._named_estimators if hasattr(est, "fit")}
        return stage_router(self, stages, self.cv)

    # -- fit -----------------------------------------------------------------------------------

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None
    ) -> SerialFusionClassifier:
        """Fit the stages and find thresholds on their out-of-fold scores.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like of n_samples rows
            Training input, with all modalities of the stages.
        y : array-like of shape (n_samples,)
            Class labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, for the stages and for the rates that thresholds are judged by.
        groups : array-like of shape (n_samples,), default=None
            Groups that no fold may split.

        Returns
        -------
        SerialFusionClassifier
            Itself.
        """
        refuse_callables(X)
        rows = self._read_training(X, y, sample_weight, groups, accept_sparse=True)
        tuning = self._read_parameters(classes_of(rows.target))
        stages = read_stages(self.stages, rows.checked)
        self._validate_names([stage.name for stage in stages])
        given = [name for name, est in self._named_estimators if hasattr(est, "fit")]
        checked_stages = [] if self.prefit else place(stages, rows.checked, self.accumulate)
        rows = with_params(rows, self, given, checked_stages)

        scores = _StageScores(self, rows)
        order = tuple(range(len(stages)))
        if self.order == "search":
            order = self._search_order(stages, rows, tuning, scores)
        placed = place([stages[i] for i in order], rows.checked, self.accumulate)
        fit = prefit_expert if self.prefit else fit_expert
        fitted = [fit(stage.expert, rows) for stage in placed]
        is_tuned = len(placed) > 1 or (tuning.is_searched and tuning.frees_cut)
        found = scores(placed) if is_tuned else None
        self._assemble(rows, placed, fitted, found, scores.choice)
        return self

    def _search_order(
        self, stages: list[Stage], rows: TrainingRows, tuning: Tuning, scores: _StageScores
    ) -> Order:
        def key(order: Order) -> tuple[float, ...]:
            placed = place([stages[i] for i in order], rows.checked, self.accumulate)
            chain = chain_scores(placed, scores(placed), rows, self.final)
            return tune(chain, tuning, quick=True)[1]

        return best_order(len(stages), key)

    def _assemble(
        self,
        rows: TrainingRows,
        placed: Sequence[PlacedStage],
        experts: Sequence[Expert],
        scores: np.ndarray | None,
        choice: FoldChoice | None = None,
    ) -> None:
        """Find thresholds on `scores` of all stages (None: nothing to find), and become fitted."""
        classes = classes_of(rows.target)
        tuning = self._read_parameters(classes)
        n_classes, costs = len(classes), np.array([stage.cost for stage in placed])
        chain = None if scores is None else chain_scores(placed, scores, rows, self.final)
        if chain is None:
            thresholds = without_scores(tuning, n_classes, float(costs[0]))
            counted = model = Rates(np.full(n_classes, np.nan), np.nan, np.nan)
            ran = None
        else:
            thresholds, _ = tune(chain, tuning)
            tuning.warn_of_limits(chain, stacklevel=3)
            outcome = chain.play(thresholds)
            counted, model = empirical_rates(chain, outcome), predicted_rates(chain, thresholds)
            if tuning.counts_rows:
                warn_of_rare_class(chain, counted, classes, stacklevel=3)
            ran = outcome.ran
        last = policy_for(n_classes).last(thresholds.cut)
        self._become_fitted(
            rows.checked.spec,
            classes_=classes,
            stage_names_=[stage.name for stage in placed],
            estimators_=[expert.model for expert in experts],
            costs_=costs,
            thresholds_=np.array([*thresholds.stages, last]),
            expected_cost_=counted.cost,
            expected_error_=counted.error,
            predicted_cost_=model.cost,
            predicted_error_=model.error,
            stage_summary_=stage_table(chain, placed, ran),
            row_order_={} if choice is None else choice.told(),
            _rates=(counted, model),
            _tuning_scores=chain,
            _chain=FittedChain(
                tuple(placed),
                tuple(experts),
                thresholds,
                classes,
                self.final,
                self.missing,
                self.reject_below,
                self.reject_label,
            ),
        )
        if self.verbose:
            say(
                f"{type(self).__name__}: {' -> '.join(self.stage_names_)}: error "
                f"{counted.error:.3f}, mean cost {counted.cost:.3g} of {costs.sum():.3g} "
                "(out of fold)"
            )

    # -- rates of two classes: there are none of more ------------------------------------------

    @property
    def empirical_far_(self) -> float:
        """False acceptance rate, counted out of fold."""
        return self._rate_of(0, 0, "empirical_far_")

    @property
    def empirical_frr_(self) -> float:
        """False rejection rate, counted out of fold."""
        return self._rate_of(0, 1, "empirical_frr_")

    @property
    def far_bound_(self) -> float:
        """Upper confidence bound of the false acceptance rate."""
        return self._bound_of(0, "far_bound_")

    @property
    def frr_bound_(self) -> float:
        """Upper confidence bound of the false rejection rate."""
        return self._bound_of(1, "frr_bound_")

    @property
    def predicted_far_(self) -> float:
        """False acceptance rate if stages were independent."""
        return self._rate_of(1, 0, "predicted_far_")

    @property
    def predicted_frr_(self) -> float:
        """False rejection rate if stages were independent."""
        return self._rate_of(1, 1, "predicted_frr_")

    def _rate_of(self, which: int, side: int, name: str) -> float:
        rates = vars(self).get("_rates")
        if rates is None or len(rates[which].by_class) != 2:
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}: it is there after a "
                "fit on two classes."
            )
        return float(rates[which].by_class[side])

    def _bound_of(self, side: int, name: str) -> float:
        rate, chain = self._rate_of(0, side, name), self._tuning_scores
        if chain is None:
            return np.nan
        return upper_bound(rate, effective_rows(chain.weights[chain.codes == side]))

    # -- reading parameters --------------------------------------------------------------------

    def _tuning(self) -> Tuning:
        names = [field.name for field in fields(Tuning)]
        return Tuning(**{name: getattr(self, name) for name in names})

    def _read_parameters(self, classes: np.ndarray) -> Tuning:
        tuning = self._tuning()
        tuning.check(len(classes))
        for name, allowed in (("final", ("last", "mean")), ("order", ("given", "search"))):
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"`{name}` must be one of {list(allowed)}; got {getattr(self, name)!r}."
                )
        if self.order == "search" and not tuning.is_searched:
            raise ValueError(
                "`order` must be 'given' unless `thresholds` are searched for ('cost', 'budget', "
                f"'far', 'frr'); got order='search' with thresholds={self.thresholds!r}."
            )
        if self.order == "search" and self.prefit and self.accumulate:
            raise ValueError(
                "`order` must be 'given' with `prefit` and `accumulate`: what a fitted classifier "
                "sees cannot be changed."
            )
        if self.reject_below is not None:
            check_number("reject_below", self.reject_below, 0.0, 1.0)
        if np.ndim(self.reject_label) > 0 or self.reject_label is pd.NA:
            raise TypeError(f"`reject_label` must be one label or None; got {self.reject_label!r}.")
        if self.reject_label is not None and self.reject_label in classes.tolist():
            raise ValueError(
                f"`reject_label` must not be one of the classes {classes.tolist()}; got "
                f"{self.reject_label!r}."
            )
        if self.reject_label is not None and (
            isinstance(self.reject_label, str) != isinstance(classes.tolist()[0], str)
        ):
            # labels of two kinds in one array cannot be compared, sorted or scored
            raise ValueError(
                f"`reject_label` must be of the classes' kind ({type(classes.tolist()[0]).__name__}"
                f"); got {self.reject_label!r}."
            )
        return tuning

    def _fitted_serial(self) -> SerialFusionClassifier:
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class _StageScores:
    """Scores of stages on the training rows; those already known are not computed again."""

    def __init__(self, serial: SerialFusionClassifier, rows: TrainingRows):
        self.rows, self.prefit = rows, serial.prefit
        self.n_jobs, self.verbose = serial.n_jobs, serial.verbose
        self.cv, self.random_state = serial.cv, serial.random_state
        self.choice: FoldChoice | None = None
        self.known: dict[tuple[str, tuple[str, ...]], np.ndarray] = {}

    def __call__(self, placed: Sequence[PlacedStage]) -> np.ndarray:
        new = [stage for stage in placed if (stage.name, stage.inputs) not in self.known]
        if new:
            for stage, scores in zip(new, self._compute(new), strict=True):
                self.known[stage.name, stage.inputs] = scores
        return np.array([self.known[stage.name, stage.inputs] for stage in placed])

    def _compute(self, placed: Sequence[PlacedStage]) -> np.ndarray:
        if self.prefit:
            experts = [prefit_expert(stage.expert, self.rows) for stage in placed]
            try:
                return scores_of(experts, self.rows.checked)
            except NotFittedError as error:
                raise NotFittedError(
                    f"`prefit`=True needs `stages` whose estimators are fitted: {error}"
                ) from error
        if self.choice is None:
            self.choice = self.rows.choose_folds(self.cv, self.random_state, stacklevel=4)
        folds = self.choice.folds
        return out_of_fold_scores(placed, self.rows, folds, self.n_jobs, self.verbose)
