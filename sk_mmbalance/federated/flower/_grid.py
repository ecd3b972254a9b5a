"""`InProcessGrid`: Flower's view of the network, without a network."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from itertools import count
from typing import TYPE_CHECKING

from flwr.app import DEFAULT_TTL, Context, Error, Message, Metadata, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid

if TYPE_CHECKING:
    from flwr.supercore.run import Run

#: Flower's own number for a ClientApp that raised.
_CLIENT_APP_RAISED = 2
_SERVER_NODE = 1


class InProcessGrid(Grid):
    """Hands every message to a ClientApp in this process, one after the other.

    Records hold arrays as bytes, so server and clients share no memory. A ClientApp that raises
    is answered by an error message, as Flower does it in a deployment.

    Parameters
    ----------
    app : ClientApp
        The clients' side.
    contexts : mapping of int to Context
        One for every node, by its id. A context's state is kept from message to message.
    """

    def __init__(self, app: ClientApp, contexts: Mapping[int, Context]):
        self._app = app
        self._contexts = dict(contexts)
        self._run: Run | None = None
        self._numbers = count(1)
        self._inbox: dict[str, Message] = {}

    def set_run(self, run: Run) -> None:
        """Set the run; nothing here depends on it."""
        self._run = run

    @property
    def run(self) -> Run:
        """The run that was set."""
        if self._run is None:
            raise RuntimeError("No run has been set on this grid.")
        return self._run

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        """Make a message to a node.

        Flower's constructor for messages asks the process which task it runs, and there is none
        here. So the metadata are given whole, by an argument that Flower keeps for itself.
        """
        metadata = Metadata(
            run_id=0,
            message_id=str(next(self._numbers)),
            src_node_id=_SERVER_NODE,
            dst_node_id=dst_node_id,
            reply_to_message_id="",
            group_id=group_id,
            created_at=time.time(),
            ttl=DEFAULT_TTL if ttl is None else ttl,
            message_type=message_type,
        )
        return Message(content=content, metadata=metadata)  # type: ignore[call-overload]

    def get_node_ids(self) -> list[int]:
        """Ids of all nodes."""
        return sorted(self._contexts)

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        """Let every node answer; the answers wait to be pulled."""
        numbers = []
        for message in messages:
            numbers.append(message.metadata.message_id)
            self._inbox[numbers[-1]] = self._answer(message)
        return numbers

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        """Answers to these messages."""
        return [self._inbox.pop(number) for number in message_ids if number in self._inbox]

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> list[Message]:
        """Push, and pull all answers."""
        return self.pull_messages(self.push_messages(messages))

    def _answer(self, message: Message) -> Message:
        try:
            return self._app(message, self._contexts[message.metadata.dst_node_id])
        except Exception as error:  # whatever goes wrong at a client must not end the others' work
            reason = f"{type(error).__name__}: {error}"
            return Message(Error(code=_CLIENT_APP_RAISED, reason=reason), reply_to=message)
