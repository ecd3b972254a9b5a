"""Sequences of unequal length in networks: what fills them up is never data."""

import inspect

import numpy as np
import pandas as pd
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
    ModalitySelector,
    ModalityTransformer,
    MultimodalClassifier,
    MultimodalRegressor,
    balancing,
)
from sk_mmbalance.exceptions import MissingModalityError, ScaleWarning
from sk_mmbalance.inspection import modality_contributions
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
    model = MultimodalClassifier(**SMALL, early_stopping=True).fit(X, Y, X_val=held, y_val=Y[:4])
    assert np.isfinite(model.history_["valid_loss"]).all()


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


@pytest.mark.parametrize("how", ["weights", "checkpoint"])
def test_files(how, tmp_path):
    model = MultimodalClassifier(**SMALL).fit(X, Y)
    expected = model.predict_proba(X)
    if how == "weights":
        model.save_weights(tmp_path / "w.safetensors")
        again = MultimodalClassifier(**SMALL).load_weights(tmp_path / "w.safetensors")
        np.testing.assert_array_equal(again.predict_proba(X), expected)
    else:
        again = MultimodalClassifier(**SMALL, checkpoint_dir=tmp_path).fit(X, Y)
        np.testing.assert_array_equal(again.predict_proba(X), expected)


def program_of(model, path, scaler=None):
    model.export(path, scaler=scaler)
    return torch.export.load(path).module()


@pytest.mark.parametrize("most", [1, 8])
@pytest.mark.parametrize("backbone", ["sequence", "gru"])
def test_programs_take_what_nan_fills_up(backbone, most, tmp_path):
    walks = [walk[:most] for walk in WALKS]
    given = {"walk": padded(walks), "b": B}
    model = MultimodalClassifier(**SMALL, backbones={"walk": backbone}).fit(given, Y)
    program = program_of(model, tmp_path / "m.pt2")
    # of a recurrent unit the number of steps is that of the longest in fit, two at least
    for longest in (8 if most == 8 else 2,) + ((12,) if backbone == "sequence" else ()):
        tensors = {"b": torch.as_tensor(B), "walk": torch.as_tensor(padded(walks, longest))}
        np.testing.assert_allclose(program(tensors).detach(), model.predict_proba(given), rtol=1e-6)


def test_programs_scale_steps(tmp_path):
    prep = ModalityTransformer({"walk": StepTransformer(StandardScaler())})
    model = make_pipeline(prep, MultimodalClassifier(**SMALL)).fit(X, Y)
    program = program_of(model[-1], tmp_path / "m.pt2", scaler=model[0])
    given = {"b": torch.as_tensor(B), "walk": torch.as_tensor(padded())}
    np.testing.assert_allclose(program(given).detach(), model.predict_proba(X), rtol=1e-6)


@pytest.mark.parametrize("federated", [FedAvgClassifier, FedCMIClassifier, CMSFedClassifier])
def test_clients_with_sequences(federated):
    model = federated(n_rounds=2, random_state=0).fit(X, Y, clients=np.arange(N) % 3)
    proba = model.predict_proba(X)
    np.testing.assert_allclose(model.predict_proba({"walk": padded(), "b": B}), proba, rtol=1e-6)
    held = Modalities(walk=[RNG.normal(size=(20, 2)) for _ in range(4)], b=B[:4])
    model.fit(X, Y, clients=np.arange(N) % 3, eval_set=(held, Y[:4]))


def test_scale_is_that_of_the_steps():
    large = [1000 * walk for walk in WALKS]
    with pytest.warns(ScaleWarning, match=r"\{'walk': StepTransformer\(StandardScaler\(\)\)\}, r"):
        MultimodalClassifier(**SMALL).fit(Modalities(walk=large, b=B), Y)
    prep = ModalityTransformer({"walk": StepTransformer(StandardScaler())})
    model = make_pipeline(prep, MultimodalClassifier(**SMALL))
    scaled = model.fit(Modalities(walk=large, b=B), Y)
    assert np.isfinite(scaled.predict_proba(Modalities(walk=large, b=B))).all()


BEFORE = {
    "steps": ModalityTransformer({"walk": StepTransformer(StandardScaler())}),
    "others": ModalityTransformer({"b": StandardScaler()}),
    "selector": ModalitySelector(["walk", "b"]),
}


@pytest.mark.parametrize("before", BEFORE.values(), ids=BEFORE.keys())
def test_after_a_transformer_as_without_one(before):
    forms = [
        {"walk": WALKS, "b": B},
        X,
        {"walk": padded(), "b": B},
        {"walk": padded(longest=20), "b": B},
    ]
    box = np.empty(N, dtype=object)
    box[:] = WALKS
    forms += [{"walk": kind, "b": B} for kind in (pd.DataFrame({"w": box}), pd.Series(box))]
    expected = None
    for seen in forms:
        model = make_pipeline(clone(before), MultimodalClassifier(**SMALL)).fit(seen, Y)
        for new in forms:
            proba = model.predict_proba(new)
            expected = proba if expected is None else expected
            np.testing.assert_allclose(proba, expected, rtol=1e-9)
    empty = {"walk": [np.zeros((0, 2))] * 2, "b": B[:2]}
    with pytest.raises(MissingModalityError, match="`X` modality 'walk'"):
        model.predict(empty)


def test_a_module_that_needs_lengths_has_them_where_all_are_equal():
    class Own(torch.nn.Module):
        def __init__(self, input_shape, embedding_dim):
            super().__init__()
            self.project = torch.nn.Linear(input_shape[1], embedding_dim)

        def forward(self, x, lengths):
            return self.project(x).sum(1) / lengths[:, None]

    model = MultimodalClassifier(**SMALL, backbones={"walk": Own})
    equal = Modalities(walk=[walk[:2] for walk in WALKS], b=B)
    assert np.isfinite(model.fit(equal, Y).predict_proba(equal)).all()
    assert np.isfinite(model.fit(X, Y).predict_proba(X)).all()


def test_a_stack_of_folds_with_other_longest_sequences():
    walks = [*(RNG.normal(size=(n, 2)) for n in (20, 16, 25)), *WALKS[3:]]
    model = MultimodalClassifier(**SMALL, dtype="float64")
    search = VectorizedGridSearchCV(model, {"lr": [0.003, 0.05]}, cv=3, stack=True, refit=False)
    given = Modalities(walk=walks, b=B)
    assert search.fit(given, Y).vectorized_["stacked"].all()
    one = GridSearchCV(model, {"lr": [0.003, 0.05]}, cv=3, refit=False).fit(given, Y)
    np.testing.assert_allclose(
        search.cv_results_["mean_test_score"], one.cv_results_["mean_test_score"]
    )


def test_nan_at_the_end_is_no_step_in_any_form_and_a_gap_is_refused():
    model = MultimodalClassifier(**SMALL).fit(X, Y)
    ended = [np.vstack([walk, np.full((2, 2), np.nan)]) for walk in WALKS]
    proba = model.predict_proba({"walk": ended, "b": B})
    np.testing.assert_array_equal(proba, model.predict_proba(X))
    for form in (list, padded):
        gap = [walk.copy() for walk in WALKS]
        gap[0] = np.vstack([[[np.nan, 1.0]], gap[0]])
        with pytest.raises(ValueError, match=r"part of 1 row.*StepTransformer\(SimpleImputer"):
            model.predict({"walk": form(gap), "b": B})


def test_rows_of_one_length_say_how_to_have_any():
    equal = {"walk": padded()[:, :2], "b": B}
    model = MultimodalClassifier(**SMALL).fit(equal, Y)
    for new in (X, {"walk": np.ones((N, 3, 2)), "b": B}):
        with pytest.raises(ValueError, match="end one with a step of NaN in fit"):
            model.predict(new)
    ended = np.pad(equal["walk"], ((0, 0), (0, 1), (0, 0)), constant_values=np.nan)
    model.fit({"walk": ended, "b": B}, Y)
    assert np.isfinite(model.predict_proba(X)).all()
    with pytest.raises(ValueError, match="end one with a step of NaN in fit"):
        FedAvgClassifier(n_rounds=1).fit(equal, Y, eval_set=(X, Y))


@pytest.mark.parametrize("removal", ["zero", "mean"])
@pytest.mark.parametrize("walk", [WALKS, padded()], ids=["list", "NaN"])
def test_nothing_stands_for_a_removed_sequence(walk, removal):
    model = MultimodalClassifier(**SMALL).fit(X, Y)
    with pytest.raises(
        TypeError, match=f"`removal='{removal}'` needs numbers, but modality 'walk'"
    ):
        modality_contributions(model, {"walk": walk, "b": B}, Y, removal=removal)
    permuted = modality_contributions(model, {"walk": walk, "b": B}, Y, random_state=0)
    assert np.isfinite(permuted.table["contribution"]).all()


def test_networks_that_cannot_heed_lengths_say_so():
    with pytest.raises(ValueError, match="`backbones` gives MLPBackbone to modality 'walk'"):
        MultimodalClassifier(backbones={"walk": "mlp"}, **SMALL).fit(X, Y)
    with pytest.raises(ValueError, match="or use a network"):
        sk_mmbalance.LateFusionClassifier().fit(X, Y)
