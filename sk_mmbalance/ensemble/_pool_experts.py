"""Experts of an opinion pool: what was asked for, checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..experts import Admission, NamedExpert
from ..modalities import CheckedModalities
from ._pool_budget import too_dear
from ._pool_memory import megabytes_beside


@dataclass(frozen=True, eq=False)
class ChosenExperts:
    """Experts, and what is known of their cost.

    Attributes
    ----------
    named : list of NamedExpert
        The experts.
    seconds : dict of str to float
        Reckoned seconds of one fit, of the default experts.
    left_out : dict of str to str
        Why an expert is not among them, by its name.
    """

    named: list[NamedExpert]
    seconds: dict[str, float] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def auto_experts(
    checked: CheckedModalities,
    models_for: Callable[[int, bool, float], Admission],
    n_fits: int,
    unlimited: bool = False,
    admit_more: Callable[[Admission], None] | None = None,
) -> ChosenExperts:
    """The default experts on every modality, and on all of them where there are several.

    Those on all are content with any of them where rows are incomplete. Where no row has a
    modality, there is nothing to fit its own experts on.

    Parameters
    ----------
    checked : CheckedModalities
        What `fit` was given.
    models_for : callable
        Which unfitted estimators a number of columns gets, whether rows may lack some of them,
        and megabytes that are taken beside them.
    n_fits : int
        How often each is fitted.
    unlimited : bool
        Whether no time is too long.
    admit_more : callable, default=None
        Admits further estimators to all modalities.

    Raises
    ------
    ValueError
        If a limit of memory leaves none.
    """
    names = checked.names
    blocks: dict[str, tuple[str, ...]] = {name: (name,) for name in names}
    if len(names) > 1:
        blocks[label_of_all(names)] = names
    sizes = {name: int(np.prod(shape)) for name, shape in checked.spec.shapes.items()}
    found = ChosenExperts([])
    too_large: list[float] = []
    for label, modalities in blocks.items():
        # one on all modalities would lack something in many a row: it makes do with what is there
        any_of = len(modalities) > 1 and checked.has_missing
        beside = megabytes_beside(checked, modalities)
        admitted = models_for(sum(sizes[m] for m in modalities), any_of, beside)
        if admit_more is not None and modalities == names:
            admit_more(admitted)
        experts = [
            NamedExpert(f"{label}: {kind}", model, modalities, any_of=any_of)
            for kind, model in admitted.models.items()
        ]
        if experts and not experts[0].available(checked.present, names).any():
            continue
        too_large.extend(admitted.too_large.values())
        found.named.extend(experts)
        found.seconds.update({f"{label}: {kind}": s for kind, s in admitted.seconds.items()})
        found.left_out.update({f"{label}: {kind}": s for kind, s in admitted.left_out.items()})
    if not found.named and too_large:
        raise ValueError(
            "`memory_limit` leaves no default expert: the fit that takes least would take about "
            f"{min(too_large):.3g} MB beside its input. Raise it, or name your own `experts`."
        )
    return found if unlimited else _affordable(found, n_fits)


def label_of_all(names: tuple[str, ...]) -> str:
    """Prefix of the experts on all modalities, a longer one where a modality is called so."""
    label = "all" if "all" not in names else "all modalities"
    while label in names:
        label += " together"
    return label


def _affordable(found: ChosenExperts, n_fits: int) -> ChosenExperts:
    """Without those that are too dear where all take too long together."""
    dear = too_dear(found.named, {name: n_fits * s for name, s in found.seconds.items()})
    named = [expert for expert in found.named if expert.name not in dear]
    return replace(found, named=named, left_out={**found.left_out, **dear})


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
            "`experts` must be 'auto', 'auto+nets', a dict of name to estimator or (estimator, "
            f"modalities), or a list of (name, estimator, modalities); got {experts!r}."
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
