"""`Pace`: how long the next expert will take, by what those before it took."""

from __future__ import annotations

import numpy as np

#: Spread of reckoned seconds that counts as seen at the reckoned pace before anything is: what
#: cheap experts take is overhead, and tells nothing of how the work of dear ones goes.
FORESEEN = 1.0


class Pace:
    """Seconds as a straight line over reckoned ones: an overhead, and a slowness of the machine.

    The line is that of least squares, drawn towards a slowness of 1 by `FORESEEN`: a ratio of what
    was taken to what was reckoned would be the overhead of the cheapest over next to nothing.
    """

    def __init__(self) -> None:
        self._reckoned: list[float] = []
        self._taken: list[float] = []

    def see(self, reckoned: float, taken: float) -> None:
        """Note what an expert took."""
        self._reckoned.append(reckoned)
        self._taken.append(taken)

    def foretell(self, reckoned: float) -> float:
        """Seconds that an expert will take; none where nothing was seen."""
        if not self._taken:
            return 0.0
        x, y = np.array(self._reckoned), np.array(self._taken)
        apart = x - x.mean()
        slowness = max(0.0, (apart @ y + FORESEEN**2) / (apart @ apart + FORESEEN**2))
        overhead = max(0.0, y.mean() - slowness * x.mean())
        return float(overhead + slowness * reckoned)
