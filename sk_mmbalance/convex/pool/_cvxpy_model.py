"""The logarithmic opinion pool's weights, stated in cvxpy: the reference of `fit_opinion_pool`."""

from __future__ import annotations

import warnings
from typing import Any

import cvxpy as cp
import numpy as np

from ._solver import read_pool


class OpinionPoolModel:
    """The objective in cvxpy, with the penalty's strength as its parameter.

    Parameters
    ----------
    log_proba, y, sample_weight, present, balanced, per_class, class_penalty
        As in `fit_opinion_pool`.

    Attributes
    ----------
    problem : cvxpy.Problem
    weights : cvxpy.Variable
        By expert, or by expert and class.
    alpha : cvxpy.Parameter
    """

    def __init__(
        self,
        log_proba: Any,
        y: Any,
        *,
        sample_weight: Any = None,
        present: Any = None,
        balanced: bool = False,
        per_class: bool = False,
        class_penalty: float | None = None,
    ):
        data = read_pool(log_proba, y, sample_weight, present, balanced, per_class)
        n_experts, n_samples, n_classes = data.logs.shape
        shape = (n_experts, n_classes) if per_class else (n_experts, 1)
        self.weights = cp.Variable(shape, nonneg=True, name="weights")
        self.alpha = cp.Parameter(nonneg=True, name="alpha")
        spread = np.eye(n_classes) if per_class else np.ones((1, n_classes))
        scores = cp.sum(
            [
                cp.multiply(logs, np.ones((n_samples, 1)) @ (self.weights[[e]] @ spread))
                for e, logs in enumerate(data.logs)
            ]
        )
        own = cp.sum(cp.multiply(scores, np.eye(n_classes)[data.codes]), axis=1)
        loss = cp.sum(cp.multiply(data.shares, cp.log_sum_exp(scores, axis=1) - own))
        if class_penalty is None:
            penalty = cp.sum(self.weights) / shape[1]
        else:
            least = cp.sum(cp.min(self.weights, axis=1))
            apart = class_penalty * cp.sum(self.weights)
            penalty = apart + (1 - class_penalty * n_classes) * least
        self.problem = cp.Problem(cp.Minimize(loss + self.alpha * penalty))

    def solve(self, alpha: float, solver: str = "CLARABEL", **options: Any) -> np.ndarray:
        """Weights for a strength of the penalty, in the shape that `fit_opinion_pool` gives.

        Raises
        ------
        RuntimeError
            If the solver ends without a usable point.
        """
        self.alpha.value = alpha
        with warnings.catch_warnings():
            # whoever compares has the certificate to judge an inaccurate solution by
            warnings.filterwarnings("ignore", message="Solution may be inaccurate")
            self.problem.solve(solver=solver, **options)
        if self.problem.status not in (cp.OPTIMAL, cp.OPTIMAL_INACCURATE):
            raise RuntimeError(f"`solver`='{solver}' ended with status '{self.problem.status}'.")
        weights = np.asarray(self.weights.value)
        return weights[:, 0] if weights.shape[1] == 1 else weights
