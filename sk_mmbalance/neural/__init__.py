"""Neural estimators: scikit-learn outside, a skorch net inside."""

from .boosting import SustainedBoostingClassifier
from .classifier import BaseMultimodalClassifier
from .joint import MultimodalClassifier

__all__ = ["BaseMultimodalClassifier", "MultimodalClassifier", "SustainedBoostingClassifier"]
