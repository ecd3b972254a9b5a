"""One global state from several clients' replies, block by block."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from .. import networks
from ._state_dicts import State

#: Block of what all participants train: the fusion.
SHARED = ""


def split_by_modality(keys: Iterable[str], names: Iterable[str]) -> dict[str, list[str]]:
    """Split the keys of a state dict into blocks that are averaged over different clients.

    The fusion is the head H of all participants, its columns for a single modality included. All
    else of the network (encoder, projectors, classifier) belongs to one modality.

    Parameters
    ----------
    keys : iterable of str
        Keys of a state dict.
    names : iterable of str
        Modalities.

    Returns
    -------
    dict of str to list of str
        Keys by modality; under ``""`` those of the fusion.

    Examples
    --------
    >>> from sk_mmbalance.federated import split_by_modality
    >>> split_by_modality(["backbones.m_face.0.weight", "fusion.bias"], ["face"])
    {'': ['fusion.bias'], 'face': ['backbones.m_face.0.weight']}
    """
    by_key = {networks.safe_key(name): name for name in names}
    blocks: dict[str, list[str]] = {SHARED: [], **{name: [] for name in sorted(by_key.values())}}
    for key in keys:
        path = key.split(".")
        own = path[0] != "fusion" and len(path) > 1 and path[1] in by_key
        blocks[by_key[path[1]] if own else SHARED].append(key)
    return blocks


#: Ways to make one state of several.
AGGREGATIONS = ("mean", "median", "trimmed_mean", "clipped")


def aggregate(
    state: State,
    updates: Sequence[tuple[float, Mapping[str, np.ndarray]]],
    how: str = "mean",
    trim: float = 0.2,
    clip_norm: float | str = "median",
) -> State:
    """One state of several clients' entries; what nobody brings stays as it was.

    Parameters
    ----------
    state : dict of str to ndarray
        The global state before.
    updates : sequence of (float, dict of str to ndarray)
        Weight ``n_k`` and entries of every client.
    how : {"mean", "median", "trimmed_mean", "clipped"}, default="mean"
        `weighted_means`; the median of each entry; the mean of each entry without the smallest and
        the largest values; or the weighted mean of updates that are shortened to a length. The
        second and the third count every client alike.
    trim : float, default=0.2
        Share of the clients left out at either end.
    clip_norm : float or "median", default="median"
        Length to which longer updates are shortened; "median" is the median of their lengths.

    References
    ----------
    .. [1] Yin et al., "Byzantine-Robust Distributed Learning: Towards Optimal Statistical Rates",
       ICML 2018: median and trimmed mean by entry.
    .. [2] Sun et al., "Can You Really Backdoor Federated Learning?", arXiv 1911.07963: clipping.
    """
    if how == "mean":
        return weighted_means(state, updates)
    if how == "clipped":
        return weighted_means(state, _clipped(state, updates, clip_norm))
    new = {}
    for key, old in state.items():
        brought = [arrays[key] for _, arrays in updates if key in arrays]
        if not brought:
            new[key] = old
        elif old.dtype.kind != "f":
            new[key] = np.array(np.maximum.reduce(brought))
        elif how == "median":
            new[key] = np.asarray(np.median(np.stack(brought), axis=0)).astype(old.dtype)
        else:
            new[key] = np.asarray(_trimmed_mean(np.stack(brought), trim)).astype(old.dtype)
    return new


def _trimmed_mean(values: np.ndarray, trim: float) -> np.ndarray:
    n, cut = len(values), int(trim * len(values))
    return np.mean(np.partition(values, (cut, n - cut - 1), axis=0)[cut : n - cut], axis=0)


def clip_limit(
    state: State,
    updates: Sequence[tuple[float, Mapping[str, np.ndarray]]],
    clip_norm: float | str,
) -> float:
    """Length to which longer updates are shortened; "median" is that of these updates."""
    if isinstance(clip_norm, str):
        return float(np.median([_length(state, arrays) for _, arrays in updates]))
    return clip_norm


def _clipped(
    state: State,
    updates: Sequence[tuple[float, Mapping[str, np.ndarray]]],
    clip_norm: float | str,
) -> list[tuple[float, dict[str, np.ndarray]]]:
    limit = clip_limit(state, updates, clip_norm)
    found = []
    for n, arrays in updates:
        length = _length(state, arrays)
        scale = min(1.0, limit / length) if length else 1.0
        found.append(
            (
                n,
                {
                    key: state[key] + scale * (value.astype(np.float64) - state[key])
                    if value.dtype.kind == "f" and scale < 1
                    else value
                    for key, value in arrays.items()
                },
            )
        )
    return found


def _length(state: State, arrays: Mapping[str, np.ndarray]) -> float:
    """Euclidean length of an update, over all that it brings."""
    steps = [
        value.astype(np.float64) - state[key]
        for key, value in arrays.items()
        if value.dtype.kind == "f"
    ]
    return math.sqrt(sum(float(np.sum(step**2)) for step in steps))


def weighted_means(
    state: State, updates: Sequence[tuple[float, Mapping[str, np.ndarray]]]
) -> State:
    """Mean of each entry over the updates that bring it, weighted with n; else unchanged.

    It is computed as ``w + sum_k n_k (w_k - w) / sum_k n_k`` in float64, which leaves an entry
    that no client has moved exactly where it was. Integer entries (counters of batch
    normalisation) are not averaged: the largest is copied.

    Parameters
    ----------
    state : dict of str to ndarray
        The global state before.
    updates : sequence of (float, dict of str to ndarray)
        Weight ``n_k`` and entries of every client.
    """
    new = {}
    for key, old in state.items():
        brought = [(n, arrays[key]) for n, arrays in updates if key in arrays]
        if not brought:
            new[key] = old
        elif old.dtype.kind != "f":
            new[key] = np.array(np.maximum.reduce([value for _, value in brought]))
        else:
            total = sum(n for n, _ in brought)
            base = old.astype(np.float64)
            step = sum((n / total) * (value - base) for n, value in brought)
            new[key] = np.asarray(base + step).astype(old.dtype)
    return new
