"""What all estimators share: training rows, what `y` is, folds, and what `fit` remembers."""

from ._column import read_column, scorable
from ._estimator import EVERY_ROW, ModalityClassifier, ModalityEstimator, ModalityRegressor
from ._fit_params import group_params, handed_on_to, weight_params
from ._folds import (
    BOTH,
    Fold,
    FoldChoice,
    cut_folds,
    said_of_both,
    told_of,
    warn_of_order,
)
from ._held import read_held_rows, read_own_modalities
from ._hold_out import hold_out
from ._parameters import FLAG, NUMBER, SHARED, TEXT, check_kinds, check_word, is_real, is_word
from ._published import PublishedFormMixin
from ._row_order import RowOrder
from ._rows import TrainingRows, cut, read_groups
from ._scale import refuse_unsquarable, warn_if_unscaled
from ._target import (
    CLASSES,
    LABELS,
    NUMBERS,
    ClassTarget,
    LabelTarget,
    NumberTarget,
    Target,
    read_partly_known,
    read_partly_known_numbers,
    read_target,
)
from ._weights import (
    first_step,
    first_tags,
    read_weight_numbers,
    read_weights,
    weight_of_classes,
)

__all__ = [
    "BOTH",
    "CLASSES",
    "EVERY_ROW",
    "FLAG",
    "LABELS",
    "NUMBER",
    "NUMBERS",
    "SHARED",
    "TEXT",
    "ClassTarget",
    "Fold",
    "FoldChoice",
    "LabelTarget",
    "ModalityClassifier",
    "ModalityEstimator",
    "ModalityRegressor",
    "NumberTarget",
    "PublishedFormMixin",
    "RowOrder",
    "Target",
    "TrainingRows",
    "check_kinds",
    "check_word",
    "cut",
    "cut_folds",
    "first_step",
    "first_tags",
    "group_params",
    "handed_on_to",
    "hold_out",
    "is_real",
    "is_word",
    "read_column",
    "read_groups",
    "read_held_rows",
    "read_own_modalities",
    "read_partly_known",
    "read_partly_known_numbers",
    "read_target",
    "read_weight_numbers",
    "read_weights",
    "refuse_unsquarable",
    "said_of_both",
    "scorable",
    "told_of",
    "warn_if_unscaled",
    "warn_of_order",
    "weight_of_classes",
    "weight_params",
]
