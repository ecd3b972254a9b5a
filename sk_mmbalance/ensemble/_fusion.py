"""How probabilities of several modalities become one, and the weights that do it best.

Notation: ``p_m`` probabilities of modality m, ``w_m`` its weight, ``a_m`` whether a row has it.
Weights are renormalised over the modalities a row has, ``u_m = a_m w_m / sum_j a_j w_j``, and

- rule "mean": ``p = sum_m u_m p_m`` (linear opinion pool);
- rule "product": ``p = softmax(sum_m u_m log p_m)`` (logarithmic opinion pool: the normalised
  weighted geometric mean).

Of several labels a row, each is fused by itself, as two classes. Numbers know the rule "mean".
"""

from __future__ import annotations

import warnings

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax
from sklearn.exceptions import ConvergenceWarning

#: Smallest probability a logarithm sees, as in `sklearn.metrics.log_loss`: a tree's zero is not
#: certainty, and one expert should not veto the rest.
SMALLEST = float(np.finfo(np.float64).eps)

#: Smallest weight that the search gives. Not 0: a row may have only this modality.
SMALLEST_WEIGHT = 1e-6


def safe_log(proba: np.ndarray) -> np.ndarray:
    """Take the logarithm, zeros lifted to the smallest probability."""
    return np.log(np.maximum(proba, SMALLEST))


def row_weights(weights: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Renormalise weights over the modalities of each row.

    Where all modalities a row has weigh 0, they count alike.
    """
    given = present * weights
    total = given.sum(axis=1, keepdims=True)
    given = np.where(total > 0, given, present)
    return given / given.sum(axis=1, keepdims=True)


def pool(
    probas: list[np.ndarray], present: np.ndarray, weights: np.ndarray, rule: str
) -> np.ndarray:
    """Pool probabilities of shape (n_samples, n_classes), one array a modality."""
    shares = row_weights(weights, present)
    terms = [proba if rule == "mean" else safe_log(proba) for proba in probas]
    pooled = sum(share[:, None] * term for share, term in zip(shares.T, terms, strict=True))
    if rule == "product":
        pooled = np.exp(log_softmax(pooled, axis=1))
    return pooled / pooled.sum(axis=1, keepdims=True)


def pool_labels(
    probas: list[np.ndarray], present: np.ndarray, weights: np.ndarray, rule: str
) -> np.ndarray:
    """Pool probabilities of labels, (n_samples, n_labels), one array a modality."""
    shape = probas[0].shape
    pooled = pool(*as_two_classes(probas, present), weights, rule)
    return pooled[:, 1].reshape(shape)


def as_two_classes(
    probas: list[np.ndarray], present: np.ndarray
) -> tuple[list[np.ndarray], np.ndarray]:
    """Every label of every row as a row of two classes, and the modalities it has."""
    n_labels = probas[0].shape[1]
    flat = [np.asarray(proba).ravel() for proba in probas]
    return [np.column_stack([1.0 - p, p]) for p in flat], np.repeat(present, n_labels, axis=0)


def pool_numbers(numbers: list[np.ndarray], present: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted mean of numbers of shape (n_samples, n_columns), one array a modality."""
    shares = row_weights(weights, present)
    total = np.zeros(numbers[0].shape)
    for share, own in zip(shares.T, numbers, strict=True):
        total += share[:, None] * own
    return total


def best_weights(
    probas: list[np.ndarray],
    present: np.ndarray,
    codes: np.ndarray,
    sample_weight: np.ndarray | None,
    rule: str,
) -> np.ndarray:
    """Weights on the simplex that minimise the log-loss of the pool, by SLSQP.

    Convex if no row lacks a modality; otherwise the renormalisation makes the minimum a local one,
    sought from equal weights.
    """
    n_modalities = len(probas)
    share = np.ones(len(codes)) if sample_weight is None else np.asarray(sample_weight, float)
    share = share / share.sum()
    loss = _mean_loss if rule == "mean" else _product_loss
    stacked = np.stack(probas if rule == "mean" else [safe_log(p) for p in probas])
    with warnings.catch_warnings():
        # old releases of scipy say so where rounding puts a step beside the bounds, and go on
        warnings.filterwarnings("ignore", "Values in x were outside bounds", RuntimeWarning)
        result = minimize(
            loss,
            np.full(n_modalities, 1.0 / n_modalities),
            args=(stacked.astype(np.float64), present.astype(np.float64), codes, share),
            jac=True,
            method="SLSQP",
            bounds=[(SMALLEST_WEIGHT, 1.0)] * n_modalities,
            constraints={
                "type": "eq",
                "fun": lambda w: w.sum() - 1.0,
                "jac": lambda w: np.ones_like(w),
            },
            options={"ftol": 1e-12, "maxiter": 1000},
        )
    if not result.success:
        warnings.warn(
            f"The search for fusion weights stopped early ({result.message}); the weights may not "
            "be the best.",
            ConvergenceWarning,
            stacklevel=3,
        )
    weights = np.clip(result.x, SMALLEST_WEIGHT, 1.0)
    return weights / weights.sum()


def _mean_loss(
    w: np.ndarray, probas: np.ndarray, present: np.ndarray, codes: np.ndarray, share: np.ndarray
) -> tuple[float, np.ndarray]:
    """Log-loss of the linear pool and its gradient; `probas` is (n_modalities, n, n_classes)."""
    true = present * probas[:, np.arange(len(codes)), codes].T  # (n, n_modalities)
    top, bottom = true @ w, present @ w
    lifted = np.maximum(top, SMALLEST * bottom)
    slope = np.where(top > SMALLEST * bottom, share / lifted, 0.0)
    loss = -share @ np.log(lifted / bottom)
    return loss, -(slope @ true) + np.where(slope > 0, share / bottom, 0.0) @ present


def _product_loss(
    w: np.ndarray, logs: np.ndarray, present: np.ndarray, codes: np.ndarray, share: np.ndarray
) -> tuple[float, np.ndarray]:
    """Log-loss of the logarithmic pool and its gradient; `logs` is (n_modalities, n, n_classes)."""
    bottom = present @ w
    shares = present * w / bottom[:, None]
    pooled = np.einsum("im,mik->ik", shares, logs)
    log_p = log_softmax(pooled, axis=1)
    rows = np.arange(len(codes))
    # d loss / d pooled = (p - onehot); d pooled / d w_m = a_m (log p_m - pooled) / sum_j a_j w_j
    error = np.exp(log_p)
    error[rows, codes] -= 1.0
    error *= (share / bottom)[:, None]
    gradient = np.einsum("ik,mik,im->m", error, logs, present)
    gradient -= np.einsum("ik,ik,im->m", error, pooled, present)
    return -share @ log_p[rows, codes], gradient
