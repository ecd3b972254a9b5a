"""What can be trained in one stack, and what keeps an estimator or a training out of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from skorch.callbacks import EarlyStopping, EpochTimer, LRScheduler, PassthroughScoring
from torch import nn

from ..balancing import Balancing, hooks_of
from ..networks import SparseInput
from ..neural import BY_ELEMENT, BestWeights, EpochBar, Training, hands_out, preset_of, same
from ._trial import draws_at_random

#: Parameters that may differ within a stack: numbers of a training, and what shapes no network.
FREE = frozenset(
    {
        "class_weight",
        "cv",
        "early_stopping",
        "lr",
        "lr_schedule",
        "max_epochs",
        "missing",
        "modalities",
        "n_iter_no_change",
        "predict_batch_size",
        "random_state",
        "unimodal_weight",
        "validation_fraction",
        "verbose",
        "warm_start",
        "weight_decay",
    }
)

#: What schedules may look at: the figures that a stack has of an epoch.
FIGURES = ("train_loss", "valid_loss")

#: Layers that keep statistics of batches.
WITH_STATISTICS = (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm)

#: Callbacks that live between the epochs, and need no more than the losses.
BETWEEN_EPOCHS = (BestWeights, EarlyStopping, EpochBar, EpochTimer, LRScheduler, PassthroughScoring)


def why_not_estimator(estimator: Any) -> str:
    """Why an estimator cannot be in a stack; empty if it may be."""
    if not hands_out(estimator):
        return f"{type(estimator).__name__} is no neural estimator of this package"
    if estimator.callbacks:
        return "`callbacks` of your own may want to hear of every batch"
    if estimator.checkpoint_dir is not None:
        return "`checkpoint_dir` keeps how far each network has come by itself"
    if estimator.compile:
        return "`compile=True`"
    if estimator.amp:
        return "`amp=True`"
    return ""


def cuts_batches(methods: Sequence[Any]) -> bool:
    """Whether some of the methods cut batches of their own, of some modalities each."""
    return bool(hooks_of(methods)["batches"])


def why_not_training(training: Training) -> str:
    """Why a training cannot be in a stack; empty if it can."""
    net = training.net
    network = net.network
    for method in net.methods:
        if not vars(type(method)).get("_stacks", False):  # a subclass may do otherwise
            return f"{type(method).__name__}() trains in steps of its own"
        if reason := method.why_not_stacked():
            return reason
        if len(net.methods) > 1 and cuts_batches([method]):
            return f"{type(method).__name__}() cuts batches beside another method"
    if not isinstance(net.optimizer_, BY_ELEMENT):
        return f"the optimiser {type(net.optimizer_).__name__} is not one that works by element"
    if len(net.optimizer_.param_groups) > 1:
        return "the optimiser has several groups of parameters"
    for module in network.modules():
        if isinstance(module, WITH_STATISTICS):
            return f"{type(module).__name__} keeps statistics of batches"
        if isinstance(module, nn.modules.dropout._DropoutNd) and module.p > 0:
            return "dropout draws at random in every step"
        if isinstance(module, nn.RNNBase):
            return f"{type(module).__name__} has no batched form in torch"
        if isinstance(module, nn.MultiheadAttention) and module.dropout > 0:
            return "dropout draws at random in every step"
    for rows in (training.rows, training.valid):
        if rows is None:
            continue
        if any(isinstance(x, SparseInput) for x in rows.inputs.values()):
            return "sparse modalities are read batch by batch"
        if not rows.resident:
            return "the rows do not fit on the device"
    if draws_at_random(training):
        return "the network draws at random in every step"
    return _why_not_callbacks(net)


def _why_not_callbacks(net: Any) -> str:
    for name, callback in net.callbacks_:
        if type(callback) not in BETWEEN_EPOCHS:
            return f"the callback {name!r} may want to hear of every batch"
        if isinstance(callback, LRScheduler):
            if callback.step_every != "epoch":
                return "the learning rate changes from batch to batch"
            if isinstance(callback.monitor, str) and callback.monitor not in FIGURES:
                return f"`lr_schedule` looks at {callback.monitor!r}"
    return ""


# -- who goes with whom ------------------------------------------------------------------------


def structure(estimator: Any) -> dict[str, Any]:
    """Parameters that have to be the same in a stack."""
    held = {
        name: value for name, value in estimator.get_params(deep=False).items() if name not in FREE
    }
    weight = estimator.get_params(deep=False).get("unimodal_weight", "auto")
    numbers, held = _without_numbers(estimator, held)
    return {"": type(estimator), **held, **numbers, "heads": weight == "auto" or weight > 0}


def _without_numbers(estimator: Any, held: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Numbers of the balancing method that may differ, as whether they are 0; and the rest."""
    value = getattr(estimator, "balancing", None)
    if isinstance(value, Balancing):
        held = {**held, "balancing": type(value)}
        own = {f"balancing__{k}": v for k, v in value.get_params(deep=False).items()}
        free = {f"balancing__{name}" for name in value._stacked_numbers}
        apart = {f"balancing__{name}" for name in value._each_its_own}
    else:
        own, (preset, called) = held, preset_of(estimator)
        free = {called.get(name, name) for name in preset._stacked_numbers} if preset else set()
        apart = {called.get(name, name) for name in preset._each_its_own} if preset else set()
        held = {}
    return {k: bool(v) if k in free else v for k, v in own.items() if k not in apart}, held


def form(training: Training) -> tuple[Any, ...]:
    """What the nets of a stack must have in common besides the parameters."""
    net, rows, valid = training.net, training.rows, training.valid
    tensors = [*net.network.named_parameters(), *net.network.named_buffers()]
    return (
        tuple((name, tuple(t.shape), t.dtype, t.requires_grad) for name, t in tensors),
        net.batch_size,
        type(net.criterion_),
        type(net.optimizer_),
        bool(net.unimodal_weight),
        torch.device(net.device),
        tuple(sorted(rows.inputs)),
        rows.present is None,
        rows.weight is None,
        valid is not None and (valid.present is None, valid.weight is None),
        len(net.history),
        getattr(net.criterion_, "scale", None) if net.methods else None,
        net.seed if any(method._draws for method in net.methods) else None,
    )


def in_groups(items: Sequence[Any], keys: Sequence[Any]) -> list[list[Any]]:
    """Items whose keys are the same, in the order in which they come first."""
    groups: list[tuple[Any, list[Any]]] = []
    for item, key in zip(items, keys, strict=True):
        for known, members in groups:
            if same(known, key):
                members.append(item)
                break
        else:
            groups.append((key, [item]))
    return [members for _, members in groups]
