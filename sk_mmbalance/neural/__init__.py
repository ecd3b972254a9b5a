"""Neural estimators: scikit-learn outside, a skorch net inside."""

from .boosting import SustainedBoostingClassifier
from .classifier import BaseMultimodalClassifier
from .joint import MultimodalClassifier
from .negative_learning import NegativeLearningClassifier
from .remixing import DataRemixingClassifier

__all__ = [
    "BaseMultimodalClassifier",
    "DataRemixingClassifier",
    "MultimodalClassifier",
    "NegativeLearningClassifier",
    "SustainedBoostingClassifier",
]
