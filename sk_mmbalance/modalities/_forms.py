"""The forms in which modalities may be given: by name, or as columns of a flat table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from ..exceptions import MissingModalityError
from ._columns import resolve_columns
from ._container import Modalities
from ._names import check_names
from ._spec import InputSpec
from ._tables import (
    as_labels,
    columns_by_modality,
    is_column,
    is_plain,
    is_table,
    labels_of,
    take_columns,
)
from ._tensors import is_tensor, tensor_to_array
from ._values import plain

#: Name of the only modality when a flat table comes without a column specification.
SINGLE_NAME = "X"

Columns = dict[str, np.ndarray]


@dataclass(frozen=True)
class Forms:
    """Values by name, as they came, and what is known of their columns.

    Attributes
    ----------
    values : dict of str to array-like
        By name, sorted or not.
    columns : dict of str to ndarray of int, or None
        Column numbers in a flat table; None where modalities came by name.
    column_names : ndarray of str or None
        Column names of a flat table.
    n_columns : int
        Number of columns of a flat table.
    feature_names : dict of str to tuple of str or int
        Names that came with values that are arrays.
    """

    values: dict[str, Any]
    columns: Columns | None = None
    column_names: np.ndarray | None = None
    n_columns: int = 0
    feature_names: Mapping[str, tuple[str | int, ...]] = field(default_factory=dict)


def is_named(X: Any) -> bool:
    """Whether `X` brings its modalities by name (a dict, `Modalities`, two-level columns)."""
    if isinstance(X, Modalities):
        return True
    if isinstance(X, pd.DataFrame):
        return X.columns.nlevels == 2
    return isinstance(X, Mapping) and not issparse(X)  # scipy's dok_array is a dict


def as_modalities(X: Any) -> Modalities:
    """Read a named form of input as `Modalities`."""
    if isinstance(X, Modalities):
        return X
    return Modalities.from_frame(X) if isinstance(X, pd.DataFrame) else Modalities(X)


def read_forms(
    X: Any,
    *,
    estimator: Any = None,
    spec: InputSpec | None = None,
    modalities: Any = None,
    accept_sparse: bool = False,
    as_arrays: bool = False,
) -> Forms:
    """Tell the forms apart; nothing is said of the values.

    Parameters
    ----------
    X : Modalities, dict, DataFrame or array-like
        Multimodal input.
    estimator : object, default=None
        Named in error messages; its columns are compared with those of a flat table.
    spec : InputSpec, default=None
        What `fit` saw; None in `fit`.
    modalities : dict of str to columns, default=None
        Column blocks of a flat table. None takes a flat table for one modality.
    accept_sparse : bool, default=False
        Whether a flat table may be a sparse matrix.
    as_arrays : bool, default=False
        Whether a DataFrame of numbers of one dtype may be cut as an array, its names apart: a
        thousand DataFrames take seconds to make.

    Returns
    -------
    forms : Forms
        Values by name.
    """
    if is_named(X):
        if as_arrays and isinstance(X, pd.DataFrame) and is_plain(X):
            forms = _cut_two_levels(X)
        else:
            container = as_modalities(X)
            # rows of a memory map are read only where they are needed
            forms = Forms(dict(container._values), feature_names=container._named_features)
        _compare_names(forms.values, modalities, spec)
        return forms
    return _flat_values(X, estimator, spec, modalities, accept_sparse, as_arrays)


def _cut_two_levels(frame: pd.DataFrame) -> Forms:
    array = frame.to_numpy()
    blocks = columns_by_modality(frame)
    check_names(blocks)
    features = frame.columns.get_level_values(1).tolist()
    names = {n: as_labels(features[j] for j in numbers) for n, numbers in blocks.items()}
    return Forms({n: array[:, numbers] for n, numbers in blocks.items()}, feature_names=names)


def _compare_names(values: dict[str, Any], modalities: Any, spec: InputSpec | None) -> None:
    """Refuse modalities that neither `fit` nor the estimator's `modalities` knows."""
    known = None
    if spec is not None:
        known, where = set(spec.names), "seen in fit"
    elif modalities is not None:
        if not isinstance(modalities, Mapping):
            raise TypeError(
                "`modalities` must map each modality's name to its columns; got "
                f"{type(modalities).__name__}."
            )
        known, where = set(modalities), "named in `modalities`"
    if known is not None:
        unknown = sorted(set(values) - known)
        if unknown:
            remedy = (
                "Leave it out, or name it there; what comes by name needs no `modalities=`."
                if spec is None
                else "Leave it out, or fit again with it."
            )
            raise ValueError(
                f"`X` has modality {', '.join(map(repr, unknown))}, not {where}; known are "
                f"{sorted(known)}. {remedy}"
            )
        if spec is None and known - set(values):
            raise MissingModalityError(
                f"`X` lacks modality {', '.join(map(repr, sorted(known - set(values))))} "
                f"{where}; got {sorted(values)}."
            )


def _flat_values(
    X: Any,
    estimator: Any,
    spec: InputSpec | None,
    modalities: Any,
    accept_sparse: bool,
    as_arrays: bool,
) -> Forms:
    _refuse_list_of_arrays(X)
    if is_tensor(X):
        X = tensor_to_array("`X`", X)
    elif not is_column(X):  # one column is no table
        X = plain("`X`", X)
    if spec is not None and modalities is None and spec.names != (SINGLE_NAME,):
        raise TypeError(
            f"`X` is a flat {type(X).__name__}, but modalities {list(spec.names)} were seen in fit "
            "by name. Pass a dict or Modalities, as `Modalities.from_frame(X, {...})` makes it of "
            "the columns of each, or set `modalities=` to these."
        )
    table = X if is_table(X) else _check_flat(X, estimator, accept_sparse)
    there = _columns_without_whole_modalities(table, spec)
    if there is not None:
        assert spec is not None
        values = {name: _take_columns(table, numbers) for name, numbers in there.items()}
        return Forms(values, there, spec.feature_names_in, spec.n_features_in)
    names = _compare_columns(table, estimator, spec)
    if modalities is None:
        columns = {SINGLE_NAME: np.arange(table.shape[1])}
        return Forms({SINGLE_NAME: table}, columns, names, table.shape[1])
    if spec is not None and spec.columns is not None:
        columns = spec.columns  # a callable or a pattern might choose otherwise on other rows
    else:
        columns = resolve_columns(modalities, table)
    labels = {}
    if as_arrays and isinstance(table, pd.DataFrame) and is_plain(table):
        given = table.columns.tolist()
        labels = {n: as_labels(given[j] for j in numbers) for n, numbers in columns.items()}
        table = table.to_numpy()
    values = {name: _take_columns(table, numbers) for name, numbers in columns.items()}
    return Forms(values, columns, names, table.shape[1], labels)


def _columns_without_whole_modalities(table: Any, spec: InputSpec | None) -> Columns | None:
    """Column numbers of the modalities that a table has, if it lacks just whole ones.

    A table from a place that never had one of the sensors lacks its columns as a dict lacks its
    name. None where all columns are there, or the names are not those that `fit` saw otherwise.
    """
    labels = labels_of(table)
    if labels is None or spec is None or spec.columns is None or spec.feature_names_in is None:
        return None
    seen, here = spec.feature_names_in, set(labels)
    lacking = {name for name, numbers in spec.columns.items() if here.isdisjoint(seen[numbers])}
    if not lacking or len(lacking) == len(spec.columns):
        return None
    gone = {number for name in lacking for number in spec.columns[name].tolist()}
    kept = [number for number in range(spec.n_features_in) if number not in gone]
    if list(labels) != seen[kept].tolist():
        return None
    place = {number: position for position, number in enumerate(kept)}
    return {
        name: np.array([place[number] for number in numbers.tolist()])
        for name, numbers in spec.columns.items()
        if name not in lacking
    }


class _TableReader(BaseEstimator):
    """Stands in for an estimator whose fitted state must not be touched yet."""


def _compare_columns(X: Any, estimator: Any, spec: InputSpec | None) -> np.ndarray | None:
    """Column names of `X`, held to those of `fit` with scikit-learn's own messages."""
    labels = labels_of(X)
    if labels is not None:
        _refuse_ambiguous_labels(X, labels)
        # a table of any library has pandas' names here, which every scikit-learn knows
        X = pd.DataFrame(np.empty((0, len(labels))), columns=list(labels))
    if spec is not None and spec.columns is not None and estimator is not None:
        validate_data(estimator, X, reset=False, skip_check_array=True)
        return spec.feature_names_in
    reader = _TableReader()
    validate_data(reader, X, reset=True, skip_check_array=True)
    return getattr(reader, "feature_names_in_", None)


def _refuse_ambiguous_labels(X: Any, labels: tuple[str | int, ...]) -> None:
    if len(set(labels)) < len(labels):
        repeated = sorted({str(label) for label in labels if labels.count(label) > 1})
        raise ValueError(f"`X` has columns of the same name: {repeated}. Rename them.")
    given = (
        {type(label).__name__ for label in X.columns} if isinstance(X, pd.DataFrame) else {"str"}
    )
    if len(given) > 1 and "str" in given:
        raise TypeError(
            f"`X` has column names of types {sorted(given)}. Feature names are only supported if "
            "all input features have string names; rename them (`X.columns.astype(str)`)."
        )


def _check_flat(X: Any, estimator: Any, accept_sparse: bool) -> Any:
    """Hold what is no named table to two dimensions; its values are looked at later."""
    try:
        return check_array(
            X,
            accept_sparse="csr" if accept_sparse else False,
            dtype=None,
            ensure_all_finite=False,
            estimator=estimator,
            input_name="X",
        )
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(
            f"`X` cannot be read as a table ({type(X).__name__}): {error} Modalities by name are a "
            "dict, Modalities or a DataFrame with two-level columns."
        ) from error


def _take_columns(table: Any, numbers: np.ndarray) -> Any:
    return take_columns(table, numbers) if is_table(table) else table[:, numbers]


def _refuse_list_of_arrays(X: Any) -> None:
    if isinstance(X, list | tuple) and any(_is_array(item) and np.ndim(item) >= 2 for item in X):
        raise TypeError(
            f"`X` is a {type(X).__name__} of {len(X)} arrays; give each modality a name: "
            "{'face': A, 'voice': B}, or Modalities(face=A, voice=B) for cross-validation."
        )


def _is_array(item: Any) -> bool:
    return hasattr(item, "shape") or issparse(item)
