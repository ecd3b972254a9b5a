"""A fair comparison on data of one's own: baselines, networks, balancing methods, the pool."""

# What is named `as` itself is not public: the command reads files and durations with it.
from ._compare import compare
from ._comparison_display import ComparisonDisplay
from ._data_file import DataFile as DataFile
from ._data_file import guess_modalities as guess_modalities
from ._data_file import read_data_file as read_data_file
from ._duration import read_duration as read_duration
from ._result import Comparison

__all__ = [
    "Comparison",
    "ComparisonDisplay",
    "compare",
]
