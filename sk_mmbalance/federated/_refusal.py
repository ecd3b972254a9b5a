"""Reasons not to use what a client says of itself, or sends."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ._messages import Failure, Order, Reply
from ._state_dicts import State
from ._task import Task

#: An update so many times as large as the others' is no training.
_HUGE = 1000.0
#: Weights are sums in another order at the server.
_SLACK = 1 + 1e-6
#: Weights are multiplied and added up; beyond this a client's value would spoil the others'.
_MOST = 1e100
#: Integers are counters of batches; what is added to one must never make it wrap round.
_MOST_BATCHES = 10**9


def why_not_described(answer: Reply | Failure, task: Task) -> str | None:
    """Say why a client cannot take part; None if it can."""
    if isinstance(answer, Failure):
        return answer.reason
    n, names = answer.config.get("n"), answer.config.get("modalities")
    if not is_positive(n):
        return f"weight n is {n!r}, not a positive number"
    if not _are_some_of(names, task.names):
        return f"has modalities {names!r}, expected some of {task.names}"
    return None


def is_positive(value: Any) -> bool:
    """Whether a client's value is a positive number that one can calculate with."""
    return is_finite(value) and value > 0


def is_finite(value: Any) -> bool:
    """Whether a client's value is a number that one can calculate with: finite, and not huge."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return abs(value) < _MOST  # comparing asks no integer to become a float


def _are_some_of(names: Any, known: Sequence[str]) -> bool:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return False
    return bool(names) and set(names) <= set(known) and len(set(names)) == len(names)


def why_refuse(
    reply: Reply,
    state: State,
    due: Sequence[str],
    asked: Sequence[str],
    weight: float = math.inf,
    groups: Sequence[str] = (),
) -> str | None:
    """Say why a reply must not be aggregated; None if it may.

    Parameters
    ----------
    reply : Reply
        What came.
    state : dict of str to ndarray
        The global state that was sent.
    due : sequence of str
        Keys that the reply has to bring.
    asked : sequence of str
        Modalities that the client was asked to train.
    weight : float
        What the client said of the weight of its rows at the start.
    groups : sequence of str
        Groups of arrays that the method asks for besides the model.
    """
    n = reply.config.get("n")
    if not is_positive(n):
        return f"weight n is {n!r}, not a positive number"
    if float(n) > weight * _SLACK:  # type: ignore[arg-type]
        return f"weight n is {n!r}, and {weight:g} was its weight at the start"
    used: Any = reply.config.get("modalities")
    if not _are_some_of(used, asked):
        return f"trained {used!r}, was asked for {list(asked)}"
    odd = sorted(set(reply.arrays) - {"model", *groups})
    if odd:
        return f"brings {odd[:3]}, which were not asked for"
    model = reply.arrays.get("model", {})
    if set(model) != set(due):
        odd = sorted(set(model) ^ set(due))[:3]
        return f"model has other entries than were asked for: {odd}"
    for key, value in model.items():
        if value.shape != state[key].shape or value.dtype != state[key].dtype:
            return (
                f"{key} has shape {value.shape} and type {value.dtype}, expected "
                f"{state[key].shape} and {state[key].dtype}"
            )
        if key.endswith("running_var") and (value < 0).any():
            return f"{key} has negative variances"
        if value.dtype.kind in "iu" and ((value < 0) | (value - state[key] > _MOST_BATCHES)).any():
            return f"{key} is {value.tolist()}, was {state[key].tolist()}"
    for group, named in reply.arrays.items():
        for key, value in named.items():
            if value.dtype.kind not in ("iuf" if group == "model" else "f"):
                return f"{group}/{key} has type {value.dtype}"
            if value.dtype.kind != "f":
                continue
            if not np.isfinite(value).all():
                return f"{group}/{key} has NaN or infinite values"
            if value.size and float(abs(value).max()) > _most(value.dtype):
                return f"{group}/{key} has values up to {float(abs(value).max()):.2g}"
    loss = reply.config.get("loss")
    return None if is_finite(loss) else f"loss is {loss!r}, not a finite number"


def _most(dtype: np.dtype) -> float:
    """The largest value with whose square one can still calculate."""
    return math.sqrt(float(np.finfo(dtype).max)) / 1000


def why_too_large(replies: Mapping[str, Reply], state: State) -> dict[str, str]:
    """Say which replies are so much larger than the others that they would drown them.

    What is compared is the length of the update, and that of every other group of arrays, with the
    median of all clients (the lower one of two). An update shorter than the weights is none.
    """
    found: dict[str, str] = {}
    for group in sorted({group for reply in replies.values() for group in reply.arrays}):
        lengths = {c: _length(r, group, state) for c, r in replies.items() if group in r.arrays}
        usual = float(np.quantile(list(lengths.values()), 0.5, method="lower"))
        known = 0.0
        if group == "model":
            known = math.sqrt(sum(_square(w) for w in state.values() if w.dtype.kind == "f"))
        limit = max(_HUGE * usual, 1 + known)
        for client, length in lengths.items():
            if length > limit:
                what = "update" if group == "model" else group
                found.setdefault(
                    client, f"its {what} has length {length:.2g}, usual is {usual:.2g}"
                )
    return found


def _length(reply: Reply, group: str, state: State) -> float:
    named = {key: value for key, value in reply.arrays[group].items() if value.dtype.kind == "f"}
    if group == "model":
        named = {key: value.astype(np.float64) - state[key] for key, value in named.items()}
    return math.sqrt(sum(_square(value) for value in named.values()))


def _square(values: np.ndarray) -> float:
    return float(np.sum(np.square(values, dtype=np.float64)))


def why_not_carry_out(order: Order) -> str | None:
    """Say why a client must not carry out an order; None if it may.

    What it keeps to itself would be spoilt by weights that are none.
    """
    for group, named in order.arrays.items():
        for key, value in named.items():
            if value.dtype.kind == "f" and not np.isfinite(value).all():
                return f"{group}/{key} has NaN or infinite values"
    if order.kind not in ("train", "probe"):
        return None
    lr: Any = order.config.get("lr")
    epochs = order.config.get("epochs")
    if not (is_finite(lr) and lr >= 0):
        return f"learning rate {lr!r}, not a number of at least 0"
    if not isinstance(epochs, int) or epochs < 1:
        return f"{epochs!r} epochs"
    return None


def why_not_measured(answer: Reply | Failure, task: Task, weight: float = math.inf) -> str | None:
    """Say why an answer to an evaluate order cannot be counted; None if it can."""
    if isinstance(answer, Failure):
        return answer.reason
    about = answer.config
    names: Any = about.get("modalities")
    hits: Any = about.get("own_correct")
    totals: Any = about.get("own_n")
    if not (isinstance(hits, list) and isinstance(totals, list)):
        return "no figures of single modalities"
    if not _are_some_of(names, task.names) or not len(names) == len(hits) == len(totals):
        return f"figures of modalities {names!r}, expected some of {task.names}"
    for correct, n in [(about.get("correct"), about.get("n")), *zip(hits, totals, strict=True)]:
        if not (is_finite(correct) and is_finite(n) and 0 <= correct <= n * _SLACK):
            return f"{correct!r} of {n!r} rows is no count"
        if n > weight * _SLACK:
            return f"{n!r} rows, and {weight:g} was its weight at the start"
    return None if about["n"] else "no rows"
