"""Reading the parameters of `make_imbalanced_modalities`: a value may differ by modality."""

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

_RESERVED = ("joint", "observed")  # keys of `BayesRule.accuracy`


def read_names(modalities: Any) -> list[str]:
    """Read names, or make them up for a number of modalities."""
    if is_integer(modalities):
        if modalities < 1:
            raise ValueError(f"`modalities` must be at least 1, got {modalities}.")
        width = len(str(modalities - 1))  # so that the sorted order is the order of the numbers
        return [f"modality_{i:0{width}d}" for i in range(modalities)]
    names = [] if isinstance(modalities, str) else list(modalities)
    if not names or not all(isinstance(m, str) for m in names) or len(set(names)) < len(names):
        raise ValueError(
            f"`modalities` must be a number or a sequence of different names, got {modalities!r}."
        )
    reserved = sorted(set(names) & set(_RESERVED))
    if reserved:
        raise ValueError(
            f"`modalities` must not hold {reserved}: these are keys of the accuracies returned. "
            "Choose another name."
        )
    return names


def read_weights(weights: Sequence[float] | None, n_classes: int) -> np.ndarray:
    """Read class proportions; None means equal ones."""
    if weights is None:
        return np.full(n_classes, 1.0 / n_classes)
    priors = np.asarray(weights, dtype=float)
    if priors.shape != (n_classes,) or not (priors > 0).all() or abs(priors.sum() - 1) > 1e-8:
        raise ValueError(
            f"`weights` must be {n_classes} positive class proportions (`n_classes`={n_classes}) "
            f"that sum to 1, got {weights!r}."
        )
    return priors / priors.sum()


def per_modality(param: str, value: Any, names: list[str], default: Any, kind: type) -> dict:
    """Bring a number, a sequence or a dict to a dict by name."""
    if value is None:
        value = default
    if isinstance(value, Mapping):
        if set(value) != set(names):
            raise ValueError(
                f"`{param}` must name every modality once: expected {sorted(names)}, "
                f"got {sorted(map(str, value))}."
            )
        by_name = dict(value)
    elif isinstance(value, Real):
        by_name = dict.fromkeys(names, value)
    elif isinstance(value, Sequence | np.ndarray) and not isinstance(value, str):
        if len(value) != len(names):
            raise ValueError(
                f"`{param}` must have one value per modality ({names}), got {len(value)}: "
                f"{value!r}."
            )
        by_name = dict(zip(names, value, strict=True))
    else:
        raise TypeError(
            f"`{param}` must be a number, a sequence or a dict by modality, got {value!r}."
        )
    wanted = Integral if kind is int else Real
    for m, number in by_name.items():
        if not isinstance(number, wanted) or isinstance(number, bool):
            raise TypeError(
                f"`{param}` must be of type {kind.__name__} for modality '{m}', got {number!r}."
            )
    return {m: kind(number) for m, number in by_name.items()}


def check_ranges(
    n_classes: int,
    informative: dict[str, int],
    uninformative: dict[str, int],
    tau: dict[str, float],
    rho: dict[str, float],
    missing: dict[str, float],
) -> None:
    """Refuse values out of range, by the parameter's public name."""
    for m in informative:
        if informative[m] != 0 and informative[m] < n_classes - 1:
            raise ValueError(
                f"`n_informative` must be 0 or at least `n_classes` - 1 = {n_classes - 1} (the "
                f"dimension of the simplex of class means), got {informative[m]} for '{m}'."
            )
        if uninformative[m] < 0 or informative[m] + uninformative[m] < 1:
            raise ValueError(
                f"Modality '{m}' would have {informative[m]} + {uninformative[m]} features; raise "
                "`n_informative` or `n_uninformative`, which must not be negative."
            )
        if not 0.0 < tau[m] < np.inf:
            raise ValueError(f"`noise` must be positive and finite, got {tau[m]} for '{m}'.")
        if not 0.0 <= rho[m] <= 1.0:
            raise ValueError(f"`redundancy` must be from 0 to 1, got {rho[m]} for '{m}'.")
        if not 0.0 <= missing[m] < 1.0:
            raise ValueError(
                f"`missing_rate` must be at least 0 and below 1, got {missing[m]} for '{m}'."
            )


def is_integer(value: Any) -> bool:
    """Tell whether a value is an integer of any kind, but no bool."""
    return isinstance(value, Integral) and not isinstance(value, bool)
