"""Convex models of several modalities, with certified solutions.

cvxpy is imported by the file that states a model in it, when a solver of cvxpy is used.
"""

from .arm import ARMClassifier, ARMClassifierCV, ARMRegressor, cost_scorer
from .pool import (
    LinearPoolSolution,
    OpinionPoolSolution,
    PatternWeights,
    fit_linear_pool,
    fit_opinion_pool,
    fit_pattern_weights,
    patterns_to_learn,
    pooled_log_proba,
)

__all__ = [
    "ARMClassifier",
    "ARMClassifierCV",
    "ARMRegressor",
    "LinearPoolSolution",
    "OpinionPoolSolution",
    "PatternWeights",
    "cost_scorer",
    "fit_linear_pool",
    "fit_opinion_pool",
    "fit_pattern_weights",
    "patterns_to_learn",
    "pooled_log_proba",
]
