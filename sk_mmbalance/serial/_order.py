"""Searching the order of stages."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, pairwise, permutations

Order = tuple[int, ...]
Key = tuple[float, ...]

# 24 orders are all looked at; beyond that, swaps of two stages from the order given.
_MAX_EXHAUSTIVE_STAGES = 4
# The thresholds of an order of n stages cost some n^2 steps: orders are looked at until so many
# are spent, which is a minute or two for some hundred rows. Up to 15 stages it never stopped a
# search in practice.
_MOST_STEPS = 250_000


def best_order(n_stages: int, evaluate: Callable[[Order], Key]) -> Order:
    """The order with the smallest key; that given, ``0, 1, ...``, on ties.

    All orders of up to four stages. Beyond that the best swap of two stages is taken until no swap
    helps, which may end in a local optimum; of two neighbours only, where looking at all swaps is
    too much. After `_MOST_STEPS` the best order so far is taken, which with more than 500 stages
    is the one given.
    """
    given = tuple(range(n_stages))
    if n_stages <= _MAX_EXHAUSTIVE_STAGES:
        return min(permutations(given), key=evaluate)  # the first is the order given
    most = _MOST_STEPS // n_stages**2
    seen: dict[Order, Key] = {}
    pairs = list(combinations(range(n_stages), 2))
    if len(pairs) >= most:
        pairs = list(pairwise(range(n_stages)))

    def known(order: Order) -> Key:
        if order not in seen:
            seen[order] = evaluate(order)
        return seen[order]

    best = given
    while True:
        nearby = [_swapped(best, i, j) for i, j in pairs]
        new = [order for order in nearby if order not in seen]
        left = max(0, most - len(seen) - (best not in seen))
        nearby = [order for order in nearby if order in seen] + new[:left]
        candidate = min(nearby, key=known, default=best)
        if candidate == best or known(candidate) >= known(best):
            return best
        best = candidate


def _swapped(order: Order, i: int, j: int) -> Order:
    swapped = list(order)
    swapped[i], swapped[j] = swapped[j], swapped[i]
    return tuple(swapped)
