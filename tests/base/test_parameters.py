"""Parameters of the wrong kind are refused by name, whatever they are."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from sk_mmbalance import (
    LateFusionClassifier,
    LateFusionRegressor,
    MultimodalClassifier,
    OpinionPoolClassifier,
    SerialFusionClassifier,
    UnimodalClassifier,
)
from tests._estimators import toy, toy_numbers

ODD = [
    (UnimodalClassifier(), "cv", [0.5]),
    (UnimodalClassifier(), "cv", b"five"),
    (UnimodalClassifier(), "cv", {1}),
    (UnimodalClassifier(), "cv", [([0, 1], [99])]),
    (UnimodalClassifier(), "cv", np.array(3)),
    (UnimodalClassifier(), "n_jobs", 0),
    (UnimodalClassifier(), "n_jobs", "many"),
    (UnimodalClassifier(), "n_jobs", 10**30),
    (UnimodalClassifier(), "scoring", "bogus"),
    (UnimodalClassifier(), "modality", pd.NA),
    (UnimodalClassifier(), "missing", np.array(["mask", "mask"])),
    (UnimodalClassifier(), "verbose", pd.NA),
    (LateFusionClassifier(), "rule", ["mean"]),
    (LateFusionClassifier(), "weights", {"face": "much", "voice": 1}),
    (LateFusionClassifier(weights="cv"), "random_state", "chance"),
    (OpinionPoolClassifier(), "alpha", "much"),
    (OpinionPoolClassifier(), "alpha", True),
    (OpinionPoolClassifier(), "min_pattern_rows", None),
    (OpinionPoolClassifier(), "time_limit", True),
    (OpinionPoolClassifier(), "memory_limit", True),
    (SerialFusionClassifier(), "prefit", "auto"),
    (SerialFusionClassifier(), "prefit", True),
    (SerialFusionClassifier(), "reject_label", [0.5]),
    (SerialFusionClassifier(), "thresholds", np.array(3)),
    (MultimodalClassifier(max_epochs=1), "optimizer", dict),
]


@pytest.mark.parametrize(
    ("model", "name", "value"), ODD, ids=[f"{name}={value!r:.20}" for _, name, value in ODD]
)
def test_value_of_the_wrong_kind_is_refused_by_the_parameters_name(model, name, value):
    X, y = toy()
    model = clone(model).set_params(**{name: value})
    with pytest.raises((TypeError, ValueError), match=f"`{name}`"):
        model.fit(X, y)
    assert not hasattr(model, "classes_")


COMPLEX = np.arange(60) % 2 + 1j
RAGGED = [[1.0], *[[1.0, 2.0]] * 59]


@pytest.mark.parametrize("y", [COMPLEX, RAGGED, len, None, np.full(60, np.inf), {"y": 1}])
def test_odd_targets_are_refused_by_name(y):
    X, _ = toy()
    for model in (LateFusionClassifier(), LateFusionRegressor()):
        with pytest.raises((TypeError, ValueError), match="`y`"):
            model.fit(X, y)


@pytest.mark.parametrize("weight", [COMPLEX, RAGGED, len, "balanced", {0: 1.0}])
def test_odd_weights_are_refused_by_name(weight):
    X, y = toy()
    with pytest.raises((TypeError, ValueError), match="`sample_weight`"):
        LateFusionClassifier().fit(X, y, sample_weight=weight)


def test_labels_in_numpys_own_strings_are_those_of_the_list():
    X, y = toy()
    names = ["yes" if label else "no" for label in y]
    given = np.array(names, dtype=np.dtypes.StringDType())
    predicted = LateFusionClassifier().fit(X, given).predict(X)
    assert predicted.tolist() == LateFusionClassifier().fit(X, names).predict(X).tolist()


def test_values_whose_squares_overflow_are_named():
    X, y = toy_numbers()
    large = {"face": X["face"] * 1e200, "voice": X["voice"]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of the scaler inside
        with pytest.raises(ValueError, match=r"`X` modality 'face' has values up to .*e\+200"):
            LateFusionRegressor().fit(large, y)
