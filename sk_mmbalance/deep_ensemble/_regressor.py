"""`DeepEnsembleRegressor`."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin

from ..neural import MultimodalRegressor
from ._base import DeepEnsemble


class DeepEnsembleRegressor(RegressorMixin, DeepEnsemble):
    """Networks of several seeds whose predictions are averaged.

    `DeepEnsembleClassifier` for numbers.

    Parameters
    ----------
    estimator : regressor, default=None
        What the members are clones of; anything with a ``random_state``, a pipeline that ends in
        such a one included. None is `MultimodalRegressor()`.
    n_estimators : int, default=5
        How many members there are.
    stack : bool or "auto", default="auto"
        Whether members are trained as one stack: "auto" where that is faster, False never.
    n_jobs : int, default=None
        Threads that share out a stack, or processes for members that are trained one by one.
    random_state : int, RandomState or None, default=None
        Draws a seed for every ``random_state`` of every member, whatever the estimator has there.
    verbose : int, default=0
        1 shows a bar while a stack is trained.

    Attributes
    ----------
    estimators_ : list of regressors
        The fitted members.
    vectorized_ : DataFrame
        By member, whether it was trained in a stack, in which, and if not, why.
    modality_names_ : list of str
        Names of the modalities, where members know them; with `modality_shapes_`.
    n_features_in_ : int
        Columns of a flat input, where members know them; with `feature_names_in_`.

    References
    ----------
    .. [1] Lakshminarayanan, Pritzel, Blundell, "Simple and Scalable Predictive Uncertainty
       Estimation using Deep Ensembles", NeurIPS 2017.

    Examples
    --------
    >>> from sk_mmbalance import DeepEnsembleRegressor, MultimodalRegressor
    >>> from sk_mmbalance.datasets import load_digits_views
    >>> X, y = load_digits_views(return_X_y=True)
    >>> network = MultimodalRegressor(max_epochs=5)
    >>> ensemble = DeepEnsembleRegressor(network, n_estimators=2, random_state=0)
    >>> ensemble.fit(X[:500], y[:500].astype(float)).predict(X[500:]).shape
    (1297,)
    """

    def _default(self) -> Any:
        return MultimodalRegressor()

    def predict(self, X: Any) -> np.ndarray:
        """Predict numbers: the mean over members.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array of shape (n_samples, n_features)
            What the members take.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_targets)
            In the units of the target.
        """
        return self._mean("predict", X)
