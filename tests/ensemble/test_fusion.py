import numpy as np
import pytest
from scipy.optimize import check_grad, minimize
from sklearn.exceptions import ConvergenceWarning

from sk_mmbalance.ensemble import _fusion
from sk_mmbalance.ensemble._fusion import best_weights, pool, row_weights


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    probas = rng.dirichlet(np.ones(4), size=(3, 60))
    present = rng.random((60, 3)) < 0.7
    present[~present.any(axis=1), 0] = True
    codes = rng.integers(0, 4, 60)
    for m, sharpness in enumerate([0.5, 1.5, 0.1]):  # modalities of unequal worth
        probas[m, np.arange(60), codes] += sharpness
        probas[m] /= probas[m].sum(axis=1, keepdims=True)
    return list(probas), present, codes, rng.random(60)


def log_loss(probas, present, codes, sample_weight, rule, weights):
    proba = pool(probas, present, weights, rule)
    return -np.average(np.log(proba[np.arange(len(codes)), codes]), weights=sample_weight)


@pytest.mark.parametrize("rule", ["mean", "product"])
def test_objective_is_the_log_loss_of_the_pool_and_its_gradient_is_right(problem, rule):
    probas, present, codes, sample_weight = problem
    loss = _fusion._mean_loss if rule == "mean" else _fusion._product_loss
    stacked = np.stack(probas) if rule == "mean" else np.log(probas)
    args = (stacked, present.astype(float), codes, sample_weight / sample_weight.sum())
    w = np.array([0.2, 0.5, 0.3])
    assert loss(w, *args)[0] == pytest.approx(
        log_loss(probas, present, codes, sample_weight, rule, w), abs=1e-12
    )
    assert check_grad(lambda w: loss(w, *args)[0], lambda w: loss(w, *args)[1], w) < 1e-6


@pytest.mark.parametrize("rule", ["mean", "product"])
def test_best_weights_beat_a_fine_grid(problem, rule):
    probas, _, codes, sample_weight = problem
    present = np.ones((60, 3), dtype=bool)
    weights = best_weights(probas, present, codes, sample_weight, rule)
    assert weights.sum() == pytest.approx(1)
    found = log_loss(probas, present, codes, sample_weight, rule, weights)
    grid = [np.array([a, b, 20 - a - b]) / 20 for a in range(21) for b in range(21 - a)]
    best = min(log_loss(probas, present, codes, sample_weight, rule, w) for w in grid)
    assert found <= best + 2e-6  # no weight is below 1e-6


def test_best_weights_equal_an_unconstrained_search_over_the_softmax(problem):
    probas, present, codes, sample_weight = problem
    weights = best_weights(probas, present, codes, sample_weight, "product")

    def softmax(t):
        return np.exp(t) / np.exp(t).sum()

    other = minimize(
        lambda t: log_loss(probas, present, codes, sample_weight, "product", softmax(t)),
        np.zeros(3),
        method="Nelder-Mead",
        options={"xatol": 1e-10, "fatol": 1e-14, "maxiter": 5000},
    )
    found = log_loss(probas, present, codes, sample_weight, "product", weights)
    assert found <= other.fun + 1e-4  # no weight is below 1e-6, there they may be 1e-40


def test_search_that_stops_early_warns(problem, monkeypatch):
    class Stopped:
        success, message, x = False, "iteration limit", np.full(3, 1 / 3)

    monkeypatch.setattr(_fusion, "minimize", lambda *_, **__: Stopped)
    probas, present, codes, sample_weight = problem
    with pytest.warns(ConvergenceWarning, match="fusion weights stopped early"):
        best_weights(probas, present, codes, sample_weight, "mean")


def test_weights_are_renormalised_over_the_modalities_of_a_row():
    present = np.array([[True, True], [True, False], [False, True]])
    np.testing.assert_allclose(row_weights(np.array([0.25, 0.75]), present)[1:], [[1, 0], [0, 1]])


def test_modalities_that_all_weigh_zero_count_alike():
    present = np.array([[False, True, True]])
    np.testing.assert_allclose(row_weights(np.array([1.0, 0, 0]), present), [[0, 0.5, 0.5]])


def test_mean_and_product_by_hand():
    a, b = np.array([[0.9, 0.1]]), np.array([[0.5, 0.5]])
    present = np.ones((1, 2), dtype=bool)
    w = np.array([0.25, 0.75])
    np.testing.assert_allclose(pool([a, b], present, w, "mean"), 0.25 * a + 0.75 * b)
    geometric = a**0.25 * b**0.75
    np.testing.assert_allclose(pool([a, b], present, w, "product"), geometric / geometric.sum())


def test_zero_probability_is_no_veto_in_the_product():
    a, b = np.array([[0.0, 1.0]]), np.array([[0.9, 0.1]])
    proba = pool([a, b], np.ones((1, 2), dtype=bool), np.array([0.01, 0.99]), "product")
    assert np.isfinite(proba).all()
    assert proba[0, 0] > 0.5
