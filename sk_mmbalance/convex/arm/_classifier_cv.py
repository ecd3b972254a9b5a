"""`ARMClassifierCV`: the strengths of an ARM-style classifier chosen by cross-validation."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import product
from numbers import Integral, Real
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from scipy.stats import rankdata
from sklearn.metrics import check_scoring, get_scorer_names
from tqdm.auto import tqdm

from ..._sklearn import ArrayLike, Interval, StrOptions, fit_context
from ...modalities import Modalities
from ._assembly import Assembly, LinearSide
from ._base import LARGEST_STRENGTH, ARMBase
from ._classifier import ARMClassifier
from ._classifier_base import ARMClassifierBase
from ._combination import combine
from ._fold import FoldFit
from ._rows import ARMRows

#: Couplings worth trying; the log-loss's scores are larger, and 1 or more flattens them.
COUPLINGS = {
    "squared": (0.0, 0.1, 0.3, 1.0, 3.0),
    "squared_hinge": (0.0, 0.1, 0.3, 1.0, 3.0),
    "log_loss": (0.0, 0.01, 0.03, 0.1, 0.3),
}

#: From an empty weak side down to a thousandth of that strength.
WEAK_REGS = tuple(np.geomspace(1.0, 1e-3, 10))

Candidate = dict[str, float]


class ARMClassifierCV(ARMClassifierBase):
    """ARM-style classifier with cross-validated strengths.

    Every fold computes its Gram matrices once; for each `coupling`, `alpha` and `strong_reg`
    the weak side's strength goes down a path, each solution starting from the one before.
    Candidates are scored for the prediction mode chosen ("serial" as "sum": its thresholds are
    tuned after the choice), on rows that have what the mode needs.

    See `ARMClassifier` for the objective and for the parameters not described here. **The
    objective is a reconstruction** from the abstract of [1]_.

    Parameters
    ----------
    weak : "auto", str or list of str, default="auto"
        Weak modalities, as in `ARMClassifier`.
    strong : "rest", str or list of str, default="rest"
        Strong modalities, as in `ARMClassifier`.
    alphas : array-like of float, default=(1.0,)
        Weights of the weak side's loss to try.
    couplings : array-like of float, default=None
        Strengths that pull the outputs together. None stands for (0, 0.1, 0.3, 1, 3), and with the
        log-loss for (0, 0.01, 0.03, 0.1, 0.3). With 0 among them two separate models are a
        candidate.
    strong_regs : array-like of float, default=(0.001, 0.01, 0.1)
        Ridges on the strong side.
    weak_regs : array-like of float, default=None
        Strengths of the weak side's penalty. None stands for 10 values from 1 to 0.001, as
        fractions of `lam_w_max_`.
    scoring : str or callable, default=None
        None is accuracy (weighted by `sample_weight`); else a scorer of scikit-learn.
    cv : int, splitter or iterable, default=5
        Used for the choice, for ``weak="auto"``, for the serial thresholds and for the
        temperatures, as in `ARMClassifier`. Where there is one candidate only, nothing is
        cross-validated for the choice. Where rows resemble their neighbours there are twice as
        many splits, of rows in order and of shuffled rows.
    n_jobs : int, default=None
        Folds in parallel.
    modalities, missing, loss, penalty, weak_reg_scale, l1_ratio, fit_intercept, class_weight, \
    predict_with, costs, kappa, temperature, unlabeled_label, solver, solver_options, tol, \
    max_iter, warm_start, verbose
        As in `ARMClassifier`. The path uses the first-order solvers unless `solver` names one
        of cvxpy.

    Attributes
    ----------
    best_params_ : dict
        Chosen ``alpha``, ``coupling``, ``strong_reg`` and ``weak_reg``.
    best_score_ : float or None
        Mean score of the chosen candidate; None without cross-validation.
    best_index_ : int
        Place of the chosen candidate in `cv_results_`.
    cv_results_ : dict of ndarray
        ``param_...``, ``split0_test_score`` and so on, ``mean_test_score``,
        ``std_test_score``, ``rank_test_score`` and ``mean_n_selected`` (weak columns kept).
    n_splits_ : int
        Number of splits; 0 without cross-validation.
    classes_, weak_modalities_, strong_modalities_, coef_weak_, coef_strong_, coef_, \
    intercept_weak_, intercept_strong_, feature_importances_, support_mask_, subspace_, rank_, \
    objective_, dual_gap_, converged_, n_iter_, solver_, solver_status_, lam_w_max_, \
    n_labeled_, n_strong_, n_paired_, deferral_, temperatures_, row_order_
        Of the model fitted to all rows with the chosen strengths.

    References
    ----------
    .. [1] Y. Yang, H.-J. Ye, D.-C. Zhan, Y. Jiang, "Auxiliary information regularized machine
       for multiple modality feature learning", IJCAI 2015, pp. 1033-1039.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mmbalance import ARMClassifierCV, Modalities
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 3, 300)
    >>> centres = rng.normal(size=(3, 8))
    >>> X = Modalities(
    ...     face=0.7 * centres[y] + rng.normal(size=(300, 8)),
    ...     fingerprint=2.0 * centres[y] + rng.normal(size=(300, 8)),
    ... )
    >>> arm = ARMClassifierCV(weak="face", solver="schur", predict_with="weak").fit(X, y)
    >>> len(arm.cv_results_["params"]), round(arm.best_score_, 2)
    (150, 0.84)
    """

    _parameter_constraints: dict = {
        **ARMBase._parameter_constraints,
        **ARMClassifierBase._classifier_constraints,
        "alphas": [ArrayLike()],
        "couplings": [ArrayLike(), None],
        "strong_regs": [ArrayLike()],
        "weak_regs": [ArrayLike(), None],
        "unlabeled_label": "no_validation",
        "scoring": [StrOptions(set(get_scorer_names())), callable, None],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        weak="auto",
        strong="rest",
        *,
        modalities=None,
        missing="error",
        loss="squared",
        penalty="l21",
        alphas=(1.0,),
        couplings=None,
        strong_regs=(1e-3, 1e-2, 1e-1),
        weak_regs=None,
        weak_reg_scale="max",
        l1_ratio=0.95,
        fit_intercept=True,
        class_weight=None,
        predict_with="auto",
        costs=None,
        kappa=0.01,
        temperature="cv",
        unlabeled_label=None,
        scoring=None,
        solver="auto",
        solver_options=None,
        tol=1e-6,
        max_iter=10000,
        cv=5,
        n_jobs=None,
        warm_start=False,
        verbose=0,
    ):
        self.weak = weak
        self.strong = strong
        self.modalities = modalities
        self.missing = missing
        self.loss = loss
        self.penalty = penalty
        self.alphas = alphas
        self.couplings = couplings
        self.strong_regs = strong_regs
        self.weak_regs = weak_regs
        self.weak_reg_scale = weak_reg_scale
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.predict_with = predict_with
        self.costs = costs
        self.kappa = kappa
        self.temperature = temperature
        self.unlabeled_label = unlabeled_label
        self.scoring = scoring
        self.solver = solver
        self.solver_options = solver_options
        self.tol = tol
        self.max_iter = max_iter
        self.cv = cv
        self.n_jobs = n_jobs
        self.warm_start = warm_start
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> ARMClassifierCV:
        """Choose the strengths and fit both sides with them.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like
            Multimodal input.
        y : array-like of shape (n_samples,)
            Class labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows. A weight of 0 is as good as leaving the row out.
        groups : array-like of shape (n_samples,), default=None
            For the splits of `cv`; with an integer `cv` rows of a group stay together.

        Returns
        -------
        self : ARMClassifierCV
            The fitted estimator.
        """
        rows = self._read_rows(X, y, sample_weight, groups)
        costs = self._check_own(rows.checked)
        grid = self._grid()
        middle = grid["strong_reg"][len(grid["strong_reg"]) // 2]
        weak, strong = self._find_sides(rows, middle)
        assembly = self._assemble(rows, weak, strong)
        if not weak:
            grid |= {"alpha": [0.0], "coupling": [0.0], "weak_reg": [0.0]}
        candidates = _candidates(grid)
        self._check_rows(assembly, rows, bool(weak), grid["alpha"][-1], grid["coupling"][-1])
        described = self._describe(rows, assembly, weak, strong)
        chosen: dict[str, Any] = {
            "best_index_": 0,
            "best_score_": None,
            "n_splits_": 0,
            "cv_results_": {},
        }
        if len(candidates) > 1:
            chosen = self._choose(assembly, rows, candidates, described)
        best = candidates[chosen["best_index_"]]
        fitted, found = self._solve_assembled(assembly, rows, best)
        fitted |= described | chosen
        fitted |= self._from_held_out(assembly, rows, best, costs)
        fitted["best_params_"] = best
        fitted["row_order_"] = rows.told_of_order(self.cv, stacklevel=3)
        self._warn_unless_converged(found)
        self._set_fitted(fitted, rows.checked)
        if self.verbose and len(candidates) > 1:
            strengths = ", ".join(f"{key}={value:.3g}" for key, value in best.items())
            tqdm.write(
                f"{type(self).__name__}: score {self.best_score_:.3f} out of fold with {strengths}"
            )
        return self

    def _grid(self) -> dict[str, list[float]]:
        """Values of each strength, in order, checked."""
        couplings = COUPLINGS[self.loss] if self.couplings is None else self.couplings
        if self.weak_regs is None and self.weak_reg_scale == "absolute":
            raise ValueError(
                "`weak_regs` must be given with `weak_reg_scale`='absolute'; the default values "
                "are fractions of the largest useful strength."
            )
        given = {
            "alpha": ("alphas", self.alphas, "both"),
            "coupling": ("couplings", couplings, "both"),
            "strong_reg": ("strong_regs", self.strong_regs, "right"),
            "weak_reg": (
                "weak_regs",
                WEAK_REGS if self.weak_regs is None else self.weak_regs,
                "both",
            ),
        }
        grid = {}
        for key, (parameter, values, closed) in given.items():
            allowed = Interval(Real, 0, LARGEST_STRENGTH, closed=closed)
            try:
                values = np.atleast_1d(np.asarray(values, dtype=float)).ravel().tolist()
            except (TypeError, ValueError) as error:
                raise TypeError(f"`{parameter}` must be numbers; got {values!r}.") from error
            bad = [value for value in values if value not in allowed]
            if bad or not values:
                raise ValueError(
                    f"`{parameter}` must be numbers in {allowed}; got {bad or 'no value'}."
                )
            grid[key] = sorted(set(values))
        return grid

    def _choose(
        self,
        assembly: Assembly,
        rows: ARMRows,
        candidates: list[Candidate],
        described: dict[str, Any],
    ) -> dict[str, Any]:
        """Score every candidate on every split."""
        usable = rows.counted & _scorable(assembly, self.predict_with)
        splits = [fold for part in rows.splits(self.cv, usable, with_rest=True) for fold in part]
        parallel = Parallel(
            n_jobs=self.n_jobs, verbose=max(0, int(self.verbose) - 1), return_as="generator"
        )
        paths = parallel(
            delayed(self._score_path)(assembly, rows, train, test, candidates, described)
            for train, test in splits
        )
        if self.verbose:  # a bar that shows nothing would still start a thread that stays
            paths = tqdm(paths, total=len(splits), desc=type(self).__name__, unit="fold")
        results = list(paths)
        scores = np.array([result[0] for result in results])
        masses = np.array([np.sum(rows.weights[test]) for _, test in splits])
        mean = np.average(scores, axis=0, weights=masses)
        # the candidates run from simple to elaborate: ties, up to rounding, keep the simple one
        best = int(np.argmax(np.round(mean, 10)))
        table: dict[str, Any] = {
            f"param_{key}": np.array([c[key] for c in candidates]) for key in candidates[0]
        }
        table["params"] = candidates
        table |= {f"split{i}_test_score": row for i, row in enumerate(scores)}
        table |= {
            "mean_test_score": mean,
            "std_test_score": scores.std(axis=0),
            "rank_test_score": rankdata(-np.round(mean, 10), method="min").astype(int),
            "mean_n_selected": np.mean([result[1] for result in results], axis=0),
        }
        return {
            "best_index_": best,
            "best_score_": float(mean[best]),
            "n_splits_": len(splits),
            "cv_results_": table,
        }

    def _score_path(
        self,
        assembly: Assembly,
        rows: ARMRows,
        train: np.ndarray,
        test: np.ndarray,
        candidates: list[Candidate],
        described: dict[str, Any],
    ) -> tuple[np.ndarray, np.ndarray]:
        """Scores on `test` and numbers of weak columns kept, of every candidate."""
        fold = FoldFit(
            assembly,
            rows,
            train,
            alpha=max(c["alpha"] for c in candidates),
            coupling=max(c["coupling"] for c in candidates),
            make_engine=partial(self._engine, auto="own"),
            strengths_of=self._strengths,
        )
        scores, kept = np.zeros(len(candidates)), np.zeros(len(candidates))
        for place, candidate in enumerate(candidates):
            strong, weak = fold.sides(**candidate)
            scores[place] = self._score_sides(assembly, rows, test, strong, weak, described)
            kept[place] = np.sum(np.any(weak.coef != 0, axis=1))
        return scores, kept

    def _score_sides(
        self,
        assembly: Assembly,
        rows: ARMRows,
        test: np.ndarray,
        strong: LinearSide,
        weak: LinearSide,
        described: dict[str, Any],
    ) -> float:
        mode = "sum" if self.predict_with == "serial" else self.predict_with
        if self.scoring is None:
            strong_scores, weak_scores = assembly.scores(strong, weak, test)
            combined, _, _ = combine(
                mode if assembly.weak.shape[1] else "strong",
                weak_scores,
                strong_scores,
                weak_seen=assembly.weak_seen[test],
                strong_seen=assembly.strong_seen[test],
            )
            return self._score_of(combined, rows.truth[test], rows.weights[test])
        shell = ARMClassifier(
            loss=self.loss, missing=self.missing, predict_with=mode, temperature=None
        )
        shell._set_fitted({**described, "_strong_side": strong, "_weak_side": weak}, rows.checked)
        part = rows.checked.rows(test)
        truth = described["classes_"][rows.truth[test]]
        scorer = check_scoring(shell, scoring=self.scoring)
        return float(scorer(shell, Modalities(part.arrays), truth))


def _candidates(grid: Mapping[str, list[float]]) -> list[Candidate]:
    """Every combination, simple ones first: weakly coupled, strongly regularised."""
    return [
        {"alpha": alpha, "coupling": coupling, "strong_reg": strong, "weak_reg": weak}
        for coupling, strong, alpha, weak in product(
            grid["coupling"], grid["strong_reg"][::-1], grid["alpha"], grid["weak_reg"][::-1]
        )
        if not (alpha == 0 and coupling == 0 and len(grid["alpha"]) + len(grid["coupling"]) > 2)
    ]


def _scorable(assembly: Assembly, mode: str) -> np.ndarray:
    """Rows that have what the prediction mode needs."""
    if not assembly.weak.shape[1] or mode == "strong":
        return assembly.strong_seen
    if mode == "weak":
        return assembly.weak_seen
    if mode == "auto":
        return assembly.strong_seen | assembly.weak_seen
    return assembly.strong_seen & assembly.weak_seen
