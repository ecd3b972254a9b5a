"""What an ARM-style estimator makes of its training rows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...base import (
    BOTH,
    Fold,
    RowOrder,
    TrainingRows,
    said_of_both,
    told_of,
    warn_of_order,
)
from ...modalities import CheckedModalities

#: Shuffles rows: nothing else is drawn here, and no `random_state` is asked for.
_SEED = 0


@dataclass(frozen=True, eq=False)
class ARMRows:
    """Training rows, with the targets of the loss and the weights of the objective's terms.

    Attributes
    ----------
    given : TrainingRows
        The rows as they were read.
    targets : ndarray of shape (n_samples, n_outputs)
        What the loss compares scores with; finite, and of no meaning, in rows without label.
    labeled : ndarray of bool of shape (n_samples,)
        Whether a row has a label.
    weights, pair_weights : ndarray of shape (n_samples,)
        Weights in the labelled terms (class weights included) and in the coupling.
    """

    given: TrainingRows
    targets: np.ndarray
    labeled: np.ndarray
    weights: np.ndarray
    pair_weights: np.ndarray
    _asked: list[tuple[str, RowOrder | None]] = field(default_factory=list, repr=False)

    @property
    def checked(self) -> CheckedModalities:
        """The modalities."""
        return self.given.checked

    @property
    def truth(self) -> np.ndarray:
        """Class codes, or the targets themselves in regression: what scores are compared with."""
        return self.given.y

    @property
    def counted(self) -> np.ndarray:
        """Labelled rows of positive weight (a class may weigh 0)."""
        return self.labeled & (self.weights > 0)

    def splits(self, cv: Any, usable: np.ndarray, *, with_rest: bool = False) -> list[list[Fold]]:
        """Rows to train on and rows to test on, fold by fold, in one cross-validation or two.

        There are two, of rows in order and of shuffled rows, where a number of folds is asked for
        and labelled rows resemble their neighbours.

        Parameters
        ----------
        cv : int, splitter or iterable
            As the user gave it.
        usable : ndarray of bool of shape (n_samples,)
            The rows that are split. Other rows are never tested on.
        with_rest : bool
            Whether the other rows train in every fold that shares out all usable rows: those
            without label or without a side serve the coupling. What a user leaves out of a split
            is left out.
        """
        rows = np.flatnonzero(usable)
        # folds need no modalities, which would be copied
        split = replace(self.given, checked=self.checked.select([])).take(rows)
        parts = [split.folds(cv)]
        if self._how_to_cut(cv)[0] == BOTH:
            parts.append(split.shuffled_folds(cv, _SEED))
        found = []
        for part in parts:
            folds = []
            for train, test in part:
                shared_out = len(train) + len(test) == len(np.union1d(train, test)) == len(rows)
                if with_rest and shared_out:
                    folds.append((np.setdiff1d(np.arange(len(usable)), rows[test]), rows[test]))
                else:
                    folds.append((rows[train], rows[test]))
            found.append(folds)
        return found

    def _how_to_cut(self, cv: Any) -> tuple[str, RowOrder | None]:
        """As in `TrainingRows.how_to_cut`; asked once, of the labelled rows."""
        if not self._asked:
            counted = self.counted
            among = None if counted.all() else np.flatnonzero(counted)
            weighted = replace(self.given, weight=self.weights)
            self._asked.append(weighted.how_to_cut(cv, among))
        return self._asked[0]

    def told_of_order(self, cv: Any, stacklevel: int) -> dict[str, Any]:
        """The fitted attribute `row_order_`, with a warning where rows were cut both ways."""
        if not self._asked:
            return {}
        how, order = self._asked[0]
        if order is not None and how == BOTH:
            warn_of_order(order, said_of_both(cv), stacklevel + 1)
        return told_of(how, order)
