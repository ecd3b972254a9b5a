"""What a network is, without training: backbones, fusions, the module, rows as tensors, losses.

The rooms that train networks (`neural`, `federated`) and those that say how (`balancing`) stand
on it.
"""

from ._aligned import FEWEST, Aligned, each, masks_of, over, side_by_side, stacked_of, total
from ._allocation import AllocationGuard
from ._backbones import BACKBONES, make_backbones, not_ours, refuse_batch_statistics
from ._devices import choose_device, choose_dtype
from ._draws import Draws, Dropout, aside, has_dropout, learning, may_draw
from ._encoding import empty_encodings, learn_encodings
from ._epoch_log import EpochLog
from ._fusions import (
    FUSIONS,
    ConcatFusion,
    Embeddings,
    FiLMFusion,
    Fused,
    LateFusion,
    Presence,
    SharedHead,
    fused_alone,
    make_fusion,
    weighted_mean,
)
from ._image_shapes import warn_if_ambiguous
from ._joined_parameters import JoinedParameters
from ._joint_loss import joint_loss
from ._keys import ByModality, safe_key
from ._loading import has_plain_state, load_state
from ._module import MultimodalModule, MultimodalOutput
from ._parameters import parameters_of
from ._rows import Batch, ModalityRows, RowBatches, SparseInput, mix_seeds, to_device, to_rows
from ._target_loss import (
    NUMBER_LOSSES,
    ClassLoss,
    LabelLoss,
    NumberLoss,
    TargetLoss,
    criterion_settings,
    entropy,
    log_proba,
    loss_of_a_constant,
    mean_criterion,
    mean_where,
    proba,
    probability_of_truth,
    unimodal_losses,
    weighted_mean_loss,
)

__all__ = [
    "BACKBONES",
    "FEWEST",
    "FUSIONS",
    "NUMBER_LOSSES",
    "Aligned",
    "AllocationGuard",
    "Batch",
    "ByModality",
    "ClassLoss",
    "ConcatFusion",
    "Draws",
    "Dropout",
    "Embeddings",
    "EpochLog",
    "FiLMFusion",
    "Fused",
    "JoinedParameters",
    "LabelLoss",
    "LateFusion",
    "ModalityRows",
    "MultimodalModule",
    "MultimodalOutput",
    "NumberLoss",
    "Presence",
    "RowBatches",
    "SharedHead",
    "SparseInput",
    "TargetLoss",
    "aside",
    "choose_device",
    "choose_dtype",
    "criterion_settings",
    "each",
    "empty_encodings",
    "entropy",
    "fused_alone",
    "has_dropout",
    "has_plain_state",
    "joint_loss",
    "learn_encodings",
    "learning",
    "load_state",
    "log_proba",
    "loss_of_a_constant",
    "make_backbones",
    "make_fusion",
    "masks_of",
    "may_draw",
    "mean_criterion",
    "mean_where",
    "mix_seeds",
    "not_ours",
    "over",
    "parameters_of",
    "proba",
    "probability_of_truth",
    "refuse_batch_statistics",
    "safe_key",
    "side_by_side",
    "stacked_of",
    "to_device",
    "to_rows",
    "total",
    "unimodal_losses",
    "warn_if_ambiguous",
    "weighted_mean",
    "weighted_mean_loss",
]
