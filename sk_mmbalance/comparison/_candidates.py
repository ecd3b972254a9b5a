"""Who competes: pipelines with a nested choice of a setting or two, all by the same rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sklearn.base import is_classifier, is_regressor
from sklearn.pipeline import Pipeline, make_pipeline

from ..experts import takes_names
from ..preprocessing import ModalityTransformer, make_preprocessor
from ._candidate import OWN, Candidate
from ._default_models import (
    CHEAPEST_FIRST,
    Model,
    baselines,
    default_methods,
    methods,
    networks,
    one_table,
    pool,
)
from ._problem import NUMBERS, Problem

_SETS = ("default", "all", "baselines")


def read_candidates(models: Any, problem: Problem) -> list[Candidate]:
    """Candidates of ``models=``, baselines first."""
    if isinstance(models, str):
        if models not in _SETS:
            raise ValueError(
                "`models` must be 'default', 'all', 'baselines', a list of names or a dict; got "
                f"{models!r}."
            )
        return _of_the_house(models, problem)
    if isinstance(models, Sequence) and models and all(isinstance(one, str) for one in models):
        return _named(list(models), problem)
    if not isinstance(models, Mapping) or not models:
        raise ValueError(
            "`models` must be 'default', 'all', 'baselines', a list of names, or a dict of name "
            f"to estimator; got {type(models).__name__}."
        )
    first = _baselines(problem)
    taken = {c.name for c in first} & set(models)
    if taken:
        raise ValueError(
            f"`models` has names of the baselines, {sorted(taken)}, which take part in any case. "
            "Choose others."
        )
    return [*first, *(_own(str(name), model, problem) for name, model in models.items())]


def _of_the_house(which: str, problem: Problem) -> list[Candidate]:
    first = _baselines(problem)
    if which == "baselines":
        return first
    known = methods(problem)
    chosen = list(known) if which == "all" else default_methods(problem)
    found = networks(problem)
    found += [known[name] for name in chosen if name in known]
    found.append(pool(problem))
    return [*first, *(_prepared(one, problem) for one in found)]


def _named(names: list[str], problem: Problem) -> list[Candidate]:
    """Baselines, and those of the house that are named, by what tables or classes call them."""
    known = methods(problem)
    there = [*networks(problem), *known.values(), pool(problem)]
    by_name = {_plain(name): model for name, model in known.items()}
    by_name |= {_plain(model.name): model for model in there}
    unknown = [name for name in names if _plain(name) not in by_name]
    if unknown:
        raise ValueError(
            f"`models` has {unknown[0]!r}, which is none of those that can learn such a `y`: "
            f"{', '.join(model.name for model in there)}."
        )
    wanted = {by_name[_plain(name)].name for name in names}
    first = _baselines(problem)
    return [*first, *(_prepared(one, problem) for one in there if one.name in wanted)]


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _baselines(problem: Problem) -> list[Candidate]:
    """Those that take turns."""
    found = baselines(problem)
    turns = {name: turn for turn, name in enumerate(CHEAPEST_FIRST)}
    return [_prepared(one, problem, turns[one.name]) for one in found]


def _prepared(one: Model, problem: Problem, turn: int | None = None) -> Candidate:
    model = make_pipeline(_prepare(problem), *one.steps)
    step = model.steps[-1][0]
    grid = {f"{step}__{key}": values for key, values in one.grid.items()}
    return Candidate(one.name, one.kind, model, grid, turn)


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
    other = is_classifier if problem.kind == NUMBERS else is_regressor
    if other(model):
        raise TypeError(
            f"`models` has {name!r}, {type(model).__name__}, but `y` holds {problem.kind}. "
            "`task` says what `y` is where that is not plain."
        )
    if takes_names(model):
        prepares = isinstance(model, Pipeline) and not hasattr(model.steps[0][1], "predict")
        full = model if prepares else make_pipeline(_prepare(problem), model)
    else:
        full = make_pipeline(_prepare(problem), *one_table(), model)
    return Candidate(name, OWN, full, {})


def _prepare(problem: Problem) -> ModalityTransformer:
    return make_preprocessor(problem.X, verbose=0)  # said once, by `compare`
