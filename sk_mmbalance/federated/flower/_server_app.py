"""The server's side of a deployment: a Flower ServerApp that ends with a fitted estimator."""

from __future__ import annotations

import json
import logging
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from flwr.app import Context, Message, RecordDict
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import Strategy
from sklearn.base import clone
from sklearn.utils import check_random_state

from ...exceptions import NoUpdateWarning
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
    task: Any = None,
    wrap: Callable[[Strategy], Strategy] | None = None,
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
        node has vanished, so this is for nodes that are slow, or hang.
    task : Task or callable, default=None
        Shapes of the modalities, class labels and precision; or a function of the ``Context``.
        None takes what the nodes say of their data, and ends with an error if they disagree: so a
        single node could keep the run from starting. With a task, a node that does not fit it
        takes no part, with a warning.
    wrap : callable, default=None
        Function that puts one of Flower's strategies around the one that it is given, for
        differential privacy: ``lambda inner: DifferentialPrivacyClientSideFixedClipping(inner,
        noise_multiplier=1.0, clipping_norm=0.5, num_sampled_clients=10)``. See `mods` of
        `client_app`.
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
        roll = Roll(timeout, resolve(task, context))
        roll.wait_for(grid, int(resolve(min_nodes, context)), wait)
        agreed = roll.task()
        seed = int(check_random_state(model.random_state).randint(2**31 - 1))
        labels = roll.labels()
        server = Server(model._method(labels), agreed, list(labels), seed)
        courier = Courier(roll.find, agreed.to_json())
        tell = None if after_round is None else lambda server: after_round(server, context)
        RoundStrategy(server, courier, tell, wrap).start(grid, timeout=timeout)
        _write_whole(model._adopt(server, labels=labels), target)
        _LOG.info("The fitted %s is in %s", type(model).__name__, target)

    return app


class Roll:
    """Who is there: clients, their nodes, and what their data look like.

    Parameters
    ----------
    timeout : float
        Seconds to wait for a node to introduce itself.
    task : Task, default=None
        What the clients' data have to fit; None finds out from them.
    """

    def __init__(self, timeout: float, task: Task | None = None):
        self._timeout = timeout
        self._task = task
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
        if len(self._about) < min_nodes:
            raise RuntimeError(
                f"`min_nodes` is {min_nodes}, but only {len(self._about)} of {len(nodes)} nodes "
                f"can take part; the others: {failures}."
            )
        _warn_of(failures)

    def labels(self) -> dict[str, Any]:
        """Clients by their ids as text, in the order in which ``fit`` would number them."""
        return {str(client): client for client in np.unique(list(self._about)).tolist()}

    def task(self) -> Task:
        """What all clients' data have in common."""
        if self._task is not None:
            return self._task
        # where one client has sequences of unequal length, a length of another's is any, too
        unequal = {name for about in self._about.values() for name in about["sequences"]}
        shapes: dict[str, list[int]] = {}
        for client, about in self._about.items():
            for name, shape in about["shapes"].items():
                known = shapes.setdefault(name, shape)
                if name in unequal and known[1:] == shape[1:]:
                    shapes[name] = max(known, shape)
                elif known != shape:
                    raise ValueError(
                        f"Clients disagree on the shape of modality {name!r}: client {client!r} "
                        f"has {tuple(shape)}, another {tuple(shapes[name])}. Give `task` to say "
                        "which is right; who does not fit it takes no part."
                    )
        labels = {label for about in self._about.values() for label in about["classes"]}
        try:
            classes = sorted(labels)
        except TypeError as error:
            raise ValueError(
                f"Clients disagree on the type of the class labels: "
                f"{', '.join(sorted(map(repr, labels)))}. Give `task` to say which are right; who "
                "does not fit it takes no part."
            ) from error
        # as numpy joins arrays: the wider type
        wide = any(about["dtype"] == "float64" for about in self._about.values())
        sizes = {name: tuple(shape) for name, shape in shapes.items()}
        dtype = "float64" if wide else "float32"
        return Task(sizes, tuple(classes), dtype, tuple(sorted(unequal)))

    def find(self, grid: Grid) -> dict[str, int]:
        """Node of every client that is there now; nodes that are new introduce themselves."""
        there = set(grid.get_node_ids())
        if there - self._asked:
            _warn_of(self._introduce(grid, there - self._asked))
        found: dict[str, int] = {}
        for node, client in self._client_of.items():
            if node in there:  # who came first is the client, as long as it is there
                found.setdefault(str(client), node)
        return found

    def _introduce(self, grid: Grid, nodes: set[int]) -> list[str]:
        """Ask nodes who they are; return why some cannot take part."""
        self._asked |= nodes
        messages = [make_message(grid, RecordDict(), INTRODUCE, node) for node in sorted(nodes)]
        failures = []
        replies = list(grid.send_and_receive(messages, timeout=self._timeout))
        silent = {message.metadata.message_id: message.metadata.dst_node_id for message in messages}
        for reply in replies:
            node = silent.pop(reply.metadata.reply_to_message_id, reply.metadata.src_node_id)
            if reply.has_error():
                failures.append(str(reply.error.reason))
                continue
            try:
                about = _read_introduction(reply)
            except Exception as error:  # whatever a node says must not end the others' work
                failures.append(f"unreadable introduction ({type(error).__name__}: {error})")
                continue
            reason = None if self._task is None else _why_unfit(about, self._task)
            here = {self._client_of[other] for other in nodes if other in self._client_of}
            if reason is None and about["client"] in here:
                reason = (
                    "another node has the same client id; give every SuperNode a 'partition-id' "
                    "of its own, or pass `client_id`"
                )
            if reason is not None:
                failures.append(f"client {about['client']!r}: {reason}")
                continue
            self._client_of[node] = about["client"]
            self._about.setdefault(about["client"], about)
        return failures + [f"node {node} did not answer" for node in sorted(silent.values())]


def _warn_of(failures: Iterable[str]) -> None:
    for reason in failures:
        warnings.warn(f"A node takes no part: {reason}.", NoUpdateWarning, stacklevel=3)


def _read_introduction(reply: Message) -> dict[str, Any]:
    about = json.loads(str(reply.content.config_records["introduction"]["about"]))
    client = about["client"]
    if not isinstance(client, int | float | str) or client != client:
        raise TypeError(f"client id {client!r} is neither a number nor a string")
    shapes = {str(name): [int(n) for n in shape] for name, shape in about["shapes"].items()}
    classes = list(about["classes"])
    if not all(isinstance(label, int | float | str) and label == label for label in classes):
        raise TypeError("class labels are neither numbers nor strings")
    if any(n < 1 for shape in shapes.values() for n in shape):
        raise ValueError(f"shapes {shapes}")
    sequences = [str(name) for name in about["sequences"]]
    if not set(sequences) <= set(shapes):
        raise ValueError(f"sequences {sequences} of modalities {list(shapes)}")
    if about["dtype"] not in ("float32", "float64"):
        raise ValueError(f"precision {about['dtype']!r}")
    return {
        "client": client,
        "shapes": shapes,
        "sequences": sequences,
        "classes": classes,
        "dtype": about["dtype"],
    }


def _why_unfit(about: dict[str, Any], task: Task) -> str | None:
    """Say what of a client's data does not fit the task; None if all does."""
    for name, shape in about["shapes"].items():
        if name not in task.names:
            return f"has modality {name!r}, expected some of {task.names}"
        free = 1 if name in task.sequences else 0  # the number of steps
        if tuple(shape)[free:] != tuple(task.shapes[name])[free:]:
            return f"modality {name!r} has shape {tuple(shape)}, not {tuple(task.shapes[name])}"
    unequal = [name for name in about["sequences"] if name not in task.sequences]
    if unequal:
        return f"has sequences of unequal length in {unequal}, and `task` none there"
    unknown = [label for label in about["classes"] if label not in task.classes]
    return f"has labels {unknown[:3]}, which `task` has not" if unknown else None


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
