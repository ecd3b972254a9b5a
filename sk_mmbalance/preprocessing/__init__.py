"""Transformers of modalities: change each, choose some, or put them side by side."""

# What is named `as` itself is not public: other rooms use it.
from ._column_kinds import TEXT as TEXT
from ._column_kinds import kind_of_column as kind_of_column
from ._column_notes import column_notes as column_notes
from ._concatenator import ModalityConcatenator
from ._date_encoder import DateEncoder
from ._make_preprocessor import make_preprocessor
from ._selector import ModalitySelector
from ._step_transformer import StepTransformer
from ._text_encoder import TextEncoder
from ._transformer import ModalityTransformer

__all__ = [
    "DateEncoder",
    "ModalityConcatenator",
    "ModalitySelector",
    "ModalityTransformer",
    "StepTransformer",
    "TextEncoder",
    "make_preprocessor",
]
