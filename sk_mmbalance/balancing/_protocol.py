"""What a balancing method sees of the net that is trained: this room stands below the nets."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol

from torch import Tensor, nn

from ..networks import Batch, ModalityRows, MultimodalModule, MultimodalOutput, RowBatches


class Net(Protocol):
    """A net in training.

    Attributes
    ----------
    network : MultimodalModule
        The network itself, never its compiled form.
    criterion_ : callable
        Gives a loss per row from logits and classes.
    optimizer_ : torch.optim.Optimizer
        Whose steps move the network.
    history : list of dict
        One row an epoch; inside an epoch the last row is that of this epoch.
    unimodal_weight : float
        Weight of the modalities' own losses.
    measuring : bool
        Whether the batch at hand is one on which the modalities are measured.
    seed : int
        Seed of all that is drawn in this training.
    batch_number, n_batches : int
        Place of the batch at hand in the epoch.
    whole_rows_until : float
        First epoch from which another method cuts rows into parts, infinite if none does: who
        compares the modalities of a row takes no part from there on.
    needs_closure_ : bool
        Whether the optimiser evaluates the loss several times in a step.
    amp : bool
        Whether the network runs in bfloat16 where that is safe.
    sums : dict of str to Tensor
        What `add_up` added up in this epoch.
    """

    network: MultimodalModule
    criterion_: Any
    optimizer_: Any
    history: Any
    unimodal_weight: float
    measuring: bool
    seed: int
    batch_number: int
    n_batches: int
    whole_rows_until: float
    needs_closure_: bool
    amp: bool
    sums: dict[str, Tensor]

    def infer(self, x: dict[str, Any], **params: Any) -> MultimodalOutput:
        """Run the network on one batch."""

    def evaluate(self, batch: Batch, unimodal: bool = True) -> MultimodalOutput:
        """Run the network on one batch in evaluation mode, without gradient."""

    def autocast(self) -> Any:
        """Precision in which parts of the network are to be run, as a context."""

    def clear_gradients(self) -> None:
        """Set all gradients to None."""

    def turn_of(self, name: str, batch: Batch) -> AbstractContextManager[None]:
        """Context for gradients of one modality alone: before it none, and a step after it."""

    def apply_gradients(self, batch: Batch) -> None:
        """Tell the callbacks of the gradients, and take a step of the optimiser."""

    def get_iterator(self, dataset: ModalityRows, training: bool = False) -> RowBatches:
        """Batches of rows; in their order, of the size for prediction, unless for training."""

    def train_like(
        self,
        module: MultimodalModule,
        rows: ModalityRows,
        valid: Any,
        epochs: int,
        stops_early: bool = True,
    ) -> None:
        """Train another network by itself: same optimiser, batches, seed and stopping."""

    def running(self, method: Any) -> nn.Module:
        """What the method keeps from step to step: the module that its `make_state` gave."""

    def note(self, figures: dict[str, Tensor]) -> None:
        """Keep figures of a step, by their column; the history gets their means over the epoch."""

    def note_each(self, figure: str, values: Tensor) -> None:
        """Keep a figure of every modality, (n_modalities,), by name in the columns of `note`."""

    def add_up(self, key: str, value: Tensor) -> None:
        """Add to a sum of this epoch."""

    def restart_patience(self) -> None:
        """Let early stopping count its epochs without improvement from now on."""
