"""Learning `PatternWeights` from log-probabilities of rows that were held out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._pattern_weights import Pattern, PatternWeights, experts_available
from ._solver import OpinionPoolSolution, fit_opinion_pool

#: How weights are found: from log-probabilities (n_rows, n_experts, n_classes), the rows' classes
#: and weights.
Rule = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]

#: What `default` is learnt on.
_DEFAULTS = ("all", "complete")


def fit_pattern_weights(
    log_proba: np.ndarray,
    y: Any,
    uses: Any,
    *,
    present: Any = None,
    patterns: Any = None,
    needs_all: Any = None,
    sample_weight: Any = None,
    penalty: float = 1.0,
    min_rows: int = 1,
    rows_per_expert: int = 0,
    default: str = "all",
    idle_sum: float | None = None,
    masked: Callable[[Pattern], np.ndarray] | None = None,
    exactly: bool = False,
    rule: Rule | None = None,
    balanced: bool = False,
    per_class: bool = False,
    class_penalty: float | None = None,
    tol: float = 1e-6,
    max_iter: int = 100,
) -> PatternWeights:
    """Weights of experts for patterns of present modalities, each the best for its pattern.

    A row teaches every pattern whose experts all have their input in it: a complete row teaches
    them all.

    Parameters
    ----------
    log_proba : ndarray of shape (n_samples, n_experts, n_classes)
        Log-probabilities of rows that the experts were not fitted on, finite where an expert has
        its input.
    y : array-like of int of shape (n_samples,)
        Classes, 0 to n_classes - 1.
    uses : array-like of bool of shape (n_experts, n_modalities)
        Which modalities each expert looks at.
    present : array-like of bool of shape (n_samples, n_modalities), default=None
        Which modalities each row has. None stands for all.
    patterns : array-like of bool of shape (n_patterns, n_modalities), default=None
        Patterns that get weights of their own where enough rows teach them. None stands for
        ``patterns_to_learn(present)``. With ``default="complete"`` the complete one is left out.
    needs_all : array-like of bool of shape (n_experts,), default=None
        Whether an expert needs all the modalities it uses, or any of them is enough. None stands
        for all.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows. Rows of weight 0 count for nothing.
    penalty : float, default=1.0
        Penalty of a unit of weight, against the sum of the rows' losses: few rows are trusted less
        than many.
    min_rows : int, default=1
        Fewest rows that teach a pattern weights of its own.
    rows_per_expert : int, default=0
        Fewest of them for each expert of the pattern.
    default : {"all", "complete"}, default="all"
        What the default weights are learnt on: all rows, where an expert without input adds
        nothing, or the rows in which every expert has its input (all, if there are fewer than
        `min_rows` of these).
    idle_sum : float, default=None
        See `PatternWeights`.
    masked : callable, default=None
        Gives, for a pattern, the log-probabilities of all rows with the other modalities masked.
        None stands for experts whose answers do not depend on what else is there.
    exactly : bool, default=False
        Whether only rows of exactly a pattern teach it: for experts that do not need all their
        modalities, whose answers hang on what else is there, and that were not asked with it
        masked.
    rule : callable, default=None
        What gives weights from log-probabilities, classes and weights of some rows, in place of
        the pool.
    balanced, per_class : bool, default=False
        As in `fit_opinion_pool`.
    class_penalty : float, default=None
        As in `fit_opinion_pool`.
    tol : float, default=1e-6
        Relative duality gap at which to stop.
    max_iter : int, default=100
        Most Newton steps on all rows.

    Returns
    -------
    weights : PatternWeights
        With the certificate of the default weights.

    Raises
    ------
    ValueError
        If arrays do not fit one another, no row has weight, or a parameter is out of its range.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.special import log_softmax
    >>> from sk_mmbalance.convex import fit_pattern_weights
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 3, 500)
    >>> sure = rng.normal(size=(500, 3)) + 2 * np.eye(3)[y]
    >>> echo = sure + rng.normal(size=(500, 3))  # says the same, less clearly
    >>> log_proba = log_softmax(np.stack([sure, echo], axis=1), axis=2)
    >>> weights = fit_pattern_weights(log_proba, y, uses=np.eye(2, dtype=bool))
    >>> weights.of((True, True)).round(1)
    array([2.2, 0. ])
    >>> weights.of((False, True)).round(1)
    array([0., 1.])
    """
    if default not in _DEFAULTS:
        raise ValueError(f"`default` must be one of {list(_DEFAULTS)}; got {default!r}.")
    uses = np.asarray(uses, dtype=bool)
    needs_all = None if needs_all is None else np.asarray(needs_all, dtype=bool)
    n_samples, n_experts = _shape(log_proba, uses)
    if present is None:
        present = np.ones((n_samples, uses.shape[1]), dtype=bool)
    present = np.asarray(present, dtype=bool)
    weight = np.ones(n_samples) if sample_weight is None else np.asarray(sample_weight)
    codes = np.asarray(y)
    shapes = {"present": present.shape, "sample_weight": weight.shape, "y": codes.shape}
    for name, wanted in zip(shapes, ((n_samples, uses.shape[1]), *[(n_samples,)] * 2), strict=True):
        if shapes[name] != wanted:
            raise ValueError(f"`{name}` must have shape {wanted}; got {shapes[name]}.")
    if not weight.any():
        raise ValueError("`sample_weight` is zero for every sample; at least one must be positive.")
    there = experts_available(uses, needs_all, present)
    options = {
        "balanced": balanced,
        "per_class": per_class,
        "class_penalty": class_penalty,
        "tol": tol,
        "max_iter": max_iter,
    }
    lesson = _Lesson(codes, weight, there, penalty, rule, options)
    everyone = np.arange(n_experts)
    used = np.flatnonzero(weight > 0)
    rows = lesson.rows(everyone)
    if default == "all" or not (len(rows) >= min_rows or lesson.available.all()):
        base, solution = lesson.learn(log_proba, everyone, used, dropping=True)
    else:
        base, solution = lesson.learn(log_proba, everyone, rows)
    learnt = {}
    asked = patterns_to_learn(present) if patterns is None else np.asarray(patterns, bool)
    asked = asked.reshape(-1, uses.shape[1])
    for row, ready in zip(asked, experts_available(uses, needs_all, asked), strict=True):
        if default == "complete" and row.all():
            continue
        pattern = tuple(row.tolist())
        chosen = np.flatnonzero(ready)
        rows = lesson.rows(chosen)
        if exactly:
            rows = rows[(present[rows] == row).all(axis=1)]
        if not len(chosen) or len(rows) < max(min_rows, rows_per_expert * len(chosen)):
            continue
        logs = log_proba if masked is None else masked(pattern)
        learnt[pattern] = lesson.learn(logs, chosen, rows)[0]
    return PatternWeights(uses, base, learnt, needs_all, idle_sum, solution)


def patterns_to_learn(present: Any, most: int = 64) -> np.ndarray:
    """Patterns of modalities that may get weights of their own.

    Parameters
    ----------
    present : array-like of bool of shape (n_samples, n_modalities)
        Which modalities each row has.
    most : int, default=64
        Up to so many patterns (the empty one counts) all are learnt; beyond, those that rows have.

    Returns
    -------
    patterns : ndarray of bool of shape (n_patterns, n_modalities)
        All different, none of them empty.

    Examples
    --------
    >>> from sk_mmbalance.convex import patterns_to_learn
    >>> patterns_to_learn([[True, True]])
    array([[ True, False],
           [False,  True],
           [ True,  True]])
    """
    present = np.asarray(present, dtype=bool)
    n_modalities = present.shape[1]
    if 2**n_modalities <= most:
        numbers = np.arange(1, 2**n_modalities)
        return (numbers[:, None] >> np.arange(n_modalities) & 1).astype(bool)
    seen = np.unique(present, axis=0)
    return seen[seen.any(axis=1)]


@dataclass(frozen=True, eq=False)
class _Lesson:
    """What rows teach: their classes, weights, and which experts have their input."""

    y: np.ndarray
    weight: np.ndarray
    available: np.ndarray
    penalty: float
    rule: Rule | None
    options: dict[str, Any]

    def rows(self, experts: np.ndarray) -> np.ndarray:
        """Rows of positive weight in which all these experts have their input."""
        return np.flatnonzero(self.available[:, experts].all(axis=1) & (self.weight > 0))

    def learn(
        self, log_proba: np.ndarray, experts: np.ndarray, rows: np.ndarray, dropping: bool = False
    ) -> tuple[np.ndarray, OpinionPoolSolution | None]:
        """Weights of all experts, 0 for others than these, and their certificate."""
        # by expert in memory: the solver reads it as it is
        logs = log_proba.transpose(1, 0, 2)[np.ix_(experts, rows)].transpose(1, 0, 2)
        y, weight = self.y[rows], self.weight[rows]
        if self.rule is not None:
            found, solution = self.rule(logs, y, weight), None
        else:
            solution = fit_opinion_pool(
                logs,
                y,
                sample_weight=weight,
                present=self.available[np.ix_(rows, experts)] if dropping else None,
                alpha=self.penalty / weight.sum(),
                **self.options,
            )
            found = solution.weights
        weights = np.zeros((self.available.shape[1], *found.shape[1:]))
        weights[experts] = found
        return weights, solution


def _shape(log_proba: np.ndarray, uses: np.ndarray) -> tuple[int, int]:
    if uses.ndim != 2 or log_proba.ndim != 3 or log_proba.shape[1] != len(uses):
        raise ValueError(
            "`log_proba` must have shape (n_samples, n_experts, n_classes) and `uses` (n_experts, "
            f"n_modalities), of the same experts; got {log_proba.shape} and {uses.shape}."
        )
    return log_proba.shape[:2]
