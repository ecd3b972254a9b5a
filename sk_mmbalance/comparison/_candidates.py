"""Who competes: pipelines with a nested choice of a setting or two, all by the same rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import is_classifier, is_regressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline

from ..ensemble import (
    LateFusionClassifier,
    LateFusionRegressor,
    OpinionPoolClassifier,
    OpinionPoolRegressor,
    UnimodalClassifier,
    UnimodalRegressor,
)
from ..experts import takes_names
from ..preprocessing import ModalityConcatenator, ModalityTransformer, make_preprocessor
from ._candidate import BASELINE, METHOD, NETWORK, OWN, POOL, Candidate
from ._problem import CLASSES, Problem

#: Learning rates among which networks and methods choose; the first is the default.
_RATES = [1e-3, 5e-3]
#: Boosted trees take part up to so many columns and classes, as in the opinion pool: beyond, they
#: take longer than all others together.
_MOST_COLUMNS_OF_TREES, _MOST_CLASSES_OF_TREES = 100, 20


def read_candidates(models: Any, problem: Problem) -> list[Candidate]:
    """Candidates of ``models=``, baselines first."""
    if isinstance(models, str):
        if models not in ("default", "baselines"):
            raise ValueError(f"`models` must be 'default', 'baselines' or a dict; got {models!r}.")
        found = default_candidates(problem)
        return [c for c in found if models == "default" or c.kind == BASELINE]
    if not isinstance(models, Mapping) or not models:
        raise ValueError(
            "`models` must be 'default', or a dict of name to estimator; got "
            f"{type(models).__name__}."
        )
    baselines = [c for c in default_candidates(problem) if c.kind == BASELINE]
    taken = {c.name for c in baselines} & set(models)
    if taken:
        raise ValueError(
            f"`models` has names of the baselines, {sorted(taken)}, which take part in any case. "
            "Choose others."
        )
    return [*baselines, *(_own(str(name), model, problem) for name, model in models.items())]


def _own(name: str, model: Any, problem: Problem) -> Candidate:
    """A user's model: by name for who takes modalities, on one table for all others."""
    if isinstance(model, type) or not (hasattr(model, "fit") and hasattr(model, "predict")):
        raise TypeError(
            f"`models` has {model!r} as {name!r}, which is no estimator with fit and predict."
        )
    if not hasattr(model, "__sklearn_tags__"):
        raise TypeError(
            f"`models` has {name!r}, {type(model).__name__}, which has no tags of scikit-learn, so "
            "that it cannot stand in a pipeline: let the class inherit from "
            "sklearn.base.BaseEstimator."
        )
    other = is_regressor if problem.kind == CLASSES else is_classifier
    if other(model):
        raise TypeError(
            f"`models` has {name!r}, {type(model).__name__}, but `y` holds {problem.kind}. "
            "`task` says what `y` is where that is not plain."
        )
    if takes_names(model):
        prepares = isinstance(model, Pipeline) and not hasattr(model.steps[0][1], "predict")
        full = model if prepares else make_pipeline(_prepare(problem), model)
    else:
        full = make_pipeline(_prepare(problem), *_one_table(), model)
    return Candidate(name, OWN, full, {})


def _prepare(problem: Problem) -> ModalityTransformer:
    return make_preprocessor(problem.X)


def _one_table() -> list[Any]:
    """All columns side by side; means where a row lacks a modality."""
    return [ModalityConcatenator(missing="mask"), SimpleImputer(keep_empty_features=True)]


def default_candidates(problem: Problem) -> list[Candidate]:
    """Baselines, networks, methods, pool."""
    shared = {"missing": "mask" if problem.has_missing else "error"}
    make = _classifiers if problem.kind == CLASSES else _regressors
    found = []
    for name, kind, steps, grid in make(problem, shared):
        model = make_pipeline(_prepare(problem), *steps)
        step = model.steps[-1][0]
        found.append(Candidate(name, kind, model, {f"{step}__{k}": v for k, v in grid.items()}))
    several = len(problem.X.names) > 1
    return [c for c in found if several or c.kind != METHOD]


def _classifiers(problem: Problem, shared: dict[str, Any]) -> list[tuple[str, str, list, dict]]:
    # here, so that processes which fit baselines need not load what networks need
    from ..balancing import MLA, OGM, MMPareto
    from ..neural import (
        DataRemixingClassifier,
        MultimodalClassifier,
        NegativeLearningClassifier,
        SustainedBoostingClassifier,
    )

    linear = LogisticRegression(max_iter=1000)
    penalties = [0.1, 1.0, 10.0]
    seeded = {**shared, "random_state": problem.seed}
    rates = {"lr": _RATES}
    candidates: list[tuple[str, str, list, dict]] = [
        (
            "best single modality",
            BASELINE,
            [UnimodalClassifier(linear, cv=3, **shared)],
            {"estimator__C": penalties},
        ),
        (
            "late fusion",
            BASELINE,
            [LateFusionClassifier(linear, **shared)],
            {"estimator__C": penalties},
        ),
        ("concatenation", BASELINE, [*_one_table(), linear], {"C": penalties}),
    ]
    if _suits_trees(problem):
        trees = HistGradientBoostingClassifier(random_state=problem.seed)
        candidates.append(
            ("boosted trees", BASELINE, [_with_gaps(), trees], {"max_leaf_nodes": [7, 31]})
        )
    return [
        *candidates,
        ("joint network", NETWORK, [MultimodalClassifier(**seeded)], rates),
        ("OGM", METHOD, [MultimodalClassifier(balancing=OGM(), **seeded)], rates),
        ("MMPareto", METHOD, [MultimodalClassifier(balancing=MMPareto(), **seeded)], rates),
        ("MLA", METHOD, [MultimodalClassifier(balancing=MLA(), **seeded)], rates),
        ("negative learning", METHOD, [NegativeLearningClassifier(**seeded)], rates),
        ("data remixing", METHOD, [DataRemixingClassifier(**seeded)], rates),
        ("sustained boosting", METHOD, [SustainedBoostingClassifier(**seeded)], rates),
        ("opinion pool", POOL, [OpinionPoolClassifier(**seeded)], {}),
    ]


def _regressors(problem: Problem, shared: dict[str, Any]) -> list[tuple[str, str, list, dict]]:
    from ..balancing import OGM, MMPareto
    from ..neural import MultimodalRegressor

    penalties = [1.0, 10.0, 100.0]
    seeded = {**shared, "random_state": problem.seed}
    rates = {"lr": _RATES}
    candidates: list[tuple[str, str, list, dict]] = [
        (
            "best single modality",
            BASELINE,
            [UnimodalRegressor(Ridge(), cv=3, **shared)],
            {"estimator__alpha": penalties},
        ),
        (
            "late fusion",
            BASELINE,
            [LateFusionRegressor(Ridge(), **shared)],
            {"estimator__alpha": penalties, "weights": ["uniform", "cv"]},
        ),
        ("concatenation", BASELINE, [*_one_table(), Ridge()], {"alpha": penalties}),
    ]
    if _suits_trees(problem) and problem.y.ndim == 1:
        trees = HistGradientBoostingRegressor(random_state=problem.seed)
        candidates.append(
            ("boosted trees", BASELINE, [_with_gaps(), trees], {"max_leaf_nodes": [7, 31]})
        )
    return [
        *candidates,
        ("joint network", NETWORK, [MultimodalRegressor(**seeded)], rates),
        ("OGM", METHOD, [MultimodalRegressor(balancing=OGM(), **seeded)], rates),
        ("MMPareto", METHOD, [MultimodalRegressor(balancing=MMPareto(), **seeded)], rates),
        ("opinion pool", POOL, [OpinionPoolRegressor(**seeded)], {}),
    ]


def _with_gaps() -> ModalityConcatenator:
    return ModalityConcatenator(missing="mask")  # these trees take gaps as they are


def _suits_trees(problem: Problem) -> bool:
    classes = problem.classes
    n_columns = sum(int(np.prod(problem.X.sample_shape(name))) for name in problem.X)
    few = classes is None or len(classes) <= _MOST_CLASSES_OF_TREES
    return few and n_columns <= _MOST_COLUMNS_OF_TREES
