"""`RoundView`: what the hooks of a method see of the federation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ._state_dicts import State
from ._task import Task


@dataclass(frozen=True)
class RoundView:
    """A federation at the start of a round, for the hooks of a method at the server.

    Hooks read it and return what they have decided; only `note` leaves something in it.

    Attributes
    ----------
    round : int
        Number of finished rounds.
    task : Task
        Modalities, classes and precision.
    clients : sequence of str
        Clients that take part.
    held : mapping of str to list of str
        Modalities of every client.
    weights : mapping of str to float
        Weight n_k of every client.
    model : dict of str to ndarray
        The global model as clients receive it in this round.
    parameters : mapping of str to list of str
        Keys in `model` of the weights that belong to each modality alone.
    kept : object
        What the method keeps at the server: what its last hook that keeps something returned.
    seed : sequence of int
        Seed of this round's choices.
    notes : dict
        What `note` has been told.
    client : str or None
        In `Method.why_refuse`, the client whose reply is looked at.
    """

    round: int
    task: Task
    clients: Sequence[str]
    held: Mapping[str, list[str]]
    weights: Mapping[str, float]
    model: State
    parameters: Mapping[str, list[str]]
    kept: Any = None
    seed: Sequence[int] = (0,)
    notes: dict[str, Any] = field(default_factory=dict)
    client: str | None = None

    def rng(self) -> np.random.Generator:
        """Random numbers for this round's choices, from their beginning."""
        return np.random.default_rng(list(self.seed))

    def note(self, **values: Any) -> None:
        """Add values of the method's own to the record of the round."""
        self.notes.update(values)
