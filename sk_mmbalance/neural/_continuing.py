"""What may change between two calls that train the same network, in one list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone

from ..balancing import Balancing

#: Parameters that the next call of a fit that goes on takes as they are then.
MAY_CHANGE = frozenset(
    {
        "amp",
        "batch_size",
        "callbacks",
        "checkpoint_dir",
        "class_weight",
        "cv",
        "early_stopping",
        "fusion_weights",
        "lr",
        "lr_schedule",
        "max_epochs",
        "missing",
        "modalities",
        "n_iter_no_change",
        "predict_batch_size",
        "remix_after",
        "validation_fraction",
        "verbose",
        "warm_start",
    }
)


def remember_parameters(estimator: Any) -> dict[str, Any]:
    """Parameters as they are now; what may be changed in place later is copied."""
    return {name: _kept(value) for name, value in estimator.get_params(deep=False).items()}


def refuse_changes(estimator: Any, first: Mapping[str, Any]) -> None:
    """Refuse parameters that differ from those of the first fit and cannot be taken over.

    A method's own parameters may change, save those that shape the network. `unimodal_weight` may
    change as long as there are heads, or none, as before.
    """
    method = estimator._preset_of
    called = estimator._called
    free = set(MAY_CHANGE)
    if method is not None:
        mine = set(method._get_param_names())
        free |= {called.get(name, name) for name in mine - method._fixed}
        free -= {called.get(name, name) for name in method._fixed}
    for name, now in estimator.get_params(deep=False).items():
        before = first[name]
        if name in free or same(before, now):
            continue
        if name == "balancing" and type(before) is type(now):
            _refuse_fixed(before, now)
        elif name != "unimodal_weight" or (_weight(before) > 0) != (_weight(now) > 0):
            _refuse(name, before, now)


def _weight(value: Any) -> float:
    return 1.0 if value == "auto" else value


def _refuse_fixed(before: Balancing, now: Balancing) -> None:
    was = before.get_params(deep=False)
    for name, value in now.get_params(deep=False).items():
        if name in now._fixed and not same(was[name], value):
            _refuse(f"balancing__{name}", was[name], value)


def _refuse(name: str, before: Any, now: Any) -> None:
    raise ValueError(
        f"`{name}` was {before!r} when this network was first fitted and is {now!r} now; it cannot "
        "change while training goes on. Set it back, or fit anew: warm_start=False, or a clone."
    )


def same(a: Any, b: Any) -> bool:
    """Whether two parameters say the same; modules and classes do only if they are the same."""
    if a is b:
        return True
    if type(a) is not type(b):
        return isinstance(a, int | float) and isinstance(b, int | float) and a == b
    if isinstance(a, Mapping):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b)
    if isinstance(a, BaseEstimator):
        return same(a.get_params(deep=False), b.get_params(deep=False))
    try:
        return bool(a == b)
    except ValueError:  # compared entry by entry, as tables are
        return False


def _kept(value: Any) -> Any:
    if isinstance(value, Balancing):
        return clone(value)
    if isinstance(value, Mapping):
        return {key: _kept(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_kept(item) for item in value)
    return value.copy() if isinstance(value, np.ndarray) else value
