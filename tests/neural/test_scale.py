"""Unscaled features are warned of."""

import warnings

import numpy as np
import pytest
from scipy.sparse import csr_array

from sk_mmbalance import Modalities, MultimodalClassifier
from sk_mmbalance.exceptions import ScaleWarning

from .conftest import blobs, with_missing


def fit(X, y, **params):
    return MultimodalClassifier(max_epochs=1, random_state=0, **params).fit(X, y)


def scaled_by(X, **factors):
    return Modalities({name: X[name] * factors.get(name, 1) for name in X.names})


@pytest.mark.parametrize("factor", [1e3, 1e-5])
def test_modality_far_too_large_or_too_small_is_named(two, factor):
    X, y = two
    with pytest.warns(ScaleWarning, match="'voice'.*StandardScaler") as caught:
        fit(scaled_by(X, voice=factor), y)
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_one_large_column_is_enough_and_is_named(two):
    X, y = two
    values = X["face"].copy()
    values[:, 3] += 500
    with pytest.warns(ScaleWarning, match="feature 3 of modality 'face'"):
        fit({"face": values, "voice": X["voice"]}, y)


def test_one_small_column_is_no_fault(two):
    X, y = two
    values = X["face"].copy()
    values[:, 3] *= 1e-5
    fit({"face": values, "voice": X["voice"]}, y)


def test_rows_that_lack_the_modality_do_not_count(two):
    X, _ = with_missing(two[0])
    fit(X, two[1], missing="mask")
    with pytest.warns(ScaleWarning, match="'voice'"):
        fit(scaled_by(X, voice=1e3), two[1], missing="mask")


def test_sparse_counts_and_a_modality_of_zeros_pass():
    X, y = blobs()
    counts = csr_array(np.abs(X["voice"]) * 1e3)
    fit({"face": np.zeros_like(X["face"]), "words": counts}, y)


@pytest.mark.filterwarnings("error::sk_mmbalance.exceptions.ScaleWarning")
def test_columns_that_are_encoded_may_have_any_scale(two):
    X, y = two
    fit(scaled_by(X, voice=1e6, face=1e-6), y, encoding="normal_scores")


def test_continued_training_does_not_warn_again(two):
    X, y = two
    X = scaled_by(X, face=1e3)
    clf = MultimodalClassifier(max_epochs=1, random_state=0, warm_start=True)
    with pytest.warns(ScaleWarning):
        clf.fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clf.fit(X, y)
        clf.partial_fit(X, y)
