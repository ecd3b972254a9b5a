"""One problem, any solver, one certificate."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ._certificate import relative_gap
from ._data_space import Watch, proximal_step, smooth_gradient, solve_data_space
from ._grams import Grams, compute_grams
from ._problem import ARMData, ARMPoint, Strengths, objective
from ._schur import SchurForm

OWN_SOLVERS = ("schur", "fista")

#: Beyond this many columns in all, a Gram matrix costs more than it saves: half a gigabyte.
MAX_GRAM_COLUMNS = 8000

#: Where cvxpy is practical, from measured times of one solve (a tenth of a second or so): the
#: compressed squared loss by its coefficients, the row-wise losses by their scores as well.
CVXPY_COEFFICIENTS = 150
CVXPY_SCORES = 300


@dataclass(frozen=True, eq=False)
class Solution:
    """A solved problem with its certificate.

    Attributes
    ----------
    point : ARMPoint
    objective : float
    gap : float
        Relative duality gap.
    gap_history : list of float
        The gap at each check of a first-order solver; it never rises.
    n_iter : int
    solver, status : str
    converged : bool
        Whether the gap is small enough for the status.
    """

    point: ARMPoint
    objective: float
    gap: float
    gap_history: list[float]
    n_iter: int
    solver: str
    status: str
    converged: bool


class ARMEngine:
    """Solves one problem's data for any strengths; what can be shared is computed once.

    Parameters
    ----------
    data : ARMData
    solver : str, default="auto"
        "auto", "own" ("schur" or "fista", as fits), "schur", "fista" or a cvxpy solver.
    tol : float, default=1e-6
        Relative duality gap to reach.
    max_iter : int, default=10000
    solver_options : dict, default=None
        Passed on to a cvxpy solver.
    told : callable, default=None
        Told of the relative gap at each check of a solver of our own.
    """

    def __init__(
        self,
        data: ARMData,
        *,
        solver: str = "auto",
        tol: float = 1e-6,
        max_iter: int = 10000,
        solver_options: dict[str, Any] | None = None,
        told: Callable[[float], None] | None = None,
    ):
        self.data, self.solver, self.tol, self.max_iter = data, solver, tol, max_iter
        self.solver_options, self.told = solver_options, told
        self._forms: dict[tuple[float, float, float], SchurForm] = {}
        self._models: dict[str, Any] = {}
        self._nulls: dict[tuple[float, float, float], ARMPoint] = {}

    @cached_property
    def grams(self) -> Grams:
        """The data's Gram matrices."""
        return compute_grams(self.data)

    @property
    def _metric_grams(self) -> Grams | None:
        columns = self.data.strong.shape[1] + self.data.weak.shape[1]
        return self.grams if columns <= MAX_GRAM_COLUMNS else None

    def schur_form(self, strengths: Strengths) -> SchurForm:
        """Return the squared loss's Schur form for these strengths of the smooth terms."""
        key = (strengths.alpha, strengths.coupling, strengths.strong_reg)
        if key not in self._forms:
            # neighbouring calls share all three; more than one would hold a lot of memory
            self._forms = {key: SchurForm(self.grams, *key, fit_intercept=self.data.fit_intercept)}
        return self._forms[key]

    def choose(self, strengths: Strengths) -> str:
        """Return the solver that "auto" stands for."""
        if self.solver not in ("auto", "own"):
            return self.solver
        data = self.data
        columns = data.strong.shape[1] + data.weak.shape[1]
        squared = data.loss_name == "squared"
        own = "schur" if squared and columns <= MAX_GRAM_COLUMNS else "fista"
        if self.solver == "own" or not data.has_weak:
            return own
        small = columns * data.n_outputs <= CVXPY_COEFFICIENTS
        small &= squared or len(data.targets) * data.n_outputs <= CVXPY_SCORES
        return "clarabel" if small else own

    def critical_l1(self, strengths: Strengths) -> float:
        """Return the smallest ``l1`` at which all weak coefficients vanish.

        It is ``Omega_dual`` of the smooth gradient in ``W_w`` at the solution with ``W_w``
        held at zero; it does not depend on ``l1`` and ``l2``.
        """
        data = self.data
        if data.loss_name == "squared" and self._metric_grams is not None:
            form = self.schur_form(strengths)
            target, _ = form.reduce(form.data_term()[0])
            return strengths.penalty.dual_norm(target)
        point = self.null_solution(strengths)
        slope = smooth_gradient(data, replace(strengths, l2=0.0), point).weak
        return strengths.penalty.dual_norm(slope)

    def null_solution(self, strengths: Strengths) -> ARMPoint:
        """Solve with the weak coefficients held at zero."""
        key = (strengths.alpha, strengths.coupling, strengths.strong_reg)
        if key not in self._nulls:
            held = replace(strengths, l1=np.inf, l2=0.0)
            watch, _, _ = solve_data_space(
                self.data,
                held,
                self.data.zero(),
                # the gradient is off by the root of the suboptimality, hence the margin
                tol=max(min(1e-2 * self.tol, 1e-6), 1e-12),
                max_iter=self.max_iter,
                grams=self._metric_grams,
                told=self.told,
            )
            assert watch.best is not None
            self._nulls = {key: watch.best}
        return self._nulls[key]

    def solve(self, strengths: Strengths, start: ARMPoint | None = None) -> Solution:
        """Solve for ``strengths``, from ``start`` where the solver can use it.

        Raises
        ------
        ValueError
            If the features are so large, or so small, that nothing finite is found.
        """
        found = self._solve(self.choose(strengths), strengths, start)
        if not all(np.isfinite(part).all() for part in vars(found.point).values()):
            raise ValueError(
                "`X` has features of such scale that no finite coefficients are found. Scale them "
                "(ModalityTransformer with StandardScaler)."
            )
        return found

    def _solve(self, chosen: str, strengths: Strengths, start: ARMPoint | None) -> Solution:
        if chosen == "schur":
            return self._solve_schur(strengths, start)
        if chosen == "fista":
            return self._solve_data_space(strengths, start)
        return self._solve_cvxpy(strengths, chosen, start)

    def _solve_schur(
        self, strengths: Strengths, start: ARMPoint | None, max_iter: int | None = None
    ) -> Solution:
        form = self.schur_form(strengths)
        linear, constant = form.data_term()
        at_zero = constant
        target, offset = form.reduce(linear)
        constant += offset
        quadratic = form.quadratic(target, strengths.l1, strengths.l2, strengths.penalty)
        history: list[float] = []
        best_bound = -np.inf

        def enough(value: float, bound: float) -> bool:
            nonlocal best_bound
            best_bound = max(best_bound, bound)
            gap = relative_gap(value + constant, best_bound + constant, at_zero)
            history.append(min(gap, history[-1]) if history else gap)
            if self.told is not None:
                self.told(history[-1])
            return gap <= self.tol

        weak, n_iter, stopped = quadratic.solve(
            np.zeros_like(target) if start is None else start.weak,
            enough,
            self.max_iter if max_iter is None else max_iter,
        )
        point = form.unstack(form.best_eliminated(weak, linear), weak)
        _, bound = quadratic.bounds(weak)
        value = objective(self.data, strengths, point)
        gap = relative_gap(value, max(bound, best_bound) + constant, at_zero)
        return Solution(
            point,
            value,
            gap,
            [*history, min([gap, *history[-1:]])],
            n_iter,
            "schur",
            "optimal" if stopped else "user_limit",
            # the value in data space may differ from the reduced one by rounding
            bool(stopped and gap <= 2 * self.tol + 1e-12),
        )

    def _solve_data_space(self, strengths: Strengths, start: ARMPoint | None) -> Solution:
        if start is None:
            null = self._nulls.get((strengths.alpha, strengths.coupling, strengths.strong_reg))
            start = self.data.zero() if null is None else null
        watch, n_iter, stopped = solve_data_space(
            self.data,
            strengths,
            start,
            tol=self.tol,
            max_iter=self.max_iter,
            grams=self._metric_grams,
            told=self.told,
        )
        status = "optimal" if stopped else "user_limit"
        return _from_watch(watch, n_iter, "fista", status, stopped)

    def _solve_cvxpy(self, strengths: Strengths, name: str, start: ARMPoint | None) -> Solution:
        # cvxpy takes a second or more to import: only when a model is really solved with it
        backend = importlib.import_module("._cvxpy_model", __package__)
        data = self.data
        if strengths.penalty_name not in self._models:
            backend.check_solver(name, data.loss_name, strengths.penalty_name, data.n_outputs)
            self._models[strengths.penalty_name] = backend.ARMModel(data, strengths.penalty_name)
        try:
            found = self._models[strengths.penalty_name].solve(
                strengths, name, tol=self.tol, max_iter=self.max_iter, options=self.solver_options
            )
        except RuntimeError:
            if self.solver != "auto":
                raise
            return self._solve_own(strengths, start)  # it was asked for by nobody
        # one proximal step never raises J; it makes zeros exact and, as the last act of any
        # solver here, it is certified by us
        if data.loss_name == "squared" and self._metric_grams is not None:
            polished = self._solve_schur(strengths, found.point, max_iter=1)
        else:
            watch = proximal_step(data, strengths, found.point, self._metric_grams)
            polished = _from_watch(watch, 1, "fista", "user_limit", False)
        limit = 10 * self.tol if found.status == "optimal" else self.tol
        if polished.gap > limit and self.solver == "auto":
            # the caller asked for a result, not for this solver: go on from where it stopped
            return self._solve_own(strengths, polished.point)
        return replace(
            polished,
            n_iter=found.n_iter,
            solver=name,
            status=found.status,
            converged=polished.gap <= limit,
        )

    def _solve_own(self, strengths: Strengths, start: ARMPoint | None) -> Solution:
        if self.data.loss_name == "squared" and self._metric_grams is not None:
            return self._solve_schur(strengths, start)
        return self._solve_data_space(strengths, start)


def _from_watch(watch: Watch, n_iter: int, solver: str, status: str, converged: bool) -> Solution:
    assert watch.best is not None
    return Solution(
        watch.best, watch.value, watch.gaps[-1], watch.gaps, n_iter, solver, status, converged
    )
