"""Accelerated proximal method over the rows themselves, for any smooth loss.

Each step minimises the linearised objective plus a quadratic that lies above the loss. Two
quadratics are at hand. The *Gram metric* uses the Gram matrices times the loss's largest
curvature: it takes the data's conditioning out, and its step is the Schur-reduced problem
of the squared loss. The *scalar metric* is plain FISTA: one Lipschitz bound, no matrix; it
is for more columns than a Gram matrix can hold.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ._accelerated import Blocks, accelerated_descent
from ._certificate import dual_bound, relative_gap, settle_intercepts
from ._grams import Grams
from ._problem import ARMData, ARMPoint, Strengths, objective, score_gradients
from ._schur import Linear, SchurForm

#: How exactly the Gram metric's inner problem is solved, relative to what a step can gain.
_INNER_ACCURACY = 0.1
_INNER_MAX_ITER = 2000


@dataclass(eq=False)
class Watch:
    """Keeps the best certified point of a descent and decides when it is good enough."""

    data: ARMData
    strengths: Strengths
    tol: float
    best: ARMPoint | None = None
    value: float = np.inf
    bound: float = -np.inf
    gaps: list[float] = field(default_factory=list)
    told: Callable[[float], None] | None = None

    def __post_init__(self) -> None:
        self._at_zero = objective(self.data, self.strengths, self.data.zero())

    def __call__(self, point: ARMPoint) -> bool:
        """Certify ``point``; True when the best gap so far is at most `tol`."""
        settled, scores, value = settle_intercepts(self.data, self.strengths, point)
        if value < self.value:
            self.value, self.best = value, settled
        self.bound = max(self.bound, dual_bound(self.data, self.strengths, settled, scores))
        self.gaps.append(relative_gap(self.value, self.bound, self._at_zero))
        if self.told is not None:
            self.told(self.gaps[-1])
        return self.gaps[-1] <= self.tol


class Metric(ABC):
    """A quadratic above the loss, and the proximal step it gives."""

    @abstractmethod
    def step(self, point: ARMPoint, gradient: ARMPoint) -> ARMPoint:
        """Minimiser of linearisation + metric + sparsity penalty."""

    def correlation(self, left: Blocks, right: Blocks) -> float:
        """Inner product in the metric."""
        return float(sum(np.vdot(a, b) for a, b in zip(left, right, strict=True)))


class GramMetric(Metric):
    """The Gram matrices, scaled by the loss's curvature."""

    def __init__(self, form: SchurForm, strengths: Strengths):
        self._form, self._strengths = form, strengths

    def step(self, point: ARMPoint, gradient: ARMPoint) -> ARMPoint:
        """Minimise linearisation + metric + sparsity penalty."""
        form, strengths = self._form, self._strengths
        here, slope = form.stack(point), form.stack(gradient)
        curved = form.apply(*here)
        linear = Linear(
            curved.eliminated - slope[0], curved.kept + strengths.l2 * here[1] - slope[1]
        )
        target, _ = form.reduce(linear)
        inner = form.quadratic(target, strengths.l1, strengths.l2, strengths.penalty)
        start, _ = inner.bounds(here[1]) if np.isfinite(strengths.l1) else (0.0, 0.0)
        weak, _, _ = inner.solve(
            here[1],
            # below rounding there is nothing to gain
            lambda value, bound: (
                value - bound <= max(_INNER_ACCURACY * (start - bound), 1e-14 * abs(value))
            ),
            _INNER_MAX_ITER,
        )
        return form.unstack(form.best_eliminated(weak, linear), weak)

    def correlation(self, left: Blocks, right: Blocks) -> float:
        """Return the inner product in the metric."""
        point = ARMPoint(*right)
        stacked = self._form.stack(point)
        curved = self._form.apply(*stacked)
        mirrored = self._form.stack(ARMPoint(*left))
        return float(
            np.vdot(mirrored[0], curved.eliminated)
            + np.vdot(mirrored[1], curved.kept + self._strengths.l2 * stacked[1])
        )


class ScalarMetric(Metric):
    """One Lipschitz bound of the gradient, by power iteration."""

    def __init__(self, data: ARMData, strengths: Strengths):
        self._strengths = strengths
        self._width = int(data.fit_intercept)
        # 30 iterations find the largest eigenvalue to within a per cent or two; 2 % are added
        self._lipschitz = 1.02 * _largest_curvature(data, strengths, n_iter=30)

    def step(self, point: ARMPoint, gradient: ARMPoint) -> ARMPoint:
        """Minimise linearisation + metric + sparsity penalty."""
        size = self._lipschitz
        return ARMPoint(
            point.strong - gradient.strong / size,
            point.strong_intercept - self._width * gradient.strong_intercept / size,
            self._strengths.penalty.prox(
                point.weak - gradient.weak / size, self._strengths.l1 / size
            ),
            point.weak_intercept - self._width * gradient.weak_intercept / size,
        )


def smooth_gradient(data: ARMData, strengths: Strengths, point: ARMPoint) -> ARMPoint:
    """Gradient of J without the sparsity penalty."""
    u_s, u_w, u_c = score_gradients(data, strengths, *data.scores(point))
    toward_strong, toward_weak = u_s + u_c, u_w - u_c
    # weak coefficients that are held at zero need no gradient
    held = bool(np.isinf(strengths.l1))
    strong, weak = data.pull_back(toward_strong, toward_weak, weak=not held)
    return ARMPoint(
        strong + strengths.strong_reg * point.strong,
        np.sum(toward_strong, axis=0),
        weak + strengths.l2 * point.weak,
        np.sum(toward_weak, axis=0),
    )


def solve_data_space(
    data: ARMData,
    strengths: Strengths,
    start: ARMPoint,
    *,
    tol: float,
    max_iter: int,
    grams: Grams | None,
    check_every: int = 10,
    told: Callable[[float], None] | None = None,
) -> tuple[Watch, int, bool]:
    """Minimise J from ``start`` until the relative duality gap is at most `tol`.

    Parameters
    ----------
    data : ARMData
    strengths : Strengths
    start : ARMPoint
    tol : float
    max_iter : int
    grams : Grams or None
        With Gram matrices the Gram metric is used, without them the scalar one.
    check_every : int, default=10
        Steps between two certificates.
    told : callable, default=None
        Told of the relative gap of each.

    Returns
    -------
    watch : Watch
        Holds the best point, its value, the bound and the history of gaps.
    n_iter : int
    converged : bool
    """
    metric: Metric
    if grams is None:
        metric = ScalarMetric(data, strengths)
    else:
        form = SchurForm(
            grams,
            strengths.alpha,
            strengths.coupling,
            strengths.strong_reg,
            curvature=data.loss.curvature,
            fit_intercept=data.fit_intercept,
        )
        metric = GramMetric(form, strengths)

    def step(blocks: Blocks) -> Blocks:
        point = ARMPoint(*blocks)
        return _blocks(metric.step(point, smooth_gradient(data, strengths, point)))

    watch = Watch(data, strengths, tol, told=told)
    descent = accelerated_descent(
        step,
        lambda blocks: watch(ARMPoint(*blocks)),
        _blocks(start),
        max_iter=max_iter,
        check_every=check_every,
        correlation=metric.correlation,
    )
    return watch, descent.n_iter, descent.stopped


def proximal_step(
    data: ARMData, strengths: Strengths, point: ARMPoint, grams: Grams | None
) -> Watch:
    """One step from a solution found elsewhere: exact zeros, and a certificate."""
    watch, _, _ = solve_data_space(
        data, strengths, point, tol=0.0, max_iter=1, grams=grams, check_every=1
    )
    return watch


def _blocks(point: ARMPoint) -> Blocks:
    return (point.strong, point.strong_intercept, point.weak, point.weak_intercept)


def _largest_curvature(data: ARMData, strengths: Strengths, n_iter: int) -> float:
    """Largest eigenvalue of the Hessian's bound, on one score column."""
    rng = np.random.default_rng(0)
    loss = data.loss.curvature
    ones = float(data.fit_intercept)
    v_s = rng.standard_normal((data.strong.shape[1] + 1, 1))
    v_w = rng.standard_normal((data.weak.shape[1] + 1, 1))
    v_s[-1] *= ones
    v_w[-1] *= ones * data.has_weak
    strong_rows, weak_rows, paired_rows = (
        rows[:, None] for rows in (data.strong_rows, data.weak_rows, data.paired_rows)
    )
    size = 1.0
    for _ in range(n_iter):
        norm = np.sqrt(np.sum(v_s**2) + np.sum(v_w**2))
        v_s, v_w = v_s / norm, v_w / norm
        f_s = data.strong.times(v_s[:-1]) + v_s[-1]
        f_w = data.weak.times(v_w[:-1]) + v_w[-1]
        tie = strengths.coupling * data.has_weak * paired_rows * (f_s - f_w)
        g_s = loss * strong_rows * f_s + tie
        g_w = loss * strengths.alpha * data.has_weak * weak_rows * f_w - tie
        slopes = (
            np.vstack([columns.transposed(slope), ones * np.sum(slope, axis=0, keepdims=True)])
            for columns, slope in ((data.strong, g_s), (data.weak, g_w))
        )
        v_s, v_w = (
            slope + reg * v
            for slope, reg, v in zip(
                slopes, (strengths.strong_reg, strengths.l2), (v_s, v_w), strict=True
            )
        )
        size = float(np.sqrt(np.sum(v_s**2) + np.sum(v_w**2)))
    return size
