"""Processes that can be ended: a model that takes too long is stopped, and the rest goes on.

They are programs of their own, not forks: nothing of the caller's threads is inherited, and its
script need not be written for it.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from joblib import wrap_non_picklable_objects

from ._evaluate import Work

_CODE = "from sk_mmbalance.comparison._worker import main; main()"
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(eq=False)
class Process:
    """One process, and what it is at."""

    program: subprocess.Popen
    task: tuple[str, int] | None = None
    since: float | None = None  # it began to fit; None while it starts, which is nobody's time
    ended: bool = False

    @property
    def seconds(self) -> float:
        """For how long it has been fitting."""
        return 0.0 if self.since is None else time.monotonic() - self.since


@dataclass
class Processes:
    """As many processes as may run side by side.

    Parameters
    ----------
    work : Work
        What they need to know; written once, read by each.
    n_jobs : int
        How many.
    """

    work: Work
    n_jobs: int
    messages: queue.Queue = field(default_factory=queue.Queue)
    _free: list[Process] = field(default_factory=list)
    _busy: list[Process] = field(default_factory=list)

    def __enter__(self) -> Processes:
        self._folder = tempfile.TemporaryDirectory(prefix="sk_mmbalance-")
        self._file = Path(self._folder.name) / "work.pkl"
        try:
            work = self.work
            self._file.write_bytes(_sendable((work.problem, work.scorers)))
            self._models = {name: _sendable(one) for name, one in work.candidates.items()}
            self._log = (Path(self._folder.name) / "log.txt").open("ab")
        except BaseException as error:
            self._folder.cleanup()
            if isinstance(error, TypeError | AttributeError | pickle.PicklingError):
                raise TypeError(
                    f"`models` cannot be sent to another process: {error}. Models must be "
                    "picklable: no open files, locks or generators in their parameters."
                ) from error
            raise
        return self

    def __exit__(self, *exception: Any) -> None:
        for process in [*self._free, *self._busy]:
            self._end(process)
        self._log.close()
        with suppress(OSError):
            self._folder.cleanup()

    @property
    def busy(self) -> list[Process]:
        """Those at work."""
        return list(self._busy)

    @property
    def has_room(self) -> bool:
        """Whether another task may start."""
        return len(self._busy) < self.n_jobs

    def start(self, task: tuple[str, int]) -> None:
        """Give a task to a process that is free, or to a new one."""
        process = self._free.pop() if self._free else self._new()
        process.task, process.since = task, None
        self._busy.append(process)
        with suppress(OSError):  # it died: its reader says so
            assert process.program.stdin is not None
            pickle.dump((self._models[task[0]], task[1]), process.program.stdin)
            process.program.stdin.flush()

    def finished(self, process: Process) -> None:
        """The process has done its task and may take another."""
        self._busy.remove(process)
        process.task = None
        self._free.append(process)

    def stop(self, process: Process) -> None:
        """End a process at once, with all that it has started."""
        for listed in (self._busy, self._free):
            if process in listed:
                listed.remove(process)
        self._end(process)

    def _new(self) -> Process:
        threads = str(max(1, (os.cpu_count() or 1) // self.n_jobs))
        given = {name: os.environ.get(name, threads) for name in _THREADS}
        program = subprocess.Popen(
            [sys.executable, "-c", _CODE, str(self._file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={
                **os.environ,
                **given,
                "MPLBACKEND": "Agg",
                "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
            },
            start_new_session=True,  # ended with its children; Ctrl-C is the caller's to handle
        )
        process = Process(program)
        threading.Thread(target=self._read, args=(process,), daemon=True).start()
        return process

    def _read(self, process: Process) -> None:
        """Hand on what a process says, until it says no more."""
        stream = process.program.stdout
        assert stream is not None
        with stream:
            try:
                while True:
                    self.messages.put((process, *pickle.load(stream)))
            except Exception:  # its end, in whatever form
                self.messages.put((process, "gone", {}))

    def _end(self, process: Process) -> None:
        process.ended = True
        program = process.program
        if program.returncode is None:  # not waited for, so the number is still its group's
            with suppress(OSError):
                if hasattr(os, "killpg"):
                    os.killpg(program.pid, signal.SIGKILL)
                else:
                    program.kill()
        program.wait()
        with suppress(OSError):
            assert program.stdin is not None
            program.stdin.close()

    def last_words(self) -> str:
        """The last line that a process wrote before it died."""
        self._log.flush()
        lines = (Path(self._folder.name) / "log.txt").read_text(errors="replace").splitlines()
        return lines[-1].strip() if lines else "it said nothing"


def _sendable(thing: Any) -> bytes:
    """By value what was defined in a script or a notebook, by name what can be imported."""
    return pickle.dumps(wrap_non_picklable_objects(thing, keep_wrapper=False))
