"""From an estimator's parameters to its torch module and its skorch net."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from numbers import Real
from typing import Any, ClassVar

import torch
from sklearn.base import BaseEstimator, clone
from skorch.callbacks import EarlyStopping, LRScheduler
from torch import nn

from ..networks import (
    ClassLoss,
    LateFusion,
    MultimodalModule,
    make_backbones,
    make_fusion,
    not_ours,
)
from ._progress import EpochBar
from ._training import TrainingPlan, optimizer_settings, schedule_callback
from .net import MultimodalNet
from .remix import Remixing


class NetBuilding:
    """Builds modules and nets; a method overrides what it says of itself.

    The parameters are those of `BaseMultimodalClassifier`.
    """

    backbones: Any
    hidden_layer_sizes: Any
    dropout: float
    embedding_dim: int
    remix_after: Any
    fusion_weights: Any
    lr: float
    lr_schedule: Any
    optimizer: Any
    weight_decay: float
    n_iter_no_change: int
    amp: bool
    compile: bool
    callbacks: Any
    net_params: Any
    verbose: int

    _net_class: ClassVar[type[MultimodalNet]] = MultimodalNet

    # -- what a method says of itself ------------------------------------------------------

    def _net_options(self) -> dict[str, Any]:
        """Return the constructor arguments of `_net_class` that come from the parameters."""
        return {}

    def _fusion(self) -> tuple[Any, dict[str, Any]]:
        """Return the choice of fusion and its options."""
        return "concat", {}

    def _with_heads(self) -> bool:
        """Whether every modality gets a classifier of its own beside the fusion."""
        return False

    def _remixing(self, names: list[str]) -> Remixing | None:
        """Return the plan of remixed epochs over modalities `names`."""
        return None if self.remix_after is None else Remixing(self.remix_after)

    def _check_net(self, net: MultimodalNet) -> None:
        """Refuse a net that the method cannot be trained with, new or continued."""

    # -- modules and nets ------------------------------------------------------------------

    def _make_module(
        self, shapes: dict[str, tuple[int, ...]], n_classes: int, dtype: torch.dtype
    ) -> MultimodalModule:
        built = make_backbones(
            self.backbones,
            shapes,
            dtype,
            embedding_dim=self.embedding_dim,
            hidden_layer_sizes=tuple(self.hidden_layer_sizes),
            dropout=self.dropout,
        )
        dims = {name: size for name, (_, size) in built.items()}
        self._check_fusion_weights(sorted(dims))
        choice, options = self._fusion()
        fusion = make_fusion(choice, dims, n_classes, dropout=self.dropout, **options)
        heads = None
        if self._with_heads() and not isinstance(fusion, LateFusion):
            heads = {name: nn.Linear(dims[name], n_classes) for name in sorted(dims)}
        backbones = {name: module for name, (module, _) in built.items()}
        copied = not_ours(self.backbones, sorted(dims))
        module = MultimodalModule(backbones, fusion, heads, copied).to(dtype)
        asked = self.fusion_weights is not None and self.fusion_weights != "auto"
        if asked and not module.has_own_logits:
            raise ValueError(
                "`fusion_weights` needs classifiers of single modalities to weigh: "
                f"`fusion='late'` or `unimodal_weight` above 0; got {self.fusion_weights!r} with "
                "neither."
            )
        return module

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
    ) -> MultimodalNet:
        settings: dict[str, Any] = {
            "criterion": ClassLoss,
            "criterion__reduction": "none",
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
            "remixing": self._remixing(module.names),
            "verbose": 0,
            **optimizer_settings(self.optimizer, self.weight_decay),
            **self._net_options(),
            **(self.net_params or {}),
        }
        net = self._net_class(module.to(device), **settings).initialize()
        self._check_net(net)
        return net

    def _make_callbacks(self, n_epochs: int, validating: bool) -> list[Any]:
        monitor = "valid_loss" if validating else "train_loss"
        callbacks: list[Any] = []
        schedule = schedule_callback(self.lr_schedule, n_epochs, monitor)
        if schedule is not None:
            callbacks.append(("lr_schedule", copy.deepcopy(schedule)))
        callbacks += [_copy_callback(callback) for callback in self.callbacks or []]
        if validating:
            stopping = EarlyStopping(
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
        net.set_params(
            lr=self.lr,
            batch_size=plan.batch_size,
            remixing=self._remixing(net._module().names),
        )
        self._check_net(net)


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
