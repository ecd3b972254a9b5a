"""Of experts that are one expert at several strengths, the one that loses least out of fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..base import CLASSES, LABELS, TrainingRows
from ..experts import NamedExpert, OutOfFold

#: Part of equal probabilities mixed into an answer before its logarithm is judged.
SMOOTHING = 0.01


def without_losers(
    named: Sequence[NamedExpert],
    oof: OutOfFold,
    rows: TrainingRows,
    stands_for: Mapping[str, str],
) -> tuple[list[int], list[NamedExpert]]:
    """Numbers of the experts that stay, and the experts under the names they stand for.

    Parameters
    ----------
    named : sequence of NamedExpert
        All that were asked.
    oof : OutOfFold
        Their answers.
    rows : TrainingRows
        What came.
    stands_for : dict of str to str
        Names of rivals, and the name that the best of them gets.
    """
    losses = {
        expert.name: own_loss(oof.answers[e], oof.available[e], oof, rows)
        for e, expert in enumerate(named)
        if expert.name in stands_for
    }
    rivals: dict[str, list[str]] = {}
    for name in losses:
        rivals.setdefault(stands_for[name], []).append(name)
    best = {min(names, key=losses.__getitem__): common for common, names in rivals.items()}
    kept, renamed = [], []
    for e, expert in enumerate(named):
        if expert.name in losses and expert.name not in best:
            continue
        kept.append(e)
        renamed.append(replace(expert, name=best.get(expert.name, expert.name)))
    return kept, renamed


def own_loss(
    answers: np.ndarray, available: np.ndarray, oof: OutOfFold, rows: TrainingRows
) -> float:
    """Mean log-loss, or squared error over the variance, of one expert where it has its input."""
    here = available[oof.tested]
    used, row = oof.tested[here], oof.rows[here]
    if not len(used):
        return np.inf
    told, y, weight = answers[used], rows.y[row], rows.weight_or_ones[row]
    if rows.target.kind == CLASSES:
        right = told[np.arange(len(used)), y]
        loss = -np.log((1 - SMOOTHING) * right + SMOOTHING / told.shape[1])
    elif rows.target.kind == LABELS:
        right = np.where(y > 0.5, told, 1 - told)
        loss = -np.log((1 - SMOOTHING) * right + SMOOTHING / 2).sum(axis=1)
    else:
        spread = rows.y.var(axis=0)
        loss = ((told - y) ** 2 / np.where(spread > 0, spread, 1.0)).sum(axis=1)
    return float(np.average(loss, weights=weight))
