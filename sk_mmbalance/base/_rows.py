"""`TrainingRows`: what `fit` was given, read once and for all."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from numbers import Real
from typing import Any

import numpy as np

from ..modalities import CheckedModalities
from ._column import read_column
from ._folds import Fold, cut_folds, is_number, numbers_rows_itself
from ._hold_out import hold_out
from ._target import Target


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """Rows to train on: modalities, target, weights, groups, and what metadata routing adds.

    Rows of weight 0 are not among them: they are as good as absent before anything is cut, drawn
    or counted. Made by `ModalityEstimator._read_training`, which is the one reader of `X`, `y`,
    `sample_weight` and `groups`.

    Attributes
    ----------
    checked : CheckedModalities
        The modalities.
    target : Target
        What `y` is.
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Coded values of the target.
    weight : ndarray of shape (n_samples,), or None
        Positive weights; None when all are 1.
    groups : ndarray of shape (n_samples,), or None
        Groups that no split may divide.
    routed : dict of str to dict, or None
        Parameters of `fit` by the name of an inner estimator, where metadata routing is on.
    given : ndarray of int of shape (n_samples,)
        Number of each row among those that the user gave.
    n_given : int
        How many rows the user gave.
    """

    checked: CheckedModalities
    target: Target
    y: np.ndarray
    weight: np.ndarray | None
    groups: np.ndarray | None
    routed: dict[str, dict[str, Any]] | None
    given: np.ndarray
    n_given: int
    _labels: list[np.ndarray] = field(default_factory=list, repr=False)

    @classmethod
    def of(
        cls,
        checked: CheckedModalities,
        target: Target,
        y: np.ndarray,
        weight: np.ndarray | None = None,
        groups: np.ndarray | None = None,
        routed: dict[str, dict[str, Any]] | None = None,
    ) -> TrainingRows:
        """Rows that have been read, without those of weight 0."""
        n_given = checked.n_samples
        rows = cls(checked, target, y, weight, groups, None, np.arange(n_given), n_given)
        rows = rows.with_routed(routed)
        if weight is None or weight.all():
            return rows
        return rows.take(np.flatnonzero(weight))

    def __len__(self) -> int:
        return len(self.y)

    @property
    def labels(self) -> np.ndarray:
        """The target as the user gave it: what estimators inside are fitted to."""
        if not self._labels:
            self._labels.append(self.target.labels(self.y))
        return self._labels[0]

    @property
    def weight_or_ones(self) -> np.ndarray:
        """Weight of every row."""
        return np.ones(len(self)) if self.weight is None else self.weight

    def take(self, rows: np.ndarray) -> TrainingRows:
        """Some of the rows, in the order given; a row may come twice."""
        n = len(self)
        routed = self.routed
        if routed is not None:
            routed = {
                name: {key: cut(value, rows, n) for key, value in params.items()}
                for name, params in routed.items()
            }
        return replace(
            self,
            checked=self.checked.rows(rows),
            y=self.y[rows],
            weight=None if self.weight is None else self.weight[rows],
            groups=None if self.groups is None else self.groups[rows],
            routed=routed,
            given=self.given[rows],
            _labels=[],
        )

    def with_target(self, target: Target, y: np.ndarray) -> TrainingRows:
        """The same rows with another target."""
        return replace(self, target=target, y=y, _labels=[])

    def with_routed(self, routed: dict[str, dict[str, Any]] | None) -> TrainingRows:
        """The same rows with what metadata routing gives to inner estimators.

        Values with an entry for every row that the user gave are cut to the rows at hand.
        """
        if routed is None:
            return replace(self, routed=None)
        return replace(
            self,
            routed={
                name: {key: cut(value, self.given, self.n_given) for key, value in params.items()}
                for name, params in routed.items()
            },
        )

    def folds(self, cv: Any) -> list[Fold]:
        """Rows to train on and rows to test on, as numbers of the rows at hand.

        A number of folds, or a splitter, cuts the rows at hand. Splits that hold row numbers count
        the rows as the user gave them; those of weight 0 are left out, repeats stay.
        """
        if is_number(cv) or not numbers_rows_itself(cv):
            return cut_folds(cv, len(self), self._strata(), self.groups)
        position = np.full(self.n_given, -1)
        position[self.given] = np.arange(len(self))
        folds = []
        for split in cut_folds(cv, self.n_given):
            train, test = (position[rows] for rows in split)
            train, test = train[train >= 0], test[test >= 0]
            if len(train) and len(test):
                folds.append((train, test))
        if not folds:
            raise ValueError(
                "`cv` has no split with a row to train on and one to test on among the rows of "
                "positive `sample_weight`."
            )
        return folds

    def hold_out(self, fraction: Any, seed: int) -> Fold:
        """Rows to train on and a share of the rows to hold out, drawn by `seed`.

        Classes are spread evenly where there are rows enough; no group is on both sides. In place
        of a share a splitter, or splits, may be given: their first split is taken.
        """
        if not isinstance(fraction, Real):
            return self.folds(fraction)[0]
        strata = self._strata()
        strata = np.zeros(len(self), dtype=np.intp) if strata is None else strata
        return hold_out(strata, self.groups, float(fraction), seed)

    def _strata(self) -> np.ndarray | None:
        return self.target.strata(self.y)


def cut(value: Any, rows: np.ndarray, n_samples: int) -> Any:
    """`value` in some of the rows, if it has an entry for each of them."""
    return np.asarray(value)[rows] if np.shape(value)[:1] == (n_samples,) else value


def read_groups(groups: Any, n_samples: int) -> np.ndarray | None:
    """Check `groups`: one known value per sample, all of one kind."""
    if groups is None:
        return None
    return read_column(
        groups,
        "groups",
        "group",
        n_samples,
        "Leave these rows out, or give each a group of its own.",
    )
