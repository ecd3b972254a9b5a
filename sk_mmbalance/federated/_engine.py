"""Engines: how orders reach clients and replies come back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ..exceptions import MissingDependencyError
from ._client import ClientTrainer
from ._messages import Failure, Memory, Order, Reply, copy_arrays
from ._server import Server

AfterRound = Callable[[Server], Any]


class Engine(Protocol):
    """What the estimators need of an engine."""

    def run(self, server: Server, after_round: AfterRound | None = None) -> None:
        """Run all rounds of a server; `after_round` is called with it after each of them."""
        ...

    def exchange(self, orders: Mapping[str, Order]) -> dict[str, Reply | Failure]:
        """Deliver one order per client, wait, and bring what came back.

        A client that is not in the answer has failed. An empty mapping is answered by an empty
        one.
        """
        ...

    def memories(self) -> dict[str, Memory]:
        """What clients keep, where the engine can see it; else an empty dict."""
        ...

    def close(self) -> None:
        """Let go of processes, ports and files; called once, also after an error."""
        ...


class InProcessEngine:
    """Clients one after the other in this process, with no memory shared between them.

    Orders and replies are copied on their way, so that neither side can write into the other's
    arrays. A client that raises has failed; the others go on.

    Parameters
    ----------
    trainers : mapping of str to ClientTrainer
        The clients by their ids.
    memories : mapping of str to Memory, default=None
        What clients have kept from an earlier run.
    """

    def __init__(
        self,
        trainers: Mapping[str, ClientTrainer],
        memories: Mapping[str, Memory] | None = None,
    ):
        self.trainers = dict(trainers)
        self._memories = {client: copy_arrays(m) for client, m in (memories or {}).items()}

    def run(self, server: Server, after_round: AfterRound | None = None) -> None:
        """Run all rounds of a server; `after_round` is called with it after each of them."""
        done = len(server.history)
        while not server.finished:
            server.receive(self.exchange(server.orders()))
            if after_round is not None and len(server.history) > done:
                done = len(server.history)
                after_round(server)

    def exchange(self, orders: Mapping[str, Order]) -> dict[str, Reply | Failure]:
        """Let every client carry out its order."""
        return {client: self._ask(client, order) for client, order in orders.items()}

    def _ask(self, client: str, order: Order) -> Reply | Failure:
        copied = Order(order.kind, copy_arrays(order.arrays), dict(order.config))
        try:
            reply, memory = self.trainers[client].handle(copied, self._memories.get(client, {}))
            kept = copy_arrays(memory)
            answer = Reply(copy_arrays(reply.arrays), dict(reply.config))
        except Exception as error:  # whatever goes wrong at a client must not end the others' work
            return Failure(f"{type(error).__name__}: {error}")
        self._memories[client] = kept
        return answer

    def memories(self) -> dict[str, Memory]:
        """What every client keeps."""
        return {client: copy_arrays(memory) for client, memory in self._memories.items()}

    def close(self) -> None:
        """Nothing to let go of."""


def make_engine(
    name: str, trainers: Mapping[str, ClientTrainer], memories: Mapping[str, Memory] | None = None
) -> Any:
    """Engine by its name, ``"inprocess"`` or ``"flower"``."""
    if name == "inprocess":
        return InProcessEngine(trainers, memories)
    try:
        from .flower import FlowerEngine
    except MissingDependencyError:  # another minor of Flower: it says so itself
        raise
    except ImportError as error:
        raise MissingDependencyError(
            "`engine='flower'` needs Flower: pip install 'sk_mmbalance[federated]'. The engine "
            "'inprocess' gives the same model without it."
        ) from error
    return FlowerEngine(trainers, memories)
