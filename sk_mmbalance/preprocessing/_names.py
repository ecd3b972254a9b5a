"""Names of columns, by modality, that go into a transformer and come out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .._sklearn import check_feature_names_in
from ..modalities import InputSpec


def features_in(estimator: Any, input_features: Any = None) -> dict[str, list[str]]:
    """Names of the columns of every modality that `fit` saw; their numbers where they have none.

    `input_features` names the columns of a flat table that came without names; it is compared
    with those that `fit` saw otherwise, in scikit-learn's words.
    """
    given = None
    if input_features is not None:
        given = check_feature_names_in(estimator, input_features)
    return features_of(estimator._input_spec, given)


def features_of(spec: InputSpec, given: np.ndarray | None = None) -> dict[str, list[str]]:
    """The same from what `fit` saw; `given` are names of a flat table that had none."""
    named = {}
    for modality, shape in spec.shapes.items():
        if modality in spec.feature_names:
            named[modality] = [str(feature) for feature in spec.feature_names[modality]]
        elif given is not None and spec.columns is not None:
            named[modality] = given[spec.columns[modality]].tolist()
        else:
            named[modality] = numbered(int(np.prod(shape)))
    return named


def numbered(n_columns: int) -> list[str]:
    """Names of columns that have none."""
    return [str(number) for number in range(n_columns)]


def join_names(named: Mapping[str, Sequence[str]]) -> np.ndarray:
    """``modality__feature``, modalities in the order of their sorted names."""
    joined = [f"{modality}__{feature}" for modality in sorted(named) for feature in named[modality]]
    return np.asarray(joined, dtype=object)


def names_out(transformer: Any, features: list[str], blank: Any) -> list[str]:
    """Names that an inner transformer gives its columns; their numbers if it gives none.

    `blank` is its result without rows.
    """
    n_columns = int(np.prod(blank.shape[1:]))
    if not hasattr(transformer, "get_feature_names_out"):
        return numbered(n_columns)
    try:
        names = [str(name) for name in transformer.get_feature_names_out(features)]
    except (AttributeError, ValueError, TypeError):  # a step of a pipeline that has none, say
        try:
            names = [str(name) for name in transformer.get_feature_names_out()]
        except (AttributeError, ValueError, TypeError):
            return numbered(n_columns)
    return names if len(names) == n_columns else numbered(n_columns)
