"""Convex models of several modalities, with certified solutions.

cvxpy is imported by the file that states a model in it, when a solver of cvxpy is used.
"""

from .arm import ARMClassifier, ARMClassifierCV, ARMRegressor, cost_scorer
from .pool import OpinionPoolSolution, fit_opinion_pool, pooled_log_proba

__all__ = [
    "ARMClassifier",
    "ARMClassifierCV",
    "ARMRegressor",
    "OpinionPoolSolution",
    "cost_scorer",
    "fit_opinion_pool",
    "pooled_log_proba",
]
