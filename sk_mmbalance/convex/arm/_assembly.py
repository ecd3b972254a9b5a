"""From multimodal input to the plain arrays of the strong/weak-modality problem."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...modalities import CheckedModalities
from ._problem import ARMData, ARMPoint

#: Bytes of rows from which a part of them is not copied where that can be helped.
_MOST_COPIED = 1 << 26


def side_columns(checked: CheckedModalities, names: tuple[str, ...]) -> np.ndarray:
    """Set the side's modalities next to each other, float64, (n_samples, n_features_of_side)."""
    if not names:
        return np.zeros((checked.n_samples, 0))
    return np.hstack([checked.flat(name) for name in names], dtype=np.float64)


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

    def scores(self, columns: np.ndarray) -> np.ndarray:
        """Scores of shape (n_samples, n_outputs); NaN rows give NaN."""
        return columns @ self.coef + self.intercept


@dataclass(frozen=True, eq=False)
class Assembly:
    """All rows of a fit, centred, with what is known of each row.

    Centring the columns (and, for regression, the targets) shifts nothing but the
    intercepts, which are free: the problem stays the same and is better conditioned.

    Attributes
    ----------
    strong, weak : ndarray of shape (n_samples, n_features_of_side)
        Zero where the side is missing.
    targets : ndarray of shape (n_samples, n_outputs)
    strong_seen, weak_seen, labeled : ndarray of bool of shape (n_samples,)
    weights, pair_weights : ndarray of shape (n_samples,)
        Row weights of the labelled terms (class weights included) and of the coupling.
    strong_mean, weak_mean, target_mean : ndarray
        What centring took off.
    """

    strong: np.ndarray
    weak: np.ndarray
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
        keep = slice(None) if used.all() or self._stays(used) else np.flatnonzero(used)
        return ARMData(
            self.strong[keep],
            self.weak[keep],
            self.targets[keep],
            _shares(strong_rows[keep]),
            _shares(weak_rows[keep]),
            _shares(paired_rows[keep]),
            self.loss_name,
            self.fit_intercept,
        )

    def _stays(self, used: np.ndarray) -> bool:
        """Whether rows of no weight are left where they are, for the memory that a copy takes.

        The squared loss goes over the rows once, and skips them.
        """
        size = self.strong.nbytes + self.weak.nbytes
        return self.loss_name == "squared" and size > _MOST_COPIED and bool(np.mean(used) > 0.5)

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
    strong: np.ndarray,
    weak: np.ndarray,
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
    """Centre the columns and put zeros where a side is missing. Changes the arrays given."""
    strong_mean = _center(strong, strong_seen & (pair_weights > 0), strong_seen, fit_intercept)
    weak_mean = _center(weak, weak_seen & (pair_weights > 0), weak_seen, fit_intercept)
    target_mean = np.zeros(targets.shape[1])
    if center_targets and fit_intercept:
        target_mean = np.average(targets[labeled], axis=0, weights=weights[labeled])
        targets = np.where(labeled[:, None], targets - target_mean, 0.0)
    return Assembly(
        strong,
        weak,
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


def _center(
    columns: np.ndarray, counted: np.ndarray, seen: np.ndarray, fit_intercept: bool
) -> np.ndarray:
    mean = np.zeros(columns.shape[1])
    if fit_intercept and counted.any() and columns.shape[1]:
        mean = np.mean(columns, axis=0, where=counted[:, None])
        columns -= mean
    if not seen.all():
        columns[~seen] = 0.0
    return mean


def _shares(weights: np.ndarray) -> np.ndarray:
    total = float(np.sum(weights))
    return weights / total if total > 0 else weights
