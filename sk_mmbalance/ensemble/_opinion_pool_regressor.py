"""`OpinionPoolRegressor`: many experts on numbers, and the linear pool of least squared error."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ..base import FoldChoice, NumberTarget, TrainingRows
from ..experts import Admission, NamedExpert, OutOfFold, auto_regressors
from ._base import ExpertsRegressor
from ._linear_fusion import LinearFusion
from ._opinion_pool_base import OpinionPool
from ._pool_report import joined_tables, side_by_side, told_weights


class OpinionPoolRegressor(OpinionPool, ExpertsRegressor):
    """Many experts on one or several modalities, in a linear opinion pool.

    The sibling of `OpinionPoolClassifier` for numbers. Experts are any regressors, each on one
    modality, on several or on all. Their out-of-fold predictions ``f_e`` teach the weights of

        ``f = sum_e w_e f_e``,  ``w >= 0``,  ``sum_e w_e = 1``,

    the weights that make its squared error least [1]_. This is a convex problem, solved to a
    certified gap by `sk_mmbalance.convex.fit_linear_pool`; then the experts are fitted again on
    all rows. An expert that adds nothing gets weight 0.

    Parameters
    ----------
    experts : {"auto", "auto+nets"}, dict or list, default="auto"
        A dict of name to regressor or to ``(regressor, modalities)``, or a list of ``(name,
        regressor, modalities)``. `modalities` is a name or a list of names; without it, or with
        None, the expert sees them all. A regressor None is ridge regression on scaled features.
        Estimators of this package get the modalities by name, all others a flat table of the
        modalities side by side. One that does not declare ``multi_output`` is fitted once for each
        column of `y`. "auto" is ridge regression (on wide blocks also stronger penalties) and extra
        trees on every modality, from 500 rows also histogram boosting (up to 100 columns) and a
        support vector machine; and where there are several modalities, the same on all of them
        together, which make do with incomplete rows. What would take too long, as reckoned, is left
        out, approximated, or smaller: see `left_out_` and `time_limit`. "auto+nets" has besides a
        joint network on all modalities.
    rule : {"pool", "select"}, default="pool"
        "pool" as above; "select" takes the one expert with the least out-of-fold squared error.
    cv : int, splitter or iterable of (train, test), default=5
        Cross-validation of the experts. A number of folds cuts rows in the order given (where they
        resemble their neighbours also from shuffled rows, with a `RowOrderWarning`), and keeps
        groups together if `groups` are given to `fit`.
    min_pattern_rows : int, default=50
        With ``missing="mask"``: a pattern of modalities gets weights of its own if so many rows
        have all that its experts need. Other patterns get the weights of the complete one,
        renormalised to sum to 1.
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
        Seed of the trees of "auto".

    Attributes
    ----------
    experts_ : dict of str to regressor
        Fitted regressor of each expert, on all rows that have its input.
    weights_ : DataFrame
        One row an expert: `modalities`, and `weight` where all modalities are there.
    modality_weights_ : dict of str to float
        Sum of the weights by modality. An expert on several counts for each of them in equal
        parts, so that the sums add up to 1.
    pattern_weights_ : DataFrame
        Weights learnt for patterns with missing modalities, one row a pattern, one column an
        expert.
    left_out_ : dict of str to str
        Experts that were left out for their cost or by a limit, or that have fewer trees, and why.
    oof_scores_ : DataFrame
        Out-of-fold `r2` and `rmse` of each expert on the rows that have its input, weighted by
        `sample_weight`, with their number `n_rows`; the last row, "pool", is the fusion of the same
        predictions, on which its weights were learnt. Empty if nothing was cross-validated.
    gap_ : float or None
        Certified relative gap of the weights where all modalities are there; 0 for a single
        expert, None with ``rule="select"``.
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
    LateFusionRegressor : One regressor per modality, with equal weights by default.
    OpinionPoolClassifier : The same for classes.
    sk_mmbalance.convex.fit_linear_pool : The solver, for predictions of one's own.

    Notes
    -----
    Where `y` has two dimensions there is a pool for each column, because an expert may know one
    and not another: `weights_`, `pattern_weights_` and `oof_scores_` have "column" as the first
    level of their index, `modality_weights_` holds an array with an entry for each column, and
    `gap_` is such an array.

    Every expert is fitted on the rows that have its input, and drops out where a row lacks it. The
    weights of the complete pattern are learnt on complete rows, if there are `min_pattern_rows` of
    them; else on all, with the mean of `y` in place of what experts without input would say. A row
    for which no expert has its input is predicted by the weighted mean of `y`.

    With a single expert nothing is cross-validated and its predictions are given as they are. Pass
    `groups` where rows resemble one another (speaker, day, person).

    References
    ----------
    .. [1] L. Breiman, "Stacked Regressions", Machine Learning 24, 1996.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mmbalance import Modalities, OpinionPoolRegressor
    >>> rng = np.random.default_rng(0)
    >>> y = rng.normal(size=200)
    >>> X = Modalities(
    ...     face=y[:, None] + rng.normal(0, 0.5, (200, 2)), voice=rng.normal(0, 1, (200, 3))
    ... )
    >>> model = OpinionPoolRegressor(random_state=0).fit(X, y)
    >>> {name: round(weight, 2) for name, weight in model.modality_weights_.items()}
    {'face': 0.89, 'voice': 0.11}
    >>> model.gap_ < 1e-6
    True
    """

    _pool_rules = ("pool", "select")

    def __init__(
        self,
        experts: Any = "auto",
        *,
        rule: str = "pool",
        cv: Any = 5,
        min_pattern_rows: int = 50,
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
        self.cv = cv
        self.min_pattern_rows = min_pattern_rows
        self.modalities = modalities
        self.missing = missing
        self.time_limit = time_limit
        self.memory_limit = memory_limit
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.random_state = random_state

    # -- fit -------------------------------------------------------------------------------

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None
    ) -> OpinionPoolRegressor:
        """Cross-fit the experts, learn their weights, and fit them on all rows.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like
            Multimodal input.
        y : array-like of shape (n_samples,) or (n_samples, n_columns)
            Numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, for all fits.
        groups : array-like of shape (n_samples,), default=None
            Rows of the same group are never divided between training and test part.

        Returns
        -------
        self : OpinionPoolRegressor
            The fitted regressor.

        Raises
        ------
        ValueError
            If a parameter is out of its range, or input cannot be used.
        TypeError
            If an expert is no regressor, or does not take `sample_weight`.
        """
        self._fit(X, y, sample_weight, groups)
        return self

    def _auto(self, rows: TrainingRows, n_columns: int, **limits: Any) -> Admission:
        return auto_regressors(len(rows), n_columns, self.random_state, **limits)

    def _new_fusions(self, named: list[NamedExpert], rows: TrainingRows) -> list[LinearFusion]:
        return [LinearFusion(named, rows.checked.names, self.rule) for _ in rows.y.T]

    def _learn(
        self,
        fusions: list[LinearFusion],
        oof: OutOfFold,
        rows: TrainingRows,
        choice: FoldChoice,
    ) -> pd.DataFrame:
        tested = oof.tested
        tables = {
            k: fusion.learn(
                oof.answers[:, tested, k],
                oof.available[:, tested],
                rows.y[oof.rows, k],
                rows.weight_or_ones[oof.rows] / oof.n_parts,
                rows.checked.present[oof.rows],
                masked=self.missing == "mask",
                min_rows=self.min_pattern_rows * oof.n_parts,
            )
            for k, fusion in enumerate(fusions)
        }
        return tables[0] if _is_one(rows.target) else joined_tables(tables, "column")

    def _told(self, fusions: list[LinearFusion], rows: TrainingRows) -> dict[str, Any]:
        told = [
            {"gap_": f.gap, **told_weights(f.named, f.modality_names, f.weights, {})}
            for f in fusions
        ]
        return told[0] if _is_one(rows.target) else side_by_side(told, "column")

    # -- predict ---------------------------------------------------------------------------

    def predict(self, X: Any) -> np.ndarray:
        """Predict numbers.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like
            Multimodal input.

        Returns
        -------
        predictions : ndarray of shape (n_samples,) or (n_samples, n_columns)
            Pooled predictions of the experts that have their input in each row; the weighted mean
            of `y` where none has.
        """
        checked = self._read_new(X)
        answers = np.stack(list(self._answers(checked).values()))
        if len(answers) == 1:
            return self._target.decode(answers[0])
        fused = np.column_stack(
            [f.fuse(answers[:, :, k], checked.present) for k, f in enumerate(self._fusions)]
        )
        fused[self._without_expert(checked)] = self._prior
        return self._target.decode(fused)

    def unimodal_predict(self, X: Any) -> dict[str, np.ndarray]:
        """Predictions according to the experts of one modality alone.

        They are pooled with weights of their own, learnt on the same out-of-fold predictions.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like
            Multimodal input.

        Returns
        -------
        predictions : dict of str to ndarray of shape (n_samples,) or (n_samples, n_columns)
            By name of modality, for modalities that have experts of their own; NaN in rows that
            lack it.
        """
        checked = self._read_new(X)
        answers = np.stack(list(self._answers(checked).values()))
        own = {}
        for name in self.modality_names_:
            columns = [f.of_modality(name, answers[:, :, k]) for k, f in enumerate(self._fusions)]
            known = [column for column in columns if column is not None]
            if known:
                numbers = np.column_stack(known)
                numbers[~checked.present_in(name)] = np.nan
                own[name] = self._target.decode(numbers)
        return own


def _is_one(target: Any) -> bool:
    """Whether `y` came as a vector."""
    assert isinstance(target, NumberTarget)
    return target.one_dimensional
