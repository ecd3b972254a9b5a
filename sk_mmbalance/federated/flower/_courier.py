"""`Courier`: orders to nodes as Flower messages, and what came back by client."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from flwr.app import Message, RecordDict
from flwr.serverapp import Grid

from .._messages import Failure, Order, Reply
from ._client import MESSAGE_TYPES
from ._grid import InProcessGrid
from ._records import record_of_order, reply_of_record

FindNodes = Callable[[Grid], Mapping[str, int]]


class Courier:
    """Knows where clients are, and which message went to whom.

    Parameters
    ----------
    find_nodes : callable
        Function of the grid that returns the node of every client that is there now.
    task : str, default=None
        The task as text, sent with every order; None if the clients know it.
    """

    def __init__(self, find_nodes: FindNodes, task: str | None = None):
        self._find_nodes = find_nodes
        self._task = task
        self._sent: dict[str, Message] = {}
        self._gone: list[str] = []

    def write(self, grid: Grid, orders: Mapping[str, Order], group: str = "") -> list[Message]:
        """One message for each order whose client has a node; Flower wants a list."""
        nodes = self._find_nodes(grid) if orders else {}
        self._gone = [client for client in orders if client not in nodes]
        self._sent = {
            client: make_message(
                grid,
                record_of_order(order, self._task),
                MESSAGE_TYPES[order.kind],
                nodes[client],
                group,
            )
            for client, order in orders.items()
            if client in nodes
        }
        return list(self._sent.values())

    def read(self, messages: Iterable[Message]) -> dict[str, Reply | Failure]:
        """Answers to what was written last, by client; who was too late is not among them."""
        # By the message that is answered: what the SuperLink answers for a node that has vanished
        # does not name the node.
        asked = {message.metadata.message_id: client for client, message in self._sent.items()}
        answers: dict[str, Reply | Failure] = {
            client: Failure("its node is not there") for client in self._gone
        }
        for message in messages:
            client = asked.get(message.metadata.reply_to_message_id)
            if client is not None:
                answers[client] = _answer(message)
        return answers


def make_message(
    grid: Grid, content: RecordDict, message_type: str, node: int, group: str = ""
) -> Message:
    """Make a message to a node; Flower wants another way of making it outside a deployment."""
    if isinstance(grid, InProcessGrid):
        return grid.create_message(content, message_type, node, group)
    return Message(content, node, message_type, group_id=group)


def _answer(message: Message) -> Reply | Failure:
    if message.has_error():
        return Failure(str(message.error.reason or f"error {message.error.code}"))
    try:
        return reply_of_record(message.content)
    except Exception as error:  # whatever a client sends must not end the others' work
        return Failure(f"unreadable reply ({type(error).__name__}: {error})")
