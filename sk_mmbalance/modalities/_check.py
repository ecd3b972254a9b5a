"""`check_modalities`: the one place that looks at input."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_array

from ..exceptions import MissingModalityError
from ._checked import CheckedModalities
from ._container import LazyRows
from ._forms import read_forms
from ._missing import missing_values
from ._spec import InputSpec, compare_with_fit, new_spec

# Exact in float32; a float64 copy of images would take twice to eight times the memory.
_SMALL_DTYPES = {np.dtype(t) for t in ("bool", "int8", "uint8", "int16", "uint16", "float16")}


def check_modalities(
    X: Any,
    *,
    estimator: Any = None,
    spec: InputSpec | None = None,
    modalities: Any = None,
    missing: str = "error",
    accept_sparse: bool = False,
    keep_all_missing: bool = False,
    keep_absent: bool = False,
    only: Collection[str] | None = None,
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
    keep_absent : bool, default=False
        Whether, in `fit`, all rows may lack a modality, as at one of several clients.
    only : collection of str, default=None
        Names of the modalities that are looked at, where not all are used. Others count as missing
        in every row, whatever stands there.

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
    forms = read_forms(
        X, estimator=estimator, spec=spec, modalities=modalities, accept_sparse=accept_sparse
    )
    raw = {n: value for n, value in forms.values.items() if only is None or n in only}
    lacking = [] if spec is None else [name for name in spec.names if name not in raw]
    needed = lacking if only is None else [name for name in lacking if name in only]
    if needed and (missing != "mask" or not raw):
        raise MissingModalityError(
            f"`X` lacks modality {', '.join(map(repr, needed))} seen in fit; got "
            f"{list(forms.values)}. Pass it, or fit with `missing='mask'`."
        )
    arrays = {name: _numeric(name, raw[name], estimator, accept_sparse) for name in sorted(raw)}
    _refuse_unequal_lengths(arrays)
    n_samples = next(iter(arrays.values())).shape[0]
    fitting = spec is None
    if spec is None:
        spec = new_spec(forms, arrays)
    else:
        compare_with_fit(raw, arrays, spec)
        for name in lacking:
            dtype = np.result_type(*(a.dtype for a in arrays.values()))
            arrays[name] = np.full((n_samples, *spec.shapes[name]), np.nan, dtype=dtype)
        arrays = {name: arrays[name] for name in spec.names}
    unseen = set() if only is None else set(arrays) - set(only)
    present = np.column_stack(
        [
            np.zeros(n_samples, dtype=bool)
            if name in unseen
            else _presence(name, arrays[name], missing)
            for name in arrays
        ]
    )
    if missing == "mask":
        _refuse_empty_rows(present, keep_all_missing)
        if fitting and not keep_absent:
            _refuse_absent_modality(present, list(arrays))
    on_disk = any(isinstance(value, np.memmap) for value in raw.values())
    return CheckedModalities(arrays, present, spec, on_disk)


# -- values --------------------------------------------------------------------------------


def _numeric(name: str, value: Any, estimator: Any, accept_sparse: bool) -> Any:
    """Read a modality as a C-contiguous float array (or CSR matrix)."""
    if isinstance(value, LazyRows):
        value = value.read()
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
        kind = TypeError if isinstance(error, TypeError) else ValueError
        if isinstance(dtype, np.dtype) and dtype.kind in "OUS":
            raise kind(
                f"`X` modality {name!r} must be numeric; got dtype {dtype} ({error}). Encode it "
                "first, for example with ModalityTransformer."
            ) from error
        raise kind(f"`X` modality {name!r} cannot be used: {error}") from error
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
    absent = np.asarray(flags.all(axis=1))
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
    for name, column in zip(names, present.T, strict=True):
        if not column.any():
            raise MissingModalityError(
                f"`X` modality {name!r} is missing in every row; leave it out of `fit`."
            )
