"""Convex models of several modalities, with certified solutions.

cvxpy is imported by the file that states a model in it, when a solver of cvxpy is used.
"""

from .classifier import ARMClassifier
from .classifier_cv import ARMClassifierCV
from .costs import cost_scorer
from .regressor import ARMRegressor

__all__ = ["ARMClassifier", "ARMClassifierCV", "ARMRegressor", "cost_scorer"]
