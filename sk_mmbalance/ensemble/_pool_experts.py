"""Experts of an opinion pool: what was asked for, checked, and the input each of them gets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from ..base import ModalityEstimator
from ..modalities import CheckedModalities, Modalities
from ._auto_experts import auto_classifiers
from ._expert import or_default

#: Prefix of the experts on all modalities; the longer one where a modality is called "all".
ALL = ("all", "all modalities")


@dataclass(frozen=True)
class NamedExpert:
    """An unfitted classifier, its name, and the modalities it sees.

    Attributes
    ----------
    name : str
        Its name in tables.
    estimator : classifier
        Not fitted.
    modalities : tuple of str
        Sorted names.
    """

    name: str
    estimator: Any
    modalities: tuple[str, ...]

    @property
    def takes_names(self) -> bool:
        """Whether it takes modalities by name; any other classifier gets one flat table."""
        first = self.estimator
        while isinstance(first, Pipeline):
            first = first.steps[0][1]
        return isinstance(first, ModalityEstimator)

    @property
    def needs_all(self) -> bool:
        """Whether it needs all its modalities in a row, or any of them is enough."""
        if not self.takes_names:
            return True
        steps = [self.estimator]
        while isinstance(steps[0], Pipeline):
            steps = [step for _, step in steps[0].steps] + steps[1:]
        ours = [step for step in steps if isinstance(step, ModalityEstimator)]
        return any(step.missing != "mask" for step in ours)


def auto_experts(
    checked: CheckedModalities, n_rows: int, n_classes: int, random_state: Any
) -> list[NamedExpert]:
    """The default classifiers on every modality, and on all of them where there are several.

    Where no row has all modalities, or none has one of them, there is nothing to fit these on.
    """
    names = checked.names
    blocks: dict[str, tuple[str, ...]] = {name: (name,) for name in names}
    if len(names) > 1:
        blocks[next(label for label in ALL if label not in names)] = names
    sizes = {name: int(np.prod(shape)) for name, shape in checked.spec.shapes.items()}
    found = [
        NamedExpert(f"{label}: {kind}", model, modalities)
        for label, modalities in blocks.items()
        for kind, model in auto_classifiers(
            n_rows, sum(sizes[m] for m in modalities), n_classes, random_state
        ).items()
    ]
    return [expert for expert in found if available(expert, checked.present, names).any()]


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
    """The parameter `experts` with another classifier under a name."""
    if isinstance(experts, Mapping):
        old = experts[name]
        return {**experts, name: (model, old[1]) if isinstance(old, tuple) else model}
    return [(item[0], model, *item[2:]) if item[0] == name else item for item in experts]


def _pair(value: Any) -> tuple[Any, Any]:
    if isinstance(value, tuple) and len(value) == 2:
        return value
    return value, None


def read_experts(experts: Any, names: tuple[str, ...]) -> list[NamedExpert]:
    """Experts sorted by name, each with its modalities; None stands for all of them."""
    read = []
    for name, given, modalities in sorted(given_experts(experts), key=lambda item: item[0]):
        model = or_default(given)
        wanted = list(names) if modalities is None else modalities
        wanted = [wanted] if isinstance(wanted, str) else list(wanted)
        unknown = sorted(set(wanted) - set(names), key=str)
        if unknown or not wanted:
            raise ValueError(
                f"`experts` asks for modalities {unknown or wanted} for {name!r}; the modalities "
                f"are {list(names)}. Name at least one of them, or None for all."
            )
        lacking = [m for m in ("fit", "predict", "predict_proba") if not hasattr(model, m)]
        if isinstance(model, type) or lacking:
            what = "is a class" if isinstance(model, type) else f"has no {lacking[0]}"
            raise TypeError(
                f"`experts` must be classifier instances with predict_proba; {model!r} for "
                f"{name!r} {what}. A classifier without probabilities gets them from "
                "CalibratedClassifierCV."
            )
        read.append(NamedExpert(name, model, tuple(sorted(set(wanted)))))
    return read


def expert_views(checked: CheckedModalities, experts: list[NamedExpert]) -> CheckedModalities:
    """The input as the experts see it: one entry by name of expert instead of modality.

    Experts on the same modalities share one array. An entry is present in rows that have all the
    expert's modalities, or any of them where the expert copes with missing ones.
    """
    tables: dict[tuple[str, ...], Any] = {}
    arrays: dict[str, Any] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    present = []
    for expert in experts:
        chosen = expert.modalities
        if expert.takes_names:
            arrays[expert.name] = Modalities({name: checked.arrays[name] for name in chosen})
        else:
            if chosen not in tables:
                tables[chosen] = _table(checked, chosen)
            arrays[expert.name] = tables[chosen]
        present.append(available(expert, checked.present, checked.names))
        shapes[expert.name] = (sum(int(np.prod(checked.spec.shapes[m])) for m in chosen),)
    spec = replace(
        checked.spec, shapes=shapes, columns=None, feature_names={}, feature_names_in=None
    )
    return replace(checked, arrays=arrays, present=np.column_stack(present), spec=spec)


def available(expert: NamedExpert, present: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """Rows of `present` (one column a modality) in which the expert has its input."""
    columns = present[:, [names.index(name) for name in expert.modalities]]
    return np.asarray(columns.all(axis=1) if expert.needs_all else columns.any(axis=1))


def _table(checked: CheckedModalities, names: tuple[str, ...]) -> np.ndarray:
    if len(names) == 1:
        return checked.arrays[names[0]]  # whole: some classifiers take images as they are
    return np.concatenate([checked.flat(name) for name in names], axis=1)
