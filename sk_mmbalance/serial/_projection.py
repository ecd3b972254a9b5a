"""A projection of the weak modality that keeps what depends on labels and strong scores."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import eigh
from sklearn.base import BaseEstimator, TransformerMixin


class DependenceProjection(TransformerMixin, BaseEstimator):
    r"""Directions of largest dependence on the labels and on the strong modality's scores.

    Maximises the Hilbert-Schmidt dependence between the projected weak features and the kernel
    "labels + gamma x strong scores". Features are scaled to unit variance first. With the centred
    features :math:`X_c` of n rows,

    .. math::

        M v = \lambda \left(X_c^T X_c / n + r I\right) v, \qquad
        M = \frac{A A^T}{\mathrm{tr}(A A^T)} + \gamma \frac{B B^T}{\mathrm{tr}(B B^T)},

    where :math:`A = X_c^T (Y - \bar Y)` with class indicators Y, divided by the root of the
    class's labelled count and zero on unlabelled rows, :math:`B = X_c^T F` with the centred class
    scores F of the strong modality, and r the ridge times the mean column variance. No n x n
    kernel is formed. Reconstructed from the abstract of [1]_.

    Parameters
    ----------
    dim : int, default=None
        Number of directions; None for the number of classes. At most the number of features.
    gamma : float, default=1.0
        Weight of the strong scores against the labels.
    ridge : float, default=1e-2
        Ridge relative to the mean column variance.

    Attributes
    ----------
    mean_, scale_ : ndarray of shape (n_features,)
        Centre and scale of the features.
    directions_ : ndarray of shape (n_features, dim)
        Columns, orthonormal in :math:`X_c^T X_c / n + r I`, strongest first.
    dependence_ : ndarray of shape (dim,)
        Their eigenvalues.

    References
    ----------
    .. [1] X. Zhang, Y. Yin, D.-C. Zhan, J. Peng, "Multi-modal learning in serial biometric
       systems", IEEE Transactions on Information Forensics and Security 9(10), 2014.
    """

    def __init__(self, dim: int | None = None, *, gamma: float = 1.0, ridge: float = 1e-2):
        self.dim = dim
        self.gamma = gamma
        self.ridge = ridge

    def fit(
        self, X: Any, y: Any = None, *, scores: Any, sample_weight: Any = None
    ) -> DependenceProjection:
        """Find the directions.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Weak features.
        y : ndarray of int of shape (n_samples,)
            Class codes, -1 where unlabelled.
        scores : ndarray of shape (n_samples, n_classes)
            Class scores of the strong modality.
        sample_weight : ndarray of shape (n_samples,), default=None
            Weights.

        Returns
        -------
        DependenceProjection
            Itself.
        """
        weights = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight, float)
        n = weights.sum()
        mean = weights @ X / n
        scale = np.sqrt(weights @ (X - mean) ** 2 / n)
        scale[scale == 0] = 1.0
        centred = (X - mean) / scale
        within = (centred * weights[:, None]).T @ centred / n
        ridge = self.ridge * max(np.trace(within) / len(within), np.finfo(float).tiny)
        target = _unit_trace(centred, weights, _indicators(y, weights, np.shape(scores)[1]))
        target += self.gamma * _unit_trace(centred, weights, np.asarray(scores, float))
        values, vectors = eigh(target, within + ridge * np.eye(len(within)))
        dim = min(np.shape(scores)[1] if self.dim is None else self.dim, len(within))
        order = np.argsort(values)[::-1][:dim]
        self.mean_, self.scale_ = mean, scale
        self.directions_, self.dependence_ = vectors[:, order], values[order]
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Project.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Weak features.

        Returns
        -------
        ndarray of shape (n_samples, dim)
            Projected features.
        """
        return (X - self.mean_) / self.scale_ @ self.directions_


def _indicators(codes: np.ndarray, weights: np.ndarray, n_classes: int) -> np.ndarray:
    """Class indicators over the root of the class's (weighted) count; zero where unlabelled."""
    ones = (codes[:, None] == np.arange(n_classes)).astype(float)
    count = weights @ ones
    return ones / np.sqrt(np.where(count > 0, count, 1.0))


def _unit_trace(centred: np.ndarray, weights: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """``C C' / tr(C C')`` with ``C`` = features times centred columns (any scale of them)."""
    columns = columns - weights @ columns / weights.sum()
    cross = (centred * weights[:, None]).T @ columns
    trace = float((cross**2).sum())
    return cross @ cross.T / (trace if trace > 0 else 1.0)
