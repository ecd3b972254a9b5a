"""`check_modalities`: the one place that looks at input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from ..exceptions import MissingModalityError
from ._checked import CheckedModalities, InputSpec
from ._columns import resolve_columns
from ._container import Modalities
from ._missing import missing_values

#: Name of the only modality when a flat table comes without a column specification.
SINGLE_NAME = "X"

# Exact in float32; a float64 copy of images would take twice to eight times the memory.
_SMALL_DTYPES = {np.dtype(t) for t in ("bool", "int8", "uint8", "int16", "uint16", "float16")}


class _NameProbe(BaseEstimator):
    """Stands in for an estimator whose fitted state must not be touched yet."""


def check_modalities(
    X: Any,
    *,
    estimator: Any = None,
    spec: InputSpec | None = None,
    modalities: Any = None,
    missing: str = "error",
    accept_sparse: bool = False,
    keep_all_missing: bool = False,
) -> CheckedModalities:
    """Read any accepted form of multimodal input as numeric arrays by name.

    Nothing is stored anywhere: a failed call leaves no trace.

    Parameters
    ----------
    X : Modalities, dict, DataFrame or array-like
        Named arrays, a DataFrame with two-level columns, or a flat table (see `modalities`).
    estimator : object, default=None
        Named in error messages; its ``n_features_in_`` and ``feature_names_in_`` are compared
        with a flat table when `spec` is given.
    spec : InputSpec, default=None
        What `fit` saw; None in `fit`.
    modalities : dict of str to columns, default=None
        Column blocks of a flat table. None takes a flat table for one modality.
    missing : {"error", "mask"}, default="error"
        Whether rows may lack a modality.
    accept_sparse : bool, default=False
        Whether scipy sparse matrices may stay sparse (as CSR).
    keep_all_missing : bool, default=False
        Whether a row may lack every modality.

    Returns
    -------
    CheckedModalities
        Contiguous arrays, presence, and the specification of the input.

    Raises
    ------
    TypeError
        For a list of arrays, a name that is no string, or data of no numeric kind.
    ValueError
        For anything else that cannot be used; the message names what came and the mend.
    """
    if missing not in ("error", "mask"):
        raise ValueError(f"`missing` must be 'error' or 'mask'; got {missing!r}.")
    raw, columns, flat_names = read_form(X, estimator, spec, modalities, accept_sparse)

    lacking = [] if spec is None else [name for name in spec.names if name not in raw]
    if lacking and missing != "mask":
        raise MissingModalityError(
            f"`X` lacks modality {', '.join(map(repr, lacking))} seen in fit; got {list(raw)}. "
            "Pass it, or fit with `missing='mask'`."
        )
    arrays = {name: _numeric(name, raw[name], estimator, accept_sparse) for name in sorted(raw)}
    _refuse_unequal_lengths(arrays)
    n_samples = next(iter(arrays.values())).shape[0]
    fitting = spec is None
    if spec is None:
        feature_names = flat_names if columns is not None else _joined_feature_names(raw)
        spec = _new_spec(arrays, feature_names, columns, X)
    else:
        _compare_with_fit(raw, arrays, spec)
        for name in lacking:
            dtype = np.result_type(*(a.dtype for a in arrays.values()))
            arrays[name] = np.full((n_samples, *spec.shapes[name]), np.nan, dtype=dtype)
        arrays = {name: arrays[name] for name in spec.names}
    present = np.column_stack([_presence(name, arrays[name], missing) for name in arrays])
    if missing == "mask":
        _refuse_empty_rows(present, keep_all_missing)
        if fitting:
            _refuse_absent_modality(present, list(arrays))
    on_disk = any(isinstance(value, np.memmap) for value in raw.values())
    return CheckedModalities(arrays, present, spec, on_disk)


# -- forms ---------------------------------------------------------------------------------


def is_named(X: Any) -> bool:
    """Whether `X` brings its modalities by name (a dict, `Modalities`, two-level columns)."""
    if isinstance(X, Modalities):
        return True
    if isinstance(X, pd.DataFrame):
        return X.columns.nlevels == 2
    return isinstance(X, Mapping) and not issparse(X)  # scipy's dok_array is a dict


def read_form(
    X: Any, estimator: Any, spec: InputSpec | None, modalities: Any, accept_sparse: bool
) -> tuple[dict[str, Any], dict[str, np.ndarray] | None, np.ndarray | None]:
    """Values by name, unread, with the columns and column names of a flat table.

    For consumers that must not look at every value (a serial chain); all others want
    `check_modalities`.
    """
    if is_named(X):
        return _named_values(X, modalities, spec), None, None
    return _flat_values(X, estimator, spec, modalities, accept_sparse)


def as_modalities(X: Any) -> Modalities:
    """A named form of input as `Modalities`."""
    if isinstance(X, Modalities):
        return X
    return Modalities.from_frame(X) if isinstance(X, pd.DataFrame) else Modalities(X)


def split_flat(X: Any, columns: dict[str, np.ndarray]) -> dict[str, Any]:
    """Column blocks of a flat table."""
    if isinstance(X, pd.DataFrame):
        return {name: X.iloc[:, numbers] for name, numbers in columns.items()}
    return {name: X[:, numbers] for name, numbers in columns.items()}


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
            raise ValueError(
                f"`X` has modality {', '.join(map(repr, unknown))}, not {where}; known are "
                f"{sorted(known)}. Leave it out, or fit again with it."
            )
        if spec is None and known - set(container.names):
            raise MissingModalityError(
                f"`X` lacks modality {', '.join(map(repr, sorted(known - set(container.names))))} "
                f"{where}; got {list(container.names)}."
            )
    return dict(container.items())


def _flat_values(
    X: Any, estimator: Any, spec: InputSpec | None, modalities: Any, accept_sparse: bool
) -> tuple[dict[str, Any], dict[str, np.ndarray], np.ndarray | None]:
    _refuse_list_of_arrays(X)
    if spec is not None and modalities is None and spec.names != (SINGLE_NAME,):
        raise TypeError(
            f"`X` is a flat {type(X).__name__}, but modalities {list(spec.names)} were seen in fit "
            "by name. Pass a dict or Modalities, or set `modalities=` to their columns."
        )
    probe = _NameProbe() if spec is None or spec.columns is None else estimator
    sparse: Any = "csr" if accept_sparse else False
    if modalities is None:
        # One modality: the array as a whole is checked, with scikit-learn's own messages.
        validate_data(probe, X, reset=probe is not estimator, skip_check_array=True)
        names = getattr(probe, "feature_names_in_", None)
        array = _check_flat(X, estimator, sparse)
        return {SINGLE_NAME: array}, {SINGLE_NAME: np.arange(array.shape[1])}, names
    if not isinstance(X, pd.DataFrame):
        X = _check_flat(X, estimator, sparse)
    validate_data(probe, X, reset=probe is not estimator, skip_check_array=True)
    names = getattr(probe, "feature_names_in_", None)
    columns = resolve_columns(modalities, X)
    return split_flat(X, columns), columns, names


def _check_flat(X: Any, estimator: Any, sparse: Any) -> Any:
    return check_array(
        X, accept_sparse=sparse, ensure_all_finite=False, estimator=estimator, input_name="X"
    )


def _refuse_list_of_arrays(X: Any) -> None:
    if isinstance(X, list | tuple) and any(np.ndim(item) >= 2 for item in X if _is_array(item)):
        raise TypeError(
            f"`X` is a {type(X).__name__} of {len(X)} arrays; give each modality a name: "
            "{'face': A, 'voice': B}, or Modalities(face=A, voice=B) for cross-validation."
        )


def _is_array(item: Any) -> bool:
    return hasattr(item, "shape") or issparse(item)


# -- values --------------------------------------------------------------------------------


def _numeric(name: str, value: Any, estimator: Any, accept_sparse: bool) -> Any:
    """A modality as a C-contiguous float array (or CSR matrix)."""
    if hasattr(value, "detach"):  # a torch tensor, without importing torch
        value = value.detach().cpu().numpy()
    dtype = getattr(value, "dtype", None)
    small = isinstance(dtype, np.dtype) and dtype in _SMALL_DTYPES
    try:
        array = check_array(
            value,
            accept_sparse="csr" if accept_sparse else False,
            dtype=np.float32 if small else [np.float64, np.float32],
            order="C",
            ensure_2d=False,
            allow_nd=True,
            ensure_all_finite=False,
            ensure_min_features=1 if getattr(value, "ndim", 0) == 2 else 0,
            estimator=estimator,
            input_name=name,
        )
    except (TypeError, ValueError) as error:
        if isinstance(dtype, np.dtype) and dtype.kind in "OUS":
            raise type(error)(
                f"`X` modality {name!r} must be numeric; got dtype {dtype} ({error}). Encode it "
                "first, for example with ModalityTransformer."
            ) from error
        raise
    if array.ndim == 1:
        array = array.reshape(-1, 1)
    if not issparse(array) and array[:1].size == 0:
        raise ValueError(f"`X` modality {name!r} has no values (shape {array.shape}).")
    return array


def _presence(name: str, array: Any, missing: str) -> np.ndarray:
    values = array.data if issparse(array) else array
    with np.errstate(over="ignore", invalid="ignore"):
        finite = bool(np.isfinite(np.sum(values)))
    n_samples = array.shape[0]
    if finite:
        return np.ones(n_samples, dtype=bool)
    if np.isinf(values).any():
        raise ValueError(
            f"`X` modality {name!r} contains infinity. Remove the row or mend the value."
        )
    if issparse(array):
        if np.isnan(values).any():
            raise ValueError(f"`X` modality {name!r} (sparse) contains NaN. Mend the values.")
        return np.ones(n_samples, dtype=bool)
    flags = missing_values(array)
    if flags is None:  # finite values whose sum overflows
        return np.ones(n_samples, dtype=bool)
    absent = flags.all(axis=1)
    partly = int((flags.any(axis=1) & ~absent).sum())
    if partly:
        raise ValueError(
            f"`X` modality {name!r} contains NaN in part of {partly} row(s); a modality is present "
            "as a whole or missing as a whole. Impute it (for example with ModalityTransformer "
            "and SimpleImputer), or set the whole row of the modality to NaN."
        )
    if missing == "error":
        raise MissingModalityError(
            f"`X` modality {name!r} contains NaN in all values of {int(absent.sum())} row(s): it "
            "is missing there. Fit with `missing='mask'` to train and predict with what is present."
        )
    return ~absent


def _refuse_unequal_lengths(arrays: dict[str, Any]) -> None:
    lengths = {name: array.shape[0] for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        listing = ", ".join(f"{name!r} has {n}" for name, n in lengths.items())
        raise ValueError(f"`X` modalities must have the same number of samples; {listing}.")


def _refuse_empty_rows(present: np.ndarray, keep_all_missing: bool) -> None:
    empty = int((~present.any(axis=1)).sum())
    if empty and not keep_all_missing:
        raise MissingModalityError(
            f"`X` has {empty} row(s) in which every modality is missing (NaN); drop them: there is "
            "nothing to learn or predict from."
        )


def _refuse_absent_modality(present: np.ndarray, names: list[str]) -> None:
    for name, somewhere in zip(names, present.any(axis=0), strict=True):
        if not somewhere:
            raise MissingModalityError(
                f"`X` modality {name!r} is missing in every row; leave it out of `fit`."
            )


# -- what fit saw ---------------------------------------------------------------------------


def _new_spec(
    arrays: dict[str, Any],
    feature_names: np.ndarray | None,
    columns: dict[str, np.ndarray] | None,
    X: Any,
) -> InputSpec:
    shapes = {name: tuple(array.shape[1:]) for name, array in arrays.items()}
    if columns is None:
        n_features = sum(int(np.prod(shape)) for shape in shapes.values())
    else:
        n_features = np.shape(X)[1]
    return InputSpec(shapes, n_features, feature_names, columns)


def _feature_names(value: Any) -> list[str] | None:
    if isinstance(value, pd.DataFrame) and all(isinstance(c, str) for c in value.columns):
        return list(value.columns)
    return None


def _joined_feature_names(raw: dict[str, Any]) -> np.ndarray | None:
    """``modality__feature`` if every modality names its features, else None."""
    joined: list[str] = []
    for name in sorted(raw):
        features = _feature_names(raw[name])
        if features is None:
            return None
        joined += [f"{name}__{feature}" for feature in features]
    return np.asarray(joined, dtype=object)


def _compare_with_fit(raw: dict[str, Any], arrays: dict[str, Any], spec: InputSpec) -> None:
    for name, array in arrays.items():
        shape = tuple(array.shape[1:])
        if shape != spec.shapes[name]:
            raise ValueError(
                f"`X` modality {name!r} has shape {shape} per sample, but {spec.shapes[name]} was "
                "seen in fit."
            )
    if spec.columns is not None or spec.feature_names_in is None:
        return
    for name, value in raw.items():
        features = _feature_names(value)
        seen = [f for f in spec.feature_names_in if f.startswith(f"{name}__")]
        if features is not None and [f"{name}__{f}" for f in features] != seen:
            raise ValueError(
                f"`X` modality {name!r} has features {features}, but fit saw "
                f"{[f.split('__', 1)[1] for f in seen]}: the same names in the same order are "
                "needed."
            )
