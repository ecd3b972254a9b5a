"""Experts of an opinion pool: what was asked for, checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..experts import NamedExpert
from ..modalities import CheckedModalities

#: Prefix of the experts on all modalities; the longer one where a modality is called "all".
ALL = ("all", "all modalities")


def auto_experts(
    checked: CheckedModalities, models_for: Callable[[int], dict[str, Any]]
) -> list[NamedExpert]:
    """The default experts on every modality, and on all of them where there are several.

    Where no row has all modalities, or none has one of them, there is nothing to fit these on.

    Parameters
    ----------
    checked : CheckedModalities
        What `fit` was given.
    models_for : callable
        Unfitted estimators by name for a number of columns.
    """
    names = checked.names
    blocks: dict[str, tuple[str, ...]] = {name: (name,) for name in names}
    if len(names) > 1:
        blocks[next(label for label in ALL if label not in names)] = names
    sizes = {name: int(np.prod(shape)) for name, shape in checked.spec.shapes.items()}
    found = [
        NamedExpert(f"{label}: {kind}", model, modalities)
        for label, modalities in blocks.items()
        for kind, model in models_for(sum(sizes[m] for m in modalities)).items()
    ]
    return [expert for expert in found if expert.available(checked.present, names).any()]


def given_experts(experts: Any) -> list[tuple[str, Any, Any]]:
    """Read the parameter `experts` into (name, estimator, modalities), modalities maybe None."""
    if isinstance(experts, Mapping):
        pairs = [(name, *_pair(value)) for name, value in experts.items()]
    elif isinstance(experts, list | tuple):
        pairs = []
        for item in experts:
            if not (isinstance(item, list | tuple) and len(item) in (2, 3)):
                raise ValueError(
                    "`experts` as a list must hold (name, estimator) or (name, estimator, "
                    f"modalities); got {item!r}."
                )
            pairs.append((item[0], item[1], item[2] if len(item) == 3 else None))
    else:
        raise ValueError(
            "`experts` must be 'auto', a dict of name to estimator or (estimator, modalities), or "
            f"a list of (name, estimator, modalities); got {experts!r}."
        )
    names = [name for name, _, _ in pairs]
    if not names:
        raise ValueError("`experts` is empty; give at least one, or 'auto'.")
    if not all(isinstance(name, str) and name for name in names):
        raise TypeError(f"`experts` must have names that are strings; got {names}.")
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise ValueError(f"`experts` must have different names; {doubled} come twice.")
    return pairs


def replaced(experts: Any, name: str, model: Any) -> Any:
    """The parameter `experts` with another estimator under a name."""
    if isinstance(experts, Mapping):
        old = experts[name]
        return {**experts, name: (model, old[1]) if isinstance(old, tuple) else model}
    return [(item[0], model, *item[2:]) if item[0] == name else item for item in experts]


def _pair(value: Any) -> tuple[Any, Any]:
    if isinstance(value, tuple) and len(value) == 2:
        return value
    return value, None


def read_experts(
    experts: Any, names: tuple[str, ...], check: Callable[[str, Any], Any]
) -> list[NamedExpert]:
    """Experts sorted by name, each with its modalities; None stands for all of them.

    Parameters
    ----------
    experts : dict or list
        As given.
    names : tuple of str
        The modalities.
    check : callable
        ``check(name, estimator)`` returns the estimator, or a default for None, or raises.
    """
    read = []
    for name, given, modalities in sorted(given_experts(experts), key=lambda item: item[0]):
        wanted = list(names) if modalities is None else modalities
        wanted = [wanted] if isinstance(wanted, str) else list(wanted)
        unknown = sorted(set(wanted) - set(names), key=str)
        if unknown or not wanted:
            raise ValueError(
                f"`experts` asks for modalities {unknown or wanted} for {name!r}; the modalities "
                f"are {list(names)}. Name at least one of them, or None for all."
            )
        read.append(NamedExpert(name, check(name, given), tuple(sorted(set(wanted)))))
    return read
