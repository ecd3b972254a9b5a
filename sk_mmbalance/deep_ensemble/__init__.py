"""Networks of several seeds, whose answers are averaged."""

from ._classifier import DeepEnsembleClassifier
from ._regressor import DeepEnsembleRegressor

__all__ = ["DeepEnsembleClassifier", "DeepEnsembleRegressor"]
