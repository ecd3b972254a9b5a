"""How far a candidate has come, and what that is called."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

DONE, ENDED, FAILED, WAITING = "done", "ended", "failed", "no time left"


@dataclass
class Standing:
    """How far a candidate has come.

    Attributes
    ----------
    todo : deque of int
        Folds that it has not begun.
    status : str
        "done", "ended" (time was up before its last fold), "failed", or "no time left" (it never
        began; while a schedule runs: it goes on).
    error : str
        Why it failed.
    begun : bool
        Whether a fold was begun in this call.
    used : float
        Seconds of its folds in this call, of those too that were broken off.
    at_least : float
        Seconds of the longest fold that was broken off.
    put_off : bool
        Whether it goes on only when all others are through, if there is time enough then.
    """

    todo: deque[int]
    status: str = WAITING
    error: str = ""
    begun: bool = False
    used: float = 0.0
    at_least: float = 0.0
    put_off: bool = False

    @property
    def goes_on(self) -> bool:
        """Whether it has folds to begin, and is not put off."""
        return bool(self.todo) and self.status == WAITING and not self.put_off


def in_words(status: str, folds: str) -> str:
    """A status for people: ``ended after 2 of 5 folds``; `folds` is ``2 of 5``."""
    return f"{status} after {folds} folds" if status in (ENDED, FAILED) else status
