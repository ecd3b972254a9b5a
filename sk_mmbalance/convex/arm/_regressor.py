"""`ARMRegressor`: two linear regressors of unequal cost, trained together."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import r2_score

from ..._sklearn import StrOptions, fit_context
from ...base import ModalityRegressor, NumberTarget
from ._base import ARMBase
from ._prediction import MODES
from ._rows import ARMRows


class ARMRegressor(ARMBase, ModalityRegressor):
    """ARM-style regressor: a cheap weak side and an expensive strong side, trained together.

    The objective of `ARMClassifier` with the squared loss and real targets. **It is a
    reconstruction** from the abstract of [1]_ and claims no reproduction of the paper.

    Parameters
    ----------
    weak : "auto", str or list of str, default="auto"
        Weak modalities. "auto" is the modality that scores lowest alone, by cross-validation;
        if `strong` is named, all the others. A single modality is the strong side.
    strong : "rest", str or list of str, default="rest"
        Strong modalities. "rest" is every modality that is not weak.
    modalities : dict, default=None
        Column blocks of a flat table, by modality name.
    missing : {"error", "mask"}, default="error"
        Whether rows may lack a modality.
    penalty : {"l21", "trace", "l1"}, default="l21"
        As in `ARMClassifier`.
    alpha : float, default=1.0
        Weight of the weak side's loss.
    coupling : float, default=0.1
        Strength that pulls the two outputs together. 0 gives two separate models.
    strong_reg : float, default=0.01
        Ridge on the strong side.
    weak_reg : float, default=0.03
        Strength of the weak side's penalty, as a fraction of `lam_w_max_`, or itself with
        ``weak_reg_scale="absolute"``.
    weak_reg_scale : {"max", "absolute"}, default="max"
        What `weak_reg` is measured in.
    l1_ratio : float, default=0.95
        Share of the sparsity penalty in the weak side's regularisation.
    fit_intercept : bool, default=True
        Whether both sides have intercepts.
    predict_with : {"auto", "weak", "strong", "sum"}, default="auto"
        "auto" takes the mean of both sides where both are present, else the one that is.
    costs : tuple of float, default=None
        Costs of the weak and of the strong side; None stands for (1, 10).
    unlabeled_label : float, default=None
        What marks an unlabelled row in `y` (in every target); ``numpy.nan`` is allowed.
    solver : str, default="auto"
        "auto", "schur", "fista", or a solver of cvxpy.
    solver_options : dict, default=None
        Passed on to a solver of cvxpy.
    tol : float, default=1e-6
        Relative duality gap to reach.
    max_iter : int, default=10000
        Most iterations of the solver.
    cv : int, splitter or iterable, default=5
        Folds for ``weak="auto"``; cut both ways where rows resemble their neighbours, as in
        `ARMClassifier`.
    warm_start : bool, default=False
        Start from the previous solution (not with a solver of cvxpy).
    verbose : int, default=0
        Whether to say in a line what was learnt.

    Attributes
    ----------
    coef_weak_, coef_strong_ : ndarray of shape (n_features_of_side,) or \
            (n_targets, n_features_of_side)
        Coefficients of either side.
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        Both, modalities in the order of `modality_names_`.
    intercept_weak_, intercept_strong_ : float or ndarray of shape (n_targets,)
        Intercepts of either side.
    weak_modalities_, strong_modalities_, feature_importances_, support_mask_, subspace_, \
    rank_, objective_, dual_gap_, converged_, n_iter_, solver_, solver_status_, lam_w_max_, \
    n_labeled_, n_strong_, n_paired_, row_order_, modality_names_, modality_shapes_, \
    n_features_in_, feature_names_in_
        As in `ARMClassifier`.

    References
    ----------
    .. [1] Y. Yang, H.-J. Ye, D.-C. Zhan, Y. Jiang, "Auxiliary information regularized machine
       for multiple modality feature learning", IJCAI 2015, pp. 1033-1039.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mmbalance import ARMRegressor, Modalities
    >>> rng = np.random.default_rng(0)
    >>> hidden = rng.normal(size=200)
    >>> X = Modalities(
    ...     cheap=hidden[:, None] + 2.0 * rng.normal(size=(200, 5)),
    ...     dear=hidden[:, None] + 0.5 * rng.normal(size=(200, 5)),
    ... )
    >>> arm = ARMRegressor(weak="cheap", solver="schur").fit(X, hidden)
    >>> round(arm.set_params(predict_with="strong").score(X, hidden), 2)
    0.95
    >>> round(arm.set_params(predict_with="weak").score({"cheap": X["cheap"]}, hidden), 2)
    0.55
    """

    kappa = 0.0
    _least_scored = 2  # R2 of a single row is none

    _parameter_constraints: dict = {
        **{k: v for k, v in ARMBase._parameter_constraints.items() if k != "kappa"},
        **ARMBase._strength_constraints,
        "predict_with": [StrOptions(set(MODES) - {"serial"})],
        "unlabeled_label": "no_validation",
    }

    def __init__(
        self,
        weak="auto",
        strong="rest",
        *,
        modalities=None,
        missing="error",
        penalty="l21",
        alpha=1.0,
        coupling=0.1,
        strong_reg=1e-2,
        weak_reg=0.03,
        weak_reg_scale="max",
        l1_ratio=0.95,
        fit_intercept=True,
        predict_with="auto",
        costs=None,
        unlabeled_label=None,
        solver="auto",
        solver_options=None,
        tol=1e-6,
        max_iter=10000,
        cv=5,
        warm_start=False,
        verbose=0,
    ):
        self.weak = weak
        self.strong = strong
        self.modalities = modalities
        self.missing = missing
        self.penalty = penalty
        self.alpha = alpha
        self.coupling = coupling
        self.strong_reg = strong_reg
        self.weak_reg = weak_reg
        self.weak_reg_scale = weak_reg_scale
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.predict_with = predict_with
        self.costs = costs
        self.unlabeled_label = unlabeled_label
        self.solver = solver
        self.solver_options = solver_options
        self.tol = tol
        self.max_iter = max_iter
        self.cv = cv
        self.warm_start = warm_start
        self.verbose = verbose

    def _read_rows(self, X: Any, y: Any, sample_weight: Any, groups: Any) -> ARMRows:
        """What `fit` was given, with the targets and weights of the objective."""
        given = self._read_training(X, y, sample_weight, groups, unlabelled=self.unlabeled_label)
        labeled = given.target.is_known(given.y)
        targets = np.where(labeled[:, None], given.y, 0.0)
        weights = given.weight_or_ones.astype(np.float64)
        return ARMRows(given, targets, labeled, weights, weights)

    def _describe(self, rows: ARMRows, *parts: Any) -> dict[str, Any]:
        target = rows.given.target
        assert isinstance(target, NumberTarget)
        return super()._describe(rows, *parts) | {"_one_target": target.one_dimensional}

    def _score_of(self, scores: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> float:
        return float(r2_score(truth, scores, sample_weight=weights))

    def _oriented(self, matrix: np.ndarray) -> np.ndarray:
        return matrix[:, 0] if self._one_target else matrix.T

    @property
    def intercept_weak_(self) -> Any:
        """Weak intercept."""
        full = super().intercept_weak_
        return float(full[0]) if self._one_target else full

    @property
    def intercept_strong_(self) -> Any:
        """Strong intercept."""
        full = super().intercept_strong_
        return float(full[0]) if self._one_target else full

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> ARMRegressor:
        """Fit both sides.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like
            Multimodal input.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows. A weight of 0 is as good as leaving the row out.
        groups : array-like of shape (n_samples,), default=None
            For the splits of `cv`; with an integer `cv` rows of a group stay together.

        Returns
        -------
        self : ARMRegressor
            The fitted estimator.
        """
        rows = self._read_rows(X, y, sample_weight, groups)
        self._check_own(rows.checked)
        values = {
            "alpha": float(self.alpha),
            "coupling": float(self.coupling),
            "strong_reg": float(self.strong_reg),
            "weak_reg": float(self.weak_reg),
        }
        fitted, _, found = self._solve(rows, values)
        fitted["row_order_"] = rows.told_of_order(self.cv, stacklevel=3)
        self._warn_unless_converged(found)
        self._set_fitted(fitted, rows.checked)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Prediction of each row.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like
            Multimodal input.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_targets)
            Predicted targets.
        """
        scores, _, _ = self._combined_scores(X)
        return scores[:, 0] if self._one_target else scores
