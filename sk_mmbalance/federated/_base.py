"""`BaseFederatedClassifier`: what the federated estimators share."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from sklearn.base import _fit_context
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import assert_all_finite, check_is_fitted
from torch import nn
from tqdm.auto import tqdm

from ..modalities import CheckedModalities, InputSpec, check_modalities
from ..neural import parts
from ._client import ClientTrainer
from ._engine import AfterRound, make_engine
from ._messages import Memory
from ._method import Method
from ._server import Server
from ._shared_docs import SHARED_ATTRIBUTES, SHARED_PARAMETERS
from ._task import Task, load_arrays


@dataclass(kw_only=True, eq=False, repr=False)
class BaseFederatedClassifier(parts.NeuralPredictions):
    """Base of the federated estimators: everything but the algorithm.

    A subclass has its own parameters as fields, and in `_method_class` the algorithm, whose
    settings have the names of the parameters. The parameters of this class are described in
    ``_shared_docs.py``, which every subclass's docstring shows.
    """

    modalities: Any = None
    missing: str = "error"
    backbones: Any = "auto"
    hidden_layer_sizes: Any = (64,)
    feature_dim: int = 64
    dropout: float = 0.0
    n_rounds: int = 30
    clients_per_round: Any = 0.5
    local_epochs: int = 2
    batch_size: int = 64
    optimizer: str = "sgd"
    lr: float = 0.03
    lr_min: Any = None
    lr_hold: int = 0
    momentum: float = 0.9
    weight_decay: float = 1e-4
    dropout_rate: Any = 0.0
    straggler_rate: Any = 0.0
    evaluate_every: int = 1
    engine: str = "inprocess"
    class_weight: Any = None
    dtype: str = "auto"
    device: Any = "auto"
    random_state: Any = None
    verbose: int = 0

    _method_class: ClassVar[type[Method]] = Method
    _makes_dense = True

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "modalities": [dict, None],
        "missing": [StrOptions({"error", "mask"})],
        "backbones": [str, dict, type, nn.Module],
        "hidden_layer_sizes": ["array-like"],
        "feature_dim": [Interval(Integral, 1, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "n_rounds": [Interval(Integral, 1, None, closed="left")],
        "clients_per_round": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Real, 0, 1, closed="right"),
        ],
        "local_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "optimizer": [StrOptions(set(parts.OPTIMIZERS))],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "lr_min": [Interval(Real, 0, None, closed="left"), None],
        "lr_hold": [Interval(Integral, 0, None, closed="left")],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "dropout_rate": [Interval(Real, 0, 1, closed="both"), callable],
        "straggler_rate": [Interval(Real, 0, 1, closed="both"), callable],
        "evaluate_every": [Interval(Integral, 0, None, closed="left")],
        "engine": [StrOptions({"inprocess", "flower"})],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "dtype": [StrOptions({"auto", "float32", "float64"})],
        "device": [str, torch.device],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        if "Parameters" in (cls.__doc__ or "") and SHARED_PARAMETERS not in cls.__doc__:  # type: ignore[operator]
            cls.__doc__ = parts.insert_shared(
                cls.__doc__ or "", SHARED_PARAMETERS, SHARED_ATTRIBUTES
            )

    @property
    def module_(self) -> nn.Module:
        """The global network."""
        return self.net_.module_

    # -- what a method says of itself ------------------------------------------------------

    def _method(self, labels: dict[str, Any] | None = None) -> Method:
        """Return the algorithm with this estimator's settings; `labels` are clients by id."""
        given = {
            f.name: getattr(self, f.name)
            for f in fields(self._method_class)
            if hasattr(self, f.name)
        }
        given["hidden_layer_sizes"] = tuple(self.hidden_layer_sizes)
        for name in ("dropout_rate", "straggler_rate"):
            if callable(given[name]) and labels is not None:
                given[name] = _ByLabel(given[name], labels)
        return self._method_class(**given)

    def _own_attributes(
        self, server: Server, memories: dict[str, Memory], labels: dict[str, Any]
    ) -> dict[str, Any]:
        """Return fitted attributes of the method's own."""
        return {}

    # -- fitting ---------------------------------------------------------------------------

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        clients: Any = None,
        eval_set: Any = None,
    ) -> Any:
        """Train one network over the clients.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array of shape (n_samples, n_features)
            The modalities.
        y : array-like of shape (n_samples,)
            Class labels of any type.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows; their sum over a client's rows is its weight in every mean. A
            weight of 0 is as good as leaving the row out.
        clients : array-like of shape (n_samples,), default=None
            Which client each row belongs to. None takes all rows for one client's.
        eval_set : tuple of (X, y), default=None
            Rows at the server, on which the global model is measured after every round. They are
            not trained on and nothing is chosen by them.

        Returns
        -------
        self
            The fitted estimator.
        """
        checked = self._read_modalities(X, reset=True)
        classes, codes = self._read_labels(y, checked.n_samples)
        weight = self._read_weights(sample_weight, checked, codes, classes, self.class_weight)
        ids = _read_clients(clients, checked.n_samples)
        device = parts.choose_device(self.device)
        dtype = parts.choose_dtype(self.dtype, checked, device)
        task = Task(checked.spec.shapes, tuple(classes.tolist()), str(dtype).removeprefix("torch."))
        holdout = self._read_eval_set(eval_set, checked.spec, classes, task)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        shares = _by_client(task, checked, codes, weight, ids)
        labels = {str(label): label for label in shares}
        method = self._method(labels)
        server = Server(method, task, list(labels), seed, holdout=holdout)
        return self._run(server, shares, {}, checked.spec, classes, labels, device)

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: Any,
        y: Any,
        classes: Any = None,
        sample_weight: Any = None,
        clients: Any = None,
    ) -> Any:
        """Train for one more round on the given rows.

        What server and clients have kept goes on: prototypes, tables, personal branches. Clients
        may join, or stay away.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array of shape (n_samples, n_features)
            The modalities.
        y : array-like of shape (n_samples,)
            Class labels.
        classes : array-like of shape (n_classes,), default=None
            All labels that will ever come; needed in the first call.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        clients : array-like of shape (n_samples,), default=None
            Which client each row belongs to.

        Returns
        -------
        self
            The fitted estimator.
        """
        continued = hasattr(self, "server_")
        known = self._classes_to_come(classes, continued=continued)
        checked = self._read_modalities(X, reset=not continued)
        known, codes = self._read_labels(y, checked.n_samples, classes=known)
        weight = self._read_weights(sample_weight, checked, codes, known, self.class_weight)
        ids = _read_clients(clients, checked.n_samples)
        device = parts.choose_device(self.device)
        if continued:
            task = self.server_.task
        else:
            dtype = parts.choose_dtype(self.dtype, checked, device)
            name = str(dtype).removeprefix("torch.")
            task = Task(checked.spec.shapes, tuple(known.tolist()), name)
        shares = _by_client(task, checked, codes, weight, ids)
        now = {str(label): label for label in shares}
        labels = {**self._labels, **now} if continued else now
        if continued:
            server = copy.deepcopy(self.server_)
            server.method = self._method(labels)
            server.resume(list(now), n_rounds=1)
        else:
            seed = int(check_random_state(self.random_state).randint(2**31 - 1))
            server = Server(self._method(labels), task, list(now), seed, n_rounds=1)
        kept = self._memories if continued else {}
        spec = self._input_spec if continued else checked.spec
        return self._run(server, shares, kept, spec, known, labels, device)

    def _read_eval_set(
        self, eval_set: Any, spec: InputSpec, classes: np.ndarray, task: Task
    ) -> parts.ModalityRows | None:
        if eval_set is None:
            return None
        if not isinstance(eval_set, tuple) or len(eval_set) != 2:
            raise TypeError(f"`eval_set` must be a tuple (X, y); got {type(eval_set).__name__}.")
        checked = check_modalities(
            eval_set[0],
            estimator=self,
            spec=spec,
            modalities=self.modalities,
            missing=self.missing,
            accept_sparse=True,
        ).dense()
        _, codes = self._read_labels(eval_set[1], checked.n_samples, classes=classes)
        return task.rows(checked, codes, None)

    def _run(
        self,
        server: Server,
        shares: dict[Any, parts.ModalityRows],
        memories: dict[str, Memory],
        spec: InputSpec,
        classes: np.ndarray,
        labels: dict[str, Any],
        device: torch.device,
    ) -> Any:
        trainers = {
            str(label): ClientTrainer(server.method, server.task, rows, device)
            for label, rows in shares.items()
        }
        engine = make_engine(self.engine, trainers, memories)
        before = server.round
        interrupted = False
        try:
            with _progress(type(self).__name__, server.n_left, bool(self.verbose)) as show:
                engine.run(server, show)
            memories = engine.memories()
        except KeyboardInterrupt:  # the last whole round stays
            interrupted = True
            server.settle()
            memories = engine.memories()
        finally:
            engine.close()
        if not interrupted or server.round > before:
            self._adopt(server, memories, spec, classes, labels, device)
        if interrupted:
            raise KeyboardInterrupt
        return self

    def _adopt(
        self,
        server: Server,
        memories: dict[str, Memory] | None = None,
        spec: InputSpec | None = None,
        classes: np.ndarray | None = None,
        labels: dict[str, Any] | None = None,
        device: Any = "cpu",
    ) -> Any:
        """Become fitted with what a server has; defaults are for a server that ran elsewhere."""
        memories = memories or {}
        labels = {client: client for client in server.known} if labels is None else labels
        classes = np.asarray(server.task.classes) if classes is None else classes
        net = _net_for_prediction(server.module(), parts.choose_device(device))
        history = _history_frame(server, labels)
        selection = pd.DataFrame(
            server.selection, columns=["round", "client", "modalities", "outcome"]
        )
        selection["client"] = [labels[client] for client in selection["client"]]
        own = self._own_attributes(server, memories, labels)
        server.holdout = None  # rows do not stay with the estimator
        self.classes_ = classes
        self.clients_ = np.asarray(list(labels.values()))
        self.net_ = net
        self.server_ = server
        self.n_rounds_ = server.round
        self.history_ = history
        self.selection_log_ = selection
        self.plan_ = [{labels[c]: list(m) for c, m in plan.items()} for plan in server.plans]
        self.personal_ = {labels[c]: m["personal"] for c, m in memories.items() if "personal" in m}
        self._memories = memories
        self._labels = labels
        for name, value in own.items():
            setattr(self, name, value)
        self._remember_modalities(server.task.spec if spec is None else spec)
        return self

    def for_client(self, client: Any) -> Any:
        """Return a fitted copy that predicts with a client's own weights where it keeps some.

        Parameters
        ----------
        client : object
            One of ``clients_``.

        Returns
        -------
        estimator
            A copy; without personal weights, of the global model.
        """
        check_is_fitted(self)
        if client not in self.clients_:
            raise ValueError(f"`client` must be one of {self.clients_.tolist()}; got {client!r}.")
        other = copy.deepcopy(self)
        load_arrays(other.net_.module_, {**self.server_.state, **self.personal_.get(client, {})})
        return other


@contextmanager
def _progress(title: str, n_rounds: int, wanted: bool) -> Iterator[AfterRound | None]:
    """Bar over rounds, as what is called after each; none if not wanted.

    A bar of tqdm that shows nothing would still start a thread that stays.
    """
    if not wanted:
        yield None
        return
    with tqdm(total=n_rounds, desc=title, unit="round") as bar:

        def show(server: Server) -> None:
            bar.set_postfix(accuracy=server.history[-1].get("accuracy"))
            bar.update()

        yield show


@dataclass(frozen=True)
class _ByLabel:
    """A callable of (round, client) that is given the client's label for its id."""

    rate: Callable[[int, Any], float]
    labels: dict[str, Any]

    def __call__(self, number: int, client: str) -> float:
        return self.rate(number, self.labels[client])


def _read_clients(clients: Any, n_samples: int) -> np.ndarray:
    if clients is None:
        return np.zeros(n_samples, dtype=int)
    clients = column_or_1d(clients)
    if len(clients) != n_samples:
        raise ValueError(f"`clients` has {len(clients)} values for {n_samples} samples in `X`.")
    assert_all_finite(clients, input_name="clients")
    return clients


def _by_client(
    task: Task,
    checked: CheckedModalities,
    codes: np.ndarray,
    weight: np.ndarray | None,
    ids: np.ndarray,
) -> dict[Any, parts.ModalityRows]:
    """Each client's rows, by its id; clients whose rows all weigh 0 do not exist."""
    kept = np.ones(len(ids), dtype=bool) if weight is None else weight > 0
    shares = {}
    for label in np.unique(ids[kept]):
        own = np.flatnonzero((ids == label) & kept)
        rows = replace(checked.rows(own), on_disk=False)  # indexing has read them into memory
        own_weight = None if weight is None else weight[own]
        shares[label.item() if isinstance(label, np.generic) else label] = task.rows(
            rows, codes[own], own_weight
        )
    return shares


def _net_for_prediction(module: nn.Module, device: torch.device) -> parts.MultimodalNet:
    net = parts.MultimodalNet(
        module.to(device),
        criterion=nn.CrossEntropyLoss,
        criterion__reduction="none",
        train_split=None,
        device=str(device),
        verbose=0,
    )
    return net.initialize()


def _history_frame(server: Server, labels: dict[str, Any]) -> pd.DataFrame:
    rows = []
    for record in server.history:
        row = dict(record)
        row["clients"] = [labels[client] for client in record["clients"]]
        for name in ("modalities", "skipped", "client_accuracy"):
            if name in record:
                row[name] = {labels[client]: value for client, value in record[name].items()}
        rows.append(row)
    frame = pd.DataFrame(rows)
    first = ["round", "clients", "modalities", "skipped", "lr", "train_loss", "accuracy"]
    first = [name for name in first if name in frame]
    return frame[[*first, *(name for name in frame if name not in first)]]
