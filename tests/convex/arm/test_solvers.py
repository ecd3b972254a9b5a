"""Solvers against each other, and the certificate against the truth."""

import itertools
from dataclasses import replace

import cvxpy as cp
import numpy as np
import pytest

from sk_mmbalance.convex.arm._cvxpy_model import ARMModel, check_solver, triangular_factor
from sk_mmbalance.convex.arm._data_space import solve_data_space
from sk_mmbalance.convex.arm._engine import ARMEngine
from sk_mmbalance.convex.arm._problem import Strengths, objective

LOSSES = ("squared", "squared_hinge", "log_loss")
PENALTY_NAMES = ("l21", "trace", "l1")

FULL_GRID = list(itertools.product((2, 3), LOSSES, PENALTY_NAMES, (False, True), (0.9, 1.0)))
# one or two of each value, for every run; the full grid is slow
QUICK_GRID = [
    (2, "squared", "l21", True, 1.0),
    (3, "squared", "trace", False, 0.9),
    (3, "squared", "l21", True, 0.9),
    (2, "squared_hinge", "trace", False, 1.0),
    (3, "squared_hinge", "l1", True, 0.9),
    (2, "log_loss", "l1", False, 0.9),
    (3, "log_loss", "l21", True, 1.0),
    (3, "log_loss", "trace", False, 0.9),
]


def own_solver(loss):
    return "schur" if loss == "squared" else "fista"


def strengths_at(engine, penalty, fraction, l1_ratio, *, alpha=1.0, coupling=0.3):
    smooth = Strengths(alpha, coupling, 1e-2, 0.0, 0.0, penalty)
    l1 = fraction * engine.critical_l1(smooth)
    return replace(smooth, l1=l1, l2=l1 / l1_ratio * (1 - l1_ratio))


def agree(make_problem, n_classes, loss, penalty, missing, l1_ratio):
    data = make_problem(loss, n_classes, missing=missing)
    engine = ARMEngine(data, solver=own_solver(loss), tol=1e-8)
    strengths = strengths_at(engine, penalty, 0.1, l1_ratio)
    ours = engine.solve(strengths)
    model = ARMModel(data, penalty)
    theirs = model.solve(strengths, "clarabel", tol=1e-9, max_iter=200)
    reference = objective(data, strengths, theirs.point)

    assert ours.converged
    assert ours.gap <= 1e-8
    assert abs(ours.objective - reference) <= 1e-6 * reference
    # what we certify is at least what cvxpy finds us to be off
    assert ours.objective - reference <= ours.gap * ours.objective + 1e-12
    # and the model states the same objective as ours, constants included
    assert model.problem.value == pytest.approx(reference, rel=1e-7)


@pytest.mark.parametrize("case", QUICK_GRID)
def test_first_order_and_cvxpy_reach_the_same_objective(make_problem, case):
    agree(make_problem, *case)


@pytest.mark.slow
@pytest.mark.parametrize("case", FULL_GRID)
def test_first_order_and_cvxpy_agree_over_the_full_grid(make_problem, case):
    agree(make_problem, *case)


@pytest.mark.parametrize("penalty", PENALTY_NAMES)
@pytest.mark.parametrize("l1_ratio", [0.9, 1.0])
@pytest.mark.parametrize("loss", LOSSES)
def test_gap_is_never_smaller_than_the_true_suboptimality(make_problem, loss, penalty, l1_ratio):
    data = make_problem(loss, 3, missing=True)
    best = ARMEngine(data, solver="own", tol=1e-11)
    strengths = strengths_at(best, penalty, 0.05, l1_ratio)
    optimum = best.solve(strengths).objective
    for max_iter in (1, 2, 3, 5, 10):
        early = ARMEngine(data, solver="own", tol=0.0, max_iter=max_iter).solve(strengths)
        assert early.objective * early.gap >= early.objective - optimum - 1e-12


@pytest.mark.parametrize("loss", LOSSES)
def test_best_gap_so_far_never_rises(make_problem, loss):
    data = make_problem(loss, 3)
    engine = ARMEngine(data, solver="own", tol=1e-9)
    gaps = engine.solve(strengths_at(engine, "l21", 0.02, 1.0)).gap_history
    assert len(gaps) > 2
    assert np.all(np.diff(gaps) <= 0)


@pytest.mark.parametrize("penalty", PENALTY_NAMES)
@pytest.mark.parametrize("loss", LOSSES)
def test_weak_side_empties_exactly_at_the_critical_strength(make_problem, loss, penalty):
    data = make_problem(loss, 3, missing=True)
    engine = ARMEngine(data, solver="own", tol=1e-10)
    above = engine.solve(strengths_at(engine, penalty, 1.0001, 1.0))
    below = engine.solve(strengths_at(engine, penalty, 0.99, 1.0))
    assert np.all(above.point.weak == 0)
    kept = np.linalg.norm(below.point.weak, axis=1) > 0
    assert kept.any()
    if penalty != "trace":
        assert kept.sum() == 1


@pytest.mark.parametrize("alpha", [0.2, 1.0, 5.0])
@pytest.mark.parametrize("loss", ["squared", "log_loss"])
def test_scalar_metric_gram_metric_and_schur_agree(make_problem, loss, alpha):
    data = make_problem(loss, 3, missing=True)
    engine = ARMEngine(data, solver="own", tol=1e-9)
    strengths = strengths_at(engine, "l21", 0.1, 0.9, alpha=alpha)
    reference = engine.solve(strengths)
    for grams in (None, engine.grams):
        watch, _, converged = solve_data_space(
            data, strengths, data.zero(), tol=1e-8, max_iter=20000, grams=grams
        )
        assert converged
        assert watch.value == pytest.approx(reference.objective, rel=1e-7)
        np.testing.assert_allclose(watch.best.weak, reference.point.weak, atol=1e-3)


def test_wide_squared_problems_are_solved_without_gram_matrices(make_problem):
    for n_strong, solver in ((3, "schur"), (8000, "fista")):
        engine = ARMEngine(make_problem("squared", 3, n=9, n_strong=n_strong), solver="own")
        assert engine.choose(Strengths(1.0, 0.1, 0.1, 0.1, 0.1, "l21")) == solver


@pytest.mark.parametrize("coupling", [0.0, 0.3])
def test_solvers_agree_on_intercepts_that_the_log_loss_leaves_free(make_problem, coupling):
    data = make_problem("log_loss", 3)
    points = []
    for solver in ("fista", "clarabel"):
        engine = ARMEngine(data, solver=solver, tol=1e-9)
        strengths = strengths_at(engine, "l21", 0.2, 0.9, coupling=coupling)
        points.append(engine.solve(strengths).point)
    for point in points:
        assert abs(np.sum(point.strong_intercept)) < 1e-12
    for name in ("strong_intercept", "weak_intercept"):
        ours, theirs = (getattr(point, name) for point in points)
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_without_a_penalty_the_schur_form_is_solved_directly(make_problem):
    data = make_problem("squared", 3)
    found = ARMEngine(data, solver="schur", tol=1e-12).solve(
        Strengths(1.0, 0.3, 1e-2, l1=0.0, l2=1e-2)
    )
    assert found.n_iter == 0
    assert found.gap <= 1e-12


def test_model_follows_the_rules_of_parametrised_programming(make_problem):
    for loss, penalty in itertools.product(LOSSES, PENALTY_NAMES):
        for n_classes in (2, 3):
            problem = ARMModel(make_problem(loss, n_classes), penalty).problem
            assert problem.is_dcp(dpp=True)


def test_model_is_compiled_once_for_many_strengths(make_problem):
    data = make_problem("squared", 3)
    engine = ARMEngine(data, solver="clarabel")
    own = ARMEngine(data, solver="schur", tol=1e-9)
    for fraction in (0.5, 0.1, 0.02):
        strengths = strengths_at(own, "l21", fraction, 0.9)
        ours, theirs = own.solve(strengths), engine.solve(strengths)
        assert theirs.objective == pytest.approx(ours.objective, rel=1e-6)
        assert theirs.solver == "clarabel"
    assert len(engine._models) == 1


def test_triangular_factor_keeps_every_squared_length():
    rng = np.random.default_rng(0)
    blocks = [rng.normal(size=(9000, 3)), rng.normal(size=(9000, 2))]
    weights = rng.random(9000)
    factor = triangular_factor(blocks, weights)
    rows = np.sqrt(weights)[:, None] * np.hstack(blocks)
    assert factor.shape == (5, 5)
    np.testing.assert_allclose(factor.T @ factor, rows.T @ rows, rtol=1e-12)


def test_the_model_of_all_rows_and_that_of_their_factor_are_one(make_problem):
    data = make_problem("squared", 3, missing=True)
    strengths = strengths_at(ARMEngine(data, solver="schur"), "l21", 0.1, 0.9)
    factor, rows = (
        ARMModel(data, compress=compress).solve(strengths, "clarabel", tol=1e-9, max_iter=200)
        for compress in (True, False)
    )
    np.testing.assert_allclose(rows.point.weak, factor.point.weak, atol=1e-6)
    np.testing.assert_allclose(rows.point.strong, factor.point.strong, atol=1e-6)


@pytest.mark.parametrize("solver", ["osqp", "highs", "ecos", "scs"])
def test_every_installed_solver_that_takes_the_binary_squared_model_agrees(make_problem, solver):
    if solver.upper() not in cp.installed_solvers():
        pytest.skip(f"{solver} is not installed")
    data = make_problem("squared", 2)
    own = ARMEngine(data, solver="schur", tol=1e-10)
    strengths = strengths_at(own, "l1", 0.1, 0.9)
    reference = own.solve(strengths)
    found = ARMEngine(data, solver=solver).solve(strengths)
    assert found.converged
    assert found.objective == pytest.approx(reference.objective, rel=1e-5)


def test_inaccurate_answer_of_scs_is_judged_by_its_gap(make_problem):
    data = make_problem("squared", 3)
    own = ARMEngine(data, solver="schur", tol=1e-10)
    strengths = strengths_at(own, "l21", 0.1, 0.9)
    early = ARMEngine(data, solver="scs", max_iter=1).solve(strengths)
    assert early.status == "optimal_inaccurate"
    assert not early.converged
    optimum = own.solve(strengths).objective
    assert early.gap * early.objective >= early.objective - optimum > 1e-6


def test_auto_goes_on_with_its_own_solver_where_cvxpy_stopped_short(make_problem):
    data = make_problem("squared", 3)
    engine = ARMEngine(
        data, solver_options={"tol_gap_rel": 0.1, "tol_gap_abs": 0.1, "tol_feas": 0.1}
    )
    strengths = strengths_at(engine, "l21", 0.1, 0.9)
    assert engine.choose(strengths) == "clarabel"
    found = engine.solve(strengths)
    assert found.converged
    assert found.gap <= 1e-5


def test_cvxpy_solver_stopped_by_its_limit_raises(make_problem):
    data = make_problem("squared", 3)
    engine = ARMEngine(data, solver="clarabel", max_iter=1)
    with pytest.raises(RuntimeError, match=r"status 'user_limit'|failed"):
        engine.solve(Strengths(1.0, 0.3, 1e-2, 0.01, 0.01))


def test_solver_that_cannot_take_the_cones_is_refused_before_building():
    check_solver("osqp", "squared", "l21", 1)
    with pytest.raises(ValueError, match="`solver`='osqp' cannot take this model"):
        check_solver("osqp", "log_loss", "l21", 1)
    with pytest.raises(ValueError, match="SOC"):
        check_solver("highs", "squared", "l21", 3)
    with pytest.raises(ValueError, match="PSD"):
        check_solver("ecos", "squared", "trace", 3)
    with pytest.raises(ValueError, match="is unknown"):
        check_solver("no_such_solver", "squared", "l21", 1)


def test_solver_that_is_not_installed_names_the_package():
    missing = next(s for s in ("MOSEK", "GUROBI", "CPLEX") if s not in cp.installed_solvers())
    with pytest.raises(ImportError, match=rf"pip install cvxpy\[{missing}\]"):
        check_solver(missing.lower(), "squared", "l1", 1)


def test_first_order_solvers_do_not_import_cvxpy(run_python):
    run_python(
        """
        import sys
        import numpy as np
        from sk_mmbalance import ARMClassifier, Modalities
        rng = np.random.default_rng(0)
        X = Modalities(a=rng.normal(size=(40, 3)), b=rng.normal(size=(40, 3)))
        ARMClassifier(weak="a", solver="schur").fit(X, np.arange(40) % 3)
        ARMClassifier(weak="a", solver="fista", loss="log_loss").fit(X, np.arange(40) % 3)
        assert "cvxpy" not in sys.modules
        assert "torch" not in sys.modules
        """
    )
