"""The data contract: what counts as multimodal input, and the only code that looks at it."""

# What is named `as` itself is not public: it is how other rooms read and take rows.
from ._check import check_modalities
from ._checked import CheckedModalities
from ._container import Modalities
from ._forms import Forms as Forms
from ._forms import read_forms as read_forms
from ._missing import missing_rows
from ._raw import name_modalities as name_modalities
from ._sequences import holds_arrays as holds_arrays
from ._sequences import is_filled_up as is_filled_up
from ._sequences import read_items as read_items
from ._spec import InputSpec
from ._table_files import file_kind as file_kind
from ._table_files import read_table_file as read_table_file
from ._tables import as_pandas as as_pandas
from ._tables import is_table as is_table
from ._tables import object_column as object_column
from ._tables import refuse_what_only_looks_like_numbers as refuse_what_only_looks_like_numbers
from ._tensors import is_tensor as is_tensor
from ._tensors import tensor_to_array as tensor_to_array
from ._values import in_row_order as in_row_order
from ._values import take_rows as take_rows
from ._whole_file import writing_whole as writing_whole

__all__ = [
    "CheckedModalities",
    "InputSpec",
    "Modalities",
    "check_modalities",
    "missing_rows",
]
