"""Probabilities from scores that are none: a temperature for each side, fitted on held-out scores.

A score divided by its temperature is taken as a log-odds (two classes) or a logit. The temperature
minimises the log-loss of rows that the scores were not fitted to, a convex problem in its inverse.
The truth of a row is smoothed as in Platt, "Probabilistic outputs for support vector machines"
(1999), so that there is a solution where the scores tell all held-out rows apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import softmax

#: Scores that say nothing of the class would have no largest temperature; they get this one, in
#: units of their largest size, which leaves all classes nearly as probable.
_HOTTEST = 1e3


@dataclass(frozen=True, eq=False)
class HeldOutScores:
    """Scores of either side for rows that were held out.

    Attributes
    ----------
    weak, strong : ndarray of shape (n_scores, n_outputs)
        The scores; NaN in rows that were never held out.
    row : ndarray of int of shape (n_scores,)
        Number of the row of each: all rows in their order, once for every cross-validation.
    held : ndarray of bool of shape (n_scores,)
        Whether a row was held out.
    known : ndarray of bool of shape (n_scores,)
        Whether it was, by a fold that trains on its class.
    n_times : int
        How many cross-validations there were; a row counts that fraction under each.
    """

    weak: np.ndarray
    strong: np.ndarray
    row: np.ndarray
    held: np.ndarray
    known: np.ndarray
    n_times: int

    @classmethod
    def together(cls, parts: Sequence[HeldOutScores]) -> HeldOutScores:
        """Scores of several cross-validations, one after another."""
        if len(parts) == 1:
            return parts[0]
        names = ("weak", "strong", "row", "held", "known")
        joined = {name: np.concatenate([getattr(p, name) for p in parts]) for name in names}
        return cls(**joined, n_times=len(parts))


def logits(scores: np.ndarray) -> np.ndarray:
    """One column a class: the score of two classes is the difference of theirs."""
    return np.hstack([-0.5 * scores, 0.5 * scores]) if scores.shape[1] == 1 else scores


def fit_temperature(scores: np.ndarray, codes: np.ndarray, weights: np.ndarray) -> float:
    """Temperature of least log-loss.

    Parameters
    ----------
    scores : ndarray of shape (n_samples, n_outputs)
        Held-out scores; one column for two classes.
    codes : ndarray of int of shape (n_samples,)
        True classes.
    weights : ndarray of shape (n_samples,)
        Weights of the rows.
    """
    z = logits(scores)
    z = z - z.mean(axis=1, keepdims=True)
    size = np.abs(z).max(initial=0.0)
    if size == 0:
        return 1.0  # any temperature gives the same
    # a class a row: sums over few classes are several times as fast
    z = np.ascontiguousarray(z.T) / size
    n, n_classes = weights.sum(), len(z)
    truth = np.full(z.shape, 1.0 / (n + n_classes))
    truth[codes, np.arange(len(codes))] = (n + 1.0) / (n + n_classes)

    def slope(inverse: float) -> float:
        """Derivative of the log-loss in the inverse temperature, which only grows."""
        return float(((softmax(inverse * z, axis=0) - truth) * z).sum(axis=0) @ weights)

    low = 1.0 / _HOTTEST
    if slope(low) >= 0:
        return float(size * _HOTTEST)
    high = 1.0
    while slope(high) < 0:
        high *= 2.0
    return float(size / brentq(slope, low, high))


def fit_temperatures(
    held: HeldOutScores,
    *,
    weak_seen: np.ndarray,
    strong_seen: np.ndarray,
    codes: np.ndarray,
    weights: np.ndarray,
) -> dict[str, float]:
    """Temperatures of the weak side's scores, the strong side's and their mean, where rows are."""
    found = {}
    for source, scores, seen in (
        ("weak", held.weak, weak_seen),
        ("strong", held.strong, strong_seen),
        ("both", 0.5 * (held.weak + held.strong), weak_seen & strong_seen),
    ):
        told = held.known & seen[held.row]
        if told.any():
            rows = held.row[told]
            found[source] = fit_temperature(scores[told], codes[rows], weights[rows] / held.n_times)
    return found
