"""The only importer of scikit-learn's private names.

They may change with any release of scikit-learn: what has to change with them is here. Two of its
constraints on parameters are stricter in this package.
"""

from __future__ import annotations

from numbers import Integral
from typing import Any

from sklearn.base import _fit_context as fit_context
from sklearn.model_selection._search import BaseSearchCV
from sklearn.model_selection._split import _CVIterableWrapper as IterableOfSplits
from sklearn.utils import _safe_indexing as safe_indexing
from sklearn.utils._param_validation import (
    HasMethods,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils._param_validation import Interval as _Interval
from sklearn.utils._repr_html.estimator import _VisualBlock as VisualBlock
from sklearn.utils._set_output import _safe_set_output as safe_set_output
from sklearn.utils.metadata_routing import _raise_for_params as raise_for_params
from sklearn.utils.metadata_routing import _routing_enabled as routing_enabled
from sklearn.utils.metaestimators import _BaseComposition as BaseComposition
from sklearn.utils.validation import _check_feature_names_in as check_feature_names_in
from sklearn.utils.validation import _check_method_params as check_method_params
from sklearn.utils.validation import _check_sample_weight as check_sample_weight

__all__ = [
    "ArrayLike",
    "BaseComposition",
    "BaseSearchCV",
    "HasMethods",
    "Interval",
    "IterableOfSplits",
    "StrOptions",
    "VisualBlock",
    "check_feature_names_in",
    "check_method_params",
    "check_sample_weight",
    "fit_context",
    "raise_for_params",
    "routing_enabled",
    "safe_indexing",
    "safe_set_output",
    "validate_parameter_constraints",
]


class Interval(_Interval):
    """A range of numbers as they are computed with: whole ones have 64 bits, and True is none."""

    def is_satisfied_by(self, val: Any) -> bool:
        """Whether a value is in the range."""
        if isinstance(val, bool) and issubclass(self.type, Integral):
            return False
        if isinstance(val, Integral) and not -(2**63) <= int(val) < 2**63:
            return False
        return bool(super().is_satisfied_by(val))


class ArrayLike(HasMethods):
    """What holds several values; scikit-learn's own takes an array without a dimension for one."""

    def __init__(self) -> None:
        super().__init__("__len__")

    def is_satisfied_by(self, val: Any) -> bool:
        """Whether a value is one."""
        several = bool(super().is_satisfied_by(val)) and not isinstance(val, str | bytes)
        return several and getattr(val, "ndim", 1) > 0

    def __str__(self) -> str:
        return "an array-like"
