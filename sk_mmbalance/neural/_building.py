"""From an estimator's parameters to its torch module and its skorch net."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import torch
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, clone
from skorch.callbacks import LRScheduler
from torch import nn

from ..balancing import Balancing, DataRemixing
from ..modalities import CheckedModalities, InputSpec
from ..networks import (
    LateFusion,
    MultimodalModule,
    aside,
    make_backbones,
    make_fusion,
    not_ours,
)
from ._modality_lr import check_factors, parameter_groups, set_rates
from ._net import MultimodalNet
from ._progress import EpochBar
from ._stopping import BestWeights
from ._training import TrainingPlan, checked_net_params, optimizer_settings, schedule_callback


class NetBuilding:
    """Builds modules and nets; a method overrides what it says of itself.

    The parameters are those of `BaseMultimodalClassifier`.
    """

    backbones: Any
    hidden_layer_sizes: Any
    dropout: float
    embedding_dim: int
    encoding: Any
    remix_after: Any
    fusion_weights: Any
    lr: float
    modality_lr: Any
    lr_schedule: Any
    optimizer: Any
    weight_decay: float
    n_iter_no_change: int
    amp: bool
    compile: bool
    callbacks: Any
    net_params: Any
    max_epochs: int
    predict_batch_size: Any
    verbose: int

    # -- what balances the training --------------------------------------------------------

    def _value(self) -> Balancing | None:
        """Return the balancing method, None for joint training."""
        return None

    def _side(self) -> tuple[Any, float]:
        """Return fusion and `unimodal_weight`: here what the method asks for."""
        value = self._value() or Balancing()
        return value._fusion, value._unimodal_weight

    def _remixes_after(self) -> int | None:
        """Joint epochs before remixing, beside the method."""
        return self.remix_after

    def _methods(self) -> list[Balancing]:
        """Clones of the methods of one training, in the order in which they are asked."""
        value = self._value()
        methods: list[Balancing] = []
        after = self._remixes_after()
        if after is not None:
            if isinstance(value, DataRemixing):
                raise ValueError(
                    "`remix_after` and `balancing` DataRemixing() both say when rows are remixed. "
                    "Leave `remix_after` None, or `balancing`."
                )
            methods.append(DataRemixing(start_epoch=after))
        if value is not None:
            value._validate_params()
            methods.append(clone(value))
        for method in methods:
            method.prepare(self.max_epochs)
        return methods

    def _check_methods(self, net: MultimodalNet) -> None:
        """Refuse a net that a method cannot be trained with, new or continued."""
        for method in net.methods:
            method.check_net(net)

    # -- how rows are read -----------------------------------------------------------------

    def _encoded(self, checked: CheckedModalities) -> list[str]:
        """Modalities whose columns are encoded."""
        chosen = [name for name, how in self._encoding_by_name(checked.names).items() if how]
        for name in chosen:
            array = checked.arrays[name]
            if issparse(array) or array.ndim != 2:
                raise ValueError(
                    f"`encoding` 'normal_scores' is for columns of numbers, and modality {name!r} "
                    f"is {'sparse' if issparse(array) else f'of shape {array.shape[1:]} a row'}. "
                    "Name the modalities that have columns: encoding={'name': 'normal_scores'}."
                )
        return chosen

    def _encoding_by_name(self, names: Sequence[str]) -> dict[str, str | None]:
        if not isinstance(self.encoding, Mapping):
            return dict.fromkeys(names, self.encoding)
        unknown = sorted(set(self.encoding) - set(names), key=str)
        if unknown:
            raise ValueError(
                f"`encoding` names {unknown}, which are no modalities of `X`: {list(names)}."
            )
        for name, choice in self.encoding.items():
            if choice not in ("normal_scores", None):
                raise ValueError(
                    f"`encoding` of modality {name!r} must be 'normal_scores' or None; got "
                    f"{choice!r}."
                )
        return {name: self.encoding.get(name) for name in names}

    # -- modules and nets ------------------------------------------------------------------

    def _make_module(self, spec: InputSpec, n_outputs: int, dtype: torch.dtype) -> MultimodalModule:
        methods = self._methods()
        for method in methods:
            method.check_network(sorted(spec.shapes), self.compile)
        built = make_backbones(
            self.backbones,
            spec.shapes,
            dtype,
            spec.sequences,
            embedding_dim=self.embedding_dim,
            hidden_layer_sizes=tuple(self.hidden_layer_sizes),
            dropout=self.dropout,
        )
        dims = {name: size for name, (_, size) in built.items()}
        self._check_fusion_weights(sorted(dims))
        fusion = self._make_fusion(methods, dims, n_outputs)
        heads = None
        wanted = self._side()[1] > 0
        for method in methods:
            wanted = method.wants_heads(wanted)
        if wanted and not isinstance(fusion, LateFusion):
            heads = {name: nn.Linear(dims[name], n_outputs) for name in sorted(dims)}
        backbones = {name: module for name, (module, _) in built.items()}
        copied = not_ours(self.backbones, sorted(dims))
        module = MultimodalModule(backbones, fusion, heads, copied)
        for method in methods:
            with aside():  # a method's draws change nobody else's
                state = method.make_state(module, dims, n_outputs)
            if state is not None:
                module.running[type(method).__name__] = state
        module.to(dtype)
        asked = self.fusion_weights is not None and self.fusion_weights != "auto"
        if asked and not module.has_own_logits:
            raise ValueError(
                "`fusion_weights` needs classifiers of single modalities to weigh: "
                f"`fusion='late'` or `unimodal_weight` above 0; got {self.fusion_weights!r} with "
                "neither."
            )
        return module

    def _make_fusion(
        self, methods: list[Balancing], dims: Mapping[str, int], n_outputs: int
    ) -> nn.Module:
        """Fusion of a method's own, or else that of the estimator."""
        choice, weights = self._side()[0], self._late_weights()
        if weights is not None and choice != "late":
            raise ValueError(
                "`fusion_weights` as a dict are weights of `fusion='late'`; got "
                f"`fusion={choice!r}`. Weights of a fused classifier and its modalities are "
                "fitted: fusion_weights='fit'."
            )
        for method in methods:
            own = method.make_fusion(dims, n_outputs, weights)
            if own is not None:
                return own
        options = {"weights": weights} if choice == "late" else {}
        return make_fusion(choice, dims, n_outputs, dropout=self.dropout, **options)

    def _late_weights(self) -> Any:
        """Weights that the late fusion is trained with: those given, else equal ones."""
        return self.fusion_weights if isinstance(self.fusion_weights, Mapping) else None

    def _check_fusion_weights(self, names: list[str]) -> None:
        weights = self.fusion_weights
        if not isinstance(weights, Mapping):
            return
        if sorted(weights) != names:
            raise ValueError(
                f"`fusion_weights` must name every modality of `X`, {names}; got {sorted(weights)}."
            )
        for name, value in weights.items():
            if not (isinstance(value, Real) and 0 < float(value) < float("inf")):
                raise ValueError(
                    f"`fusion_weights` must be positive and finite; got {value!r} for {name!r} "
                    "(leave a modality out of `X` to do without it)."
                )

    def _make_net(
        self,
        module: MultimodalModule,
        device: torch.device,
        plan: TrainingPlan,
        validating: bool,
        criterion: Mapping[str, Any],
    ) -> MultimodalNet:
        settings: dict[str, Any] = {
            **criterion,
            "lr": self.lr,
            "batch_size": plan.batch_size,
            "max_epochs": plan.n_epochs,
            "train_split": None,
            "iterator_train__shuffle": True,
            "callbacks": self._make_callbacks(plan.n_epochs, validating),
            "device": str(device),
            "compile": self.compile,
            "seed": plan.seed,
            "amp": self.amp,
            "unimodal_weight": self._loss_weight(module),
            "methods": self._methods(),
            "predict_batch_size": self.predict_batch_size,
            "verbose": 0,
            **optimizer_settings(self.optimizer, self.weight_decay),
            **checked_net_params(self.net_params, criterion["criterion"]),
        }
        lr = settings.get("optimizer__lr", settings["lr"])  # `net_params` may say otherwise
        settings |= parameter_groups(self.modality_lr, lr)
        net = MultimodalNet(module.to(device), **settings).initialize()
        self._check_methods(net)
        return net

    def _check_modality_lr(self, names: list[str]) -> None:
        """Refuse factors on the learning rate that these modalities cannot have."""
        check_factors(self.modality_lr, names, self.optimizer, self.net_params)

    def _loss_weight(self, module: MultimodalModule) -> float:
        """Weight of the modalities' own losses; 0 where there are no logits of their own."""
        given = any(method.gives_own_logits(module) for method in self._methods())
        return self._side()[1] if module.has_own_logits or given else 0.0

    def _make_callbacks(self, n_epochs: int, validating: bool) -> list[Any]:
        monitor = "valid_loss" if validating else "train_loss"
        callbacks: list[Any] = []
        schedule = schedule_callback(self.lr_schedule, n_epochs, monitor)
        if schedule is not None:
            callbacks.append(("lr_schedule", copy.deepcopy(schedule)))
        callbacks += [_copy_callback(callback) for callback in self.callbacks or []]
        if validating:
            stopping = BestWeights(
                patience=self.n_iter_no_change, threshold=0.0, load_best=True, sink=_silent
            )
            callbacks.append(("early_stopping", stopping))
        if self.verbose:
            callbacks.append(("progress", EpochBar(type(self).__name__, n_epochs)))
        return callbacks

    def _continue_net(self, net: MultimodalNet, plan: TrainingPlan, validating: bool) -> None:
        """Make a copied net ready for more epochs under the parameters of now."""
        net.callbacks = self._make_callbacks(plan.n_epochs, validating)
        net.initialize_callbacks()
        for group in net.optimizer_.param_groups:
            group["lr"] = self.lr
            if not isinstance(self.lr_schedule, LRScheduler):
                group.pop("initial_lr", None)  # a schedule by name starts anew from `lr`
        net.set_params(lr=self.lr, batch_size=plan.batch_size, amp=self.amp)
        net.set_params(predict_batch_size=self.predict_batch_size)
        set_rates(net.optimizer_, self.lr)
        net.unimodal_weight = self._loss_weight(net.network)
        fusion = net.network.fusion
        self._check_fusion_weights(net.network.names)
        if hasattr(fusion, "set_weights"):
            fusion.set_weights(self._late_weights())
        net.use_methods(self._methods())
        for method in net.methods:
            method.resume(net)
        self._check_methods(net)


def _silent(*args: Any, **kwargs: Any) -> None:
    """Swallow skorch's messages; the progress bar says what matters."""


def _copy_callback(callback: Any) -> Any:
    """Return a fresh copy, so that a parameter is never changed by a fit."""
    if isinstance(callback, tuple):
        return (callback[0], _copy_callback(callback[1]))
    if isinstance(callback, type):
        return callback
    if not hasattr(callback, "set_params"):
        raise TypeError(
            "`callbacks` must hold skorch callbacks, or pairs of a name and a callback; got "
            f"{callback!r}."
        )
    return clone(callback) if isinstance(callback, BaseEstimator) else copy.deepcopy(callback)
