"""Reasons not to use what a client says of itself, or sends."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ._messages import Failure, Reply
from ._state_dicts import State
from ._task import Task


def why_not_described(answer: Reply | Failure, task: Task) -> str | None:
    """Say why a client cannot take part; None if it can."""
    if isinstance(answer, Failure):
        return answer.reason
    n, names = answer.config.get("n"), answer.config.get("modalities")
    if not isinstance(n, int | float) or not 0 < n < float("inf"):
        return f"weight n is {n!r}, not a positive number"
    if not isinstance(names, list) or not names or not set(names) <= set(task.names):
        return f"has modalities {names!r}, expected some of {task.names}"
    return None


def why_refuse(reply: Reply, state: State, due: Sequence[str], asked: Sequence[str]) -> str | None:
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
    """
    n = reply.config.get("n")
    if not isinstance(n, int | float) or isinstance(n, bool) or not 0 < n < float("inf"):
        return f"weight n is {n!r}, not a positive number"
    used = reply.config.get("modalities")
    if not isinstance(used, list) or not used or not set(used) <= set(asked):
        return f"trained {used!r}, was asked for {list(asked)}"
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
    for group, named in reply.arrays.items():
        for key, value in named.items():
            if value.dtype.kind == "f" and not np.isfinite(value).all():
                return f"{group}/{key} has NaN or infinite values"
    return None


def why_not_measured(answer: Reply | Failure, task: Task) -> str | None:
    """Say why an answer to an evaluate order cannot be counted; None if it can."""
    if isinstance(answer, Failure):
        return answer.reason
    about = answer.config
    names, hits, totals = (about.get(k) for k in ("modalities", "own_correct", "own_n"))
    if not all(isinstance(part, list) for part in (names, hits, totals)):
        return "no figures of single modalities"
    if not len(names) == len(hits) == len(totals) or not set(names) <= set(task.names):  # type: ignore[arg-type]
        return f"figures of modalities {names!r}, expected some of {task.names}"
    pairs = [(about.get("correct"), about.get("n")), *zip(hits, totals, strict=True)]  # type: ignore[arg-type]
    for correct, n in pairs:
        if not (isinstance(correct, int | float) and isinstance(n, int | float)):
            return f"{correct!r} of {n!r} rows is no count"
        if not 0 <= correct <= n * (1 + 1e-9) < float("inf"):  # NaN fails this as well
            return f"{correct!r} of {n!r} rows is no count"
    return None if about["n"] else "no rows"
