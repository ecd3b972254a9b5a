"""One candidate on one fold: fitted with its choice, scored, and looked into."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn import config_context
from sklearn.utils.metadata_routing import get_routing_for_object

from ..inspection import (
    ModalityContributions,
    missing_modality_curve,
    modality_contributions,
)
from ..preprocessing import ModalityTransformer
from ._candidate import Candidate
from ._problem import Problem, shuffled_folds, strata_of
from ._scores import Predictions

#: From this many training rows on, one inner fold of four decides; below, three of three.
_MANY = 250
#: Rows and shuffles with which a model is looked into: enough for a picture.
_LOOKED_AT, _SHUFFLES, _RESAMPLES = 400, 2, 100
#: Beyond this many modalities, their worth is sampled (in this number of orders).
_ALL_ORDERS, _ORDERS = 6, 8
_BINS = 10


@dataclass(frozen=True)
class Work:
    """All of a comparison: the data, who takes part, and how they are scored."""

    problem: Problem
    candidates: dict[str, Candidate]
    scorers: dict[str, Any]


def run_fold(
    problem: Problem,
    scorers: dict[str, Any],
    candidate: Candidate,
    number: int,
    tell: Callable[[str, dict[str, Any]], None],
) -> None:
    """Fit and score a candidate on a fold; told at once, and what was seen inside after that."""
    train, test = problem.folds[number]
    main = next(iter(scorers.values()))
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the report says how models did; that is what counts here
        model = fit_candidate(candidate, problem, train, main)
        fitted = time.perf_counter()
        X_test, y_test = problem.X[test], problem.y[test]
        found = Predictions(model, X_test, y_test, problem.kind, problem.classes)
        predicted = time.perf_counter()
        scores = {key: found.score(key, scorer) for key, scorer in scorers.items()}
        tell(
            "scores",
            {
                "scores": scores,
                "fit_seconds": fitted - start,
                "predict_seconds": predicted - fitted,
                "n_train": len(train),
                "n_test": len(test),
                "chosen": _chosen(model),
                "calibration": _calibration(found),
            },
        )
        if number == 0:
            tell("inside", _inside(model, problem, test, found))


def fit_candidate(candidate: Candidate, problem: Problem, rows: np.ndarray, scorer: Any) -> Any:
    """Choose the candidate's setting on inner folds of `rows`, and fit it on all of them."""
    strata = strata_of(problem.y[rows], problem.kind)
    groups = problem.groups_of(rows)
    splits: list = []
    if candidate.grid:
        n_folds = 4 if len(rows) >= _MANY else 3
        splits = shuffled_folds(n_folds, strata, len(rows), groups, problem.seed + 1)
        splits = splits[:1] if len(rows) >= _MANY else splits
    model = candidate.choosing(splits, scorer)
    with config_context(enable_metadata_routing=True):
        given = {}
        if groups is not None and _wants_groups(model):
            given["groups"] = groups
        return model.fit(problem.X[rows], problem.y[rows], **given)


def _wants_groups(model: Any) -> bool:
    try:
        return "groups" in get_routing_for_object(model).consumes("fit", ["groups"])
    except Exception:  # a foreign class whose routing cannot be read gets none
        return False


def _chosen(model: Any) -> dict[str, str]:
    return {key: str(value) for key, value in getattr(model, "best_params_", {}).items()}


def _calibration(found: Predictions) -> list[list[float]] | None:
    """By how sure the model was: rows, sum of its confidence, rows it had right."""
    if found.proba is None:
        return None
    sure, right = found.confidence()
    place = np.minimum((sure * _BINS).astype(int), _BINS - 1)
    return [
        [float((place == b).sum()), float(sure[place == b].sum()), float(right[place == b].sum())]
        for b in range(_BINS)
    ]


def _inside(model: Any, problem: Problem, test: np.ndarray, found: Predictions) -> dict[str, Any]:
    """What modalities are worth to the model, what missing ones cost, how fast each learnt."""
    told: dict[str, Any] = {"history": _history(model)}
    if len(problem.X.names) < 2:
        return told
    rows = np.random.RandomState(problem.seed).permutation(len(test))[:_LOOKED_AT]
    X, inner = _prepared(model, found.X[rows])
    y = found.y[rows]
    groups = problem.groups_of(test[rows])
    try:
        worth = modality_contributions(
            inner,
            X,
            y,
            n_repeats=_SHUFFLES,
            n_bootstrap=_RESAMPLES,
            groups=groups,
            n_orders="auto" if len(X.names) <= _ALL_ORDERS else _ORDERS,
            random_state=problem.seed,
        )
        assert isinstance(worth, ModalityContributions)
        told["worth"] = {
            "score_all": worth.score_all,
            "score_none": worth.score_none,
            "table": worth.table[["contribution", "low", "high", "alone"]].to_dict("index"),
        }
        curve = missing_modality_curve(
            inner,
            X,
            y,
            removal="native" if _masks(inner) else "permute",
            n_repeats=_SHUFFLES,
            random_state=problem.seed,
        )
        rates = curve.table.index.to_numpy(dtype=float)
        told["missing"] = np.column_stack([rates, curve.table["score"]]).tolist()
        told["removal"] = curve.setting.removal
    except Exception as error:  # a foreign model may not stand it: its scores are there already
        told["not_seen"] = f"{type(error).__name__}: {error}"
    return told


def _prepared(model: Any, X: Any) -> tuple[Any, Any]:
    """Numbers that the last steps get, and those steps: looking costs no second preparation."""
    inner = getattr(model, "best_estimator_", model)
    steps = getattr(inner, "steps", [])
    if len(steps) > 1 and isinstance(steps[0][1], ModalityTransformer):
        return steps[0][1].transform(X), inner[1:]
    return X, inner


def _masks(model: Any) -> bool:
    """Whether what meets the modalities first is told to do without some of them."""
    first = model.steps[0][1] if getattr(model, "steps", None) else model
    return getattr(first, "missing", None) == "mask" and not hasattr(first, "transformers")


def _history(model: Any) -> dict[str, list[float]] | None:
    inner = getattr(model, "best_estimator_", model)
    inner = inner.steps[-1][1] if hasattr(inner, "steps") else inner
    history = getattr(inner, "history_", None)
    if history is None or not hasattr(history, "columns"):
        return None
    kept = [c for c in history.columns if str(c).endswith(("_accuracy", "_loss"))]
    return {str(c): [float(v) for v in history[c]] for c in kept}
