"""Wrong input is refused with a message that says what to do, and leaves no half-fitted model."""

import re

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning

from sk_mmbalance import ARMClassifier, ARMClassifierCV, ARMRegressor, Modalities
from sk_mmbalance.exceptions import ScaleWarning

OWN = {"weak": "face", "solver": "schur"}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"weak": "face", "strong": "face"}, "`weak` and `strong` must not share"),
        ({"weak": ["face", "finger"]}, "nothing is left for `strong`"),
        ({"strong": ["face", "finger"]}, "nothing is left for `weak`"),
        ({"weak": "voice"}, "`weak` names modality 'voice'"),
        ({"weak": "face", "strong": "voice"}, "`strong` names modality 'voice'"),
        ({"weak": []}, "`weak` must name at least one"),
        ({"weak": "face", "alpha": 0, "coupling": 0}, "must not both be 0"),
        ({"weak": "face", "l1_ratio": 0.0}, "`weak_reg_scale`='max' has no meaning"),
        ({"weak": "face", "costs": (1, -2)}, "`costs` must be two numbers"),
        ({"weak": "face", "costs": (1, 2, 3)}, "`costs` must be two numbers"),
        ({"weak": "face", "costs": ("cheap", "dear")}, "`costs` must be two numbers"),
        ({"weak": "face", "solver": "schur", "loss": "log_loss"}, "squared loss only"),
        ({"weak": "face", "solver": "osqp"}, "cannot take this model"),
        ({"weak": "face", "solver": "nonsense"}, "is unknown"),
        ({"weak": "face", "solver": "clarabel", "solver_options": {"x": 1}}, "`solver_options`"),
    ],
)
def test_wrong_parameters_are_refused(make_rows, parameters, message):
    X, y = make_rows()
    arm = ARMClassifier(**parameters)
    with pytest.raises(ValueError, match=message):
        arm.fit(X, y)
    assert not [name for name in vars(arm) if name.endswith("_")]


@pytest.mark.parametrize(
    "parameter", ["alpha", "coupling", "strong_reg", "weak_reg", "tol", "kappa"]
)
@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_negative_and_non_finite_strengths_are_refused(make_rows, parameter, value):
    X, y = make_rows()
    with pytest.raises(ValueError, match=f"'{parameter}' parameter"):
        ARMClassifier(**{parameter: value}).fit(X, y)


def test_missing_solver_package_is_named(make_rows):
    import cvxpy as cp

    X, y = make_rows()
    missing = next(s for s in ("MOSEK", "GUROBI", "CPLEX") if s not in cp.installed_solvers())
    with pytest.raises(ImportError, match="pip install"):
        ARMClassifier(weak="face", solver=missing.lower()).fit(X, y)


def test_failed_fit_leaves_the_earlier_model(make_rows):
    X, y = make_rows()
    arm = ARMClassifier(**OWN).fit(X, y)
    before = arm.decision_function(X)
    with pytest.raises(ValueError, match="one class"):
        arm.fit(X, np.zeros(len(y)))
    with pytest.raises(ValueError, match="share"):
        arm.set_params(strong="face").fit(X, y)
    assert np.array_equal(arm.decision_function(X), before)


def test_every_class_needs_a_labelled_row_on_each_side(make_rows):
    X, y = make_rows()
    finger = X["finger"].copy()
    finger[y == 2] = np.nan
    part = Modalities(face=X["face"], finger=finger)
    with pytest.raises(ValueError, match=r"Of 3 classes, 1 have no labelled row .* strong side"):
        ARMClassifier(missing="mask", **OWN).fit(part, y)
    face = X["face"].copy()
    face[y == 1] = np.nan
    part = Modalities(face=face, finger=X["finger"])
    with pytest.raises(ValueError, match="weak side"):
        ARMClassifier(missing="mask", **OWN).fit(part, y)
    # without the weak side's own loss the coupling alone teaches it
    arm = ARMClassifier(missing="mask", alpha=0.0, **OWN).fit(part, y)
    assert np.isfinite(arm.coef_weak_).all()


def test_coupling_needs_rows_with_both_sides(make_rows):
    X, y = make_rows()
    face, finger = X["face"].copy(), X["finger"].copy()
    face[::2], finger[1::2] = np.nan, np.nan
    part = Modalities(face=face, finger=finger)
    with pytest.raises(ValueError, match="`coupling` needs rows that have both"):
        ARMClassifier(missing="mask", **OWN).fit(part, y)
    assert ARMClassifier(missing="mask", coupling=0.0, **OWN).fit(part, y).n_paired_ == 0


def test_marker_of_unlabelled_rows_that_is_itself_a_class_is_refused(make_rows):
    X, y = make_rows(n_classes=2)
    with pytest.raises(ValueError, match="mark unlabelled rows with another value"):
        ARMClassifier(unlabeled_label=-1, **OWN).fit(X, 2 * y - 1)


def test_unmarked_missing_targets_are_refused(make_rows):
    X, _ = make_rows()
    y = X["finger"].copy()
    y[0, 0] = np.nan
    with pytest.raises(ValueError, match=r"`y` has no number \(nan\) in 1 of"):
        ARMRegressor(**OWN).fit(X, y)
    with pytest.raises(ValueError, match="not marked as unlabelled"):
        ARMRegressor(unlabeled_label=np.nan, **OWN).fit(X, y)


def test_sparse_sides_give_the_bits_of_dense_ones(make_rows):
    X, y = make_rows()
    sparse = {"face": sp.csr_matrix(X["face"]), "finger": X["finger"]}
    dense, thin = ARMClassifier(**OWN).fit(X, y), ARMClassifier(**OWN).fit(sparse, y)
    assert np.array_equal(dense.coef_weak_, thin.coef_weak_)
    assert np.array_equal(dense.decision_function(X), thin.decision_function(sparse))


def test_trace_with_one_score_column_warns(make_rows):
    X, y = make_rows(n_classes=2)
    with pytest.warns(UserWarning, match="plain Euclidean norm"):
        ARMClassifier(penalty="trace", **OWN).fit(X, y)
    X, y = make_rows(n_classes=3)
    ARMClassifier(penalty="trace", **OWN).fit(X, y)


def test_scales_far_apart_warn(make_rows):
    X, y = make_rows()
    far = Modalities(face=1e4 * X["face"], finger=X["finger"])
    with pytest.warns(ScaleWarning, match="StandardScaler"):
        ARMClassifier(**OWN).fit(far, y)


def test_solver_stopped_early_warns_with_its_gap(make_rows):
    X, y = make_rows(n=300, n_weak=30)
    with pytest.warns(ConvergenceWarning, match="relative duality gap"):
        arm = ARMClassifier(max_iter=1, tol=1e-12, **OWN).fit(X, y)
    assert not arm.converged_
    assert arm.solver_status_ == "user_limit"
    assert arm.dual_gap_ > 1e-12


def test_no_iteration_at_all_is_refused(make_rows):
    X, y = make_rows()
    with pytest.raises(ValueError, match="'max_iter' parameter of ARMClassifier must be an int"):
        ARMClassifier(**{**OWN, "max_iter": 0}).fit(X, y)


def test_scs_is_never_trusted_on_an_inaccurate_answer(make_rows):
    X, y = make_rows()
    with pytest.warns(ConvergenceWarning, match="optimal_inaccurate"):
        arm = ARMClassifier(weak="face", solver="scs", max_iter=1).fit(X, y)
    assert not arm.converged_


def test_class_of_a_single_row_is_still_learnt(make_rows):
    X, y = make_rows(n=40)
    y[:] = np.arange(40) % 2
    y[5] = 2
    arm = ARMClassifier(solver="schur", predict_with="serial").fit(X, y)
    assert arm.classes_.tolist() == [0, 1, 2]
    search = ARMClassifierCV(solver="schur", couplings=[0.1], strong_regs=[0.01]).fit(X, y)
    assert search.n_splits_ == 5


@pytest.mark.parametrize("loss", ["squared", "log_loss"])
def test_ridge_too_small_for_collinear_strong_columns_is_named(make_rows, loss):
    X, y = make_rows()
    doubled = Modalities(face=X["face"], finger=np.hstack([X["finger"], X["finger"]]))
    arm = ARMClassifier(weak="face", solver="auto", loss=loss, strong_reg=1e-300)
    with pytest.raises(ValueError, match=r"strong columns of `X` .* `strong_reg`=1e-300"):
        arm.fit(doubled, y)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"ear": 1.0}, "does not fit the classes ["),
        ({0: -1.0, 1: 1.0}, "must hold finite numbers"),
        ({0: np.nan, 1: 1.0}, "must hold finite numbers"),
    ],
)
def test_class_weights_of_other_classes_and_of_no_numbers_are_named(make_rows, weights, said):
    X, y = make_rows()
    with pytest.raises(ValueError, match="`class_weight`.*" + re.escape(said)):
        ARMClassifier(weak="face", class_weight=weights).fit(X, y)


def test_coupling_beside_which_the_ridge_is_lost_is_named(make_rows):
    X, y = make_rows()
    fingers = np.ones((1, 5)) * (np.arange(len(y)) % 4)[:, None]
    arm = ARMClassifier(weak="face", solver="schur", coupling=1e30)
    with pytest.raises(ValueError, match=r"`coupling`=1e[+]30: .* or lower `coupling`"):
        arm.fit(Modalities(face=X["face"], finger=fingers), y)


@pytest.mark.parametrize("parameter", ["alpha", "coupling", "strong_reg", "weak_reg"])
def test_strengths_beyond_the_squares_of_numbers_are_refused(make_rows, parameter):
    X, y = make_rows()
    with pytest.raises(ValueError, match=f"'{parameter}' parameter"):
        ARMClassifier(**{parameter: 1e300}).fit(X, y)
    grid = {f"{parameter}s": [1e300]}
    with pytest.raises(ValueError, match=f"`{parameter}s` must be numbers in"):
        ARMClassifierCV(weak="face", **grid).fit(X, y)
    with pytest.raises(TypeError, match=f"`{parameter}s` must be numbers"):
        ARMClassifierCV(weak="face", **{f"{parameter}s": ["much"]}).fit(X, y)


def test_options_of_a_solver_have_names(make_rows):
    X, y = make_rows()
    with pytest.raises(TypeError, match="`solver_options` must have names"):
        ARMClassifier(weak="face", solver="clarabel", solver_options={0: 1.0}).fit(X, y)


@pytest.mark.parametrize("loss", ["squared", "log_loss"])
def test_numbers_whose_squares_overflow_are_refused_by_their_modality(make_rows, loss):
    X, y = make_rows()
    huge = {**X, "face": np.asarray(X["face"]) * 1e200}
    with pytest.raises(ValueError, match=r"`X` modality 'face' has values up to .*e\+200"):
        ARMClassifier(weak="face", loss=loss).fit(huge, y)


def test_sides_are_told_apart_where_every_fold_has_a_single_row():
    # the R2 of a single row is none, so that all rows are scored as one fold
    y = np.array([0.0, 1.0, 2.0, 3.0])
    X = {"good": y[:, None] + 0.01, "poor": np.array([[1.0], [0.0], [1.0], [0.0]])}
    assert ARMRegressor(cv=4).fit(X, y).weak_modalities_ == ["poor"]
    turned = {"good": X["poor"], "poor": X["good"]}
    assert ARMRegressor(cv=4).fit(turned, y).weak_modalities_ == ["good"]


def test_what_needs_two_sides_is_refused_of_one(make_rows):
    X, y = make_rows()
    with pytest.raises(ValueError, match="'serial' needs a weak and a strong side; `X` has one"):
        ARMClassifier(predict_with="serial", solver="schur").fit(X["finger"], y)
    one = ARMClassifier(solver="schur").fit(X["finger"], y)
    for mode in ("weak", "serial"):
        with pytest.raises(ValueError, match=f"'{mode}' needs a weak side, and a single modality"):
            one.set_params(predict_with=mode).predict(X["finger"])


def test_sides_are_named_by_words(make_rows):
    X, y = make_rows()
    with pytest.raises(TypeError, match="`weak` must be a modality name or several; got 3"):
        ARMClassifier(weak=[3]).fit(X, y)


def test_numbers_without_a_labelled_row_of_a_side_are_refused(make_rows):
    X, _ = make_rows()
    y, finger = X["finger"][:, 0].copy(), X["finger"].copy()
    y[:20], finger[20:] = np.nan, np.nan
    arm = ARMRegressor(weak="face", missing="mask", unlabeled_label=np.nan, solver="schur")
    with pytest.raises(ValueError, match="No labelled row has the strong side"):
        arm.fit(Modalities(face=X["face"], finger=finger), y)
