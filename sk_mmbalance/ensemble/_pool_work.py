"""Fitting the experts of a pool, out of fold and on all rows, while a clock may be looked at."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..base import Fold, TrainingRows
from ..experts import Expert, OutOfFold, Pace, bar_over_fits, cross_fit_parts, fit_experts, say
from ._pool_experts import ChosenExperts

#: Cross-validations, as lists of folds.
Parts = Sequence[Sequence[Fold]]


@dataclass(frozen=True, eq=False)
class Done:
    """What was fitted.

    Attributes
    ----------
    fitted : list of Expert
        In the order in which they were given.
    oof : OutOfFold or None
        Their answers out of fold; None without folds, or where a single expert is left.
    left_out : dict of str to str
        Why an expert was not fitted.
    """

    fitted: list[Expert]
    oof: OutOfFold | None
    left_out: dict[str, str] = field(default_factory=dict)


class Work:
    """All fits of a pool.

    Parameters
    ----------
    title : str
        What the bar is called.
    time_limit : float or None
        Seconds after which no further expert is begun, counted from here.
    n_jobs : int or None
        Number of fits run in parallel.
    verbose : int
        1 shows a bar and what is left out, 2 what is done besides.
    """

    def __init__(self, title: str, time_limit: float | None, n_jobs: int | None, verbose: int):
        self.start = time.monotonic()
        self.title = title
        self.time_limit, self.n_jobs, self.verbose = time_limit, n_jobs, verbose

    @property
    def elapsed(self) -> float:
        """Seconds so far."""
        return time.monotonic() - self.start

    def fit(self, chosen: ChosenExperts, rows: TrainingRows, parts: Parts | None) -> Done:
        """Fit the experts on all rows, and out of fold where there are folds, in `parts`."""
        self._say(f"{len(chosen.named)} experts, {len(rows)} rows", least=2)
        for name, reason in chosen.left_out.items():
            smaller = any(expert.name == name for expert in chosen.named)
            self._say(f"{'' if smaller else 'without '}{name}: {reason}")
        if self.time_limit is not None and parts is not None:
            return self._until_the_limit(chosen, rows, parts)
        oof, named = None, chosen.named
        if parts is not None:
            progress = bar_over_fits(self.title, self.verbose)
            oof = cross_fit_parts(named, rows, parts, self.n_jobs, progress=progress)
        fitted = fit_experts(named, rows, self.n_jobs)
        self._say("experts are fitted on all rows", least=2)
        return Done(fitted, oof)

    def _until_the_limit(self, chosen: ChosenExperts, rows: TrainingRows, parts: Parts) -> Done:
        """One expert after another, those reckoned cheap first, as long as there is time."""
        assert self.time_limit is not None
        order = sorted(chosen.named, key=lambda e: chosen.seconds.get(e.name, 0.0))
        done: dict[str, tuple[Expert, OutOfFold]] = {}
        left_out: dict[str, str] = {}
        n_fits = sum(map(len, parts)) + 1
        pace = Pace()
        for expert in order:
            reckoned = chosen.seconds.get(expert.name)
            # of an expert that the user names nothing is reckoned: it is begun while there is time
            ahead = 0.0 if reckoned is None else pace.foretell(n_fits * reckoned)
            if done and self.elapsed + ahead > self.time_limit:
                left_out[expert.name] = f"`time_limit`={self.time_limit:g} s would have been passed"
                continue
            begun = self.elapsed
            oof = cross_fit_parts([expert], rows, parts, self.n_jobs)
            done[expert.name] = (fit_experts([expert], rows, self.n_jobs)[0], oof)
            taken = self.elapsed - begun
            if reckoned is not None:
                pace.see(n_fits * reckoned, taken)
            self._say(f"{expert.name}: {taken:.1f} s")
        begun_with = [expert for expert in chosen.named if expert.name in done]
        fitted = [done[expert.name][0] for expert in begun_with]
        oof = _joined([done[expert.name][1] for expert in begun_with])
        for name, reason in left_out.items():
            self._say(f"without {name}: {reason}")
        return Done(fitted, oof if len(fitted) > 1 else None, left_out)

    def _say(self, what: str, least: int = 1) -> None:
        if self.verbose >= least:
            say(f"[{self.elapsed:7.1f} s] {what}")


def _joined(parts: Sequence[OutOfFold]) -> OutOfFold:
    """Answers of experts that were asked one by one."""
    return replace(
        parts[0],
        answers=np.concatenate([part.answers for part in parts]),
        available=np.concatenate([part.available for part in parts]),
    )
