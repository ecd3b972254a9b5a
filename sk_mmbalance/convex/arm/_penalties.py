"""Sparsity penalties of a coefficient matrix: value, dual norm and proximal operator.

Each penalty is a norm of a matrix ``W`` of shape (n_features, n_outputs). The proximal
operator of a norm and its dual norm are all that a first-order solver and a duality gap
need to know about it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np


class Penalty(ABC):
    """A norm ``Omega(W)`` that leads to structured zeros."""

    @abstractmethod
    def value(self, weights: np.ndarray) -> float:
        """Omega(W)."""

    @abstractmethod
    def dual_norm(self, gradient: np.ndarray) -> float:
        """Largest ``<V, W>`` over all ``W`` with ``Omega(W) <= 1``."""

    @abstractmethod
    def prox(self, weights: np.ndarray, threshold: float) -> np.ndarray:
        """Minimiser of ``1/2 ||Z - W||^2 + threshold * Omega(Z)`` over ``Z``."""

    def excess(self, gradient: np.ndarray, threshold: float) -> float:
        """Squared distance of ``V`` to the dual ball of radius ``threshold``.

        It is the conjugate of ``threshold * Omega + 1/2 ||.||^2`` at ``V``, doubled: what
        the proximal operator leaves over.
        """
        return float(np.sum(self.prox(gradient, threshold) ** 2))


class RowSparse(Penalty):
    """``l21``: the sum of the rows' Euclidean norms, which selects whole features."""

    def value(self, weights: np.ndarray) -> float:
        """Return the norm."""
        return float(np.sum(_row_norms(weights)))

    def dual_norm(self, gradient: np.ndarray) -> float:
        """Return the dual norm."""
        return float(np.max(_row_norms(gradient), initial=0.0))

    def prox(self, weights: np.ndarray, threshold: float) -> np.ndarray:
        """Shrink towards zero by ``threshold``."""
        if np.isinf(threshold):
            return np.zeros_like(weights)
        norms = _row_norms(weights)
        shrunk = np.maximum(norms - threshold, 0.0)
        factor = np.divide(shrunk, norms, out=np.zeros_like(norms), where=norms > 0)
        return weights * factor[:, None]


class EntrySparse(Penalty):
    """``l1``: the sum of absolute entries."""

    def value(self, weights: np.ndarray) -> float:
        """Return the norm."""
        return float(np.sum(np.abs(weights)))

    def dual_norm(self, gradient: np.ndarray) -> float:
        """Return the dual norm."""
        return float(np.max(np.abs(gradient), initial=0.0))

    def prox(self, weights: np.ndarray, threshold: float) -> np.ndarray:
        """Shrink towards zero by ``threshold``."""
        return np.sign(weights) * np.maximum(np.abs(weights) - threshold, 0.0)


class LowRank(Penalty):
    """``trace``: the sum of singular values, which selects a low-dimensional subspace."""

    def value(self, weights: np.ndarray) -> float:
        """Return the norm."""
        return float(np.sum(_singular_values(weights)))

    def dual_norm(self, gradient: np.ndarray) -> float:
        """Return the dual norm."""
        return float(np.max(_singular_values(gradient), initial=0.0))

    def prox(self, weights: np.ndarray, threshold: float) -> np.ndarray:
        """Shrink towards zero by ``threshold``."""
        if weights.size == 0 or np.isinf(threshold):
            return np.zeros_like(weights)
        left, values, right = np.linalg.svd(weights, full_matrices=False)
        return (left * np.maximum(values - threshold, 0.0)) @ right


PENALTIES: dict[str, Penalty] = {"l21": RowSparse(), "l1": EntrySparse(), "trace": LowRank()}


def _row_norms(weights: np.ndarray) -> np.ndarray:
    return np.sqrt(np.einsum("ij,ij->i", weights, weights))


def _singular_values(weights: np.ndarray) -> np.ndarray:
    if weights.size == 0:
        return np.zeros(0)
    return np.linalg.svd(weights, compute_uv=False)
