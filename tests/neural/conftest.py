"""Small data for the neural tests: quick to learn, of several kinds."""

import numpy as np
import pytest

from sk_mmbalance import Modalities


def blobs(n=120, n_classes=3, dims=None, seed=0, dtype=np.float64, spread=1.5):
    """Modalities that each show the class as a shift of their mean."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % n_classes)
    shapes = dims or {"face": (5,), "voice": (3,)}
    values = {}
    for name, shape in shapes.items():
        centres = rng.normal(size=(n_classes, *shape)) * spread
        values[name] = (centres[y] + rng.normal(size=(n, *shape))).astype(dtype)
    return Modalities(values), y


@pytest.fixture
def two():
    return blobs()


def with_missing(X, share=0.3, seed=1):
    """The same rows, each modality missing in a share of them, never all."""
    rng = np.random.default_rng(seed)
    names = list(X.names)
    absent = rng.random((len(X), len(names))) < share
    absent[absent.all(axis=1), 0] = False
    values = {}
    for column, name in enumerate(names):
        values[name] = X[name].copy()
        values[name][absent[:, column]] = np.nan
    return Modalities(values), ~absent
