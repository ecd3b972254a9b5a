"""Networks of a stack are trained as each would be by itself."""

import numpy as np
import pytest
from sklearn.model_selection import GroupKFold
from skorch.callbacks import LRScheduler

from sk_mmbalance import Modalities, MultimodalRegressor
from tests.model_selection._compare import assert_same_results, classifier, make_rows, search_both

NUMBERS = [
    {"lr": [0.01], "weight_decay": [0.0, 0.01], "unimodal_weight": [0.3]},
    {"lr": [0.05], "weight_decay": [0.01], "unimodal_weight": [1.0]},
]


@pytest.mark.parametrize("fusion", ["concat", "late"])
def test_stacked_sgd_in_single_precision_equals_training_one_by_one(fusion):
    X, y = make_rows(dtype=np.float32)
    both = search_both(classifier(optimizer="sgd", fusion=fusion), NUMBERS, X, y, cv=2)
    assert both.apart < 1e-4
    assert both.together.vectorized_["stacked"].all()
    assert_same_results(both.one_by_one, both.together)


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_stacked_adam_in_double_precision_equals_training_one_by_one(optimizer):
    X, y = make_rows()
    both = search_both(classifier(optimizer=optimizer), NUMBERS, X, y, cv=2)
    assert both.apart < 1e-8
    assert both.together.vectorized_["stacked"].all()
    assert_same_results(both.one_by_one, both.together)


@pytest.mark.parametrize("fusion", ["sum", "gated", "film", "transformer"])
def test_every_fusion_is_stacked(fusion):
    X, y = make_rows(45)
    both = search_both(classifier(fusion=fusion, max_epochs=4), {"lr": [0.01, 0.03]}, X, y, cv=2)
    assert both.apart < 1e-8
    assert both.together.vectorized_["stacked"].all()
    assert_same_results(both.one_by_one, both.together)


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_weights_and_missing_modalities_count_as_in_single_trainings(missing, weighted):
    X, y = make_rows(missing=missing)
    weight = np.random.default_rng(1).integers(0, 3, size=len(y)).astype(float)
    both = search_both(
        classifier(max_epochs=6, missing="mask", class_weight={0: 2.0, 1: 1.0, 2: 0.5}),
        {"lr": [0.01, 0.03]},
        X,
        y,
        cv=2,
        params={"sample_weight": weight} if weighted else None,
    )
    assert both.apart < 1e-8
    assert both.together.vectorized_["stacked"].all()
    assert_same_results(both.one_by_one, both.together)


def test_folds_of_very_unequal_size_are_trained_each_on_its_own_rows():
    X, y = make_rows(80)
    groups = np.repeat([0, 1, 2, 3], [45, 20, 10, 5])
    grid = {"optimizer": ["sgd", "adamw"], "lr": [0.01]}
    both = search_both(
        classifier(max_epochs=6),
        grid,
        X,
        y,
        cv=GroupKFold(3),
        params={"groups": groups},
        answer="predict_proba",
    )
    assert both.apart < 1e-8
    assert both.together.vectorized_["stacked"].all()
    assert both.together.vectorized_["stack"].nunique() == 2  # one for each optimiser
    assert_same_results(both.one_by_one, both.together)


def test_seeds_make_orders_and_weights_of_their_own():
    X, y = make_rows()
    both = search_both(classifier(max_epochs=6), {"random_state": [0, 1, 2]}, X, y, cv=2)
    assert both.apart < 1e-8
    assert both.together.vectorized_["stack"].nunique() == 1
    scores = both.together.cv_results_["mean_test_score"]
    assert len(set(scores)) > 1


def test_early_stopping_freezes_each_network_at_its_own_best_state():
    X, y = make_rows(120)
    grid = [{"lr": [0.01, 0.2], "n_iter_no_change": [2, 4]}, {"lr_schedule": ["plateau"]}]
    clf = classifier(early_stopping=True, validation_fraction=0.25, max_epochs=20)
    lengths = []

    def answer(fitted):
        lengths.append(fitted.n_iter_)
        return fitted.predict_proba(X)

    both = search_both(clf, grid, X, y, cv=2, answer=answer)
    assert both.apart < 1e-8
    assert_same_results(both.one_by_one, both.together)
    assert lengths[: len(lengths) // 2] == lengths[len(lengths) // 2 :]
    assert len(set(lengths)) > 2


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_learning_rates_that_part_on_the_way_are_followed(optimizer):
    X, y = make_rows()
    plateau = LRScheduler("ReduceLROnPlateau", monitor="train_loss", patience=0, factor=0.5)
    rates = []

    def answer(fitted):
        rates.append(fitted.net_.optimizer_.param_groups[0]["lr"])
        return fitted.predict_proba(X)

    clf = classifier(lr_schedule=plateau, lr=0.2, optimizer=optimizer, max_epochs=12)
    grid = {"unimodal_weight": [0.2, 0.5, 1.0]}
    both = search_both(clf, grid, X, y, cv=2, answer=answer)
    assert both.apart < 1e-8
    assert rates[: len(rates) // 2] == rates[len(rates) // 2 :]
    assert len(set(rates)) > 1


@pytest.mark.parametrize(
    "params",
    [
        {"optimizer": "sgd"},
        {"optimizer": "sgd", "net_params": {"optimizer__momentum": 0.0}},
        {"optimizer": "adamw"},
    ],
)
def test_a_schedule_of_torch_is_followed_without_a_warning(params):
    X, y = make_rows(n=40)
    clf = classifier(lr_schedule="cosine", max_epochs=6, **params)
    both = search_both(clf, {"lr": [0.02, 0.05]}, X, y, cv=2)
    assert both.together.vectorized_["stacked"].all()
    assert both.apart < 1e-8


@pytest.mark.parametrize("loss", ["squared_error", "huber"])
def test_regressors_are_stacked(loss):
    X, y = make_rows()
    numbers = np.column_stack([X["a"][:, 0] + y, 3 * X["b"][:, 1]])
    model = MultimodalRegressor(
        loss=loss, hidden_layer_sizes=(8,), embedding_dim=6, max_epochs=5, random_state=0
    )
    both = search_both(model, {"lr": [0.01, 0.03]}, X, numbers, cv=2, answer="predict")
    assert both.apart < 1e-8
    assert both.together.vectorized_["stacked"].all()


def test_several_labels_are_stacked():
    X, y = make_rows()
    labels = np.column_stack([y == 0, y == 1, X["a"][:, 0] > 0]).astype(int)
    both = search_both(classifier(max_epochs=5), {"lr": [0.01, 0.03]}, X, labels, cv=2)
    assert both.apart < 1e-8
    assert both.together.vectorized_["stacked"].all()


@pytest.mark.parametrize("backbones", ["cnn", "sequence"])
def test_convolutions_are_stacked(backbones):
    X, y = make_rows(45)
    rng = np.random.default_rng(0)
    shape = (2, 6, 6) if backbones == "cnn" else (7, 3)
    images = rng.normal(size=(45, *shape)) + y.reshape(-1, *[1] * len(shape))
    X = Modalities(a=X["a"], image=images)
    clf = classifier(backbones={"image": backbones}, max_epochs=3)
    both = search_both(clf, {"lr": [0.003, 0.01]}, X, y)
    assert both.apart < 1e-8
    assert both.together.vectorized_["stacked"].all()


def test_fusion_weights_of_a_candidate_are_fitted_as_ever():
    X, y = make_rows(90)
    grid = [{"fusion_weights": ["fit"], "cv": [2]}, {"fusion_weights": [None], "lr": [0.01, 0.02]}]
    both = search_both(classifier(max_epochs=5), grid, X, y)
    assert both.apart < 1e-8
    assert both.together.vectorized_["stacked"].all()
