"""The fusion of an opinion pool: temperatures, and weights for every pattern of modalities.

Notation: ``l_e`` log-probabilities of expert e, divided by its temperature; ``w_e`` its weight.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import log_softmax

from ..convex import OpinionPoolSolution, fit_opinion_pool, pooled_log_proba

#: With up to so many patterns of modalities all of them get weights, else those seen in the fit.
MOST_PATTERNS = 64

#: Against the mean loss: just enough for a perfect expert's temperature not to be 0.
PENALTY_OF_TEMPERATURE = 1e-6


@dataclass(frozen=True, eq=False)
class Opinions:
    """Log-probabilities of rows that the experts were not fitted on.

    Attributes
    ----------
    logs : ndarray of shape (n_experts, n_samples, n_classes)
        Log-probabilities, over the temperatures.
    present : ndarray of bool of shape (n_samples, n_experts)
        Whether an expert has its input.
    codes : ndarray of int of shape (n_samples,)
        Classes.
    weights : ndarray of shape (n_samples,)
        Weights of the rows, 1 where none were given.
    alpha : float
        Penalty of a unit of weight, against the sum of the rows' losses.
    balanced : bool
        Whether classes count alike.
    per_class : bool
        Whether weights differ by class.
    tol : float
        Duality gap.
    """

    logs: np.ndarray
    present: np.ndarray
    codes: np.ndarray
    weights: np.ndarray
    alpha: float
    balanced: bool
    per_class: bool
    tol: float

    def solve(
        self, chosen: np.ndarray, rows: np.ndarray, *, dropping: bool = False
    ) -> OpinionPoolSolution:
        """Best weights of the `chosen` experts on `rows`; all 0 count alike.

        With `dropping` an expert that lacks its input in a row adds nothing there.
        """
        weights = self.weights[rows]
        found = fit_opinion_pool(
            self.logs[np.ix_(chosen, rows)].transpose(1, 0, 2),
            self.codes[rows],
            sample_weight=weights,
            present=self.present[np.ix_(rows, chosen)] if dropping else None,
            alpha=self.alpha / weights.sum(),
            balanced=self.balanced,
            per_class=self.per_class,
            tol=self.tol,
        )
        whole = np.zeros((len(self.logs), *found.weights.shape[1:]))
        # The penalty can outweigh few rows: then nothing was learnt, and all count alike.
        whole[chosen] = found.weights if found.weights.any() else 1.0 / len(chosen)
        return replace(found, weights=whole)

    def select(self, chosen: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Weight 1 for the one of the `chosen` experts with the least log-loss on `rows`."""
        share = self.shares(rows)
        own = -self.logs[np.ix_(chosen, rows)][:, np.arange(len(rows)), self.codes[rows]]
        weights = np.zeros(len(self.logs))
        weights[chosen[np.argmin(own @ share)]] = 1.0
        return weights

    def with_logs(self, logs: np.ndarray) -> Opinions:
        """The same with other log-probabilities."""
        return replace(self, logs=logs)

    def score(self, logs: np.ndarray, has_input: np.ndarray) -> dict[str, float]:
        """Weighted accuracy, its mean over classes, and log-loss, of the rows with input."""
        rows = np.flatnonzero(has_input & (self.weights > 0))
        if not len(rows):
            nothing = dict.fromkeys(("accuracy", "balanced_accuracy", "log_loss"), np.nan)
            return nothing | {"n_rows": 0}
        codes, weights = self.codes[rows], self.weights[rows]
        hits = logs[rows].argmax(axis=1) == codes
        mass = np.bincount(codes, weights=weights)
        right = np.bincount(codes, weights=weights * hits)
        return {
            "accuracy": float(np.average(hits, weights=weights)),
            "balanced_accuracy": float(np.mean(right[mass > 0] / mass[mass > 0])),
            "log_loss": float(np.average(-logs[rows, codes], weights=weights)),
            "n_rows": len(rows),
        }

    def shares(self, rows: np.ndarray) -> np.ndarray:
        """Weights of `rows` in the objective, summing to 1."""
        share = self.weights[rows].astype(np.float64)
        if self.balanced:
            mass = np.bincount(self.codes[rows], weights=share, minlength=self.logs.shape[2])
            share = share / np.where(mass > 0, mass, 1.0)[self.codes[rows]]
        return share / share.sum()


@dataclass(frozen=True, eq=False)
class PatternWeights:
    """Weights of the experts for every pattern of modalities.

    Attributes
    ----------
    base : ndarray of shape (n_experts,) or (n_experts, n_classes)
        Weights where all modalities are there.
    learnt : dict of bytes to ndarray
        Weights of other patterns, of the shape of `base`; 0 for experts without input.
    solution : OpinionPoolSolution or None
        Certificate of `base`.
    """

    base: np.ndarray
    learnt: dict[bytes, np.ndarray]
    solution: OpinionPoolSolution | None

    def of(self, pattern: np.ndarray, available: np.ndarray) -> np.ndarray:
        """Weights for one pattern: as learnt, else the base renormalised to its own sum."""
        found = self.learnt.get(pattern.tobytes())
        return renormalised(self.base, available) if found is None else found


def renormalised(weights: np.ndarray, available: np.ndarray) -> np.ndarray:
    """Weights of the experts that are available, with the sum that all of them had.

    The sum is an inverse temperature, and stays. Where all that are available weigh 0, they share
    it alike. (With a weight for every class, each class keeps its own sum.)
    """
    if available.all() or not available.any():
        return weights if available.all() else np.zeros_like(weights)
    shape = (-1,) + (1,) * (weights.ndim - 1)
    kept = weights * available.reshape(shape)
    alike = np.broadcast_to(available.reshape(shape) / available.sum(), weights.shape)
    total, left = weights.sum(axis=0), kept.sum(axis=0)
    share = np.where(left > 0, kept / np.where(left > 0, left, 1.0), alike)
    return share * total


def learn_patterns(
    opinions: Opinions,
    patterns: np.ndarray,
    available: Callable[[np.ndarray], np.ndarray],
    rule: str,
    min_rows: int,
) -> PatternWeights:
    """Weights for all modalities, and for every further pattern that enough rows can teach.

    A row teaches every pattern whose experts all have their input in it: a complete row teaches
    them all.

    Parameters
    ----------
    opinions : Opinions
        Out-of-fold log-probabilities.
    patterns : ndarray of bool of shape (n_patterns, n_modalities)
        Further patterns.
    available : callable
        Experts that have their input in one pattern, as a boolean array.
    rule : {"pool", "select"}
        How weights are found.
    min_rows : int
        Fewest rows of positive weight.
    """
    everyone = np.arange(len(opinions.logs))
    used = opinions.weights > 0

    def learn(chosen: np.ndarray, rows: np.ndarray, dropping: bool) -> tuple:
        if rule == "select":
            return opinions.select(chosen, rows), None
        solution = opinions.solve(chosen, rows, dropping=dropping)
        return solution.weights, solution

    complete = np.flatnonzero(opinions.present.all(axis=1) & used)
    enough = len(complete) >= min_rows or opinions.present.all()
    base, solution = learn(everyone, complete if enough else np.flatnonzero(used), not enough)
    learnt = {}
    for pattern in patterns:
        chosen = np.flatnonzero(available(pattern))
        rows = np.flatnonzero(opinions.present[:, chosen].all(axis=1) & used)
        if len(chosen) and len(rows) >= min_rows:
            learnt[pattern.tobytes()] = learn(chosen, rows, False)[0]
    return PatternWeights(base, learnt, solution)


def other_patterns(present: np.ndarray) -> np.ndarray:
    """Patterns of modalities to learn besides the complete one: all, or if many, those seen."""
    n_modalities = present.shape[1]
    if 2**n_modalities <= MOST_PATTERNS:
        numbers = np.arange(1, 2**n_modalities - 1)
        return (numbers[:, None] >> np.arange(n_modalities) & 1).astype(bool)
    seen = np.unique(present, axis=0)
    return seen[~seen.all(axis=1)]


def pool_by_pattern(
    logs: np.ndarray,
    present: np.ndarray,
    weights: PatternWeights,
    available: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """Pooled log-probabilities; uniform where a row has no expert.

    `logs` is (n_experts, n_samples, n_classes), `present` (n_samples, n_modalities).
    """
    pooled = np.empty(logs.shape[1:])
    patterns, which = np.unique(present, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        rows = np.flatnonzero(which.ravel() == number)
        own = weights.of(pattern, available(pattern))
        # experts of weight 0 may be without input in these rows: they are not looked at
        used = np.flatnonzero(own.reshape(len(own), -1).any(axis=1))
        if len(used):
            pooled[rows] = pool_logs(logs[np.ix_(used, rows)], own[used])
        else:
            pooled[rows] = -np.log(logs.shape[2])
    return pooled


def pool_logs(logs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Pooled log-probabilities of `logs`, (n_experts, n_samples, n_classes)."""
    return pooled_log_proba(logs.transpose(1, 0, 2), weights)


def smooth_log(proba: np.ndarray, smoothing: float) -> np.ndarray:
    """``log((1 - smoothing) p + smoothing / n_classes)``: no expert may veto a class."""
    return np.log((1.0 - smoothing) * proba + smoothing / proba.shape[-1])


def inverse_temperatures(opinions: Opinions) -> np.ndarray:
    """Factor on each expert's log-probabilities that makes its own log-loss least.

    A pool of one expert. An expert that is worse than equal probabilities gets 0.
    """
    factors = np.ones(len(opinions.logs))
    for e in range(len(factors)):
        rows = np.flatnonzero(opinions.present[:, e] & (opinions.weights > 0))
        if len(rows):
            weights = opinions.weights[rows]
            factors[e] = fit_opinion_pool(
                opinions.logs[[e]][:, rows].transpose(1, 0, 2),
                opinions.codes[rows],
                sample_weight=weights,
                alpha=PENALTY_OF_TEMPERATURE,
                balanced=opinions.balanced,
                tol=opinions.tol,
            ).weights[0]
    return factors


def tempered(logs: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Log-probabilities over their temperatures, normalised again."""
    return log_softmax(factors[:, None, None] * logs, axis=2)
