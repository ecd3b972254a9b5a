"""The strong/weak-modality problem as plain arrays: its data, its strengths, its objective.

With strong columns ``x_s`` and weak columns ``x_w`` of a row, the two linear predictors are
``f_s = W_s' x_s + b_s`` and ``f_w = W_w' x_w + b_w``, and the objective is::

    J = sum_i m_si l(y_i, f_si) + alpha sum_i m_wi l(y_i, f_wi)
        + mu/2 sum_i m_ci ||f_si - f_wi||^2
        + lam_s/2 ||W_s||^2 + l1 Omega(W_w) + l2/2 ||W_w||^2

Row sets are weights: ``m_s`` is positive on labelled rows with the strong side, ``m_w`` on
labelled rows with the weak side, ``m_c`` on rows with both (no label needed); each sums to
one, or is zero throughout where its term is absent.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ._columns import SideColumns
from ._losses import Loss, make_loss
from ._penalties import PENALTIES, Penalty


@dataclass(frozen=True, eq=False)
class ARMData:
    """Arrays of one problem.

    Parameters
    ----------
    strong : SideColumns or ndarray of shape (n_samples, n_strong_features)
    weak : SideColumns or ndarray of shape (n_samples, n_weak_features)
        No columns at all means that there is no weak side.
    targets : ndarray of shape (n_samples, n_outputs)
    strong_rows, weak_rows, paired_rows : ndarray of shape (n_samples,)
        The weights ``m_s``, ``m_w`` and ``m_c``. Entries of the arrays are finite even
        where the weight is zero.
    loss_name : {"squared", "squared_hinge", "log_loss"}
    fit_intercept : bool
    """

    strong: SideColumns
    weak: SideColumns
    targets: np.ndarray
    strong_rows: np.ndarray
    weak_rows: np.ndarray
    paired_rows: np.ndarray
    loss_name: str = "squared"
    fit_intercept: bool = True

    def __post_init__(self) -> None:
        for side in ("strong", "weak"):
            columns = getattr(self, side)
            if isinstance(columns, np.ndarray):
                object.__setattr__(self, side, SideColumns.of([columns]))

    @cached_property
    def loss(self) -> Loss:
        """Loss of the score columns."""
        return make_loss(self.loss_name, self.n_outputs)

    @property
    def n_outputs(self) -> int:
        """Number of score columns."""
        return self.targets.shape[1]

    @property
    def has_weak(self) -> bool:
        """Whether there is a weak side."""
        return self.weak.shape[1] > 0

    def zero(self) -> ARMPoint:
        """Return the point with all coefficients zero."""
        k = self.n_outputs
        return ARMPoint(
            np.zeros((self.strong.shape[1], k)),
            np.zeros(k),
            np.zeros((self.weak.shape[1], k)),
            np.zeros(k),
        )

    def scores(self, point: ARMPoint) -> tuple[np.ndarray, np.ndarray]:
        """Strong and weak scores, each of shape (n_samples, n_outputs).

        Rows that enter no term with a side have its intercept for a score.
        """
        return (
            self._strong_rows.times(point.strong) + point.strong_intercept,
            self._weak_rows.times(point.weak) + point.weak_intercept,
        )

    def pull_back(
        self, toward_strong: np.ndarray, toward_weak: np.ndarray, weak: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """Change of the objective with the coefficients, from that with the scores.

        Without `weak` that of the weak ones is not asked for, and zero.
        """
        strong = self._strong_rows.transposed(toward_strong)
        if not weak:
            return strong, np.zeros((self.weak.shape[1], self.n_outputs))
        return strong, self._weak_rows.transposed(toward_weak)

    @cached_property
    def _strong_rows(self) -> UsedRows:
        return UsedRows(self.strong, (self.strong_rows > 0) | (self.paired_rows > 0))

    @cached_property
    def _weak_rows(self) -> UsedRows:
        return UsedRows(self.weak, (self.weak_rows > 0) | (self.paired_rows > 0))


class UsedRows:
    """Products with columns of which only some rows count: where few do, only those."""

    def __init__(self, columns: SideColumns, used: np.ndarray):
        self._n_samples = len(columns)
        # to take most of the rows would cost more memory than time
        self._chosen = np.flatnonzero(used) if np.mean(used) < 0.5 else None
        self._columns = columns if self._chosen is None else columns.take(self._chosen)

    def times(self, coef: np.ndarray) -> np.ndarray:
        """Columns times coefficients, zero on rows that do not count."""
        if not coef.any():
            return np.zeros((self._n_samples, coef.shape[1]))
        if self._chosen is None:
            return self._columns.times(coef)
        product = np.zeros((self._n_samples, coef.shape[1]))
        product[self._chosen] = self._columns.times(coef)
        return product

    def transposed(self, scores: np.ndarray) -> np.ndarray:
        """Transposed columns times scores, which are zero on rows that do not count."""
        if self._chosen is None:
            return self._columns.transposed(scores)
        return self._columns.transposed(scores[self._chosen])


@dataclass(frozen=True)
class Strengths:
    """Strengths of the terms: ``alpha``, ``mu``, ``lam_s``, ``l1``, ``l2`` and Omega's name.

    ``l1 = lam_w rho`` and ``l2 = lam_w (1 - rho)`` share the weak regularisation between
    the sparsity penalty and the ridge. ``l1`` may be infinite: then ``W_w`` stays zero.
    """

    alpha: float
    coupling: float
    strong_reg: float
    l1: float
    l2: float
    penalty_name: str = "l21"

    @property
    def penalty(self) -> Penalty:
        """The penalty's operators."""
        return PENALTIES[self.penalty_name]


@dataclass(frozen=True, eq=False)
class ARMPoint:
    """Coefficients ``W_s`` (n_strong_features, n_outputs), ``b_s``, ``W_w`` and ``b_w``."""

    strong: np.ndarray
    strong_intercept: np.ndarray
    weak: np.ndarray
    weak_intercept: np.ndarray


def coupled_difference(
    strong_scores: np.ndarray, weak_scores: np.ndarray, data: ARMData
) -> np.ndarray:
    """``f_s - f_w`` on paired rows, zero elsewhere."""
    return np.where(data.paired_rows[:, None] > 0, strong_scores - weak_scores, 0.0)


def regularization(point: ARMPoint, strengths: Strengths) -> float:
    """Sum the penalty terms of J."""
    total = 0.5 * strengths.strong_reg * np.sum(point.strong**2)
    total += 0.5 * strengths.l2 * np.sum(point.weak**2)
    if np.any(point.weak):
        total += strengths.l1 * strengths.penalty.value(point.weak)
    return float(total)


def objective_at_scores(
    data: ARMData, strengths: Strengths, strong_scores: np.ndarray, weak_scores: np.ndarray
) -> float:
    """Sum the data terms of J at given scores."""
    total = data.strong_rows @ data.loss.value(strong_scores, data.targets)
    if strengths.alpha > 0 and data.has_weak:
        total += strengths.alpha * (data.weak_rows @ data.loss.value(weak_scores, data.targets))
    if strengths.coupling > 0 and data.has_weak:
        gap = coupled_difference(strong_scores, weak_scores, data)
        total += 0.5 * strengths.coupling * (data.paired_rows @ np.sum(gap**2, axis=1))
    return float(total)


def objective(data: ARMData, strengths: Strengths, point: ARMPoint) -> float:
    """J at ``point``."""
    return objective_at_scores(data, strengths, *data.scores(point)) + regularization(
        point, strengths
    )


def score_gradients(
    data: ARMData, strengths: Strengths, strong_scores: np.ndarray, weak_scores: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients ``u_s``, ``u_w`` of the weighted losses and ``u_c`` of the coupling.

    J's data terms change with the strong scores by ``u_s + u_c`` and with the weak scores
    by ``u_w - u_c``.
    """
    u_s = data.strong_rows[:, None] * data.loss.gradient(strong_scores, data.targets)
    u_w = np.zeros_like(u_s)
    u_c = np.zeros_like(u_s)
    if strengths.alpha > 0 and data.has_weak:
        u_w = (strengths.alpha * data.weak_rows)[:, None] * data.loss.gradient(
            weak_scores, data.targets
        )
    if strengths.coupling > 0 and data.has_weak:
        u_c = (strengths.coupling * data.paired_rows)[:, None] * coupled_difference(
            strong_scores, weak_scores, data
        )
    return u_s, u_w, u_c
