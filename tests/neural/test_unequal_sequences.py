"""Sequences of unequal length in networks: what fills them up is never data."""

import inspect

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sk_mmbalance
from sk_mmbalance import (
    CMSFedClassifier,
    DeepEnsembleClassifier,
    FedAvgClassifier,
    FedCMIClassifier,
    Modalities,
    ModalityTransformer,
    MultimodalClassifier,
    MultimodalRegressor,
    balancing,
)
from sk_mmbalance.exceptions import ScaleWarning
from sk_mmbalance.model_selection import VectorizedGridSearchCV
from sk_mmbalance.preprocessing import StepTransformer

RNG = np.random.default_rng(0)
N = 60
Y = np.arange(N) % 2
LENGTHS = RNG.integers(2, 9, N)
WALKS = [RNG.normal(size=(n, 2)) + y for n, y in zip(LENGTHS, Y, strict=True)]
B = RNG.normal(size=(N, 3))
X = Modalities(walk=WALKS, b=B)
SMALL = {"hidden_layer_sizes": (6,), "embedding_dim": 4, "max_epochs": 2, "random_state": 0}


def padded(walks=WALKS, longest=12):
    array = np.full((len(walks), longest, 2), np.nan)
    for row, walk in zip(array, walks, strict=True):
        row[: len(walk)] = walk
    return array


VALUES = [
    value
    for name in balancing.__all__
    if inspect.isclass(value := getattr(balancing, name)) and value is not balancing.Balancing
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: value.__name__)
def test_every_balancing_value_takes_them_in_either_form(value):
    model = MultimodalClassifier(balancing=value(), **SMALL).fit(X, Y)
    proba = model.predict_proba(X)
    assert np.isfinite(proba).all()
    other = clone(model).fit({"walk": padded(), "b": B}, Y)
    np.testing.assert_array_equal(other.predict_proba(X), proba)


def test_a_row_is_predicted_as_it_is_alone():
    model = MultimodalClassifier(**SMALL).fit(X, Y)
    assert model.modality_shapes_["walk"] == (8, 2)
    together = model.predict_proba(X)
    alone = np.vstack([model.predict_proba(X[[row]]) for row in range(N)])
    np.testing.assert_allclose(alone, together, rtol=1e-10)
    longer = Modalities(walk=[*WALKS[:1], RNG.normal(size=(40, 2))], b=B[:2])
    np.testing.assert_allclose(model.predict_proba(longer)[:1], together[:1], rtol=1e-10)


def test_a_length_can_be_learnt():
    lengths = np.where(np.arange(200) % 2, 3, 9)  # nothing but the length tells
    counted = [np.ones((n, 1)) for n in lengths]
    model = MultimodalClassifier(backbones={"walk": "gru"}, max_epochs=30, lr=0.02, random_state=0)
    model.fit({"walk": counted}, np.arange(200) % 2)
    assert model.score({"walk": counted}, np.arange(200) % 2) == 1.0


def test_a_missing_sequence_is_missing():
    lacking = Modalities(walk=[None, *WALKS[1:-1], np.zeros((0, 2))], b=B)
    model = MultimodalClassifier(**SMALL, missing="mask").fit(lacking, Y)
    proba = model.predict_proba(lacking)
    np.testing.assert_allclose(model.predict_proba({"b": B})[[0, -1]], proba[[0, -1]], rtol=1e-10)


def test_regressor_folds_and_ensembles_take_them():
    assert np.isfinite(MultimodalRegressor(**SMALL).fit(X, B[:, 0]).predict(X)).all()
    found = cross_val_predict(MultimodalClassifier(**SMALL), X, Y, method="predict_proba")
    assert np.isfinite(found).all()
    members = DeepEnsembleClassifier(MultimodalClassifier(**SMALL), n_estimators=2)
    assert members.fit(X, Y).predict_proba(X).shape == (N, 2)


def test_validation_rows_may_be_longer():
    held = Modalities(walk=[RNG.normal(size=(20, 2)) for _ in range(4)], b=B[:4])
    MultimodalClassifier(**SMALL).fit(X, Y, X_val=held, y_val=Y[:4])


def test_a_search_trains_them_as_a_stack():
    grid = {"lr": [0.001, 0.01, 0.02]}
    model = MultimodalClassifier(**SMALL, dtype="float64")
    search = VectorizedGridSearchCV(model, grid, cv=2, refit=False, stack=True).fit(X, Y)
    assert search.vectorized_["stacked"].all()
    one = GridSearchCV(model, grid, cv=2, refit=False).fit(X, Y)
    np.testing.assert_allclose(
        search.cv_results_["mean_test_score"], one.cv_results_["mean_test_score"]
    )


def test_training_goes_on_with_other_lengths():
    model = MultimodalClassifier(**SMALL).partial_fit(X[:30], Y[:30], classes=[0, 1])
    longer = Modalities(walk=[np.ones((15, 2)), np.ones((3, 2))], b=B[:2])
    assert np.isfinite(model.partial_fit(longer, [0, 1]).predict_proba(X)).all()
    with pytest.raises(ValueError, match="but all that fit saw had the shape"):
        MultimodalClassifier(**SMALL).fit({"walk": padded()[:, :2], "b": B}, Y).predict(X)


@pytest.mark.parametrize("how", ["weights", "program", "checkpoint"])
def test_files(how, tmp_path):
    model = MultimodalClassifier(**SMALL).fit(X, Y)
    expected = model.predict_proba(X)
    if how == "weights":
        model.save_weights(tmp_path / "w.safetensors")
        again = MultimodalClassifier(**SMALL).load_weights(tmp_path / "w.safetensors")
        np.testing.assert_array_equal(again.predict_proba(X), expected)
    elif how == "checkpoint":
        again = MultimodalClassifier(**SMALL, checkpoint_dir=tmp_path).fit(X, Y)
        np.testing.assert_array_equal(again.predict_proba(X), expected)
    else:
        model.export(tmp_path / "m.pt2")
        program = torch.export.load(tmp_path / "m.pt2").module()
        dtype = next(model.net_.module_.parameters()).dtype
        for longest in (8, 12):  # any number of steps, and NaN after them
            given = {"b": B, "walk": padded(longest=longest)}
            given = {name: torch.as_tensor(value, dtype=dtype) for name, value in given.items()}
            np.testing.assert_allclose(program(given).detach(), expected, rtol=1e-6)


@pytest.mark.parametrize("federated", [FedAvgClassifier, FedCMIClassifier, CMSFedClassifier])
def test_clients_with_sequences(federated):
    model = federated(n_rounds=2, random_state=0).fit(X, Y, clients=np.arange(N) % 3)
    proba = model.predict_proba(X)
    np.testing.assert_allclose(model.predict_proba({"walk": padded(), "b": B}), proba, rtol=1e-6)
    held = Modalities(walk=[RNG.normal(size=(20, 2)) for _ in range(4)], b=B[:4])
    model.fit(X, Y, clients=np.arange(N) % 3, eval_set=(held, Y[:4]))


def test_scale_is_that_of_the_steps():
    large = [1000 * walk for walk in WALKS]
    with pytest.warns(ScaleWarning, match=r"\{'walk': StepTransformer\(StandardScaler\(\)\)\}"):
        MultimodalClassifier(**SMALL).fit(Modalities(walk=large, b=B), Y)
    prep = ModalityTransformer({"walk": StepTransformer(StandardScaler())})
    model = make_pipeline(prep, MultimodalClassifier(**SMALL))
    scaled = model.fit(Modalities(walk=large, b=B), Y)
    assert np.isfinite(scaled.predict_proba(Modalities(walk=large, b=B))).all()


def test_networks_that_cannot_heed_lengths_say_so():
    with pytest.raises(ValueError, match="`backbones` gives MLPBackbone to modality 'walk'"):
        MultimodalClassifier(backbones={"walk": "mlp"}, **SMALL).fit(X, Y)
    with pytest.raises(ValueError, match="or use a network"):
        sk_mmbalance.LateFusionClassifier().fit(X, Y)
