"""Formulae on scores of coalitions; a coalition is a number whose bit m stands for modality m."""

from __future__ import annotations

from math import factorial

import numpy as np


def shapley_values(scores: np.ndarray) -> np.ndarray:
    """Shapley values from the scores of all coalitions.

    ``phi_m = sum over S without m of s! (M - s - 1)! / M! * (A(S + m) - A(S))``, with ``s`` the
    size of S.

    Parameters
    ----------
    scores : ndarray of shape (2 ** n_modalities, ...)
        Score of each coalition; further axes are games of their own.

    Returns
    -------
    values : ndarray of shape (n_modalities, ...)
        The values. One whose gains are all 0 is exactly 0, so sums are over gains, not scores.
    """
    n = len(scores).bit_length() - 1
    weights = [factorial(s) * factorial(n - s - 1) / factorial(n) for s in range(n)]
    values = np.zeros((n, *scores.shape[1:]))
    for m in range(n):
        for coalition in range(2**n):
            if not coalition >> m & 1:
                gain = scores[coalition | 1 << m] - scores[coalition]
                values[m] += weights[coalition.bit_count()] * gain
    return values


def order_gains(order: np.ndarray) -> list[tuple[int, int, int]]:
    """Modality, coalition with it and coalition without it, as modalities join in an order."""
    joined, gains = 0, []
    for m in order.tolist():
        gains.append((m, joined | 1 << m, joined))
        joined |= 1 << m
    return gains


def sampling_error(by_order: np.ndarray) -> np.ndarray:
    """Standard error of the mean over orders, of which each odd one reverses the one before it.

    Parameters
    ----------
    by_order : ndarray of shape (n_orders, n_modalities)
        What each modality gained as it joined.

    Returns
    -------
    error : ndarray of shape (n_modalities,)
        Its standard error, pairs taken for independent.
    """
    pairs = (by_order[0::2] + by_order[1::2]) / 2
    return pairs.std(axis=0, ddof=1) / np.sqrt(len(pairs))


def cooperation(
    everything: np.ndarray, alone: np.ndarray, nothing: np.ndarray
) -> np.ndarray | float:
    """``A(all) - sum_m A(m alone) + (M - 1) A(none)``: what only exists where modalities meet.

    Parameters
    ----------
    everything, nothing : float or ndarray of shape (n_replicates,)
        Score with all modalities, and with none.
    alone : ndarray of shape (n_modalities,) or (n_modalities, n_replicates)
        Score with a single modality.
    """
    return everything - alone.sum(axis=0) + (len(alone) - 1) * nothing


def imbalance(contributions: np.ndarray) -> dict[str, float]:
    """How unequal contributions are; those below zero count as zero, NaN if none is above it.

    Parameters
    ----------
    contributions : ndarray of shape (n_modalities,)
        Shapley values.

    Returns
    -------
    index : dict of str to float
        ``"max_over_min"`` (1 where all are equal), ``"gini"`` (0 where all are equal, ``1 - 1/M``
        where one has everything) and ``"entropy"`` of the shares divided by ``log M`` (1 where all
        are equal, 0 where one has everything).
    """
    positive = np.sort(np.clip(contributions, 0, None))
    total = positive.sum()
    if not total > 0:
        return dict.fromkeys(("max_over_min", "gini", "entropy"), float("nan"))
    n = len(positive)
    shares = positive / total
    known = shares[shares > 0]
    ranks = np.arange(1, n + 1)
    return {
        "max_over_min": float(positive[-1] / positive[0]) if positive[0] > 0 else float("inf"),
        "gini": float((2 * ranks - n - 1) @ shares / n),
        "entropy": float(-(known * np.log(known)).sum() / np.log(n)) if n > 1 else 1.0,
    }
