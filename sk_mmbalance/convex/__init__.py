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
    pooled_log_proba,
)

# not public, for the pools
from .pool import patterns_to_learn as patterns_to_learn

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
    "pooled_log_proba",
]
