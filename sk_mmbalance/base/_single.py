"""A word to whoever gives one flat table to an estimator that is there for several modalities."""

from __future__ import annotations

import warnings
from typing import Any
from weakref import WeakSet

from ..exceptions import SingleModalityWarning
from ..modalities import CheckedModalities

#: Classes that have said it; python's own "once" is forgotten whenever somebody catches warnings.
_SAID: WeakSet[type] = WeakSet()


def warn_of_single_modality(estimator: Any, checked: CheckedModalities) -> None:
    """Say, once a class and process, that a flat table is read as one modality."""
    spec, kind = checked.spec, type(estimator)
    if estimator.modalities is not None or spec.columns is None or spec.n_features_in < 2:
        return
    if kind in _SAID:
        return
    _SAID.add(kind)
    warnings.warn(
        f"`X` is a flat table and `modalities` is None, so that {kind.__name__} learns from a "
        f"single modality of {spec.n_features_in} columns. If they are of several, say which "
        "belong together: modalities={'face': slice(0, 40), 'clinic': ['age', 'bmi']}.",
        SingleModalityWarning,
        stacklevel=4,
    )
