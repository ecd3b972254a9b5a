"""The models of the house: baselines, networks, balancing methods, and the pool."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge

from ..ensemble import (
    LateFusionClassifier,
    LateFusionRegressor,
    OpinionPoolClassifier,
    OpinionPoolRegressor,
    UnimodalClassifier,
    UnimodalRegressor,
)
from ..preprocessing import ModalityConcatenator
from ._candidate import BASELINE, METHOD, NETWORK, POOL
from ._problem import CLASSES, LABELS, NUMBERS, Problem

#: Learning rates among which networks and methods choose; the first is the default.
_RATES = [1e-3, 5e-3]
#: Boosted trees take part up to so many columns and classes, as in the opinion pool: beyond, they
#: take longer than all others together.
_MOST_COLUMNS_OF_TREES, _MOST_CLASSES_OF_TREES = 100, 20
#: The baselines without a network by what they cost, from one fit a setting to several a modality.
CHEAPEST_FIRST = (
    "concatenation",
    "late fusion",
    "boosted trees",
    "best single modality",
    "stacking",
)
#: Methods that take part by default, the cheapest first, by their classes. In the pilot of all
#: methods (``benchmarks/zoo.py``) scores hardly differed, so these are chosen for the different
#: things they do (boosting of modalities, alignment of what they learn, guidance by the surer one,
#: choice of inputs, modulated gradients, alternation) at about twice the joint network's time.
_BY_DEFAULT = ("ReconBoost", "LFM", "NegativeLearning", "DataRemixing", "OGM", "MLA")
#: Takes part as well where rows lack modalities: it is trained for that.
_FOR_MISSING = "ModalityDropout"
#: Methods that tables call otherwise than by their classes.
_CALLED = {
    "DataRemixing": "data remixing",
    "GradientBlending": "gradient blending",
    "ModalityDropout": "modality dropout",
    "NegativeLearning": "negative learning",
    "SustainedBoosting": "sustained boosting",
}


class Model(NamedTuple):
    """A model before preparation is put in front of it.

    Attributes
    ----------
    name, kind : str
        What tables call it, and what it is.
    steps : list
        Estimators, one after another; the last one predicts.
    grid : dict of str to list
        Settings of the last one, among which inner folds choose.
    """

    name: str
    kind: str
    steps: list[Any]
    grid: dict[str, list[Any]]


def baselines(problem: Problem) -> list[Model]:
    """Those without a network: single, fused late in two ways, and all columns side by side."""
    shared = _shared(problem)
    if problem.kind == NUMBERS:
        linear, unimodal, late = Ridge(), UnimodalRegressor, LateFusionRegressor
        grid = {"estimator__alpha": [1.0, 10.0, 100.0]}
        fused: dict[str, list[Any]] = {**grid, "weights": ["uniform", "cv"]}
    else:
        linear = LogisticRegression(max_iter=1000)
        unimodal, late = UnimodalClassifier, LateFusionClassifier
        grid = {"estimator__C": [0.1, 1.0, 10.0]}
        fused = grid
    # several labels on one table: one model each, and the prior of a label that does not vary
    alone = unimodal(linear) if problem.kind == LABELS else linear
    own = grid if problem.kind == LABELS else {k.rpartition("__")[2]: v for k, v in grid.items()}
    found = [
        Model("best single modality", BASELINE, [unimodal(linear, cv=3, **shared)], grid),
        Model("late fusion", BASELINE, [late(linear, **shared)], fused),
        Model("concatenation", BASELINE, [*one_table(), alone], own),
    ]
    if len(problem.X.names) > 1:
        stacked = late(linear, rule="stacking", cv=3, **shared)
        found.append(Model("stacking", BASELINE, [stacked], grid))
    if _suits_trees(problem):
        found.append(_trees(problem))
    return found


def networks(problem: Problem) -> list[Model]:
    """One network a modality, trained each for itself; and a joint one."""
    # here, so that processes which fit baselines need not load what networks need
    from ..neural import MultimodalClassifier, MultimodalRegressor

    numbers = problem.kind == NUMBERS
    network = MultimodalRegressor if numbers else MultimodalClassifier
    late = LateFusionRegressor if numbers else LateFusionClassifier
    seed: dict[str, Any] = {"random_state": problem.seed}
    shared = _shared(problem)
    found = [Model("joint network", NETWORK, [network(**seed, **shared)], {"lr": _RATES})]
    if len(problem.X.names) > 1:
        each = late(network(**seed), **shared)
        found.insert(0, Model("independent networks", BASELINE, [each], {"estimator__lr": _RATES}))
    return found


def methods(problem: Problem) -> dict[str, Model]:
    """All balancing methods that can learn such a target, by the names of their classes."""
    from .. import balancing
    from ..neural import (
        DataRemixingClassifier,
        MultimodalClassifier,
        MultimodalRegressor,
        NegativeLearningClassifier,
        SustainedBoostingClassifier,
    )

    if len(problem.X.names) < 2:
        return {}
    presets: dict[str, Any] = {
        "DataRemixing": DataRemixingClassifier,
        "NegativeLearning": NegativeLearningClassifier,
        "SustainedBoosting": SustainedBoostingClassifier,
    }
    network = MultimodalRegressor if problem.kind == NUMBERS else MultimodalClassifier
    given: dict[str, Any] = {"random_state": problem.seed, **_shared(problem)}
    first = [*_BY_DEFAULT, _FOR_MISSING]
    rest = sorted(set(balancing.__all__) - {"Balancing", *first}, key=str.lower)
    found = {}
    for name in [*first, *rest]:
        value = getattr(balancing, name)()
        try:
            value.check_target(problem.kind)
        except ValueError:
            continue
        preset = presets.get(name) if problem.kind == CLASSES else None
        model = network(balancing=value, **given) if preset is None else preset(**given)
        found[name] = Model(_CALLED.get(name, name), METHOD, [model], {"lr": _RATES})
    return found


def default_methods(problem: Problem) -> list[str]:
    """Classes of the methods that take part without being named."""
    return [*_BY_DEFAULT, *([_FOR_MISSING] if problem.has_missing else [])]


def pool(problem: Problem) -> Model:
    """The opinion pool."""
    make = OpinionPoolRegressor if problem.kind == NUMBERS else OpinionPoolClassifier
    return Model("opinion pool", POOL, [make(random_state=problem.seed, **_shared(problem))], {})


def one_table() -> list[Any]:
    """All columns side by side; means where a row lacks a modality."""
    return [ModalityConcatenator(missing="mask"), SimpleImputer(keep_empty_features=True)]


def _shared(problem: Problem) -> dict[str, Any]:
    return {"missing": "mask" if problem.has_missing else "error"}


def _trees(problem: Problem) -> Model:
    numbers = problem.kind == NUMBERS
    make = HistGradientBoostingRegressor if numbers else HistGradientBoostingClassifier
    trees, setting = make(random_state=problem.seed), "max_leaf_nodes"
    steps = [ModalityConcatenator(missing="mask"), trees]  # these trees take gaps as they are
    if problem.kind == LABELS:
        steps, setting = [*one_table(), UnimodalClassifier(trees)], "estimator__max_leaf_nodes"
    return Model("boosted trees", BASELINE, steps, {setting: [7, 31]})


def _suits_trees(problem: Problem) -> bool:
    classes = problem.classes
    n_columns = sum(int(np.prod(problem.X.sample_shape(name))) for name in problem.X)
    few = classes is None or len(classes) <= _MOST_CLASSES_OF_TREES
    several_numbers = problem.kind == NUMBERS and problem.y.ndim > 1
    return few and not several_numbers and n_columns <= _MOST_COLUMNS_OF_TREES
