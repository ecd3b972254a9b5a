"""`RoundStrategy`: the round loop of the estimators as a Flower Strategy."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Result, Strategy

from .._server import Server
from ._combine import combine
from ._courier import Courier
from ._records import array_record


class RoundStrategy(Strategy):
    """Flower's loop over rounds, with a `Server` deciding what is asked and what is made of it.

    Parameters
    ----------
    server : Server
        State and decisions of the server.
    courier : Courier
        Carries orders to the clients.
    after_round : callable, default=None
        Called with the server after every round.
    """

    def __init__(
        self,
        server: Server,
        courier: Courier,
        after_round: Callable[[Server], Any] | None = None,
    ):
        self.server = server
        self._courier = courier
        self._after_round = after_round

    def start(
        self,
        grid: Grid,
        initial_arrays: ArrayRecord | None = None,
        num_rounds: int | None = None,
        timeout: float = 3600,
        train_config: ConfigRecord | None = None,
        evaluate_config: ConfigRecord | None = None,
        evaluate_fn: Callable[[int, ArrayRecord], MetricRecord | None] | None = None,
    ) -> Result:
        """Run what comes before the first round, and then Flower's loop for the rounds.

        The server has the initial weights and the number of rounds, so neither is needed here.
        """
        while self.server.phase in ("describe", "probe"):
            messages = self._write(grid)
            self._read(grid.send_and_receive(messages, timeout=timeout) if messages else [])
        return super().start(
            grid,
            array_record(self.server.state) if initial_arrays is None else initial_arrays,
            self.server.n_left if num_rounds is None else num_rounds,
            timeout,
            train_config,
            evaluate_config,
            evaluate_fn,
        )

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> list[Message]:
        """Orders to the clients that train in this round."""
        return self._write(grid)

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord, MetricRecord | None]:
        """Let the server take in what came back."""
        self._read(replies)
        return array_record(self.server.state), None

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> list[Message]:
        """Orders to measure the new model, in rounds where the server wants it."""
        return self._write(grid) if self.server.phase == "evaluate" else []

    def aggregate_evaluate(
        self, server_round: int, replies: Iterable[Message]
    ) -> MetricRecord | None:
        """Let the server take in the accuracies."""
        if self.server.phase == "evaluate":
            self._read(replies)
        done = self.server.history[-1]
        if self._after_round is not None:
            self._after_round(self.server)
        figures = {key: value for key, value in done.items() if key.endswith("accuracy")}
        return MetricRecord({k: float(v) for k, v in figures.items() if isinstance(v, float)})

    def summary(self) -> None:
        """Nothing to say before the start."""

    def _write(self, grid: Grid) -> list[Message]:
        return self._courier.write(grid, self.server.orders(), str(self.server.round + 1))

    def _read(self, messages: Iterable[Message]) -> None:
        self.server.receive(self._courier.read(messages), combine)
