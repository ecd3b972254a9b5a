"""Balancing methods as values: what keeps a strong modality from starving the weak ones.

A value goes into ``MultimodalClassifier(balancing=...)``; None is its control.
"""

from ._agm import AGM
from ._amco import AMCo
from ._base import Balancing
from ._base import changed_loss as changed_loss  # for the nets, not public
from ._base import hooks_of as hooks_of  # for the nets, not public
from ._cml import CML
from ._dgl import DGL
from ._gradient_blending import GradientBlending
from ._greedy import Greedy
from ._heads import GrowingHeads as GrowingHeads
from ._independent import Independent
from ._lfm import LFM
from ._mbsd import MBSD
from ._mcr import MCR
from ._midas import MIDAS
from ._mla import MLA
from ._mmcosine import MMCosine
from ._mmpareto import MMPareto
from ._modality_dropout import ModalityDropout
from ._negative_learning import NegativeLearning
from ._ogm import OGM
from ._opm import OPM
from ._pmr import PMR
from ._priority import Priority
from ._recon_boost import ReconBoost
from ._relearning import Relearning
from ._remixing import DataRemixing
from ._sustained_boosting import SustainedBoosting
from ._umt import UMT
from ._valuation import Valuation

__all__ = [
    "AGM",
    "CML",
    "DGL",
    "LFM",
    "MBSD",
    "MCR",
    "MIDAS",
    "MLA",
    "OGM",
    "OPM",
    "PMR",
    "UMT",
    "AMCo",
    "Balancing",
    "DataRemixing",
    "GradientBlending",
    "Greedy",
    "Independent",
    "MMCosine",
    "MMPareto",
    "ModalityDropout",
    "NegativeLearning",
    "Priority",
    "ReconBoost",
    "Relearning",
    "SustainedBoosting",
    "Valuation",
]
