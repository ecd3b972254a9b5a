"""Errors counted by rows give a rare class up, and that is said."""

import warnings

import numpy as np
import pytest

from sk_mmbalance import Modalities, SerialFusionClassifier
from sk_mmbalance.exceptions import RareClassWarning

STAGES = [("face", None, "face", 1), ("finger", None, "finger", 1)]


def fit(n_impostors, n_genuine, shift=1.5, flip=False, weight=1.0, **params):
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat([0, 1], [n_impostors, n_genuine]))
    X = Modalities(
        face=rng.normal(size=(len(y), 1)) + shift * y[:, None],
        finger=rng.normal(size=(len(y), 1)) + 1.5 * shift * y[:, None],
    )
    labels = np.array(["genuine", "other"] if flip else ["impostor", "visitor"])
    labels = labels[1 - y if flip else y]
    return SerialFusionClassifier(STAGES, **params).fit(X, labels, np.where(y, weight, 1.0))


@pytest.mark.parametrize("flip", [False, True])
def test_rare_class_that_is_given_up_is_named_with_its_rates(flip):
    rare = "genuine" if flip else "visitor"
    message = rf"0.1 of the rows are of class {rare}, .* gets 0\.\d+ of them wrong .*w_far=0.5"
    with pytest.warns(RareClassWarning, match=message):
        by_rows = fit(180, 20, flip=flip)
    by_rate = fit(180, 20, flip=flip, w_far=0.5, w_frr=0.5)
    rate = "empirical_far_" if flip else "empirical_frr_"
    assert getattr(by_rate, rate) < getattr(by_rows, rate) - 0.1


@pytest.mark.parametrize(
    "params",
    [
        {"n_genuine": 180},  # not rare
        {"n_genuine": 20, "shift": 8.0},  # not given up
        {"n_genuine": 20, "max_frr": 0.5},  # somebody has thought of it
        {"n_genuine": 20, "thresholds": "always"},  # nothing is searched
        {"n_genuine": 20, "weight": 9.0},  # as heavy as the others
    ],
)
def test_nothing_is_said_where_nothing_is_given_up_unasked(params):
    with warnings.catch_warnings():
        warnings.simplefilter("error", RareClassWarning)
        fit(180, **params)
