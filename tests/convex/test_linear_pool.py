"""`fit_linear_pool`: least squares on the simplex."""

import cvxpy as cp
import numpy as np
import pytest

from sk_mmbalance.convex import fit_linear_pool


def problem(n_columns, seed=0):
    """Six forecasts of unequal worth, two of them biased, with weights of the rows."""
    rng = np.random.default_rng(seed)
    y = rng.normal(size=(60, n_columns))
    spread = np.array([0.5, 1.0, 2.0, 0.7, 4.0, 1.0])[:, None]
    forecasts = y[:, None, :] + spread * rng.normal(size=(60, 6, n_columns))
    forecasts[:, 2:4] += 1.0
    return forecasts, y, rng.uniform(0.0, 3.0, 60)


@pytest.mark.parametrize("n_columns", [1, 3])
@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_weights_are_those_of_cvxpy(n_columns, unit):
    forecasts, y, weight = problem(n_columns)
    w = cp.Variable(6, nonneg=True)
    share = weight / weight.sum()
    losses = [
        cp.sum_squares(cp.multiply(np.sqrt(share), forecasts[:, :, c] @ w - y[:, c]))
        for c in range(n_columns)
    ]
    model = cp.Problem(cp.Minimize(sum(losses)), [cp.sum(w) == 1])
    model.solve(solver=cp.CLARABEL)
    found = fit_linear_pool(unit * forecasts, unit * y, sample_weight=weight)
    np.testing.assert_allclose(found.weights, w.value, atol=1e-5)
    assert found.loss == pytest.approx(unit**2 * model.value, rel=1e-6)
    assert found.gap < 1e-9


def test_gap_bounds_what_other_weights_save():
    forecasts, y, _ = problem(1)
    found = fit_linear_pool(forecasts, y)
    others = np.random.default_rng(1).dirichlet(np.ones(6), 500)
    losses = ((np.einsum("ne,re->rn", forecasts[:, :, 0], others) - y[:, 0]) ** 2).mean(axis=1)
    assert losses.min() >= found.loss * (1 - found.gap)


def test_weight_two_is_the_row_twice():
    forecasts, y, _ = problem(2)
    times = np.random.default_rng(2).integers(0, 4, 60)
    rows = np.repeat(np.arange(60), times)
    a = fit_linear_pool(forecasts, y, sample_weight=times)
    b = fit_linear_pool(forecasts[rows], y[rows])
    np.testing.assert_allclose(a.weights, b.weights, atol=1e-10)


def test_perfect_expert_gets_all_and_a_twin_changes_no_forecast():
    forecasts, y, _ = problem(1)
    forecasts[:, 5] = y
    found = fit_linear_pool(forecasts, y)
    np.testing.assert_allclose(found.weights, np.eye(6)[5], atol=1e-6)
    one = fit_linear_pool(forecasts[:, :5], y)
    two = fit_linear_pool(forecasts[:, [0, 1, 2, 3, 4, 0]], y)
    pooled = two.weights[:5] + np.array([two.weights[5], 0, 0, 0, 0])
    np.testing.assert_allclose(pooled, one.weights, atol=1e-8)


def test_single_expert_weighs_one():
    assert fit_linear_pool([[1.0], [2.0]], [1.0, 3.0]).weights.tolist() == [1.0]


@pytest.mark.parametrize(
    ("forecasts", "y", "weight", "message"),
    [
        (np.ones((3, 2)), np.ones(4), None, "`forecasts` must have shape"),
        (np.ones((3, 2)), np.ones((3, 1)), None, "`forecasts` must have shape"),
        (np.full((3, 2), np.nan), np.ones(3), None, "must be finite"),
        (np.ones((3, 2)), np.ones(3), [1.0, 1.0], "`sample_weight` must be 3"),
        (np.ones((3, 2)), np.ones(3), [1.0, -1.0, 1.0], "at least 0"),
        (np.ones((3, 2)), np.ones(3), [0.0, 0.0, 0.0], "positive in at least one row"),
    ],
)
def test_bad_input_is_named(forecasts, y, weight, message):
    with pytest.raises(ValueError, match=message):
        fit_linear_pool(forecasts, y, sample_weight=weight)
