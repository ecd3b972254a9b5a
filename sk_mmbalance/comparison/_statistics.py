"""Paired differences over folds that share training rows."""

from __future__ import annotations

import numpy as np
from scipy.stats import t as student


def corrected_interval(
    differences: np.ndarray, test_share: float, confidence: float = 0.95
) -> tuple[float, float, float]:
    """Corrected resampled t interval of a mean difference.

    Folds share training rows, so that their differences vary less than those of new data sets.
    Nadeau and Bengio [1]_ widen the variance of the mean of k differences from ``s^2 / k`` to
    ``(1 / k + n_test / n_train) s^2``.

    Parameters
    ----------
    differences : ndarray of shape (k,)
        Paired differences, one for each fold.
    test_share : float
        Test rows divided by training rows.
    confidence : float, default=0.95
        Level of the interval.

    Returns
    -------
    low, high : float
        The interval; NaN for a single fold.
    standard_error : float
        The corrected standard error of the mean; NaN for a single fold.

    References
    ----------
    .. [1] C. Nadeau, Y. Bengio, "Inference for the Generalization Error", Machine Learning 52,
       2003.
    """
    k = len(differences)
    if k < 2:
        return float("nan"), float("nan"), float("nan")
    mean = float(np.mean(differences))
    error = float(np.sqrt((1 / k + test_share) * np.var(differences, ddof=1)))
    reach = float(student.ppf(0.5 + confidence / 2, k - 1)) * error
    return mean - reach, mean + reach, error
