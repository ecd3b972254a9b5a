"""Errors counted by rows where one of two classes is rare: it is given up before cost is."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..exceptions import RareClassWarning
from ._chain import ChainScores
from ._rates import Rates

#: Share of the rows below which a class is rare: at 10 % genuine rows chains lost 3 to 14 points of
#: balanced accuracy by counting rows (``benchmarks/serial_rare.py``), at equal shares up to 3.
RARE = 0.15

#: Error rate of the rare class that is worth a word.
WORTH_A_WORD = 0.1


def warn_of_rare_class(
    chain: ChainScores, counted: Rates, classes: Sequence[Any] | np.ndarray, stacklevel: int
) -> None:
    """Warn where a rare class of two is given up, as its errors are few among all rows."""
    if len(classes) != 2:
        return
    shares = np.array([chain.weights[chain.codes == c].sum() for c in (0, 1)])
    shares = shares / shares.sum()
    rare = int(shares.argmin())
    rate, other = counted.by_class[rare], counted.by_class[1 - rare]
    if not (shares[rare] < RARE and rate > WORTH_A_WORD and rate > other):
        return
    label = np.asarray(classes)[rare]
    warnings.warn(
        f"{shares[rare]:.2g} of the rows are of class {label!s}, and the chain gets {rate:.2g} of "
        f"them wrong (of the others {other:.2g}): errors are counted by rows, so that those of a "
        "rare class hardly count against the cost. Pass w_far=0.5, w_frr=0.5 to count both "
        "rates alike, or limit the one that matters with `max_far` or `max_frr`.",
        RareClassWarning,
        stacklevel=stacklevel + 1,
    )
