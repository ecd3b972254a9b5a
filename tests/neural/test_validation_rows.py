"""Validation rows of one's own, and splitters in place of a share."""

import numpy as np
import pytest
import sklearn
from sklearn.model_selection import GroupShuffleSplit, ShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_mmbalance import ModalityTransformer, MultimodalClassifier, MultimodalRegressor

from .conftest import blobs

FAST = {"hidden_layer_sizes": (8,), "embedding_dim": 8, "max_epochs": 4, "random_state": 0}


def test_rows_of_ones_own_equal_the_same_rows_held_out():
    X, y = blobs(n=120)
    train, valid = np.arange(0, 90), np.arange(90, 120)
    split = MultimodalClassifier(**FAST, early_stopping=True, validation_fraction=[(train, valid)])
    given = MultimodalClassifier(**FAST)
    given.fit(X[train], y[train], X_val=X[valid], y_val=y[valid])
    split.fit(X, y)
    np.testing.assert_array_equal(given.predict_proba(X), split.predict_proba(X))
    np.testing.assert_array_equal(given.history_["valid_loss"], split.history_["valid_loss"])


def test_early_stopping_watches_the_rows_given():
    X, y = blobs(n=120)
    params = {**FAST, "max_epochs": 40, "n_iter_no_change": 2, "lr": 0.05}
    wrong = np.roll(np.unique(y), 1)[np.searchsorted(np.unique(y), y[90:])]
    model = MultimodalClassifier(**params).fit(X[:90], y[:90], X_val=X[90:], y_val=wrong)
    assert model.n_iter_ < 40  # the better the fit, the worse on wrong labels
    assert model.history_["valid_loss"].notna().all()


def test_weights_of_validation_rows_count():
    X, y = blobs(n=120)
    weight = np.r_[np.ones(10), np.zeros(20)]
    model = MultimodalClassifier(**FAST).fit(
        X[:90], y[:90], X_val=X[90:], y_val=y[90:], sample_weight_val=weight
    )
    few = MultimodalClassifier(**FAST).fit(X[:90], y[:90], X_val=X[90:100], y_val=y[90:100])
    np.testing.assert_allclose(model.history_["valid_loss"], few.history_["valid_loss"], rtol=1e-12)


def test_numbers_of_validation_rows_are_in_the_units_of_y():
    X, _ = blobs(n=120)
    y = 100 + 7 * X[next(iter(X))][:, 0]
    model = MultimodalRegressor(**FAST).fit(X[:90], y[:90], X_val=X[90:], y_val=y[90:])
    assert model.history_["valid_loss"].iloc[0] < 3


@pytest.mark.parametrize("splitter", [ShuffleSplit(1, test_size=30, random_state=1)])
def test_a_splitter_in_place_of_a_share(splitter):
    X, y = blobs(n=120)
    model = MultimodalClassifier(**FAST, early_stopping=True, validation_fraction=splitter)
    train, valid = next(splitter.split(y))
    by_hand = MultimodalClassifier(**FAST).fit(X[train], y[train], X_val=X[valid], y_val=y[valid])
    np.testing.assert_array_equal(model.fit(X, y).predict_proba(X), by_hand.predict_proba(X))


def test_a_splitter_gets_the_groups():
    X, y = blobs(n=120)
    groups = np.arange(120) // 10
    splitter = GroupShuffleSplit(1, test_size=3, random_state=0)
    model = MultimodalClassifier(**FAST, early_stopping=True, validation_fraction=splitter)
    train, valid = next(splitter.split(y, y, groups))
    by_hand = MultimodalClassifier(**FAST).fit(X[train], y[train], X_val=X[valid], y_val=y[valid])
    model.fit(X, y, groups=groups)
    np.testing.assert_array_equal(model.predict_proba(X), by_hand.predict_proba(X))


@pytest.mark.parametrize(
    ("params", "given", "message"),
    [
        ({}, {"X_val": True}, "`y_val` is needed"),
        ({}, {"y_val": True}, "`X_val` is needed"),
        ({"early_stopping": False}, {"X_val": True, "y_val": True}, "`early_stopping=False` turns"),
    ],
)
def test_half_of_them_or_none_that_watches_is_refused(params, given, message):
    X, y = blobs(n=60)
    values = {"X_val": X[:10], "y_val": y[:10]}
    with pytest.raises(ValueError, match=message):
        MultimodalClassifier(**FAST, **params).fit(X, y, **{key: values[key] for key in given})


def test_errors_in_them_say_that_they_are_validation_rows():
    X, y = blobs(n=60)
    with pytest.raises(ValueError, match="not among the classes") as error:
        MultimodalClassifier(**FAST).fit(X, y, X_val=X[:3], y_val=[77, 78, 79])
    assert any("`X_val`" in note for note in error.value.__notes__)
    part = X.select([next(iter(X))])
    with pytest.raises(ValueError, match="lacks modality"):
        MultimodalClassifier(**FAST).fit(X, y, X_val=part, y_val=y)


def test_a_pipeline_transforms_them_too():
    X, y = blobs(n=120)
    with sklearn.config_context(enable_metadata_routing=True):
        network = MultimodalClassifier(**FAST).set_fit_request(X_val=True, y_val=True)
        prepare = ModalityTransformer({}, remainder=StandardScaler())
        chain = make_pipeline(prepare, network, transform_input=["X_val"])
        chain.fit(X[:90], y[:90], X_val=X[90:], y_val=y[90:])
        scaled = ModalityTransformer({}, remainder=StandardScaler()).fit(X[:90])
        by_hand = MultimodalClassifier(**FAST).fit(
            scaled.transform(X[:90]), y[:90], X_val=scaled.transform(X[90:]), y_val=y[90:]
        )
    np.testing.assert_array_equal(chain[-1].history_["valid_loss"], by_hand.history_["valid_loss"])
