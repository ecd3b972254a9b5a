"""`ARMClassifier`: two linear classifiers of unequal cost, trained together."""

from __future__ import annotations

from typing import Any

from ..._sklearn import fit_context
from ._base import ARMBase
from ._classifier_base import ARMClassifierBase


class ARMClassifier(ARMClassifierBase):
    """ARM-style classifier: a cheap weak side and an expensive strong side, trained together.

    Two linear predictors, ``f_w`` of the weak columns and ``f_s`` of the strong ones, minimise
    one convex objective::

        J = mean l(y, f_s) + alpha mean l(y, f_w) + coupling/2 mean ||f_s - f_w||^2
            + strong_reg/2 ||W_s||^2
            + lam_w [l1_ratio Omega(W_w) + (1 - l1_ratio)/2 ||W_w||^2]

    The first mean runs over labelled rows that have the strong side, the second over labelled
    rows that have the weak side, the third over rows that have both, labelled or not. The
    penalty ``Omega`` reduces the weak side to its most discriminative columns (or subspace),
    and the coupling pulls the two outputs together. Afterwards the weak predictor can be used
    alone, so that the strong columns need not be acquired.

    After the fit, whichever solver ran, the objective and a duality gap are computed
    independently of it: `dual_gap_` bounds how far the solution is from the optimum.

    **The objective is a reconstruction** from the abstract of [1]_, whose full text was not at
    hand: the method is ARM-style, and no table of the paper is claimed to be reproduced.

    The coupling is meant for scarce strong rows or scarce labels. Where every row is labelled
    and has both sides, expect about the accuracy of two ridge classifiers, not more.

    Parameters
    ----------
    weak : "auto", str or list of str, default="auto"
        Weak modalities. "auto" is the modality that scores lowest alone, by cross-validation;
        if `strong` is named, all the others. A single modality is the strong side, and nothing
        is weak.
    strong : "rest", str or list of str, default="rest"
        Strong modalities. "rest" is every modality that is not weak.
    modalities : dict, default=None
        Column blocks of a flat table, by modality name.
    missing : {"error", "mask"}, default="error"
        Whether rows may lack a modality. A side is missing in a row when one of its modalities
        is; the row then leaves the terms that need it.
    loss : {"squared", "squared_hinge", "log_loss"}, default="squared"
        Squared losses code classes as -1 and +1, one column a class (one in all for two).
    penalty : {"l21", "trace", "l1"}, default="l21"
        "l21" selects weak columns, "trace" a low-dimensional subspace of them, "l1" entries.
    alpha : float, default=1.0
        Weight of the weak side's loss.
    coupling : float, default=0.1
        Strength that pulls the two outputs together. 0 gives two separate models.
    strong_reg : float, default=0.01
        Ridge on the strong side.
    weak_reg : float, default=0.03
        Strength of the weak side's penalty: a fraction of the strength that empties the weak
        side (`lam_w_max_`), or ``lam_w`` itself with ``weak_reg_scale="absolute"``.
    weak_reg_scale : {"max", "absolute"}, default="max"
        What `weak_reg` is measured in.
    l1_ratio : float, default=0.95
        Share of the sparsity penalty in the weak side's regularisation. With 1 and more weak
        columns than rows, the weak coefficients may not be unique.
    fit_intercept : bool, default=True
        Whether both sides have intercepts.
    class_weight : dict or "balanced", default=None
        Weights of the labelled terms.
    predict_with : {"auto", "weak", "strong", "sum", "serial"}, default="auto"
        "auto" takes the mean of both sides' scores where both are present, else the one that
        is. "serial" takes the weak side where it is confident and acquires the strong one for
        the rest. It may be changed after the fit, except to "serial".
    costs : tuple of float, default=None
        Costs of the weak and of the strong side; None stands for (1, 10).
    kappa : float, default=0.01
        Price of a unit of cost, in units of error, when the serial thresholds are tuned.
    temperature : "cv", float or None, default="cv"
        What scores of the squared losses are divided by to be log-odds in `predict_proba`. "cv"
        fits it to scores of rows held out by `cv`, one for each side and one for their mean;
        None makes no probabilities and saves the cross-validation. The scores of the log-loss
        are log-odds as they are. `predict` does not depend on it.
    unlabeled_label : label, default=None
        What marks an unlabelled row in `y` (NaN and -1 are common; it is never guessed). It must
        not be a class. None: all rows are labelled.
    solver : str, default="auto"
        "auto", "schur" (squared loss), "fista", or a solver of cvxpy such as "clarabel",
        "scs", "ecos", "osqp", "highs". "auto" takes cvxpy on small problems, the others beyond.
    solver_options : dict, default=None
        Passed on to a solver of cvxpy.
    tol : float, default=1e-6
        Relative duality gap to reach.
    max_iter : int, default=10000
        Most iterations of the solver.
    cv : int, splitter or iterable, default=5
        Folds for ``weak="auto"``, for the thresholds of ``predict_with="serial"`` and for
        ``temperature="cv"``. A number of folds is stratified, keeps groups together if `groups`
        are given to `fit`, and is lowered to the size of the largest class. A class that a fold
        does not train on is not predicted there. Where rows resemble their neighbours it is cut
        both in order and from shuffled rows, with a `RowOrderWarning`. Splits of your own count
        the rows as you gave them, repeated ones as often as they come.
    warm_start : bool, default=False
        Start from the previous solution (not with a solver of cvxpy).
    verbose : int, default=0
        Whether to say in a line what was learnt.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    weak_modalities_, strong_modalities_ : list of str
        Names of either side's modalities, sorted.
    coef_weak_, coef_strong_ : ndarray of shape (n_outputs, n_features_of_side)
        Coefficients of either side; one row for two classes.
    coef_ : ndarray of shape (n_outputs, n_features)
        Both, modalities in the order of `modality_names_`.
    intercept_weak_, intercept_strong_ : ndarray of shape (n_outputs,)
        Intercepts of either side.
    feature_importances_ : ndarray of shape (n_weak_features,)
        Norms of the weak columns' coefficients.
    support_mask_ : ndarray of bool of shape (n_weak_features,)
        Weak columns that are used.
    subspace_ : ndarray of shape (n_weak_features, rank)
        Orthonormal basis of the weak coefficients' column space.
    rank_ : int
        Dimensions of `subspace_`.
    objective_, dual_gap_ : float
        Objective, and its relative duality gap.
    converged_ : bool
        Whether the gap is small enough; a warning says so where it is not.
    n_iter_ : int
        Iterations of the solver; 1 for a direct one.
    solver_, solver_status_ : str
        Which solver ran, and how it ended.
    lam_w_max_ : float
        The smallest ``lam_w`` at which all weak coefficients are zero.
    n_labeled_, n_strong_, n_paired_ : int
        Labelled rows, labelled rows with the strong side, rows with both sides.
    deferral_ : DeferralRule or None
        Thresholds of the serial mode.
    temperatures_ : dict of str to float
        Fitted temperatures of "weak", "strong" and "both"; empty where none were fitted.
    row_order_ : dict
        How folds were cut, and what the order of rows was found to say, as in
        `LateFusionClassifier`. Empty if nothing was cross-validated.
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
    ARMClassifierCV : Chooses the strengths by cross-validation.
    ARMRegressor : The same for real targets.

    References
    ----------
    .. [1] Y. Yang, H.-J. Ye, D.-C. Zhan, Y. Jiang, "Auxiliary information regularized machine
       for multiple modality feature learning", IJCAI 2015, pp. 1033-1039.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mmbalance import ARMClassifier, Modalities
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 3, 300)
    >>> centres = rng.normal(size=(3, 8))
    >>> X = Modalities(
    ...     face=0.7 * centres[y] + rng.normal(size=(300, 8)),
    ...     fingerprint=2.0 * centres[y] + rng.normal(size=(300, 8)),
    ... )
    >>> arm = ARMClassifier(weak="face", solver="schur").fit(X, y)
    >>> round(arm.score(X, y), 2), bool(arm.dual_gap_ <= 1e-6)
    (1.0, True)
    >>> weak_only = arm.set_params(predict_with="weak")
    >>> round(weak_only.score({"face": X["face"]}, y), 2)
    0.86
    """

    _parameter_constraints: dict = {
        **ARMBase._parameter_constraints,
        **ARMBase._strength_constraints,
        **ARMClassifierBase._classifier_constraints,
        "unlabeled_label": "no_validation",
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
        alpha=1.0,
        coupling=0.1,
        strong_reg=1e-2,
        weak_reg=0.03,
        weak_reg_scale="max",
        l1_ratio=0.95,
        fit_intercept=True,
        class_weight=None,
        predict_with="auto",
        costs=None,
        kappa=0.01,
        temperature="cv",
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
        self.loss = loss
        self.penalty = penalty
        self.alpha = alpha
        self.coupling = coupling
        self.strong_reg = strong_reg
        self.weak_reg = weak_reg
        self.weak_reg_scale = weak_reg_scale
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.predict_with = predict_with
        self.costs = costs
        self.kappa = kappa
        self.temperature = temperature
        self.unlabeled_label = unlabeled_label
        self.solver = solver
        self.solver_options = solver_options
        self.tol = tol
        self.max_iter = max_iter
        self.cv = cv
        self.warm_start = warm_start
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> ARMClassifier:
        """Fit both sides.

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
        self : ARMClassifier
            The fitted estimator.
        """
        rows = self._read_rows(X, y, sample_weight, groups)
        costs = self._check_own(rows.checked)
        values = {
            "alpha": float(self.alpha),
            "coupling": float(self.coupling),
            "strong_reg": float(self.strong_reg),
            "weak_reg": float(self.weak_reg),
        }
        fitted, assembly, found = self._solve(rows, values)
        fitted |= self._from_held_out(assembly, rows, values, costs)
        fitted["row_order_"] = rows.told_of_order(self.cv, stacklevel=3)
        self._warn_unless_converged(found)
        self._set_fitted(fitted, rows.checked)
        return self
