"""`MultimodalRegressor`: networks for numbers."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from sk_mmbalance import Modalities, MultimodalRegressor
from tests._checks import assert_all_checks_pass

FAST = {
    "hidden_layer_sizes": (16,),
    "embedding_dim": 16,
    "max_epochs": 40,
    "lr": 0.01,
    "random_state": 0,
}


def problem(n=200, n_columns=None, seed=0):
    rng = np.random.default_rng(seed)
    X = Modalities(a=rng.normal(size=(n, 3)), b=rng.normal(size=(n, 2)))
    signal = X["a"] @ [1.0, -2, 0.5] + X["b"] @ [1.5, 0.0]
    y = 50 + 10 * (signal + 0.1 * rng.normal(size=n))
    if n_columns:
        y = np.column_stack([y, 0.001 * X["a"][:, 0], np.full(n, 7.0)][:n_columns])
    return X, y


@pytest.mark.parametrize(
    "params",
    [
        {},
        pytest.param(
            {"fusion": "late", "unimodal_weight": 0.5, "loss": "huber"}, marks=pytest.mark.slow
        ),
    ],
)
def test_scikit_learns_checks(params):
    assert_all_checks_pass(MultimodalRegressor(**params))


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber"])
def test_a_linear_signal_is_learnt_in_the_units_of_y(loss):
    X, y = problem()
    model = MultimodalRegressor(**FAST, loss=loss).fit(X[:150], y[:150])
    assert model.score(X[150:], y[150:]) > 0.95
    assert model.predict(X).dtype == np.float64


def test_units_of_y_change_nothing_but_the_units():
    X, y = problem()
    model = MultimodalRegressor(**FAST).fit(X, y)
    other = MultimodalRegressor(**FAST).fit(X, 1000 * y - 5)
    np.testing.assert_allclose(other.predict(X), 1000 * model.predict(X) - 5, rtol=1e-8)


def test_several_columns_of_any_size_and_a_constant_one():
    X, y = problem(n_columns=3)
    model = MultimodalRegressor(**FAST).fit(X, y)
    predicted = model.predict(X)
    assert predicted.shape == y.shape
    assert (r2_score(y[:, :2], predicted[:, :2], multioutput="raw_values") > 0.9).all()
    np.testing.assert_allclose(predicted[:, 2], 7.0, atol=1e-6)
    assert model.score(X[:50], y[:50]) == pytest.approx(
        r2_score(y[:50], model.predict(X[:50]), multioutput="uniform_average")
    )


def test_single_modalities_answer_in_the_units_of_y_and_not_where_they_are_missing():
    X, y = problem()
    X = Modalities(a=X["a"].copy(), b=X["b"].copy())
    X["b"][::5] = np.nan
    model = MultimodalRegressor(**FAST, missing="mask").fit(X, y)
    own = model.unimodal_predict(X)
    assert np.isnan(own["b"][::5]).all()
    assert not np.isnan(own["a"]).any()
    assert r2_score(y, own["a"]) > 0.4 > r2_score(y[1::5], own["b"][1::5])
    assert not np.isnan(model.predict(X)).any()


def test_what_stands_in_absent_rows_changes_no_bit():
    X, y = problem()
    hidden = {"a": X["a"].copy(), "b": X["b"].copy()}
    hidden["b"][::3] = np.nan
    model = MultimodalRegressor(**FAST, missing="mask").fit(hidden, y)
    again = MultimodalRegressor(**FAST, missing="mask").fit(Modalities(hidden), y)
    np.testing.assert_array_equal(model.predict(hidden), again.predict(hidden))


def test_doubled_rows_equal_weight_two():
    X, y = problem(60)
    weight = np.ones(60)
    weight[:10] = 2
    twice = np.r_[np.arange(60), np.arange(10)]
    params = {**FAST, "optimizer": "sgd", "batch_size": 100, "max_epochs": 5}
    model = MultimodalRegressor(**params).fit(X, y, sample_weight=weight)
    other = MultimodalRegressor(**params).fit(X[twice], y[twice])
    np.testing.assert_allclose(model.predict(X), other.predict(X), rtol=1e-9)


def test_rows_of_weight_0_are_as_good_as_absent():
    X, y = problem(60)
    weight = np.ones(60)
    weight[::4] = 0
    spoilt = np.where(weight == 0, 1e6, y)
    kept = np.flatnonzero(weight)
    model = MultimodalRegressor(**FAST).fit(X, spoilt, sample_weight=weight)
    other = MultimodalRegressor(**FAST).fit(X[kept], y[kept])
    np.testing.assert_array_equal(model.predict(X), other.predict(X))


def test_history_tells_of_every_modality_and_speaks_of_no_accuracy():
    X, y = problem()
    history = MultimodalRegressor(**FAST, early_stopping=True).fit(X, y).history_
    assert {"train_loss", "valid_loss", "a__train_loss", "b__confidence", "gap"} <= set(history)
    assert not [name for name in history if "accuracy" in name]
    assert history["a__confidence"].iloc[-1] > history["b__confidence"].iloc[-1]


def test_early_stopping_holds_whole_groups_out():
    X, y = problem()
    groups = np.arange(200) // 20
    model = MultimodalRegressor(**FAST, early_stopping=True).fit(X, y, groups=groups)
    assert model.n_iter_ >= 1
    with pytest.raises(ValueError, match="one group only"):
        clone(model).fit(X, y, groups=np.zeros(200))


def test_partial_fit_goes_on_in_the_units_of_the_first_call():
    X, y = problem()
    model = MultimodalRegressor(**FAST)
    for _ in range(30):
        model.partial_fit(X[:100], y[:100]).partial_fit(X[100:], y[100:])
    assert model.score(X, y) > 0.9
    with pytest.raises(ValueError, match="must have 1 columns as in the first fit; got 2"):
        model.partial_fit(X, np.column_stack([y, y]))


def test_warm_start_equals_one_long_fit():
    X, y = problem()
    params = {**FAST, "early_stopping": False}
    once = MultimodalRegressor(**{**params, "max_epochs": 6}).fit(X, y)
    parts = (
        MultimodalRegressor(**{**params, "max_epochs": 3, "warm_start": True}).fit(X, y).fit(X, y)
    )
    np.testing.assert_array_equal(once.predict(X), parts.predict(X))


def test_order_of_modalities_changes_nothing():
    X, y = problem()
    model = MultimodalRegressor(**FAST).fit({"b": X["b"], "a": X["a"]}, y)
    np.testing.assert_array_equal(
        model.predict(X), MultimodalRegressor(**FAST).fit(X, y).predict(X)
    )


def test_weights_file_gives_the_same_numbers(tmp_path):
    X, y = problem(n_columns=2)
    model = MultimodalRegressor(**FAST).fit(X, y)
    model.save_weights(tmp_path / "weights.safetensors")
    loaded = MultimodalRegressor(**FAST).load_weights(tmp_path / "weights.safetensors")
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


def test_fitted_fusion_weights_are_refused():
    X, y = problem(40)
    with pytest.raises(ValueError, match="`fusion_weights='fit'` needs one class a row"):
        MultimodalRegressor(**FAST, fusion_weights="fit").fit(X, y)


def test_as_good_as_ridge_on_a_linear_problem():
    X, y = problem(400)
    table = np.column_stack([X["a"], X["b"]])
    ridge = Ridge().fit(table[:300], y[:300]).score(table[300:], y[300:])
    model = MultimodalRegressor(**{**FAST, "max_epochs": 100}).fit(X[:300], y[:300])
    assert model.score(X[300:], y[300:]) > ridge - 0.03


def test_loss_is_that_of_torch_on_standardised_numbers():
    X, y = problem(64)
    model = MultimodalRegressor(
        **{**FAST, "max_epochs": 1, "batch_size": 64, "unimodal_weight": 0.0, "lr": 1e-12}
    ).fit(X, y)
    z = (y - y.mean()) / y.std()
    predicted = (model.predict(X) - y.mean()) / y.std()
    expected = torch.nn.functional.mse_loss(torch.from_numpy(predicted), torch.from_numpy(z))
    assert model.history_["train_loss"][0] == pytest.approx(expected.item(), rel=1e-6)
