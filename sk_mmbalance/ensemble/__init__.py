"""The floors (best single modality, late fusion), and the pool of many experts above them."""

from ._late_fusion import LateFusionClassifier
from ._opinion_pool import OpinionPoolClassifier
from ._unimodal import UnimodalClassifier

__all__ = ["LateFusionClassifier", "OpinionPoolClassifier", "UnimodalClassifier"]
