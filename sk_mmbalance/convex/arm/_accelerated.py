"""Accelerated proximal gradient descent with adaptive restart, over any list of arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Blocks = tuple[np.ndarray, ...]


@dataclass(frozen=True, eq=False)
class Descent:
    """Where a descent ended: the blocks, the number of steps, and whether `stop` said yes."""

    blocks: Blocks
    n_iter: int
    stopped: bool


def accelerated_descent(
    step: Callable[[Blocks], Blocks],
    stop: Callable[[Blocks], bool],
    start: Blocks,
    *,
    max_iter: int,
    check_every: int = 10,
    correlation: Callable[[Blocks, Blocks], float] | None = None,
) -> Descent:
    """FISTA with the gradient-based restart of O'Donoghue and Candès.

    Parameters
    ----------
    step : callable
        One proximal gradient step from the given blocks.
    stop : callable
        Tells, every `check_every` steps, whether the blocks are good enough.
    start : tuple of ndarray
    max_iter : int
    check_every : int, default=10
    correlation : callable, default=None
        Inner product in the metric of `step`; the Euclidean one by default.

    Returns
    -------
    Descent

    References
    ----------
    Beck and Teboulle, "A fast iterative shrinkage-thresholding algorithm for linear inverse
    problems", SIAM J. Imaging Sciences 2009. O'Donoghue and Candès, "Adaptive restart for
    accelerated gradient schemes", Foundations of Computational Mathematics 2015.
    """
    correlation = correlation or _euclidean
    current = look_ahead = start
    momentum = 1.0
    if stop(start):
        return Descent(start, 0, True)
    for n_iter in range(1, max_iter + 1):
        fresh = step(look_ahead)
        move = _difference(fresh, current)
        if correlation(_difference(look_ahead, fresh), move) > 0:
            # the momentum points uphill: drop it
            momentum = 1.0
            look_ahead = fresh
        else:
            grown = 0.5 * (1 + np.sqrt(1 + 4 * momentum**2))
            factor = (momentum - 1) / grown
            look_ahead = tuple(f + factor * m for f, m in zip(fresh, move, strict=True))
            momentum = grown
        current = fresh
        if n_iter % check_every == 0 and stop(current):
            return Descent(current, n_iter, True)
    return Descent(current, max_iter, stop(current))


def _difference(left: Blocks, right: Blocks) -> Blocks:
    return tuple(a - b for a, b in zip(left, right, strict=True))


def _euclidean(left: Blocks, right: Blocks) -> float:
    return float(sum(np.vdot(a, b) for a, b in zip(left, right, strict=True)))
