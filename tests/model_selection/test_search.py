"""Vectorized searches give what scikit-learn's give, and say how."""

import pickle
from inspect import signature

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import loguniform
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.exceptions import FitFailedWarning, UnsetMetadataPassedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, RandomizedSearchCV
from sklearn.pipeline import Pipeline
from skorch.callbacks import EpochScoring
from torch import nn

from sk_mmbalance import ModalityTransformer, MultimodalClassifier
from sk_mmbalance.exceptions import DivergenceError
from sk_mmbalance.model_selection import VectorizedGridSearchCV, VectorizedRandomizedSearchCV
from tests.model_selection._compare import assert_same_results, classifier, make_rows, search_both

# -- what is searched with what ----------------------------------------------------------------


def test_a_pipeline_is_fitted_once_a_fold_for_all_candidates_that_share_it():
    X, y = make_rows()
    steps = [("scale", ModalityTransformer({"a": Counted()})), ("net", classifier(max_epochs=5))]
    grid = {"net__lr": [0.01, 0.03], "scale__a__factor": [1.0, 2.0], "net__weight_decay": [0, 0.1]}
    pipeline = Pipeline(steps)
    Counted.fits = 0
    search = VectorizedGridSearchCV(pipeline, grid, cv=3, refit=False).fit(X, y)
    assert Counted.fits == 3 * 2
    assert search.vectorized_["stacked"].all()
    both = search_both(pipeline, grid, X, y)
    assert both.apart < 1e-8
    assert_same_results(both.one_by_one, both.together)
    assert both.together.predict(X).shape == y.shape


def test_steps_of_a_pipeline_get_their_own_fit_parameters():
    X, y = make_rows()
    weight = np.random.default_rng(1).random(len(y))
    pipeline = Pipeline([("scale", ModalityTransformer({})), ("net", classifier(max_epochs=5))])
    params = {"net__sample_weight": weight}
    both = search_both(pipeline, {"net__lr": [0.01, 0.03]}, X, y, params=params)
    assert both.apart < 1e-8


def test_metadata_is_routed_to_estimator_scorer_and_splitter():
    X, y = make_rows(80)
    weight = np.random.default_rng(1).random(80)
    groups = np.arange(80) // 4
    with config_context(enable_metadata_routing=True):
        clf = classifier(max_epochs=5).set_fit_request(sample_weight=True, groups=False)
        clf.set_score_request(sample_weight=True)
        params = {"sample_weight": weight, "groups": groups}
        searches = [
            cls(clf, {"lr": [0.01, 0.03]}, cv=GroupKFold(3)).fit(X, y, **params)
            for cls in (GridSearchCV, VectorizedGridSearchCV)
        ]
        assert_same_results(*searches)
        assert searches[1].vectorized_["stacked"].all()
        with pytest.raises(UnsetMetadataPassedError, match="are passed but are not explicitly set"):
            VectorizedGridSearchCV(classifier(), {}, cv=2).fit(X, y, sample_weight=weight)


def test_drawn_candidates_are_those_of_scikit_learn():
    X, y = make_rows()
    settings = {"n_iter": 4, "cv": 3, "random_state": 7, "return_train_score": True}
    distributions = {"lr": loguniform(1e-3, 1e-1), "embedding_dim": [4, 6]}
    searches = [
        cls(classifier(max_epochs=5), distributions, **settings).fit(X, y)
        for cls in (RandomizedSearchCV, VectorizedRandomizedSearchCV)
    ]
    assert_same_results(*searches)


def test_several_scorings_are_those_of_scikit_learn():
    X, y = make_rows()
    settings = {"scoring": ["accuracy", "neg_log_loss"], "refit": "neg_log_loss", "cv": 3}
    searches = [
        cls(classifier(max_epochs=5), {"lr": [0.003, 0.03]}, **settings).fit(X, y)
        for cls in (GridSearchCV, VectorizedGridSearchCV)
    ]
    assert_same_results(*searches, apart=1e-8)
    assert list(searches[1].scorer_) == ["accuracy", "neg_log_loss"]


def test_what_cannot_be_stacked_takes_the_ordinary_path_and_says_why():
    X, y = make_rows()
    grid = [
        {"lr": [0.01, 0.02]},
        {"dropout": [0.2]},
        {"backbones": [{"a": WithStatistics}]},
        {"optimizer": [torch.optim.LBFGS], "weight_decay": [0.0]},
        {"callbacks": [[EpochScoring("accuracy")]]},
    ]
    both = search_both(classifier(max_epochs=1), grid, X, y, cv=2)
    found = both.together.vectorized_
    assert found["stacked"].tolist() == [True, True, False, False, False, False]
    for reason, part in zip(
        found["reason"][2:], ("dropout", "BatchNorm1d", "LBFGS", "callbacks"), strict=True
    ):
        assert part in reason
    assert both.apart < 1e-8
    assert_same_results(both.one_by_one, both.together)


def test_a_network_that_vmap_cannot_run_takes_the_ordinary_path():
    X, y = make_rows()
    clf = classifier(backbones={"a": Looks}, max_epochs=2)
    both = search_both(clf, {"lr": [0.01, 0.02]}, X, y)
    assert both.together.vectorized_["reason"].str.contains("cannot be run as a stack").all()
    assert both.apart == 0


def test_a_network_that_fails_fails_as_in_scikit_learn():
    X, y = make_rows()
    clf = classifier(backbones={"a": Fails}, max_epochs=2)
    for stack in (True, "auto"):
        search = VectorizedGridSearchCV(clf, {}, cv=2, error_score="raise", stack=stack)
        with pytest.raises(RuntimeError, match="in training"):
            search.fit(X, y)


@pytest.mark.slow  # starts processes
def test_stacked_and_ordinary_candidates_are_scored_in_processes():
    X, y = make_rows()
    grid = [{"lr": [0.01, 0.02]}, {"batch_size": [30], "dropout": [0.2]}]
    clf = classifier(max_epochs=3)
    plain = GridSearchCV(clf, grid, cv=3).fit(X, y)
    search = VectorizedGridSearchCV(clf, grid, cv=3, n_jobs=2, stack=True).fit(X, y)
    assert search.vectorized_["stacked"].tolist() == [True, True, False]
    assert_same_results(plain, search)


def test_other_estimators_are_searched_as_by_scikit_learn():
    X, y = make_rows()
    search = VectorizedGridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=3).fit(X["a"], y)
    plain = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=3).fit(X["a"], y)
    assert_same_results(plain, search)
    assert "LogisticRegression" in search.vectorized_["reason"][0]


@pytest.mark.parametrize("form", ["array", "frame"])
def test_flat_tables_are_cut_by_the_estimator(form):
    X, y = make_rows()
    table = np.hstack([X["a"], X["b"]])
    if form == "frame":
        table = pd.DataFrame(table, columns=[f"c{k}" for k in range(9)])
    blocks = {"modalities": {"a": slice(0, 5), "b": slice(5, 9)}}
    clf = classifier(max_epochs=4, **blocks)
    both = search_both(clf, {"lr": [0.01, 0.03]}, table, y, cv=2)
    assert both.apart < 1e-8
    assert both.together.vectorized_["stacked"].all()
    assert both.together.n_features_in_ == both.one_by_one.n_features_in_ == 9


def test_memory_is_bounded_by_the_number_of_networks_at_once():
    X, y = make_rows()
    grid = {"lr": [0.01, 0.02, 0.03, 0.05]}
    search = VectorizedGridSearchCV(classifier(max_epochs=4), grid, cv=3, max_models=6).fit(X, y)
    assert search.vectorized_["stack"].tolist() == [0, 0, 1, 1]
    whole = VectorizedGridSearchCV(classifier(max_epochs=4), grid, cv=3).fit(X, y)
    assert_same_results(whole, search, apart=1e-8)


def test_threads_change_no_result():
    X, y = make_rows()
    both = search_both(classifier(max_epochs=5), {"lr": [0.01, 0.02, 0.05]}, X, y, n_jobs=2)
    assert both.apart < 1e-8


# -- what goes wrong ---------------------------------------------------------------------------


def test_a_network_that_diverges_fails_alone():
    X, y = make_rows()
    grid = {"lr": [0.01, 1e20]}
    clf = classifier(max_epochs=5, optimizer="sgd")
    with pytest.warns(FitFailedWarning), pytest.warns(UserWarning, match="non-finite"):
        search = VectorizedGridSearchCV(clf, grid, cv=3).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).tolist() == [True, False]
    with pytest.raises(DivergenceError, match="lower `lr`"):
        VectorizedGridSearchCV(clf, grid, cv=3, error_score="raise").fit(X, y)


def test_bad_parameters_of_a_candidate_fail_as_in_scikit_learn():
    X, y = make_rows()
    search = VectorizedGridSearchCV(classifier(), {"lr": [-1.0]}, cv=3, error_score="raise")
    with pytest.raises(ValueError, match="'lr' parameter"):
        search.fit(X, y)
    assert not hasattr(search, "cv_results_")


@pytest.mark.parametrize(
    ("settings", "grid", "said"),
    [
        ({"scoring": ["accuracy", "f1_macro"]}, {"lr": [0.01]}, "For multi-metric scoring"),
        ({"scoring": ["accuracy", "nonsense"], "refit": "accuracy"}, {"lr": [0.01]}, "nonsense"),
        ({"error_score": "raise"}, {"lr": [-1.0, 0.01]}, "'lr' parameter"),
        ({}, {"lr": [0.01], "rate": [1]}, "Invalid parameter 'rate'"),
    ],
)
def test_what_ends_a_search_ends_it_before_anything_is_trained(settings, grid, said):
    class Untouched(torch.optim.SGD):
        def step(self, closure=None):
            pytest.fail("trained")

    X, y = make_rows()
    net = classifier(optimizer=Untouched)
    with pytest.raises(ValueError, match=said):
        VectorizedGridSearchCV(net, grid, cv=3, stack=True, **settings).fit(X, y)


def test_a_candidate_that_never_began_was_in_no_stack():
    X, y = make_rows()
    search = VectorizedGridSearchCV(classifier(max_epochs=1), {"lr": [-1.0, 0.01]}, stack=True)
    with pytest.warns(FitFailedWarning), pytest.warns(UserWarning, match="non-finite"):
        search.fit(X, y)
    first, second = search.vectorized_.itertuples(index=False)
    assert (first.stacked, first.stack) == (False, -1)
    assert "'lr' parameter" in first.reason
    assert tuple(second) == (True, 0, "")


@pytest.mark.parametrize("halving", [[0], [3, 2], ["a"], [2, 2]])
def test_epochs_of_halving_must_grow(halving):
    X, y = make_rows()
    with pytest.raises(ValueError, match="`halving` must hold numbers of epochs"):
        VectorizedGridSearchCV(classifier(), {}, halving=halving).fit(X, y)
    with pytest.raises(ValueError, match=r"'halving' parameter .* must be an array-like or None"):
        VectorizedGridSearchCV(classifier(), {}, halving=np.array(3)).fit(X, y)


@pytest.mark.parametrize(
    "cv", [[], iter(()), [(np.arange(9), np.arange(0))], [(np.arange(9), [10**6])]]
)
def test_splits_without_rows_to_score_on_are_named(cv):
    X, y = make_rows()
    with pytest.raises(ValueError, match=r"`cv`=.* gives"):
        VectorizedGridSearchCV(classifier(), {}, cv=cv).fit(X, y)


# -- halving -----------------------------------------------------------------------------------


def test_halving_gives_up_the_worse_half_and_the_best_is_a_survivor():
    X, y = make_rows(90)
    grid = {"lr": [1e-6, 1e-5, 0.01, 0.02]}
    lengths = []

    def score(fitted, X_test, y_test):
        lengths.append(fitted.n_iter_)
        return fitted.score(X_test, y_test)

    search = VectorizedGridSearchCV(classifier(), grid, cv=3, scoring=score, halving=[4, 8])
    search.fit(X, y)
    dropped = search.cv_results_["dropped_after"]
    assert dropped[:2].tolist() == [4, 4]
    assert sorted(dropped[2:]) == [0, 8]
    assert search.best_index_ == dropped.tolist().index(0)
    assert lengths == [n or 20 for n in dropped for _ in range(3)]


def test_survivors_of_halving_are_trained_as_without_it():
    X, y = make_rows(90)
    grid = {"lr": [1e-6, 0.02]}
    plain = GridSearchCV(classifier(), grid, cv=3, scoring="neg_log_loss").fit(X, y)
    halved = VectorizedGridSearchCV(
        classifier(), grid, cv=3, scoring="neg_log_loss", halving=[5]
    ).fit(X, y)
    assert halved.cv_results_["dropped_after"].tolist() == [5, 0]
    assert halved.best_index_ == 1
    assert abs(halved.best_score_ - plain.cv_results_["mean_test_score"][1]) < 1e-8


@pytest.mark.parametrize("random_state", [0, None])
def test_halving_with_early_stopping_and_rows_drawn_anew(random_state):
    X, y = make_rows(90)
    net = classifier(early_stopping=True, random_state=random_state, max_epochs=6)
    grid = {"lr": [1e-6, 0.02]}
    search = VectorizedGridSearchCV(net, grid, cv=3, stack=True, halving=np.array([2])).fit(X, y)
    assert search.cv_results_["dropped_after"].tolist() == [2, 0]


def test_halving_keeps_whoever_has_nothing_left_to_train():
    X, y = make_rows(90)
    grid = [{"lr": [1e-6], "max_epochs": [2]}, {"lr": [1e-5, 0.01, 0.02]}]
    search = VectorizedGridSearchCV(classifier(), grid, cv=3, stack=True, halving=[4]).fit(X, y)
    assert search.vectorized_["stack"].tolist() == [0, 0, 0, 0]
    assert search.cv_results_["dropped_after"].tolist() == [0, 4, 0, 0]


# -- around ------------------------------------------------------------------------------------


def test_a_search_is_cloned_pickled_and_shows_a_bar(capfd):
    X, y = make_rows()
    search = VectorizedGridSearchCV(classifier(max_epochs=3), {"lr": [0.01, 0.02]}, cv=3, verbose=1)
    again = pickle.loads(pickle.dumps(clone(search).fit(X, y)))
    assert type(again.best_estimator_) is MultimodalClassifier
    assert again.predict(X).shape == y.shape
    out, err = capfd.readouterr()
    assert "18/18" in err
    said = f"VectorizedGridSearchCV: score {again.best_score_:.3f} out of fold with lr="
    assert f"{said}{again.best_params_['lr']}" in out


@pytest.mark.parametrize("cls", [VectorizedGridSearchCV, VectorizedRandomizedSearchCV])
def test_signatures_are_scikit_learns_and_three_more(cls):
    theirs = signature(cls.__mro__[2]).parameters
    mine = signature(cls).parameters
    assert list(mine) == [*theirs, "max_models", "halving", "stack"]
    assert {n: repr(mine[n].default) for n in theirs} == {
        n: repr(theirs[n].default) for n in theirs
    }


class Counted(TransformerMixin, BaseEstimator):
    """Multiplies, and counts how often it was fitted."""

    fits = 0

    def __init__(self, factor=1.0):
        self.factor = factor

    def fit(self, X, y=None):
        type(self).fits += 1
        self.mean_ = X.mean(axis=0)
        return self

    def transform(self, X):
        return (X - self.mean_) * self.factor


class WithStatistics(nn.Sequential):
    def __init__(self, input_shape, embedding_dim):
        super().__init__(nn.Linear(input_shape[0], embedding_dim), nn.BatchNorm1d(embedding_dim))


class Looks(nn.Linear):
    def __init__(self, input_shape, embedding_dim):
        super().__init__(input_shape[0], embedding_dim)

    def forward(self, x):
        return super().forward(x.relu() if x.sum() > 0 else x)


class Fails(Looks):
    def forward(self, x):
        if self.training:
            raise RuntimeError("in training")
        return super().forward(x)


@pytest.mark.parametrize(
    ("X", "y", "name"),
    [
        (1.5, [0, 1], "X"),
        (np.ones((4, 1)), [0, 1], "y"),
        (np.ones((4, 1)), [0, 1, 0, np.inf], "y"),
    ],
)
def test_rows_that_cannot_be_cut_are_refused_by_name(X, y, name):
    search = VectorizedGridSearchCV(MultimodalClassifier(), {"lr": [0.1]}, cv=2)
    with pytest.raises((TypeError, ValueError), match=f"`{name}`"):
        search.fit(X, y)


@pytest.mark.parametrize("dtype", [object, np.dtypes.StringDType()])
def test_labels_that_scikit_learn_does_not_know_are_scored_all_the_same(dtype):
    X, y = make_rows(60)
    labels = y if dtype is object else np.array([f"class {code}" for code in y])
    grid = {"lr": [0.01, 0.03]}
    plain = VectorizedGridSearchCV(classifier(max_epochs=2), grid, cv=2).fit(X, labels)
    other = VectorizedGridSearchCV(classifier(max_epochs=2), grid, cv=2)
    other.fit(X, labels.astype(dtype))
    scores = [search.cv_results_["mean_test_score"] for search in (plain, other)]
    np.testing.assert_array_equal(*scores)
    score = other.best_estimator_.score(X, labels.astype(dtype))
    assert score == other.best_estimator_.score(X, labels)
