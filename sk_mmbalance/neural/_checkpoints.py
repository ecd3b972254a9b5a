"""Checkpoints of a fit: what a training is, how far it has come, and going on from there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from skorch.callbacks import Callback
from torch import nn

from ..networks import Draws, ModalityRows, load_state
from ._checkpoint_file import CheckpointFile, checked_folder
from ._marks import mark_of
from ._plain_values import apart

#: Parameters that no training depends on; the seed that `random_state` gave does count.
_BESIDE = frozenset({"checkpoint_dir", "random_state", "verbose", "warm_start"})

#: Settings of the net that do not stand in the estimator's parameters as they are.
_OF_THE_NET = ("amp", "batch_size", "lr", "n_classes", "predict_batch_size", "seed")


class Checkpoints:
    """The checkpoints of one fit, a file for every network that it trains.

    Parameters
    ----------
    estimator : BaseEstimator
        With `checkpoint_dir`, and all other parameters as they are in this fit.
    """

    def __init__(self, estimator: Any):
        checked_folder(estimator.checkpoint_dir, estimator.random_state)
        self._folder = estimator.checkpoint_dir
        self._title = type(estimator).__name__
        self._parameters = mark_of_parameters(estimator)
        self._files: list[CheckpointFile] = []

    def of(self, training: Any) -> TrainingCheckpoint:
        """The checkpoint of a training that is about to begin."""
        net = training.net
        settings = {
            key: value
            for key, value in net.get_params(deep=False).items()
            if key in _OF_THE_NET or key.startswith(("criterion", "optimizer"))
        }
        before = [
            {key: value for key, value in row.items() if key not in ("batches", "dur")}
            for row in net.history
        ]
        mark = mark_of(
            {
                "class": self._title,
                "parameters": self._parameters,
                "settings": settings,
                "device": str(torch.device(net.device).type),
                "weights": dict(net.network.state_dict()),
                "optimizer": net.optimizer_.state_dict(),
                "remembered": [method.remembered(net) for method in net.methods],
                "history": before,
                "rows": _said_of(training.rows),
                "valid": _said_of(training.valid),
                "epochs": training.n_epochs,
                "draws": training.draws.seed,
            }
        )
        file = CheckpointFile(self._folder, self._title, mark)
        self._files.append(file)
        return TrainingCheckpoint(file, training.draws)

    def remove(self) -> None:
        """Remove all files: the fit is done."""
        for file in self._files:
            file.remove()


def mark_of_parameters(estimator: Any) -> str:
    """Mark of all parameters that a fit's result depends on.

    Raises
    ------
    TypeError
        Where a parameter cannot be known again in another process; it names it.
    """
    marks = {}
    for name, value in estimator.get_params(deep=False).items():
        if name in _BESIDE:
            continue
        try:
            marks[name] = mark_of(value)
        except TypeError as error:
            raise TypeError(
                f"`checkpoint_dir` cannot be had with `{name}` {value!r}: a later process could "
                f"not tell whether it is the same ({error}). Give it in plain values, such as a "
                "list of (train, test) in place of an iterator."
            ) from error
    return mark_of(marks)


def _said_of(rows: ModalityRows | None) -> Any:
    if rows is None:
        return None
    return rows.inputs, rows.codes, rows.present, rows.weight, rows.extras


class TrainingCheckpoint:
    """How far one training has come, after each of its epochs.

    The net asks for it at three moments: `take_weights` before anything else, `go_on` when all is
    ready for the first epoch, and `keep` after every epoch.

    Parameters
    ----------
    file : CheckpointFile
        Where it stands.
    draws : Draws
        Where the training's random numbers come from.
    """

    def __init__(self, file: CheckpointFile, draws: Draws):
        self.file = file
        self.draws = draws
        self._found: Any = None
        self._before = 0

    def take_weights(self, net: Any) -> None:
        """Load the weights: methods that look at them before the first epoch see those of now."""
        self._before = len(net.history)
        self._found = self.file.read()
        if self._found is not None:
            load_state(net.network, self._found["network"])
            net.sync_optimizer()

    def go_on(self, net: Any) -> int:
        """Load the rest; gives the number of epochs that are done."""
        found, self._found = self._found, None
        if found is None:
            if net.prepared_by_methods:
                self.keep(net)
            else:
                self._state(net)  # what cannot be kept is refused now, not after the first epoch
            return 0
        for row in found["history"]:
            net.history.new_epoch()
            net.history[-1].update(row)
        _load_optimizer(net, found["optimizer"], found["groups"])
        if isinstance(net.criterion_, nn.Module):
            net.criterion_.load_state_dict(found["criterion"])
        for name, callback in net.callbacks_:
            if name in found["callbacks"]:
                _load(callback, found["callbacks"][name])
        for method, remembered in zip(net.methods, found["methods"], strict=True):
            method.remind(net, remembered)
        self.draws.set_state(found["draws"])
        return len(found["history"])

    def keep(self, net: Any) -> None:
        """Write how far the training has come."""
        self.file.write(self._state(net))

    def _state(self, net: Any) -> dict[str, Any]:
        parameters = {id(p): k for k, (_, p) in enumerate(net.get_all_learnable_params())}
        groups = net.optimizer_.param_groups
        criterion = net.criterion_
        return {
            "network": dict(net.network.state_dict()),
            "criterion": dict(criterion.state_dict()) if isinstance(criterion, nn.Module) else {},
            "optimizer": _plain("optimizer", net.optimizer_, net.optimizer_.state_dict()),
            "groups": [[parameters[id(p)] for p in group["params"]] for group in groups],
            "history": [dict(row) for row in net.history[self._before :]],
            "callbacks": {name: _state_of(callback) for name, callback in net.callbacks_},
            "methods": [method.remembered(net) for method in net.methods],
            "draws": self.draws.state(),
        }


def _load_optimizer(net: Any, state: Mapping[str, Any], groups: list[list[int]]) -> None:
    """Load the optimiser's state, with the parameters of each group in the order they had."""
    parameters = [p for _, p in net.get_all_learnable_params()]
    for group, numbers in zip(net.optimizer_.param_groups, groups, strict=True):
        group["params"][:] = [parameters[number] for number in numbers]
    net.optimizer_.load_state_dict(state)


# -- callbacks -----------------------------------------------------------------------------------


def _state_of(callback: Any) -> dict[str, Any]:
    """What a callback has to remember: what it says itself, or its plain attributes."""
    if _speaks(callback):
        return {"": _plain("callbacks", callback, callback.state_dict())}
    state = {}
    parameters = callback.get_params(deep=False) if isinstance(callback, Callback) else {}
    for name, value in vars(callback).items():
        if callable(value) and not _speaks(value):  # code is no state
            continue
        if isinstance(value, Callback) or _speaks(value):
            state[name] = {"": _state_of(value)}
            continue
        try:
            apart(value, {})
        except TypeError as error:
            if name not in parameters:
                raise _cannot_keep("callbacks", callback, error, f"its `{name}`") from error
        else:
            state[name] = {"value": value}
    return state


def _load(callback: Any, state: Mapping[str, Any]) -> None:
    if _speaks(callback):
        callback.load_state_dict(state[""])
        return
    for name, kept in state.items():
        if "value" in kept:
            setattr(callback, name, kept["value"])
        else:
            _load(getattr(callback, name), kept[""])


def _speaks(value: Any) -> bool:
    """Whether an object says what it has to remember, as torch's schedulers do."""
    return not isinstance(value, type) and all(
        callable(getattr(value, name, None)) for name in ("state_dict", "load_state_dict")
    )


def _plain(parameter: str, owner: Any, state: Any) -> Any:
    """A state, if it can be written."""
    try:
        apart(state, {})
    except TypeError as error:
        raise _cannot_keep(parameter, owner, error, "its `state_dict()`") from error
    return state


def _cannot_keep(parameter: str, owner: Any, error: TypeError, where: str) -> TypeError:
    return TypeError(
        f"`checkpoint_dir` cannot be had with {type(owner).__name__} in `{parameter}`: what it "
        f"has to remember cannot be written ({where}: {error}). Leave one of the two out, or give "
        "it the methods `state_dict()` and `load_state_dict(state)`, of numbers, text, lists, "
        "dicts, arrays and tensors."
    )
