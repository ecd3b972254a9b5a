"""Finding thresholds: exhaustive where that is feasible, else coordinate descent."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np

from ._chain import ChainScores, Thresholds
from ._criterion import Criterion, error_columns
from ._policy import HALF

# One scan of the last free stage takes about half a millisecond for 1000 rows: the first limit is
# some seconds, the second (a starting point only) less than one.
_MAX_SCANS = 5000
_MAX_COARSE_SCANS = 600
# Each sweep can only improve; in practice three or four are enough.
_MAX_SWEEPS = 25


@dataclass(frozen=True)
class Found:
    """Best thresholds found, their key and column sums."""

    thresholds: Thresholds
    key: tuple[float, ...]
    exact: bool


@dataclass(frozen=True)
class Grid:
    """Candidates of each stage but the last, and of the cut of the last."""

    stages: tuple[np.ndarray, ...]
    cuts: np.ndarray

    @property
    def n_scans(self) -> int:
        """Scans of the last free stage that the exhaustive search needs."""
        return len(self.cuts) * prod(len(candidates) for candidates in self.stages[:-1])

    @property
    def least_scans(self) -> int:
        """Scans that are left where nothing can be thinned out any more."""
        sizes = [len(candidates) for candidates in (*self.stages[:-1], self.cuts)]
        return prod(min(size, 2) for size in sizes)

    def coarser(self, limit: int) -> Grid:
        """Candidates thinned out evenly until `limit` scans suffice."""
        grid = self
        while grid.n_scans > limit:
            sizes = [len(c) for c in grid.stages[:-1]]
            if max([*sizes, len(grid.cuts)]) <= 2:
                break
            if len(grid.cuts) > max(sizes, default=0):
                grid = Grid(grid.stages, _thin(grid.cuts))
            else:
                widest = int(np.argmax(sizes))
                stages = list(grid.stages)
                stages[widest] = _thin(stages[widest])
                grid = Grid(tuple(stages), grid.cuts)
        return grid


def _thin(candidates: np.ndarray) -> np.ndarray:
    keep = np.linspace(0, len(candidates) - 1, max(2, int(0.8 * len(candidates))))
    return candidates[np.unique(np.round(keep).astype(int))]


def make_grid(chain: ChainScores, n_grid: int, free_cut: bool) -> Grid:
    """Candidates from quantiles of the scores; the cut stays at 0.5 unless it is free."""
    stages = []
    for k in range(chain.n_stages - 1):
        rows = chain.available[k]
        stages.append(chain.policy.candidates(chain.scores[k][rows], chain.weights[rows], n_grid))
    rows = chain.available[-1]
    final = chain.final_scores[-1][rows]
    cuts = chain.policy.cuts(final, chain.weights[rows], n_grid) if free_cut else np.array([HALF])
    return Grid(tuple(stages), cuts)


def find_thresholds(
    chain: ChainScores,
    criterion: Criterion,
    *,
    n_grid: int,
    free_cut: bool,
    quick: bool = False,
) -> Found:
    """Thresholds of the best chain on the grid.

    Exhaustive (and then `exact`) up to some thousand scans, which covers two stages always and
    three mostly. Beyond that: exhaustive on a thinned grid, then coordinate descent on the full
    one from there, from "never defer" and from "always defer" (`quick`, or more than about eleven
    stages, whose thinnest grid still has too many combinations: without the first).
    """
    grid = make_grid(chain, n_grid, free_cut)
    if not grid.stages:
        return _best_cut(_Search(chain, criterion), Thresholds(()), grid.cuts)
    search = _Search(chain, criterion)
    if grid.n_scans <= _MAX_SCANS and not (quick and len(grid.stages) > 1):
        return search.exhaustive(grid)
    policy, n_free = chain.policy, len(grid.stages)
    starts = [Thresholds((end,) * n_free) for end in (policy.never(), policy.always())]
    if not quick and grid.least_scans <= _MAX_COARSE_SCANS:
        coarse = grid.coarser(_MAX_COARSE_SCANS)
        if coarse.n_scans <= _MAX_COARSE_SCANS:  # two candidates a stage are too many beyond eleven
            starts.insert(0, search.exhaustive(coarse).thresholds)
    found = [search.descend(start, grid) for start in starts]
    return min(found, key=lambda each: each.key)


def _best_cut(search: _Search, thresholds: Thresholds, cuts: np.ndarray) -> Found:
    best = None
    for cut in cuts:
        candidate = Thresholds(thresholds.stages, float(cut))
        found = Found(candidate, search.key(candidate), True)
        if best is None or found.key < best.key:
            best = found
    assert best is not None
    return best


class _Search:
    """Column sums of a chain, for many thresholds at a time."""

    def __init__(self, chain: ChainScores, criterion: Criterion):
        self.chain = chain
        self.criterion = criterion
        policy, n_classes = chain.policy, chain.scores.shape[2]
        self._columns = lambda decided: error_columns(
            chain.codes, decided, chain.weights, n_classes
        )
        cost = np.zeros((len(chain.codes), 3 if n_classes == 2 else 2))
        cost[:, -1] = chain.weights
        self.cost = [c * cost for c in chain.costs]
        if n_classes == 2:
            ones = np.ones_like(chain.codes)
            self.as_class = [[self._columns(0 * ones), self._columns(ones)]] * chain.n_stages
        else:
            self.as_class = [[self._columns(policy.codes(policy.never(), s))] for s in chain.scores]

    # -- one threshold at a time ---------------------------------------------------------------

    def key(self, thresholds: Thresholds) -> tuple[float, ...]:
        outcome = self.chain.play(thresholds)
        sums = self._columns(outcome.codes)
        sums[:, -1] = self.chain.weights * outcome.cost
        return self.criterion.best(sums.sum(axis=0))[1]

    def _final(self, k: int, cut: float) -> np.ndarray:
        """What a row adds if stage k is its last."""
        return self._columns(self.chain.policy.final_codes(cut, self.chain.final_scores[k]))

    def _decided(self, k: int, threshold: np.ndarray) -> np.ndarray:
        return self._columns(self.chain.policy.codes(threshold, self.chain.scores[k]))

    def _deferred(self, k: int, thresholds: Thresholds) -> np.ndarray:
        """What a row adds after stage k if it is deferred there (backward recursion)."""
        return self._all_deferred(thresholds, k)[0]

    def _all_deferred(self, thresholds: Thresholds, first: int = 0) -> list[np.ndarray]:
        """`_deferred` of the free stages from the first on, in one pass from the end."""
        chain = self.chain
        ahead = np.zeros_like(self.cost[0])
        found = []
        for j in range(chain.n_stages - 1, first, -1):
            value = np.where(chain.has_later[j][:, None], ahead, self._final(j, thresholds.cut))
            if j < chain.n_stages - 1:
                sure = chain.policy.exits(thresholds.stages[j], chain.scores[j])
                value = np.where(sure[:, None], self._decided(j, thresholds.stages[j]), value)
            ahead = np.where(chain.available[j][:, None], self.cost[j] + value, ahead)
            k = j - 1
            after = np.where(chain.has_later[k][:, None], ahead, self._final(k, thresholds.cut))
            found.append(after)
        return found[::-1]

    def _scan(
        self, k: int, rows: np.ndarray, deferred: np.ndarray, candidates: np.ndarray
    ) -> np.ndarray:
        return self.chain.policy.scan(
            self.chain.scores[k][rows],
            [columns[rows] for columns in self.as_class[k]],
            deferred[rows],
            candidates,
        )

    # -- exhaustive ----------------------------------------------------------------------------

    def exhaustive(self, grid: Grid) -> Found:
        """Every combination; the last free stage is scanned in one go."""
        last = len(grid.stages) - 1
        best: Found | None = None
        for cut in grid.cuts:
            blank = Thresholds((self.chain.policy.never(),) * len(grid.stages), float(cut))
            deferred = self._deferred(last, blank)
            for prefix in product(*grid.stages[:last]):
                thresholds = Thresholds((*prefix, blank.stages[last]), float(cut))
                found = self._improve(thresholds, last, grid.stages[last], deferred)
                if best is None or found.key < best.key:
                    best = found
        assert best is not None
        return Found(best.thresholds, best.key, True)

    def _improve(
        self,
        thresholds: Thresholds,
        k: int,
        candidates: np.ndarray,
        deferred: np.ndarray,
        before: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> Found:
        """The best threshold of stage k, the others fixed; `before` is `_before` if it is known."""
        done, active = self._before(k, thresholds) if before is None else before
        chain = self.chain
        here = active & chain.available[k]
        rest = active & ~chain.available[k]
        # a row that cannot run stage k passes it by, whatever the threshold
        passing = deferred[rest].sum(axis=0) if rest.any() else np.zeros_like(done)
        done = done + passing + self.cost[k][here].sum(axis=0)
        sums = done + self._scan(k, here, deferred, candidates)
        position, key = self.criterion.best(sums)
        return Found(thresholds.replace(k, candidates[position]), key, False)

    def _before(self, k: int, thresholds: Thresholds) -> tuple[np.ndarray, np.ndarray]:
        """Column sums of what happens before stage k, and the rows still undecided."""
        done, active = self._at_the_start()
        for j in range(k):
            done, active = self._past(j, thresholds, done, active)
        return done, active

    def _at_the_start(self) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros(self.cost[0].shape[1]), np.ones(len(self.chain.codes), dtype=bool)

    def _past(
        self, j: int, thresholds: Thresholds, done: np.ndarray, active: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """What `_before` says of the stage after j, from what it says of j."""
        chain = self.chain
        here = active & chain.available[j]
        done = done + self.cost[j][here].sum(axis=0)
        sure = here & chain.policy.exits(thresholds.stages[j], chain.scores[j])
        done = done + self._decided(j, thresholds.stages[j])[sure].sum(axis=0)
        stuck = here & ~sure & ~chain.has_later[j]
        done = done + self._final(j, thresholds.cut)[stuck].sum(axis=0)
        return done, active & ~(sure | stuck)

    # -- coordinate descent --------------------------------------------------------------------

    def descend(self, start: Thresholds, grid: Grid) -> Found:
        """Improve one threshold after the other until none gets better."""
        best = Found(start, self.key(start), False)
        for _ in range(_MAX_SWEEPS):
            before = best.key
            if len(grid.cuts) > 1:
                found = _best_cut(self, best.thresholds, grid.cuts)
                best = found if found.key < best.key else best
            # a sweep goes forward: what comes after a stage is still as it was, and what comes
            # before it is settled. One pass each way is all that a sweep costs
            deferred = self._all_deferred(best.thresholds)
            past = self._at_the_start()
            for k in range(len(grid.stages)):
                found = self._improve(best.thresholds, k, grid.stages[k], deferred[k], past)
                best = found if found.key < best.key else best
                past = self._past(k, best.thresholds, *past)
            if best.key >= before:
                break
        return Found(best.thresholds, best.key, False)
