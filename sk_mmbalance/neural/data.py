"""What `fit` was given, as it was read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

import numpy as np
import torch

from ..base import Fold, make_folds
from ..modalities import CheckedModalities
from ..networks import ModalityRows, to_rows


@dataclass(frozen=True)
class GivenRows:
    """What `fit` was given, as it was read.

    Attributes
    ----------
    checked : CheckedModalities
        The modalities.
    codes : ndarray of int of shape (n_samples,)
        Classes, as positions in `classes`.
    weight : ndarray of shape (n_samples,), or None
        Weights; None when all are 1.
    classes : ndarray of shape (n_classes,)
        Labels.
    """

    checked: CheckedModalities
    codes: np.ndarray
    weight: np.ndarray | None
    classes: np.ndarray

    def of_weight(self) -> np.ndarray:
        """Numbers of the rows whose weight is not 0."""
        return np.arange(len(self.codes)) if self.weight is None else np.flatnonzero(self.weight)

    def folds(self, cv: Any, groups: np.ndarray | None) -> list[Fold]:
        """Rows to train on and rows to predict, among those that have weight.

        A number of folds is of these rows alone, so that rows of no weight change nothing; splits
        of the user's count all rows.
        """
        kept = self.of_weight()
        if cv is None or isinstance(cv, Integral):
            own = None if groups is None else groups[kept]
            folds = make_folds(cv, self.codes[kept], own)
            return [(kept[train], kept[test]) for train, test in folds]
        cut = [
            (np.intersect1d(train, kept), np.intersect1d(test, kept))
            for train, test in make_folds(cv, self.codes, groups)
        ]
        return [(train, test) for train, test in cut if len(train) and len(test)]

    def take(self, which: np.ndarray) -> GivenRows:
        """Some of the rows."""
        weight = None if self.weight is None else self.weight[which]
        return replace(
            self, checked=self.checked.rows(which), codes=self.codes[which], weight=weight
        )

    def rows(self, which: np.ndarray, dtype: torch.dtype, device: torch.device) -> ModalityRows:
        """Some of the rows, as tensors."""
        part = self if len(which) == len(self.codes) else self.take(which)
        return to_rows(part.checked, part.codes, part.weight, dtype=dtype, device=device)
