"""Searches over parameters in which many networks are trained as one."""

from ._search import VectorizedGridSearchCV, VectorizedRandomizedSearchCV
from ._together import fit_together

__all__ = ["VectorizedGridSearchCV", "VectorizedRandomizedSearchCV", "fit_together"]
