"""Networks with several labels a row."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import accuracy_score
from sklearn.utils import get_tags

from sk_mmbalance import (
    Modalities,
    MultimodalClassifier,
    NegativeLearningClassifier,
    SustainedBoostingClassifier,
)

FAST = {
    "hidden_layer_sizes": (16,),
    "embedding_dim": 16,
    "max_epochs": 30,
    "lr": 0.02,
    "random_state": 0,
}


def problem(n=240, seed=0):
    """Three labels: one known to each modality, and one that both together know."""
    rng = np.random.default_rng(seed)
    X = Modalities(a=rng.normal(size=(n, 2)), b=rng.normal(size=(n, 2)))
    y = np.column_stack(
        [X["a"][:, 0] > 0, X["b"][:, 0] > 0.3, X["a"][:, 1] + X["b"][:, 1] > 0]
    ).astype(int)
    return X, y


def test_labels_with_a_known_answer_are_learnt():
    X, y = problem()
    model = MultimodalClassifier(**FAST).fit(X[:180], y[:180])
    predicted = model.predict(X)
    assert predicted.shape == y.shape
    assert predicted.dtype == y.dtype
    np.testing.assert_array_equal(model.classes_, [0, 1, 2])
    assert ((predicted == y)[180:].mean(axis=0) > 0.85).all()
    assert model.score(X, y) == accuracy_score(y, predicted)
    proba = model.predict_proba(X)
    assert proba.shape == y.shape
    np.testing.assert_array_equal(predicted, proba > 0.5)
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), proba)
    np.testing.assert_array_equal(model.decision_function(X) > 0, predicted > 0)


def test_single_modalities_know_their_own_labels():
    X, y = problem()
    own = MultimodalClassifier(**FAST).fit(X, y).unimodal_predict_proba(X)
    right = {name: ((p > 0.5) == y).mean(axis=0) for name, p in own.items()}
    assert right["a"][0] > 0.9 > right["b"][0]
    assert right["b"][1] > 0.9 > right["a"][1]


def test_tag_says_so_where_labels_are_taken_and_others_name_the_way_out():
    X, y = problem(30)
    assert get_tags(MultimodalClassifier()).classifier_tags.multi_label
    for cls in (NegativeLearningClassifier, SustainedBoostingClassifier):
        assert not get_tags(cls()).classifier_tags.multi_label
        with pytest.raises(ValueError, match="MultiOutputClassifier"):
            cls(max_epochs=1).fit(X, y)


def test_missing_modalities_weights_and_held_out_rows():
    X, y = problem()
    X = Modalities(a=X["a"].copy(), b=X["b"].copy())
    X["a"][::4] = np.nan
    weight = np.r_[np.zeros(20), np.ones(220)]
    model = MultimodalClassifier(**FAST, missing="mask", early_stopping=True)
    model.fit(X, y, sample_weight=weight)
    without = clone(model).fit(X[20:], y[20:])
    np.testing.assert_array_equal(model.predict_proba(X), without.predict_proba(X))
    assert {"valid_accuracy", "a__confidence"} <= set(model.history_)


def test_partial_fit_knows_the_number_of_labels():
    X, y = problem(60)
    model = MultimodalClassifier(**FAST).partial_fit(X, y, classes=np.arange(3))
    model.partial_fit(X[:10], y[:10])
    assert model.n_iter_ == 2
    with pytest.raises(ValueError, match="indicator matrix of 3 columns"):
        model.partial_fit(X, y[:, :2])


def test_class_weight_and_fitted_fusion_need_one_class_a_row():
    X, y = problem(30)
    with pytest.raises(ValueError, match="`class_weight` needs one class a row"):
        MultimodalClassifier(**FAST, class_weight="balanced").fit(X, y)
    with pytest.raises(ValueError, match="`fusion_weights='fit'` needs one class a row"):
        MultimodalClassifier(**FAST, fusion_weights="fit").fit(X, y)


def test_weights_file_gives_the_same_labels(tmp_path):
    X, y = problem(60)
    model = MultimodalClassifier(**FAST).fit(X, y)
    model.save_weights(tmp_path / "weights.safetensors")
    loaded = MultimodalClassifier(**FAST).load_weights(tmp_path / "weights.safetensors")
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    assert loaded.predict(X).dtype == y.dtype
