"""Answers to rows that an expert was not fitted on, one expert and fold at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base import Fold, TrainingRows
from ._fitting import Lesson, in_order, lesson, run
from ._named import NamedExpert
from ._progress import Notice, Notices, Progress, heard
from ._scored import ScoredExpert
from ._tables import Tables


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """Out-of-fold answers of several experts.

    Attributes
    ----------
    answers : ndarray of shape (n_experts, n_rows, n_outputs)
        The mean over folds where a row is tested several times; the expert's prior where it lacks
        its modalities, 0 where a row is never tested.
    available : ndarray of bool of shape (n_experts, n_rows)
        Whether the expert has its modalities.
    tested : ndarray of int of shape (n_tested,)
        Rows that are tested at all.
    n_parts : int
        Number of cross-validations whose answers stand one after another (`cross_fit_parts`):
        there are so many times the rows.
    """

    answers: np.ndarray
    available: np.ndarray
    tested: np.ndarray
    n_parts: int = 1

    @property
    def rows(self) -> np.ndarray:
        """Number of the row that each of `tested` is an answer to."""
        return self.tested % (self.answers.shape[1] // self.n_parts)

    def known(self) -> np.ndarray:
        """Answers, NaN where the expert lacks its modalities and where a row is never tested."""
        told = np.zeros(self.answers.shape[1], dtype=bool)
        told[self.tested] = True
        return np.where((self.available & told)[:, :, None], self.answers, np.nan)


def cross_fit(
    experts: Sequence[NamedExpert],
    rows: TrainingRows,
    folds: Sequence[Fold],
    n_jobs: int | None = None,
    *,
    progress: Progress | None = None,
) -> OutOfFold:
    """Answers of the experts to rows that they were not fitted on.

    Experts are fitted one after another (or `n_jobs` at a time), and nothing of a fit is kept but
    its answers.

    Parameters
    ----------
    experts : sequence of NamedExpert
        Not fitted.
    rows : TrainingRows
        What `fit` was given.
    folds : sequence of (train, test)
        As `TrainingRows.folds` gives them.
    n_jobs : int, default=None
        Number of fits run in parallel.
    progress : callable, default=None
        Takes an iterable and its length, returns an iterable; for a progress bar.

    Returns
    -------
    OutOfFold
        Their answers.
    """
    available = np.array([e.available(rows.checked.present, rows.checked.names) for e in experts])
    total = np.zeros((len(experts), len(rows), rows.target.n_outputs))
    counts = np.zeros(len(rows))
    for _, test in folds:
        counts[test] += 1
    results = run(_held_out, _tasks(experts, rows, folds), n_jobs)
    if progress is not None:
        results = progress(results, len(experts) * len(folds))
    notices = Notices()
    for (i, fold), ((prior, answers), said) in zip(_order(experts, folds), results, strict=True):
        notices.add(f"{experts[i].name!r}, fold {fold + 1} of {len(folds)}", said)
        test = folds[fold][1]
        here = available[i, test]
        block = np.tile(prior, (len(test), 1))
        block[here] = answers
        total[i][test] += block
    notices.give()
    tested = np.flatnonzero(counts)
    total /= np.where(counts > 0, counts, 1.0)[:, None]
    return OutOfFold(total, available, tested)


def cross_fit_parts(
    experts: Sequence[NamedExpert],
    rows: TrainingRows,
    parts: Sequence[Sequence[Fold]],
    n_jobs: int | None = None,
    *,
    progress: Callable[[Any, int], Any] | None = None,
) -> OutOfFold:
    """Answers in several cross-validations, one after another: `cross_fit` for each of `parts`.

    Answers of one row in two cross-validations are two answers: their mean would be less sure, and
    less wrong, than either.
    """
    found = [cross_fit(experts, rows, part, n_jobs, progress=progress) for part in parts]
    if len(found) == 1:
        return found[0]
    return OutOfFold(
        np.concatenate([part.answers for part in found], axis=1),
        np.concatenate([part.available for part in found], axis=1),
        np.concatenate([part.tested + p * len(rows) for p, part in enumerate(found)]),
        len(found),
    )


def cross_scores(
    experts: Sequence[NamedExpert],
    rows: TrainingRows,
    folds: Sequence[Fold],
    score: Callable[..., float],
    n_jobs: int | None = None,
    *,
    progress: Progress | None = None,
) -> np.ndarray:
    """Score of every expert in every fold, (n_experts, n_folds).

    Parameters
    ----------
    experts, rows, folds, n_jobs, progress
        As in `cross_fit`.
    score : callable
        ``score(estimator, X, y, weight)`` of a fitted estimator on the test part in the form it
        takes. Rows that lack the expert's modalities are among them.
    """
    results = run(_scored, _score_tasks(experts, rows, folds, score), n_jobs)
    if progress is not None:
        results = progress(results, len(experts) * len(folds))
    scores = np.empty((len(experts), len(folds)))
    notices = Notices()
    for (i, fold), (value, said) in zip(_order(experts, folds), results, strict=True):
        notices.add(f"{experts[i].name!r}, fold {fold + 1} of {len(folds)}", said)
        scores[i, fold] = value
    notices.give()
    return scores


def _order(experts: Sequence[NamedExpert], folds: Sequence[Fold]) -> Iterator[tuple[int, int]]:
    """Number of expert and fold, so that those who share their input come one after another."""
    order = in_order(experts)
    alike = [(experts[i].modalities, experts[i].takes_names) for i in order]
    for which in dict.fromkeys(alike):
        for fold in range(len(folds)):
            for i, own in zip(order, alike, strict=True):
                if own == which:
                    yield i, fold


def _tasks(
    experts: Sequence[NamedExpert], rows: TrainingRows, folds: Sequence[Fold]
) -> Iterator[tuple[Lesson, Any, int]]:
    """Lessons, and the test rows with the expert's modalities; made when they are asked for."""
    trained, tested = Tables(rows.checked), Tables(rows.checked)
    for i, fold in _order(experts, folds):
        train, test = folds[fold]
        expert = experts[i]
        test = test[expert.available(rows.checked.present[test], rows.checked.names)]
        yield lesson(expert, rows, train, trained), tested.of(expert, test), len(test)


def _score_tasks(
    experts: Sequence[NamedExpert],
    rows: TrainingRows,
    folds: Sequence[Fold],
    score: Callable[..., float],
) -> Iterator[tuple[Any, ...]]:
    trained, tested = Tables(rows.checked), Tables(rows.checked)
    for i, fold in _order(experts, folds):
        train, test = folds[fold]
        expert = experts[i]
        complete = bool(expert.available(rows.checked.present[test], rows.checked.names).all())
        weight = None if rows.weight is None else rows.weight[test]
        yield (
            lesson(expert, rows, train, trained),
            tested.of(expert, test),
            rows.labels[test],
            weight,
            complete,
            score,
        )


def _held_out(
    task: Lesson, X: Any, n_rows: int
) -> tuple[tuple[np.ndarray, np.ndarray], list[Notice]]:
    expert, said = heard(task.learnt)
    return (task.prior, expert.answer(X, n_rows)), said


def _scored(
    task: Lesson,
    X: Any,
    y: np.ndarray,
    weight: np.ndarray | None,
    complete: bool,
    score: Callable[..., float],
) -> tuple[float, list[Notice]]:
    expert, said = heard(task.learnt)
    return float(score(ScoredExpert.of(expert, complete), X, y, weight)), said
