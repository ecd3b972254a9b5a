"""Whose turn it is, and who has had enough: no candidate takes all the time that is left."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from ._candidate import METHOD, Candidate
from ._standing import DONE, Standing

#: Part of the time that is kept for the last candidate, however long those before it take.
_KEPT = 0.25
#: A candidate may take this part of what there was when it began, if others wait.
_MOST = 0.5
#: Paces are rough: a first fold is broken off if at its pace all would take so many times what they
#: may (it is work thrown away), and folds that were put off begin if so much would be enough.
_PATIENCE = 2.0
#: So many baselines come before everything else: without two there is nothing to compare.
_FEWEST = 2


@dataclass
class Shares:
    """The rules of the time limit.

    Baselines that take turns come first, fold by fold, the cheapest first; then the others, one
    after another. One that would take more than half of the time that there was (less the quarter
    that is kept for the last), at the pace of its folds, is put off; so is a balancing method that
    was not begun, where one that was, and is no slower, has not the time. Baselines that cannot
    all come to their end are fewer: the slowest are put off, as long as two can; these two may
    take any share, and the quarter too, for without them whatever the last one does is compared
    with nothing. What was put off goes on when all others are through, unless it would need far
    more than is left then.

    Parameters
    ----------
    candidates : dict of str to Candidate
        All of them in their order.
    standings : dict of str to Standing
        Theirs; kept up to date by the schedule.
    n_folds : int
        Of each.
    n_jobs : int
        Processes side by side.
    whole : float
        Seconds that there are; infinite without a limit.
    pace : callable
        Seconds of a fold of a candidate, from those that it has finished; None before.
    """

    candidates: dict[str, Candidate]
    standings: dict[str, Standing]
    n_folds: int
    n_jobs: int
    whole: float
    pace: Callable[[str], float | None]
    turns: set[str] = field(init=False)

    def __post_init__(self) -> None:
        self.turns = {name for name, one in self.candidates.items() if one.turn is not None}

    def next(self, left: float) -> str | None:
        """Who begins a fold, with so many seconds left; None if nobody may."""
        if left <= 0:
            return None
        if math.isfinite(left):
            self._put_off_slow_baselines(left)
            self._put_off_hopeless_methods(left)
            last = self._kept_for()
            wanted = self._n_done() < _FEWEST and any(self._turns_left())
            if last is not None and left <= _KEPT * self.whole and not wanted:
                return last
        return next(self._line(left), None)

    def is_late(self, name: str, running: Mapping[str, list[float]], left: float) -> bool:
        """Whether a candidate at work has more than its share, or is bound to.

        `running` are the seconds of all folds in progress.
        """
        if not self._others(name):
            return False
        used = {n: s.used + sum(running.get(n, [])) for n, s in self.standings.items()}
        # what is left and what was used is what there was when it began
        began_with = self.turns if name in self.turns else {name}
        allowed = self._allowed(name, left * self.n_jobs + sum(used[n] for n in began_with))
        n_left, pace = len(self.standings[name].todo), self.pace(name)
        if name in self.turns:  # who goes on is decided between the folds, unless one hangs
            return max(running[name]) * self.n_folds > _PATIENCE * allowed
        if pace is None:
            return used[name] + max(running[name]) * n_left > _PATIENCE * allowed
        return used[name] + pace * n_left > allowed

    # -- shares --------------------------------------------------------------------------------

    def _others(self, name: str) -> list[str]:
        return [n for n, standing in self.standings.items() if standing.goes_on and n != name]

    def _kept_for(self) -> str | None:
        """The last candidate, while it has something to do."""
        last = next(reversed(self.standings))
        return last if last not in self.turns and self.standings[last].goes_on else None

    def _turns_left(self) -> list[str]:
        """Baselines that take turns, the cheapest first."""
        left = [name for name in self.turns if self.standings[name].goes_on]
        return sorted(left, key=lambda name: self.candidates[name].turn or 0)

    def _n_done(self) -> int:
        """Baselines that take turns and have come to their end."""
        return sum(self.standings[name].status == DONE for name in self.turns)

    def _allowed(self, name: str, there_was: float) -> float:
        others, last = self._others(name), self._kept_for()
        if last in others:
            there_was -= _KEPT * self.whole * self.n_jobs
        n_rivals = len(others) - (last in others)
        return there_was * max(_MOST, 1 / (n_rivals + 1))

    def _seconds(self, name: str) -> float:
        """What its folds that are left take at least, one after another."""
        return self._fold(name) * len(self.standings[name].todo)

    def _fold(self, name: str) -> float:
        """What a fold takes at least, as far as is known."""
        return max(self.pace(name) or 0.0, self.standings[name].at_least)

    def _is_unknown(self, name: str) -> bool:
        return self._fold(name) == 0.0

    # -- order ---------------------------------------------------------------------------------

    def _line(self, left: float) -> Iterator[str]:
        going = {name: s for name, s in self.standings.items() if s.goes_on}
        yield from sorted(self._turns_left(), key=lambda name: going[name].todo[0])
        yield from (name for name in going if name not in self.turns)
        late = [n for n, s in self.standings.items() if s.put_off and s.todo]
        # nobody else needs the time; the first fold may have been slower than others are
        may = _PATIENCE * left
        yield from (n for n in sorted(late, key=self._needs) if self._needs(n) <= may)

    def _needs(self, name: str) -> float:
        """Seconds until it could be done, its folds side by side."""
        fold = self._least_of_methods() if self._is_unknown(name) else self._fold(name)
        return fold * math.ceil(len(self.standings[name].todo) / self.n_jobs)

    # -- who is put off ------------------------------------------------------------------------

    def _put_off_slow_baselines(self, left: float) -> None:
        names = sorted(self._turns_left(), key=self._seconds)
        if any(self._is_unknown(name) for name in names):
            return
        n_done = self._n_done()
        kept = _KEPT * self.whole if self._kept_for() else 0.0
        most = _MOST * (self.whole - kept) * self.n_jobs if kept else math.inf
        n_fit = self._fit(names, (left - kept) * self.n_jobs, most)
        if n_fit + n_done < _FEWEST:
            n_fit = self._fit(names, left * self.n_jobs, math.inf)
        if n_fit + n_done >= _FEWEST:
            for name in names[n_fit:]:
                self.standings[name].put_off = True

    def _fit(self, names: list[str], there_is: float, most: float) -> int:
        """How many of them can come to their end, one after another, none beyond its share."""
        for n_fit, name in enumerate(names):
            seconds = self._seconds(name)
            there_is -= seconds
            if there_is < 0 or (seconds > most and n_fit + self._n_done() >= _FEWEST):
                return n_fit
        return len(names)

    def _put_off_hopeless_methods(self, left: float) -> None:
        """They stand in the order of their costs: those behind are no faster than those before."""
        if self._turns_left():
            return
        least = self._least_of_methods()
        for name in self._methods():
            standing = self.standings[name]
            if standing.goes_on and self._is_unknown(name) and not standing.begun:
                needs = least * len(standing.todo)
                standing.put_off = needs > self._allowed(name, left * self.n_jobs)

    def _methods(self) -> list[str]:
        return [name for name, one in self.candidates.items() if one.kind == METHOD]

    def _least_of_methods(self) -> float:
        known = [self._fold(name) for name in self._methods() if not self._is_unknown(name)]
        return min(known, default=0.0)
