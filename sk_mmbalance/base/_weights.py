"""Weights of rows and classes, and what meets the data first."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils import compute_class_weight, get_tags

from .._sklearn import check_sample_weight
from ..modalities import CheckedModalities
from ._column import as_array, is_unknown, refuse_unknown
from ._parameters import is_real
from ._target import ClassTarget, Target


def read_weights(
    sample_weight: Any,
    checked: CheckedModalities,
    target: Target,
    coded: np.ndarray,
    class_weight: Any = None,
) -> np.ndarray | None:
    """Weight of every row in the precision of the data, class weights folded in; None if all 1.

    Rows without label keep their own weight: they have no class.
    """
    if sample_weight is None and class_weight is None:
        return None
    shape = as_array(sample_weight, "sample_weight").shape
    if sample_weight is not None and not shape and not is_real(sample_weight):
        raise TypeError(
            "`sample_weight` must be None, a number or one weight a row; got "
            f"{type(sample_weight).__name__}."
        )
    if shape and shape != (checked.n_samples,):
        raise ValueError(
            f"`sample_weight` must have one weight a row, shape ({checked.n_samples},); got "
            f"shape {shape}."
        )
    if shape:
        sample_weight = read_weight_numbers(sample_weight)
    if sample_weight is not None and not np.any(sample_weight):
        raise ValueError("`sample_weight` is zero for every sample; at least one must be positive.")
    dtype = np.result_type(np.float32, *(a.dtype for a in checked.arrays.values()))
    weights = check_sample_weight(
        sample_weight, coded, dtype=dtype, ensure_non_negative=True, copy=True
    )
    if class_weight is None:
        return weights
    if not isinstance(target, ClassTarget):
        raise ValueError(
            "`class_weight` needs one class a row, and `y` has several labels. Set "
            "`class_weight=None`, or wrap this classifier: "
            "sklearn.multioutput.MultiOutputClassifier."
        )
    known = target.is_known(coded)
    per_class = weight_of_classes(
        class_weight,
        target.classes,
        target.labels(coded[known]),
        None if sample_weight is None else np.asarray(sample_weight)[known],
    )
    weights[known] = weights[known] * per_class[coded[known]].astype(dtype)
    if not weights.any():
        raise ValueError("`class_weight` and `sample_weight` leave no row with a positive weight.")
    return weights


def weight_of_classes(
    class_weight: Any, classes: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None
) -> np.ndarray:
    """Weight of every class, of shape (n_classes,); those of rows count where it is "balanced".

    Raises
    ------
    ValueError
        If weights are no finite numbers of at least 0, or belong to other classes.
    """
    _refuse_bad_class_weight(class_weight)
    balanced = isinstance(class_weight, str) and class_weight == "balanced"
    try:
        return compute_class_weight(
            class_weight, classes=classes, y=y, sample_weight=sample_weight if balanced else None
        )
    except ValueError as error:
        raise ValueError(
            f"`class_weight`={class_weight!r} does not fit the classes {classes.tolist()}: {error}."
        ) from error


def read_weight_numbers(sample_weight: Any) -> np.ndarray:
    """Weights of rows as they came, which must be known, finite numbers."""
    given = np.asarray(sample_weight)
    refuse_unknown(
        given,
        is_unknown(given, sample_weight),
        "sample_weight",
        "weight",
        "Leave these rows out, or give them weight 0.",
    )
    must = "`sample_weight` must hold finite numbers of at least 0; got"
    if given.dtype.kind not in "biuf":
        if given.dtype.kind in "cmM":
            raise ValueError(f"{must} values of type {given.dtype}.")
        try:
            given = given.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{must} values of type {given.dtype}: {error}.") from error
    for wrong in given[~np.isfinite(given)][:1]:
        raise ValueError(f"{must} {wrong}. Give such rows weight 0, or leave them out.")
    return given


def _refuse_bad_class_weight(class_weight: Any) -> None:
    if not isinstance(class_weight, Mapping):
        return
    for label, weight in class_weight.items():
        if not (isinstance(weight, Real) and 0 <= float(weight) < float("inf")):
            raise ValueError(
                f"`class_weight` must hold finite numbers of at least 0; got {weight!r} for class "
                f"{label!r}."
            )


def first_step(estimator: Any) -> Any:
    """What meets the data first: of a pipeline, its first step. None if there is none."""
    while isinstance(estimator, Pipeline):
        steps = [step for _, step in estimator.steps if step not in (None, "passthrough")]
        estimator = steps[0] if steps else None
    return estimator


def first_tags(estimator: Any) -> Any:
    """Tags of what meets the data first. None if there are none."""
    first = first_step(estimator)
    return get_tags(first) if hasattr(first, "__sklearn_tags__") else None
