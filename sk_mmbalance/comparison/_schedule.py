"""Who runs when, and until when: no candidate takes all the time that is left."""

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
from ._store import Store

#: How often clocks are looked at while processes work, in seconds.
_LOOK = 0.1
#: Part of the time that is kept for the last candidate, however long those before it take.
_KEPT = 0.25
#: A candidate may take this part of what is left, or an equal share where that is more.
_MOST = 0.5
DONE, ENDED, FAILED, WAITING = "done", "ended", "failed", "no time left"


@dataclass
class Standing:
    """How far a candidate has come.

    Attributes
    ----------
    status : str
        "done", "ended" (its time was up), "failed", or "no time left" (it never began).
    error : str
        Why it failed.
    used : float
        Seconds of its finished folds in this call.
    """

    todo: deque[int]
    status: str = WAITING
    error: str = ""
    used: float = 0.0


@dataclass
class Schedule:
    """Runs all candidates on all folds.

    A candidate may take half of the time that is left, so that the first ones come to their end
    where time is short, and one that hangs leaves the other half; a quarter of the whole is kept
    for the last, and what it leaves is for those that have not begun. One that would not finish at
    the pace of its first folds is ended there and then.

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
        self.whole = 0.0 if self.deadline is None else self._seconds_left()
        self.standings = {
            name: Standing(deque(f for f in self._folds if "scores" not in self._found(name, f)))
            for name in candidates
        }
        for standing in self.standings.values():
            if not standing.todo:
                standing.status = DONE

    def _found(self, name: str, fold: int) -> dict:
        return self.store.found.get((self.marks[name], fold), {})

    def run(self) -> None:
        """Until everything is done or the time is up."""
        if not any(standing.todo for standing in self.standings.values()):
            return
        with Processes(self.work, self.n_jobs) as processes:
            while self._start_some(processes) or processes.busy:
                self._listen(processes)
                self._end_late_ones(processes)

    # -- starting ------------------------------------------------------------------------------

    def _start_some(self, processes: Processes) -> bool:
        """Start what may start; whether anything is left to start."""
        while processes.has_room:
            name = next((n for n in self.standings if self._may_start(n)), None)
            if name is None or self._seconds_left() <= 0:
                break
            processes.start((name, self.standings[name].todo.popleft()))
        return any(s.todo for s in self.standings.values()) and self._seconds_left() > 0

    def _may_start(self, name: str) -> bool:
        """Whether it has something to do, and the last one's time is not begun; then that goes."""
        if not self.standings[name].todo:
            return False
        last = next(reversed(self.standings))
        kept_for_it = name != last and bool(self.standings[last].todo)
        return not kept_for_it or self._seconds_left() > _KEPT * self.whole

    def _seconds_left(self) -> float:
        return float("inf") if self.deadline is None else self.deadline - time.monotonic()

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
            process.since = time.monotonic()  # its start is nobody's time
        elif kind in ("scores", "inside"):
            self.store.add(self.marks[name], fold, content)
            if kind == "scores":
                self.show(name, fold)
        elif kind == "failed":
            self._fail(name, content["error"])
        elif kind == "gone":
            processes.stop(process)
            self._fail(name, f"its process died ({processes.last_words()})")
        elif kind == "done":
            standing.used += time.monotonic() - process.since
            processes.finished(process)
            others = any(p.task is not None and p.task[0] == name for p in processes.busy)
            if not standing.todo and not others and standing.status == WAITING:
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
        for process in processes.busy:
            name, _ = process.task or ("", 0)
            if self._seconds_left() <= 0 or self._is_late(name, processes.busy):
                self._end(name, processes)
        if self._seconds_left() <= 0:
            for standing in self.standings.values():
                standing.todo.clear()

    def _is_late(self, name: str, busy: list[Process]) -> bool:
        """Whether a candidate has used more than its share of the time, or is bound to."""
        waiting = [n for n, s in self.standings.items() if s.todo and s.status == WAITING]
        behind = [n for n in waiting if n != name]
        if not behind:
            return False
        now = time.monotonic()
        standing = self.standings[name]
        running = sum(now - p.since for p in busy if p.task is not None and p.task[0] == name)
        used = standing.used + running
        last = next(reversed(self.standings))
        # what is left and what it has used is what there was when it began
        there_was = self._seconds_left() * self.n_jobs + used
        if last in behind:
            there_was -= _KEPT * self.whole * self.n_jobs
        n_rivals = len(behind) - (last in behind)
        allowed = there_was * max(_MOST, 1 / (n_rivals + 1))
        known = [f["fit_seconds"] for fold in self._folds if (f := self._found(name, fold))]
        bound_to = used + np.mean(known) * len(standing.todo) if known else used
        return max(used, bound_to) > allowed

    def _end(self, name: str, processes: Processes) -> None:
        for process in processes.busy:
            if process.task is not None and process.task[0] == name:
                processes.stop(process)
        standing = self.standings[name]
        standing.todo.clear()
        if standing.status == WAITING:
            # where only the look inside was cut off, nothing is missing
            complete = all("scores" in self._found(name, fold) for fold in self._folds)
            standing.status = DONE if complete else ENDED
