"""Serial systems: acquire the cheap modality first, the expensive one only when needed."""

from ._report import SerialReport
from .fusion import SerialFusionClassifier
from .semi_supervised import SerialSemiSupervisedClassifier

__all__ = [
    "SerialFusionClassifier",
    "SerialReport",
    "SerialSemiSupervisedClassifier",
]
