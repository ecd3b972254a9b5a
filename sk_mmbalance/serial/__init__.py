"""Serial systems: acquire the cheap modality first, the expensive one only when needed."""

from ._fusion import SerialFusionClassifier
from ._report import SerialReport
from ._semi_supervised import SerialSemiSupervisedClassifier

__all__ = [
    "SerialFusionClassifier",
    "SerialReport",
    "SerialSemiSupervisedClassifier",
]
