"""What `fit` saw of its input, and the comparison of later input with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class InputSpec:
    """What `fit` saw and later calls are held to.

    Attributes
    ----------
    shapes : dict of str to tuple of int
        Shape of one sample of each modality, by sorted name.
    n_features_in : int
        Number of columns in all (of the flat table, if there was one).
    feature_names_in : ndarray of str or None
        Column names of a flat DataFrame, or ``modality__feature`` for named modalities.
    columns : dict of str to ndarray of int, or None
        Column numbers in a flat table; None when modalities came by name.
    feature_names : dict of str to tuple of str
        Column names of those modalities that came with some.
    """

    shapes: dict[str, tuple[int, ...]]
    n_features_in: int
    feature_names_in: np.ndarray | None = None
    columns: dict[str, np.ndarray] | None = None
    feature_names: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Sorted names of the modalities."""
        return tuple(self.shapes)

    def select(self, names: list[str]) -> InputSpec:
        """Only the given modalities, as if they had come by name."""
        shapes = {name: self.shapes[name] for name in names}
        features = {name: self.feature_names[name] for name in names if name in self.feature_names}
        return InputSpec(
            shapes, _n_values(shapes), _joined_feature_names(shapes, features), None, features
        )


def new_spec(forms: Any, arrays: dict[str, Any]) -> InputSpec:
    """Describe input seen in `fit`: `forms` as it came, `arrays` as they are used."""
    columns, names = forms.columns, forms.column_names
    shapes = {name: tuple(array.shape[1:]) for name, array in sorted(arrays.items())}
    if columns is None:
        features = {name: f for name in shapes if (f := _feature_names(forms.values[name]))}
        joined = _joined_feature_names(shapes, features)
        return InputSpec(shapes, _n_values(shapes), joined, None, features)
    features = {}
    if names is not None:
        features = {name: tuple(names[columns[name]].tolist()) for name in shapes}
    return InputSpec(shapes, forms.n_columns, names, columns, features)


def compare_with_fit(raw: dict[str, Any], arrays: dict[str, Any], spec: InputSpec) -> None:
    """Refuse modalities whose shape or column names differ from those of `fit`."""
    for name, array in arrays.items():
        shape = tuple(array.shape[1:])
        if shape != spec.shapes[name]:
            raise ValueError(
                f"`X` modality {name!r} has shape {shape} per sample, but {spec.shapes[name]} was "
                "seen in fit."
            )
        seen, names = spec.feature_names.get(name), _feature_names(raw[name])
        if seen is not None and names is not None and names != seen:
            raise ValueError(
                f"`X` modality {name!r} has features {list(names)}, but fit saw {list(seen)}: the "
                "same names in the same order are needed."
            )


def _n_values(shapes: dict[str, tuple[int, ...]]) -> int:
    return sum(int(np.prod(shape)) for shape in shapes.values())


def _feature_names(value: Any) -> tuple[str, ...] | None:
    if isinstance(value, pd.DataFrame) and all(isinstance(c, str) for c in value.columns):
        return tuple(value.columns)
    return None


def _joined_feature_names(
    shapes: dict[str, tuple[int, ...]], features: dict[str, tuple[str, ...]]
) -> np.ndarray | None:
    """``modality__feature`` if every modality names its features, else None."""
    if set(features) != set(shapes):
        return None
    joined = [f"{name}__{feature}" for name in shapes for feature in features[name]]
    return np.asarray(joined, dtype=object)
