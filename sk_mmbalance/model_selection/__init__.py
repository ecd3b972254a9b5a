"""Searches over parameters in which many networks are trained as one."""

from ._search import VectorizedGridSearchCV, VectorizedRandomizedSearchCV

__all__ = ["VectorizedGridSearchCV", "VectorizedRandomizedSearchCV"]
