"""Fits on the training part of a fold, strengths after strengths.

A class with a single row (or a single group) is absent from the training part of the fold that
tests it. The squared loss has its least value there all the same, where that class scores -1. The
other losses have none, for an intercept would run away. They are fitted to the classes that are
there, and the absent one gets a score so low that it is never predicted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ._assembly import Assembly, LinearSide
from ._engine import ARMEngine
from ._problem import ARMData, ARMPoint, Strengths
from ._rows import ARMRows

Sides = tuple[LinearSide, LinearSide]

#: Score of a class that the training part lacks: a probability of about 1e-13 in the log-loss.
_ABSENT = -30.0


class FoldFit:
    """The strong and the weak predictor of a fold, for any strengths.

    Parameters
    ----------
    assembly : Assembly
        All rows.
    rows : ARMRows
        The same, with their classes.
    train : ndarray of int
        Rows to train on.
    alpha, coupling : float
        Largest strengths of the terms to come: rows that enter none are left out.
    make_engine : callable
        Makes an engine of a problem's data.
    strengths_of : callable
        Makes strengths of an engine and their values by name.
    """

    def __init__(
        self,
        assembly: Assembly,
        rows: ARMRows,
        train: np.ndarray,
        *,
        alpha: float,
        coupling: float,
        make_engine: Callable[[ARMData], ARMEngine],
        strengths_of: Callable[..., tuple[Strengths, float]],
    ):
        self._assembly, self._strengths_of = assembly, strengths_of
        self._classes = np.unique(rows.truth[train[rows.counted[train]]])
        n_classes = rows.given.target.n_outputs
        self._whole = len(self._classes) == n_classes or assembly.loss_name == "squared"
        if not self._whole and n_classes > 2:
            targets, mean = assembly.targets, assembly.target_mean
            self._assembly = replace(
                assembly, targets=targets[:, self._classes], target_mean=mean[self._classes]
            )
        self._engine = None
        if self._whole or len(self._classes) > 1:
            data = self._assembly.data(alpha=alpha, coupling=coupling, rows=train)
            self._engine = make_engine(data)
        self._n_outputs = assembly.targets.shape[1]
        self._start: ARMPoint | None = None

    def sides(self, **values: float) -> Sides:
        """Strong and weak predictor; each call starts from the solution of the one before."""
        if self._engine is None:
            return self._constant()
        strengths, _ = self._strengths_of(self._engine, **values)
        self._start = self._engine.solve(strengths, self._start).point
        strong, weak = self._assembly.sides(self._start)
        return (strong, weak) if self._whole else (self._widened(strong), self._widened(weak))

    def _widened(self, side: LinearSide) -> LinearSide:
        """The predictor with a score for every class."""
        coef = np.zeros((len(side.coef), self._n_outputs))
        intercept = np.full(self._n_outputs, _ABSENT)
        coef[:, self._classes], intercept[self._classes] = side.coef, side.intercept
        return LinearSide(coef, intercept)

    def _constant(self) -> Sides:
        """The one class that is there, whatever the columns."""
        if self._n_outputs == 1:
            intercept = np.where(self._classes == 1, -_ABSENT, _ABSENT)
        else:
            intercept = np.full(self._n_outputs, _ABSENT)
            intercept[self._classes] = 0.0
        widths = (self._assembly.strong.shape[1], self._assembly.weak.shape[1])
        strong, weak = (
            LinearSide(np.zeros((width, self._n_outputs)), intercept) for width in widths
        )
        return strong, weak
