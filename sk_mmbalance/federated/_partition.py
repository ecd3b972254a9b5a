"""Simulated federations: which row belongs to which client, and which client lacks what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from ..base import read_column
from ..modalities import Modalities, name_modalities

#: A client that holds more than this times its even share gets no more rows.
_FULL = 1.1

#: Draws before a partition without tiny clients is given up.
_TRIES = 100


def dirichlet_clients(
    y: Any, n_clients: int, alpha: float = 0.5, min_rows: int = 2, random_state: Any = None
) -> np.ndarray:
    """Split rows over clients with skewed labels.

    For every class, shares of the clients are drawn from a symmetric Dirichlet distribution; a
    client that holds more than 1.1 N / K rows by then gets nothing of it, the others' shares are
    scaled up, and the class's rows, in random order, are cut by them.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Class labels.
    n_clients : int
        Number of clients K.
    alpha : float, default=0.5
        Concentration: small is skewed, 1e8 is as good as even.
    min_rows : int, default=2
        Least number of rows of a client; the partition is drawn anew until it holds.
    random_state : int, RandomState instance or None, default=None
        Seed.

    Returns
    -------
    ndarray of int of shape (n_samples,)
        Client of each row, 0 to ``n_clients - 1``: `clients` of ``fit``.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mmbalance.federated import dirichlet_clients
    >>> clients = dirichlet_clients(np.arange(100) % 4, n_clients=3, random_state=0)
    >>> int(np.bincount(clients).min()) >= 2
    True
    """
    y = read_column(y, "y", "label")
    if n_clients < 1 or n_clients * min_rows > len(y):
        raise ValueError(
            f"`n_clients` must be at least 1 and leave `min_rows` rows for each; got {n_clients} "
            f"clients with {min_rows} rows each out of {len(y)}."
        )
    if not alpha > 0:
        raise ValueError(f"`alpha` must be above 0; got {alpha!r}.")
    rng = check_random_state(random_state)
    for _ in range(_TRIES):
        clients = _draw(y, n_clients, alpha, rng)
        if np.bincount(clients, minlength=n_clients).min() >= min_rows:
            return clients
    raise ValueError(
        f"`min_rows={min_rows}` was not met in {_TRIES} draws of {n_clients} clients with "
        f"`alpha={alpha}`. Lower it, or raise `alpha`."
    )


def _draw(y: np.ndarray, n_clients: int, alpha: float, rng: Any) -> np.ndarray:
    clients = np.empty(len(y), dtype=int)
    held = np.zeros(n_clients, dtype=int)
    for label in np.unique(y):
        rows = rng.permutation(np.flatnonzero(y == label))
        shares = rng.dirichlet(np.full(n_clients, alpha))
        if not np.isfinite(shares).all():  # a tiny alpha runs out of digits: one client has all
            shares = np.eye(n_clients)[rng.randint(n_clients)]
        open_ = held <= _FULL * len(y) / n_clients
        shares = shares * open_
        if shares.sum() <= 0:  # all of the mass was on full clients
            shares = open_.astype(float) if open_.any() else np.ones(n_clients)
        cuts = np.rint(np.cumsum(shares / shares.sum())[:-1] * len(rows)).astype(int)
        for client, own in enumerate(np.split(rows, cuts)):
            clients[own] = client
            held[client] += len(own)
    return clients


def group_clients(groups: Any, n_clients: int | None = None) -> np.ndarray:
    """Split rows over clients by groups (speaker, day, subject), each whole at one client.

    Parameters
    ----------
    groups : array-like of shape (n_samples,)
        Group of each row.
    n_clients : int, default=None
        Number of clients; groups go, largest first, to the client with the fewest rows. None
        makes every group a client.

    Returns
    -------
    ndarray of int of shape (n_samples,)
        Client of each row.

    Examples
    --------
    >>> from sk_mmbalance.federated import group_clients
    >>> group_clients(["ann", "bob", "ann", "eve", "eve", "eve"], n_clients=2).tolist()
    [1, 1, 1, 0, 0, 0]
    """
    _, codes, sizes = np.unique(
        read_column(groups, "groups", "group"), return_inverse=True, return_counts=True
    )
    if n_clients is None:
        return codes
    if not 1 <= n_clients <= len(sizes):
        raise ValueError(
            f"`n_clients` must be between 1 and the number of groups, {len(sizes)}; got "
            f"{n_clients}."
        )
    filled = np.zeros(n_clients, dtype=int)
    home = np.empty(len(sizes), dtype=int)
    for group in np.argsort(-sizes, kind="stable"):
        home[group] = np.argmin(filled)
        filled[home[group]] += sizes[group]
    return home[codes]


def lacking_modalities(
    clients: Any,
    names: Iterable[str],
    complete: float = 0.5,
    n_lacking: int = 1,
    random_state: Any = None,
) -> dict[Any, list[str]]:
    """Draw which modalities each client lacks.

    Parameters
    ----------
    clients : array-like of shape (n_samples,)
        Client of each row.
    names : iterable of str
        All modalities.
    complete : float, default=0.5
        Share of the clients that have all modalities (rounded down).
    n_lacking : int, default=1
        Number of modalities that each of the others lacks: fewer than there are. They are dealt
        out in turn, so that every modality is lacking equally often.
    random_state : int, RandomState instance or None, default=None
        Seed.

    Returns
    -------
    dict of client to list of str
        What each client lacks; an empty list for one that has all.

    Examples
    --------
    >>> from sk_mmbalance.federated import lacking_modalities
    >>> found = lacking_modalities([0, 1, 2, 3], ["face", "voice"], random_state=0)
    >>> sorted(len(names) for names in found.values())
    [0, 0, 1, 1]
    """
    names = sorted(names)
    if not 0 <= complete <= 1:
        raise ValueError(f"`complete` must be a share between 0 and 1; got {complete!r}.")
    if not 0 <= n_lacking < len(names):
        raise ValueError(
            f"`n_lacking` must leave each client one of the {len(names)} modalities; got "
            f"{n_lacking}."
        )
    rng = check_random_state(random_state)
    ids = np.unique(read_column(clients, "clients", "client"))
    order = rng.permutation(len(ids))
    turns = rng.permutation(len(names))
    n_complete = int(complete * len(ids))
    found: dict[Any, list[str]] = {ids[i].item(): [] for i in order}
    for turn, i in enumerate(order[n_complete:]):
        picked = [turns[(turn * n_lacking + k) % len(names)] for k in range(n_lacking)]
        found[ids[i].item()] = sorted(names[p] for p in picked)
    return dict(sorted(found.items()))


def without_modalities(X: Any, clients: Any, lacking: Mapping[Any, Iterable[str]]) -> Modalities:
    """Blank the modalities that clients lack (NaN); fit with ``missing="mask"``.

    Parameters
    ----------
    X : Modalities, dict or DataFrame with two-level columns
        Named modalities.
    clients : array-like of shape (n_samples,)
        Client of each row.
    lacking : dict of client to list of str
        From `lacking_modalities`, or your own.

    Returns
    -------
    Modalities
        Copies of the modalities that change, as floating-point numbers.

    Examples
    --------
    >>> from sk_mmbalance.federated import without_modalities
    >>> X = {"face": [[1.0], [2.0]], "voice": [[3.0], [4.0]]}
    >>> without_modalities(X, ["ann", "bob"], {"bob": ["voice"]})["voice"].tolist()
    [[3.0], [nan]]
    """
    values = {name: np.asarray(value) for name, value in name_modalities(X)[0].items()}
    clients = read_column(clients, "clients", "client")
    unknown = sorted({name for gone in lacking.values() for name in gone} - set(values))
    if unknown:
        raise ValueError(
            f"`lacking` names {unknown}, which are no modalities of `X`: {sorted(values)}."
        )
    for name, value in values.items():
        gone = [client for client, own in lacking.items() if name in own]
        if gone:
            dtype = value.dtype if value.dtype.kind == "f" else np.float64
            values[name] = np.array(value, dtype=dtype)
            values[name][np.isin(clients, gone)] = np.nan
    return Modalities(values)
