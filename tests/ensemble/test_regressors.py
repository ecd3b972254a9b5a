"""The three regressors made of experts."""

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict, cross_val_score
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from sk_mmbalance import (
    LateFusionRegressor,
    Modalities,
    OpinionPoolRegressor,
    UnimodalRegressor,
)
from sk_mmbalance.convex import fit_linear_pool
from sk_mmbalance.experts import auto_regressors
from tests._checks import assert_all_checks_pass

EACH = {name: (Ridge(), name) for name in ("face", "noise", "voice")}
REGRESSORS = {
    "best": UnimodalRegressor(cv=3),
    "late": LateFusionRegressor(),
    "late, learnt": LateFusionRegressor(weights="cv", cv=3),
    "late, stacking": LateFusionRegressor(rule="stacking", cv=3),
    "pool": OpinionPoolRegressor(EACH, cv=3),
}
every_regressor = pytest.mark.parametrize(
    "model", [pytest.param(model, id=name) for name, model in REGRESSORS.items()]
)


@pytest.fixture(scope="module")
def data():
    """The target is a sum of what the face and what the voice knows, in some unit."""
    rng = np.random.default_rng(0)
    parts = rng.normal(size=(150, 2))
    X = Modalities(
        face=parts[:, :1] + rng.normal(0, 0.3, (150, 2)),
        noise=rng.normal(size=(150, 3)),
        voice=parts[:, 1:] + rng.normal(0, 0.6, (150, 2)),
    )
    return X, 100 + 10 * (1.5 * parts[:, 0] + parts[:, 1])


@pytest.fixture(scope="module")
def columns(data):
    """Two targets: one that the face knows, one that the voice knows."""
    X, _ = data
    return X, np.column_stack([X["face"].sum(axis=1), 1e3 * X["voice"][:, 0]])


def with_holes(X, share=0.3):
    present = np.random.default_rng(1).random((len(X), 3)) > share
    present[~present.any(axis=1), 0] = True
    return Modalities(
        {n: np.where(has[:, None], X[n], np.nan) for n, has in zip(X, present.T, strict=True)}
    )


# -- scikit-learn's contract -------------------------------------------------------------------


@pytest.mark.parametrize(
    "model",
    [
        UnimodalRegressor(),
        LateFusionRegressor(),
        OpinionPoolRegressor({"a": Ridge(), "b": ExtraTreesRegressor(5, random_state=0)}),
    ],
    ids=lambda model: type(model).__name__,
)
def test_all_of_scikit_learns_checks_pass(model):
    assert_all_checks_pass(model)


@pytest.mark.slow
def test_all_of_scikit_learns_checks_pass_with_the_default_experts():
    assert_all_checks_pass(OpinionPoolRegressor())


@every_regressor
def test_predictions_are_float64_of_the_shape_of_y(columns, model):
    X, Y = columns
    one = clone(model).fit(X, Y[:, 0].astype(np.float32)).predict(X)
    assert (one.dtype, one.shape) == (np.float64, (150,))
    several = clone(model).fit(X, Y)
    assert (several.predict(X).dtype, several.predict(X).shape) == (np.float64, (150, 2))
    for own in several.unimodal_predict(X).values():
        assert own.shape == (150, 2)


@every_regressor
def test_unit_and_origin_of_y_change_nothing_but_the_unit(data, model):
    X, y = data
    here = clone(model).fit(X, y).predict(X)
    there = clone(model).fit(X, 1e3 * y - 7e4).predict(X)
    np.testing.assert_allclose(there, 1e3 * here - 7e4, rtol=1e-6, atol=1e-2)


@every_regressor
def test_cross_validation_and_search(data, model):
    X, y = data
    assert cross_val_score(model, X, y, cv=3, error_score="raise").mean() > 0.2
    found = GridSearchCV(model, {"missing": ["error", "mask"]}, cv=2).fit(X, y)
    assert found.predict(X).shape == (150,)


@every_regressor
def test_order_of_modalities_changes_no_bit(data, model):
    X, y = data
    turned = Modalities({name: X[name] for name in ("voice", "noise", "face")})
    np.testing.assert_array_equal(
        clone(model).fit(turned, y).predict(turned), clone(model).fit(X, y).predict(X)
    )


@every_regressor
def test_integer_weights_equal_repeated_rows(columns, model):
    X, Y = columns
    times = np.random.default_rng(1).integers(0, 4, len(Y))
    rows = np.repeat(np.arange(len(Y)), times)
    fold = np.arange(len(Y)) % 3
    splits = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(3)]
    again = [(np.flatnonzero(fold[rows] != k), np.flatnonzero(fold[rows] == k)) for k in range(3)]
    a = clone(model).set_params(cv=splits).fit(X, Y, sample_weight=times)
    b = clone(model).set_params(cv=again).fit(X[rows], Y[rows])
    np.testing.assert_allclose(a.predict(X), b.predict(X), rtol=1e-6, atol=1e-6)


@every_regressor
def test_rows_of_weight_zero_change_nothing_with_a_number_of_folds(data, model):
    X, y = data
    keep = np.arange(150) % 4 > 0
    a = clone(model).fit(X, np.where(keep, y, 1e6), sample_weight=keep.astype(float))
    b = clone(model).fit(X[keep], y[keep])
    np.testing.assert_allclose(a.predict(X), b.predict(X), rtol=1e-9)


def test_failed_fit_leaves_the_earlier_one(data):
    X, y = data
    model = OpinionPoolRegressor(EACH).fit(X, y)
    before = model.predict(X)
    with pytest.raises(ValueError, match="`rule` must be one of"):
        model.set_params(rule="stack").fit(X, y)
    np.testing.assert_array_equal(model.predict(X), before)


def test_weights_and_groups_are_routed(data):
    X, y = data
    weight = np.linspace(0.5, 3, 150)
    with config_context(enable_metadata_routing=True):
        asked = LateFusionRegressor(Ridge().set_fit_request(sample_weight=True))
        asked.fit(X, y, sample_weight=weight)
        default = OpinionPoolRegressor(random_state=0, cv=2).fit(X, y, sample_weight=weight)
    plain = LateFusionRegressor(Ridge()).fit(X, y, sample_weight=weight)
    np.testing.assert_array_equal(asked.predict(X), plain.predict(X))
    off = OpinionPoolRegressor(random_state=0, cv=2).fit(X, y, sample_weight=weight)
    np.testing.assert_array_equal(default.predict(X), off.predict(X))


# -- missing modalities ------------------------------------------------------------------------


@every_regressor
def test_rows_with_missing_modalities_are_fitted_and_predicted(data, model):
    X, y = data
    holes = with_holes(X)
    fitted = clone(model).set_params(missing="mask").fit(holes, y)
    assert np.isfinite(fitted.predict(holes)).all()
    assert fitted.score(X, y) > 0.3
    for name, own in fitted.unimodal_predict(holes).items():
        np.testing.assert_array_equal(np.isnan(own), np.isnan(holes[name][:, 0]))


def test_row_that_no_expert_knows_gets_the_weighted_mean(data):
    X, y = data
    weight = np.linspace(0.5, 3, 150)
    mean = np.average(y, weights=weight)
    for model in (UnimodalRegressor(modality="face"), OpinionPoolRegressor({"f": (None, "face")})):
        model.set_params(missing="mask").fit(X, y, sample_weight=weight)
        np.testing.assert_allclose(model.predict({"noise": X["noise"]}), mean)
    several = {"f": (Ridge(), "face"), "v": (Ridge(), "voice")}
    pool = OpinionPoolRegressor(several, missing="mask").fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(pool.predict({"noise": X["noise"]}), mean)


def test_late_fusion_without_a_modality_is_the_mean_of_the_others(data):
    X, y = data
    model = LateFusionRegressor(missing="mask").fit(X, y)
    own = model.unimodal_predict(X)
    np.testing.assert_allclose(
        model.predict(X.select(["face", "voice"])), (own["face"] + own["voice"]) / 2
    )


# -- what each of them does --------------------------------------------------------------------


def test_best_modality_is_found_by_cross_validation(data):
    X, y = data
    model = UnimodalRegressor(LinearRegression(), cv=KFold(4)).fit(X, y)
    assert model.best_modality_ == "face"
    by_hand = cross_val_score(LinearRegression(), X["voice"], y, cv=KFold(4)).mean()
    assert model.scores_["voice"] == pytest.approx(by_hand)
    alone = LinearRegression().fit(X["face"], y)
    np.testing.assert_array_equal(model.predict(X), alone.predict(X["face"]))


def test_learnt_weights_are_those_of_the_solver(data):
    X, y = data
    oof = np.column_stack([cross_val_predict(Ridge(), X[n], y, cv=KFold(3)) for n in sorted(X)])
    expected = fit_linear_pool(oof, y).weights
    late = LateFusionRegressor(Ridge(), weights="cv", cv=3).fit(X, y)
    np.testing.assert_allclose(list(late.weights_.values()), expected, atol=1e-9)
    pool = OpinionPoolRegressor(EACH, cv=3).fit(X, y)
    np.testing.assert_allclose(pool.weights_["weight"], expected, atol=1e-9)
    assert pool.gap_ < 1e-9
    np.testing.assert_allclose(pool.predict(X), late.predict(X))


def test_stacking_adds_what_a_mean_cannot(data):
    X, y = data
    train, test = np.arange(150) < 100, np.arange(150) >= 100
    mean = LateFusionRegressor().fit(X[train], y[train]).score(X[test], y[test])
    stack = LateFusionRegressor(rule="stacking").fit(X[train], y[train])
    assert stack.weights_ is None
    assert isinstance(stack.stacker_, Ridge)
    assert stack.score(X[test], y[test]) > max(mean, 0.85)  # the target is a sum, not a mean


def test_pool_is_no_worse_than_its_experts_on_their_own_predictions(data):
    X, y = data
    everything = {**EACH, "all": HistGradientBoostingRegressor(max_iter=20), "svr": (SVR(), "face")}
    model = OpinionPoolRegressor(everything, cv=3).fit(X, y)
    errors = model.oof_scores_["rmse"]
    assert errors["pool"] <= errors.drop("pool").min() * (1 + 1e-9)
    assert model.weights_["weight"].sum() == pytest.approx(1)
    assert sum(model.modality_weights_.values()) == pytest.approx(1)
    assert model.weights_.loc["noise", "weight"] < 0.1


def test_select_takes_the_expert_of_least_error(data):
    X, y = data
    model = OpinionPoolRegressor({**EACH, "all": Ridge()}, rule="select").fit(X, y)
    assert model.weights_["weight"].to_dict() == {"all": 1, "face": 0, "noise": 0, "voice": 0}
    assert model.gap_ is None


def test_every_column_has_a_pool_of_its_own(columns):
    X, Y = columns
    model = OpinionPoolRegressor(EACH).fit(X, Y)
    assert model.gap_.shape == (2,)
    assert (model.gap_ < 1e-9).all()
    assert model.weights_.loc[(0, "face"), "weight"] > 0.99
    assert model.weights_.loc[(1, "voice"), "weight"] > 0.99
    np.testing.assert_allclose(model.modality_weights_["face"], [1, 0], atol=0.01)
    for k in range(2):
        alone = OpinionPoolRegressor(EACH).fit(X, Y[:, k])
        np.testing.assert_allclose(model.predict(X)[:, k], alone.predict(X))


@pytest.mark.parametrize(
    "estimator", [SVR(), KNeighborsRegressor(), HistGradientBoostingRegressor(max_iter=5)]
)
def test_regressor_of_one_column_is_fitted_to_each(columns, estimator):
    X, Y = columns
    model = UnimodalRegressor(estimator, "face").fit(X, Y)
    each = [clone(estimator).fit(X["face"], column).predict(X["face"]) for column in Y.T]
    np.testing.assert_allclose(model.predict(X), np.column_stack(each))


def test_pattern_with_enough_rows_has_the_weights_of_a_pool_of_its_own(data):
    X, y = data
    model = OpinionPoolRegressor(EACH, missing="mask").fit(X, y)
    two = OpinionPoolRegressor({k: EACH[k] for k in ("noise", "voice")}).fit(X, y)
    learnt = model.pattern_weights_.loc["noise + voice", ["noise", "voice"]]
    np.testing.assert_allclose(learnt, two.weights_["weight"], atol=1e-9)
    np.testing.assert_allclose(model.predict(X.select(["noise", "voice"])), two.predict(X))


# -- default experts ---------------------------------------------------------------------------


def test_a_network_may_be_among_the_default_experts(data):
    X, y = data
    model = OpinionPoolRegressor("auto+nets", cv=2, random_state=0).fit(X, y)
    assert [name for name in model.experts_ if "network" in name] == ["all: network"]
    assert model.score(X, y) > 0.8


def test_auto_leaves_out_what_costs_too_much():
    def kinds(*shape):
        return auto_regressors(*shape, 0).kinds

    assert kinds(100, 10) == {"linear", "trees"}
    assert kinds(1000, 10) == {"linear", "trees", "boosting", "kernel"}
    assert kinds(1000, 101) == {"linear", "trees", "kernel"}
    assert kinds(100_000, 10) == {"linear", "trees", "boosting", "rough kernel"}


def test_kernel_expert_takes_any_unit_and_weights(data):
    X, y = data
    kernel = auto_regressors(500, 2, 0).models["kernel"][-1]
    times = np.random.default_rng(0).integers(0, 3, 150)
    rows = np.repeat(np.arange(150), times)
    weighted = clone(kernel).fit(X["face"], 1e4 * y, sample_weight=times.astype(float))
    repeated = clone(kernel).fit(X["face"][rows], y[rows])
    np.testing.assert_allclose(
        weighted.predict(X["face"]) / 1e4, repeated.predict(X["face"]), rtol=1e-3
    )
    assert repeated.score(X["face"], y) > 0.4


# -- bad input ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (LateFusionRegressor(rule="product"), ValueError, "`rule` must be one of"),
        (LateFusionRegressor(StandardScaler()), TypeError, "must be a regressor instance"),
        (LateFusionRegressor({"face": None}), ValueError, "`estimator` lacks modality"),
        (OpinionPoolRegressor("all"), ValueError, "`experts` must be 'auto'"),
        (OpinionPoolRegressor({"a": Ridge}), TypeError, "is a class"),
        (OpinionPoolRegressor(EACH, min_pattern_rows=0), ValueError, "`min_pattern_rows`"),
        (UnimodalRegressor(modality="gait"), ValueError, "`modality` must be 'best' or"),
    ],
)
def test_bad_parameters_are_named(data, model, error, message):
    X, y = data
    with pytest.raises(error, match=message):
        model.fit(X, y)


def test_expert_without_sample_weight_is_named(data):
    X, y = data
    chain = make_pipeline(StandardScaler(), KNeighborsRegressor())
    with pytest.raises(TypeError, match=r"for 'face', KNeighborsRegressor, does not take it"):
        LateFusionRegressor(chain).fit(X, y, sample_weight=np.ones(150))


def test_default_experts_on_all_modalities_use_incomplete_rows():
    rng = np.random.default_rng(0)
    y = rng.normal(size=200)
    X = {"face": y[:, None] + rng.normal(0, 1, (200, 2)), "voice": y + rng.normal(0, 0.3, 200)}
    lacks = rng.random(200) < 0.5
    X["voice"] = np.where(lacks, np.nan, X["voice"])[:, None]
    model = OpinionPoolRegressor(missing="mask", random_state=0, cv=3).fit(X, y)
    assert model.oof_scores_.loc["all: linear", "n_rows"] == 200
    assert model.oof_scores_.loc["voice: linear", "n_rows"] == 200 - lacks.sum()
    assert model.score(X, y) > 0.8
    face = {"face": X["face"]}
    assert np.isfinite(model.predict(face)).all()
    assert model.left_out_ == {}
    assert model.row_order_["folds"] == "in order"
