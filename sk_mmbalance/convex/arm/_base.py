"""What the strong/weak-modality estimators share in `fit`: parameters, sides, solving."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from itertools import chain
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ..._sklearn import ArrayLike, Interval, StrOptions
from ...base import refuse_unsquarable, warn_if_unscaled
from ...exceptions import ScaleWarning
from ...modalities import CheckedModalities
from ._assembly import Assembly, LinearSide, assemble, side_columns, side_present
from ._checks_bar import bar_over_checks
from ._columns import SideColumns
from ._engine import ARMEngine, Solution
from ._prediction import DEFAULT_COSTS, ARMPrediction
from ._problem import ARMData, ARMPoint, Strengths
from ._rows import ARMRows
from ._sides import resolve_sides, scale_ratio

#: Standard deviations further apart than this make one ridge strength mean two things.
_SCALE_LIMIT = 1e3


#: Sums of squares times a larger strength are soon beyond float64.
LARGEST_STRENGTH = 1e100


class ARMBase(ARMPrediction):
    """Common part of the ARM-style estimators.

    A subclass says how scores are judged (`_score_of`) and which loss it has.
    """

    _parameter_constraints: dict = {
        "weak": [str, ArrayLike()],
        "strong": [str, ArrayLike()],
        "modalities": [dict, Mapping, None],
        "missing": [StrOptions({"error", "mask"})],
        "penalty": [StrOptions({"l21", "trace", "l1"})],
        "weak_reg_scale": [StrOptions({"max", "absolute"})],
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        "fit_intercept": ["boolean"],
        "costs": [ArrayLike(), None],
        "kappa": [Interval(Real, 0, None, closed="left")],
        "solver": [str],
        "solver_options": [dict, None],
        "tol": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "cv": ["cv_object"],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
    }
    _strength_constraints: dict = {
        "alpha": [Interval(Real, 0, LARGEST_STRENGTH, closed="both")],
        "coupling": [Interval(Real, 0, LARGEST_STRENGTH, closed="both")],
        "strong_reg": [Interval(Real, 0, LARGEST_STRENGTH, closed="right")],
        "weak_reg": [Interval(Real, 0, LARGEST_STRENGTH, closed="both")],
    }

    #: Groups keep folds inside apart: with metadata routing, nobody has to ask for them.
    __metadata_request__fit = {"groups": True}
    _for_several = True
    #: With fewer rows in a fold `_score_of` says nothing; all rows are then scored as one fold.
    _least_scored = 1

    # -- what a subclass says --------------------------------------------------------------

    def _loss_name(self) -> str:
        return getattr(self, "loss", "squared")

    def _score_of(self, scores: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> float:
        """Goodness of a score matrix, larger is better."""
        raise NotImplementedError

    # -- reading ---------------------------------------------------------------------------

    def _check_own(self, checked: CheckedModalities) -> tuple[float, float]:
        """Check costs and the data's scales; return the costs."""
        costs = DEFAULT_COSTS if self.costs is None else tuple(self.costs)
        if len(costs) != 2 or not all(
            isinstance(c, Real) and 0 <= float(c) < np.inf for c in costs
        ):
            raise ValueError(
                f"`costs` must be two numbers >= 0, the cost of the weak and of the strong side; "
                f"got {self.costs!r}."
            )
        refuse_unsquarable(checked)
        who, centred = "strengths of regularisation", self.fit_intercept
        if warn_if_unscaled(checked, who, centred=centred, stacklevel=5):
            return costs
        ratio = scale_ratio(checked)
        if ratio > _SCALE_LIMIT:
            warnings.warn(
                f"The columns' standard deviations differ by a factor of {ratio:.1e}. One "
                f"regularisation strength cannot fit them all: scale the columns first, for "
                f"example with ModalityTransformer and StandardScaler.",
                ScaleWarning,
                stacklevel=4,
            )
        return costs

    def _find_sides(
        self, rows: ARMRows, strong_reg: float
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        def score_alone(name: str) -> float:
            columns = side_columns(rows.checked, (name,))
            usable = rows.counted & rows.checked.present_in(name)
            told: list[tuple[Any, Any, Any]] = []
            for train, test in chain.from_iterable(rows.splits(self.cv, usable)):
                side = self._fit_alone(columns, rows, train, strong_reg)
                told.append((side.scores(columns.take(test)), rows.truth[test], rows.weights[test]))
            if min(len(truth) for _, truth, _ in told) < self._least_scored:
                scores, truth, weights = map(np.concatenate, zip(*told, strict=True))
                told = [(scores, truth, weights)]
            masses = [np.sum(weights) for _, _, weights in told]
            return float(np.average([self._score_of(*fold) for fold in told], weights=masses))

        return resolve_sides(self.weak, self.strong, rows.checked.names, score_alone)

    def _fit_alone(
        self, columns: SideColumns, rows: ARMRows, train: np.ndarray, strong_reg: float
    ) -> LinearSide:
        """One modality's own predictor, without a weak side."""
        everywhere = np.ones(len(train), dtype=bool)
        alone = assemble(
            columns.take(train),
            SideColumns.of([np.zeros((len(train), 0))]),
            rows.targets[train],
            strong_seen=everywhere,
            weak_seen=~everywhere,
            labeled=everywhere,
            weights=rows.weights[train],
            pair_weights=rows.weights[train],
            loss_name="squared",
            fit_intercept=self.fit_intercept,
            center_targets=True,
        )
        data = alone.data(alpha=0, coupling=0)
        found = ARMEngine(data, solver="schur").solve(Strengths(0, 0, strong_reg, 0, 0))
        return alone.sides(found.point)[0]

    def _assemble(self, rows: ARMRows, weak: tuple[str, ...], strong: tuple[str, ...]) -> Assembly:
        checked = rows.checked
        return assemble(
            side_columns(checked, strong),
            side_columns(checked, weak),
            rows.targets,
            strong_seen=side_present(checked, strong),
            weak_seen=side_present(checked, weak),
            labeled=rows.labeled,
            weights=rows.weights,
            pair_weights=rows.pair_weights,
            loss_name=self._loss_name(),
            fit_intercept=self.fit_intercept,
            center_targets=self._loss_name() == "squared",
        )

    def _check_rows(
        self, assembly: Assembly, rows: ARMRows, has_weak: bool, alpha: float, coupling: float
    ) -> None:
        """Raise where a term of the objective has no rows to stand on."""
        if has_weak and alpha + coupling == 0:
            raise ValueError(
                "`alpha` and `coupling` must not both be 0: the weak side would be fitted to "
                "nothing. Raise one of them."
            )
        self._check_labeled(rows, rows.counted & assembly.strong_seen, "strong")
        if has_weak and alpha > 0:
            self._check_labeled(rows, rows.counted & assembly.weak_seen, "weak")
        paired = assembly.strong_seen & assembly.weak_seen & (assembly.pair_weights > 0)
        if has_weak and coupling > 0 and not paired.any():
            raise ValueError(
                "`coupling` needs rows that have both the weak and the strong side; there are "
                "none. Set `coupling`=0, or pass such rows (they need no label)."
            )

    def _check_labeled(self, rows: ARMRows, counted: np.ndarray, side: str) -> None:
        if not counted.any():
            raise ValueError(
                f"No labelled row has the {side} side; at least one of every class is needed."
            )

    # -- solving ---------------------------------------------------------------------------

    def _engine(self, data: ARMData, auto: str = "auto") -> ARMEngine:
        return ARMEngine(
            data,
            solver=auto if self.solver == "auto" else self.solver,
            tol=self.tol,
            max_iter=self.max_iter,
            solver_options=self.solver_options,
        )

    def _strengths(
        self,
        engine: ARMEngine,
        *,
        alpha: float,
        coupling: float,
        strong_reg: float,
        weak_reg: float,
    ) -> tuple[Strengths, float]:
        """Return the strengths of the terms, and ``lam_max``."""
        smooth = Strengths(alpha, coupling, strong_reg, 0.0, 0.0, self.penalty)
        if not engine.data.has_weak:
            return smooth, 0.0
        ratio = float(self.l1_ratio)
        if ratio == 0:
            if self.weak_reg_scale == "max":
                raise ValueError(
                    "`weak_reg_scale`='max' has no meaning with `l1_ratio`=0: without a sparsity "
                    "penalty no strength empties the weak side. Set `weak_reg_scale`='absolute'."
                )
            largest = np.inf
        else:
            largest = engine.critical_l1(smooth) / ratio
        total = weak_reg * largest if self.weak_reg_scale == "max" else weak_reg
        strengths = Strengths(
            alpha, coupling, strong_reg, total * ratio, total * (1 - ratio), self.penalty
        )
        return strengths, largest

    def _check_model(self, n_outputs: int, has_weak: bool) -> None:
        odd = [key for key in self.solver_options or {} if not isinstance(key, str)]
        if odd:
            raise TypeError(f"`solver_options` must have names of options; got {odd[0]!r}.")
        if has_weak and self.penalty == "trace" and n_outputs == 1:
            warnings.warn(
                "`penalty`='trace' with a single score column is the plain Euclidean norm: it "
                "keeps all weak columns or none, and selects no subspace. 'l21' selects columns.",
                UserWarning,
                stacklevel=4,
            )
        if self.solver == "schur" and self._loss_name() != "squared":
            raise ValueError(
                f"`solver`='schur' solves the squared loss only; got `loss`="
                f"'{self._loss_name()}'. Use 'auto' or 'fista'."
            )
        if self.solver not in ("auto", "schur", "fista"):
            from ._cvxpy_model import check_solver

            check_solver(self.solver, self._loss_name(), self.penalty, n_outputs)

    def _warn_unless_converged(self, found: Solution) -> None:
        if not found.converged:
            warnings.warn(
                f"The solver '{found.solver}' stopped (status '{found.status}', "
                f"{found.n_iter} iterations) at a relative duality gap of {found.gap:.1e}, above "
                f"`tol`={self.tol:.1e}. Raise `max_iter` (now {self.max_iter}) or `tol`, or scale "
                f"the columns.",
                ConvergenceWarning,
                stacklevel=4,
            )

    def _start(self, assembly: Assembly) -> ARMPoint | None:
        """Return the earlier solution in this fit's centred columns, with ``warm_start=True``."""
        if not self.warm_start or not hasattr(self, "_strong_side"):
            return None
        strong, weak = self._strong_side, self._weak_side
        wanted = (assembly.strong.shape[1], assembly.weak.shape[1], assembly.targets.shape[1])
        if (len(strong.coef), len(weak.coef), strong.coef.shape[1]) != wanted:
            return None
        return ARMPoint(
            strong.coef,
            strong.intercept + assembly.strong_mean @ strong.coef - assembly.target_mean,
            weak.coef,
            weak.intercept + assembly.weak_mean @ weak.coef - assembly.target_mean,
        )

    def _solve(
        self, rows: ARMRows, values: dict[str, float]
    ) -> tuple[dict[str, Any], Assembly, Solution]:
        """Find the sides, solve, and return the fitted attributes without setting any."""
        weak, strong = self._find_sides(rows, values["strong_reg"])
        assembly = self._assemble(rows, weak, strong)
        fitted, found = self._solve_assembled(assembly, rows, values)
        fitted |= self._describe(rows, assembly, weak, strong)
        return fitted, assembly, found

    def _solve_assembled(
        self, assembly: Assembly, rows: ARMRows, values: dict[str, float]
    ) -> tuple[dict[str, Any], Solution]:
        has_weak = assembly.weak.shape[1] > 0
        self._check_model(rows.targets.shape[1], has_weak)
        if not has_weak:
            values = {**values, "alpha": 0.0, "coupling": 0.0}
        alpha, coupling = values["alpha"], values["coupling"]
        self._check_rows(assembly, rows, has_weak, alpha, coupling)
        data = assembly.data(alpha=alpha, coupling=coupling)
        engine = self._engine(data)
        with bar_over_checks(type(self).__name__, self.verbose) as engine.told:
            strengths, largest = self._strengths(engine, **values)
            found = engine.solve(strengths, self._start(assembly))
        strong_side, weak_side = assembly.sides(found.point)
        size = np.sqrt(np.sum(weak_side.coef**2, axis=1))
        left, singular, _ = np.linalg.svd(weak_side.coef, full_matrices=False)
        rank = int(np.sum(singular > 1e-8 * np.max(singular, initial=0.0)))
        fitted = {
            "_strong_side": strong_side,
            "_weak_side": weak_side,
            "feature_importances_": size,
            "support_mask_": size > 1e-8 * np.max(size, initial=0.0),
            "subspace_": left[:, :rank],
            "rank_": rank,
            "objective_": found.objective,
            "dual_gap_": found.gap,
            "converged_": found.converged,
            # a direct solve counts as one iteration
            "n_iter_": max(1, found.n_iter),
            "solver_": found.solver,
            "solver_status_": found.status,
            "lam_w_max_": float(largest),
        }
        return fitted, found

    def _describe(
        self, rows: ARMRows, assembly: Assembly, weak: tuple[str, ...], strong: tuple[str, ...]
    ) -> dict[str, Any]:
        paired = assembly.strong_seen & assembly.weak_seen
        return {
            "weak_modalities_": list(weak),
            "strong_modalities_": list(strong),
            "n_labeled_": int(np.sum(rows.counted)),
            "n_strong_": int(np.sum(rows.counted & assembly.strong_seen)),
            "n_paired_": int(np.sum(paired & (assembly.pair_weights > 0))),
        }

    def _set_fitted(self, fitted: dict[str, Any], checked: CheckedModalities) -> None:
        self._become_fitted(checked.spec, **fitted)
        if self.verbose:
            chosen = int(np.sum(self.support_mask_))
            print(
                f"{type(self).__name__}: objective {self.objective_:.6g}, relative gap "
                f"{self.dual_gap_:.1e}, {self.n_iter_} iterations of '{self.solver_}', {chosen} of "
                f"{len(self.support_mask_)} weak columns kept"
            )
