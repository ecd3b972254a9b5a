"""The logarithmic opinion pool: its best weights, with a certificate.

No file here but `_cvxpy_model`, the reference of the tests, imports cvxpy.
"""

from ._solver import OpinionPoolSolution, fit_opinion_pool, pooled_log_proba

__all__ = ["OpinionPoolSolution", "fit_opinion_pool", "pooled_log_proba"]
