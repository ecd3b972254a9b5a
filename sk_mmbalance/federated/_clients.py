"""Clients as the user names them: their ids, and the rows that belong to each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import networks
from ..base import TrainingRows, read_column
from ._task import Task


def read_clients(clients: Any, n_samples: int) -> np.ndarray:
    """Client of each row; one client where none are given."""
    if clients is None:
        return np.zeros(n_samples, dtype=int)
    return read_column(
        clients,
        "clients",
        "client",
        n_samples,
        "Leave these rows out, or name a client of their own for them.",
    )


def shares_of(
    given: TrainingRows, clients: np.ndarray, task: Task
) -> dict[Any, networks.ModalityRows]:
    """Each client's rows, by its id; `clients` has one for every row that the user gave."""
    ids = clients[given.given]
    shares = {}
    for label in np.unique(ids):
        own = given.take(np.flatnonzero(ids == label))
        checked = replace(own.checked, on_disk=False)  # indexing has read them into memory
        key = label.item() if isinstance(label, np.generic) else label
        shares[key] = task.rows(replace(own, checked=checked))
    return shares


@dataclass(frozen=True)
class ByLabel:
    """A callable of (round, client) that is given the client's label for its id."""

    rate: Callable[[int, Any], float]
    labels: dict[str, Any]

    def __call__(self, number: int, client: str) -> float:
        return self.rate(number, self.labels[client])
