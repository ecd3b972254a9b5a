"""`LateFusionRegressor`: one regressor per modality, fused by their predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import r2_score

from ..base import Target
from ..convex import fit_linear_pool
from ._base import ExpertsRegressor
from ._fusion import pool_numbers
from ._late_fusion_base import LateFusion


class LateFusionRegressor(LateFusion, ExpertsRegressor):
    """One scikit-learn regressor per modality, fused by their predictions.

    The sibling of `LateFusionClassifier` for numbers, of one or several columns. With predictions
    ``f_m`` and weights ``w_m`` of the modalities that a row has, renormalised to sum to 1 over
    these, the rules are

    - "mean": ``f = sum_m w_m f_m``;
    - "stacking": for each column ridge regression on ``f_m - mean(y)`` of all modalities (0 for a
      modality that the row lacks: no evidence), fitted on out-of-fold predictions [1]_.

    Every regressor is fitted on the rows that have its modality.

    Parameters
    ----------
    estimator : regressor or dict of str to regressor, default=None
        Regressor, or one for each modality. None is ridge regression on scaled features. One that
        does not declare ``multi_output`` is fitted once for each column of `y`. Images and
        sequences are flattened, unless the regressor declares to take arrays of three dimensions.
    weights : {"uniform", "cv"}, dict of str to float or array-like, default="uniform"
        Weights of the modalities, by name or in the order of sorted names; they need not sum
        to 1. "cv" minimises the squared error of the fused out-of-fold predictions (weighted by
        `sample_weight`; columns count over their variance) over all weights that are not negative
        and sum to 1, by `sk_mmbalance.convex.fit_linear_pool`. With ``rule="stacking"`` the weights
        are learnt in any case and "uniform" must be left.
    rule : {"mean", "stacking"}, default="mean"
        How predictions are fused.
    cv : int, splitter or iterable of (train, test), default=5
        Cross-validation for ``weights="cv"`` and ``rule="stacking"``. A number of folds cuts rows
        in the order given, and keeps groups together if `groups` are given to `fit`.
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
    estimators_ : dict of str to regressor
        Fitted regressor of each modality.
    weights_ : dict of str to float or None
        Weight of each modality, summing to 1; None with ``rule="stacking"``.
    stacker_ : Ridge, list of Ridge or None
        The fusion of ``rule="stacking"``, where there is more than one modality; one for each
        column where `y` has two dimensions.
    best_modality_ : str or None
        Modality with the highest score in `scores_`; None if nothing was cross-validated.
    scores_ : dict of str to float
        Out-of-fold R² of each modality, weighted by `sample_weight`; empty if nothing was
        cross-validated.
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
    UnimodalRegressor : The best single modality.
    LateFusionClassifier : The same for classes.

    Notes
    -----
    In learning the weights, the mean of `y` stands in for the prediction of a modality that a row
    lacks. If all modalities that a row has weigh 0, they count alike. With a single modality
    nothing is cross-validated and its predictions are given as they are.

    References
    ----------
    .. [1] L. Breiman, "Stacked Regressions", Machine Learning 24, 1996.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mmbalance import LateFusionRegressor, Modalities
    >>> rng = np.random.default_rng(0)
    >>> y = rng.normal(size=200)
    >>> X = Modalities(
    ...     face=y[:, None] + rng.normal(0, 0.5, (200, 2)), voice=y + rng.normal(0, 1, 200)
    ... )
    >>> model = LateFusionRegressor(weights="cv").fit(X, y)
    >>> {name: round(weight, 2) for name, weight in model.weights_.items()}
    {'face': 0.91, 'voice': 0.09}
    >>> round(model.score(X, y), 2)
    0.89
    """

    _rules = ("mean", "stacking")

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None
    ) -> LateFusionRegressor:
        """Fit the regressors, and the weights if they are to be learnt.

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
        self : LateFusionRegressor
            The fitted regressor.

        Raises
        ------
        ValueError
            If `weights` or `rule` are not understood, or input cannot be used.
        TypeError
            If `estimator` is no regressor, or does not take `sample_weight`.
        """
        self._fit(X, y, sample_weight, groups)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Predict numbers.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like
            Multimodal input.

        Returns
        -------
        predictions : ndarray of shape (n_samples,) or (n_samples, n_columns)
            Fused predictions of the modalities that each row has.
        """
        checked = self._read_new(X)
        return self._target.decode(self._fused(checked))

    def _score_of(
        self, target: Target, answers: np.ndarray, y: np.ndarray, weight: np.ndarray | None
    ) -> float:
        return float(r2_score(y, answers, sample_weight=weight))

    def _learn_weights(
        self,
        target: Target,
        answers: np.ndarray,
        present: np.ndarray,
        y: np.ndarray,
        weight: np.ndarray | None,
    ) -> np.ndarray:
        spread = np.sqrt(np.average((y - np.average(y, 0, weight)) ** 2, axis=0, weights=weight))
        spread = np.where(spread > 0, spread, 1.0)
        forecasts = (answers / spread).transpose(1, 0, 2)
        return fit_linear_pool(forecasts, y / spread, sample_weight=weight).weights

    def _fuse(
        self,
        target: Target,
        answers: Sequence[np.ndarray],
        present: np.ndarray,
        weights: np.ndarray,
    ) -> np.ndarray:
        return pool_numbers(list(answers), present, weights)
