"""Small data for the methods, and nets to look at."""

import sys

import torch

from sk_mmbalance import MultimodalClassifier

from ..neural.conftest import blobs, with_missing

__all__ = ["FAST", "blobs", "fit", "formulae", "same_weights", "with_missing"]

FAST = {
    "hidden_layer_sizes": (4,),
    "embedding_dim": 4,
    "max_epochs": 3,
    "batch_size": 16,
    "lr": 0.02,
    "early_stopping": False,
    "random_state": 0,
}


def formulae(method):
    """The file of a method, in which its formulae stand beside it as functions."""
    return sys.modules[method.__module__]


def fit(balancing, X, y, sample_weight=None, **params):
    """A classifier fitted with a method."""
    clf = MultimodalClassifier(**{**FAST, "balancing": balancing, **params})
    return clf.fit(X, y, sample_weight=sample_weight)


def same_weights(a, b):
    """Whether two fits have the same network, bit for bit, whatever their methods keep."""
    first, second = (
        {k: v for k, v in clf.net_.network.state_dict().items() if not k.startswith("running.")}
        for clf in (a, b)
    )
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)
