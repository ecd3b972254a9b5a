"""Convex models of several modalities, with certified solutions.

cvxpy is imported by the file that states a model in it, when a solver of cvxpy is used.
"""

from ._linear_pool import LinearPoolSolution, fit_linear_pool
from .classifier import ARMClassifier
from .classifier_cv import ARMClassifierCV
from .costs import cost_scorer
from .opinion_pool import OpinionPoolSolution, fit_opinion_pool, pooled_log_proba
from .regressor import ARMRegressor

__all__ = [
    "ARMClassifier",
    "ARMClassifierCV",
    "ARMRegressor",
    "LinearPoolSolution",
    "OpinionPoolSolution",
    "cost_scorer",
    "fit_linear_pool",
    "fit_opinion_pool",
    "pooled_log_proba",
]
