"""A chain played on scores that are all known: who is decided where, at what cost."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ._policy import HALF, Policy, policy_for


@dataclass(frozen=True)
class Thresholds:
    """One threshold for every stage but the last, and the cut of the last."""

    stages: tuple[np.ndarray, ...]
    cut: float = HALF

    def replace(self, k: int, threshold: np.ndarray) -> Thresholds:
        """The same with another threshold at stage `k`."""
        return Thresholds((*self.stages[:k], threshold, *self.stages[k + 1 :]), self.cut)


@dataclass(frozen=True)
class Outcome:
    """What became of each row.

    Attributes
    ----------
    codes : ndarray of shape (n_rows,)
        Class codes.
    stage : ndarray of int of shape (n_rows,)
        The stage that decided.
    cost : ndarray of shape (n_rows,)
        Cost of the stages that ran.
    ran : ndarray of bool of shape (n_stages, n_rows)
        Which stages ran.
    """

    codes: np.ndarray
    stage: np.ndarray
    cost: np.ndarray
    ran: np.ndarray


@dataclass(frozen=True)
class ChainScores:
    """Scores of every row at every stage, as if everything had been acquired.

    Attributes
    ----------
    scores : ndarray of shape (n_stages, n_rows, n_classes)
        Class scores of each stage.
    available : ndarray of bool of shape (n_stages, n_rows)
        Whether the row has what the stage needs; every row has at least one stage.
    codes : ndarray of shape (n_rows,)
        True class codes.
    weights : ndarray of shape (n_rows,)
        Sample weights.
    costs : ndarray of shape (n_stages,)
        Cost of running each stage.
    final : {"last", "mean"}
        What decides where no stage is left: the last score, or the mean of those acquired.
    """

    scores: np.ndarray
    available: np.ndarray
    codes: np.ndarray
    weights: np.ndarray
    costs: np.ndarray
    final: str = "last"

    @property
    def n_stages(self) -> int:
        """Number of stages."""
        return len(self.scores)

    @cached_property
    def policy(self) -> Policy:
        """The rule that fits the number of classes."""
        return policy_for(self.scores.shape[2])

    @cached_property
    def final_scores(self) -> np.ndarray:
        """Scores that decide if stage k is the last one that could run."""
        if self.final == "last":
            return self.scores
        known = np.where(self.available[:, :, None], self.scores, 0.0)
        count = np.maximum(np.cumsum(self.available, axis=0), 1)
        return np.cumsum(known, axis=0) / count[:, :, None]

    @cached_property
    def has_later(self) -> np.ndarray:
        """Whether some stage after k can run; shape (n_stages, n_rows)."""
        later = np.zeros_like(self.available)
        for k in range(self.n_stages - 2, -1, -1):
            later[k] = later[k + 1] | self.available[k + 1]
        return later

    def play(self, thresholds: Thresholds) -> Outcome:
        """Send every row down the chain."""
        n_rows = self.scores.shape[1]
        codes = np.zeros(n_rows, dtype=np.intp)
        stage = np.zeros(n_rows, dtype=np.intp)
        cost = np.zeros(n_rows)
        ran = np.zeros((self.n_stages, n_rows), dtype=bool)
        active = np.ones(n_rows, dtype=bool)
        for k in range(self.n_stages):
            here = active & self.available[k]
            ran[k] = here
            cost[here] += self.costs[k]
            stage[here] = k
            done = here & ~self.has_later[k]
            codes[done] = self.policy.final_codes(thresholds.cut, self.final_scores[k][done])
            if k < self.n_stages - 1:
                sure = here & self.policy.exits(thresholds.stages[k], self.scores[k])
                codes[sure] = self.policy.codes(thresholds.stages[k], self.scores[k][sure])
                done |= sure
            active &= ~done
        return Outcome(codes, stage, cost, ran)
