"""The clients' side: a Flower ClientApp that carries out orders."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.clientapp.typing import Mod

from ... import networks
from ...base import read_own_modalities
from .._client import ClientTrainer
from .._task import Task
from ._mods import with_mods
from ._records import keep_memory, kept_memory, order_of_record, record_of_reply

#: Flower's type of message for every kind of order.
MESSAGE_TYPES = {
    "describe": "query.describe",
    "probe": "train",
    "train": "train",
    "evaluate": "evaluate",
}
#: Not an order: who is there, and what do its data look like?
INTRODUCE = "query.introduce"

TrainerOf = Callable[[Context, "Task | None"], ClientTrainer]


def client_app(
    estimator: Any,
    load_data: Callable[[Context], tuple[Any, ...]],
    *,
    client_id: Callable[[Context], Any] | None = None,
    mods: Sequence[Mod] = (),
) -> ClientApp:
    """Flower ClientApp of one client: what a SuperNode runs.

    It loads the client's own rows, trains on them when the server asks, and sends back what
    ``fit(X, y, clients=...)`` would have taken from this client. The rows stay where they are.

    Parameters
    ----------
    estimator : estimator or callable
        The unfitted federated estimator, the same that the server has; or a function of Flower's
        ``Context`` that makes it, for settings that come with ``flwr run --run-config``.
    load_data : callable
        Function of the ``Context`` that returns ``(X, y)`` or ``(X, y, sample_weight)``: this
        client's rows. A modality that it does not have is left out of `X`, or all NaN. Flower
        starts a process for every message, so it is called for every message.
    client_id : callable, default=None
        Function of the ``Context`` that returns the client's id, a number or a string that no
        other client has and that stays the same when the node is started again. None takes
        ``partition-id`` of the SuperNode's ``--node-config``.
    mods : sequence of callable, default=()
        Flower's mods for training, the first outermost: ``LocalDpMod(...)`` clips the update and
        adds noise before it leaves the client; ``fixedclipping_mod`` and ``adaptiveclipping_mod``
        clip for a `server_app` with the strategy of the same name. They see the weights alone:
        see the user guide for what they do not protect.

    Returns
    -------
    app : flwr.clientapp.ClientApp
        To be named under ``[tool.flwr.app.components]``.

    See Also
    --------
    server_app : The other side.

    Examples
    --------
    >>> from sk_mmbalance.datasets import load_digits_views
    >>> from sk_mmbalance.federated import FedAvgClassifier
    >>> from sk_mmbalance.federated.flower import client_app
    >>> def load_data(context):
    ...     X, y = load_digits_views(return_X_y=True)
    ...     part, n_parts = (context.node_config[k] for k in ("partition-id", "num-partitions"))
    ...     return X[part::n_parts], y[part::n_parts]
    >>> app = client_app(FedAvgClassifier(random_state=0), load_data)
    """

    def trainer_of(context: Context, task: Task | None) -> ClientTrainer:
        if task is None:
            raise ValueError("the order brought no task")
        return _trainer(resolve(estimator, context), task, load_data(context))

    app = order_app(trainer_of, mods)

    @app.query("introduce")
    def introduce(message: Message, context: Context) -> Message:
        about = _introduction(resolve(estimator, context), load_data(context))
        about["client"] = _own_id(context, client_id)
        record = ConfigRecord({"about": json.dumps(about)})
        return Message(RecordDict({"introduction": record}), reply_to=message)

    return app


def order_app(trainer_of: TrainerOf, mods: Sequence[Mod] = ()) -> ClientApp:
    """ClientApp that carries out orders with the trainer of a node."""
    app = ClientApp()

    def carry_out(message: Message, context: Context) -> Message:
        order, task = order_of_record(message.content)
        trainer = trainer_of(context, None if task is None else Task.from_json(task))
        reply, memory = trainer.handle(order, kept_memory(context.state))
        keep_memory(context.state, memory)
        return Message(record_of_reply(reply), reply_to=message)

    app.train()(with_mods(carry_out, mods) if mods else carry_out)
    app.evaluate()(carry_out)
    app.query("describe")(carry_out)
    return app


def resolve(value: Any, context: Context) -> Any:
    """Return what a function of the context returns, or the value itself."""
    return value(context) if callable(value) else value


def refuse_undeployable(estimator: Any) -> None:
    """Raise if an estimator wants to see all clients' rows at once."""
    if isinstance(estimator.class_weight, str):
        raise ValueError(
            f"`class_weight={estimator.class_weight!r}` needs all clients' labels at once. Pass a "
            "dict of class weights."
        )


def _own_id(context: Context, client_id: Callable[[Context], Any] | None) -> Any:
    if client_id is not None:
        own = client_id(context)
    elif "partition-id" in context.node_config:
        own = context.node_config["partition-id"]
    else:
        raise ValueError(
            "`client_id` is None and the node has no 'partition-id'; start the SuperNode with "
            "--node-config 'partition-id=0', or pass `client_id`."
        )
    return own.item() if isinstance(own, np.generic) else own


def _checked_tuple(data: Any) -> tuple[Any, ...]:
    if not isinstance(data, tuple) or len(data) not in (2, 3):
        raise TypeError(
            "`load_data` must return a tuple (X, y) or (X, y, sample_weight); got "
            f"{type(data).__name__}."
        )
    return data


def _introduction(estimator: Any, data: Any) -> dict[str, Any]:
    """What the server has to know of a client's data to lay out the network: no rows."""
    refuse_undeployable(estimator)
    checked = read_own_modalities(_checked_tuple(data)[0], modalities=estimator.modalities)
    dtype = networks.choose_dtype(
        estimator.dtype, checked, networks.choose_device(estimator.device)
    )
    return {
        "shapes": {name: list(shape) for name, shape in checked.spec.shapes.items()},
        "sequences": list(checked.spec.sequences),
        "classes": np.unique(np.asarray(data[1])).tolist(),
        "dtype": str(dtype).removeprefix("torch."),
    }


def _trainer(estimator: Any, task: Task, data: Any) -> ClientTrainer:
    rows = task.read(
        *_checked_tuple(data),
        modalities=estimator.modalities,
        class_weight=estimator.class_weight,
    )
    return ClientTrainer(estimator._method(), task, rows, networks.choose_device(estimator.device))
