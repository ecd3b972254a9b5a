"""The opinion pool's weights: against cvxpy, by their certificate, and by what they must obey."""

import itertools

import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn.exceptions import ConvergenceWarning

from sk_mmbalance.convex import fit_opinion_pool, pooled_log_proba
from sk_mmbalance.convex.pool._cvxpy_model import OpinionPoolModel


def experts(seed=0, n=80, n_experts=4, n_classes=3, skill=(2.0, 1.0, 0.5, 0.0)):
    """Log-probabilities of experts of falling skill and of different boldness."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    logits = rng.normal(size=(n, n_experts, n_classes))
    for e in range(n_experts):
        logits[np.arange(n), e, y] += skill[e % len(skill)]
    return log_softmax(logits * rng.uniform(0.5, 3, (n_experts, 1)), axis=2), y


def options(seed, n, n_experts, weighted, missing, balanced, per_class):
    rng = np.random.default_rng(seed)
    given = {"balanced": balanced, "per_class": per_class}
    if weighted:
        given["sample_weight"] = rng.integers(0, 4, n).astype(float)
    if missing:
        given["present"] = rng.random((n, n_experts)) > 0.3
    return given


GRID = list(itertools.product((2, 3, 5), (1e-3, 0.05), *[(False, True)] * 4))


def agrees_with_cvxpy(seed, n_classes, alpha, weighted, missing, balanced, per_class):
    logs, y = experts(seed, n_classes=n_classes)
    given = options(seed, 80, 4, weighted, missing, balanced, per_class)
    ours = fit_opinion_pool(logs, y, alpha=alpha, tol=1e-9, **given)
    model = OpinionPoolModel(logs, y, **given)
    theirs = model.solve(alpha)
    assert theirs.shape == ours.weights.shape
    assert ours.objective == pytest.approx(model.problem.value, rel=1e-6)
    assert ours.objective <= model.problem.value * (1 + 1e-7)
    np.testing.assert_allclose(ours.weights, theirs, atol=2e-3)


@pytest.mark.parametrize("case", GRID[::5])
def test_weights_are_those_of_cvxpy(case):
    agrees_with_cvxpy(0, *case)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("case", GRID)
def test_weights_are_those_of_cvxpy_on_many_problems(case, seed):
    agrees_with_cvxpy(seed, *case)


@pytest.mark.parametrize("class_penalty", [0.5, 1.0, 4.0])
@pytest.mark.parametrize(("n_classes", "alpha", "missing"), [(2, 0.05, False), (3, 0.01, True)])
def test_weights_drawn_together_are_those_of_cvxpy(n_classes, alpha, missing, class_penalty):
    logs, y = experts(n_classes=n_classes)
    given = options(0, 80, 4, True, missing, False, True) | {"class_penalty": class_penalty}
    ours = fit_opinion_pool(logs, y, alpha=alpha, tol=1e-9, **given)
    model = OpinionPoolModel(logs, y, **given)
    theirs = model.solve(alpha)
    assert ours.objective == pytest.approx(model.problem.value, rel=1e-6)
    np.testing.assert_allclose(ours.weights, theirs, atol=2e-3)


def test_the_least_class_penalty_is_that_on_the_mean():
    logs, y = experts()
    mean = fit_opinion_pool(logs, y, per_class=True, alpha=0.02, tol=1e-10)
    least = fit_opinion_pool(logs, y, per_class=True, class_penalty=1 / 3, alpha=0.02, tol=1e-10)
    assert least.objective == pytest.approx(mean.objective, rel=1e-8)
    np.testing.assert_allclose(least.weights, mean.weights, atol=1e-3)


def test_a_large_class_penalty_gives_all_classes_one_weight():
    logs, y = experts()
    common = fit_opinion_pool(logs, y, alpha=0.02, tol=1e-10)
    drawn = fit_opinion_pool(logs, y, per_class=True, class_penalty=1e4, alpha=0.02, tol=1e-10)
    np.testing.assert_allclose(drawn.weights, np.tile(common.weights[:, None], 3), atol=1e-5)
    assert drawn.objective == pytest.approx(common.objective, rel=1e-8)


def test_classes_leave_the_common_weight_one_after_another():
    rng = np.random.default_rng(0)
    y = np.arange(300) % 3
    logits = rng.normal(size=(300, 2, 3))
    logits[:, 0] += 2 * (np.eye(3)[y] * [1, 0, 0])  # knows the first class only
    logits[:, 1] += np.eye(3)[y]
    apart = [
        np.ptp(
            fit_opinion_pool(
                log_softmax(logits, axis=2), y, alpha=0.01, per_class=True, class_penalty=penalty
            ).weights,
            axis=1,
        ).sum()
        for penalty in (1 / 3, 1, 4, 16)
    ]
    assert apart[0] > apart[1] > apart[2] > apart[3] >= 0


@pytest.mark.filterwarnings("ignore:The opinion pool's weights stopped")
def test_gap_bounds_the_distance_with_a_class_penalty_too():
    logs, y = experts()
    given = {"per_class": True, "class_penalty": 2.0, "alpha": 0.02}
    best = fit_opinion_pool(logs, y, tol=1e-11, **given).objective
    for n_steps in range(1, 6):
        early = fit_opinion_pool(logs, y, tol=1e-15, max_iter=n_steps, **given)
        assert early.objective - best <= early.gap * early.objective + 1e-13


@pytest.mark.parametrize(
    "given", [{"class_penalty": 1.0}, {"class_penalty": 0.1, "per_class": True}]
)
def test_class_penalty_out_of_range_is_named(given):
    logs, y = experts()
    with pytest.raises(ValueError, match="`class_penalty` must be"):
        fit_opinion_pool(logs, y, **given)


@pytest.mark.parametrize("per_class", [False, True])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_derivatives_are_those_of_finite_differences(n_classes, per_class):
    from sk_mmbalance.convex.pool._solver import read_pool

    logs, y = experts(n_classes=n_classes)
    shares = np.random.default_rng(0).random(80)
    problem = read_pool(logs, y, shares, None, False, per_class)
    w = np.random.default_rng(1).random(problem.weights_shape)
    _, slope, proba = problem.slope(w)
    curve = problem.curvature(proba, np.arange(w.size))
    step = 1e-5
    for j in range(w.size):
        move = np.zeros(w.size)
        move[j] = step
        above, slope_above, _ = problem.slope(w + move.reshape(w.shape))
        below, slope_below, _ = problem.slope(w - move.reshape(w.shape))
        assert slope[j] == pytest.approx((above - below) / (2 * step), abs=1e-8)
        np.testing.assert_allclose(curve[j], (slope_above - slope_below) / (2 * step), atol=1e-7)


def test_chunks_of_rows_change_nothing(monkeypatch):
    from sk_mmbalance.convex.pool import _problem as pool_problem

    logs, y = experts()
    for per_class in (False, True):
        whole = fit_opinion_pool(logs, y, per_class=per_class)
        with monkeypatch.context() as patch:
            patch.setattr(pool_problem, "CHUNK", 90)
            chunked = fit_opinion_pool(logs, y, per_class=per_class)
        np.testing.assert_allclose(chunked.weights, whole.weights, atol=1e-7)


@pytest.mark.filterwarnings("ignore:The opinion pool's weights stopped")
def test_gap_bounds_the_distance_to_the_minimum_at_every_step():
    logs, y = experts()
    best = fit_opinion_pool(logs, y, tol=1e-11).objective
    for n_steps in range(1, 6):
        early = fit_opinion_pool(logs, y, tol=1e-15, max_iter=n_steps)
        assert early.objective - best <= early.gap * early.objective + 1e-13
    assert early.n_iter == 5


def test_stopping_before_the_gap_is_reached_warns():
    logs, y = experts()
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        solution = fit_opinion_pool(logs, y, max_iter=1)
    assert solution.gap > 1e-6


def test_gap_and_kkt_residual_vanish_at_the_solution():
    solution = fit_opinion_pool(*experts(), tol=1e-10)
    assert solution.gap <= 1e-10
    assert solution.kkt_residual <= 1e-9
    assert solution.objective == pytest.approx(solution.log_loss + 1e-3 * solution.weights.sum())


def test_useless_expert_gets_weight_zero():
    logs, y = experts(n=600)
    weights = fit_opinion_pool(logs, y, alpha=0.01).weights
    assert weights[3] == 0.0
    assert (weights[:3] > 0.05).all()


def test_duplicated_expert_changes_no_prediction():
    logs, y = experts()
    twice = logs[:, [0, 0, 1, 2, 3, 1]]
    once, doubled = fit_opinion_pool(logs, y, tol=1e-10), fit_opinion_pool(twice, y, tol=1e-10)
    np.testing.assert_allclose(
        pooled_log_proba(twice, doubled.weights), pooled_log_proba(logs, once.weights), atol=1e-6
    )
    assert doubled.weights[:2].sum() == pytest.approx(once.weights[0], abs=1e-6)


def test_order_of_experts_changes_nothing():
    logs, y = experts()
    order = [2, 0, 3, 1]
    here, there = fit_opinion_pool(logs, y), fit_opinion_pool(logs[:, order], y)
    np.testing.assert_allclose(there.weights, here.weights[order], atol=1e-7)


def test_weights_of_rows_count_like_repeated_rows():
    logs, y = experts()
    times = np.random.default_rng(0).integers(0, 4, len(y))
    weighted = fit_opinion_pool(logs, y, sample_weight=7.0 * times)
    repeated = fit_opinion_pool(np.repeat(logs, times, axis=0), np.repeat(y, times))
    np.testing.assert_allclose(weighted.weights, repeated.weights, atol=1e-8)


def test_balanced_gives_every_class_the_same_sum_of_weights():
    logs, y = experts()
    keep = (y > 0) | (np.arange(len(y)) < 15)
    logs, y = logs[keep], y[keep]
    shares = 1.0 / np.bincount(y)[y]
    np.testing.assert_allclose(
        fit_opinion_pool(logs, y, balanced=True).weights,
        fit_opinion_pool(logs, y, sample_weight=shares).weights,
        atol=1e-8,
    )


def test_sum_of_weights_is_an_inverse_temperature():
    logs, y = experts(n=300, n_experts=1)
    plain = fit_opinion_pool(logs, y, alpha=1e-9).weights
    bold = fit_opinion_pool(log_softmax(5 * logs, axis=2), y, alpha=1e-9).weights
    np.testing.assert_allclose(bold, plain / 5, rtol=1e-4)


def test_constant_per_row_and_expert_changes_nothing():
    logs, y = experts()
    shift = np.random.default_rng(0).normal(size=(80, 4, 1))
    np.testing.assert_allclose(
        fit_opinion_pool(logs + shift, y).weights, fit_opinion_pool(logs, y).weights, atol=1e-7
    )


def test_what_stands_in_absent_rows_changes_no_bit():
    logs, y = experts()
    present = np.random.default_rng(0).random((80, 4)) > 0.4
    garbage = np.where(present[:, :, None], logs, np.nan)
    a = fit_opinion_pool(logs, y, present=present).weights
    np.testing.assert_array_equal(fit_opinion_pool(garbage, y, present=present).weights, a)
    np.testing.assert_array_equal(
        pooled_log_proba(garbage, a, present=present), pooled_log_proba(logs, a, present=present)
    )


def test_weights_per_class_fit_at_least_as_well_for_the_same_penalty():
    logs, y = experts()
    shared, own = fit_opinion_pool(logs, y), fit_opinion_pool(logs, y, per_class=True)
    assert own.weights.shape == (4, 3)
    assert own.objective <= shared.objective * (1 + 1e-6)


@pytest.mark.parametrize(
    "penalty", [{}, {"per_class": True}, {"per_class": True, "class_penalty": 1}]
)
@pytest.mark.parametrize("size", [1e7, 1e30])
def test_expert_that_is_sure_beyond_measure_is_turned_down_as_far(size, penalty):
    logs, y = experts(n_experts=2, skill=(2.0, 0.5))
    sizes = np.array([size, 1.0])
    # what a weight of the first costs is next to nothing, as a unit of it says so much
    near = fit_opinion_pool(logs, y, alpha=1e-9, **penalty)
    far = fit_opinion_pool(logs * sizes[:, None], y, **penalty)
    found = far.weights * (sizes[:, None] if far.weights.ndim == 2 else sizes)
    np.testing.assert_allclose(found, near.weights, rtol=0.05)
    assert far.gap < 1e-6


@pytest.mark.parametrize("alpha", [1e-3, 1e-6])
def test_perfect_expert_keeps_a_finite_weight(alpha):
    y = np.arange(50) % 2
    logs = np.log(np.where(np.eye(2)[y] > 0, 1 - 1e-12, 1e-12))[:, None]
    solution = fit_opinion_pool(logs, y, alpha=alpha)
    assert solution.gap <= 1e-6
    assert 0 < solution.weights[0] < 10


@pytest.mark.filterwarnings("error")
def test_many_rows_start_from_a_tenth_of_them_and_end_at_the_same_weights(monkeypatch):
    from sk_mmbalance.convex.pool import _solver as module

    logs, y = experts(n=4_000)
    direct = fit_opinion_pool(logs, y, tol=1e-9)
    monkeypatch.setattr(module, "MANY_ROWS", 1_000)
    started = fit_opinion_pool(logs, y, tol=1e-9)
    np.testing.assert_allclose(started.weights, direct.weights, atol=1e-7)
    assert started.n_iter < direct.n_iter


def test_memory_ordered_by_expert_is_read_without_a_copy():
    from sk_mmbalance.convex.pool._solver import read_pool

    logs, y = experts()
    by_expert = np.ascontiguousarray(logs.transpose(1, 0, 2))
    problem = read_pool(by_expert.transpose(1, 0, 2), y, None, None, False, False)
    assert np.shares_memory(problem.logs, by_expert)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"log_proba": np.zeros((80, 3))}, "`log_proba` must be a stack"),
        ({"log_proba": np.full((80, 4, 3), -np.inf)}, "`log_proba` must be finite"),
        ({"log_proba": np.zeros((80, 4, 1))}, "at least two classes"),
        ({"y": np.arange(80) % 4}, "from 0 to 2; got 0 to 3"),
        ({"y": np.arange(79) % 3}, "`y` must be 80 integers"),
        ({"y": np.zeros(80)}, "`y` must be 80 integers"),
        ({"sample_weight": -np.ones(80)}, "`sample_weight` must be 80 finite"),
        ({"sample_weight": np.zeros(80)}, "zero for every sample"),
        ({"present": np.ones((4, 80), bool)}, "`present` must be boolean"),
        ({"present": np.ones((80, 4))}, "`present` must be boolean"),
        ({"alpha": 0.0}, "`alpha` must be a finite number above 0"),
        (
            {"log_proba": np.full((80, 4, 3), -1e200)},
            "`log_proba` must be finite .* no number whose",
        ),
        ({"alpha": -1.0}, "`alpha` must be a finite number above 0"),
        ({"tol": np.nan}, "`tol` must be a finite number above 0"),
        ({"max_iter": 0}, "`max_iter` must be at least 1"),
    ],
)
def test_bad_input_is_named(change, message):
    logs, y = experts()
    with pytest.raises(ValueError, match=message):
        fit_opinion_pool(**({"log_proba": logs, "y": y} | change))


def test_the_solver_imports_no_cvxpy(run_python):
    run_python(
        """
        import sys
        import numpy as np
        from sk_mmbalance.convex import fit_opinion_pool
        fit_opinion_pool(np.log(np.full((4, 1, 2), 0.5)), np.array([0, 1, 0, 1]))
        assert "cvxpy" not in sys.modules and "torch" not in sys.modules
        """
    )
