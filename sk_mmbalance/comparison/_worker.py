"""A process that fits one candidate on one fold after another until it is told to go, or ended.

What it is to do comes by its standard input, what it has found goes out by its standard output, in
pickles; whatever models print goes to the standard error.
"""

from __future__ import annotations

import os
import pickle
import re
import signal
import sys
import threading
import time
from typing import Any, BinaryIO

from ._evaluate import run_fold


def main() -> None:
    """Read the work, then tasks, until there are none."""
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    with open(sys.argv[1], "rb") as file:
        problem, scorers = pickle.load(file)
    while True:
        try:
            given, number = pickle.load(sys.stdin.buffer)
        except EOFError:
            return

        def tell(kind: str, content: dict[str, Any]) -> None:
            send(out, (kind, content))

        try:
            candidate = pickle.loads(given)
            tell("ready", {})  # what was imported for it is not part of what the model takes
            run_fold(problem, scorers, candidate, number, tell)
        except Exception as error:
            tell("failed", {"error": in_one_line(error)})
        tell("done", {})


def in_one_line(error: Exception) -> str:
    """What an error says; of a search that quotes the tracebacks of its fits, the first fault."""
    text = str(error)
    if "Traceback (most recent call last)" in text:
        indented = (" ", "-", "Traceback")
        said = [line for line in text.splitlines() if line and not line.startswith(indented)]
        faults = [line for line in said if re.match(r"[\w.]+(Error|Exception|Warning)\b", line)]
        return " ".join((faults[0] if faults else said[-1]).split())
    return f"{type(error).__name__}: {' '.join(text.split())}"


def send(stream: BinaryIO, message: Any) -> None:
    """One message, whole."""
    pickle.dump(message, stream)
    stream.flush()


def _end_with(parent: int) -> None:
    """Do not go on for hours for a caller that was killed."""
    while os.getppid() == parent:
        time.sleep(1)
    if hasattr(os, "killpg"):
        os.killpg(os.getpid(), signal.SIGKILL)  # with what the model has started
    os._exit(1)
