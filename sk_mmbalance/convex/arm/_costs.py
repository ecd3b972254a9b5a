"""A scorer that sets the error against the cost of acquiring the modalities."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np


def cost_scorer(kappa: float = 0.01) -> Callable[..., float]:
    """Make a scorer of ``-(error + kappa * mean acquisition cost per row)``.

    Parameters
    ----------
    kappa : float, default=0.01
        Price of one unit of cost, in units of error.

    Returns
    -------
    scorer : callable
        ``scorer(estimator, X, y)`` for `GridSearchCV` and the like, larger is better. The
        estimator must have `acquisition_cost`.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mmbalance import ARMClassifier, Modalities
    >>> from sk_mmbalance.convex import cost_scorer
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(200) % 2
    >>> X = Modalities(
    ...     face=y[:, None] + rng.normal(size=(200, 3)),
    ...     fingerprint=2 * y[:, None] + rng.normal(size=(200, 3)),
    ... )
    >>> arm = ARMClassifier(weak="face", solver="schur").fit(X, y)
    >>> scorer = cost_scorer(kappa=0.05)
    >>> round(scorer(arm.set_params(predict_with="weak"), X, y), 2)
    -0.27
    >>> round(scorer(arm.set_params(predict_with="strong"), X, y), 2)
    -0.56
    """
    if not (np.isfinite(kappa) and kappa >= 0):
        raise ValueError(f"`kappa` must be a number >= 0; got {kappa!r}.")
    return partial(_score, kappa)


def _score(kappa: float, estimator: Any, X: Any, y: Any) -> float:
    error = 1.0 - float(np.mean(estimator.predict(X) == np.asarray(y)))
    return -(error + kappa * estimator.acquisition_cost(X).mean)
