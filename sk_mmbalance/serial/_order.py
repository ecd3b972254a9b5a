"""Searching the order of stages."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, permutations

Order = tuple[int, ...]
Key = tuple[float, ...]

# 24 orders are all looked at; beyond that, swaps of two stages from the order given.
_MAX_EXHAUSTIVE_STAGES = 4


def best_order(n_stages: int, evaluate: Callable[[Order], Key]) -> Order:
    """The order with the smallest key; that given, ``0, 1, ...``, on ties.

    All orders of up to four stages; beyond that the best swap of two stages is taken until no
    swap helps, which may end in a local optimum.
    """
    given = tuple(range(n_stages))
    if n_stages <= _MAX_EXHAUSTIVE_STAGES:
        return min(permutations(given), key=evaluate)  # the first is the order given
    seen: dict[Order, Key] = {}

    def known(order: Order) -> Key:
        if order not in seen:
            seen[order] = evaluate(order)
        return seen[order]

    best = given
    while True:
        nearby = [_swapped(best, i, j) for i, j in combinations(range(n_stages), 2)]
        candidate = min(nearby, key=known)
        if known(candidate) >= known(best):
            return best
        best = candidate


def _swapped(order: Order, i: int, j: int) -> Order:
    swapped = list(order)
    swapped[i], swapped[j] = swapped[j], swapped[i]
    return tuple(swapped)
