"""The data contract: what counts as multimodal input, and the only code that looks at it."""

from ._check import check_modalities
from ._checked import CheckedModalities
from ._container import Modalities
from ._missing import missing_rows
from ._raw import name_modalities
from ._spec import InputSpec

__all__ = [
    "CheckedModalities",
    "InputSpec",
    "Modalities",
    "check_modalities",
    "missing_rows",
    "name_modalities",
]
