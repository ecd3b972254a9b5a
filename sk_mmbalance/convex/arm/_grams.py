"""Gram matrices: everything the squared loss ever needs to know of the rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._columns import BLOCK
from ._problem import ARMData


@dataclass(frozen=True, eq=False)
class Grams:
    """Weighted second moments of ``[x_s, 1]``, ``[x_w, 1]`` and the targets.

    ``ss, sy, yy_s`` are taken with the weights ``m_s``, ``ww, wy, yy_w`` with ``m_w``, and
    ``css, csw, cww`` with ``m_c``. Without an intercept the ones are absent.
    """

    ss: np.ndarray
    sy: np.ndarray
    yy_s: float
    ww: np.ndarray
    wy: np.ndarray
    yy_w: float
    css: np.ndarray
    csw: np.ndarray
    cww: np.ndarray


def compute_grams(data: ARMData) -> Grams:
    """Gram matrices of ``data``: O(n d^2) once, with one pass for each distinct row weight.

    Fully observed data have the same weights in all three terms and need one pass.
    """
    width = int(data.fit_intercept)
    ds, dw, k = data.strong.shape[1] + width, data.weak.shape[1] + width, data.n_outputs
    strong, weak, target = slice(0, ds), slice(ds, ds + dw), slice(ds + dw, ds + dw + k)

    passes: list[tuple[np.ndarray, np.ndarray]] = []

    def moments(weights: np.ndarray) -> np.ndarray:
        for seen, gram in passes:
            if seen is weights or np.array_equal(seen, weights):
                return gram
        passes.append((weights, _joint_gram(data, weights)))
        return passes[-1][1]

    s, w, c = (moments(m) for m in (data.strong_rows, data.weak_rows, data.paired_rows))
    return Grams(
        ss=s[strong, strong],
        sy=s[strong, target],
        yy_s=float(np.trace(s[target, target])),
        ww=w[weak, weak],
        wy=w[weak, target],
        yy_w=float(np.trace(w[target, target])),
        css=c[strong, strong],
        csw=c[strong, weak],
        cww=c[weak, weak],
    )


def _joint_gram(data: ARMData, weights: np.ndarray) -> np.ndarray:
    """Weighted Gram matrix of the columns ``[x_s, 1, x_w, 1, y]`` over rows of weight > 0."""
    ones = np.ones((BLOCK, int(data.fit_intercept)))
    size = data.strong.shape[1] + data.weak.shape[1] + 2 * ones.shape[1] + data.n_outputs
    gram = np.zeros((size, size))
    rows = np.flatnonzero(weights > 0)
    for start in range(0, len(rows), BLOCK):
        chunk = rows[start : start + BLOCK]
        lead = ones[: len(chunk)]
        block = np.hstack(
            [data.strong.block(chunk), lead, data.weak.block(chunk), lead, data.targets[chunk]],
            dtype=float,
        )
        block *= np.sqrt(weights[chunk])[:, None]
        gram += block.T @ block
    return gram
