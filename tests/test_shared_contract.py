"""What every classifier must do with modalities of any number and kind."""

import numpy as np
import pytest
from sklearn.base import clone

from sk_mmbalance import Modalities
from tests._estimators import every_classifier, toy


@every_classifier
@pytest.mark.parametrize("n_modalities", [1, 2, 3, 5])
def test_any_number_of_modalities(classifier, n_modalities):
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    X = Modalities(
        {f"m{i}": 3 * y[:, None] + rng.normal(size=(60, i + 1)) for i in range(n_modalities)}
    )
    model = clone(classifier).fit(X, y)
    assert model.score(X, y) > 0.7
    assert model.modality_names_ == list(X)


@every_classifier
def test_ten_classes_with_names(classifier):
    X, y = toy(n_samples=200, n_classes=10)
    names = np.array([f"digit {k}" for k in range(10)])
    model = clone(classifier).fit(X, names[y])
    np.testing.assert_array_equal(model.classes_, names)
    proba = model.predict_proba(X)
    assert proba.shape == (200, 10)
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(model.predict(X), names[proba.argmax(axis=1)])
    assert model.score(X, names[y]) > 0.3


@every_classifier
def test_images_vectors_and_sequences_together(classifier):
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    X = Modalities(
        image=rng.normal(size=(60, 1, 8, 8)) + y[:, None, None, None],
        sequence=rng.normal(size=(60, 5, 3)) + y[:, None, None],
        vector=rng.normal(size=(60, 4)) + 2 * y[:, None],
    )
    model = clone(classifier).fit(X, y)
    assert model.score(X, y) > 0.7
    assert model.modality_shapes_ == {"image": (1, 8, 8), "sequence": (5, 3), "vector": (4,)}


def with_holes(X, rate=0.3):
    present = np.random.default_rng(1).random((len(X), 2)) > rate
    present[~present.any(axis=1), 0] = True
    return Modalities(
        {
            name: np.where(column[:, None], X[name], np.nan)
            for name, column in zip(X, present.T, strict=True)
        }
    )


@every_classifier
def test_missing_rows_in_fit_and_predict(classifier):
    X, y = toy()
    holes = with_holes(X)
    model = clone(classifier).set_params(missing="mask").fit(holes, y)
    proba = model.predict_proba(holes)
    assert np.isfinite(proba).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-6)
    assert model.score(holes, y) > 0.6
    if not hasattr(model, "unimodal_predict_proba"):
        return
    for name, own in model.unimodal_predict_proba(holes).items():
        assert own.shape == (60, 2)
        missing = np.isnan(holes[name]).all(axis=1)
        np.testing.assert_array_equal(np.isnan(own), np.column_stack([missing, missing]))


@every_classifier
def test_modality_left_out_at_predict_equals_all_its_rows_missing(classifier):
    X, y = toy()
    model = clone(classifier).set_params(missing="mask").fit(X, y)
    np.testing.assert_array_equal(
        model.predict_proba(X.select(["voice"])),
        model.predict_proba({"face": np.full((60, 3), np.nan), "voice": X["voice"]}),
    )


@every_classifier
def test_mask_changes_nothing_where_nothing_is_missing(classifier):
    X, y = toy()
    masked = clone(classifier).set_params(missing="mask").fit(X, y)
    np.testing.assert_allclose(
        masked.predict_proba(X), clone(classifier).fit(X, y).predict_proba(X), atol=1e-6
    )


@every_classifier
def test_unimodal_probabilities_are_named_and_sum_to_one(classifier):
    X, y = toy(n_classes=3)
    model = clone(classifier).fit(X, y)
    if not hasattr(model, "unimodal_predict_proba"):
        pytest.skip("has no classifier per modality")
    own = model.unimodal_predict_proba(X)
    assert set(own) <= {"face", "voice"}
    for proba in own.values():
        assert proba.shape == (60, 3)
        np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-6)


@every_classifier
def test_log_probabilities_are_those_of_the_probabilities(classifier):
    X, y = toy()
    model = clone(classifier).fit(X, y)
    if not hasattr(model, "predict_log_proba"):
        pytest.skip("has no predict_log_proba")
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), model.predict_proba(X))


@every_classifier
def test_memory_mapped_rows_give_the_same_bits(classifier, tmp_path):
    X, y = toy()
    maps = {}
    for name in X:
        np.save(tmp_path / f"{name}.npy", X[name])
        maps[name] = np.load(tmp_path / f"{name}.npy", mmap_mode="r")
    rows = np.arange(60)[::-1]
    on_disk = clone(classifier).fit(Modalities(maps)[rows], y[rows])
    in_memory = clone(classifier).fit(X[rows], y[rows])
    np.testing.assert_array_equal(on_disk.predict_proba(X), in_memory.predict_proba(X))
