"""Flat tables in estimators that are there for several modalities."""

import warnings

import numpy as np
import pandas as pd
import pytest

from sk_mmbalance import (
    ARMRegressor,
    LateFusionClassifier,
    ModalityConcatenator,
    MultimodalClassifier,
    SerialFusionClassifier,
)
from sk_mmbalance.exceptions import SingleModalityWarning

X = np.random.default_rng(0).normal(size=(30, 4))
y = np.arange(30) % 2


@pytest.mark.parametrize(
    "known", [LateFusionClassifier, SerialFusionClassifier, MultimodalClassifier, ARMRegressor]
)
def test_flat_table_without_blocks_is_said_once(known):
    class Own(known):
        """A class that nobody has fitted yet."""

    with pytest.warns(SingleModalityWarning, match=r"Own learns from a single modality of 4 col"):
        Own().fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Own().fit(X, y)


@pytest.mark.parametrize(
    ("params", "given"),
    [
        ({"modalities": {"a": [0, 1], "b": [2, 3]}}, X),
        ({}, {"a": X}),
        ({}, {"a": X[:, :2], "b": X[:, 2:]}),
        ({}, X[:, :1]),
        ({}, pd.concat({"a": pd.DataFrame(X)}, axis=1)),
    ],
    ids=["blocks", "one by name", "two by name", "one column", "two levels"],
)
def test_who_says_what_is_what_is_not_warned(params, given):
    class Own(LateFusionClassifier):
        """A class that nobody has fitted yet."""

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Own(**params).fit(given, y)


def test_what_is_there_for_one_as_well_says_nothing():
    class Own(ModalityConcatenator):
        """A class that nobody has fitted yet."""

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Own().fit(X)
