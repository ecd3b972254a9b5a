"""The forms in which modalities may be given: by name, or as columns of a flat table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
from ._spec import InputSpec

#: Name of the only modality when a flat table comes without a column specification.
SINGLE_NAME = "X"

Columns = dict[str, np.ndarray]


@dataclass(frozen=True)
class Forms:
    """Values by name, as they came, and what a flat table says of its columns."""

    values: dict[str, Any]
    columns: Columns | None = None
    column_names: np.ndarray | None = None
    n_columns: int = 0


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
    numeric: bool = True,
) -> Forms:
    """Tell the forms apart. With ``numeric=False`` a flat table may hold text."""
    if is_named(X):
        return Forms(_named_values(X, modalities, spec))
    return _flat_values(X, estimator, spec, modalities, accept_sparse, numeric)


def _named_values(X: Any, modalities: Any, spec: InputSpec | None) -> dict[str, Any]:
    container = as_modalities(X)
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
        unknown = sorted(set(container.names) - known)
        if unknown:
            mend = (
                "Leave it out, or name it there; what comes by name needs no `modalities=`."
                if spec is None
                else "Leave it out, or fit again with it."
            )
            raise ValueError(
                f"`X` has modality {', '.join(map(repr, unknown))}, not {where}; known are "
                f"{sorted(known)}. {mend}"
            )
        if spec is None and known - set(container.names):
            raise MissingModalityError(
                f"`X` lacks modality {', '.join(map(repr, sorted(known - set(container.names))))} "
                f"{where}; got {list(container.names)}."
            )
    return dict(container._values)  # rows of a memory map are read only where they are needed


def _flat_values(
    X: Any,
    estimator: Any,
    spec: InputSpec | None,
    modalities: Any,
    accept_sparse: bool,
    numeric: bool,
) -> Forms:
    _refuse_list_of_arrays(X)
    if spec is not None and modalities is None and spec.names != (SINGLE_NAME,):
        raise TypeError(
            f"`X` is a flat {type(X).__name__}, but modalities {list(spec.names)} were seen in fit "
            "by name. Pass a dict or Modalities, or set `modalities=` to their columns."
        )
    if modalities is None or not isinstance(X, pd.DataFrame):
        table = _check_flat(X, estimator, accept_sparse, numeric)
    else:
        table = X  # each block is checked for itself
    names = _compare_columns(X, estimator, spec)
    if modalities is None:
        columns = {SINGLE_NAME: np.arange(table.shape[1])}
        return Forms({SINGLE_NAME: table}, columns, names, table.shape[1])
    if spec is not None and spec.columns is not None:
        columns = spec.columns  # a callable or a pattern might choose otherwise on other rows
    else:
        columns = resolve_columns(modalities, table)
    return Forms(_split(table, columns), columns, names, table.shape[1])


class _TableReader(BaseEstimator):
    """Stands in for an estimator whose fitted state must not be touched yet."""


def _compare_columns(X: Any, estimator: Any, spec: InputSpec | None) -> np.ndarray | None:
    """Column names of `X`, held to those of `fit` with scikit-learn's own messages."""
    if spec is not None and spec.columns is not None and estimator is not None:
        validate_data(estimator, X, reset=False, skip_check_array=True)
        return spec.feature_names_in
    reader = _TableReader()
    validate_data(reader, X, reset=True, skip_check_array=True)
    return getattr(reader, "feature_names_in_", None)


def _check_flat(X: Any, estimator: Any, accept_sparse: bool, numeric: bool) -> Any:
    if not numeric and isinstance(X, pd.DataFrame):
        return X
    return check_array(
        X,
        accept_sparse="csr" if accept_sparse else False,
        dtype="numeric" if numeric else None,
        ensure_all_finite=False,
        estimator=estimator,
        input_name="X",
    )


def _split(X: Any, columns: Columns) -> dict[str, Any]:
    if isinstance(X, pd.DataFrame):
        return {name: X.iloc[:, numbers] for name, numbers in columns.items()}
    return {name: X[:, numbers] for name, numbers in columns.items()}


def _refuse_list_of_arrays(X: Any) -> None:
    if isinstance(X, list | tuple) and any(_is_array(item) and np.ndim(item) >= 2 for item in X):
        raise TypeError(
            f"`X` is a {type(X).__name__} of {len(X)} arrays; give each modality a name: "
            "{'face': A, 'voice': B}, or Modalities(face=A, voice=B) for cross-validation."
        )


def _is_array(item: Any) -> bool:
    return hasattr(item, "shape") or issparse(item)
