"""What must hold of the fitted models, whatever the data."""

import warnings

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, MultiTaskElasticNet, Ridge

from sk_mmbalance import ARMClassifier, ARMRegressor, Modalities

LOSSES = ("squared", "squared_hinge", "log_loss")


def exact(**parameters):
    """An estimator tight enough for comparisons of solutions."""
    defaults = {"weak": "face", "tol": 1e-13, "strong_reg": 0.1, "weak_reg": 0.05}
    defaults["solver"] = "fista" if parameters.get("loss", "squared") != "squared" else "schur"
    return ARMClassifier(**defaults | parameters)


def masked(X, **lost):
    """A copy with NaN in the rows given by modality."""
    values = {name: np.array(X[name]) for name in X.names}
    for name, rows in lost.items():
        values[name][rows] = np.nan
    return Modalities(values)


def assert_same_model(left, right, atol=1e-6):
    np.testing.assert_allclose(left.coef_weak_, right.coef_weak_, atol=atol)
    np.testing.assert_allclose(left.coef_strong_, right.coef_strong_, atol=atol)
    np.testing.assert_allclose(left.intercept_weak_, right.intercept_weak_, atol=atol)
    np.testing.assert_allclose(left.intercept_strong_, right.intercept_strong_, atol=atol)


def test_zero_coupling_equals_two_separate_models(make_rows):
    X, y = make_rows()
    n, coded = len(y), 2.0 * (y[:, None] == np.arange(3)) - 1
    arm = exact(coupling=0.0, weak_reg=0.02, weak_reg_scale="absolute", l1_ratio=0.8).fit(X, y)
    ridge = Ridge(alpha=0.1 * n).fit(X["finger"], coded)
    net = MultiTaskElasticNet(alpha=0.02, l1_ratio=0.8, tol=1e-12, max_iter=100000)
    net.fit(X["face"], coded)
    np.testing.assert_allclose(arm.coef_strong_, ridge.coef_, atol=1e-9)
    np.testing.assert_allclose(arm.intercept_strong_, ridge.intercept_, atol=1e-9)
    np.testing.assert_allclose(arm.coef_weak_, net.coef_, atol=1e-6)
    np.testing.assert_allclose(arm.intercept_weak_, net.intercept_, atol=1e-6)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_zero_coupling_with_log_loss_equals_logistic_regression_on_the_strong_side(
    make_rows, n_classes
):
    X, y = make_rows(n_classes=n_classes)
    arm = exact(coupling=0.0, loss="log_loss", predict_with="strong", tol=1e-12).fit(X, y)
    logistic = LogisticRegression(C=1 / (0.1 * len(y)), tol=1e-10, max_iter=10000)
    logistic.fit(X["finger"], y)
    np.testing.assert_allclose(arm.predict_proba(X), logistic.predict_proba(X["finger"]), atol=1e-6)


def test_large_coupling_forces_both_outputs_together(make_rows):
    X, y = make_rows()
    gaps = []
    for coupling in (0.0, 1.0, 1e4):
        arm = exact(coupling=coupling, weak_reg=0.0).fit(X, y)
        weak = arm.set_params(predict_with="weak").decision_function(X)
        strong = arm.set_params(predict_with="strong").decision_function(X)
        gaps.append(np.mean((weak - strong) ** 2))
    assert gaps[0] > gaps[1] > 1000 * gaps[2]


@pytest.mark.parametrize("loss", LOSSES)
def test_row_order_and_repetition_change_nothing(make_rows, loss):
    X, y = make_rows()
    plain = exact(loss=loss).fit(X, y)
    order = np.random.default_rng(1).permutation(len(y))
    assert_same_model(plain, exact(loss=loss).fit(X[order], y[order]))
    twice = np.concatenate([np.arange(len(y))] * 2)
    repeated = exact(loss=loss).fit(X[twice], y[twice])
    assert_same_model(plain, repeated)
    assert repeated.objective_ == pytest.approx(plain.objective_, rel=1e-8)


@pytest.mark.parametrize("loss", LOSSES)
def test_integer_weights_equal_repeated_rows(make_rows, loss):
    X, y = make_rows(n=80)
    counts = np.random.default_rng(2).integers(0, 4, len(y))
    repeated = np.repeat(np.arange(len(y)), counts)
    weighted = exact(loss=loss).fit(X, y, sample_weight=counts)
    assert_same_model(weighted, exact(loss=loss).fit(X[repeated], y[repeated]), atol=1e-5)


def test_class_weight_weighs_the_labelled_terms(make_rows):
    X, y = make_rows(n=90)
    per_class = {0: 3.0, 1: 1.0, 2: 1.0}
    by_class = exact(class_weight=per_class, coupling=0.0).fit(X, y)
    by_row = exact(coupling=0.0).fit(X, y, sample_weight=[per_class[label] for label in y])
    assert_same_model(by_class, by_row)
    assert not np.allclose(by_class.coef_strong_, exact(coupling=0.0).fit(X, y).coef_strong_)


def test_column_order_is_followed_by_the_coefficients(make_rows):
    X, y = make_rows()
    order = np.random.default_rng(3).permutation(X["face"].shape[1])
    plain = exact().fit(X, y)
    moved = exact().fit(Modalities(face=X["face"][:, order], finger=X["finger"]), y)
    np.testing.assert_allclose(moved.coef_weak_, plain.coef_weak_[:, order], atol=1e-6)
    np.testing.assert_allclose(moved.coef_strong_, plain.coef_strong_, atol=1e-6)


def test_rescaling_the_weak_block_changes_no_prediction_without_its_ridge(make_rows):
    X, y = make_rows()
    plain = exact(l1_ratio=1.0).fit(X, y)
    scaled_X = Modalities(face=50.0 * X["face"], finger=X["finger"])
    scaled = exact(l1_ratio=1.0).fit(scaled_X, y)
    assert scaled.lam_w_max_ == pytest.approx(50 * plain.lam_w_max_)
    np.testing.assert_allclose(
        scaled.decision_function(scaled_X), plain.decision_function(X), atol=1e-5
    )


@pytest.mark.parametrize("loss", LOSSES)
def test_shifting_the_columns_moves_only_the_intercepts(make_rows, loss):
    X, y = make_rows()
    shifted = Modalities(face=X["face"] + 100.0, finger=X["finger"] - 1000.0)
    plain, moved = exact(loss=loss).fit(X, y), exact(loss=loss).fit(shifted, y)
    np.testing.assert_allclose(moved.coef_weak_, plain.coef_weak_, atol=1e-5)
    np.testing.assert_allclose(
        moved.decision_function(shifted), plain.decision_function(X), atol=1e-5
    )


@pytest.mark.parametrize("loss", LOSSES)
def test_unlabelled_rows_change_nothing_without_coupling(make_rows, loss):
    X, y = make_rows()
    partly = np.where(np.arange(len(y)) < 60, y, -7)
    options = {"loss": loss, "unlabeled_label": -7}
    semi = exact(coupling=0.0, **options).fit(X, partly)
    labelled = exact(coupling=0.0, loss=loss).fit(X[:60], y[:60])
    assert_same_model(semi, labelled, atol=1e-6)
    assert (semi.n_labeled_, semi.n_paired_) == (60, len(y))
    coupled = exact(coupling=1.0, **options).fit(X, partly)
    assert not np.allclose(
        coupled.coef_weak_, exact(coupling=1.0, loss=loss).fit(X[:60], y[:60]).coef_weak_
    )


def test_rows_without_the_strong_side_leave_its_loss_and_the_coupling(make_rows):
    X, y = make_rows()
    lost = np.arange(len(y)) % 3 == 0
    arm = exact(missing="mask", coupling=0.0).fit(masked(X, finger=lost), y)
    strong = exact(coupling=0.0).fit(X[~lost], y[~lost])
    weak = exact(coupling=0.0).fit(X, y)
    np.testing.assert_allclose(arm.coef_strong_, strong.coef_strong_, atol=1e-6)
    np.testing.assert_allclose(arm.coef_weak_, weak.coef_weak_, atol=1e-6)
    assert (arm.n_strong_, arm.n_paired_) == (np.sum(~lost), np.sum(~lost))


def test_a_side_is_missing_where_one_of_its_modalities_is(make_rows):
    X, y = make_rows()
    three = Modalities(face=X["face"], iris=X["finger"][:, :2], finger=X["finger"][:, 2:])
    lost = np.arange(len(y)) % 4 == 0
    arm = exact(missing="mask").fit(masked(three, iris=lost), y)
    assert arm.strong_modalities_ == ["finger", "iris"]
    assert arm.n_strong_ == np.sum(~lost)
    assert arm.coef_strong_.shape == (3, 5)


@pytest.mark.parametrize("loss", LOSSES)
def test_weak_prediction_ignores_strong_columns_bit_for_bit(make_rows, loss):
    X, y = make_rows()
    arm = exact(loss=loss, predict_with="weak").fit(X, y)
    reference = arm.decision_function(X)
    other = Modalities(face=X["face"], finger=1e30 * X["finger"])
    assert np.array_equal(arm.decision_function(other), reference)
    absent = masked(X, finger=slice(None))
    assert np.array_equal(arm.decision_function(absent), reference)
    assert np.array_equal(arm.decision_function({"face": X["face"]}), reference)


def test_subspace_is_the_column_space_of_the_weak_coefficients(make_rows):
    X, y = make_rows(n=200, n_classes=4, n_weak=10)
    arm = exact(penalty="trace", weak_reg=0.3).fit(X, y)
    singular = np.linalg.svd(arm.coef_weak_, compute_uv=False)
    assert arm.rank_ == np.sum(singular > 1e-8 * singular[0]) < 4
    assert arm.subspace_.shape == (10, arm.rank_)
    np.testing.assert_allclose(arm.subspace_.T @ arm.subspace_, np.eye(arm.rank_), atol=1e-12)
    inside = arm.subspace_ @ arm.subspace_.T @ arm.coef_weak_.T
    np.testing.assert_allclose(inside, arm.coef_weak_.T, atol=1e-10)
    np.testing.assert_allclose(arm.transform(X), X["face"] @ arm.subspace_)


def test_row_sparse_penalty_keeps_informative_weak_columns(make_rows):
    X, y = make_rows(n=600)
    arm = exact(weak_reg=0.3, coupling=0.0).fit(X, y)
    # the second half of the weak columns is noise
    assert arm.support_mask_[:3].any()
    assert not arm.support_mask_[3:].any()
    assert np.array_equal(arm.transform(X), X["face"][:, arm.support_mask_])
    np.testing.assert_allclose(
        arm.feature_importances_, np.linalg.norm(arm.coef_weak_, axis=0), rtol=1e-12
    )


def test_smaller_weak_reg_keeps_at_least_as_many_columns_at_the_ends(make_rows):
    X, y = make_rows()
    kept = [
        int(exact(weak_reg=fraction).fit(X, y).support_mask_.sum())
        for fraction in (1.0001, 0.99, 0.1, 0.0)
    ]
    assert kept[0] == 0
    assert kept[1] == 1
    assert kept[2] <= kept[3] == 6


@pytest.mark.parametrize("loss", LOSSES)
def test_fewer_rows_than_columns_constant_and_collinear_columns_are_solved(loss):
    rng = np.random.default_rng(0)
    y = np.arange(24) % 3
    face = rng.normal(size=(24, 40)) + y[:, None]
    face[:, 1] = 5.0
    finger = rng.normal(size=(24, 30)) + y[:, None]
    finger[:, 3] = 2 * finger[:, 2]
    finger[:, 4] = -1.0
    face[:, 6] = face[:, 5]
    for l1_ratio in (0.9, 1.0):
        arm = exact(loss=loss, tol=1e-7, l1_ratio=l1_ratio)
        arm.fit(Modalities(face=face, finger=finger), y)
        assert arm.converged_
        assert arm.dual_gap_ <= 2e-7
        assert np.isfinite(arm.coef_).all()
        assert arm.coef_weak_[:, 1] == pytest.approx(0.0)


def test_auto_chooses_cvxpy_when_small_and_the_same_solution_as_first_order(make_rows):
    X, y = make_rows()
    auto = ARMClassifier(weak="face").fit(X, y)
    own = ARMClassifier(weak="face", solver="schur", tol=1e-10).fit(X, y)
    assert (auto.solver_, own.solver_) == ("clarabel", "schur")
    assert auto.objective_ == pytest.approx(own.objective_, rel=1e-6)
    assert np.array_equal(auto.support_mask_, own.support_mask_)
    wide, labels = make_rows(n=300, n_weak=60, n_strong=60)
    assert ARMClassifier(weak="face").fit(wide, labels).solver_ == "schur"


def test_warm_start_reaches_the_same_solution_in_fewer_steps(make_rows):
    X, y = make_rows(n=400, n_weak=30, n_strong=30)
    options = {"weak": "face", "solver": "schur", "tol": 1e-9, "warm_start": True}
    arm = ARMClassifier(weak_reg=0.02, **options).fit(X, y)
    cold = arm.n_iter_
    assert arm.fit(X, y).n_iter_ <= 1 < cold


def test_regression_with_zero_coupling_equals_ridge_and_elastic_net(make_rows):
    X, _ = make_rows()
    rng = np.random.default_rng(0)
    y = X["finger"] @ rng.normal(size=(5, 2)) + 1e6
    options = {"weak": "face", "solver": "schur", "tol": 1e-13, "strong_reg": 0.1}
    arm = ARMRegressor(coupling=0.0, weak_reg=0.02, weak_reg_scale="absolute", **options)
    arm.fit(X, y)
    ridge = Ridge(alpha=0.1 * len(y)).fit(X["finger"], y)
    net = MultiTaskElasticNet(alpha=0.02, l1_ratio=0.95, tol=1e-12, max_iter=100000)
    net.fit(X["face"], y)
    np.testing.assert_allclose(arm.coef_strong_, ridge.coef_, atol=1e-6)
    np.testing.assert_allclose(arm.coef_weak_, net.coef_, atol=1e-5)
    np.testing.assert_allclose(arm.intercept_strong_, ridge.intercept_, rtol=1e-9)


def test_regression_uses_unlabelled_pairs(make_rows):
    X, _ = make_rows()
    y = X["finger"].sum(axis=1)
    partly = np.where(np.arange(len(y)) < 30, y, np.nan)
    options = {"weak": "face", "coupling": 1.0, "solver": "schur"}
    arm = ARMRegressor(unlabeled_label=np.nan, **options).fit(X, partly)
    assert (arm.n_labeled_, arm.n_paired_) == (30, len(y))
    few = ARMRegressor(**options).fit(X[:30], y[:30])
    assert not np.allclose(arm.coef_weak_, few.coef_weak_)
    assert arm.coef_weak_.shape == (6,)
    assert isinstance(arm.intercept_weak_, float)


def test_fit_gives_no_warnings_on_plain_data(make_rows):
    X, y = make_rows()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ARMClassifier(weak="face").fit(X, y)
        ARMClassifier().fit({"face": X["face"]}, y)


@pytest.mark.parametrize(
    ("what", "loss"),
    [
        ("no intercepts", "squared"),
        ("no intercepts", "log_loss"),
        ("one side", "log_loss"),
        ("no labels beside the weak side", "log_loss"),
    ],
)
def test_every_solver_finds_the_same_model_of_less(make_rows, what, loss):
    X, y = make_rows(n=80)
    options = {"loss": loss, "strong_reg": 0.1, "weak_reg": 0.1, "weak": "face", "tol": 1e-9}
    if what == "no intercepts":
        options["fit_intercept"] = False
    elif what == "one side":
        X, options["weak"] = X.select(["finger"]), "auto"
    else:
        X = masked(X, face=slice(0, 60))
        y = np.where(np.arange(80) < 60, y, -1)
        options |= {"unlabeled_label": -1, "missing": "mask", "alpha": 0.0, "coupling": 0.5}
    own = ARMClassifier(solver="schur" if loss == "squared" else "fista", **options).fit(X, y)
    model = ARMClassifier(solver="clarabel", **options).fit(X, y)
    assert_same_model(own, model, atol=1e-3)
    assert np.abs(own.coef_strong_).max() > 0.01
    if what == "no intercepts":
        assert not own.intercept_strong_.any()
        assert not model.intercept_weak_.any()


def test_regression_without_intercepts_is_a_ridge_without_them(make_rows):
    X, _ = make_rows()
    y = X["finger"] @ np.arange(5.0) + 3
    arm = ARMRegressor(
        coupling=0.0, fit_intercept=False, weak="face", solver="schur", strong_reg=0.1, tol=1e-13
    ).fit(X, y)
    ridge = Ridge(alpha=0.1 * len(y), fit_intercept=False).fit(X["finger"], y)
    np.testing.assert_allclose(arm.coef_strong_, ridge.coef_, rtol=1e-6)
    assert arm.intercept_strong_ == 0


def test_no_sparsity_is_a_ridge_on_either_side(make_rows):
    X, _ = make_rows()
    y = X["face"] @ np.arange(6.0) + X["finger"][:, 0]
    options = {"coupling": 0.0, "weak": "face", "weak_reg_scale": "absolute", "tol": 1e-13}
    for solver in ("schur", "clarabel"):
        arm = ARMRegressor(l1_ratio=0.0, weak_reg=0.2, solver=solver, **options).fit(X, y)
        ridge = Ridge(alpha=0.2 * len(y)).fit(X["face"], y)
        np.testing.assert_allclose(arm.coef_weak_, ridge.coef_, atol=1e-5)


def test_warm_start_with_other_columns_starts_anew(make_rows):
    X, y = make_rows()
    options = {"weak": "face", "solver": "schur", "tol": 1e-9}
    arm = ARMClassifier(warm_start=True, **options).fit(X, y)
    narrow = Modalities(face=X["face"], finger=X["finger"][:, :3])
    assert_same_model(arm.fit(narrow, y), ARMClassifier(**options).fit(narrow, y), atol=0)
