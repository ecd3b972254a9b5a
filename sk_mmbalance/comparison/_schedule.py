"""Runs all candidates on all folds, until everything is done or the time is up."""

from __future__ import annotations

import queue
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ._evaluate import Work
from ._fingerprint import mark_of_candidate
from ._pool import Process, Processes
from ._shares import Shares
from ._standing import DONE, ENDED, FAILED, WAITING, Standing
from ._store import Store

#: How often clocks are looked at while processes work, in seconds.
_LOOK = 0.1


@dataclass
class Schedule:
    """Starts folds in the order of `Shares`, listens to processes, and ends those that are late.

    Parameters
    ----------
    work : Work
        Candidates and data.
    store : Store
        Where results go, and where those of an earlier call are.
    n_jobs : int
        Processes side by side.
    deadline : float or None
        On the monotonic clock.
    show : callable
        Told of what happens: ``show(name, fold)``.
    """

    work: Work
    store: Store
    n_jobs: int
    deadline: float | None
    show: Callable[[str, int], None]
    marks: dict[str, str] = field(init=False)
    standings: dict[str, Standing] = field(init=False)

    def __post_init__(self) -> None:
        candidates = self.work.candidates
        self.marks = {name: mark_of_candidate(one) for name, one in candidates.items()}
        self._folds = range(len(self.work.problem.folds))
        self.standings = {
            name: Standing(deque(f for f in self._folds if not self._is_known(name, f)))
            for name in candidates
        }
        for standing in self.standings.values():
            if not standing.todo:
                standing.status = DONE
        self._shares = Shares(
            candidates,
            self.standings,
            len(self._folds),
            self.n_jobs,
            self._seconds_left(),
            self._pace,
        )

    def run(self) -> None:
        """Until everything is done or the time is up."""
        if not any(standing.todo for standing in self.standings.values()):
            return
        with Processes(self.work, self.n_jobs) as processes:
            while True:
                self._start_some(processes)
                if not processes.busy:
                    break
                self._listen(processes)
                self._end_late_ones(processes)
        for name, standing in self.standings.items():
            began = standing.begun or any(self._is_known(name, fold) for fold in self._folds)
            if standing.status == WAITING and began:
                standing.status = ENDED

    # -- what is known -------------------------------------------------------------------------

    def _found(self, name: str, fold: int) -> dict:
        return self.store.found.get((self.marks[name], fold), {})

    def _is_known(self, name: str, fold: int) -> bool:
        return "scores" in self._found(name, fold)

    def _pace(self, name: str) -> float | None:
        known = [self._found(name, fold) for fold in self._folds if self._is_known(name, fold)]
        seconds = [one["fit_seconds"] + one["predict_seconds"] for one in known]
        return float(np.mean(seconds)) if seconds else None

    def _seconds_left(self) -> float:
        return float("inf") if self.deadline is None else self.deadline - time.monotonic()

    # -- starting ------------------------------------------------------------------------------

    def _start_some(self, processes: Processes) -> None:
        while processes.has_room:
            name = self._shares.next(self._seconds_left())
            if name is None:
                return
            standing = self.standings[name]
            standing.begun, standing.put_off = True, False
            processes.start((name, standing.todo.popleft()))

    # -- listening -----------------------------------------------------------------------------

    def _listen(self, processes: Processes) -> None:
        try:
            process, kind, content = processes.messages.get(timeout=_LOOK)
        except queue.Empty:
            return
        if process.ended or process.task is None:
            if kind == "gone":
                processes.stop(process)
            return
        name, fold = process.task
        standing = self.standings[name]
        if kind == "ready":
            process.since = time.monotonic()
        elif kind in ("scores", "inside"):
            self.store.add(self.marks[name], fold, content)
            if kind == "scores":
                self.show(name, fold)
        elif kind == "failed":
            self._fail(name, content["error"])
        elif kind == "gone":
            processes.stop(process)
            self._fail(name, f"its process died ({processes.last_words()})")
        else:  # done
            standing.used += process.seconds
            processes.finished(process)
            self._see_whether_done(name)

    def _see_whether_done(self, name: str) -> None:
        standing = self.standings[name]
        if standing.status == WAITING and all(self._is_known(name, fold) for fold in self._folds):
            standing.status = DONE

    def _fail(self, name: str, error: str) -> None:
        standing = self.standings[name]
        if standing.status == WAITING:
            standing.status, standing.error = FAILED, " ".join(error.split())
            standing.todo.clear()

    # -- ending --------------------------------------------------------------------------------

    def _end_late_ones(self, processes: Processes) -> None:
        if self.deadline is None:
            return
        left = self._seconds_left()
        busy = [(*process.task, process) for process in processes.busy if process.task]
        running: dict[str, list[float]] = {}
        for name, _, process in busy:
            running.setdefault(name, []).append(process.seconds)
        for name in running:
            if left <= 0 or self._shares.is_late(name, running, left):
                self._put_off(name, {f: p for n, f, p in busy if n == name}, processes)

    def _put_off(self, name: str, at_it: dict[int, Process], processes: Processes) -> None:
        """Break off what a candidate is at; it may go on when all others are through."""
        standing = self.standings[name]
        standing.put_off = True
        for fold, process in at_it.items():
            took = process.seconds
            processes.stop(process)
            standing.used += took
            if not self._is_known(name, fold):  # or only the look inside was cut off
                standing.todo.appendleft(fold)
                standing.at_least = max(standing.at_least, took)
        self._see_whether_done(name)
