"""Neural estimators: scikit-learn outside, a skorch net inside."""

from .classifier import BaseMultimodalClassifier
from .joint import MultimodalClassifier

__all__ = ["BaseMultimodalClassifier", "MultimodalClassifier"]
