"""Pairs of rows of a batch, for methods that put modalities of different rows together."""

from __future__ import annotations

import torch
from torch import Tensor


def pairs_of_rows(
    here: Tensor, weight: Tensor | None, generator: torch.Generator | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Two rows of each pair, and the weight of the pair.

    Parameters
    ----------
    here : Tensor of bool of shape (batch,)
        Rows that may be in a pair; others are paired with themselves.
    weight : Tensor of shape (batch,), or None
        Weights of the rows.
    generator : Generator, or None
        Draws one partner for every row, in a random circle, so that none of several rows is its
        own; the pair has the weight of its first row. None makes all pairs there are, and their
        weights are products.

    Returns
    -------
    first, second : Tensor of int64 of shape (n_pairs,)
        Numbers of rows.
    weight : Tensor of shape (n_pairs,)
        Weight of the pair.
    """
    n, device = len(here), here.device
    weight = torch.ones(n, device=device) if weight is None else weight
    every = torch.arange(n, device=device)
    if generator is None:
        first, second = every.repeat_interleave(n), every.repeat(n)
        return first, second, weight[first] * weight[second]
    keys = torch.rand(n, generator=generator, device=device)
    order = torch.where(here, keys, 2.0).argsort()  # rows that may be in a pair stand first
    count = here.sum()
    place = torch.where(every < count, (every + 1) % count.clamp_min(1), every)
    second = torch.empty_like(order)
    second[order] = order[place]
    return every, second, weight
