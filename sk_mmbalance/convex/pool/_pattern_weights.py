"""Weights of experts by which modalities a row has.

Which modalities are there decides which weights are best: two experts that say the same share their
weight, and either alone deserves the whole of it. Patterns that enough rows can teach have weights
of their own; others take the default ones, renormalised.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ._solver import OpinionPoolSolution, pooled_log_proba

#: For each modality, in order, whether a row has it.
Pattern = tuple[bool, ...]


@dataclass(frozen=True, eq=False)
class PatternWeights:
    """Weights of experts, by pattern of present modalities.

    The rule, for a pattern of modalities:

    1. Its own weights, if `learnt` has them.
    2. Else the default ones, without the experts that lack their input, renormalised to the sum
       that all had: the sum of a logarithmic pool's weights is an inverse temperature. (With
       weights by class, each class keeps its own sum.) Where those left weigh 0, they are alike,
       with the sum `idle_sum`.
    3. Weights that are all 0 stand for "nothing was learnt": then the experts that have their input
       are alike, and their weights sum to 1.

    Attributes
    ----------
    uses : ndarray of bool of shape (n_experts, n_modalities)
        Which modalities each expert looks at.
    default : ndarray of shape (n_experts,) or (n_experts, n_classes)
        Weights for patterns that have none of their own; not negative.
    learnt : dict of tuple of bool to ndarray, default={}
        Weights of patterns, by whether each modality is there; of the shape of `default`.
    needs_all : ndarray of bool of shape (n_experts,), default=None
        Whether an expert needs all the modalities it uses, or any of them is enough. None stands
        for all.
    idle_sum : float, default=None
        Sum of the weights where the experts that are left have none by default. None keeps the sum
        of `default`, as where they have some.
    solution : OpinionPoolSolution, default=None
        Certificate of `default`.

    See Also
    --------
    fit_pattern_weights : Learns them from held-out log-probabilities.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mmbalance.convex import PatternWeights
    >>> weights = PatternWeights(
    ...     uses=np.eye(3, dtype=bool),  # an expert on each of three modalities
    ...     default=np.array([0.9, 0.3, 0.0]),
    ...     learnt={(True, False, False): np.array([1.1, 0.0, 0.0])},
    ... )
    >>> weights.of((True, True, True))
    array([0.9, 0.3, 0. ])
    >>> weights.of((True, False, False))
    array([1.1, 0. , 0. ])
    >>> weights.of((False, True, True)).round(3)
    array([0. , 1.2, 0. ])
    """

    uses: np.ndarray
    default: np.ndarray
    learnt: Mapping[Pattern, np.ndarray] = field(default_factory=dict)
    needs_all: np.ndarray | None = None
    idle_sum: float | None = None
    solution: OpinionPoolSolution | None = None

    def __post_init__(self) -> None:
        if self.uses.ndim != 2 or self.uses.dtype != bool:
            raise ValueError(
                "`uses` must be boolean, of shape (n_experts, n_modalities); got "
                f"{self.uses.dtype} of shape {self.uses.shape}."
            )
        n_experts, n_modalities = self.uses.shape
        if self.default.ndim not in (1, 2) or len(self.default) != n_experts:
            raise ValueError(
                f"`default` must have a weight, or one for every class, of each of {n_experts} "
                f"experts; got shape {self.default.shape}."
            )
        if self.needs_all is not None and self.needs_all.shape != (n_experts,):
            raise ValueError(
                f"`needs_all` must have an entry for each of {n_experts} experts; got shape "
                f"{self.needs_all.shape}."
            )
        for pattern, weights in self.learnt.items():
            if len(pattern) != n_modalities or weights.shape != self.default.shape:
                raise ValueError(
                    f"`learnt` must give weights of shape {self.default.shape} to patterns of "
                    f"{n_modalities} modalities; got shape {weights.shape} for {pattern}."
                )

    def available(self, present: Any) -> np.ndarray:
        """Which experts have their input in each row.

        Parameters
        ----------
        present : array-like of bool of shape (n_samples, n_modalities)
            Which modalities each row has.

        Returns
        -------
        available : ndarray of bool of shape (n_samples, n_experts)
            True where the expert has all the modalities it needs.
        """
        return experts_available(self.uses, self.needs_all, np.asarray(present, dtype=bool))

    def of(self, pattern: Any) -> np.ndarray:
        """Weights for one pattern of modalities.

        Parameters
        ----------
        pattern : array-like of bool of shape (n_modalities,)
            Which modalities are there.

        Returns
        -------
        weights : ndarray of shape (n_experts,) or (n_experts, n_classes)
            0 for experts without input; all 0 if none has any.
        """
        pattern = np.asarray(pattern, dtype=bool)
        there = self.available(pattern[None])[0]
        found = self.learnt.get(tuple(pattern.tolist()))
        if found is None:
            found = _renormalised(self.default, there, self.idle_sum)
        if found.any() or not there.any():
            return found
        return np.broadcast_to(_by_expert(there / there.sum(), found.ndim), found.shape).copy()

    def by_row(self, present: Any) -> np.ndarray:
        """Weights for each row.

        Parameters
        ----------
        present : array-like of bool of shape (n_samples, n_modalities)
            Which modalities each row has.

        Returns
        -------
        weights : ndarray of shape (n_samples, n_experts) or (n_samples, n_experts, n_classes)
            Those of the row's pattern.
        """
        patterns, which = _distinct(present)
        return np.stack([self.of(pattern) for pattern in patterns])[which]

    def pooled_log_proba(self, log_proba: np.ndarray, present: Any) -> np.ndarray:
        """Log-probabilities of the logarithmic pool, with the weights of each row's pattern.

        Parameters
        ----------
        log_proba : ndarray of shape (n_samples, n_experts, n_classes)
            Log-probabilities of the experts. What stands where an expert has no input is not
            looked at.
        present : array-like of bool of shape (n_samples, n_modalities)
            Which modalities each row has.

        Returns
        -------
        pooled : ndarray of shape (n_samples, n_classes)
            Those of equal probabilities where no expert has its input.
        """
        n_samples, _, n_classes = log_proba.shape
        by_expert = log_proba.transpose(1, 0, 2)
        pooled = np.empty((n_samples, n_classes))
        patterns, which = _distinct(present)
        for number, pattern in enumerate(patterns):
            rows = np.flatnonzero(which == number)
            weights = self.of(pattern)
            used = np.flatnonzero(weights.reshape(len(weights), -1).any(axis=1))
            if len(used):
                chosen = by_expert[np.ix_(used, rows)].transpose(1, 0, 2)
                pooled[rows] = pooled_log_proba(chosen, weights[used])
            else:
                pooled[rows] = -np.log(n_classes)
        return pooled


def _renormalised(
    weights: np.ndarray, available: np.ndarray, idle_sum: float | None = None
) -> np.ndarray:
    """Weights of the experts that are available, with the sum that all of them had.

    Where all that are available weigh 0 they are alike, with the sum `idle_sum` if it is given.
    """
    if available.all():
        return weights
    if not available.any():
        return np.zeros_like(weights)
    kept = weights * _by_expert(available, weights.ndim)
    alike = np.broadcast_to(_by_expert(available / available.sum(), weights.ndim), weights.shape)
    total, left = weights.sum(axis=0), kept.sum(axis=0)
    share = np.where(left > 0, kept / np.where(left > 0, left, 1.0), alike)
    return share * (total if idle_sum is None else np.where(left > 0, total, idle_sum))


def experts_available(
    uses: np.ndarray, needs_all: np.ndarray | None, present: np.ndarray
) -> np.ndarray:
    """Which experts have their input, (n_samples, n_experts); `present` tells the modalities."""
    there = present.astype(np.float64) @ uses.T.astype(np.float64)  # counted by a product
    found = there == uses.sum(axis=1)
    if needs_all is not None:
        found = np.where(needs_all, found, there > 0)
    return found


def _by_expert(values: np.ndarray, ndim: int) -> np.ndarray:
    """Values by expert, shaped to meet weights of `ndim` dimensions."""
    return values.reshape((-1,) + (1,) * (ndim - 1))


def _distinct(present: Any) -> tuple[np.ndarray, np.ndarray]:
    """Patterns that occur, and which of them each row has."""
    patterns, which = np.unique(np.asarray(present, dtype=bool), axis=0, return_inverse=True)
    return patterns, which.reshape(-1)
