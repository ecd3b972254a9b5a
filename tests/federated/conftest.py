"""Small federations, and one round loop for tests of the core."""

import numpy as np
import pytest

from sk_mmbalance import Modalities
from sk_mmbalance.federated import ClientTrainer, InProcessEngine, Server, Task


def blobs(n=120, n_classes=3, dims=(5, 3), seed=0, dtype=np.float64, spread=1.5):
    """Modalities a, b, ... that each show the class as a shift of their mean."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % n_classes)
    values = {}
    for name, dim in zip("abcdef", dims, strict=False):
        centres = rng.normal(size=(n_classes, dim)) * spread
        values[name] = (centres[y] + rng.normal(size=(n, dim))).astype(dtype)
    return Modalities(values), y


def federation(n_clients=4, lacking=None, n=120, **kwargs):
    """Task and each client's (X, y); `lacking` maps a client's number to a modality it lacks."""
    X, y = blobs(n=n, **kwargs)
    task = Task({m: X[m].shape[1:] for m in X}, tuple(np.unique(y).tolist()), "float64")
    shares = {}
    for k in range(n_clients):
        rows = np.arange(len(y)) % n_clients == k
        names = [m for m in X if m not in (lacking or {}).get(k, "")]
        shares[str(k)] = (X.select(names)[rows], y[rows])
    return task, shares


def run(method, task, shares, seed=0, trainers=None, n_rounds=None, server=None):
    """Run all rounds in this process; return server and engine."""
    trainers = trainers or {
        k: ClientTrainer(method, task, task.read(X, y)) for k, (X, y) in shares.items()
    }
    engine = InProcessEngine(trainers)
    server = server or Server(method, task, list(trainers), seed, n_rounds)
    while not server.finished:
        server.receive(engine.exchange(server.orders()))
    return server, engine


def same_state(first, second, **tolerance):
    """Whether two states are equal: to the bit, or within a tolerance."""
    if first.keys() != second.keys():
        return False
    if not tolerance:
        return all(np.array_equal(first[key], second[key]) for key in first)
    return all(np.allclose(first[key], second[key], **tolerance) for key in first)


@pytest.fixture
def incongruent():
    """Ids of clients, and modalities of which clients 2 and 3 lack one each."""
    X, y = blobs(n=160)
    clients = np.arange(160) % 4
    values = {m: X[m].copy() for m in X}
    values["b"][clients == 2] = np.nan
    values["a"][clients == 3] = np.nan
    return Modalities(values), y, clients
