"""`BaseFederatedClassifier`: what the federated estimators share."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from numbers import Integral, Real
from typing import Any, ClassVar

import torch
from safetensors.torch import load, save
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import nn

from .. import networks
from .._sklearn import ArrayLike, Interval, StrOptions, fit_context
from ..base import ClassTarget, TrainingRows, read_held_rows, warn_if_unscaled
from ..modalities import InputSpec
from ..neural import OPTIMIZERS, ClassifierPredictions, checked_folder, insert_shared
from ._aggregation import AGGREGATIONS
from ._checkpoint import RoundCheckpoint
from ._client import ClientTrainer
from ._clients import ByLabel, read_clients, shares_of
from ._engine import AfterRound, Engine, make_engine
from ._fitted import fitted_attributes
from ._messages import Memory
from ._method import Method
from ._network import GlobalNetwork
from ._progress import progress, say_at_the_end
from ._server import Server
from ._shared_docs import SHARED_ATTRIBUTES, SHARED_PARAMETERS
from ._state_dicts import load_arrays
from ._task import Task


@dataclass(kw_only=True, eq=False, repr=False)
class BaseFederatedClassifier(ClassifierPredictions):
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
    aggregation: str = "mean"
    trim: float = 0.2
    clip_norm: Any = "median"
    engine: str = "inprocess"
    class_weight: Any = None
    dtype: str = "auto"
    device: Any = "auto"
    checkpoint_dir: Any = None
    random_state: Any = None
    verbose: int = 0

    _method_class: ClassVar[type[Method]] = Method
    _makes_dense = True
    _for_several = True
    _uses_lengths = True

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "modalities": [dict, None],
        "missing": [StrOptions({"error", "mask"})],
        "backbones": [str, dict, type, nn.Module],
        "hidden_layer_sizes": [ArrayLike()],
        "feature_dim": [Interval(Integral, 1, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "n_rounds": [Interval(Integral, 1, None, closed="left")],
        "clients_per_round": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Real, 0, 1, closed="right"),
        ],
        "local_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "optimizer": [StrOptions(set(OPTIMIZERS))],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "lr_min": [Interval(Real, 0, None, closed="left"), None],
        "lr_hold": [Interval(Integral, 0, None, closed="left")],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "dropout_rate": [Interval(Real, 0, 1, closed="both"), callable],
        "straggler_rate": [Interval(Real, 0, 1, closed="both"), callable],
        "evaluate_every": [Interval(Integral, 0, None, closed="left")],
        "aggregation": [StrOptions(set(AGGREGATIONS))],
        "trim": [Interval(Real, 0, 0.5, closed="left")],
        "clip_norm": [Interval(Real, 0, None, closed="neither"), StrOptions({"median"})],
        "engine": [StrOptions({"inprocess", "flower"})],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "dtype": [StrOptions({"auto", "float32", "float64"})],
        "device": [str, torch.device],
        "checkpoint_dir": [str, os.PathLike, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        if "Parameters" in (cls.__doc__ or "") and SHARED_PARAMETERS not in cls.__doc__:  # type: ignore[operator]
            cls.__doc__ = insert_shared(cls.__doc__ or "", SHARED_PARAMETERS, SHARED_ATTRIBUTES)

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
                given[name] = ByLabel(given[name], labels)
        return self._method_class(**given)

    def _own_attributes(
        self, task: Task, kept: Any, memories: Mapping[str, Memory], labels: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return fitted attributes of the method's own.

        `kept` is what it has kept at the server, `memories` what clients have, and `labels` are
        clients by their ids there.
        """
        return {}

    # -- fitting ---------------------------------------------------------------------------

    @fit_context(prefer_skip_nested_validation=True)
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
        if self.checkpoint_dir is not None:
            checked_folder(self.checkpoint_dir, self.random_state)
        given = self._read_training(X, y, sample_weight, class_weight=self.class_weight)
        target: Any = given.target
        ids = read_clients(clients, given.n_given)
        warn_if_unscaled(given.checked)
        networks.warn_if_ambiguous(self.backbones, given.checked.spec)
        device = networks.choose_device(self.device)
        task = self._task(given, target, device)
        holdout = self._read_eval_set(eval_set, given, task)
        seed = self._new_seed()
        shares = shares_of(given, ids, task)
        labels = {str(label): label for label in shares}
        server = Server(self._method(labels), task, list(labels), seed, holdout=holdout)
        checkpoint, memories = None, {}
        if self.checkpoint_dir is not None:
            checkpoint = RoundCheckpoint(self, server, shares)
            memories = checkpoint.take_up(server)
        spec = given.checked.spec
        return self._run(server, shares, memories, spec, target, labels, device, checkpoint)

    @fit_context(prefer_skip_nested_validation=True)
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
        target = ClassTarget(self._classes_to_come(classes, continued=continued))
        given = self._read_training(
            X,
            y,
            sample_weight,
            reset=not continued,
            target=target,
            class_weight=self.class_weight,
        )
        ids = read_clients(clients, given.n_given)
        device = networks.choose_device(self.device)
        if continued:
            task, spec, kept = self.server_.task, self._input_spec, self._memories
        else:
            warn_if_unscaled(given.checked)
            networks.warn_if_ambiguous(self.backbones, given.checked.spec)
            task, spec, kept = self._task(given, target, device), given.checked.spec, {}
        shares = shares_of(given, ids, task)
        now = {str(label): label for label in shares}
        labels = {**self._labels, **now} if continued else now
        method = self._method(labels)
        if continued:
            server = copy.deepcopy(self.server_)
            server.method = method
            server.resume(list(now), n_rounds=1)
        else:
            server = Server(method, task, list(now), self._new_seed(), n_rounds=1)
        return self._run(server, shares, kept, spec, target, labels, device)

    def _new_seed(self) -> int:
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _task(self, given: TrainingRows, target: ClassTarget, device: torch.device) -> Task:
        dtype = networks.choose_dtype(self.dtype, given.checked, device)
        spec, classes = given.checked.spec, tuple(target.classes.tolist())
        return Task(spec.shapes, classes, str(dtype).removeprefix("torch."), spec.sequences)

    def _read_eval_set(
        self, eval_set: Any, given: TrainingRows, task: Task
    ) -> networks.ModalityRows | None:
        if eval_set is None:
            return None
        if not isinstance(eval_set, tuple) or len(eval_set) != 2:
            raise TypeError(f"`eval_set` must be a tuple (X, y); got {type(eval_set).__name__}.")
        held = read_held_rows(
            *eval_set,
            spec=given.checked.spec,
            target=given.target,
            modalities=self.modalities,
            missing=self.missing,
            estimator=self,
        )
        return task.rows(held)

    def _run(
        self,
        server: Server,
        shares: dict[Any, networks.ModalityRows],
        memories: dict[str, Memory],
        spec: InputSpec,
        target: ClassTarget,
        labels: dict[str, Any],
        device: torch.device,
        checkpoint: RoundCheckpoint | None = None,
    ) -> Any:
        trainers = {
            str(label): ClientTrainer(server.method, server.task, rows, device)
            for label, rows in shares.items()
        }
        engine = make_engine(self.engine, trainers, memories)
        before = server.round
        interrupted = False
        try:
            with progress(type(self).__name__, server.n_left, bool(self.verbose)) as show:
                engine.run(server, _after_round(show, checkpoint, engine))
            memories = engine.memories()
        except KeyboardInterrupt:  # the last whole round stays
            interrupted = True
            server.settle()
            memories = engine.memories()
        finally:
            engine.close()
        if not interrupted or server.round > before:
            self._adopt(server, memories, spec, target, labels, device)
        if interrupted:
            raise KeyboardInterrupt
        if checkpoint is not None:
            checkpoint.remove()
        if self.verbose:
            say_at_the_end(type(self).__name__, server)
        return self

    def _adopt(
        self,
        server: Server,
        memories: dict[str, Memory] | None = None,
        spec: InputSpec | None = None,
        target: ClassTarget | None = None,
        labels: dict[str, Any] | None = None,
        device: Any = "cpu",
    ) -> Any:
        """Become fitted with what a server has; defaults are for a server that ran elsewhere."""
        memories = memories or {}
        labels = {client: client for client in server.known} if labels is None else labels
        task = server.task
        server.holdout = None  # rows do not stay with the estimator
        target = task.target if target is None else target
        self._become_fitted(
            task.spec if spec is None else spec,
            classes_=target.classes,
            _target=target,
            net_=GlobalNetwork(server.module(), networks.choose_device(device)),
            _memories=memories,
            _labels=labels,
            **fitted_attributes(server, memories, labels),
            **self._own_attributes(task, server.method_state, memories, labels),
        )
        return self

    def __getstate__(self) -> dict[str, Any]:
        """Attributes in plain parts, the network as the bytes of its weights."""
        state = super().__getstate__()
        if "net_" in state:
            weights = {key: w.cpu() for key, w in self.module_.state_dict().items()}
            state["net_"] = save(weights)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take attributes, plain or as they are."""
        super().__setstate__(state)
        if isinstance(state.get("net_"), bytes):
            module = self.server_.module()
            networks.load_state(module, load(state["net_"]))
            network: Any = GlobalNetwork(module, networks.choose_device(self.device))
            self.net_ = network

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


def _after_round(
    show: AfterRound | None, checkpoint: RoundCheckpoint | None, engine: Engine
) -> AfterRound | None:
    """What is done after every round: write how far it has come, and show it."""
    if checkpoint is None:
        return show

    def keep_and_show(server: Server) -> None:
        checkpoint.keep(server, engine.memories())
        if show is not None:
            show(server)

    return keep_and_show
