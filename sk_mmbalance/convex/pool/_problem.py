"""The log-loss of a logarithmic opinion pool, with its first and second derivatives.

The scores of row i are ``z_ik = sum_e w_e l_iek`` with ``l`` the experts' log-probabilities, its
loss ``log sum_k exp z_ik - z_i,y``. With ``p = softmax(z)``,

- gradient: ``sum_i c_i sum_k (p_ik - [k = y_i]) l_iek``;
- Hessian: ``sum_i c_i (sum_k p_ik l_iek l_ifk - m_ie m_if)``, ``m_ie = sum_k p_ik l_iek``,

and the like with a weight for each expert and class.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

#: Numbers of a chunk of rows: 1 MB of them, so that every pass over a chunk finds it in the cache.
CHUNK = 2**17


@dataclass(frozen=True, eq=False)
class PoolProblem:
    """Arrays of one problem.

    Parameters
    ----------
    logs : ndarray of shape (n_experts, n_samples, n_classes)
        Log-probabilities, zero where a row lacks the expert. Any layout whose last two axes are
        contiguous is read in place.
    codes : ndarray of int of shape (n_samples,)
        Class of every row.
    shares : ndarray of shape (n_samples,)
        Weights of the rows, summing to 1.
    per_class : bool
        Whether an expert has a weight for every class.
    """

    logs: np.ndarray
    codes: np.ndarray
    shares: np.ndarray
    per_class: bool = False

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return self.logs.shape[1]

    @property
    def weights_shape(self) -> tuple[int, ...]:
        """Shape of the weights: by expert, or by expert and class."""
        n_experts, _, n_classes = self.logs.shape
        return (n_experts, n_classes) if self.per_class else (n_experts,)

    def rows(self, indices: np.ndarray) -> PoolProblem:
        """Only some rows, their shares summing to 1 again."""
        shares = self.shares[indices]
        return replace(
            self,
            logs=self.logs[:, indices],
            codes=self.codes[indices],
            shares=shares / shares.sum(),
        )

    def slope(self, weights: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Loss at `weights`, its gradient over the flattened weights, and the probabilities."""
        loss, gradient = 0.0, np.zeros(weights.size)
        proba = np.empty(self.logs.shape[1:])
        for part in self._chunks():
            logs, codes, shares = self.logs[:, part], self.codes[part], self.shares[part]
            proba[part], losses = softmax_and_loss(scores(logs, weights), codes)
            loss += float(shares @ losses)
            residuals = proba[part].copy()
            residuals[np.arange(len(codes)), codes] -= 1.0
            residuals *= shares[:, None]
            if self.per_class:
                gradient += np.einsum("eik,ik->ek", logs, residuals).ravel()
            else:
                gradient += logs.reshape(len(logs), -1) @ residuals.ravel()
        return loss, gradient, proba

    def curvature(self, proba: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """Hessian of the loss over the `chosen` flattened weights, where the pool is `proba`."""
        size = proba.shape[1] * len(self.logs) if self.per_class else len(chosen)
        whole = np.zeros((size, size))
        for part in self._chunks():
            if self.per_class:
                whole += self._curve_per_class(part, proba[part])
            else:
                whole += self._curve(part, proba[part], chosen)
        return whole[np.ix_(chosen, chosen)] if self.per_class else whole

    def _chunks(self) -> list[slice]:
        n_experts, n_samples, n_classes = self.logs.shape
        step = max(1, CHUNK // (n_experts * n_classes))
        return [slice(start, start + step) for start in range(0, n_samples, step)]

    def _curve(self, part: slice, proba: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        # With B = sqrt(c p) l both terms are products of a matrix with itself.
        root = np.sqrt(proba)
        scaled = self.logs[chosen, part] * (np.sqrt(self.shares[part])[:, None] * root)
        means = np.einsum("eik,ik->ei", scaled, root)
        flat = scaled.reshape(len(chosen), -1)
        return flat @ flat.T - means @ means.T

    def _curve_per_class(self, part: slice, proba: np.ndarray) -> np.ndarray:
        by_class = self.logs[:, part].transpose(2, 0, 1)  # (n_classes, n_experts, n_rows)
        n_classes, n_experts, n_rows = by_class.shape
        shares = self.shares[part, None]
        blocks = (by_class * (shares * proba).T[:, None, :]) @ by_class.transpose(0, 2, 1)
        means = by_class * (np.sqrt(shares) * proba).T[:, None, :]
        flat = means.transpose(1, 0, 2).reshape(n_experts * n_classes, n_rows)
        whole = -(flat @ flat.T).reshape(n_experts, n_classes, n_experts, n_classes)
        classes = np.arange(n_classes)
        whole[:, classes, :, classes] += blocks
        return whole.reshape(n_experts * n_classes, -1)


def scores(logs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted sums of log-probabilities, shape (n_samples, n_classes).

    `logs` is (n_experts, n_samples, n_classes), `weights` by expert or by expert and class.
    """
    if weights.ndim == 2:
        return np.einsum("ek,eik->ik", weights, logs)
    return (weights @ logs.reshape(len(logs), -1)).reshape(logs.shape[1:])


def softmax_and_loss(scores: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and log-loss of every row; overwrites `scores`."""
    scores -= scores.max(axis=1, keepdims=True)
    own = scores[np.arange(len(codes)), codes]
    np.exp(scores, out=scores)
    total = scores.sum(axis=1, keepdims=True)
    scores /= total
    return scores, np.log(total[:, 0]) - own
