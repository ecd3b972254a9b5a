"""Serial systems: acquire the cheap modality first, the expensive one only when needed."""

from ._report import SerialReport
from .fusion import SerialFusionClassifier

__all__ = ["SerialFusionClassifier", "SerialReport"]
