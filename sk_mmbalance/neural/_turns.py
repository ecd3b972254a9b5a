"""Steps of an optimiser for one modality at a time, at the cost of that modality's parameters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from ..networks import ByModality, MultimodalModule


class Turns:
    """Which parameters a step has to look at that has gradients of one modality alone.

    With a step for each of a thousand modalities, each of which goes through the parameters of all,
    a pass over the rows would take time with their square.

    Parameters
    ----------
    network : MultimodalModule
        The network: what is kept by modality in it is that modality's, and the rest everybody's.
    optimizer : Optimizer
        What steps over its parameters.
    """

    def __init__(self, network: MultimodalModule, optimizer: torch.optim.Optimizer):
        self._optimizer = optimizer
        names = set(network.names)
        owner = {
            id(p): name
            for part in network.modules()
            if isinstance(part, ByModality)
            for name in part.names
            if name in names
            for p in part[name].parameters()
        }
        nothing: list[list[nn.Parameter]] = [[] for _ in optimizer.param_groups]
        self._by_name = {name: [list(group) for group in nothing] for name in names}
        common = [list(group) for group in nothing]
        for k, settings in enumerate(optimizer.param_groups):
            for p in settings["params"]:
                name = owner.get(id(p))
                (common if name is None else self._by_name[name])[k].append(p)
        for groups in self._by_name.values():
            for own, besides in zip(groups, common, strict=True):
                own += besides

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Context in which the optimiser holds what a step of this modality may move."""
        groups = self._optimizer.param_groups
        whole = [group["params"] for group in groups]
        try:
            for group, parameters in zip(groups, self._by_name[name], strict=True):
                group["params"] = parameters
            yield
        finally:
            for group, parameters in zip(groups, whole, strict=True):
                group["params"] = parameters
