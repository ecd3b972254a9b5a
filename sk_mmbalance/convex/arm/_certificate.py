"""The duality gap of the strong/weak-modality problem, for any loss and any solver.

A lower bound ``D`` of the objective comes from Fenchel duality, at the dual point that the
gradients of a primal point suggest. ``J - D`` bounds how far that point is from the optimum,
whoever computed it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ._problem import (
    ARMData,
    ARMPoint,
    Strengths,
    objective_at_scores,
    regularization,
    score_gradients,
)

#: Strong and weak scores, each of shape (n_samples, n_outputs).
Scores = tuple[np.ndarray, np.ndarray]

#: Singular values of the intercepts' Hessian below this share of the largest are rounding noise.
_RELATIVE_RANK = 1e-12


def relative_gap(value: float, bound: float, value_at_zero: float) -> float:
    """``(J - D) / J``, never negative.

    The denominator stays above a millionth of the objective at zero: below that, the
    difference of two numbers of the size of J at zero is rounding noise.
    """
    scale = max(value, 1e-6 * value_at_zero, np.finfo(float).tiny)
    return max(value - bound, 0.0) / scale


def dual_bound(
    data: ARMData, strengths: Strengths, point: ARMPoint, scores: Scores | None = None
) -> float:
    """Bound the objective's minimum from below, by the gradients at ``point``.

    Its scores are computed where they are not given.

    The intercepts are free, so a dual point must have column sums of zero. Call
    `settle_intercepts` first: what is left of the sums is charged with a bound of twice the
    intercepts' size.
    """
    u_s, u_w, u_c = score_gradients(data, strengths, *(scores or data.scores(point)))
    pulled = data.pull_back(u_s + u_c, u_w - u_c, weak=bool(np.isfinite(strengths.l1)))
    bounds = []
    if strengths.l2 > 0 or np.isinf(strengths.l1):
        bounds.append(_bound(data, strengths, point, (u_s, u_w, u_c), pulled, scale=1.0))
    if np.isfinite(strengths.l1):
        largest = strengths.penalty.dual_norm(pulled[1])
        scale = 1.0 if largest <= strengths.l1 else strengths.l1 / largest
        bounds.append(_bound(data, strengths, point, (u_s, u_w, u_c), pulled, scale=scale))
    return max(bounds)


def _bound(
    data: ARMData,
    strengths: Strengths,
    point: ARMPoint,
    duals: tuple[np.ndarray, np.ndarray, np.ndarray],
    pulled: tuple[np.ndarray, np.ndarray],
    scale: float,
) -> float:
    """D at the dual point ``scale * (u_s, u_w, u_c)``."""
    u_s, u_w, u_c = (scale * u for u in duals)
    value = -_conjugate(data, u_s, data.strong_rows)
    if strengths.alpha > 0 and data.has_weak:
        value -= _conjugate(data, u_w, strengths.alpha * data.weak_rows)
    if strengths.coupling > 0 and data.has_weak:
        rows = data.paired_rows > 0
        spread = np.sum(u_c[rows] ** 2, axis=1) / data.paired_rows[rows]
        value -= float(np.sum(spread)) / (2 * strengths.coupling)
    v_s, v_w = (scale * v for v in pulled)
    value -= float(np.sum(v_s**2)) / (2 * strengths.strong_reg)
    if strengths.l2 > 0 and np.isfinite(strengths.l1):
        value -= strengths.penalty.excess(v_w, strengths.l1) / (2 * strengths.l2)
    if data.fit_intercept:
        value -= _charge(u_s + u_c, point.strong_intercept)
        value -= _charge(u_w - u_c, point.weak_intercept)
    return value


def _conjugate(data: ARMData, dual: np.ndarray, weights: np.ndarray) -> float:
    rows = weights > 0
    share = dual[rows] / weights[rows][:, None]
    return float(weights[rows] @ data.loss.conjugate(share, data.targets[rows]))


def _charge(dual: np.ndarray, intercept: np.ndarray) -> float:
    limit = 2 * max(1.0, float(np.max(np.abs(intercept))))
    return limit * float(np.sum(np.abs(np.sum(dual, axis=0))))


def settle_intercepts(
    data: ARMData, strengths: Strengths, point: ARMPoint, max_iter: int = 20
) -> tuple[ARMPoint, Scores, float]:
    """``point`` with the intercepts that are best for its coefficients, its scores and objective.

    Where a common shift of all scores changes nothing, the strong side's intercepts sum to zero
    (the weak side's too, if nothing ties the sides). Where nothing is gained, `point` itself comes
    back.
    Newton's method in ``(b_s, b_w)`` alone: one pass over the scores an iteration. With it
    the dual point's column sums vanish, which the certificate needs; without, the gap would
    shrink only with the square root of the suboptimality.
    """
    strong_scores, weak_scores = data.scores(point)
    penalty = regularization(point, strengths)
    before = objective_at_scores(data, strengths, strong_scores, weak_scores) + penalty
    if not data.fit_intercept:
        return point, (strong_scores, weak_scores), before
    k = data.n_outputs
    shift = np.zeros(2 * k)
    step = np.inf
    for _ in range(max_iter):
        f_s, f_w = strong_scores + shift[:k], weak_scores + shift[k:]
        u_s, u_w, u_c = score_gradients(data, strengths, f_s, f_w)
        slope = np.concatenate([np.sum(u_s + u_c, axis=0), np.sum(u_w - u_c, axis=0)])
        # the multinomial loss is blind to a common shift of the scores, hence the least
        # squares; and its Newton steps are short enough here to need no line search
        newton = np.linalg.lstsq(
            _intercept_hessian(data, strengths, f_s, f_w), slope, rcond=_RELATIVE_RANK
        )[0]
        size = float(np.max(np.abs(newton)))
        if not np.isfinite(size) or size > max(10.0, 2 * step):
            break
        shift, step = shift - newton, size
        if size <= 1e-15 * max(1.0, float(np.max(np.abs(shift)))):
            break
    strong_intercept = point.strong_intercept + shift[:k]
    weak_intercept = point.weak_intercept + shift[k:]
    if data.loss.ignores_common_shift:
        tied = strengths.coupling > 0 and data.has_weak and np.any(data.paired_rows > 0)
        weak_intercept -= np.mean(strong_intercept if tied else weak_intercept)
        strong_intercept -= np.mean(strong_intercept)
    settled = replace(point, strong_intercept=strong_intercept, weak_intercept=weak_intercept)
    scores = (
        strong_scores + (strong_intercept - point.strong_intercept),
        weak_scores + (weak_intercept - point.weak_intercept),
    )
    value = objective_at_scores(data, strengths, *scores) + penalty
    # a rise within rounding is no rise
    if value <= before * (1 + 1e-12):
        return settled, scores, value
    return point, (strong_scores, weak_scores), before


def _intercept_hessian(
    data: ARMData, strengths: Strengths, strong_scores: np.ndarray, weak_scores: np.ndarray
) -> np.ndarray:
    k = data.n_outputs
    hessian = np.zeros((2 * k, 2 * k))
    hessian[:k, :k] = data.loss.hessian_sum(strong_scores, data.targets, data.strong_rows)
    if data.has_weak:
        hessian[k:, k:] = strengths.alpha * data.loss.hessian_sum(
            weak_scores, data.targets, data.weak_rows
        )
        tie = strengths.coupling * np.sum(data.paired_rows) * np.eye(k)
        hessian[:k, :k] += tie
        hessian[k:, k:] += tie
        hessian[:k, k:] -= tie
        hessian[k:, :k] -= tie
    return hessian
