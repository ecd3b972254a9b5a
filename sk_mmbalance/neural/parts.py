"""Building blocks of the neural room that other rooms may use.

``federated`` and ``model_selection`` train the same networks in loops of their own. What they
need stands here, so that the files behind it may change: ``from ..neural import parts``.
"""

from __future__ import annotations

from ._documentation import insert_shared
from ._keys import ByModality, safe_key
from ._prediction import NeuralPredictions
from ._training import OPTIMIZERS, choose_device, choose_dtype
from .backbones import make_backbones, not_ours
from .data import Batch, ModalityRows, RowBatches, to_rows
from .fusions import make_fusion
from .losses import unimodal_losses, weighted_mean_loss
from .module import MultimodalModule, MultimodalOutput
from .net import MultimodalNet

__all__ = [
    "OPTIMIZERS",
    "Batch",
    "ByModality",
    "ModalityRows",
    "MultimodalModule",
    "MultimodalNet",
    "MultimodalOutput",
    "NeuralPredictions",
    "RowBatches",
    "choose_device",
    "choose_dtype",
    "insert_shared",
    "make_backbones",
    "make_fusion",
    "not_ours",
    "safe_key",
    "to_rows",
    "unimodal_losses",
    "weighted_mean_loss",
]
