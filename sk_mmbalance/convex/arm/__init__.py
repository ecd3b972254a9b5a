"""Linear models of a cheap weak side and an expensive strong side, trained together.

The problem is stated as plain arrays (`_problem`), solved by `_engine`, and judged by
`_certificate` whichever solver ran. cvxpy is imported by `_cvxpy_model` alone, when one of its
solvers is used.
"""

from ._classifier import ARMClassifier
from ._classifier_cv import ARMClassifierCV
from ._costs import cost_scorer
from ._regressor import ARMRegressor

__all__ = ["ARMClassifier", "ARMClassifierCV", "ARMRegressor", "cost_scorer"]
