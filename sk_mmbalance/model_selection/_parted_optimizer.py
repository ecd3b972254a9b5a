"""The optimiser of a stack whose steps may move a part of a network alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..neural import MultimodalNet, start_momentum
from ._stacked_parameters import StackedParameters, settings_of


class PartedOptimizer:
    """One optimiser for all networks of a stack, which moves each block of each by itself.

    The kernel is that of the single networks. A *block* is what always takes part together: it
    counts its own steps, and is left alone altogether where it takes no part.

    Parameters
    ----------
    nets : sequence of MultimodalNet
        Whose settings are read, anew in every epoch: schedules may have changed them.
    parameters : StackedParameters
        What is moved; the blocks stand one after another in its table.
    blocks : sequence of list of str
        Names of parameters.
    blocks_of : mapping
        By the part of a network that a step trains, the numbers of the blocks that take part.
    """

    def __init__(
        self,
        nets: Sequence[MultimodalNet],
        parameters: StackedParameters,
        blocks: Sequence[Sequence[str]],
        blocks_of: Mapping[Any, Sequence[int]],
    ):
        self.parameters = parameters
        self.blocks_of = {part: list(numbers) for part, numbers in blocks_of.items()}
        self._shapes = [{name: parameters.shapes[name] for name in block} for block in blocks]
        self._slabs: list[list[Tensor]] = []
        self._make(nets, [[{} for _ in blocks] for _ in nets])

    def _make(self, nets: Sequence[MultimodalNet], states: Sequence[Any]) -> None:
        """Put an optimiser over the table as it is now, which goes on with these states."""
        ends, stop = [], 0
        for shapes in self._shapes:
            start, stop = stop, stop + sum(shape.numel() for shape in shapes.values())
            ends.append((start, stop))
        table, gradients = self.parameters.table.detach(), self.parameters.gradients
        self._slabs = [[row[start:stop] for start, stop in ends] for row in table]
        self._gradients = [[row[start:stop] for start, stop in ends] for row in gradients]
        kind: Any = type(nets[0].optimizer_)
        self._optimizer: torch.optim.Optimizer = kind(self._groups(nets))
        for slabs, own in zip(self._slabs, states, strict=True):
            for slab, state in zip(slabs, own, strict=True):
                if state:
                    self._optimizer.state[slab] = state
        start_momentum(self._optimizer)

    def follow(self, nets: Sequence[MultimodalNet]) -> None:
        """Take the settings that the nets have now."""
        self._optimizer.param_groups[:] = self._groups(nets)

    def _groups(self, nets: Sequence[MultimodalNet]) -> list[dict[str, Any]]:
        """Slabs by the settings of their nets: a call of the kernel for each."""
        groups: dict[str, dict[str, Any]] = {}
        for net, slabs in zip(nets, self._slabs, strict=True):
            settings = settings_of(net)
            group = groups.setdefault(repr(settings), {**settings, "params": []})
            group["params"] += slabs
        return list(groups.values())

    def give_back(self, nets: Sequence[MultimodalNet], leaving: Sequence[int]) -> None:
        """Leave what is kept of some networks to their own optimisers, which may go on with it."""
        for k in leaving:
            parameters = dict(nets[k].network.named_parameters())
            for slab, shapes in zip(self._slabs[k], self._shapes, strict=True):
                state = self._optimizer.state.get(slab, {})
                start = 0
                for name, shape in shapes.items():
                    stop = start + shape.numel()
                    nets[k].optimizer_.state[parameters[name]] = {
                        key: _part(value, slab, start, stop, shape) for key, value in state.items()
                    }
                    start = stop

    def drop(self, nets: Sequence[MultimodalNet], kept: Sequence[int]) -> None:
        """Go on with fewer networks, which the table has left already."""
        states = [[self._optimizer.state.get(p, {}) for p in self._slabs[k]] for k in kept]
        self._make([nets[k] for k in kept], states)

    def step(self, taking_part: Sequence[int], parts: Sequence[Any] = ()) -> None:
        """Move the networks that take part: all of each, or the part that is trained."""
        trained = dict(zip(taking_part, parts or [None] * len(taking_part), strict=True))
        everything = range(len(self._shapes))
        moved = []
        for k, part in trained.items():
            for number in everything if part is None else self.blocks_of[part]:
                slab = self._slabs[k][number]
                slab.grad = self._gradients[k][number]
                moved.append(slab)
        self._optimizer.step()
        for slab in moved:
            slab.grad = None


def _part(value: Any, slab: Tensor, start: int, stop: int, shape: torch.Size) -> Any:
    if not isinstance(value, Tensor):
        return value
    return value[start:stop].view(shape).clone() if value.shape == slab.shape else value.clone()
