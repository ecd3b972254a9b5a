"""Robust aggregation by Flower's own strategies, block by block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from flwr.app import Message, Metadata, MetricRecord, RecordDict
from flwr.serverapp.strategy import FedAvg, FedMedian, FedTrimmedAvg
from flwr.supercore.differential_privacy import compute_clip_model_update

from .._aggregation import clip_limit, weighted_means
from .._state_dicts import State
from ._records import array_record

Updates = Sequence[tuple[float, Mapping[str, np.ndarray]]]


def combine(state: State, updates: Updates, how: str, trim: float, clip_norm: float | str) -> State:
    """One state of several clients' entries, as `aggregate` makes it, by Flower's strategies.

    Flower's strategies want all clients to bring the same entries, and ours bring those of their
    modalities: so each strategy is asked once for every group of entries that come from the same
    clients. "mean" and the counters of batch normalisation stay ours, for Flower would move
    entries that no client has moved by a rounding, and make fractions of counters.

    Parameters
    ----------
    state : dict of str to ndarray
        The global state before.
    updates : sequence of (float, dict of str to ndarray)
        Weight ``n_k`` and entries of every client.
    how : {"mean", "median", "trimmed_mean", "clipped"}
        ``FedMedian``; ``FedTrimmedAvg``; or ``FedAvg`` of updates that are shortened as Flower's
        differential privacy with fixed clipping does it.
    trim : float
        Share of the clients left out at either end.
    clip_norm : float or "median"
        Length to which longer updates are shortened.
    """
    ours = weighted_means(state, updates)
    if how == "mean":
        return ours
    new = {key: ours[key] for key, value in state.items() if value.dtype.kind != "f"}
    if how == "clipped":
        updates = _clipped(state, updates, clip_limit(state, updates, clip_norm))
    for clients, keys in _groups(state, updates).items():
        if not clients:
            new |= {key: state[key] for key in keys}
            continue
        replies = [_reply(updates[number], keys) for number in clients]
        found, _ = _strategy(how, trim).aggregate_train(0, replies)
        assert found is not None  # there are replies
        new |= {key: found[key].numpy().astype(state[key].dtype) for key in keys}
    return {key: new[key] for key in state}


def _strategy(how: str, trim: float) -> FedAvg:
    if how == "median":
        return FedMedian()
    return FedTrimmedAvg(beta=trim) if how == "trimmed_mean" else FedAvg()


def _groups(state: State, updates: Updates) -> dict[tuple[int, ...], list[str]]:
    """Entries by the numbers of the clients that bring them."""
    found: dict[tuple[int, ...], list[str]] = {}
    for key, value in state.items():
        if value.dtype.kind == "f":
            clients = tuple(i for i, (_, arrays) in enumerate(updates) if key in arrays)
            found.setdefault(clients, []).append(key)
    return found


def _clipped(state: State, updates: Updates, limit: float) -> Updates:
    """Updates shortened by Flower's code, in double precision."""
    found = []
    for n, arrays in updates:
        keys = [key for key, value in arrays.items() if value.dtype.kind == "f"]
        # Flower shortens in place, which a single number (of no dimension) does not allow
        before = [np.atleast_1d(state[key].astype(np.float64)) for key in keys]
        after = [np.atleast_1d(arrays[key].astype(np.float64)) for key in keys]
        # Flower divides by the length
        if any((one != other).any() for one, other in zip(before, after, strict=True)):
            compute_clip_model_update(after, before, limit)
        named = zip(keys, after, strict=True)
        found.append((n, {key: value.reshape(state[key].shape) for key, value in named}))
    return found


def _reply(update: tuple[float, Mapping[str, np.ndarray]], keys: Sequence[str]) -> Message:
    """One client's entries as what a Flower strategy takes in."""
    n, arrays = update
    content = RecordDict(
        {
            "arrays": array_record({key: arrays[key] for key in keys}),
            "metrics": MetricRecord({"num-examples": n}),
        }
    )
    about = Metadata(0, "", 0, 0, "", "", 0.0, 0.0, "train")
    return Message(content=content, metadata=about)  # type: ignore[call-overload]
