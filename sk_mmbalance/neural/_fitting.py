"""A fit hands its networks out to be trained, one after another, and goes on when they are.

`BaseMultimodalEstimator.fit` trains each of them at once. A search over many candidates gets many
fits ready, trains their networks together, and lets each fit go on with its own: whatever comes
before and after the training is the same code, in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..networks import ModalityRows
from ._continuing import same
from ._net import MultimodalNet

#: Gives what was made under the same name and choices before, or makes it.
Share = Callable[[str, Mapping[str, Any], Callable[[], Any]], Any]


@dataclass(frozen=True, eq=False)
class Training:
    """A training of which everything is ready but the first step.

    Attributes
    ----------
    net : MultimodalNet
        The net, initialised.
    rows : ModalityRows
        What it learns from.
    valid : ModalityRows or None
        What early stopping watches.
    n_epochs : int
        For how long.
    drawn : list of Tensor
        States of torch's generators after the network was drawn, of the CPU and of the GPU.
    alike : callable or None
        Reads further rows, from `X` and `y`, as those that are learnt from were read.
    """

    net: MultimodalNet
    rows: ModalityRows
    valid: ModalityRows | None
    n_epochs: int
    drawn: list[Tensor]
    alike: Callable[[Any, Any], ModalityRows] | None = None

    @classmethod
    def ready(
        cls, net: MultimodalNet, rows: ModalityRows, valid: ModalityRows | None, n_epochs: int
    ) -> Training:
        """A training that goes on with torch's generators as they are now."""
        drawn = [torch.get_rng_state()]
        device = torch.device(net.device)
        if device.type == "cuda":
            drawn.append(torch.cuda.get_rng_state(device))
        return cls(net, rows, valid, n_epochs, drawn)

    def run(self) -> bool:
        """Train by itself; returns whether Ctrl-C ended it."""
        device = torch.device(self.net.device)
        gpus = [device] if device.type == "cuda" else []
        with torch.random.fork_rng(devices=gpus):
            torch.set_rng_state(self.drawn[0])
            if gpus:
                torch.cuda.set_rng_state(self.drawn[1], device)
            return self.net.train(self.rows, self.valid, self.n_epochs)


#: A fit: gives trainings, is told whether each was interrupted, and returns the estimator.
Fitting = Generator[Training, bool, Any]


def carry_out(fitting: Fitting) -> Any:
    """Train what a fit hands out at once, and give what it returns."""
    try:
        training = next(fitting)
        while True:
            training = fitting.send(training.run())
    except StopIteration as done:
        return done.value


def each_its_own(what: str, choices: Mapping[str, Any], make: Callable[[], Any]) -> Any:
    """Share nothing."""
    return make()


class Shared:
    """Keeps what candidates of one fold have in common: rows as read, as cut, as tensors."""

    def __init__(self) -> None:
        self._made: list[tuple[str, dict[str, Any], Any]] = []

    def __call__(self, what: str, choices: Mapping[str, Any], make: Callable[[], Any]) -> Any:
        """Give what was made under the same name from the same choices, or make it."""
        for name, before, value in self._made:
            if name == what and same(before, dict(choices)):
                return value
        value = make()
        self._made.append((what, dict(choices), value))
        return value
