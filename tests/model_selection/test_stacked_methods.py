"""Balancing methods in a stack train as they do one by one."""

import numpy as np
import pytest

from sk_mmbalance import (
    Modalities,
    MultimodalClassifier,
    MultimodalRegressor,
    NegativeLearningClassifier,
)
from sk_mmbalance.balancing import (
    AGM,
    CML,
    DGL,
    MBSD,
    MCR,
    MIDAS,
    MLA,
    OGM,
    OPM,
    PMR,
    AMCo,
    Independent,
    MMCosine,
    ModalityDropout,
    NegativeLearning,
)
from tests.model_selection._compare import assert_same_results, make_rows, search_both

NET = {
    "hidden_layer_sizes": (8,),
    "embedding_dim": 6,
    "max_epochs": 5,
    "batch_size": 16,
    "early_stopping": False,
    "random_state": 0,
    "missing": "mask",
}

METHODS = {
    "agm": (AGM(), {"alpha": [0.5, 1.0], "cap": [1.0]}),
    "amco": (AMCo(), {}),
    "cml": (CML(), {}),
    "cosine": (MMCosine(scale=5.0), {}),
    "dgl": (DGL(), {}),
    "dropout": (ModalityDropout(rate=0.4), {}),
    "independent": (Independent(), {}),
    "mbsd": (MBSD(), {}),
    "mcr": (MCR(), {}),
    "midas": (MIDAS(), {}),
    "negative": (NegativeLearning(), {"negative_weight": [0.0, 0.3, 0.7]}),
    "renormalised": (NegativeLearning(negative="renormalised"), {"negative_weight": [0.3, 0.7]}),
    "ogm": (OGM(), {"alpha": [0.0, 0.3]}),
    "ogm of shares": (OGM(own_logits="share", noise=False), {"alpha": [0.3, 0.9]}),
    "opm": (OPM(), {}),
    "pmr": (PMR(entropy_weight=0.1, entropy_epochs=3), {"weight": [0.0, 0.5]}),
}


#: What scales gradients or, where the optimiser undoes that, steps: tried with both.
BOTH_WAYS = ("agm", "ogm")


@pytest.mark.parametrize(
    ("method", "optimizer"),
    [*((name, "adamw") for name in METHODS), *((name, "sgd") for name in BOTH_WAYS)],
)
def test_a_method_in_a_stack_equals_training_one_by_one(method, optimizer):
    value, numbers = METHODS[method]
    X, y = make_rows(46)
    grid = {"lr": [0.01, 0.03], **{f"balancing__{k}": v for k, v in numbers.items()}}
    clf = MultimodalClassifier(balancing=value, optimizer=optimizer, **NET)
    both = search_both(clf, grid, X, y, cv=2)
    assert both.apart < 1e-8
    assert both.together.vectorized_["stacked"].all()
    assert_same_results(both.one_by_one, both.together)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("optimizer", "dtype", "apart"), [("sgd", "float32", 1e-4), ("adam", "float64", 1e-8)]
)
def test_rounding_stays_small_over_many_epochs(method, optimizer, dtype, apart):
    value, numbers = METHODS[method]
    X, y = make_rows(60)
    grid = {"lr": [0.01, 0.03], **{f"balancing__{k}": v for k, v in numbers.items()}}
    if method == "midas":  # whose first epochs leave the fusion out, which keeps it out of a stack
        value = MIDAS(start_epoch=0)
    settings = {**NET, "max_epochs": 20, "optimizer": optimizer, "dtype": dtype}
    clf = MultimodalClassifier(balancing=value, **settings)
    both = search_both(clf, grid, X, y, cv=2)
    assert both.apart < apart
    assert both.together.vectorized_["stacked"].all()
    scores = both.one_by_one.cv_results_["mean_test_score"]
    assert scores[both.together.best_index_] > scores.max() - 1e-4


@pytest.mark.parametrize(
    "method", ["agm", "amco", "dropout", "mcr", "midas", "negative", "ogm", "opm", "pmr"]
)
def test_a_method_counts_missing_modalities_and_weights_as_one_by_one(method):
    value, numbers = METHODS[method]
    X, y = make_rows(46, missing=True)
    grid = {"lr": [0.02], **{f"balancing__{k}": v for k, v in numbers.items()}}
    weight = np.random.default_rng(1).random(46)
    clf = MultimodalClassifier(balancing=value, optimizer="sgd", **NET)
    both = search_both(clf, grid, X, y, cv=2, params={"sample_weight": weight})
    assert both.apart < 1e-8
    assert both.together.vectorized_["stacked"].all()


@pytest.mark.parametrize("guide", ["best", "mean"])
def test_three_modalities_guide_each_other_as_one_by_one(guide):
    X, y = make_rows(46)
    X = Modalities(a=X["a"], b=X["b"][:, :2], c=X["b"][:, 2:])
    grid = {"balancing__negative_weight": [0.2, 0.7], "lr": [0.01, 0.03]}
    clf = MultimodalClassifier(balancing=NegativeLearning(guide=guide), **NET)
    both = search_both(clf, grid, X, y)
    assert both.apart < 1e-8
    assert both.together.vectorized_["stacked"].all()


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_credits_of_numbers_are_measured_by_each_folds_own_scale(optimizer):
    X, y = make_rows(50)
    numbers = np.where(np.arange(50) < 25, 1.0, 5.0) * X["a"][:, 0] + y
    model = MultimodalRegressor(balancing=AGM(), optimizer=optimizer, **NET)
    both = search_both(model, {"balancing__alpha": [0.5, 1.0]}, X, numbers, cv=2, answer="predict")
    assert both.apart < 1e-8
    assert both.together.vectorized_["stacked"].all()


def test_strengths_of_a_method_are_in_one_stack_and_its_control_in_another():
    X, y = make_rows(46)
    grid = {"balancing": [OGM(alpha=0.1), OGM(alpha=0.5), None, OGM(alpha=0.0)]}
    both = search_both(MultimodalClassifier(**NET), grid, X, y)
    assert both.together.vectorized_["stack"].tolist() == [0, 0, 1, 2]
    assert both.apart < 1e-8


def test_presets_are_stacked_by_the_numbers_of_their_method():
    X, y = make_rows(46)
    clf = NegativeLearningClassifier(**NET)
    both = search_both(clf, {"negative_weight": [0.2, 0.7], "warmup_epochs": [0, 2]}, X, y)
    assert both.together.vectorized_["stack"].tolist() == [0, 1, 0, 1]
    assert both.apart < 1e-8


def test_methods_with_steps_of_their_own_take_the_ordinary_path():
    X, y = make_rows(46)
    clf = MultimodalClassifier(balancing=MLA(), **NET)
    both = search_both(clf.set_params(max_epochs=3), {"lr": [0.01]}, X, y)
    assert "MLA" in both.together.vectorized_["reason"][0]
    assert both.apart == 0


def test_a_method_of_ones_own_is_not_taken_for_the_one_it_is_made_of():
    class Mine(OGM):
        def step(self, net, batch):
            return super().step(net, batch)

    X, y = make_rows(46)
    clf = MultimodalClassifier(balancing=Mine(), **NET).set_params(max_epochs=2)
    both = search_both(clf, {"lr": [0.01]}, X, y)
    assert "Mine" in both.together.vectorized_["reason"][0]
