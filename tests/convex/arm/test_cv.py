"""Choosing the strengths by cross-validation."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, StratifiedKFold

from sk_mmbalance import ARMClassifier, ARMClassifierCV, Modalities
from sk_mmbalance.exceptions import RowOrderWarning

SMALL = {
    "weak": "face",
    "solver": "schur",
    "couplings": [0.0, 0.3],
    "strong_regs": [0.01, 0.1],
    "weak_regs": [0.3, 0.03],
}


@pytest.mark.parametrize("mode", ["weak", "strong", "sum", "auto"])
def test_scores_equal_a_grid_search_of_single_fits(make_rows, mode):
    X, y = make_rows()
    cv = StratifiedKFold(3)
    arm = ARMClassifierCV(cv=cv, predict_with=mode, tol=1e-9, **SMALL).fit(X, y)
    search = GridSearchCV(
        ARMClassifier(weak="face", solver="schur", predict_with=mode, tol=1e-9),
        {"coupling": [0.0, 0.3], "strong_reg": [0.01, 0.1], "weak_reg": [0.3, 0.03]},
        cv=cv,
    ).fit(X, y)
    ours = {
        tuple(sorted((k, v) for k, v in params.items() if k != "alpha")): score
        for params, score in zip(
            arm.cv_results_["params"], arm.cv_results_["mean_test_score"], strict=True
        )
    }
    theirs = {
        tuple(sorted(params.items())): score
        for params, score in zip(
            search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
        )
    }
    assert ours == pytest.approx(theirs)
    assert arm.best_score_ == pytest.approx(search.best_score_)


def test_refits_with_the_best_strengths(make_rows):
    X, y = make_rows()
    arm = ARMClassifierCV(**SMALL).fit(X, y)
    single = ARMClassifier(weak="face", solver="schur", **arm.best_params_).fit(X, y)
    np.testing.assert_array_equal(arm.coef_, single.coef_)
    assert arm.best_score_ == arm.cv_results_["mean_test_score"].max()
    assert arm.cv_results_["rank_test_score"][arm.best_index_] == 1
    assert arm.n_splits_ == 5
    # a weaker penalty never keeps fewer columns here
    kept = arm.cv_results_["mean_n_selected"].reshape(-1, 2)
    assert kept.max() > 1  # columns, of six
    assert kept.max() <= 6
    assert np.all(kept[:, 0] <= kept[:, 1])


def test_ties_keep_the_simpler_candidate(make_rows):
    X, y = make_rows()
    easy = Modalities(face=X["face"], finger=X["finger"] + 100.0 * y[:, None])
    arm = ARMClassifierCV(predict_with="strong", **SMALL).fit(easy, y)
    assert arm.cv_results_["mean_test_score"].min() == 1.0
    assert arm.best_params_ == {"alpha": 1.0, "coupling": 0.0, "strong_reg": 0.1, "weak_reg": 0.3}


def test_log_loss_follows_the_same_path_with_another_solver(make_rows):
    X, y = make_rows(n=90)
    options = SMALL | {"solver": "auto", "strong_regs": [0.1]}
    arm = ARMClassifierCV(loss="log_loss", cv=3, **options).fit(X, y)
    assert arm.predict_proba(X).shape == (90, 3)
    assert arm.best_score_ > 0.8


def test_scorers_of_scikit_learn_are_followed(make_rows):
    X, y = make_rows()
    keep = (y != 0) | (np.arange(len(y)) % 3 == 0)
    X, y = X[keep], y[keep]
    arm = ARMClassifierCV(cv=3, scoring="balanced_accuracy", **SMALL).fit(X, y)
    search = GridSearchCV(
        ARMClassifier(weak="face", solver="schur"),
        {"coupling": [0.0, 0.3], "strong_reg": [0.01, 0.1], "weak_reg": [0.3, 0.03]},
        cv=StratifiedKFold(3),
        scoring="balanced_accuracy",
    ).fit(X, y)
    # folds weigh by their rows here and equally there
    assert arm.best_score_ == pytest.approx(search.best_score_, abs=0.01)


@pytest.mark.slow
def test_folds_in_parallel_give_the_same_bits(make_rows):
    X, y = make_rows()
    one = ARMClassifierCV(**SMALL).fit(X, y)
    two = ARMClassifierCV(n_jobs=2, **SMALL).fit(X, y)
    np.testing.assert_array_equal(
        one.cv_results_["mean_test_score"], two.cv_results_["mean_test_score"]
    )


def test_serial_thresholds_are_tuned_after_the_choice(make_rows):
    X, y = make_rows(n=300)
    arm = ARMClassifierCV(predict_with="serial", **SMALL).fit(X, y)
    assert 0 < arm.acquisition_cost(X).deferred < 1


def test_single_candidate_is_not_cross_validated(make_rows):
    X, y = make_rows()

    def never(*_):
        raise AssertionError("there is nothing to choose")

    cv = StratifiedKFold(3)
    cv.split = never
    one = {"strong_regs": [0.1], "cv": cv, "temperature": None}
    arm = ARMClassifierCV(weak="face", couplings=[0.1], weak_regs=[0.1], solver="schur", **one).fit(
        X, y
    )
    assert arm.best_score_ is None
    flat = ARMClassifierCV(**one).fit(X["face"], y)
    assert flat.best_params_["strong_reg"] == 0.1


def test_unlabelled_and_missing_rows_serve_in_the_folds(make_rows):
    X, y = make_rows(n=200)
    finger = X["finger"].copy()
    finger[::3] = np.nan
    part = Modalities(face=X["face"], finger=finger)
    partly = np.where(np.arange(200) % 4 == 1, y, -9)
    arm = ARMClassifierCV(missing="mask", unlabeled_label=-9, predict_with="weak", **SMALL)
    arm.fit(part, partly)
    assert arm.n_labeled_ == 50
    assert arm.best_score_ > 0.6


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("couplings", [-0.1]),
        ("couplings", [np.nan]),
        ("strong_regs", [0.0]),
        ("weak_regs", []),
        ("alphas", [np.inf]),
    ],
)
def test_bad_grids_are_refused(make_rows, parameter, value):
    X, y = make_rows()
    with pytest.raises(ValueError, match=f"`{parameter}` must be numbers"):
        ARMClassifierCV(**SMALL | {parameter: value}).fit(X, y)


def test_absolute_scale_needs_its_own_grid(make_rows):
    X, y = make_rows()
    with pytest.raises(ValueError, match="`weak_regs` must be given"):
        ARMClassifierCV(weak="face", weak_reg_scale="absolute").fit(X, y)


@pytest.mark.parametrize(
    ("mode", "n_rows"), [("weak", 120), ("strong", 137), ("sum", 107), ("auto", 150)]
)
def test_rows_count_that_have_what_the_prediction_needs(make_rows, mode, n_rows):
    X, y = make_rows()
    face, finger = X["face"].copy(), X["finger"].copy()
    face[::5] = np.nan
    finger[[*range(3, 65, 5)]] = np.nan  # never both
    partial = Modalities(face=face, finger=finger)
    arm = ARMClassifierCV(cv=3, predict_with=mode, missing="mask", **SMALL).fit(partial, y)
    # shares of rows, and none of the other numbers would make them whole
    right = arm.cv_results_["mean_test_score"] * n_rows
    np.testing.assert_allclose(right, right.round(), atol=1e-6)
    assert 0 < right.max() < n_rows


@pytest.mark.parametrize("loss", ["squared", "log_loss"])
def test_candidates_come_from_simple_to_elaborate(make_rows, loss):
    X, y = make_rows(n=40)
    arm = ARMClassifierCV(weak="face", loss=loss, cv=2, max_iter=1, weak_regs=[0.1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = arm.fit(X, y).cv_results_["param_coupling"]
    assert found.tolist() == sorted(found)
    documented = {"squared": {0, 0.1, 0.3, 1, 3}, "log_loss": {0, 0.01, 0.03, 0.1, 0.3}}
    assert set(found) == documented[loss]


def test_rows_that_resemble_their_neighbours_are_split_both_ways():
    rng = np.random.default_rng(0)
    block = np.repeat(np.arange(40), 10)
    table = rng.normal(size=(40, 6))[block] + 0.05 * rng.normal(size=(400, 6))
    X, y = Modalities(a=table[:, :3], b=table[:, 3:]), (np.arange(40) % 2)[block]
    with pytest.warns(RowOrderWarning):
        both = ARMClassifierCV("a", cv=3, weak_regs=(0.1, 1.0)).fit(X, y)
    assert both.n_splits_ == 6
    in_order = ARMClassifierCV("a", cv=StratifiedKFold(3), weak_regs=(0.1, 1.0)).fit(X, y)
    for k in range(3):
        name = f"split{k}_test_score"
        np.testing.assert_array_equal(both.cv_results_[name], in_order.cv_results_[name])
