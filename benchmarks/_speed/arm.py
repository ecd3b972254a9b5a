"""Solving the ARM objective: our solvers, cvxpy, and scikit-learn's linear models.

- Squared loss at full size (100,000 rows, 500 columns, 10 classes): Gram matrices and solution
  apart, beside `RidgeClassifier` and `LogisticRegression` on all columns;
- log-loss (20,000 rows, 500 columns, 10 classes) to two relative duality gaps;
- sizes at which cvxpy's naive form (every row a row of the problem) still ends: naive, compressed
  and our own solver on the same problem.

One run each. Gaps are certified ones: 1e-6 in the first two (1e-4 besides), 1e-8 in the last. The
scikit-learn models solve another problem (one ridge or logistic regression on all columns): they
say what the user would wait otherwise. The gap of a logistic regression is what its objective lacks
to that of a fit to many more digits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression, RidgeClassifier

from sk_mmbalance.convex.arm._cvxpy_model import ARMModel
from sk_mmbalance.convex.arm._engine import ARMEngine
from sk_mmbalance.convex.arm._losses import code_targets
from sk_mmbalance.convex.arm._problem import ARMData, Strengths, objective

from .timing import Asked, seconds

ALPHA, COUPLING, STRONG_REG, WEAK_REG, L1_RATIO = 1.0, 0.1, 1e-2, 0.03, 0.95


def make_data(n: int, d: int, n_classes: int, loss: str) -> tuple[ARMData, np.ndarray]:
    """Half of the columns weak, half strong; correlated columns, overlapping classes."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, n_classes, n)
    centres = 0.3 * rng.standard_normal((n_classes, d))
    # most weak columns say nothing
    centres[:, d // 2 + d // 20 :] = 0
    mixing = np.eye(d) + rng.standard_normal((d, d)) / np.sqrt(d)
    columns = centres[codes] + rng.standard_normal((n, d)) @ mixing
    share = np.full(n, 1 / n)
    data = ARMData(
        np.ascontiguousarray(columns[:, : d // 2]),
        np.ascontiguousarray(columns[:, d // 2 :]),
        code_targets(loss, codes, n_classes),
        share,
        share,
        share,
        loss,
    )
    return data, codes


def strengths_for(engine: ARMEngine) -> Strengths:
    smooth = Strengths(ALPHA, COUPLING, STRONG_REG, 0.0, 0.0)
    l1 = WEAK_REG * engine.critical_l1(smooth)
    return Strengths(ALPHA, COUPLING, STRONG_REG, l1, l1 * (1 - L1_RATIO) / L1_RATIO)


class Table:
    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def add(self, dataset: str, method: str, **metrics: float) -> None:
        for metric, value in metrics.items():
            self.rows.append(
                {
                    "dataset": dataset,
                    "method": method,
                    "seed": 0,
                    "fold": 0,
                    "metric": metric.replace("_", " "),
                    "value": float(f"{value:.4g}"),
                }
            )
        print(f"{dataset:28} {method:34}", {k: float(f"{v:.3g}") for k, v in metrics.items()})


def own(data: ARMData, tol: float) -> dict[str, float]:
    engine = ARMEngine(data, solver="own", tol=tol)
    gram, _ = seconds(lambda: engine.grams)
    critical, strengths = seconds(lambda: strengths_for(engine))
    solve, found = seconds(lambda: engine.solve(strengths))
    assert found.converged, found.gap
    return {
        "gram_seconds": gram,
        "critical_strength_seconds": critical,
        "solve_seconds": solve,
        "total_seconds": gram + critical + solve,
        "relative_gap": found.gap,
        "iterations": found.n_iter,
    }


def by_scikit_learn(data: ARMData, codes: np.ndarray, total: float) -> dict[str, dict[str, float]]:
    both = np.hstack([data.strong, data.weak])
    n = len(codes)
    models = {
        "RidgeClassifier, all columns": RidgeClassifier(alpha=STRONG_REG * n),
        "LogisticRegression, all columns": LogisticRegression(
            C=1 / (STRONG_REG * n), max_iter=1000
        ),
    }
    if data.loss_name == "log_loss":
        models["LogisticRegression, all columns, tol 1e-05"] = LogisticRegression(
            C=1 / (STRONG_REG * n), max_iter=1000, tol=1e-5
        )
        best = _objective(by_the_end(both, codes), both, codes)
    found = {}
    for name, model in models.items():
        took, _ = seconds(lambda model=model: model.fit(both, codes))
        found[name] = {"total_seconds": took, "ratio_to_ARM": took / total}
        if data.loss_name == "log_loss" and isinstance(model, LogisticRegression):
            found[name]["relative_gap"] = _objective(model, both, codes) / best - 1
            found[name]["iterations"] = int(np.max(model.n_iter_))
    return found


def by_the_end(both: np.ndarray, codes: np.ndarray) -> LogisticRegression:
    """The regression to many more digits: what the others still lack is measured against it."""
    return LogisticRegression(C=1 / (STRONG_REG * len(codes)), max_iter=3000, tol=1e-9).fit(
        both, codes
    )


def _objective(model: LogisticRegression, both: np.ndarray, codes: np.ndarray) -> float:
    losses = -model.predict_log_proba(both)[np.arange(len(codes)), codes]
    return float(losses.mean() + 0.5 * STRONG_REG * (model.coef_**2).sum())


def full_size(table: Table, asked: Asked) -> None:
    for name, n, loss, tolerances in (
        ("squared, n=100000, d=500, K=10", 100_000, "squared", (1e-6,)),
        ("log-loss, n=20000, d=500, K=10", 20_000, "log_loss", (1e-4, 1e-6)),
    ):
        if n > asked.most_rows:
            continue
        data, codes = make_data(n, 500, 10, loss)
        for tol in tolerances:
            ours = own(data, tol)
            table.add(
                name,
                f"ARM, first-order, gap {tol:.0e}",
                **ours,
                ratio_to_ARM=1.0,
            )
        for method, metrics in by_scikit_learn(data, codes, ours["total_seconds"]).items():
            table.add(name, method, **metrics)


def against_cvxpy(table: Table, asked: Asked) -> None:
    for n, d, k, loss in (
        (200, 10, 2, "squared"),
        (1000, 50, 2, "squared"),
        (1000, 50, 5, "squared"),
        (2000, 100, 5, "squared"),
        (1000, 50, 2, "log_loss"),
        (500, 20, 3, "log_loss"),
    ):
        if n > asked.most_rows:
            continue
        name = f"{loss.replace('_', '-')}, n={n}, d={d}, K={k}"
        data, _ = make_data(n, d, k, loss)
        engine = ARMEngine(data, solver="own", tol=1e-8)
        total, found = seconds(lambda e=engine: e.solve(strengths_for(e)))
        strengths = strengths_for(engine)
        table.add(
            name,
            "ARM, first-order, gap 1e-08",
            total_seconds=total,
            ratio_to_ARM=1.0,
            relative_gap=found.gap,
        )
        forms = {"cvxpy + Clarabel, naive": False}
        if loss == "squared":
            forms = {"cvxpy + Clarabel, compressed": True, **forms}
        for method, compress in forms.items():
            took, (model, first) = seconds(
                lambda c=compress, s=strengths, d=data: _solve_model(d, s, c)
            )
            again, _ = seconds(
                lambda m=model, s=strengths: m.solve(s, "clarabel", tol=1e-8, max_iter=200)
            )
            away = objective(data, strengths, first.point) / found.objective - 1
            table.add(
                name,
                method,
                total_seconds=took,
                ratio_to_ARM=took / total,
                second_solve_seconds=again,
                objective_difference=abs(away),
            )


def _solve_model(data: ARMData, strengths: Strengths, compress: bool) -> tuple[ARMModel, Any]:
    model = ARMModel(data, strengths.penalty_name, compress=compress)
    return model, model.solve(strengths, "clarabel", tol=1e-8, max_iter=200)


def measure(asked: Asked) -> list[dict]:
    table = Table()
    against_cvxpy(table, asked)
    full_size(table, asked)
    return table.rows
