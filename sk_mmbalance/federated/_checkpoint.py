"""Checkpoints of a federated fit: server and clients after every round."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import networks
from ..neural import CheckpointFile, mark_of, mark_of_parameters, plainly
from ._messages import Memory
from ._server import Server


class RoundCheckpoint:
    """How far a federation has come, after each of its rounds.

    Parameters
    ----------
    estimator : BaseEstimator
        With `checkpoint_dir`, and all other parameters as they are in this fit.
    server : Server
        Before its first round.
    shares : mapping of object to ModalityRows
        The clients' rows.
    """

    def __init__(self, estimator: Any, server: Server, shares: Mapping[Any, networks.ModalityRows]):
        title = type(estimator).__name__
        held_out = server.holdout
        mark = mark_of(
            {
                "class": title,
                "parameters": mark_of_parameters(estimator),
                "seed": server.seed,
                "task": server.task.to_json(),
                "weights": server.state,
                "rows": [(str(client), vars(rows)) for client, rows in shares.items()],
                "held out": None if held_out is None else vars(held_out),
            }
        )
        self._file = CheckpointFile(estimator.checkpoint_dir, title, mark)

    def take_up(self, server: Server) -> dict[str, Memory]:
        """Bring a server to where it was; gives what clients had kept."""
        found = self._file.read()
        if found is None:
            return {}
        server.restore(found["server"])
        return found["memories"]

    def keep(self, server: Server, memories: Mapping[str, Memory]) -> None:
        """Write how far the federation has come."""
        what = f"`checkpoint_dir` cannot be had with {type(server.method).__name__}: what it keeps"
        self._file.write({"server": plainly(server.snapshot(), what), "memories": dict(memories)})

    def remove(self) -> None:
        """The fit is done."""
        self._file.remove()
