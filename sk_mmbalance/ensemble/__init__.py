"""The floors: the best single modality, and late fusion of one classifier per modality."""

from ._late_fusion import LateFusionClassifier
from ._unimodal import UnimodalClassifier

__all__ = ["LateFusionClassifier", "UnimodalClassifier"]
