"""What an opinion pool learns from: out-of-fold log-probabilities, and their temperatures.

Notation: ``l_e`` log-probabilities of expert e, divided by its temperature; ``w_e`` its weight.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import log_softmax

from ..convex import (
    PatternWeights,
    fit_opinion_pool,
    fit_pattern_weights,
    patterns_to_learn,
    pooled_log_proba,
)

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
    class_penalty : float or None
        What it costs that they do, as in `fit_opinion_pool`.
    """

    logs: np.ndarray
    present: np.ndarray
    codes: np.ndarray
    weights: np.ndarray
    alpha: float
    balanced: bool
    per_class: bool
    tol: float
    class_penalty: float | None = None

    def solve(self, chosen: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Best weights of the `chosen` experts on `rows`, where all of them have their input."""
        weights = self.weights[rows]
        found = fit_opinion_pool(
            self.logs[np.ix_(chosen, rows)].transpose(1, 0, 2),
            self.codes[rows],
            sample_weight=weights,
            alpha=self.alpha / weights.sum(),
            balanced=self.balanced,
            per_class=self.per_class,
            class_penalty=self.class_penalty,
            tol=self.tol,
        ).weights
        whole = np.zeros((len(self.logs), *found.shape[1:]))
        # The penalty can outweigh few rows: then nothing was learnt, and all count alike.
        whole[chosen] = found if found.any() else 1.0 / len(chosen)
        return whole

    def learn_patterns(
        self,
        uses: np.ndarray,
        needs_all: np.ndarray,
        present: np.ndarray,
        *,
        rule: str,
        masked: bool,
        min_rows: int,
        exactly: bool = False,
    ) -> PatternWeights:
        """Weights where all modalities are there, and where some are missing if they may be.

        Parameters
        ----------
        uses : ndarray of bool of shape (n_experts, n_modalities)
            Which modalities each expert looks at.
        needs_all : ndarray of bool of shape (n_experts,)
            Whether it needs all of them.
        present : ndarray of bool of shape (n_samples, n_modalities)
            Which modalities each row has.
        rule : {"pool", "select"}
            How weights are found.
        masked : bool
            Whether rows may lack modalities.
        min_rows : int
            Fewest rows that teach a pattern weights of its own.
        exactly : bool
            Whether only rows of exactly a pattern teach it.
        """
        pool: dict[str, Any] = {
            "balanced": self.balanced,
            "per_class": self.per_class,
            "class_penalty": self.class_penalty,
            "tol": self.tol,
        }
        return fit_pattern_weights(
            self.logs.transpose(1, 0, 2),
            self.codes,
            uses,
            present=present,
            patterns=patterns_to_learn(present) if masked else present[:0],
            needs_all=needs_all,
            sample_weight=self.weights,
            penalty=self.alpha,
            min_rows=min_rows,
            # where answers hang on what is there, rows that lack something teach what holds there
            default="all" if exactly else "complete",
            exactly=exactly,
            **({"rule": self.select} if rule == "select" else pool),
        )

    def select(self, logs: np.ndarray, codes: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Weight 1 for the expert with the least log-loss on rows (n_samples, n_experts, ...)."""
        share = self.shares(codes, weights)
        own = -logs.transpose(1, 0, 2)[:, np.arange(len(codes)), codes]
        best = np.zeros(logs.shape[1])
        best[np.argmin(own @ share)] = 1.0
        return best

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

    def shares(self, codes: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Shares of rows in the objective, summing to 1."""
        share = weights.astype(np.float64)
        if self.balanced:
            mass = np.bincount(codes, weights=share, minlength=self.logs.shape[2])
            share = share / np.where(mass > 0, mass, 1.0)[codes]
        return share / share.sum()


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
