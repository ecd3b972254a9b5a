"""From the parameters of an estimator to thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from ._chain import ChainScores, Thresholds
from ._criterion import Criterion, make_criterion
from ._limits import BOUND, ESTIMATE, bounded, warn_if_too_fine
from ._policy import HALF, BandPolicy
from ._search import find_thresholds

#: Costs and weights beyond it cannot be multiplied and summed over rows.
MOST = 1e100
#: Of more cuts than that the list alone takes longer than any search.
_MOST_CUTS = 1_000_000
_SEARCHED = ("cost", "budget", "far", "frr")
_NAMED = ("never", "always", "zero-error")


@dataclass(frozen=True)
class Tuning:
    """How thresholds are to be found; the parameters of the estimators of the same names."""

    thresholds: Any = "cost"
    price: float = 0.01
    budget: float | None = None
    max_far: float | None = None
    max_frr: float | None = None
    w_far: float | None = None
    w_frr: float | None = None
    n_grid: int = 60
    limit: str = ESTIMATE

    @property
    def is_searched(self) -> bool:
        """Whether thresholds are searched for."""
        return isinstance(self.thresholds, str) and self.thresholds in _SEARCHED

    @property
    def frees_cut(self) -> bool:
        """Whether the cut of the last stage may leave 0.5 (two classes)."""
        given = (self.max_far, self.max_frr, self.w_far, self.w_frr)
        return self.thresholds in ("far", "frr") or any(value is not None for value in given)

    def check(self, n_classes: int) -> None:
        """Raise for values that cannot be used."""
        if isinstance(self.thresholds, str) and self.thresholds not in (*_SEARCHED, *_NAMED):
            raise ValueError(
                f"`thresholds` must be one of {[*_SEARCHED, *_NAMED]} or a list with the threshold "
                f"of each stage; got {self.thresholds!r}."
            )
        if self.limit not in (ESTIMATE, BOUND):
            raise ValueError(f"`limit` must be one of {[ESTIMATE, BOUND]}; got {self.limit!r}.")
        check_number("price", self.price, 0.0, MOST)
        for name in ("budget", "max_far", "max_frr", "w_far", "w_frr"):
            value = getattr(self, name)
            if value is not None:
                check_number(name, value, 0.0, 1.0 if name.startswith("max_") else MOST)
        if isinstance(self.n_grid, bool) or not isinstance(self.n_grid, int | np.integer):
            raise TypeError(f"`n_grid` must be an integer >= 2; got {self.n_grid!r}.")
        if not 2 <= self.n_grid <= _MOST_CUTS:
            raise ValueError(
                f"`n_grid` must be an integer from 2 to {_MOST_CUTS}; got {self.n_grid!r}."
            )
        self._check_together(n_classes)

    def _check_together(self, n_classes: int) -> None:
        needed = {"budget": "budget", "far": "max_far", "frr": "max_frr"}
        mode = self.thresholds if isinstance(self.thresholds, str) else ""
        if mode in needed and getattr(self, needed[mode]) is None:
            raise ValueError(
                f"`{needed[mode]}` must be a number with thresholds={mode!r}; got None."
            )
        if n_classes > 2 and self.frees_cut:
            raise ValueError(
                "`thresholds` by FAR and FRR (`max_far`, `max_frr`, `w_far`, `w_frr`) must be used "
                f"with two classes; `y` has {n_classes}. Use thresholds='cost' or 'budget'."
            )

    def criterion(self, chain: ChainScores) -> Criterion:
        """What is minimised."""
        limits = {name: limit for name, limit, _, _ in self._limits(chain)}
        if self.limit == BOUND:
            limits = {each[0]: bounded(*each) for each in self._limits(chain)}
        return make_criterion(
            str(self.thresholds),
            chain.codes,
            chain.weights,
            chain.scores.shape[2],
            price=self.price,
            budget=self.budget,
            w_far=self.w_far,
            w_frr=self.w_frr,
            **limits,
        )

    def warn_of_limits(self, chain: ChainScores, stacklevel: int) -> None:
        """Warn of limits that the rows of `chain` cannot vouch for."""
        if self.is_searched and self.limit == ESTIMATE:
            for each in self._limits(chain):
                warn_if_too_fine(*each, stacklevel=stacklevel + 1)

    @property
    def counts_rows(self) -> bool:
        """Whether thresholds are searched by the share of wrong rows, whatever their class."""
        return self.is_searched and not self.frees_cut

    def _limits(self, chain: ChainScores) -> list[tuple[str, float | None, np.ndarray, str]]:
        """Name and value of each limit of two classes, and the rows that it is about."""
        given = (("max_far", self.max_far), ("max_frr", self.max_frr))
        return [
            (name, value, chain.weights[chain.codes == c], f"`classes_[{c}]`")
            for c, (name, value) in enumerate(given)
        ]


def check_number(name: str, value: Any, low: float, high: float) -> None:
    """Raise unless `value` is a finite number from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"`{name}` must be a number; got {value!r}.")
    if not low <= float(value) <= high or value == np.inf:
        raise ValueError(f"`{name}` must be between {low:g} and {high:g}; got {value!r}.")


def tune(chain: ChainScores, tuning: Tuning, *, quick: bool = False) -> tuple[Thresholds, Any]:
    """Thresholds, and the sorting key of the criterion (None when nothing was searched)."""
    n_free = chain.n_stages - 1
    if not isinstance(tuning.thresholds, str):
        bands = isinstance(chain.policy, BandPolicy)
        return _given(tuning.thresholds, chain.n_stages, bands), None
    if tuning.is_searched:
        found = find_thresholds(
            chain,
            tuning.criterion(chain),
            n_grid=tuning.n_grid,
            free_cut=tuning.frees_cut,
            quick=quick,
        )
        if found.key[0] > 0:
            raise ValueError(_impossible(tuning, float(chain.costs[0])))
        return found.thresholds, found.key
    if tuning.thresholds == "zero-error":
        stages = []
        for k in range(n_free):
            rows = chain.available[k] & (chain.weights > 0)
            stages.append(chain.policy.zero_error(chain.scores[k][rows], chain.codes[rows]))
        return Thresholds(tuple(stages)), None
    end = chain.policy.never() if tuning.thresholds == "never" else chain.policy.always()
    return Thresholds((end,) * n_free), None


def without_scores(tuning: Tuning, n_classes: int, cost: float) -> Thresholds:
    """Thresholds of a single stage, which has nothing to choose."""
    if tuning.is_searched and tuning.budget is not None and cost > tuning.budget:
        raise ValueError(_impossible(tuning, cost))
    if isinstance(tuning.thresholds, str):
        return Thresholds(())
    return _given(tuning.thresholds, 1, n_classes == 2)


def _impossible(tuning: Tuning, cost: float) -> str:
    names = ("budget", "max_far", "max_frr")
    limits = {name: getattr(tuning, name) for name in names if getattr(tuning, name) is not None}
    return (
        f"`budget`, `max_far` and `max_frr` cannot be met together: {limits}; the first stage "
        f"alone costs {cost:g} per row. Raise a limit, or put a cheaper stage first."
    )


def _given(thresholds: Any, n_stages: int, bands: bool) -> Thresholds:
    """Thresholds as the user lists them: for every stage, with or without the last."""
    form = "pairs (lo, hi)" if bands else "confidences"
    expected = (
        f"`thresholds` must hold {n_stages - 1} {form}, one per stage but the last "
        "(the last stage's may be added)"
    )
    if (
        not isinstance(thresholds, Sequence | np.ndarray)
        or not np.ndim(thresholds)
        or not (n_stages - 1 <= len(thresholds) <= n_stages)
    ):
        raise ValueError(f"{expected}; got {thresholds!r}.")
    try:
        values = [np.asarray(value, dtype=float) for value in thresholds]
    except (TypeError, ValueError) as error:
        raise ValueError(f"{expected}; got {thresholds!r}.") from error
    cut = float(values[-1].flat[-1]) if bands and len(values) == n_stages else HALF
    stages = tuple(values[: n_stages - 1])
    for value in stages:
        if value.shape != ((2,) if bands else ()) or np.isnan(value).any():
            raise ValueError(f"{expected}; got {thresholds!r}.")
        if bands and value[0] > np.nextafter(value[1], np.inf):
            raise ValueError(
                f"`thresholds` must have lo <= hi; got ({value[0]}, {value[1]}). To defer nothing "
                "and cut at t, give (numpy.nextafter(t, numpy.inf), t)."
            )
    return Thresholds(stages, cut)
