"""Which rows and modalities an ARM-style estimator looks at: what counts for nothing is absent."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, LeaveOneGroupOut

from sk_mmbalance import ARMClassifier, ARMClassifierCV, ARMRegressor, Modalities
from sk_mmbalance.convex.arm._combination import tune_deferral
from sk_mmbalance.exceptions import MissingModalityError, ScaleWarning

GRID = {"couplings": [0.0, 0.3], "strong_regs": [0.01, 0.1], "weak_regs": [0.3, 0.03]}
CLASSIFIERS = {
    "found": ARMClassifier(solver="schur"),
    "serial": ARMClassifier(weak="face", solver="schur", predict_with="serial", kappa=0.001),
    "balanced": ARMClassifier(solver="schur", class_weight="balanced"),
    "log_loss": ARMClassifier(weak="face", loss="log_loss", solver="fista"),
    "searched": ARMClassifierCV(solver="schur", **GRID),
    "searched, weak": ARMClassifierCV(solver="schur", predict_with="weak", **GRID),
}


def weighted_and_absent(X, y, seed=0):
    """Rows of weight 0 that say nonsense and stand in front of the others, and their absence."""
    rng = np.random.default_rng(seed)
    keep = rng.random(len(y)) > 0.3
    weight = np.where(keep, rng.integers(1, 4, len(y)), 0).astype(float)
    spoilt = Modalities({n: np.where(keep[:, None], X[n], 7.0 - X[n]) for n in X})
    order = np.argsort(keep, kind="stable")
    return keep[order], weight[order], spoilt[order], y[order]


def assert_same(one, two, X):
    np.testing.assert_array_equal(one.decision_function(X), two.decision_function(X))
    for name in ("n_labeled_", "n_strong_", "n_paired_"):
        assert getattr(one, name) == getattr(two, name)
    if one.deferral_ is not None:
        assert vars(one.deferral_) == vars(two.deferral_)
    if isinstance(one, ARMClassifierCV):
        assert one.n_splits_ == two.n_splits_
        for name in ("mean_test_score", "split0_test_score", "mean_n_selected"):
            np.testing.assert_array_equal(one.cv_results_[name], two.cv_results_[name])


# -- rows of weight 0 ----------------------------------------------------------------------


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_rows_of_weight_zero_are_as_good_as_absent(make_rows, kind, grouped):
    keep, weight, X, y = weighted_and_absent(*make_rows(n=200))
    groups = np.arange(len(y)) % 7 if grouped else None
    part = groups[keep] if grouped else None
    spoilt = np.where(keep, y, (y + 1) % 3)
    weighted = clone(CLASSIFIERS[kind]).fit(X, spoilt, sample_weight=weight, groups=groups)
    absent = clone(CLASSIFIERS[kind]).fit(X[keep], y[keep], weight[keep], part)
    assert_same(weighted, absent, X)


def test_unlabelled_rows_and_sides_of_weight_zero_are_as_good_as_absent(make_rows):
    keep, weight, X, y = weighted_and_absent(*make_rows(n=200))
    finger = X["finger"].copy()
    finger[::3] = np.nan
    X = Modalities(face=X["face"], finger=finger)
    y = np.where(np.arange(200) % 4 == 1, y, -9)
    options = {"missing": "mask", "unlabeled_label": -9, "solver": "schur", "cv": 3}
    for make in (
        lambda: ARMClassifier(predict_with="serial", weak="face", **options),
        lambda: ARMClassifier(**options),
        lambda: ARMClassifierCV(**options, **GRID),
    ):
        one = make().fit(X, y, sample_weight=weight)
        two = make().fit(X[keep], y[keep], sample_weight=weight[keep])
        full = Modalities(face=X["face"], finger=np.nan_to_num(X["finger"]))
        assert_same(one, two, full)


def test_rows_of_weight_zero_are_as_good_as_absent_in_regression(make_rows):
    keep, weight, X, _ = weighted_and_absent(*make_rows(n=200))
    y = X["finger"] @ np.ones((5, 2))
    y[~keep] = 1e3
    for groups in (None, np.arange(200) % 7):
        part = None if groups is None else groups[keep]
        one = ARMRegressor(solver="schur").fit(X, y, sample_weight=weight, groups=groups)
        two = ARMRegressor(solver="schur").fit(X[keep], y[keep], weight[keep], part)
        assert one.weak_modalities_ == two.weak_modalities_
        np.testing.assert_array_equal(one.predict(X), two.predict(X))


@pytest.mark.parametrize("scoring", [None, "balanced_accuracy"])
def test_fold_of_rows_of_weight_zero_is_no_fold(make_rows, scoring):
    X, y = make_rows()
    fold = np.arange(len(y)) % 3
    weight = (fold > 0).astype(float)
    splits = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(3)]
    arm = ARMClassifierCV(solver="schur", cv=splits, scoring=scoring, **GRID)
    arm.fit(X, y, sample_weight=weight)
    assert arm.n_splits_ == 2
    assert np.isfinite(arm.cv_results_["mean_test_score"]).all()
    single = ARMClassifier(solver="schur", cv=splits, predict_with="serial")
    assert single.fit(X, y, sample_weight=weight).weak_modalities_ == ["face"]


def test_class_whose_rows_all_weigh_nothing_is_named(make_rows):
    X, y = make_rows()
    for class_weight in (None, "balanced"):
        arm = ARMClassifier(weak="face", solver="schur", class_weight=class_weight)
        with pytest.raises(ValueError, match="Of 3 classes, 1 have no labelled row of positive"):
            arm.fit(X, y, sample_weight=(y != 2).astype(float))


# -- folds ---------------------------------------------------------------------------------


def test_repeated_rows_of_a_users_split_count_as_often_as_they_come(make_rows):
    X, y = make_rows()
    rng = np.random.default_rng(0)
    # many rows come often: a split that forgot the repeats would be another one
    splits = []
    for _ in range(4):
        out = rng.random(len(y)) < 0.2
        inside = np.flatnonzero(~out)
        train = np.concatenate([inside, rng.choice(inside[:25], 300)])
        splits.append((train, np.flatnonzero(out)))
    options = {"weak": "face", "solver": "schur", "tol": 1e-9}
    arm = ARMClassifierCV(cv=splits, **options, **GRID).fit(X, y)
    search = GridSearchCV(
        ARMClassifier(**options),
        {"coupling": [0.0, 0.3], "strong_reg": [0.1, 0.01], "weak_reg": [0.3, 0.03]},
        cv=splits,
    ).fit(X, y)
    for k in range(4):
        np.testing.assert_allclose(
            arm.cv_results_[f"split{k}_test_score"], search.cv_results_[f"split{k}_test_score"]
        )
    once = [(np.unique(train), test) for train, test in splits]
    forgot = ARMClassifierCV(cv=once, **options, **GRID).fit(X, y)
    assert not np.array_equal(
        forgot.cv_results_["mean_test_score"], arm.cv_results_["mean_test_score"]
    )


def test_serial_thresholds_come_from_the_rows_a_user_trains_on(make_rows):
    X, y = make_rows(n=200)
    half = [(np.arange(0, 60), np.arange(100, 200))]
    arm = ARMClassifier(weak="face", solver="schur", predict_with="serial", cv=half)
    rule = arm.fit(X, y).deferral_
    few = ARMClassifier(weak="face", solver="schur").fit(X[:60], y[:60])
    weak, strong = (
        few.set_params(predict_with=mode).decision_function(X[100:]) for mode in ("weak", "strong")
    )
    expected = tune_deferral(
        weak, strong, y[100:], costs=(1.0, 10.0), kappa=0.01, weights=np.ones(100)
    )
    assert rule.final == expected.final
    np.testing.assert_allclose([rule.low, rule.high], [expected.low, expected.high], rtol=1e-6)


def test_splits_of_a_user_count_the_rows_as_they_were_given(make_rows):
    X, y = make_rows()
    weight = (np.arange(len(y)) % 5 > 0).astype(float)
    fold = np.arange(len(y)) % 3
    splits = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(3)]
    given = ARMClassifierCV(weak="face", solver="schur", cv=splits, **GRID)
    named = ARMClassifierCV(weak="face", solver="schur", cv=LeaveOneGroupOut(), **GRID)
    given.fit(X, y, sample_weight=weight)
    named.fit(X, y, sample_weight=weight, groups=fold)
    for name in ("split0_test_score", "split1_test_score", "mean_test_score"):
        np.testing.assert_array_equal(given.cv_results_[name], named.cv_results_[name])


def test_number_of_folds_is_lowered_to_the_size_of_the_largest_class():
    rng = np.random.default_rng(0)
    y = np.array([0] * 4 + [1] * 3 + [2] * 2)
    X = Modalities(face=y[:, None] + rng.normal(size=(9, 2)), finger=rng.normal(size=(9, 2)))
    assert ARMClassifierCV(solver="schur", weak="face", cv=10, **GRID).fit(X, y).n_splits_ == 4


# -- modalities that a prediction does not use ---------------------------------------------


@pytest.fixture
def fitted(make_rows):
    X, y = make_rows()
    return ARMClassifier(weak="face", solver="schur").fit(X, y), X


@pytest.mark.parametrize(("mode", "used"), [("weak", "face"), ("strong", "finger")])
def test_side_that_is_not_used_is_not_looked_at(fitted, mode, used):
    arm, X = fitted
    arm.set_params(predict_with=mode)
    expected = arm.decision_function(X)
    other = "finger" if used == "face" else "face"
    partly = X[other].copy()
    partly[3, 0] = np.nan
    endless = np.full_like(partly, np.inf)
    text = np.full(partly.shape, "?", dtype=object)
    for spoilt in (partly, endless, text, partly[:, :2]):
        found = arm.decision_function({used: X[used], other: spoilt})
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(arm.decision_function({used: X[used]}), expected)
    assert (
        arm.acquisition_cost({used: X[used], other: partly}).mean == {"weak": 1, "strong": 10}[mode]
    )


@pytest.mark.parametrize("mode", ["weak", "strong", "serial", "sum", "auto"])
def test_sparse_sides_predict_in_every_mode(make_rows, mode):
    X, y = make_rows()
    arm = ARMClassifier(weak="face", solver="schur", predict_with=mode).fit(X, y)
    thin = {name: sp.csr_matrix(X[name]) for name in X}
    np.testing.assert_array_equal(arm.decision_function(thin), arm.decision_function(X))
    np.testing.assert_array_equal(arm.transform(thin), arm.transform(X))


def test_columns_that_are_not_used_are_not_looked_at_in_a_flat_table(make_rows):
    X, y = make_rows()
    flat = np.hstack([X["face"], X["finger"]])
    blocks = {"face": slice(0, 6), "finger": slice(6, 11)}
    arm = ARMClassifier(weak="face", modalities=blocks, solver="schur", predict_with="weak")
    expected = arm.fit(flat, y).decision_function(flat)
    flat[3, 7] = np.nan
    np.testing.assert_array_equal(arm.decision_function(flat), expected)
    with pytest.raises(ValueError, match="contains NaN in part of 1 row"):
        arm.set_params(predict_with="strong").decision_function(flat)


def test_modality_of_no_side_is_not_looked_at(make_rows):
    X, y = make_rows()
    three = {"a": X["face"][:, :2], "b": X["face"][:, 2:], "c": X["finger"]}
    arm = ARMClassifier(weak="a", strong="c", solver="schur").fit(three, y)
    spoilt = three["b"].copy()
    spoilt[0, 0] = np.nan
    for mode in ("auto", "sum"):
        arm.set_params(predict_with=mode)
        np.testing.assert_array_equal(
            arm.decision_function(three | {"b": spoilt}), arm.decision_function(three)
        )


def test_side_that_is_used_is_still_asked_for(fitted):
    arm, X = fitted
    arm.set_params(predict_with="weak")
    with pytest.raises(MissingModalityError, match="lacks modality 'face'"):
        arm.predict({"finger": X["finger"]})
    face = X["face"].copy()
    face[2] = np.nan
    with pytest.raises(MissingModalityError, match="the weak side in 1 row"):
        arm.predict({"face": face, "finger": X["finger"]})


# -- scales --------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [1e3, 1e-5])
@pytest.mark.parametrize(
    "arm",
    [
        ARMClassifier(weak="face", solver="schur"),
        ARMClassifierCV(weak="face", solver="schur", **GRID),
        ARMRegressor(weak="face", solver="schur"),
    ],
    ids=lambda arm: type(arm).__name__,
)
def test_features_that_are_all_unscaled_warn_at_the_line_of_fit(make_rows, arm, factor):
    X, y = make_rows()
    far = Modalities({name: factor * X[name] for name in X})
    with pytest.warns(ScaleWarning, match="`X` is not scaled: .* strengths of regularisation") as w:
        arm.fit(far, y)
    assert w[0].filename == __file__


def test_large_means_warn_only_where_nothing_centres_them(make_rows):
    X, y = make_rows()
    moved = Modalities({name: X[name] + 1000.0 for name in X})
    ARMClassifier(weak="face", solver="schur").fit(moved, y)
    with pytest.warns(ScaleWarning, match="of size 1e\\+03 .root mean square"):
        ARMClassifier(weak="face", solver="schur", fit_intercept=False).fit(moved, y)


def test_columns_of_unlike_spread_warn_where_none_is_large(make_rows):
    X, y = make_rows()
    face = X["face"] * [1, 1, 1, 1, 1, 2e-4]
    with pytest.warns(ScaleWarning, match="standard deviations differ by a factor") as w:
        ARMClassifier(weak="face", solver="schur").fit({"face": face, "finger": X["finger"]}, y)
    assert w[0].filename == __file__
