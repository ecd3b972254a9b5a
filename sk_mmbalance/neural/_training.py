"""From the estimator's words ("adamw", "cosine", "auto") to torch and skorch objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from skorch.callbacks import Callback, LRScheduler

OPTIMIZERS: dict[str, tuple[type[torch.optim.Optimizer], dict[str, Any]]] = {
    "adamw": (torch.optim.AdamW, {"fused": True}),
    "adam": (torch.optim.Adam, {"fused": True}),
    "sgd": (torch.optim.SGD, {"momentum": 0.9, "fused": True}),
}

#: Optimisers that treat every number by itself: what they do to a table they do to
#: its rows.
BY_ELEMENT = (
    torch.optim.ASGD,
    torch.optim.Adadelta,
    torch.optim.Adagrad,
    torch.optim.Adam,
    torch.optim.AdamW,
    torch.optim.Adamax,
    torch.optim.NAdam,
    torch.optim.RAdam,
    torch.optim.RMSprop,
    torch.optim.Rprop,
    torch.optim.SGD,
)

LR_SCHEDULES = ("cosine", "plateau")

#: What ``batch_size="auto"`` is below `LARGE_DATA` rows, and from there on.
SMALL_BATCH, LARGE_BATCH = 64, 256
LARGE_DATA = 5000


@dataclass(frozen=True)
class TrainingPlan:
    """From which seed, for how many epochs and in batches of how many rows a net is trained."""

    seed: int
    n_epochs: int
    batch_size: int


def choose_batch_size(batch_size: int | str, n_rows: int) -> int:
    """Resolve ``"auto"``: larger batches from some thousands of rows on."""
    if batch_size != "auto":
        return int(batch_size)
    return SMALL_BATCH if n_rows < LARGE_DATA else LARGE_BATCH


def optimizer_settings(optimizer: Any, weight_decay: float) -> dict[str, Any]:
    """Return skorch's settings for an optimiser's name or class."""
    if isinstance(optimizer, str):
        cls, options = OPTIMIZERS[optimizer]
    else:
        if not issubclass(optimizer, torch.optim.Optimizer):
            raise TypeError(
                f"`optimizer` must be one of {sorted(OPTIMIZERS)} or a class of "
                f"torch.optim.Optimizer; got {optimizer!r}."
            )
        cls, options = optimizer, {}
    settings: dict[str, Any] = {"optimizer": cls}
    settings.update({f"optimizer__{key}": value for key, value in options.items()})
    if weight_decay:
        settings["optimizer__weight_decay"] = weight_decay
    elif isinstance(optimizer, str):
        settings["optimizer__weight_decay"] = 0.0  # AdamW's own default is not zero
    return settings


#: What `net_params` may set: what skorch knows and this net uses, by name or by prefix.
NET_PARAMS = ("batch_size", "criterion", "lr", "optimizer", "predict_nonlinearity")
NET_PARAM_GROUPS = ("callbacks__", "compile__", "criterion__", "optimizer__")


def checked_net_params(net_params: Any, loss: type) -> dict[str, Any]:
    """Refuse settings of skorch's net that have no effect here, or a parameter of their own.

    Another criterion has to be one like the `loss` of the target, which says more than a loss.
    """
    given = dict(net_params or {})
    for key in given:
        if key not in NET_PARAMS and not str(key).startswith(NET_PARAM_GROUPS):
            raise ValueError(
                f"`net_params` cannot set {key!r}: it may have {list(NET_PARAMS)} and names that "
                f"begin with one of {list(NET_PARAM_GROUPS)}. Rows, batches and the number of "
                "epochs are the estimator's own; see its parameters."
            )
    criterion = given.get("criterion", loss)
    if not (isinstance(criterion, type) and issubclass(criterion, loss)):
        raise ValueError(
            f"`net_params` has the criterion {criterion!r}, which must be a subclass of "
            f"{loss.__module__.rpartition('.')[0]}.{loss.__name__}: beside the loss of every row "
            "it says how right each modality is. Override its `forward`."
        )
    return given


def schedule_callback(schedule: Any, max_epochs: int, monitor: str) -> Callback | None:
    """Return a callback for ``"cosine"``, ``"plateau"`` or a skorch `LRScheduler`."""
    if schedule is None:
        return None
    if isinstance(schedule, LRScheduler):
        return schedule
    if schedule == "cosine":
        return LRScheduler("CosineAnnealingLR", T_max=max_epochs, last_epoch=-1)
    return LRScheduler("ReduceLROnPlateau", monitor=monitor, factor=0.3, patience=5)


def start_momentum(optimizer: torch.optim.Optimizer) -> None:
    """Give every parameter its momentum, zero at first.

    torch's fused SGD makes it at a parameter's first step, and fails where some parameters of a
    step have theirs and others not: a shared layer may take steps before an encoder does.
    """
    if not isinstance(optimizer, torch.optim.SGD):
        return
    for group in optimizer.param_groups:
        if group["momentum"] and group["fused"]:
            for parameter in group["params"]:
                optimizer.state[parameter].setdefault(
                    "momentum_buffer", torch.zeros_like(parameter)
                )


def clear_gradients(optimizer: torch.optim.Optimizer) -> None:
    """Forget the last step's gradients: ``optimizer.zero_grad()`` without its profiling hooks."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = None
