"""A fit hands its networks out to be trained, one after another, and goes on when they are.

`BaseMultimodalEstimator.fit` trains each of them at once. A search over many candidates gets many
fits ready, trains their networks together, and lets each fit go on with its own: whatever comes
before and after the training is the same code, in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any

from ..networks import Draws, ModalityRows, learning
from ._checkpoints import Checkpoints, TrainingCheckpoint
from ._continuing import same
from ._divergence import refuse_diverged
from ._drawing import drawing_in_training
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
    draws : Draws
        Where random numbers come from, after the network was drawn.
    alike : callable or None
        Reads further rows, from `X` and `y`, as those that are learnt from were read.
    """

    net: MultimodalNet
    rows: ModalityRows
    valid: ModalityRows | None
    n_epochs: int
    draws: Draws
    alike: Callable[[Any, Any], ModalityRows] | None = None

    def run(self, checkpoint: TrainingCheckpoint | None = None) -> bool:
        """Train by itself; returns whether Ctrl-C ended it."""
        with learning(), drawing_in_training(self.net, self.draws):
            interrupted = self.net.train(self.rows, self.valid, self.n_epochs, checkpoint)
            self.refuse_diverged()
        return interrupted

    def refuse_diverged(self) -> None:
        """Raise if the network that was trained cannot predict the rows it was trained on."""
        if len(self.net.history):
            refuse_diverged(self.net, self.rows)


#: A fit: gives trainings, is told whether each was interrupted, and returns the estimator.
Fitting = Generator[Training, bool, Any]


def carry_out(fitting: Fitting, checkpoints: Checkpoints | None = None) -> Any:
    """Train what a fit hands out at once, and give what it returns.

    Checkpoints are removed when the fit is done; whatever else ends it leaves them.
    """
    try:
        training = next(fitting)
        while True:
            checkpoint = None if checkpoints is None else checkpoints.of(training)
            training = fitting.send(training.run(checkpoint))
    except StopIteration as done:
        if checkpoints is not None:
            checkpoints.remove()
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
