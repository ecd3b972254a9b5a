"""What `fit` saw of its input, and the comparison of later input with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ._forms import Forms

Labels = tuple[str | int, ...]

#: What to do where sequences have other lengths than those that `fit` saw, all of one length.
ANY_LENGTH = (
    " A network that has seen one sequence end before the others takes any length: end one with a "
    "step of NaN in fit."
)


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
    feature_names : dict of str to tuple of str or int
        Names of the columns of those modalities that came with some.
    sequences : tuple of str
        Modalities whose rows may have any number of steps: `fit` saw unequal ones, or NaN at the
        end of some. The first number of their shape is the longest that it saw.
    """

    shapes: dict[str, tuple[int, ...]]
    n_features_in: int
    feature_names_in: np.ndarray | None = None
    columns: dict[str, np.ndarray] | None = None
    feature_names: dict[str, tuple[str | int, ...]] = field(default_factory=dict)
    sequences: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Sorted names of the modalities."""
        return tuple(self.shapes)

    def select(self, names: list[str]) -> InputSpec:
        """Only the given modalities, as if they had come by name."""
        shapes = {name: self.shapes[name] for name in names}
        features = {name: self.feature_names[name] for name in names if name in self.feature_names}
        joined = _joined_feature_names(shapes, features)
        sequences = tuple(name for name in self.sequences if name in shapes)
        return InputSpec(shapes, _n_values(shapes), joined, None, features, sequences)


def new_spec(
    forms: Forms,
    shapes: dict[str, tuple[int, ...]],
    labels: Mapping[str, Labels | None],
    sequences: tuple[str, ...] = (),
) -> InputSpec:
    """Describe input seen in `fit`.

    Parameters
    ----------
    forms : Forms
        The input as it came.
    shapes : dict of str to tuple of int
        Shape of one sample of each modality.
    labels : mapping of str to tuple of str or int, or None
        Names of its columns.
    sequences : tuple of str, default=()
        Modalities of sequences of unequal length.
    """
    shapes = dict(sorted(shapes.items()))
    features = {name: found for name in shapes if (found := labels[name])}
    if forms.columns is None:
        joined = _joined_feature_names(shapes, features)
        return InputSpec(shapes, _n_values(shapes), joined, None, features, sequences)
    names = forms.column_names
    return InputSpec(shapes, forms.n_columns, names, forms.columns, features, sequences)


def compare_with_fit(
    shapes: Mapping[str, tuple[int, ...]], labels: Mapping[str, Labels | None], spec: InputSpec
) -> None:
    """Refuse modalities whose shape or column names differ from those of `fit`."""
    for name, shape in shapes.items():
        seen_shape = spec.shapes[name]
        free = 1 if name in spec.sequences and shape else 0  # the number of steps
        if shape[free:] != seen_shape[free:]:
            steps = len(shape) > 1 and not free and shape[1:] == seen_shape[1:]
            raise ValueError(
                f"`X` modality {name!r} has shape {shape} per sample, but {seen_shape} was "
                f"seen in fit.{ANY_LENGTH if steps else ''}"
            )
        seen, names = spec.feature_names.get(name), labels[name]
        if not seen or not names or type(seen[0]) is not type(names[0]):
            continue  # what has no names, or numbers instead of them, goes by position
        if names != seen:
            raise ValueError(
                f"`X` modality {name!r} has features {list(names)}, but fit saw {list(seen)}: the "
                "same names in the same order are needed."
            )


def _n_values(shapes: dict[str, tuple[int, ...]]) -> int:
    return sum(int(np.prod(shape)) for shape in shapes.values())


def _joined_feature_names(
    shapes: dict[str, tuple[int, ...]], features: dict[str, Labels]
) -> np.ndarray | None:
    """``modality__feature`` if every modality names its features by strings, else None."""
    if set(features) != set(shapes) or not all(isinstance(f[0], str) for f in features.values()):
        return None
    joined = [f"{name}__{feature}" for name in shapes for feature in features[name]]
    return np.asarray(joined, dtype=object)
