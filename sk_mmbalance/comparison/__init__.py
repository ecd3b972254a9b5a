"""A fair comparison on data of one's own: baselines, networks, balancing methods, the pool."""

from ._compare import compare
from ._comparison_display import ComparisonDisplay
from ._data_file import DataFile, guess_modalities, read_data_file
from ._duration import read_duration
from ._result import Comparison

__all__ = [
    "Comparison",
    "ComparisonDisplay",
    "DataFile",
    "compare",
    "guess_modalities",
    "read_data_file",
    "read_duration",
]
