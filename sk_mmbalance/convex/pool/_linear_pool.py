"""Weights of a linear opinion pool of numbers: least squares on the simplex, with a certificate.

Forecasts ``f_e`` of one or several columns of numbers ``y`` are fused as ``sum_e w_e f_e`` with
``w >= 0`` and ``sum_e w_e = 1``. Because the weights sum to 1, the error of the pool is the pool of
the errors, and with ``G_de`` the weighted mean product of the errors of d and e

    ``mean squared error = w' G w``.

Its minimum on the simplex is the point of least norm in the convex hull of the errors. That point
is ``x / sum(x)`` for the solution ``x`` of a non-negative least-squares problem with a row of ones
added [1]_, which an active-set method solves exactly, up to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import nnls


@dataclass(frozen=True, eq=False)
class LinearPoolSolution:
    """Weights of a linear pool.

    Attributes
    ----------
    weights : ndarray of shape (n_experts,)
        Not negative, summing to 1.
    loss : float
        Weighted mean squared error, summed over columns.
    gap : float
        Certified upper bound on what any other weights could save, as a part of `loss`.
    """

    weights: np.ndarray
    loss: float
    gap: float


def fit_linear_pool(forecasts: Any, y: Any, *, sample_weight: Any = None) -> LinearPoolSolution:
    """Find the weights of least squared error on the simplex.

    Parameters
    ----------
    forecasts : array-like of shape (n_samples, n_experts) or (n_samples, n_experts, n_columns)
        Numbers that each expert forecasts, best for rows it was not fitted on.
    y : array-like of shape (n_samples,) or (n_samples, n_columns)
        What came.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows, not negative.

    Returns
    -------
    LinearPoolSolution
        Weights, loss and certificate.

    Raises
    ------
    ValueError
        If shapes do not fit, numbers are not finite, or no row has a positive weight.

    Notes
    -----
    The squared error is convex, so for any weights ``v`` on the simplex ``loss(v) >= loss(w) +
    gradient' (v - w)``, and the least of the right side over the simplex is at one of its corners:
    ``gap = (w' gradient - min_e gradient_e) / loss``.

    References
    ----------
    .. [1] C. L. Lawson, R. J. Hanson, "Solving Least Squares Problems", chapter 23, SIAM 1995.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mmbalance.convex import fit_linear_pool
    >>> rng = np.random.default_rng(0)
    >>> y = rng.normal(size=200)
    >>> forecasts = y[:, None] + rng.normal(0, [0.5, 1.0, 5.0], (200, 3))
    >>> solution = fit_linear_pool(forecasts, y)
    >>> solution.weights.round(2)
    array([0.77, 0.23, 0.  ])
    >>> solution.gap < 1e-9
    True
    """
    errors, share = _read(forecasts, y, sample_weight)
    n_experts = errors.shape[1]
    rooted = np.sqrt(share)[:, None, None] * errors
    stacked = rooted.transpose(0, 2, 1).reshape(-1, n_experts)
    factor = np.asarray(np.linalg.qr(stacked, mode="r"))
    # experts of any unit: the row of ones should weigh about what their errors do
    scale = float(np.sqrt((factor**2).sum(axis=0).min()))
    scale = scale if scale > 0 else max(float(np.abs(factor).max()), 1.0)
    found, _ = nnls(
        np.vstack([factor / scale, np.ones(n_experts)]), np.append(np.zeros(len(factor)), 1.0)
    )
    weights = found / found.sum()
    gradient = 2.0 * factor.T @ (factor @ weights)
    loss = float(weights @ gradient) / 2.0
    slack = max(float(weights @ gradient - gradient.min()), 0.0)
    return LinearPoolSolution(weights, loss, slack / loss if slack > 0 else 0.0)


def _read(forecasts: Any, y: Any, sample_weight: Any) -> tuple[np.ndarray, np.ndarray]:
    """Errors, (n_samples, n_experts, n_columns), and shares of the rows."""
    forecasts, y = np.asarray(forecasts, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if forecasts.ndim == 2 and y.ndim == 1:
        forecasts, y = forecasts[:, :, None], y[:, None]
    expected = (*forecasts.shape[:1], *forecasts.shape[2:])
    if forecasts.ndim != 3 or y.shape != expected or not forecasts.size:
        raise ValueError(
            "`forecasts` must have shape (n_samples, n_experts) for `y` of shape (n_samples,), or "
            "(n_samples, n_experts, n_columns) for (n_samples, n_columns), with at least one of "
            f"each; got {forecasts.shape} and {y.shape}."
        )
    if not (np.isfinite(forecasts).all() and np.isfinite(y).all()):
        raise ValueError("`forecasts` and `y` must be finite.")
    weight = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight, float)
    if weight.shape != (len(y),) or not np.isfinite(weight).all() or (weight < 0).any():
        raise ValueError(
            f"`sample_weight` must be {len(y)} finite numbers of at least 0; got shape "
            f"{weight.shape}."
        )
    if not weight.any():
        raise ValueError("`sample_weight` must be positive in at least one row.")
    return forecasts - y[:, None, :], weight / weight.sum()
