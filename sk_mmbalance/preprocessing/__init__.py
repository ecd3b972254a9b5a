"""Transformers of modalities: change each, choose some, or put them side by side."""

from ._concatenator import ModalityConcatenator
from ._selector import ModalitySelector
from ._transformer import ModalityTransformer

__all__ = ["ModalityConcatenator", "ModalitySelector", "ModalityTransformer"]
