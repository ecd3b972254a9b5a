"""Pairs of rows of a batch, for methods that put modalities of different rows together."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor


class Pairs(NamedTuple):
    """Two rows of each pair, and the weight of the pair.

    Attributes
    ----------
    first : Tensor of int64 of shape (n_pairs,), or slice
        Numbers of rows; a slice where they are all rows in their order.
    second : Tensor of int64 of shape (n_pairs,)
        Numbers of rows.
    weight : Tensor of shape (n_pairs,), or None
        None where all weights are 1.
    """

    first: Any
    second: Tensor
    weight: Tensor | None


def random_pairs(
    n: int, generator: torch.Generator, weight: Tensor | None = None, here: Tensor | None = None
) -> Pairs:
    """One partner for every row, with the weight of the row.

    Rows stand in a random circle, so that none of several is its own partner. Those that are not in
    `here`, of shape (n,), stand outside, and are their own.
    """
    device = generator.device
    keys = torch.rand(n, generator=generator, device=device)
    if here is None:
        order = keys.argsort()
        next_in_circle = order.roll(-1)
    else:
        order = torch.where(here, keys, 2.0).argsort()  # the circle comes first
        every, count = torch.arange(n, device=device), here.sum()
        place = torch.where(every < count, (every + 1) % count.clamp_min(1), every)
        next_in_circle = order[place]
    second = torch.empty_like(order)
    second[order] = next_in_circle
    return Pairs(slice(None), second, weight)


def all_pairs(n: int, device: Any, weight: Tensor | None = None) -> Pairs:
    """Every row with every row, itself too; weights are products."""
    every = torch.arange(n, device=device)
    first, second = every.repeat_interleave(n), every.repeat(n)
    return Pairs(first, second, None if weight is None else weight[first] * weight[second])
