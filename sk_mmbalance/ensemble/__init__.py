"""The baselines (best single modality, late fusion), and the pool of many experts above them."""

from ._late_fusion import LateFusionClassifier
from ._late_fusion_regressor import LateFusionRegressor
from ._opinion_pool import OpinionPoolClassifier
from ._opinion_pool_regressor import OpinionPoolRegressor
from ._unimodal import UnimodalClassifier, UnimodalRegressor

__all__ = [
    "LateFusionClassifier",
    "LateFusionRegressor",
    "OpinionPoolClassifier",
    "OpinionPoolRegressor",
    "UnimodalClassifier",
    "UnimodalRegressor",
]
