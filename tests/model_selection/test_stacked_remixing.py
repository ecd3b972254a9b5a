"""Networks of a stack whose rows are remixed train as each would by itself."""

import numpy as np
import pytest
import torch
from sklearn.model_selection import GroupKFold
from torch import nn

from sk_mmbalance import DataRemixingClassifier, Modalities, MultimodalRegressor
from sk_mmbalance.balancing import OGM, DataRemixing
from sk_mmbalance.model_selection import VectorizedGridSearchCV
from tests.model_selection._compare import assert_same_results, classifier, make_rows, search_both

# Small sets remix unequally, which no test here is about.
pytestmark = pytest.mark.filterwarnings("ignore::sk_mmbalance.exceptions.CollapseWarning")

REMIXED = DataRemixing(start_epoch=2)


def assert_as_one_by_one(both, apart=1e-8):
    assert both.apart < apart
    assert both.together.vectorized_["stacked"].all()
    assert_same_results(both.one_by_one, both.together, apart)


@pytest.mark.parametrize(
    ("optimizer", "dtype", "apart"),
    [("adam", np.float64, 1e-8), ("adamw", np.float64, 1e-8), ("sgd", np.float32, 1e-4)],
)
def test_remixed_networks_equal_training_one_by_one(optimizer, dtype, apart):
    X, y = make_rows(dtype=dtype)
    clf = classifier(optimizer=optimizer, balancing=REMIXED, weight_decay=0.01)
    both = search_both(clf, {"lr": [0.01, 0.03]}, X, y)
    assert_as_one_by_one(both, apart)
    assert both.together.vectorized_["stack"].nunique() == 1


@pytest.mark.parametrize(
    "optimizer", [torch.optim.Adagrad, torch.optim.RMSprop, torch.optim.NAdam, torch.optim.ASGD]
)
def test_optimisers_of_torch_move_each_modality_by_itself(optimizer):
    X, y = make_rows(45)
    clf = classifier(optimizer=optimizer, balancing=DataRemixing(start_epoch=1), max_epochs=5)
    both = search_both(clf, {"lr": [0.003, 0.01]}, X, y, cv=2)
    assert_as_one_by_one(both)


@pytest.mark.parametrize(
    "value",
    [
        DataRemixing(start_epoch=0, order="sequential", joint_every=None),
        DataRemixing(start_epoch=1, order=["b", "a"], joint_every=3, min_share=0.4),
        DataRemixing(start_epoch=1, predictor="mask"),
        DataRemixing(start_epoch=1, criterion="label", gamma=0.0),
    ],
)
def test_every_order_predictor_and_criterion_is_stacked(value):
    X, y = make_rows()
    both = search_both(classifier(balancing=value, max_epochs=6), {"lr": [0.01, 0.03]}, X, y, cv=2)
    assert_as_one_by_one(both)


def test_numbers_of_remixing_differ_in_one_stack():
    X, y = make_rows()
    grid = [
        {"balancing__start_epoch": [0, 1, 3, None]},
        {"balancing__gamma": [0.0, 0.3, {"a": 0.0, "b": 2.0}]},
        {"balancing__order": ["sequential", ["b", "a"]], "balancing__min_share": [0.0, 0.5]},
        {"balancing__joint_every": [None, 3], "balancing__temperature": [2.0]},
        {"balancing__criterion": ["label"], "unimodal_weight": [1.0], "random_state": [1]},
    ]
    both = search_both(classifier(balancing=REMIXED, max_epochs=6), grid, X, y, cv=2)
    assert_as_one_by_one(both)
    assert both.together.vectorized_["stack"].nunique() == 1


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_weights_and_missing_modalities_count_in_remixed_epochs(missing, weighted):
    X, y = make_rows(missing=missing)
    weight = np.random.default_rng(1).integers(0, 3, size=len(y)).astype(float)
    both = search_both(
        classifier(balancing=REMIXED, max_epochs=6, missing="mask", optimizer="sgd"),
        {"lr": [0.01, 0.03]},
        X,
        y,
        cv=2,
        params={"sample_weight": weight} if weighted else None,
    )
    assert_as_one_by_one(both)


def test_folds_of_very_unequal_size_have_remixed_epochs_of_their_own():
    X, y = make_rows(80)
    groups = np.repeat([0, 1, 2, 3], [45, 20, 10, 5])
    clf = classifier(max_epochs=6, balancing=REMIXED)
    grid = {"lr": [0.01, 0.03]}
    both = search_both(clf, grid, X, y, cv=GroupKFold(3), params={"groups": groups})
    assert_as_one_by_one(both)


@pytest.mark.parametrize("n_modalities", [1, 3, 5])
def test_any_number_of_modalities_is_remixed_in_a_stack(n_modalities):
    _, y = make_rows(60)
    rng = np.random.default_rng(0)
    X = Modalities({f"m{k}": y[:, None] + rng.normal(size=(60, 3)) for k in range(n_modalities)})
    both = search_both(
        classifier(max_epochs=5, balancing=REMIXED), {"lr": [0.01, 0.03]}, X, y, cv=2
    )
    assert_as_one_by_one(both)


@pytest.mark.parametrize("fusion", ["sum", "late", "gated", "film", "transformer"])
def test_every_fusion_is_remixed_in_a_stack(fusion):
    X, y = make_rows(45)
    clf = classifier(fusion=fusion, max_epochs=4, balancing=DataRemixing(start_epoch=1))
    both = search_both(clf, {"lr": [0.01, 0.03]}, X, y, cv=2)
    assert_as_one_by_one(both)


class Plain(nn.Linear):
    """A backbone of one's own, whose rows might see each other for all that a stack knows."""

    def __init__(self, input_shape, embedding_dim):
        super().__init__(input_shape[0], embedding_dim)


class OfItsBatch(Plain):
    """Moves its rows by the mean of their batch."""

    def forward(self, x):
        u = super().forward(x)
        return u - u.mean(dim=0)


@pytest.mark.parametrize("backbone", [Plain, OfItsBatch])
def test_batches_of_unknown_networks_are_not_filled_up(backbone):
    X, y = make_rows(60)
    clf = classifier(backbones=backbone, max_epochs=5, balancing=REMIXED)
    both = search_both(clf, {"lr": [0.01, 0.03]}, X, y, cv=2)
    assert_as_one_by_one(both)


def test_numbers_are_remixed_by_their_losses_in_a_stack():
    X, y = make_rows(60)
    model = MultimodalRegressor(
        balancing=DataRemixing(start_epoch=1, criterion="label"),
        hidden_layer_sizes=(8,),
        embedding_dim=6,
        max_epochs=5,
        batch_size=16,
        early_stopping=False,
        random_state=0,
    )
    numbers = X["a"][:, 0] + y
    both = search_both(model, {"lr": [0.01, 0.03]}, X, numbers, cv=2, answer="predict")
    assert_as_one_by_one(both)


def test_remixed_networks_stop_early_and_follow_their_schedules():
    X, y = make_rows(120)
    grid = [{"lr": [0.01, 0.2], "n_iter_no_change": [2, 4]}, {"lr_schedule": ["plateau"]}]
    clf = classifier(
        early_stopping=True, validation_fraction=0.25, max_epochs=20, balancing=REMIXED
    )
    lengths = []

    def answer(fitted):
        lengths.append(fitted.n_iter_)
        return fitted.predict_proba(X)

    assert_as_one_by_one(search_both(clf, grid, X, y, cv=2, answer=answer))
    assert lengths[: len(lengths) // 2] == lengths[len(lengths) // 2 :]
    assert len(set(lengths)) > 2


def test_history_says_of_every_remixed_epoch_what_it_says_alone():
    X, y = make_rows()
    histories = []

    def answer(fitted):
        histories.append(fitted.history_)
        return fitted.predict_proba(X)

    clf = classifier(max_epochs=6, balancing=REMIXED)
    search_both(clf, {"lr": [0.01, 0.03]}, X, y, cv=2, answer=answer)
    half = len(histories) // 2
    said = ["remixed", "n_skipped", "train_loss"]
    said += [f"{m}__{what}" for m in "ab" for what in ("n_samples", "share")]
    for alone, stacked in zip(histories[:half], histories[half:], strict=True):
        for column in said:
            np.testing.assert_allclose(stacked[column], alone[column], err_msg=column)
        remixed = alone["remixed"].to_numpy()
        for column in ("train_accuracy", "a__train_loss", "b__confidence", "a__train_accuracy"):
            np.testing.assert_allclose(
                stacked[column][remixed], alone[column][remixed], err_msg=column
            )


def test_what_the_optimiser_knows_of_each_modality_goes_on():
    X, y = make_rows()
    answers = []

    def more(fitted):
        answers.append(fitted.partial_fit(X, y).predict_proba(X))
        return answers[-1]

    clf = classifier(max_epochs=5, balancing=REMIXED, optimizer="adam")
    assert_as_one_by_one(search_both(clf, {"lr": [0.01, 0.03]}, X, y, cv=2, answer=more))


def test_halving_gives_up_remixed_networks_and_leaves_the_others_as_they_are():
    X, y = make_rows()
    rates = {"lr": [1e-5, 1e-4, 0.01, 0.03]}
    clf = classifier(max_epochs=6, balancing=REMIXED)
    both = search_both(clf, rates, X, y, halving=[3])
    dropped = both.together.cv_results_["dropped_after"]
    assert dropped.tolist() == [3, 3, 0, 0]
    kept = np.array(dropped) == 0
    one, two = both.one_by_one.cv_results_, both.together.cv_results_
    np.testing.assert_array_equal(one["mean_test_score"][kept], two["mean_test_score"][kept])
    assert both.together.best_params_ == both.one_by_one.best_params_


def test_the_preset_and_remix_after_are_stacked():
    X, y = make_rows(46)
    net = classifier(max_epochs=5)
    both = search_both(net.set_params(remix_after=2), {"lr": [0.01, 0.03]}, X, y, cv=2)
    assert_as_one_by_one(both)
    preset = DataRemixingClassifier(
        hidden_layer_sizes=(8,),
        embedding_dim=6,
        max_epochs=5,
        batch_size=16,
        early_stopping=False,
        random_state=0,
    )
    grid = {"remix_after": [1, 2], "gamma": [0.5, 1.0]}
    both = search_both(preset, grid, X, y, cv=2)
    assert_as_one_by_one(both)
    assert both.together.vectorized_["stack"].nunique() == 1


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"balancing": DataRemixing(start_epoch=1, ablation="decouple")}, "ablation='decouple'"),
        ({"balancing": DataRemixing(start_epoch=1, ablation="reassemble")}, "'reassemble'"),
        ({"balancing": OGM(), "remix_after": 2}, r"DataRemixing\(\) cuts batches beside"),
    ],
)
def test_what_of_remixing_is_not_stacked_is_named(params, reason):
    X, y = make_rows(46)
    both = search_both(classifier(max_epochs=3, **params), {"lr": [0.01]}, X, y, cv=2)
    assert both.together.vectorized_["reason"].str.contains(reason).all()
    assert both.apart == 0


def test_few_remixed_networks_are_not_stacked_and_many_are():
    X, y = make_rows(n=60)
    net = classifier(max_epochs=3, hidden_layer_sizes=(16,), balancing=REMIXED)
    for n_candidates, stacked in ((1, False), (16, True)):
        grid = {"lr": np.geomspace(1e-3, 1e-2, n_candidates).tolist()}
        search = VectorizedGridSearchCV(net, grid, cv=3, refit=False).fit(X, y)
        assert (search.vectorized_["stacked"] == stacked).all()
