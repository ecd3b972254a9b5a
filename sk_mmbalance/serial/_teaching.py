"""The strong side teaches the weak one: confident pseudo-labels, balanced over classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from ..base import Fold, TrainingRows
from ..experts import Expert, bar_over_fits, fit_expert, side_by_side
from ._fitting import scores_of_rows
from ._projection import DependenceProjection
from ._stages import PlacedStage


@dataclass(frozen=True)
class Teaching:
    """How the weak side is taught.

    Attributes
    ----------
    confident_fraction : float
        Share of the rows predicted as a class that are kept as pseudo-labelled.
    pseudo_labels : bool
        Whether to use unlabelled rows at all.
    projection : DependenceProjection or None
        Projection of the weak side to fit.
    """

    confident_fraction: float
    pseudo_labels: bool
    projection: DependenceProjection | None


@dataclass(frozen=True)
class Taught:
    """Both sides after teaching, and the rows that taught."""

    weak: Expert
    strong: Expert
    placed_weak: PlacedStage
    projection: DependenceProjection | None
    pseudo_rows: np.ndarray
    pseudo_codes: np.ndarray


def teach(
    weak: PlacedStage,
    strong: PlacedStage,
    data: TrainingRows,
    labelled: np.ndarray,
    unlabelled: np.ndarray,
    teaching: Teaching,
) -> Taught:
    """Fit the strong side on `labelled` rows, and the weak side on those and what it is taught.

    The codes of `unlabelled` rows in `data` are not looked at.
    """
    checked = data.checked
    teacher = fit_expert(strong.expert, data, labelled)
    projection = None
    if teaching.projection is not None:
        projection = _project(weak, teacher, data, labelled, unlabelled, teaching)
        steps = [("project", FrozenEstimator(projection)), ("classify", weak.estimator)]
        weak = replace(weak, estimator=Pipeline(steps))
    rows, codes = np.empty(0, np.intp), np.empty(0, np.intp)
    if teaching.pseudo_labels:
        pupils = unlabelled[weak.expert.available(checked.present, checked.names)[unlabelled]]
        pupils, scores = scores_of_rows(teacher, checked, pupils)
        kept = confident(scores, teaching.confident_fraction)
        rows, codes = pupils[kept], scores.argmax(axis=1)[kept]
    known = data.y.copy()
    known[rows] = codes
    taught = data.with_target(data.target, known)
    student = fit_expert(weak.expert, taught, np.concatenate([labelled, rows]))
    return Taught(student, teacher, weak, projection, rows, codes)


def confident(scores: np.ndarray, fraction: float) -> np.ndarray:
    """Positions of the most confident `fraction` of the rows within each predicted class."""
    predicted, confidence = scores.argmax(axis=1), scores.max(axis=1)
    kept = []
    for c in np.unique(predicted):
        rows = np.flatnonzero(predicted == c)
        best_first = rows[np.argsort(-confidence[rows], kind="stable")]
        kept.append(best_first[: int(np.ceil(fraction * len(rows)))])
    return np.sort(np.concatenate(kept)) if kept else np.empty(0, np.intp)


def _project(
    weak: PlacedStage,
    teacher: Expert,
    data: TrainingRows,
    labelled: np.ndarray,
    unlabelled: np.ndarray,
    teaching: Teaching,
) -> DependenceProjection:
    rows = np.concatenate([labelled, unlabelled])
    checked = data.checked
    rows = rows[weak.expert.available(checked.present, checked.names)[rows]]
    rows, scores = scores_of_rows(teacher, checked, rows)
    codes = np.where(np.isin(rows, labelled), data.y[rows], -1)
    features = side_by_side({name: checked.arrays[name] for name in weak.inputs}, rows)
    weights = None if data.weight is None else data.weight[rows]
    assert teaching.projection is not None
    return teaching.projection.fit(features, codes, scores=scores, sample_weight=weights)


def taught_scores(
    weak: PlacedStage,
    strong: PlacedStage,
    data: TrainingRows,
    labelled: np.ndarray,
    unlabelled: np.ndarray,
    splits: Sequence[Fold],
    make_teaching: Any,
    verbose: int = 0,
) -> np.ndarray:
    """Out-of-fold scores of both sides on `labelled` rows, taught anew in every fold.

    `splits` count within `labelled`. A held-out row takes no part in the teaching of its fold, so
    that its label cannot reach its own score through the pseudo-labels; nor do unlabelled rows of
    a held-out group.
    """
    total = np.zeros((2, len(labelled), data.target.n_outputs))
    count = np.zeros((2, len(labelled), 1))
    progress = bar_over_fits("taught folds", verbose)
    for train, test in splits if progress is None else progress(splits, len(splits)):
        pool = unlabelled
        if data.groups is not None:
            pool = pool[~np.isin(data.groups[pool], data.groups[labelled[test]])]
        taught = teach(weak, strong, data, labelled[train], pool, make_teaching())
        for k, expert in enumerate((taught.weak, taught.strong)):
            rows, scores = scores_of_rows(expert, data.checked, labelled[test])
            where = np.searchsorted(labelled, rows)
            total[k, where] += scores
            count[k, where] += 1
    with np.errstate(invalid="ignore"):
        return total / np.where(count == 0, np.nan, count)
