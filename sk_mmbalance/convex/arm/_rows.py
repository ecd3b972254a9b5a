"""What an ARM-style estimator makes of its training rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...base import Fold, TrainingRows
from ...modalities import CheckedModalities


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

    def splits(self, cv: Any, usable: np.ndarray, *, with_rest: bool = False) -> list[Fold]:
        """Rows to train on and rows to test on, fold by fold.

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
        folds = []
        for train, test in split.folds(cv):
            shared_out = len(train) + len(test) == len(np.union1d(train, test)) == len(rows)
            if with_rest and shared_out:
                folds.append((np.setdiff1d(np.arange(len(usable)), rows[test]), rows[test]))
            else:
                folds.append((rows[train], rows[test]))
        return folds
