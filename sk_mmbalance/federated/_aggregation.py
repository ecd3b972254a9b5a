"""One global state from several clients' replies, block by block."""

from __future__ import annotations

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
