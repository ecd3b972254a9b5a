"""The strong/weak-modality model, stated once in cvxpy.

This is the one file of the model that knows cvxpy. The problem follows the rules of
disciplined parametrised programming, so cvxpy compiles it once and solves it for any number
of strengths.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import cvxpy as cp
import numpy as np
from cvxpy.reductions.solvers.defines import SOLVER_MAP_CONIC, SOLVER_MAP_QP

from ...exceptions import MissingDependencyError
from ._columns import BLOCK, SideColumns
from ._problem import ARMData, ARMPoint, Strengths

#: What a row-wise matrix is made of.
Block = np.ndarray | SideColumns

#: Under which names each solver takes a tolerance and an iteration limit.
_TOLERANCES = {
    "CLARABEL": ("tol_gap_rel", "tol_gap_abs", "tol_feas"),
    "ECOS": ("reltol", "abstol", "feastol"),
    "SCS": ("eps_rel", "eps_abs"),
    "OSQP": ("eps_rel", "eps_abs"),
    "PIQP": ("eps_rel", "eps_abs"),
    "PROXQP": ("eps_rel", "eps_abs"),
}
_LIMITS = {
    "CLARABEL": "max_iter",
    "OSQP": "max_iter",
    "PIQP": "max_iter",
    "PROXQP": "max_iter",
    "ECOS": "max_iters",
    "SCS": "max_iters",
    "HIGHS": "qp_iteration_limit",
}


@dataclass(frozen=True, eq=False)
class ModelSolution:
    """What cvxpy's solver returned: a point, its status in words and its iterations."""

    point: ARMPoint
    status: str
    n_iter: int


class ARMModel:
    """The objective in cvxpy, with its strengths as parameters.

    Parameters
    ----------
    data : ARMData
        With the squared loss, the rows of each sum of squares are replaced by the
        triangular factor of their QR decomposition, which leaves the objective as it is.
    penalty_name : {"l21", "trace", "l1"}
    compress : bool, default=True
        Whether to replace rows by their triangular factor. The benchmarks show what the
        problem costs without.

    Attributes
    ----------
    problem : cvxpy.Problem
    strong, strong_intercept, weak, weak_intercept : cvxpy.Variable
    alpha, coupling, strong_reg, l1, l2 : cvxpy.Parameter
    """

    def __init__(self, data: ARMData, penalty_name: str = "l21", *, compress: bool = True):
        k = data.n_outputs
        self._data, self._penalty_name = data, penalty_name
        self._factor = triangular_factor if compress else weighted_rows
        self.strong = cp.Variable((data.strong.shape[1], k), name="strong")
        self.strong_intercept = cp.Variable((1, k), name="strong_intercept")
        self.weak = cp.Variable((max(data.weak.shape[1], 1), k), name="weak")
        self.weak_intercept = cp.Variable((1, k), name="weak_intercept")
        self.alpha = cp.Parameter(nonneg=True, name="alpha")
        self.coupling = cp.Parameter(nonneg=True, name="coupling")
        self.strong_reg = cp.Parameter(nonneg=True, name="strong_reg")
        self.l1 = cp.Parameter(nonneg=True, name="l1")
        self.l2 = cp.Parameter(nonneg=True, name="l2")

        terms = [
            self._loss(data.strong, data.strong_rows, self.strong, self.strong_intercept),
            self.strong_reg / 2 * cp.sum_squares(self.strong),
        ]
        if data.has_weak:
            weak_loss = self._loss(data.weak, data.weak_rows, self.weak, self.weak_intercept)
            terms += [
                self.alpha * weak_loss,
                self.coupling / 2 * self._coupling_squares(),
                self.l1 * self._penalty(),
                self.l2 / 2 * cp.sum_squares(self.weak),
            ]
        self.problem = cp.Problem(cp.Minimize(cp.sum(terms)))

    def _loss(self, rows: SideColumns, weights: np.ndarray, coef: Any, intercept: Any) -> Any:
        """One side's weighted loss."""
        data = self._data
        used = weights > 0
        if not np.any(used):
            return cp.Constant(0.0)
        if data.loss_name == "squared":
            width = rows.shape[1]
            factor = self._factor([rows, *self._ones, data.targets], weights)
            residual = factor[:, :width] @ coef - factor[:, -data.n_outputs :]
            if data.fit_intercept:
                residual = residual + factor[:, width : width + 1] @ intercept
            return cp.sum_squares(residual) / 2
        scores = rows.block(np.flatnonzero(used)) @ coef
        if data.fit_intercept:
            scores = scores + np.ones((int(used.sum()), 1)) @ intercept
        target, mass = data.targets[used], weights[used]
        if data.loss_name == "squared_hinge":
            hinge = cp.pos(1 - cp.multiply(target, scores))
            return cp.sum(cp.multiply(mass[:, None], cp.square(hinge))) / 2
        if data.n_outputs == 1:
            return cp.sum(cp.multiply(mass[:, None], cp.logistic(cp.multiply(-target, scores))))
        own = cp.sum(cp.multiply(target, scores), axis=1)
        return cp.sum(cp.multiply(mass, cp.log_sum_exp(scores, axis=1) - own))

    def _coupling_squares(self) -> Any:
        """``sum_i m_ci ||f_si - f_wi||^2``."""
        data = self._data
        if not np.any(data.paired_rows > 0):
            return cp.Constant(0.0)
        factor = self._factor([data.strong, data.weak, *self._ones], data.paired_rows)
        ds, both = data.strong.shape[1], data.strong.shape[1] + data.weak.shape[1]
        gap = factor[:, :ds] @ self.strong - factor[:, ds:both] @ self.weak
        if data.fit_intercept:
            gap = gap + factor[:, both:] @ (self.strong_intercept - self.weak_intercept)
        return cp.sum_squares(gap)

    def _penalty(self) -> Any:
        # one score column needs no cones beyond a linear one: its rows are its entries
        if self._penalty_name == "l1" or (
            self._penalty_name == "l21" and self._data.n_outputs == 1
        ):
            return cp.sum(cp.abs(self.weak))
        if self._penalty_name == "l21":
            return cp.sum(cp.norm(self.weak, 2, axis=1))
        if self._data.n_outputs == 1:
            return cp.norm(self.weak, "fro")
        return cp.normNuc(self.weak)

    @property
    def _ones(self) -> list[np.ndarray]:
        n_rows = len(self._data.targets)
        return [np.broadcast_to(1.0, (n_rows, 1))] if self._data.fit_intercept else []

    def solve(
        self,
        strengths: Strengths,
        solver: str,
        *,
        tol: float,
        max_iter: int,
        options: dict[str, Any] | None = None,
    ) -> ModelSolution:
        """Solve for `strengths`.

        Raises
        ------
        RuntimeError
            If the solver ends without a usable point.
        """
        self.alpha.value, self.coupling.value = strengths.alpha, strengths.coupling
        self.strong_reg.value = strengths.strong_reg
        self.l1.value, self.l2.value = strengths.l1, strengths.l2
        name = solver.upper()
        settings: dict[str, Any] = {}
        # a solver's tolerances are on its own residuals: ask for a margin over the gap
        settings.update(dict.fromkeys(_TOLERANCES.get(name, ()), max(1e-10, min(1e-8, tol / 10))))
        if name in _LIMITS:
            settings[_LIMITS[name]] = int(max_iter)
        settings.update(options or {})
        try:
            with warnings.catch_warnings():
                # an inaccurate solution is judged below by its duality gap
                warnings.filterwarnings("ignore", message="Solution may be inaccurate")
                self.problem.solve(solver=name, warm_start=True, **settings)
        except cp.error.SolverError as error:
            raise RuntimeError(
                f"`solver`='{solver}' failed: {error}. Try `solver`='auto', scaled features, or "
                f"other `solver_options`."
            ) from error
        except (TypeError, ValueError, AttributeError, KeyError) as error:
            if options:  # cvxpy hands them on, and each solver says in its own way what it lacks
                raise ValueError(
                    f"`solver_options`={options!r} with `solver`='{solver}' failed: {error}."
                ) from error
            raise RuntimeError(f"`solver`='{solver}' failed: {error} Scale the columns.") from error
        status = str(self.problem.status)
        if status not in (cp.OPTIMAL, cp.OPTIMAL_INACCURATE) or self.strong.value is None:
            raise RuntimeError(
                f"`solver`='{solver}' ended with status '{status}' and no solution. The problem "
                f"always has one: raise `max_iter` (now {max_iter}), scale the features, or take "
                f"`solver`='auto'."
            )
        count = self.problem.solver_stats.num_iters
        return ModelSolution(self._point(), status, int(count or 0))

    def _point(self) -> ARMPoint:
        data, zero = self._data, np.zeros(self._data.n_outputs)
        weak = self.weak.value if data.has_weak else np.zeros((0, data.n_outputs))
        return ARMPoint(
            np.asarray(self.strong.value),
            np.asarray(self.strong_intercept.value)[0] if data.fit_intercept else zero,
            np.asarray(weak),
            np.asarray(self.weak_intercept.value)[0]
            if data.fit_intercept and data.has_weak
            else zero,
        )


def triangular_factor(blocks: list[Block], weights: np.ndarray) -> np.ndarray:
    """``R`` with ``||R v|| = ||diag(sqrt(weights)) [blocks] v||`` for every ``v``.

    The rows that have a weight are folded in a chunk at a time, so that there is no copy of them
    all; where they are fewer than the columns they are returned as they are.
    """
    width = sum(block.shape[1] for block in blocks)
    factor = np.zeros((0, width))
    rows = np.flatnonzero(weights > 0)
    for start in range(0, len(rows), BLOCK):
        part = rows[start : start + BLOCK]
        factor = np.vstack([factor, _weighted(blocks, weights, part)])
        if len(factor) > width:
            factor = np.asarray(np.linalg.qr(factor, mode="r"))
    return factor


def weighted_rows(blocks: list[Block], weights: np.ndarray) -> np.ndarray:
    """The rows that have a weight, of all blocks side by side, times the roots of their weights."""
    return _weighted(blocks, weights, np.flatnonzero(weights > 0))


def _weighted(blocks: list[Block], weights: np.ndarray, rows: np.ndarray) -> np.ndarray:
    chosen = [b.block(rows) if isinstance(b, SideColumns) else b[rows] for b in blocks]
    return np.sqrt(weights[rows])[:, None] * np.hstack(chosen)


def check_solver(solver: str, loss_name: str, penalty_name: str, n_outputs: int) -> None:
    """Raise unless cvxpy can solve the model with ``solver``, before anything is built.

    Raises
    ------
    ValueError
        If cvxpy has no such solver, or if it cannot take the model's cones.
    MissingDependencyError
        If the solver's package is not installed.
    """
    name = solver.upper()
    installed = cp.installed_solvers()
    if name not in SOLVER_MAP_CONIC and name not in SOLVER_MAP_QP:
        raise ValueError(
            f"`solver`='{solver}' is unknown. Expected 'auto', 'schur', 'fista' or a solver of "
            f"cvxpy; installed are {[s.lower() for s in installed]}."
        )
    if name not in installed:
        raise MissingDependencyError(
            f"`solver`='{solver}' needs a package that is not installed; run "
            f"`pip install cvxpy[{name}]`, or use one of {[s.lower() for s in installed]}."
        )
    cones = set()
    if loss_name == "log_loss":
        cones.add("ExpCone")
    if n_outputs > 1 and penalty_name == "l21":
        cones.add("SOC")
    if penalty_name == "trace":
        cones.add("PSD" if n_outputs > 1 else "SOC")
    if not cones and name in SOLVER_MAP_QP:
        return
    taken: set[str] = set()
    if name in SOLVER_MAP_CONIC:
        taken = {cone.__name__ for cone in SOLVER_MAP_CONIC[name].SUPPORTED_CONSTRAINTS}
        taken = {"PSD" if "PSD" in cone else cone for cone in taken}
    # a conic solver states the squares as second-order cones
    lacking = sorted((cones | {"SOC"}) - taken)
    if lacking:
        raise ValueError(
            f"`solver`='{solver}' cannot take this model: `loss`='{loss_name}' with "
            f"`penalty`='{penalty_name}' and {n_outputs} score column(s) needs {lacking}. "
            f"'clarabel' and 'scs' take every model, 'auto' chooses one."
        )
