"""Convex losses of a score matrix, with what a solver and a certificate need of them.

Scores ``F`` and coded targets ``Y`` have shape (n_samples, n_outputs). The conjugate is
that of one row's loss as a function of its scores.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from scipy.special import expit, log_softmax, softmax, xlogy


class Loss(ABC):
    """A convex, differentiable loss whose Hessian stays below ``curvature * identity``."""

    curvature: float
    #: Whether adding one number to all scores of a row leaves its loss as it is.
    ignores_common_shift = False

    @abstractmethod
    def value(self, scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Loss of each row, shape (n_samples,)."""

    @abstractmethod
    def gradient(self, scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Gradient of each row's loss in its scores, shape (n_samples, n_outputs)."""

    @abstractmethod
    def conjugate(self, dual: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Conjugate of each row's loss, for ``dual`` in the range of the gradient."""

    @abstractmethod
    def hessian_sum(
        self, scores: np.ndarray, targets: np.ndarray, weights: np.ndarray
    ) -> np.ndarray:
        """Weighted sum of the rows' Hessians, shape (n_outputs, n_outputs)."""


class SquaredLoss(Loss):
    """``1/2 ||y - f||^2``."""

    curvature = 1.0

    def value(self, scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the loss of each row."""
        return 0.5 * np.sum((scores - targets) ** 2, axis=1)

    def gradient(self, scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the gradient of each row's loss."""
        return scores - targets

    def conjugate(self, dual: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the conjugate of each row's loss."""
        return np.sum(dual * (0.5 * dual + targets), axis=1)

    def hessian_sum(
        self, scores: np.ndarray, targets: np.ndarray, weights: np.ndarray
    ) -> np.ndarray:
        """Return the weighted sum of the rows' Hessians."""
        return np.sum(weights) * np.eye(scores.shape[1])


class SquaredHingeLoss(Loss):
    """``1/2 sum_k max(0, 1 - y_k f_k)^2`` for targets of -1 and +1 (one against the rest)."""

    curvature = 1.0

    def value(self, scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the loss of each row."""
        return 0.5 * np.sum(np.maximum(1 - targets * scores, 0.0) ** 2, axis=1)

    def gradient(self, scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the gradient of each row's loss."""
        return -targets * np.maximum(1 - targets * scores, 0.0)

    def conjugate(self, dual: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the conjugate of each row's loss."""
        return np.sum(dual * (0.5 * dual + targets), axis=1)

    def hessian_sum(
        self, scores: np.ndarray, targets: np.ndarray, weights: np.ndarray
    ) -> np.ndarray:
        """Return the weighted sum of the rows' Hessians."""
        return np.diag(weights @ (targets * scores < 1))


class BinaryLogLoss(Loss):
    """``log(1 + exp(-y f))`` for one score column and targets of -1 and +1."""

    curvature = 0.25

    def value(self, scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the loss of each row."""
        return np.logaddexp(0.0, -targets * scores)[:, 0]

    def gradient(self, scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the gradient of each row's loss."""
        return -targets * expit(-targets * scores)

    def conjugate(self, dual: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the conjugate of each row's loss."""
        chance = np.clip(-dual * targets, 0.0, 1.0)
        return (xlogy(chance, chance) + xlogy(1 - chance, 1 - chance))[:, 0]

    def hessian_sum(
        self, scores: np.ndarray, targets: np.ndarray, weights: np.ndarray
    ) -> np.ndarray:
        """Return the weighted sum of the rows' Hessians."""
        chance = expit(scores[:, 0])
        return np.array([[np.sum(weights * chance * (1 - chance))]])


class MultinomialLogLoss(Loss):
    """``log sum_k exp(f_k) - f_y`` for one-hot targets."""

    # Böhning's bound 1/2 (I - 11'/K) on diag(p) - pp'
    curvature = 0.5
    ignores_common_shift = True

    def value(self, scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the loss of each row."""
        return -np.sum(targets * log_softmax(scores, axis=1), axis=1)

    def gradient(self, scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the gradient of each row's loss."""
        return softmax(scores, axis=1) - targets

    def conjugate(self, dual: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the conjugate of each row's loss."""
        chance = np.clip(dual + targets, 0.0, 1.0)
        return np.sum(xlogy(chance, chance), axis=1)

    def hessian_sum(
        self, scores: np.ndarray, targets: np.ndarray, weights: np.ndarray
    ) -> np.ndarray:
        """Return the weighted sum of the rows' Hessians."""
        chance = softmax(scores, axis=1)
        weighted = weights[:, None] * chance
        return np.diag(np.sum(weighted, axis=0)) - weighted.T @ chance


def make_loss(name: str, n_outputs: int) -> Loss:
    """Loss called ``name`` for ``n_outputs`` score columns."""
    if name == "squared":
        return SquaredLoss()
    if name == "squared_hinge":
        return SquaredHingeLoss()
    return BinaryLogLoss() if n_outputs == 1 else MultinomialLogLoss()


def code_targets(name: str, codes: np.ndarray, n_classes: int) -> np.ndarray:
    """Class codes (-1 for unlabelled) as the target matrix that loss ``name`` expects.

    Two classes share one column of -1 and +1. More classes have one column each: one-hot
    for the log-loss, -1 and +1 otherwise. Unlabelled rows hold an arbitrary valid code;
    their weight is zero.
    """
    codes = np.maximum(codes, 0)
    if n_classes == 2:
        return np.where(codes == 1, 1.0, -1.0)[:, None]
    one_hot = np.zeros((len(codes), n_classes))
    one_hot[np.arange(len(codes)), codes] = 1.0
    return one_hot if name == "log_loss" else 2 * one_hot - 1
