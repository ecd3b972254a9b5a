"""Weights by class that are drawn to one weight an expert: another way to write the same problem.

A weight for expert e and class k is written ``w_ek = u_e + d_ek`` with a common part ``u_e >= 0``
and ``d_ek >= 0``, what the class adds to it. Both parts have a price, so the penalty of weights
``w`` is

    ``alpha * sum_e (min_k w_ek + ratio * sum_k (w_ek - min_k w_ek))``

wherever ``ratio`` is at least ``1 / n_classes``: at that value it is ``alpha`` times the mean over
classes, and no class is drawn to the others; the larger the ratio, the fewer classes leave the
common weight; without end, none does. The loss is still one of a linear map of variables that are
not negative, each with a price: `_solver` minimises it as it does all others, and its certificate,
which asks for nothing but prices, holds as it stands.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ._problem import PoolProblem


@dataclass(frozen=True, eq=False)
class ShrunkProblem:
    """A problem with weights by class, over common parts and what classes add.

    Parameters
    ----------
    by_class : PoolProblem
        The problem over weights by expert and class.
    """

    by_class: PoolProblem

    @property
    def logs(self) -> np.ndarray:
        """Log-probabilities, (n_experts, n_samples, n_classes)."""
        return self.by_class.logs

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return self.by_class.n_samples

    @property
    def weights_shape(self) -> tuple[int, ...]:
        """Shape of the variables: common part first, then what each class adds."""
        n_experts, n_classes = self.by_class.weights_shape
        return (n_experts, 1 + n_classes)

    def start(self) -> np.ndarray:
        """Variables to start from: equal weights, common to all classes."""
        first = np.zeros(self.weights_shape)
        first[:, 0] = 1.0 / len(first)
        return first

    def prices(self, alpha: float, ratio: float) -> np.ndarray:
        """What a unit of each flattened variable costs."""
        price = np.full(self.weights_shape, alpha * ratio)
        price[:, 0] = alpha
        return price.ravel()

    @staticmethod
    def weights(variables: np.ndarray) -> np.ndarray:
        """Weights by expert and class."""
        return variables[:, :1] + variables[:, 1:]

    def rows(self, indices: np.ndarray) -> ShrunkProblem:
        """Only some rows, their shares summing to 1 again."""
        return replace(self, by_class=self.by_class.rows(indices))

    def slope(self, variables: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Loss, its gradient over the flattened variables, and the probabilities."""
        loss, slope, proba = self.by_class.slope(self.weights(variables))
        return loss, _with_sums(slope.reshape(self.by_class.weights_shape)).ravel(), proba

    def curvature(self, proba: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """Hessian of the loss over the `chosen` flattened variables."""
        shape = self.by_class.weights_shape
        whole = self.by_class.curvature(proba, np.arange(shape[0] * shape[1]))
        whole = _with_sums(whole.reshape(-1, *shape)).reshape(len(whole), -1)[:, chosen]
        return _with_sums(whole.T.reshape(-1, *shape)).reshape(len(chosen), -1)[:, chosen].T


def _with_sums(values: np.ndarray) -> np.ndarray:
    """Values by class on the last axis, their sum in front: the transpose of `weights`."""
    return np.concatenate([values.sum(axis=-1, keepdims=True), values], axis=-1)
