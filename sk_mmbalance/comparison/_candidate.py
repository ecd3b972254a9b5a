"""A model that takes part, and how it chooses its setting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

BASELINE, NETWORK, METHOD, POOL, OWN = "baseline", "network", "method", "pool", "own"


@dataclass(frozen=True)
class Candidate:
    """A model that takes part.

    Attributes
    ----------
    name : str
        What tables call it.
    kind : {"baseline", "network", "method", "pool", "own"}
        What it is.
    model : estimator
        Not fitted; takes `Modalities` as they came.
    grid : dict of str to list
        Settings among which inner folds choose.
    turn : int or None
        Its place among those that take turns, fold by fold, the cheapest first: the baselines
        without a network, which everybody is compared with, so that they have the same folds
        whenever time is up. None goes through its folds when it is its time.
    """

    name: str
    kind: str
    model: Any
    grid: dict[str, list[Any]]
    turn: int | None = None

    def choosing(self, splits: list, scorer: Any) -> Any:
        """The model, choosing its setting on inner folds."""
        if not self.grid:
            return clone(self.model, safe=False)
        return GridSearchCV(self.model, self.grid, cv=splits, scoring=scorer)
