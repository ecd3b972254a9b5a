"""`check_modalities`: the one place that looks at input."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from scipy.sparse import issparse

from ..exceptions import MissingModalityError
from ._checked import CheckedModalities
from ._forms import read_forms
from ._missing import missing_values
from ._numeric import read_numbers, says_nothing_of_its_rows
from ._sequences import Numbers, n_with_gaps, padded_lengths
from ._spec import ANY_LENGTH, InputSpec, compare_with_fit, new_spec


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
    accept_lengths: bool = False,
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
    accept_lengths : bool, default=False
        Whether sequences may have unequal lengths: given as a list (or object array) of arrays of
        shape (time, features), or as one array in which NaN fills them up at the end.

    Returns
    -------
    CheckedModalities
        Contiguous arrays, presence, and the specification of the input.

    Raises
    ------
    TypeError
        For a list of arrays, a name that is no string, or data of no numeric kind (dates, text,
        objects), by the name of the column if it has one.
    ValueError
        For anything else that cannot be used; the message names what came and the remedy.
    """
    if not (isinstance(missing, str) and missing in ("error", "mask")):
        raise ValueError(f"`missing` must be 'error' or 'mask'; got {missing!r}.")
    forms = read_forms(
        X,
        estimator=estimator,
        spec=spec,
        modalities=modalities,
        accept_sparse=accept_sparse,
        as_arrays=True,
    )
    raw = {n: value for n, value in forms.values.items() if only is None or n in only}
    lacking = [] if spec is None else [name for name in spec.names if name not in raw]
    needed = lacking if only is None else [name for name in lacking if name in only]
    if needed and (missing != "mask" or not raw):
        raise MissingModalityError(
            f"`X` lacks modality {', '.join(map(repr, needed))} seen in fit; got "
            f"{list(forms.values)}. Pass it, or fit with `missing='mask'`."
        )
    known = () if spec is None else spec.sequences
    read = {
        name: read_numbers(name, raw[name], estimator, accept_sparse, name in known)
        for name in sorted(raw)
    }
    arrays = {name: numbers.array for name, numbers in read.items()}
    if spec is not None:
        for name in arrays:
            if says_nothing_of_its_rows(raw[name], read[name]):
                shape = (len(arrays[name]), *spec.shapes[name])
                read[name] = Numbers(np.full(shape, np.nan, arrays[name].dtype))
                arrays[name] = read[name].array
    _refuse_unequal_lengths(arrays)
    n_samples = next(iter(arrays.values())).shape[0]
    lengths = {}
    for name, numbers in read.items():
        if accept_lengths:
            numbers = _with_lengths(numbers, name in known)
            arrays[name] = numbers.array
        if numbers.lengths is not None:
            if not accept_lengths:
                _refuse_lengths(name, numbers.lengths, estimator)
            lengths[name] = numbers.lengths
    shapes = {name: tuple(array.shape[1:]) for name, array in arrays.items()}
    labels = {name: n.names or forms.feature_names.get(name) for name, n in read.items()}
    fitting = spec is None
    if spec is None:
        spec = new_spec(forms, shapes, labels, tuple(lengths))
    else:
        _refuse_new_lengths(lengths, spec)
        compare_with_fit(shapes, labels, spec)
        for name in lacking:
            dtype = np.result_type(*(a.dtype for a in arrays.values()))
            arrays[name] = np.full((n_samples, *spec.shapes[name]), np.nan, dtype=dtype)
            if name in known:
                lengths[name] = np.zeros(n_samples, dtype=int)
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
    return CheckedModalities(arrays, present, spec, on_disk, lengths)


# -- sequences of unequal length -------------------------------------------------------------


def _with_lengths(numbers: Numbers, known: bool) -> Numbers:
    """Lengths of sequences that NaN fills up, and of sequences that are all as long here."""
    array, lengths = numbers.array, numbers.lengths
    if issparse(array) or array.ndim < 3:
        return numbers
    # NaN at the end of a row is no step in a list either
    filled_up = array if lengths is None else np.where(_beyond(array, lengths), np.nan, array)
    found = padded_lengths(filled_up) if np.isnan(filled_up).any() else None
    if found is not None and (known or (found[found > 0] < array.shape[1]).any()):
        lengths = found
        longest = max(1, int(lengths.max(initial=0)))  # more padding says nothing
        array = array[:, :longest].copy()  # it may be the user's own
        array[(np.arange(longest) >= lengths[:, None]) & (lengths > 0)[:, None]] = 0
    elif known and found is None:
        lengths = np.full(len(array), array.shape[1])
    return Numbers(array, numbers.names, lengths)


def _beyond(array: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Steps behind the end of their sequence, in a form that broadcasts over `array`."""
    beyond = np.arange(array.shape[1]) >= lengths[:, None]
    return beyond.reshape(*beyond.shape, *[1] * (array.ndim - 2))


def _refuse_lengths(name: str, lengths: np.ndarray, estimator: Any) -> None:
    there = lengths[lengths > 0]
    who = "what reads it" if estimator is None else type(estimator).__name__
    raise ValueError(
        f"`X` modality {name!r} has sequences of unequal length ({there.min()} to {there.max()} "
        f"steps), and {who} would take padding for data. Cut them to one length, make a vector of "
        "each (means, extremes, a spectrum), or use a network (MultimodalClassifier), which heeds "
        "lengths."
    )


def _refuse_new_lengths(lengths: dict[str, np.ndarray], spec: InputSpec) -> None:
    for name in lengths:
        if name not in spec.sequences:
            raise ValueError(
                f"`X` modality {name!r} has sequences of unequal length, but all that fit saw had "
                f"the shape {spec.shapes[name]}.{ANY_LENGTH}"
            )


# -- missing rows ----------------------------------------------------------------------------


_ONE_COLUMN = (
    " (A modality of one column is missing wherever its only value is, and ModalityTransformer "
    "leaves missing rows as they are: to impute it, impute it beforehand, or put it into one "
    "modality with other columns.)"
)


def _presence(name: str, array: Any, missing: str) -> np.ndarray:
    values = array.data if issparse(array) else array
    with np.errstate(over="ignore", invalid="ignore"):
        finite = bool(np.isfinite(np.sum(values)))
    n_samples = array.shape[0]
    if finite:
        return np.ones(n_samples, dtype=bool)
    if np.isinf(values).any():
        raise ValueError(
            f"`X` modality {name!r} contains infinity. Remove the row or correct the value."
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
    if partly and padded_lengths(array) is not None:
        raise ValueError(
            f"`X` modality {name!r} contains NaN in part of {partly} row(s), always at the end: "
            "these look like sequences padded to one length, and padding would be taken for data. "
            "Cut them to one length, make a vector of each (means, extremes, a spectrum), or use a "
            "network (MultimodalClassifier), which heeds lengths."
        )
    if partly:
        partly = partly if array.ndim < 3 else n_with_gaps(array)
        raise ValueError(
            f"`X` modality {name!r} contains NaN in part of {partly} row(s); a modality is present "
            f"as a whole or missing as a whole. Impute it (for example with {_imputer(array)} in "
            "ModalityTransformer), or set the whole row of the modality to NaN."
        )
    if missing == "error":
        raise MissingModalityError(
            f"`X` modality {name!r} contains NaN in all values of {int(absent.sum())} row(s): it "
            "is missing there. Fit with `missing='mask'` to train and predict with what is present."
            + (_ONE_COLUMN if array.size == n_samples else "")
        )
    return ~absent


def _imputer(array: np.ndarray) -> str:
    return "StepTransformer(SimpleImputer())" if array.ndim == 3 else "SimpleImputer()"


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
