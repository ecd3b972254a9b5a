"""Flower's mods around local training."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from flwr.app import ArrayRecord, Context, Message, MetricRecord
from flwr.clientapp.typing import ClientAppCallable, Mod

from ._records import MODEL


def with_mods(train: ClientAppCallable, mods: Sequence[Mod]) -> ClientAppCallable:
    """Local training with Flower's mods around it, the first outermost.

    Mods compare what comes back with what was sent, entry by entry. A client without a modality
    does not send its weights back, so on the way out mods see these as they came, and they are
    left out afterwards. The metrics are for mods that leave a figure there.

    Parameters
    ----------
    train : callable
        Carries out an order, a function of Flower's message and context.
    mods : sequence of callable
        Functions of message, context and what to call next.
    """

    def modified(message: Message, context: Context) -> Message:
        absent: list[str] = []

        def whole(message: Message, context: Context) -> Message:
            received = dict(message.content.array_records[MODEL])
            reply = train(message, context)
            trained = reply.content.array_records[MODEL]
            absent.extend(key for key in received if key not in trained)
            reply.content[MODEL] = ArrayRecord(
                {key: trained.get(key, array) for key, array in received.items()}
            )
            n = reply.content.config_records["config"]["n"]
            reply.content["metrics"] = MetricRecord({"num-examples": float(n)})  # type: ignore[arg-type]
            return reply

        call: ClientAppCallable = whole
        for mod in reversed(mods):
            call = partial(_around, mod, call)
        reply = call(message, context)
        if reply.has_error():  # a mod that refuses what came back answers that, not the order
            return Message(reply.error, reply_to=message)
        for key in absent:
            del reply.content.array_records[MODEL][key]
        return reply

    return modified


def _around(mod: Mod, call: ClientAppCallable, message: Message, context: Context) -> Message:
    return mod(message, context, call)
