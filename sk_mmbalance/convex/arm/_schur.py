"""Schur-reduced form of the quadratic problem: only the weak coefficients are left.

With the squared loss the objective is quadratic in everything but the sparsity penalty, so
the strong coefficients and both intercepts can be eliminated exactly. What is left is::

    min_W  1/2 tr(W' S W) - tr(B' W) + c + l1 Omega(W)

with ``S`` of shape (n_weak_features, n_weak_features): the rows enter through their Gram
matrices only. The same form, with the Gram matrices scaled by a loss's curvature, is the
proximal step of the data-space solver.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import linalg

from ._accelerated import accelerated_descent
from ._grams import Grams
from ._penalties import Penalty
from ._problem import ARMPoint


@dataclass(frozen=True, eq=False)
class Linear:
    """Linear term of a quadratic problem, ``C_E`` (eliminated) and ``C_k`` (kept block)."""

    eliminated: np.ndarray
    kept: np.ndarray


class SchurForm:
    """Elimination of ``E = (W_s, b_s, b_w)`` from the quadratic problem.

    Parameters
    ----------
    grams : Grams
    alpha, coupling, strong_reg : float
    curvature : float, default=1.0
        Factor on the labelled terms' Gram matrices.
    fit_intercept : bool, default=True
        Whether both sides have intercepts.

    Attributes
    ----------
    reduced : ndarray of shape (n_weak_features, n_weak_features)
        ``S`` without the weak side's ridge ``l2``.
    """

    def __init__(
        self,
        grams: Grams,
        alpha: float,
        coupling: float,
        strong_reg: float,
        *,
        curvature: float = 1.0,
        fit_intercept: bool = True,
    ):
        self.width = int(fit_intercept)
        self.n_weak = grams.ww.shape[0] - self.width
        self.n_strong = grams.ss.shape[0] - self.width
        self.alpha = alpha
        self._grams = grams
        h_ss = curvature * grams.ss + coupling * grams.css
        h_ss.flat[: self.n_strong * (len(h_ss) + 1) : len(h_ss) + 1] += strong_reg
        h_sw = -coupling * grams.csw
        h_ww = alpha * curvature * grams.ww + coupling * grams.cww
        kept, ones = slice(0, self.n_weak), slice(self.n_weak, None)
        if self.n_weak == 0:
            # no weak side: its intercept would be free of any term
            h_ee, self._h_ek = h_ss, np.zeros((len(h_ss), 0))
        else:
            h_ee = np.block([[h_ss, h_sw[:, ones]], [h_sw[:, ones].T, h_ww[ones, ones]]])
            self._h_ek = np.vstack([h_sw[:, kept], h_ww[ones, kept]])
        self._h_ee, self._h_kk = h_ee, h_ww[kept, kept]
        try:
            self._factor = linalg.cho_factor(h_ee, lower=True)
        except linalg.LinAlgError as error:
            coupled = f" and `coupling`={coupling:g}" if coupling else ""
            lower = ", or lower `coupling`" if coupling else ""
            raise ValueError(
                f"The system of the strong columns of `X` cannot be solved with "
                f"`strong_reg`={strong_reg:g}{coupled}: they are collinear, or too large, beside "
                f"so small a ridge (its entries reach {np.abs(h_ee).max():.3g}). Scale the columns "
                f"or raise `strong_reg`{lower}."
            ) from error
        self._inverse_h_ek = linalg.cho_solve(self._factor, self._h_ek)
        self.reduced = self._h_kk - self._h_ek.T @ self._inverse_h_ek
        self.reduced = 0.5 * (self.reduced + self.reduced.T)

    def data_term(self) -> tuple[Linear, float]:
        """Linear term and constant that the targets of the squared loss give."""
        grams = self._grams
        if self.n_weak == 0:
            return Linear(grams.sy, np.zeros((0, grams.sy.shape[1]))), 0.5 * grams.yy_s
        wy = self.alpha * grams.wy
        linear = Linear(np.vstack([grams.sy, wy[self.n_weak :]]), wy[: self.n_weak])
        return linear, 0.5 * (grams.yy_s + self.alpha * grams.yy_w)

    def reduce(self, linear: Linear) -> tuple[np.ndarray, float]:
        """``B`` and what the elimination adds to the constant."""
        solved = linalg.cho_solve(self._factor, linear.eliminated)
        offset = -0.5 * float(np.vdot(linear.eliminated, solved))
        return linear.kept - self._h_ek.T @ solved, offset

    def apply(self, eliminated: np.ndarray, kept: np.ndarray) -> Linear:
        """Multiply a point by the full quadratic's Hessian (without ``l2``)."""
        return Linear(
            self._h_ee @ eliminated + self._h_ek @ kept,
            self._h_ek.T @ eliminated + self._h_kk @ kept,
        )

    def best_eliminated(self, weak: np.ndarray, linear: Linear) -> np.ndarray:
        """Return the best ``E`` for weak coefficients ``weak``."""
        return linalg.cho_solve(self._factor, linear.eliminated) - self._inverse_h_ek @ weak

    def stack(self, point: ARMPoint) -> tuple[np.ndarray, np.ndarray]:
        """``(E, W_w)`` of a point."""
        parts = [point.strong]
        if self.width:
            parts.append(point.strong_intercept[None])
            if self.n_weak:
                parts.append(point.weak_intercept[None])
        return np.vstack(parts), point.weak

    def unstack(self, eliminated: np.ndarray, weak: np.ndarray) -> ARMPoint:
        """Rebuild the point that `stack` took apart."""
        rest = eliminated[self.n_strong :]
        zero = np.zeros(eliminated.shape[1])
        return ARMPoint(
            eliminated[: self.n_strong],
            rest[0] if self.width else zero,
            weak,
            rest[1] if self.width and self.n_weak else zero,
        )

    @cached_property
    def _spectrum(self) -> tuple[np.ndarray, np.ndarray]:
        if not self.reduced.size:  # no weak columns; SciPy before 1.15 refuses an empty matrix
            return np.zeros(0), np.zeros((0, 0))
        values, vectors = linalg.eigh(self.reduced)
        return np.maximum(values, 0.0), vectors

    def quadratic(
        self, target: np.ndarray, l1: float, l2: float, penalty: Penalty
    ) -> WeakQuadratic:
        """Pose the reduced problem with linear term ``target``."""
        values, vectors = self._spectrum
        return WeakQuadratic(self.reduced, values, vectors, target, l1, l2, penalty)


class WeakQuadratic:
    """``min_W 1/2 tr(W'(S + l2 I)W) - tr(B'W) + l1 Omega(W)`` with its own duality gap."""

    def __init__(
        self,
        reduced: np.ndarray,
        values: np.ndarray,
        vectors: np.ndarray,
        target: np.ndarray,
        l1: float,
        l2: float,
        penalty: Penalty,
    ):
        self.target, self.l1, self.l2, self.penalty = target, l1, l2, penalty
        self._reduced = reduced
        self._lipschitz = float(np.max(values, initial=0.0)) + l2
        shifted = values + l2
        # B'(S + l2 I)^+ B, the value of the problem without the sparsity penalty
        floor = self._lipschitz * len(values) * np.finfo(float).eps
        rotated = vectors.T @ target
        inverse = np.divide(1.0, shifted, out=np.zeros_like(shifted), where=shifted > floor)
        self.free_value = float(np.sum(inverse[:, None] * rotated**2))
        self._free = (vectors, inverse[:, None] * rotated)

    def curve(self, weights: np.ndarray) -> np.ndarray:
        """``(S + l2 I) W``."""
        return self._reduced @ weights + self.l2 * weights

    def step(self, weights: np.ndarray) -> np.ndarray:
        """One proximal gradient step."""
        if self._lipschitz == 0:
            return np.zeros_like(weights)
        moved = weights - (self.curve(weights) - self.target) / self._lipschitz
        return self.penalty.prox(moved, self.l1 / self._lipschitz)

    def bounds(self, weights: np.ndarray) -> tuple[float, float]:
        """Value at ``weights`` and a lower bound of the minimum, both without the constant.

        The dual point ``t W + (1 - t) (S + l2 I)^+ B`` is feasible for every ``t`` up to
        ``l1 / Omega_dual(B - (S + l2 I) W)``; the bound is quadratic in ``t``, and the best
        admissible ``t`` is taken.
        """
        curved = self.curve(weights)
        own = float(np.vdot(weights, curved))
        cross = float(np.vdot(weights, self.target))
        value = 0.5 * own - cross
        if np.any(weights):
            value += self.l1 * self.penalty.value(weights)
        largest = self.penalty.dual_norm(self.target - curved)
        limit = 1.0 if largest <= self.l1 else self.l1 / largest
        spread = own - 2 * cross + self.free_value
        best = (self.free_value - cross) / spread if spread > 0 else 1.0
        t = min(max(best, 0.0), limit)
        bound = -0.5 * ((1 - t) ** 2 * self.free_value + 2 * t * (1 - t) * cross + t**2 * own)
        return value, bound

    def solve(
        self, start: np.ndarray, enough: Callable[[float, float], bool], max_iter: int
    ) -> tuple[np.ndarray, int, bool]:
        """Accelerated proximal descent until ``enough(value, bound)``."""
        if np.isinf(self.l1) or self.target.size == 0:
            return np.zeros_like(self.target), 0, True
        if self.l1 == 0:
            vectors, rotated = self._free
            return vectors @ rotated, 0, True
        descent = accelerated_descent(
            lambda blocks: (self.step(blocks[0]),),
            lambda blocks: enough(*self.bounds(blocks[0])),
            (start,),
            max_iter=max_iter,
        )
        return descent.blocks[0], descent.n_iter, descent.stopped
