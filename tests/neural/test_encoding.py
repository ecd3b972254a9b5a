"""`encoding`: how columns reach the network."""

import pickle

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.metrics import log_loss

from sk_mmbalance import (
    Modalities,
    MultimodalClassifier,
    MultimodalRegressor,
    SustainedBoostingClassifier,
)

from .conftest import blobs, with_missing

FAST = {
    "max_epochs": 6,
    "random_state": 0,
    "hidden_layer_sizes": (16,),
    "embedding_dim": 16,
    "early_stopping": False,
}


def skewed(X):
    """The same rows by monotone maps that ruin the shape of every column."""
    return Modalities({name: np.exp(2 * X[name]) for name in X.names})


def test_nothing_is_encoded_unless_asked_for():
    X, y = blobs()
    clf = MultimodalClassifier(**FAST).fit(X, y)
    assert clf.encoding_ == {"face": None, "voice": None}
    assert not list(clf.net_.network.encodings)


def test_some_modalities_of_several_kinds():
    X, y = blobs(n=120, dims={"images": (1, 6, 6), "table": (3,), "words": (4,)})
    X = {**X, "words": csr_array(X["words"])}
    clf = MultimodalClassifier(encoding={"table": "normal_scores"}, **FAST).fit(X, y)
    assert clf.encoding_ == {"images": None, "table": "normal_scores", "words": None}
    assert np.isfinite(clf.predict_proba(X)).all()


@pytest.mark.parametrize("model", [MultimodalRegressor, SustainedBoostingClassifier])
def test_every_network_can_have_it(model):
    X, y = blobs()
    fitted = model(encoding="normal_scores", **FAST).fit(X, y)
    assert set(fitted.encoding_.values()) == {"normal_scores"}
    same = model(encoding={"face": "normal_scores", "voice": "normal_scores"}, **FAST).fit(X, y)
    assert np.array_equal(fitted.predict(X), same.predict(X))


def test_the_shape_of_columns_matters_no_more():
    """Curves through 64 knots tell a column from a monotone map of it by next to nothing."""
    X, y = blobs(n=400, spread=1)
    plain = MultimodalClassifier(encoding="normal_scores", **FAST).fit(X, y)
    bent = MultimodalClassifier(encoding="normal_scores", **FAST).fit(skewed(X), y)
    np.testing.assert_allclose(plain.predict_proba(X), bent.predict_proba(skewed(X)), atol=0.1)
    assert plain.score(X, y) == pytest.approx(bent.score(skewed(X), y), abs=0.02)


def test_it_helps_where_shapes_are_bad():
    X, y = blobs(n=600, spread=1)
    X = skewed(X)
    Z = Modalities({m: (v - v.mean(axis=0)) / v.std(axis=0) for m, v in X.items()})
    losses = {}
    for choice in ("normal_scores", None):
        clf = MultimodalClassifier(**FAST | {"max_epochs": 20}, encoding=choice)
        clf.fit(Z[:400], y[:400])
        losses[choice] = log_loss(y[400:], clf.predict_proba(Z[400:]))
    assert losses["normal_scores"] < 0.8 * losses[None]


def test_it_is_learnt_once_and_kept_by_pickles_files_and_further_training(tmp_path):
    X, y = blobs()
    clf = MultimodalClassifier(encoding="normal_scores", warm_start=True, **FAST).fit(X, y)
    knots = clf.net_.network.encodings["face"].knots.clone()
    expected = clf.predict_proba(X)
    assert np.array_equal(pickle.loads(pickle.dumps(clf)).predict_proba(X), expected)
    clf.save_weights(tmp_path / "w")
    loaded = MultimodalClassifier(encoding="normal_scores", **FAST).load_weights(tmp_path / "w")
    assert loaded.encoding_ == clf.encoding_
    assert np.array_equal(loaded.predict_proba(X), expected)
    moved = Modalities({m: v + 1 for m, v in X.items()})
    clf.fit(moved, y).partial_fit(moved, y)
    assert np.array_equal(clf.net_.network.encodings["face"].knots, knots)


def test_partial_fit_learns_it_from_its_first_rows():
    X, y = blobs()
    clf = MultimodalClassifier(encoding="normal_scores", **FAST)
    clf.partial_fit(X, y, classes=[0, 1, 2]).partial_fit(X, y)
    whole = MultimodalClassifier(encoding="normal_scores", **FAST | {"max_epochs": 2})
    assert np.array_equal(clf.predict_proba(X), whole.fit(X, y).predict_proba(X))


def test_missing_rows_take_no_part():
    X, y = blobs(n=200)
    X, _ = with_missing(X)
    filled = {name: X[name].copy() for name in X.names}
    clf = MultimodalClassifier(encoding="normal_scores", missing="mask", **FAST).fit(filled, y)
    assert np.isfinite(clf.predict_proba(X)).all()
    present = ~np.isnan(X["face"]).any(axis=1)
    only = MultimodalClassifier(encoding="normal_scores", **FAST).fit(
        {"face": X["face"][present]}, y[present]
    )
    assert np.array_equal(
        clf.net_.network.encodings["face"].knots, only.net_.network.encodings["face"].knots
    )


@pytest.mark.parametrize(
    ("encoding", "message"),
    [
        ("ranks", "'encoding' parameter"),
        ({"fce": "normal_scores"}, "`encoding` names .'fce'., which are no modalities"),
        ({"face": "ranks"}, "`encoding` of modality 'face' must be"),
        ({"image": "normal_scores"}, "modality 'image' is of shape"),
        ({"words": "normal_scores"}, "modality 'words' is sparse"),
    ],
)
def test_bad_choices_are_named(encoding, message):
    X, y = blobs(dims={"face": (5,), "image": (1, 6, 6), "words": (4,)})
    X = {**X, "words": csr_array(X["words"])}
    with pytest.raises(ValueError, match=message):
        MultimodalClassifier(encoding=encoding, **FAST).fit(X, y)
