"""Whose turn it is, and who has had enough: no candidate takes all the time that is left."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from ._standing import DONE, Standing

#: Part of the time that is kept for the last candidate, however long those before it take.
_KEPT = 0.25
#: A candidate may take this part of what there was when it began, if others wait.
_MOST = 0.5
#: So many baselines must be able to finish for the slower ones to be put off.
_FEWEST = 2


@dataclass
class Shares:
    """The rules of the time limit.

    Baselines that take turns come first, fold by fold; then the others, one after another. One that
    takes more than half of the time that there was (less the quarter that is kept for the last), or
    would at its pace, is put off. Baselines that cannot all come to their end are fewer: the
    slowest are put off, as long as two can. What was put off goes on when all others are through,
    if it can come to its end then.

    Parameters
    ----------
    standings : dict of str to Standing
        All candidates in their order; kept up to date by the schedule.
    turns : set of str
        Those that take turns.
    n_jobs : int
        Processes side by side.
    whole : float
        Seconds that there are; infinite without a limit.
    pace : callable
        Seconds of a fold of a candidate, from those that it has finished; None before.
    """

    standings: dict[str, Standing]
    turns: set[str]
    n_jobs: int
    whole: float
    pace: Callable[[str], float | None]

    def next(self, left: float) -> str | None:
        """Who begins a fold, with so many seconds left; None if nobody may."""
        if left <= 0:
            return None
        self._put_off_slow_baselines(left)
        last = self._kept_for()
        if last is not None and math.isfinite(left) and left <= _KEPT * self.whole:
            return last
        return next(self._line(left), None)

    def is_late(self, name: str, running: Mapping[str, list[float]], left: float) -> bool:
        """Whether a candidate at work has more than its share, or is bound to.

        `running` are the seconds of all folds in progress.
        """
        others = [n for n, s in self.standings.items() if s.goes_on and n != name]
        if not others:
            return False
        used = {n: s.used + sum(running.get(n, [])) for n, s in self.standings.items()}
        # what is left and what was used is what there was when it began
        began_with = self.turns if name in self.turns else {name}
        there_was = left * self.n_jobs + sum(used[n] for n in began_with)
        last = self._kept_for()
        if last in others:
            there_was -= _KEPT * self.whole * self.n_jobs
        n_rivals = len(others) - (last in others)
        allowed = there_was * max(_MOST, 1 / (n_rivals + 1))
        # before its first fold is done, it takes at least what that one has taken so far
        fold = self.pace(name) or max(running[name])
        return used[name] + fold * len(self.standings[name].todo) > allowed

    def _line(self, left: float) -> Iterator[str]:
        going = {name: s for name, s in self.standings.items() if s.goes_on}
        yield from sorted(self.turns & going.keys(), key=lambda n: (going[n].todo[0], self._at(n)))
        yield from (name for name in going if name not in self.turns)
        late = [n for n, s in self.standings.items() if s.put_off and s.todo]
        yield from (n for n in sorted(late, key=self._needs) if self._needs(n) <= left)

    def _at(self, name: str) -> int:
        return list(self.standings).index(name)

    def _kept_for(self) -> str | None:
        """The last candidate, while it has something to do."""
        last = next(reversed(self.standings))
        return last if last not in self.turns and self.standings[last].goes_on else None

    def _seconds(self, name: str) -> float:
        """What its folds that are left take, one after another."""
        standing = self.standings[name]
        return max(self.pace(name) or 0.0, standing.at_least) * len(standing.todo)

    def _needs(self, name: str) -> float:
        """The same, side by side."""
        n_left = len(self.standings[name].todo)
        return self._seconds(name) / max(1, n_left) * math.ceil(n_left / self.n_jobs)

    def _put_off_slow_baselines(self, left: float) -> None:
        names = [n for n in self.turns if self.standings[n].goes_on]
        if not math.isfinite(left) or any(self.pace(name) is None for name in names):
            return
        kept = _KEPT * self.whole if self._kept_for() else 0.0
        there_is = (left - kept) * self.n_jobs
        n_done = sum(self.standings[name].status == DONE for name in self.turns)
        fits = 0
        names.sort(key=lambda name: (self._seconds(name), self._at(name)))
        for name in names:
            there_is -= self._seconds(name)
            if there_is < 0:
                break
            fits += 1
        if fits + n_done >= _FEWEST:
            for name in names[fits:]:
                self.standings[name].put_off = True
