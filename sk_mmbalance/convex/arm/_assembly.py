"""From multimodal input to the plain arrays of the strong/weak-modality problem."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...modalities import CheckedModalities
from ._columns import SideColumns
from ._problem import ARMData, ARMPoint


def side_columns(checked: CheckedModalities, names: tuple[str, ...]) -> SideColumns:
    """Set the side's modalities next to each other, (n_samples, n_features_of_side)."""
    parts = [checked.flat(name) for name in names]
    return SideColumns.of(parts or [np.zeros((checked.n_samples, 0))])


def side_present(checked: CheckedModalities, names: tuple[str, ...]) -> np.ndarray:
    """Rows that have the side: all of its modalities."""
    if not names:
        return np.zeros(checked.n_samples, dtype=bool)
    return np.all([checked.present_in(name) for name in names], axis=0)


@dataclass(frozen=True, eq=False)
class LinearSide:
    """One side's predictor in the user's own columns: ``f = X coef + intercept``."""

    coef: np.ndarray
    intercept: np.ndarray

    def scores(self, columns: SideColumns) -> np.ndarray:
        """Scores of shape (n_samples, n_outputs); NaN rows give NaN."""
        return columns.times(self.coef) + self.intercept


@dataclass(frozen=True, eq=False)
class Assembly:
    """All rows of a fit, centred, with what is known of each row.

    Centring the columns (and, for regression, the targets) shifts nothing but the
    intercepts, which are free: the problem stays the same and is better conditioned.

    Attributes
    ----------
    strong, weak : SideColumns of shape (n_samples, n_features_of_side)
        Zero where the side is missing.
    targets : ndarray of shape (n_samples, n_outputs)
    strong_seen, weak_seen, labeled : ndarray of bool of shape (n_samples,)
    weights, pair_weights : ndarray of shape (n_samples,)
        Row weights of the labelled terms (class weights included) and of the coupling.
    strong_mean, weak_mean, target_mean : ndarray
        What centring took off.
    """

    strong: SideColumns
    weak: SideColumns
    targets: np.ndarray
    strong_seen: np.ndarray
    weak_seen: np.ndarray
    labeled: np.ndarray
    weights: np.ndarray
    pair_weights: np.ndarray
    strong_mean: np.ndarray
    weak_mean: np.ndarray
    target_mean: np.ndarray
    loss_name: str
    fit_intercept: bool

    def data(self, *, alpha: float, coupling: float, rows: np.ndarray | None = None) -> ARMData:
        """Pose the problem on `rows`, less those that enter no term with these strengths.

        A row that comes twice counts twice.
        """
        strong_rows = self.weights * (self.labeled & self.strong_seen)
        weak_rows = self.weights * (self.labeled & self.weak_seen) * (alpha > 0)
        paired_rows = self.pair_weights * (self.strong_seen & self.weak_seen) * (coupling > 0)
        used = (strong_rows > 0) | (weak_rows > 0) | (paired_rows > 0)
        if rows is not None:
            times = np.bincount(rows, minlength=len(used))
            strong_rows, weak_rows, paired_rows = (
                times * weights for weights in (strong_rows, weak_rows, paired_rows)
            )
            used &= times > 0
        keep = slice(None) if used.all() else np.flatnonzero(used)
        return ARMData(
            self.strong.take(keep),
            self.weak.take(keep),
            self.targets[keep],
            _shares(strong_rows[keep]),
            _shares(weak_rows[keep]),
            _shares(paired_rows[keep]),
            self.loss_name,
            self.fit_intercept,
        )

    def scores(
        self, strong: LinearSide, weak: LinearSide, rows: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Strong and weak scores of some of the rows; of no meaning where the side is missing."""
        return (
            self.strong.take(rows).times(strong.coef)
            + (strong.intercept + self.strong_mean @ strong.coef),
            self.weak.take(rows).times(weak.coef) + (weak.intercept + self.weak_mean @ weak.coef),
        )

    def sides(self, point: ARMPoint) -> tuple[LinearSide, LinearSide]:
        """Strong and weak predictors in the user's columns."""
        return (
            LinearSide(
                point.strong,
                point.strong_intercept - self.strong_mean @ point.strong + self.target_mean,
            ),
            LinearSide(
                point.weak,
                point.weak_intercept - self.weak_mean @ point.weak + self.target_mean,
            ),
        )


def assemble(
    strong: SideColumns,
    weak: SideColumns,
    targets: np.ndarray,
    *,
    strong_seen: np.ndarray,
    weak_seen: np.ndarray,
    labeled: np.ndarray,
    weights: np.ndarray,
    pair_weights: np.ndarray,
    loss_name: str,
    fit_intercept: bool,
    center_targets: bool = False,
) -> Assembly:
    """Centre the columns and put zeros where a side is missing."""
    counted = (pair_weights > 0) & fit_intercept  # without an intercept nothing is taken off
    strong_mean = strong.mean(strong_seen & counted)
    weak_mean = weak.mean(weak_seen & counted)
    target_mean = np.zeros(targets.shape[1])
    if center_targets and fit_intercept:
        target_mean = np.average(targets[labeled], axis=0, weights=weights[labeled])
        targets = np.where(labeled[:, None], targets - target_mean, 0.0)
    return Assembly(
        strong.less(strong_mean, strong_seen),
        weak.less(weak_mean, weak_seen),
        targets,
        strong_seen,
        weak_seen,
        labeled,
        weights,
        pair_weights,
        strong_mean,
        weak_mean,
        target_mean,
        loss_name,
        fit_intercept,
    )


def _shares(weights: np.ndarray) -> np.ndarray:
    total = float(np.sum(weights))
    return weights / total if total > 0 else weights
