"""What a network is, without training: backbones, fusions, the module, rows as tensors, losses.

The rooms that train networks (`neural`, `federated`) and those that say how (`balancing`) stand
on it.
"""

from .backbones import BACKBONES, make_backbones, not_ours
from .devices import choose_device, choose_dtype
from .epoch_log import EpochLog
from .fusions import (
    FUSIONS,
    ConcatFusion,
    Embeddings,
    Fused,
    LateFusion,
    Presence,
    SharedHead,
    make_fusion,
    weighted_mean,
)
from .keys import ByModality, safe_key
from .losses import (
    credit,
    doubt,
    mean_criterion,
    mean_where,
    unimodal_losses,
    weighted_mean_loss,
)
from .module import MultimodalModule, MultimodalOutput
from .rows import Batch, ModalityRows, RowBatches, mix_seeds, to_device, to_rows

__all__ = [
    "BACKBONES",
    "FUSIONS",
    "Batch",
    "ByModality",
    "ConcatFusion",
    "Embeddings",
    "EpochLog",
    "Fused",
    "LateFusion",
    "ModalityRows",
    "MultimodalModule",
    "MultimodalOutput",
    "Presence",
    "RowBatches",
    "SharedHead",
    "choose_device",
    "choose_dtype",
    "credit",
    "doubt",
    "make_backbones",
    "make_fusion",
    "mean_criterion",
    "mean_where",
    "mix_seeds",
    "not_ours",
    "safe_key",
    "to_device",
    "to_rows",
    "unimodal_losses",
    "weighted_mean",
    "weighted_mean_loss",
]
