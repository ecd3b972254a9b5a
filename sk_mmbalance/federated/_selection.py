"""Choosing clients, and which of them train their weak modality alone: greedy facility location."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.spatial.distance import cdist

#: What covers a client before anybody is chosen: farther than any distance.
_UNCOVERED = 1e11


def update_distances(updates: list[list[np.ndarray]], metric: str = "euclidean") -> np.ndarray:
    """Distances between clients by what they changed.

    Parameters
    ----------
    updates : list of list of ndarray
        For each client, one vector for each modality; of zeros for one it has not changed.
    metric : {"euclidean", "cosine"}, default="euclidean"
        Of the joined vectors; or the sum over modalities of one minus the cosine, which neither a
        larger encoder nor a longer update dominates.

    Returns
    -------
    ndarray of shape (n_clients, n_clients)
        Symmetric, zero on the diagonal.
    """
    n = len(updates)
    if metric == "euclidean":
        joined = np.stack([np.concatenate(parts) for parts in updates]).astype(np.float64)
        return cdist(joined, joined)
    total = np.zeros((n, n))
    for part in range(len(updates[0])):
        vectors = np.stack([parts[part] for parts in updates]).astype(np.float64)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit = vectors / np.where(lengths > 0, lengths, 1)
        total += 1 - unit @ unit.T
    np.fill_diagonal(total, 0)
    return np.maximum(total, 0)


def distance_table(
    vectors: Mapping[str, Mapping[str, np.ndarray]],
    clients: Sequence[str],
    names: Sequence[str],
    counted: np.ndarray,
    metric: str,
) -> np.ndarray:
    """Distances between the clients that are counted; zeros elsewhere.

    Parameters
    ----------
    vectors : dict of client to dict of str to ndarray
        What each client changed in the encoder of each modality; one that a client lacks has not
        been moved by it.
    clients : sequence of str
        Rows and columns of the table.
    names : sequence of str
        Modalities that are looked at.
    counted : ndarray of bool of shape (n_clients,)
        Clients that stand in the table.
    metric : {"euclidean", "cosine"}
        As in `update_distances`.

    Returns
    -------
    ndarray of shape (n_clients, n_clients)
        The distances.
    """
    table = np.zeros((len(clients), len(clients)))
    where = np.flatnonzero(counted)
    if len(where):
        own = [vectors[clients[int(i)]] for i in where]
        sizes = {m: len(u) for update in own for m, u in update.items()}
        updates = [[u.get(m, np.zeros(sizes[m])) for m in names if m in sizes] for u in own]
        table[np.ix_(where, where)] = update_distances(updates, metric)
    return table


def greedy_selection(
    joint: np.ndarray,
    weak: np.ndarray,
    can_join: np.ndarray,
    can_weak: np.ndarray,
    lopsided: np.ndarray,
    n_chosen: int,
    n_candidates: int,
    rng: np.random.Generator,
) -> list[tuple[int, bool]]:
    """Choose clients so that the chosen ones' updates stand close to everybody's.

    Each table D has the objective ``G(S) = sum_j min_{i in S} D[j, i]``. In every step the best
    candidate of each table is found among a random subset of the clients; the weak modality's
    candidate is taken, to train that modality alone, if it is lopsided, else the joint one. Only
    the table that was used counts it as covered.

    Parameters
    ----------
    joint, weak : ndarray of shape (n_clients, n_clients)
        Distances by all encoders, and by the weak modality's.
    can_join, can_weak : ndarray of bool of shape (n_clients,)
        Clients that stand in each table; other rows and columns are not looked at.
    lopsided : ndarray of bool of shape (n_clients,)
        Clients in which the weak modality is far behind.
    n_chosen : int
        Clients wanted.
    n_candidates : int
        Size of the random subsets.
    rng : numpy Generator
        Draws the subsets.

    Returns
    -------
    list of (int, bool)
        Client, and whether it trains the weak modality alone; in order of choice. Fewer than
        `n_chosen` if there are not as many in the tables.
    """
    cover, cover_weak = (np.full(len(joint), _UNCOVERED) for _ in range(2))
    left = np.flatnonzero(can_join | can_weak)
    chosen: list[tuple[int, bool]] = []
    while len(chosen) < n_chosen and len(left):
        some = rng.choice(left, min(n_candidates, len(left)), replace=False)
        some.sort()  # of equals the first client is taken, whatever the order of the draw
        best = _best(joint, cover, can_join, some[can_join[some]])
        best_weak = _best(weak, cover_weak, can_weak, some[can_weak[some]])
        alone = best_weak is not None and (best is None or bool(lopsided[best_weak]))
        taken = best_weak if alone else best
        assert taken is not None  # every client that is left stands in one of the tables
        if alone:
            cover_weak = np.minimum(cover_weak, weak[:, taken])
        else:
            cover = np.minimum(cover, joint[:, taken])
        chosen.append((taken, alone))
        left = left[left != taken]
    return chosen


def _best(
    table: np.ndarray, cover: np.ndarray, counted: np.ndarray, candidates: np.ndarray
) -> int | None:
    """Candidate that brings G lowest, given what covers whom."""
    if not len(candidates):
        return None
    gains = np.minimum(cover[counted, None], table[np.ix_(counted, candidates)]).sum(axis=0)
    return int(candidates[np.argmin(gains)])
