"""The data contract: what counts as multimodal input, and the only code that looks at it."""

from ._check import check_modalities
from ._checked import CheckedModalities
from ._container import Modalities

__all__ = ["CheckedModalities", "Modalities", "check_modalities"]
