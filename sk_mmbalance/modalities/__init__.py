"""The data contract: what counts as multimodal input, and the only code that looks at it."""

from ._check import check_modalities
from ._checked import CheckedModalities
from ._container import Modalities
from ._forms import Forms, read_forms
from ._missing import missing_rows
from ._raw import name_modalities
from ._spec import InputSpec
from ._table_files import file_kind, read_table_file
from ._values import in_row_order, take_rows
from ._whole_file import writing_whole

__all__ = [
    "CheckedModalities",
    "Forms",
    "InputSpec",
    "Modalities",
    "check_modalities",
    "file_kind",
    "in_row_order",
    "missing_rows",
    "name_modalities",
    "read_forms",
    "read_table_file",
    "take_rows",
    "writing_whole",
]
