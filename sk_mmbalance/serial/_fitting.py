"""Stages as experts: fitting, scores of rows, and what metadata routing passes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.model_selection import check_cv
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing

from .._sklearn import routing_enabled
from ..base import Fold, TrainingRows
from ..experts import Expert, Tables, bar_over_fits, cross_fit, refuse_unused_weights
from ..modalities import CheckedModalities
from ._stages import PlacedStage


def stage_router(owner: Any, estimators: dict[str, Any], cv: Any) -> MetadataRouter:
    """Say which child takes what of ``owner.fit``'s metadata."""
    to_fit = MethodMapping().add(caller="fit", callee="fit")
    to_split = MethodMapping().add(caller="fit", callee="split")
    router = MetadataRouter(owner=owner).add_self_request(owner)
    router.add(method_mapping=to_fit, **estimators)
    return router.add(splitter=check_cv(cv, classifier=True), method_mapping=to_split)


def with_params(
    rows: TrainingRows, owner: Any, names: Sequence[str], placed: Sequence[PlacedStage] = ()
) -> TrainingRows:
    """The rows with what metadata routing gives to the children, or weights of stages checked."""
    if not routing_enabled():
        refuse_unused_weights([stage.expert for stage in placed], rows)
        return rows
    given = {"sample_weight": rows.weight, "groups": rows.groups}
    given = {name: value for name, value in given.items() if value is not None}
    routed = process_routing(owner, "fit", **given)
    return rows.with_routed({name: dict(routed[name].fit) for name in names})


def out_of_fold_scores(
    placed: Sequence[PlacedStage],
    rows: TrainingRows,
    splits: Sequence[Fold],
    n_jobs: int | None,
    verbose: int = 0,
) -> np.ndarray:
    """Scores of shape (n_stages, n_rows, n_classes), NaN where a row was never held out.

    A row that is held out several times gets the mean of its scores.
    """
    experts = [stage.expert for stage in placed]
    progress = bar_over_fits("stages x folds", verbose)
    return cross_fit(experts, rows, splits, n_jobs, progress=progress).known()


def scores_of(experts: Sequence[Expert], checked: CheckedModalities) -> np.ndarray:
    """Scores of fitted stages on all rows, of the shape above; NaN where one cannot run."""
    scores = np.full(
        (len(experts), checked.n_samples, len(experts[0].prior)), np.nan, dtype=np.float64
    )
    for k, expert in enumerate(experts):
        rows, values = scores_of_rows(expert, checked, np.arange(checked.n_samples))
        scores[k, rows] = values
    return scores


def scores_of_rows(
    expert: Expert, checked: CheckedModalities, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Those of `rows` that can run the stage, and their scores."""
    rows = rows[expert.named.available(checked.present, checked.names)[rows]]
    if not len(rows):
        return rows, np.empty((0, len(expert.prior)))
    return rows, expert.answer(Tables(checked).of(expert.named, rows), len(rows))
