"""Cross-validation inside a fit: experts fitted on each split."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.parallel import Parallel, delayed

from ..base import Fold
from ..modalities import CheckedModalities
from ._expert import Expert, fit_expert


def cross_fit(
    models: dict[str, Any],
    folds: list[Fold],
    checked: CheckedModalities,
    y: np.ndarray,
    classes: np.ndarray,
    weights: np.ndarray | None,
    params: dict[str, dict[str, Any]],
    n_jobs: int | None,
) -> dict[str, list[Expert]]:
    """One expert for each modality and fold, fitted on the fold's training rows."""
    tasks = [(name, train) for name in models for train, _ in folds]
    experts = Parallel(n_jobs=n_jobs)(
        delayed(fit_expert)(
            models[name], checked, name, y, classes, weights, params[name], rows=train
        )
        for name, train in tasks
    )
    by_name: dict[str, list[Expert]] = {name: [] for name in models}
    for (name, _), expert in zip(tasks, experts, strict=True):
        by_name[name].append(expert)
    return by_name


def out_of_fold(
    experts: dict[str, list[Expert]], folds: list[Fold], checked: CheckedModalities, n_classes: int
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Probabilities of rows that the expert was not fitted on.

    Returns
    -------
    probabilities : dict of str to ndarray of shape (n_tested, n_classes)
        By modality; the mean over folds where a row is tested several times.
    tested : ndarray of int of shape (n_tested,)
        Rows that are tested at all.
    """
    counts = np.zeros(checked.n_samples)
    sums = {name: np.zeros((checked.n_samples, n_classes)) for name in experts}
    for fold, (_, test) in enumerate(folds):
        part = checked.rows(test)
        counts[test] += 1
        for name, fitted in experts.items():
            sums[name][test] += fitted[fold].predict_proba(part)
    tested = np.flatnonzero(counts)
    return {name: total[tested] / counts[tested, None] for name, total in sums.items()}, tested
