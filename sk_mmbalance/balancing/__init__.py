"""Balancing methods as values: what keeps a strong modality from starving the weak ones.

A value goes into ``MultimodalClassifier(balancing=...)``; None is its control.
"""

from .base import Balancing
from .base import hooks_of as hooks_of  # for the nets, not public
from .heads import GrowingHeads as GrowingHeads
from .mla import MLA
from .negative_learning import NegativeLearning
from .ogm import OGM
from .remixing import DataRemixing
from .sustained_boosting import SustainedBoosting
from .umt import UMT

__all__ = [
    "MLA",
    "OGM",
    "UMT",
    "Balancing",
    "DataRemixing",
    "NegativeLearning",
    "SustainedBoosting",
]
