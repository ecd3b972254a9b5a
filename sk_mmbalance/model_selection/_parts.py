"""What the networks of a stack do in an epoch whose batches may train one modality each.

Such an epoch is, for every network, an order of its rows and a list of steps, each over the rows
that follow. Networks whose steps at a place are of the same part of the network step together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..networks import ModalityRows
from ..neural import MultimodalNet
from ._one_of_many import OneOfMany
from ._stacked_parameters import learnt_parameters


class Part(NamedTuple):
    """What of a network a step trains: one modality, with a loss of its own or without."""

    name: str
    own_loss: bool


class Step(NamedTuple):
    """One step: a part of the network (None is all of it), and where its rows are in the order."""

    part: Part | None
    start: int
    stop: int


class Epoch(NamedTuple):
    """Numbers of the rows in the order of training (None where it is the plain one), and steps."""

    order: Tensor | None
    steps: list[Step]

    @property
    def n_rows(self) -> int:
        """Rows that are trained on."""
        return self.steps[-1].stop


def epoch_of(net: MultimodalNet, batches: Any) -> Epoch:
    """The coming epoch of a net, as its batches stand cut."""
    if getattr(batches, "assigned", None) is None:
        bounds = batches.bounds(len(batches.rows))
        return Epoch(None, [Step(None, start, stop) for start, stop in bounds])
    order, pieces = batches.cut()
    steps, place = [], 0
    for name, size in pieces:
        steps.append(Step(part_of(net, name), place, place + size))
        place += size
    return Epoch(order, steps)


def part_of(net: MultimodalNet, name: str) -> Part:
    """What a net trains in a step of a modality."""
    (method,) = net.methods
    return Part(name, bool(method.gamma_of(name)))


def together(
    epochs: Sequence[Epoch], unequal: bool
) -> Iterator[list[tuple[Part | None, list[int]]]]:
    """Place by place, the networks that step together, and what of them is trained.

    Steps of a whole network need batches of one size, those of a part may be `unequal`.
    """
    for place in range(max(len(epoch.steps) for epoch in epochs)):
        groups: dict[Any, list[int]] = {}
        for k, epoch in enumerate(epochs):
            if place < len(epoch.steps):
                part, start, stop = epoch.steps[place]
                size = None if unequal and part is not None else stop - start
                groups.setdefault((part, size), []).append(k)
        yield [(part, members) for (part, _), members in groups.items()]


# -- which parameters take part ----------------------------------------------------------------


def parts_of(nets: Sequence[MultimodalNet]) -> list[Part]:
    """All parts that steps of the nets may train."""
    names = nets[0].network.names
    return sorted({part_of(net, name) for net in nets for name in names})


def taking_part(net: MultimodalNet, rows: ModalityRows, part: Part) -> frozenset[str]:
    """Names of the parameters that have a gradient in a step of a part.

    All others take no step, as if there were no batch: no decay, no momentum, no count.
    """
    names = list(learnt_parameters(net.network))
    own = {name: p.detach().clone() for name, p in net.network.named_parameters()}
    leaves = [own[name].requires_grad_() for name in names]
    batch = rows.only(part.name)[:2]
    loss = OneOfMany([net]).part_loss(part.name, own, float(part.own_loss), batch)
    found = torch.autograd.grad(loss, leaves, allow_unused=True)
    return frozenset(name for name, g in zip(names, found, strict=True) if g is not None)


def in_blocks(names: Sequence[str], parts: Sequence[frozenset[str]]) -> list[list[str]]:
    """Parameters that always take part together."""
    blocks: dict[tuple[bool, ...], list[str]] = {}
    for name in names:
        blocks.setdefault(tuple(name in part for part in parts), []).append(name)
    return list(blocks.values())
