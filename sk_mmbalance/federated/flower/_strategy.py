"""`RoundStrategy`: the round loop of the estimators as a Flower Strategy."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Result, Strategy

from ...exceptions import NoUpdateWarning
from .._server import Server
from ._combine import combine
from ._courier import Courier
from ._records import array_record

Wrap = Callable[[Strategy], Strategy]


class ServerStrategy(Strategy):
    """A `Server` as a Flower Strategy: it decides what is asked and what is made of it.

    Parameters
    ----------
    server : Server
        State and decisions of the server.
    courier : Courier
        Carries orders to the clients.
    """

    def __init__(self, server: Server, courier: Courier):
        self.server = server
        self._courier = courier

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> list[Message]:
        """Orders to the clients that train in this round, with what strategies around add."""
        return self.write(grid, config)

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord, MetricRecord | None]:
        """Let the server take in what came back."""
        self.read(replies)
        return array_record(self.server.state), None

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> list[Message]:
        """Orders to measure the new model, in rounds where the server wants it."""
        return self.write(grid) if self.server.phase == "evaluate" else []

    def aggregate_evaluate(
        self, server_round: int, replies: Iterable[Message]
    ) -> MetricRecord | None:
        """Let the server take in the accuracies."""
        if self.server.phase == "evaluate":
            self.read(replies)
        done = self.server.history[-1]
        figures = {key: value for key, value in done.items() if key.endswith("accuracy")}
        return MetricRecord({k: float(v) for k, v in figures.items() if isinstance(v, float)})

    def summary(self) -> None:
        """Nothing to say before the start."""

    def write(self, grid: Grid, more: Mapping[str, Any] | None = None) -> list[Message]:
        """Messages of the server's next orders."""
        orders = self.server.orders()
        if more:
            orders = {c: replace(o, config={**o.config, **more}) for c, o in orders.items()}
        return self._courier.write(grid, orders, str(self.server.round + 1))

    def read(self, messages: Iterable[Message]) -> None:
        """Let the server take in answers to what was written last."""
        self.server.receive(self._courier.read(messages), combine)


class RoundStrategy(Strategy):
    """Flower's loop over rounds around a `Server`, with strategies of Flower's between them.

    Parameters
    ----------
    server : Server
        State and decisions of the server.
    courier : Courier
        Carries orders to the clients.
    after_round : callable, default=None
        Called with the server after every round.
    wrap : callable, default=None
        Function that puts a Flower strategy around the one that it is given. What the strategy
        makes of the aggregated weights is the server's new state. If it refuses a round's replies,
        or fails on them, the round brings nothing.
    """

    def __init__(
        self,
        server: Server,
        courier: Courier,
        after_round: Callable[[Server], Any] | None = None,
        wrap: Wrap | None = None,
    ):
        self.server = server
        self._core = ServerStrategy(server, courier)
        self._outer = self._core if wrap is None else wrap(self._core)
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
            messages = self._core.write(grid)
            self._core.read(grid.send_and_receive(messages, timeout=timeout) if messages else [])
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
    ) -> Iterable[Message]:
        """Orders to the clients that train in this round."""
        return self._outer.configure_train(server_round, arrays, config, grid)

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Let the server, and what is around it, take in what came back."""
        if self._outer is self._core:
            return self._core.aggregate_train(server_round, replies)
        server, before, number = self.server, self.server.state, self.server.round
        metrics, reason = None, "refused this round's replies"
        try:
            arrays, metrics = self._outer.aggregate_train(server_round, replies)
            state = None if arrays is None else {k: a.numpy() for k, a in arrays.items()}
        except Exception as error:  # whatever a client sends must not end the others' work
            state, reason = None, f"failed ({type(error).__name__}: {error})"
        if server.round == number:  # the replies did not come through
            self._core.read([])
        # half-way is no way: without its noise, say, an aggregate must not become the model
        kept = before if state is None else {**server.state, **state}
        server.state = {key: kept[key].astype(before[key].dtype) for key in before}
        if state is None:
            warnings.warn(
                f"No update in round {server.round}: {type(self._outer).__name__} {reason}.",
                NoUpdateWarning,
                stacklevel=2,
            )
        return array_record(server.state), metrics

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Orders to measure the new model, in rounds where the server wants it."""
        return self._outer.configure_evaluate(server_round, arrays, config, grid)

    def aggregate_evaluate(
        self, server_round: int, replies: Iterable[Message]
    ) -> MetricRecord | None:
        """Let the server take in the accuracies."""
        figures = self._outer.aggregate_evaluate(server_round, replies)
        if self._after_round is not None:
            self._after_round(self.server)
        return figures

    def summary(self) -> None:
        """Let what is around the server tell of itself."""
        self._outer.summary()
