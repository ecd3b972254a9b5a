"""The logarithmic opinion pool: its best weights, with a certificate, by pattern of modalities.

No file here but `_cvxpy_model`, the reference of the tests, imports cvxpy.
"""

from ._fit_patterns import fit_pattern_weights, patterns_to_learn
from ._linear_pool import LinearPoolSolution, fit_linear_pool
from ._pattern_weights import PatternWeights
from ._solver import OpinionPoolSolution, fit_opinion_pool, pooled_log_proba

__all__ = [
    "LinearPoolSolution",
    "OpinionPoolSolution",
    "PatternWeights",
    "fit_linear_pool",
    "fit_opinion_pool",
    "fit_pattern_weights",
    "patterns_to_learn",
    "pooled_log_proba",
]
