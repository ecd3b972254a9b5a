"""`FlowerEngine`: Flower's ServerApp, Strategy and ClientApp, all in this process."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from flwr.app import Context, RecordDict
from flwr.serverapp import Grid, ServerApp

from .._client import ClientTrainer
from .._messages import Failure, Memory, Order, Reply
from .._server import Server
from .._task import Task
from ._client import order_app
from ._combine import combine
from ._courier import Courier
from ._grid import InProcessGrid
from ._records import keep_memory, kept_memory
from ._strategy import RoundStrategy

_FIRST_NODE = 2  # 1 is the server's


class FlowerEngine:
    """Engine ``"flower"``: what a deployment runs, without processes and network.

    Orders and replies become Flower messages, every client is a node with a context of its own,
    and the loop over rounds is that of Flower's Strategy. The model is the same, bit for bit, as
    with the engine ``"inprocess"``. Nothing is contacted and no file is written.

    Parameters
    ----------
    trainers : mapping of str to ClientTrainer
        The clients by their ids.
    memories : mapping of str to Memory, default=None
        What clients have kept from an earlier run.
    """

    #: How clients' weights become one, in a deployment too.
    aggregate = staticmethod(combine)

    def __init__(
        self,
        trainers: Mapping[str, ClientTrainer],
        memories: Mapping[str, Memory] | None = None,
    ):
        self.trainers = dict(trainers)
        self._nodes = {client: _FIRST_NODE + i for i, client in enumerate(self.trainers)}
        self._contexts = {
            node: _context(node, client, (memories or {}).get(client, {}))
            for client, node in self._nodes.items()
        }
        app = order_app(self._trainer_of)
        self._grid = InProcessGrid(app, self._contexts)
        self._courier = Courier(lambda grid: self._nodes)

    def run(self, server: Server, after_round: Callable[[Server], Any] | None = None) -> None:
        """Let a Flower ServerApp run all rounds of a server.

        Parameters
        ----------
        server : Server
            State and decisions of the server.
        after_round : callable, default=None
            Called with the server after every round.
        """
        strategy = RoundStrategy(server, self._courier, after_round)
        app = ServerApp()

        @app.main()
        def main(grid: Grid, context: Context) -> None:
            strategy.start(grid)

        with _quiet():
            app(self._grid, _context(1, "", {}))

    def exchange(self, orders: Mapping[str, Order]) -> dict[str, Reply | Failure]:
        """Deliver one order per client, and bring what came back."""
        messages = self._courier.write(self._grid, orders)
        return self._courier.read(self._grid.send_and_receive(messages))

    def memories(self) -> dict[str, Memory]:
        """What every client keeps."""
        return {c: kept_memory(self._contexts[node].state) for c, node in self._nodes.items()}

    def close(self) -> None:
        """Nothing to let go of."""

    def _trainer_of(self, context: Context, task: Task | None) -> ClientTrainer:
        return self.trainers[str(context.node_config["client"])]


def _context(node: int, client: str, memory: Memory) -> Context:
    state = RecordDict()
    keep_memory(state, memory)
    return Context(
        run_id=0, node_id=node, node_config={"client": client}, state=state, run_config={}
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Flower tells of every round; here an estimator is fitted, which tells what it wants."""
    logger = logging.getLogger("flwr")
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)
