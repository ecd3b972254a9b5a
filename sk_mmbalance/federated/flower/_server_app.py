"""The server's side of a deployment: a Flower ServerApp that ends with a fitted estimator."""

from __future__ import annotations

import json
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from flwr.app import Context, Message, RecordDict
from flwr.serverapp import Grid, ServerApp
from sklearn.base import clone
from sklearn.utils import check_random_state

from .._server import Server
from .._task import Task
from ._client import INTRODUCE, refuse_undeployable, resolve
from ._courier import Courier, make_message
from ._strategy import RoundStrategy

_LOG = logging.getLogger("flwr")


def server_app(
    estimator: Any,
    output: Any,
    *,
    min_nodes: Any = 2,
    wait: float = 600.0,
    timeout: float = 3600.0,
    after_round: Callable[[Server, Context], Any] | None = None,
) -> ServerApp:
    """Flower ServerApp that trains an estimator over the nodes and writes it to a file.

    It waits for the nodes, asks each for the shapes of its modalities and its labels, runs the
    same rounds as ``fit(X, y, clients=...)`` and writes the fitted estimator with joblib. With
    the same rows at the same clients and the same `random_state` it is the same model.

    A node that raises, vanishes or is too late takes no part in that round; the others go on. A
    node that is started again under the same client id takes part again.

    Parameters
    ----------
    estimator : estimator or callable
        The unfitted federated estimator; or a function of Flower's ``Context`` that makes it, for
        settings that come with ``flwr run --run-config``. Its `engine` does not matter here.
    output : str, path or callable
        File to write the fitted estimator to, for ``joblib.load``; or a function of the
        ``Context`` that returns it. A relative path begins where the SuperLink was started. The
        file appears when it is whole. Load such files only from where you trust: joblib runs what
        they say.
    min_nodes : int or callable, default=2
        Number of nodes to wait for before the start; or a function of the ``Context``. Clients
        that are there at the start are those of the run: one that comes later takes no part.
    wait : float, default=600.0
        Seconds to wait for the nodes.
    timeout : float, default=3600.0
        Seconds to wait for the replies of a round. Flower itself notices within a minute that a
        node has vanished, so this is for nodes that are slow.
    after_round : callable, default=None
        Called after every round with the `Server`, whose ``history``, ``state`` and ``round`` say
        how it stands, and the ``Context``.

    Returns
    -------
    app : flwr.serverapp.ServerApp
        To be named under ``[tool.flwr.app.components]``.

    See Also
    --------
    client_app : The other side.

    Examples
    --------
    >>> from sk_mmbalance.federated import FedAvgClassifier
    >>> from sk_mmbalance.federated.flower import server_app
    >>> def model(context):
    ...     return FedAvgClassifier(n_rounds=context.run_config["n-rounds"], random_state=0)
    >>> app = server_app(model, "model.joblib", min_nodes=2)
    """
    app = ServerApp()

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        model = clone(resolve(estimator, context))
        refuse_undeployable(model)
        target = Path(resolve(output, context))
        _try_to_write(model, target)
        roll = Roll(timeout)
        roll.wait_for(grid, int(resolve(min_nodes, context)), wait)
        task = roll.task()
        seed = int(check_random_state(model.random_state).randint(2**31 - 1))
        labels = roll.labels()
        server = Server(model._method(labels), task, list(labels), seed)
        courier = Courier(roll.find, task.to_json())
        tell = None if after_round is None else lambda server: after_round(server, context)
        RoundStrategy(server, courier, tell).start(grid, timeout=timeout)
        _write_whole(model._adopt(server, labels=labels), target)
        _LOG.info("The fitted %s is in %s", type(model).__name__, target)

    return app


class Roll:
    """Who is there: clients, their nodes, and what their data look like.

    Parameters
    ----------
    timeout : float
        Seconds to wait for a node to introduce itself.
    """

    def __init__(self, timeout: float):
        self._timeout = timeout
        self._about: dict[Any, dict[str, Any]] = {}
        self._client_of: dict[int, Any] = {}
        self._asked: set[int] = set()

    def wait_for(self, grid: Grid, min_nodes: int, wait: float) -> None:
        """Wait until this many nodes are there and have introduced themselves."""
        end = time.monotonic() + wait
        nodes = set(grid.get_node_ids())
        while len(nodes) < min_nodes:
            if time.monotonic() > end:
                raise TimeoutError(
                    f"`min_nodes` is {min_nodes}, but {len(nodes)} nodes were there after "
                    f"{wait:g} seconds. Start more SuperNodes, or lower `min_nodes`."
                )
            time.sleep(min(1.0, wait))
            nodes = set(grid.get_node_ids())
        failures = self._introduce(grid, nodes)
        if len(self._client_of) < min_nodes:
            raise RuntimeError(
                f"`min_nodes` is {min_nodes}, but only {len(self._client_of)} of {len(nodes)} "
                f"nodes introduced themselves; the others: {failures}."
            )
        if len(self._about) < len(self._client_of):
            raise ValueError(
                f"Two nodes have the same client id: {sorted(map(str, self._client_of.values()))}. "
                "Give every SuperNode a 'partition-id' of its own, or pass `client_id`."
            )

    def labels(self) -> dict[str, Any]:
        """Clients by their ids as text, in the order in which ``fit`` would number them."""
        return {str(client): client for client in np.unique(list(self._about)).tolist()}

    def task(self) -> Task:
        """What all clients' data have in common."""
        shapes: dict[str, list[int]] = {}
        for client, about in self._about.items():
            for name, shape in about["shapes"].items():
                if shapes.setdefault(name, shape) != shape:
                    raise ValueError(
                        f"Clients disagree on the shape of modality {name!r}: client {client!r} "
                        f"has {tuple(shape)}, another {tuple(shapes[name])}."
                    )
        labels = {label for about in self._about.values() for label in about["classes"]}
        try:
            classes = sorted(labels)
        except TypeError as error:
            raise ValueError(
                f"Clients disagree on the type of the class labels: "
                f"{', '.join(sorted(map(repr, labels)))}."
            ) from error
        # as numpy joins arrays: the wider type
        wide = any(about["dtype"] == "float64" for about in self._about.values())
        sizes = {name: tuple(shape) for name, shape in shapes.items()}
        return Task(sizes, tuple(classes), "float64" if wide else "float32")

    def find(self, grid: Grid) -> dict[str, int]:
        """Node of every client that is there now; nodes that are new introduce themselves."""
        there = set(grid.get_node_ids())
        if there - self._asked:
            self._introduce(grid, there - self._asked)
        return {str(c): node for node, c in self._client_of.items() if node in there}

    def _introduce(self, grid: Grid, nodes: Iterable[int]) -> list[str]:
        messages = [make_message(grid, RecordDict(), INTRODUCE, node) for node in sorted(nodes)]
        failures = []
        for reply in grid.send_and_receive(messages, timeout=self._timeout):
            if reply.has_error():
                failures.append(str(reply.error.reason))
                continue
            try:
                about = _read_introduction(reply)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                failures.append(f"unreadable introduction ({type(error).__name__}: {error})")
                continue
            self._client_of[reply.metadata.src_node_id] = about["client"]
            self._about.setdefault(about["client"], about)
        self._asked |= set(nodes)
        return failures


def _read_introduction(reply: Message) -> dict[str, Any]:
    about = json.loads(str(reply.content.config_records["introduction"]["about"]))
    if not isinstance(about["client"], int | float | str):
        raise TypeError(f"client id {about['client']!r} is neither a number nor a string")
    shapes = {str(name): [int(n) for n in shape] for name, shape in about["shapes"].items()}
    return {
        "client": about["client"],
        "shapes": shapes,
        "classes": list(about["classes"]),
        "dtype": about["dtype"],
    }


def _try_to_write(model: Any, target: Path) -> None:
    """Find out before the training what would lose the model after it."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=target.parent) as file:
            joblib.dump(model, file)
    except OSError as error:
        raise type(error)(f"`output` {str(target)!r} cannot be written: {error}") from error
    except Exception as error:
        raise ValueError(
            f"`estimator` cannot be written to a file ({error}). Functions and modules among its "
            "parameters must be defined at the top of an importable module."
        ) from error


def _write_whole(model: Any, target: Path) -> None:
    """Write under another name first, so that nobody reads half a file."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
    os.close(handle)
    try:
        joblib.dump(model, name)
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise
