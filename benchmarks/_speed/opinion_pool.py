"""Fitting the opinion pool's weights, given the experts' out-of-fold predictions.

Synthetic experts of different skill and boldness that share half of their noise, 10 classes, 20
experts, up to 100,000 rows; the penalty is the classifier's own (10 over the number of rows), the
certified relative duality gap 1e-6. cvxpy with Clarabel solves the same problem at 1,000 rows.
"""

from __future__ import annotations

import numpy as np
from scipy.special import log_softmax

from sk_mmbalance.convex import fit_opinion_pool
from sk_mmbalance.convex.pool._cvxpy_model import OpinionPoolModel

from .timing import Asked, seconds

N_EXPERTS, N_CLASSES = 20, 10
OURS, CVXPY = "fit_opinion_pool", "cvxpy + Clarabel"


def make_opinions(n_samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities (n_samples, n_experts, n_classes), stored by expert, and classes."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, N_CLASSES, n_samples)
    shared = rng.normal(size=(n_samples, N_CLASSES))
    logs = np.empty((N_EXPERTS, n_samples, N_CLASSES))
    for expert in range(N_EXPERTS):
        logits = np.sqrt(0.5) * (shared + rng.normal(size=shared.shape))
        logits[np.arange(n_samples), y] += rng.uniform(0, 2)
        logs[expert] = log_softmax(rng.uniform(0.5, 2) * logits, axis=1)
    return logs.transpose(1, 0, 2), y


def measure(asked: Asked) -> list[dict]:
    rows = []
    for n_samples in (1_000, 10_000, 100_000):
        if n_samples > asked.most_rows:
            continue
        logs, y = make_opinions(n_samples)
        alpha = 10 / n_samples

        def add(method: str, metric: str, value: float, n_samples: int = n_samples) -> None:
            values = (n_samples, method, metric, float(f"{value:.4g}"))
            rows.append(dict(zip(("n_samples", "method", "metric", "value"), values, strict=True)))

        for _ in range(asked.repeats):
            took, found = seconds(lambda o=logs, c=y, a=alpha: fit_opinion_pool(o, c, alpha=a))
            add(OURS, "CPU seconds", took)
        add(OURS, "relative gap", found.gap)
        add(OURS, "Newton steps", found.n_iter)
        if n_samples > 1_000:
            continue
        took, model = seconds(lambda o=logs, c=y, a=alpha: solved_by_cvxpy(o, c, a))
        add(CVXPY, "CPU seconds", took)
        add(CVXPY, "objective above ours", model.problem.value / found.objective - 1)
    return rows


def solved_by_cvxpy(logs: np.ndarray, y: np.ndarray, alpha: float) -> OpinionPoolModel:
    model = OpinionPoolModel(logs, y)
    model.solve(alpha)
    return model
