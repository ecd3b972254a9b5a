"""Fitting stages, with weights and groups passed on, and scores that no row has helped to make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import expit, softmax
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import check_cv
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    _routing_enabled,
    process_routing,
)
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import has_fit_parameter
from tqdm.auto import tqdm

from ..base import Fold, make_folds, weight_params
from ..modalities import CheckedModalities
from ._stages import PlacedStage, stage_input


@dataclass(frozen=True)
class Labelled:
    """Training rows: input, labels, weights, groups, and what metadata routing adds by stage."""

    checked: CheckedModalities
    classes: np.ndarray
    codes: np.ndarray
    weights: np.ndarray | None = None
    groups: np.ndarray | None = None
    routed: dict[str, dict[str, Any]] | None = field(default=None)

    def rows(self, rows: np.ndarray) -> Labelled:
        """Only the given rows."""
        n_samples = len(self.codes)
        routed = self.routed
        if routed is not None:
            routed = {
                name: {key: _take(value, rows, n_samples) for key, value in params.items()}
                for name, params in routed.items()
            }
        return Labelled(
            self.checked.rows(rows),
            self.classes,
            self.codes[rows],
            None if self.weights is None else self.weights[rows],
            None if self.groups is None else self.groups[rows],
            routed,
        )

    @property
    def weights_or_ones(self) -> np.ndarray:
        """Weight of every row."""
        return np.ones(len(self.codes)) if self.weights is None else self.weights


def has_modalities(placed: PlacedStage, checked: CheckedModalities) -> np.ndarray:
    """Rows that have what the stage needs."""
    return np.logical_and.reduce([checked.present_in(name) for name in placed.required])


def fit_stage(placed: PlacedStage, data: Labelled, rows: np.ndarray) -> Any:
    """A clone of the stage's estimator, fitted on those of `rows` that can run the stage."""
    rows = rows[has_modalities(placed, data.checked)[rows]]
    if len(np.unique(data.codes[rows])) < 2:
        raise ValueError(
            f"`stages` entry {placed.name!r} must see at least two classes in training; it has "
            f"{len(rows)} rows of one class. Give more rows, or fewer folds (`cv`)."
        )
    estimator = clone(placed.estimator)
    arrays = {name: data.checked.arrays[name][rows] for name in placed.inputs}
    params = _fit_params(placed, estimator, data, rows)
    return estimator.fit(stage_input(estimator, arrays), data.classes[data.codes[rows]], **params)


def _fit_params(
    placed: PlacedStage, estimator: Any, data: Labelled, rows: np.ndarray
) -> dict[str, Any]:
    if data.routed is not None and placed.name in data.routed:
        routed = data.routed[placed.name]
        return {key: _take(value, rows, len(data.codes)) for key, value in routed.items()}
    params = {}
    if data.weights is not None and data.routed is not None:
        params["sample_weight"] = data.weights[rows]  # a default classifier, which requests them
    elif data.weights is not None:
        params = weight_params(estimator, data.weights[rows])
        if not _reach_the_classifier(params, estimator):
            raise ValueError(
                f"`sample_weight` was given, but the estimator of stage {placed.name!r} "
                f"({type(estimator).__name__}) cannot use it. Leave it out, or choose another "
                "estimator."
            )
    takes_groups = not isinstance(estimator, Pipeline) and has_fit_parameter(estimator, "groups")
    if data.groups is not None and takes_groups:
        params["groups"] = data.groups[rows]
    return params


def _reach_the_classifier(params: dict[str, Any], estimator: Any) -> bool:
    """Whether weights get to the last step of a pipeline (to its scaler alone is no use)."""
    if isinstance(estimator, FrozenEstimator):
        return True
    prefix = f"{estimator.steps[-1][0]}__" if isinstance(estimator, Pipeline) else ""
    return any(key.startswith(prefix) for key in params)


def _take(value: Any, rows: np.ndarray, n_samples: int) -> Any:
    return np.asarray(value)[rows] if np.shape(value)[:1] == (n_samples,) else value


def class_scores(name: str, estimator: Any, X: Any, classes: np.ndarray) -> np.ndarray:
    """Class scores of shape (n_rows, n_classes) in the order of `classes`.

    ``predict_proba``, or where there is none the logistic (softmax) of ``decision_function``:
    a monotone score for thresholds, though no calibrated probability.
    """
    if hasattr(estimator, "predict_proba"):
        proba = np.asarray(estimator.predict_proba(X), dtype=float)
    elif hasattr(estimator, "decision_function"):
        margin = np.asarray(estimator.decision_function(X), dtype=float)
        if margin.ndim == 1:
            proba = np.column_stack([expit(-margin), expit(margin)])
        else:
            proba = softmax(margin, axis=1)
    else:
        raise TypeError(
            f"`stages` estimator of {name!r} ({type(estimator).__name__}) must have predict_proba "
            "or decision_function: a chain decides by scores. Wrap it in CalibratedClassifierCV."
        )
    seen = np.asarray(estimator.classes_)
    if len(seen) == len(classes):
        return proba
    full = np.zeros((len(proba), len(classes)))
    full[:, np.searchsorted(classes, seen)] = proba
    return full


def stage_router(owner: Any, estimators: dict[str, Any], cv: Any) -> MetadataRouter:
    """Say which child takes what of ``owner.fit``'s metadata."""
    to_fit = MethodMapping().add(caller="fit", callee="fit")
    to_split = MethodMapping().add(caller="fit", callee="split")
    router = MetadataRouter(owner=owner).add_self_request(owner)
    router.add(method_mapping=to_fit, **estimators)
    return router.add(splitter=check_cv(cv, classifier=True), method_mapping=to_split)


def route_to_fit(
    owner: Any, names: Sequence[str], **metadata: Any
) -> dict[str, dict[str, Any]] | None:
    """Fit parameters of each named child, when metadata routing is on (else None)."""
    if not _routing_enabled():
        return None
    given = {name: value for name, value in metadata.items() if value is not None}
    routed = process_routing(owner, "fit", **given)
    return {name: dict(routed[name].fit) for name in names}


def read_splits(cv: Any, codes: np.ndarray, groups: np.ndarray | None) -> list[Fold]:
    """Folds from ``cv``: an integer respects classes, and groups where they are given."""
    if isinstance(cv, bool) or cv is None or (isinstance(cv, int | np.integer) and cv < 2):
        raise ValueError(f"`cv` must be an integer >= 2, a splitter or an iterable; got {cv!r}.")
    if isinstance(cv, int | np.integer):
        # more folds than the smallest class has rows would leave folds without it
        cv = max(2, min(int(cv), int(np.bincount(codes).min())))
    return make_folds(cv, codes, groups)


def out_of_fold_scores(
    placed: Sequence[PlacedStage],
    data: Labelled,
    splits: Sequence[Fold],
    n_jobs: int | None,
    verbose: int = 0,
) -> np.ndarray:
    """Scores of shape (n_stages, n_rows, n_classes), NaN where a row was never held out.

    A row that is held out several times gets the mean of its scores.
    """
    jobs = [(stage, split) for stage in placed for split in splits]
    results = Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(_held_out)(stage, data, train, test) for stage, (train, test) in jobs
    )
    parts = tqdm(results, total=len(jobs), desc="stages x folds", disable=not verbose)
    n_rows, n_classes = len(data.codes), len(data.classes)
    total = np.zeros((len(placed), n_rows, n_classes))
    count = np.zeros((len(placed), n_rows, 1))
    for position, (rows, scores) in enumerate(parts):
        k = position // len(splits)
        total[k, rows] += scores
        count[k, rows] += 1
    with np.errstate(invalid="ignore"):
        return total / np.where(count == 0, np.nan, count)


def prefit_scores(placed: Sequence[PlacedStage], data: Labelled) -> np.ndarray:
    """Scores of classifiers that are fitted already, of the shape above."""
    n_rows = len(data.codes)
    scores = np.full((len(placed), n_rows, len(data.classes)), np.nan)
    for k, stage in enumerate(placed):
        rows, values = apply_stage(stage, stage.estimator, data, np.arange(n_rows))
        scores[k, rows] = values
    return scores


def _held_out(
    placed: PlacedStage, data: Labelled, train: np.ndarray, test: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    return apply_stage(placed, fit_stage(placed, data, train), data, test)


def apply_stage(
    placed: PlacedStage, estimator: Any, data: Labelled, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Those of `rows` that can run the stage, and their scores."""
    rows = rows[has_modalities(placed, data.checked)[rows]]
    if not len(rows):
        return rows, np.empty((0, len(data.classes)))
    arrays = {name: data.checked.arrays[name][rows] for name in placed.inputs}
    return rows, class_scores(placed.name, estimator, stage_input(estimator, arrays), data.classes)
