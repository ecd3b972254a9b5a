"""Orders and replies as Flower's records, and back, bit for bit.

Every group of arrays is an ``ArrayRecord``, which holds each array in numpy's own file format (and
so dtype, shape and bits), and the plain values are one ``ConfigRecord``, which takes scalars and
lists of scalars. Nothing is pickled.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, RecordDict

from .._messages import Arrays, Config, Memory, Order, Reply

_ARRAYS = "arrays/"
_MEMORY = "memory/"
_KIND, _TASK = "order/kind", "order/task"
#: Where the weights of the network are.
MODEL = _ARRAYS + "model"


def record_of_order(order: Order, task: str | None = None) -> RecordDict:
    """Write an order, with the task as text where the other side does not know it."""
    head: Any = {_KIND: order.kind} if task is None else {_KIND: order.kind, _TASK: task}
    # one record of plain values: Flower's mods want no more
    return _records(order.arrays, {**head, **order.config})


def order_of_record(records: RecordDict) -> tuple[Order, str | None]:
    """Read an order, and the task that came with it."""
    config = _config(records)
    kind, task = str(config.pop(_KIND)), config.pop(_TASK, None)
    order = Order(kind, _arrays(records, _ARRAYS), config)
    return order, None if task is None else str(task)


def record_of_reply(reply: Reply) -> RecordDict:
    """Write a reply."""
    return _records(reply.arrays, reply.config)


def reply_of_record(records: RecordDict) -> Reply:
    """Read a reply."""
    return Reply(_arrays(records, _ARRAYS), _config(records))


def keep_memory(state: RecordDict, memory: Memory) -> None:
    """Put into a node's state what its client keeps; what was kept before goes."""
    for name in [name for name in state if name.startswith(_MEMORY)]:
        del state[name]
    for group, named in memory.items():
        state[_MEMORY + group] = array_record(named)


def kept_memory(state: RecordDict) -> Memory:
    """What a node's client keeps."""
    return _arrays(state, _MEMORY)


def _records(arrays: Arrays, config: Config) -> RecordDict:
    records = RecordDict({_ARRAYS + group: array_record(a) for group, a in arrays.items()})
    records["config"] = ConfigRecord({key: _plain(value) for key, value in config.items()})
    return records


def array_record(named: dict[str, np.ndarray]) -> ArrayRecord:
    """Write one group of arrays."""
    return ArrayRecord({key: Array(np.asarray(value)) for key, value in named.items()})


def _arrays(records: RecordDict, prefix: str) -> Arrays:
    return {
        name.removeprefix(prefix): {key: array.numpy() for key, array in record.items()}
        for name, record in records.array_records.items()
        if name.startswith(prefix)
    }


def _config(records: RecordDict) -> Config:
    # dict of a ConfigRecord: bytes, which we never write, are the only other thing it may hold
    return dict(records.config_records["config"])  # type: ignore[arg-type]


def _plain(value: Any) -> Any:
    """Python's own scalars: Flower refuses numpy's."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value
