"""The real sets, where the environment variable names a folder that holds them."""

import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_mmbalance.datasets import fetch_avdigits, fetch_mfeat

FOLDER = os.environ.get("SK_MMBALANCE_DATA", "")


def needs(name):
    there = bool(FOLDER) and (Path(FOLDER) / f"{name}.npz").exists()
    return pytest.mark.skipif(not there, reason=f"SK_MMBALANCE_DATA holds no {name}.npz")


@needs("mfeat")
def test_mfeat_is_the_known_set():
    bunch = fetch_mfeat(data_home=FOLDER, download_if_missing=False)
    assert {m: bunch.data[m].shape[1] for m in bunch.data.names} == {
        "fac": 216, "fou": 76, "kar": 64, "mor": 6, "pix": 240, "zer": 47,
    }  # fmt: skip
    assert len(bunch.data) == 2000
    assert (bunch.split == "train").sum() == 1600


@needs("mfeat")
def test_mfeat_modalities_are_as_unequal_as_the_description_says():
    train = fetch_mfeat(data_home=FOLDER, subset="train")
    test = fetch_mfeat(data_home=FOLDER, subset="test")
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    score, predicted = {}, {}
    for m in ("kar", "mor", "zer"):
        predicted[m] = model.fit(train.data[m], train.target).predict(test.data[m])
        score[m] = (predicted[m] == test.target).mean()
    assert score["kar"] > 0.95
    assert score["mor"] < 0.8
    nines = predicted["zer"][test.target == 9]
    assert (nines == 6).mean() > 0.25


@needs("avdigits")
def test_avdigits_is_the_known_set():
    bunch = fetch_avdigits(data_home=FOLDER, download_if_missing=False)
    assert bunch.data["image"].shape == (3000, 784)
    assert bunch.data["audio"].shape == (3000, 400)
    np.testing.assert_array_equal(np.bincount(bunch.groups), np.full(6, 500))
    np.testing.assert_array_equal(np.bincount(bunch.target), np.full(10, 300))
    assert (bunch.split == "test").sum() == 300
