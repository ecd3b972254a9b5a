"""What a stage is: its declaration, and its place in the chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import get_tags

from ..experts import NamedExpert, default_classifier, why_no_estimator
from ..modalities import CheckedModalities

_FORM = "(name, estimator, modalities, cost)"


@dataclass(frozen=True)
class Stage:
    """One entry of ``stages``, read.

    Attributes
    ----------
    name : str
        Name, by which parameters are nested.
    estimator : estimator or None
        Classifier; None for the default one.
    modalities : tuple of str
        What the stage acquires, in the order given.
    cost : float or None
        Cost of a row that runs the stage; None to count the features it acquires.
    """

    name: str
    estimator: Any
    modalities: tuple[str, ...]
    cost: float | None


@dataclass(frozen=True)
class PlacedStage:
    """A stage at its place in a chain.

    Attributes
    ----------
    stage : Stage
        The declaration.
    estimator : estimator
        Classifier to fit (not yet cloned).
    inputs : tuple of str
        Sorted names of all modalities that the estimator is given.
    required : tuple of str
        Those without which a row cannot run the stage, in the order of acquisition.
    cost : float
        Cost of a row that runs the stage.
    """

    stage: Stage
    estimator: Any
    inputs: tuple[str, ...]
    required: tuple[str, ...]
    cost: float

    @property
    def name(self) -> str:
        """Name of the stage."""
        return self.stage.name

    @property
    def expert(self) -> NamedExpert:
        """The stage as an expert."""
        return NamedExpert(
            self.name, self.estimator, self.inputs, self.required, role="`stages` estimator"
        )


# -- declaration -------------------------------------------------------------------------------


def read_stages(stages: Any, checked: CheckedModalities) -> list[Stage]:
    """Stages as declared; by default one per modality in order of feature count."""
    if stages is None:
        names = sorted(checked.names, key=lambda name: (n_features(checked, name), name))
        return [Stage(name, None, (name,), None) for name in names]
    if isinstance(stages, str) or not isinstance(stages, Sequence):
        raise TypeError(f"`stages` must be a list of {_FORM}; got {type(stages).__name__}.")
    read = [_read_stage(entry, checked) for entry in stages]
    kept = [stage for stage in read if not isinstance(stage.estimator, str)]
    if not kept:
        raise ValueError(f"`stages` must hold at least one {_FORM}; got {stages!r}.")
    return kept


def _read_stage(entry: Any, checked: CheckedModalities) -> Stage:
    if isinstance(entry, str) or not isinstance(entry, Sequence) or len(entry) != 4:
        raise ValueError(f"`stages` must be a list of {_FORM}; got the entry {entry!r}.")
    name, estimator, modalities, cost = entry
    if not isinstance(name, str):
        raise TypeError(f"`stages` names must be strings; got {name!r}.")
    if isinstance(estimator, str):
        if estimator != "drop":
            raise ValueError(
                f"`stages` estimator of {name!r} must be a classifier, None or 'drop'; got "
                f"{estimator!r}."
            )
    else:
        refuse_no_classifier(f"`stages` estimator of {name!r}", estimator, " or 'drop'")
    chosen = (modalities,) if isinstance(modalities, str) else tuple(modalities)
    unknown = sorted(set(chosen) - set(checked.names))
    if unknown or not chosen or len(set(chosen)) < len(chosen):
        raise ValueError(
            f"`stages` entry {name!r} must name modalities of `X`, each once; got "
            f"{list(chosen)}, known are {list(checked.names)}."
        )
    return Stage(name, estimator, chosen, read_cost(cost, f"`stages` cost of {name!r}"))


def refuse_no_classifier(what: str, estimator: Any, besides: str = "") -> None:
    """Raise for a stage's estimator that is none, unless it is None; `what` names it."""
    wrong = None if estimator is None else why_no_estimator(estimator)
    if wrong is not None:
        raise TypeError(
            f"{what} must be a classifier with fit, None (a logistic regression){besides}; "
            f"{estimator!r} {wrong}."
        )


def read_cost(cost: Any, what: str) -> float | None:
    """A cost as a float; None for the number of features."""
    if cost is None:
        return None
    if isinstance(cost, bool) or not isinstance(cost, Real) or not 0 <= float(cost) < np.inf:
        raise ValueError(
            f"{what} must be a finite number >= 0, or None for the number of features; got "
            f"{cost!r}."
        )
    return float(cost)


def n_features(checked: CheckedModalities, name: str) -> int:
    """Number of values that a sample has in a modality."""
    return int(np.prod(checked.spec.shapes[name]))


def place(
    stages: Sequence[Stage], checked: CheckedModalities, accumulate: bool
) -> list[PlacedStage]:
    """Stages in the order given, with their inputs and costs.

    A cost of None counts the features that no earlier stage has acquired.
    """
    placed = []
    acquired: dict[str, None] = {}  # an ordered set
    for stage in stages:
        own = dict.fromkeys(stage.modalities)
        inputs = acquired | own if accumulate else own
        estimator = stage.estimator
        if estimator is None:
            sparse = any(issparse(checked.arrays[name]) for name in inputs)
            estimator = default_classifier(scaled=True, sparse=sparse)
        cost = stage.cost
        if cost is None:
            cost = float(sum(n_features(checked, name) for name in own if name not in acquired))
        required = own if get_tags(estimator).input_tags.allow_nan else inputs
        placed.append(PlacedStage(stage, estimator, tuple(sorted(inputs)), tuple(required), cost))
        acquired |= own
    return placed
