"""Fitting experts on the rows that have their modalities."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils.parallel import Parallel, delayed

from ..base import (
    CLASSES,
    LABELS,
    NUMBERS,
    Target,
    TrainingRows,
    cut,
    group_params,
    handed_on_to,
    weight_params,
)
from ._by_column import ByColumn
from ._expert import Expert, prior_of
from ._named import NamedExpert
from ._progress import Notices, heard
from ._tables import Tables

FORESTS = (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
#: A million squares of it can still be added up.
_LARGEST_NUMBER = 1e150


@dataclass(frozen=True, eq=False)
class Lesson:
    """All that fitting one expert needs: it can be sent to another process by itself.

    Attributes
    ----------
    expert : NamedExpert
        Who learns.
    X : object
        The rows that have its modalities, in the form it takes.
    y : ndarray of shape (n_rows,) or (n_rows, n_outputs)
        Their targets, as the user knows them.
    params : dict
        Further parameters of its `fit`.
    target : Target
        What `y` is.
    prior : ndarray of shape (n_outputs,)
        That of all training rows, whether they have its modalities or not.
    """

    expert: NamedExpert
    X: Any
    y: np.ndarray
    params: dict[str, Any]
    target: Target
    prior: np.ndarray

    def learnt(self) -> Expert:
        """The fitted expert."""
        try:
            model, columns = self._fitted()
        except Exception as error:
            what = "regressor" if self.target.kind == NUMBERS else "classifier"
            error.add_note(f"(while fitting the {what} of {self.expert.name!r})")
            self._refuse_overflow(error)
            raise
        return Expert(self.expert, model, self.target, self.prior, columns)

    def _refuse_overflow(self, error: Exception) -> None:
        """Say so where numbers failed that are finite and whose squares are not."""
        if not (isinstance(error, ValueError) and isinstance(self.X, np.ndarray)):
            return
        largest = float(np.abs(self.X).max(initial=0.0)) if self.X.dtype.kind == "f" else 0.0
        if np.isfinite(largest) and largest > _LARGEST_NUMBER:
            raise ValueError(
                f"`X` modality {', '.join(map(repr, self.expert.modalities))} has values up to "
                f"{largest:.2g}, of whose squares no sum can be made. Give it in other units "
                "(divide it by a constant)."
            ) from error

    def _fitted(self) -> tuple[Any, np.ndarray]:
        none = np.empty(0, dtype=np.intp)
        estimator, y = self.expert.estimator, self.y
        if not len(y):
            return None, none
        if self.target.kind == CLASSES:
            if (y == y[0]).all():
                return DummyClassifier(strategy="prior").fit(self.X, y), none
            return clone(estimator).fit(self.X, y, **self.params), none
        if self.target.kind == NUMBERS:
            whole = y.ndim == 1 or get_tags(estimator).target_tags.multi_output
            model = clone(estimator) if whole else ByColumn(estimator)
            return model.fit(self.X, y, **self.params), none
        varying = np.flatnonzero((y != y[0]).any(axis=0))
        if not len(varying):
            return None, none
        if len(varying) == 1:
            return clone(estimator).fit(self.X, y[:, varying[0]], **self.params), varying
        tags = get_tags(estimator).classifier_tags
        whole = tags is not None and tags.multi_label
        model = clone(estimator) if whole else ByColumn(estimator)
        return model.fit(self.X, y[:, varying], **self.params), varying


def lesson(
    expert: NamedExpert, rows: TrainingRows, index: np.ndarray | None, tables: Tables
) -> Lesson:
    """What `expert` learns from some of the rows, by number; None is all of them."""
    here = expert.available(rows.checked.present, rows.checked.names)
    chosen = np.arange(len(rows)) if index is None else index
    weight = None if rows.weight is None else rows.weight[chosen]
    prior = prior_of(rows.target, rows.y[chosen], weight)
    used = chosen if here.all() else chosen[here[chosen]]
    whole = index is None and len(used) == len(rows)
    X = tables.of(expert, None if whole else used)
    return Lesson(expert, X, rows.labels[used], fit_params(expert, rows, used), rows.target, prior)


def fit_expert(expert: NamedExpert, rows: TrainingRows, index: np.ndarray | None = None) -> Expert:
    """Fit a clone of the expert's estimator on those of the rows that have its modalities.

    Parameters
    ----------
    expert : NamedExpert
        Not fitted.
    rows : TrainingRows
        What `fit` was given.
    index : ndarray of int, default=None
        Rows to train on; None is all of them.

    Returns
    -------
    Expert
        Fitted. Its warnings name it.
    """
    fitted, said = heard(lesson(expert, rows, index, Tables(rows.checked)).learnt)
    notices = Notices()
    notices.add(f"{expert.name!r}{', all rows' if index is None else ''}", said)
    notices.give()
    return fitted


def prefit_expert(expert: NamedExpert, rows: TrainingRows) -> Expert:
    """An expert whose estimator is fitted already; the rows give the prior."""
    prior = prior_of(rows.target, rows.y, rows.weight)
    columns = np.arange(rows.target.n_outputs if rows.target.kind == LABELS else 0)
    return Expert(expert, expert.estimator, rows.target, prior, columns)


def fit_experts(
    experts: Sequence[NamedExpert], rows: TrainingRows, n_jobs: int | None = None
) -> list[Expert]:
    """Fit every expert on all rows; those on the same modalities share their input.

    Forests come last: what they keep is large, and what others take only while they are fitted
    would come on top of it.
    """
    tables = Tables(rows.checked)
    order = sorted(in_order(experts), key=lambda i: _is_forest(_last(experts[i].estimator)))
    lessons = ((lesson(experts[i], rows, None, tables),) for i in order)
    by_number, notices = {}, Notices()
    for i, (expert, said) in zip(order, run(_learnt, lessons, n_jobs), strict=True):
        by_number[i] = expert
        notices.add(f"{experts[i].name!r}, all rows", said)
    notices.give()
    return [by_number[i] for i in range(len(experts))]


def _is_forest(model: Any) -> bool:
    return isinstance(model, FORESTS)


def _learnt(task: Lesson) -> Any:
    return heard(task.learnt)


def in_order(experts: Sequence[NamedExpert]) -> list[int]:
    """Numbers of the experts, those on the same modalities one after another."""
    return sorted(
        range(len(experts)), key=lambda i: (experts[i].modalities, experts[i].takes_names, i)
    )


def run(
    function: Callable[..., Any], tasks: Iterator[tuple[Any, ...]], n_jobs: int | None
) -> Iterator[Any]:
    """Results of `function` on each of the `tasks`, in their order.

    One job at a time, a task is dropped before the next is made: joblib holds on to both.
    """
    if effective_n_jobs(n_jobs) == 1:
        for task in tasks:
            result = function(*task)
            del task
            yield result
    else:
        parallel = Parallel(n_jobs=n_jobs, return_as="generator")
        yield from parallel(delayed(function)(*task) for task in tasks)


# -- weights, groups, and what is routed -------------------------------------------------------


def fit_params(expert: NamedExpert, rows: TrainingRows, index: np.ndarray) -> dict[str, Any]:
    """Parameters of ``fit`` for some of the rows.

    With metadata routing they are those routed to its name; an expert that nothing was routed for
    is one of our defaults, which request weights. Otherwise weights go to every part of the
    estimator that takes them, and groups to what learns in it, or cuts folds, if that takes some.
    """
    weight = None if rows.weight is None else rows.weight[index]
    if rows.routed is not None:
        if expert.name not in rows.routed:
            return {} if weight is None else {"sample_weight": weight}
        routed = rows.routed[expert.name]
        return {key: cut(value, index, len(rows)) for key, value in routed.items()}
    params = {} if weight is None else weight_params(expert.estimator, weight)
    if rows.groups is not None:
        params |= group_params(expert.estimator, rows.groups[index])
    return params


def refuse_unused_weights(experts: Sequence[NamedExpert], rows: TrainingRows) -> None:
    """Raise if there are weights that an expert cannot use (without metadata routing)."""
    if rows.weight is None or rows.routed is not None:
        return
    for expert in experts:
        last = _last(expert.estimator)
        if not _takes_weights(last):
            by_class = rows.weighed_by == "class_weight"
            raise TypeError(
                f"`{rows.weighed_by}` was given, but the {expert.role} for {expert.name!r}, "
                f"{type(last).__name__}, does not take "
                + ("the `sample_weight` that it becomes" if by_class else "it")
                + ". Choose one that does, or leave the weights out."
            )


def _last(estimator: Any) -> Any:
    """What learns: weights that reach the scaler of a pipeline alone are no use."""
    while True:
        if isinstance(estimator, Pipeline):
            estimator = estimator.steps[-1][1]
        elif handed_on_to(estimator) is not None:
            estimator = handed_on_to(estimator)
        else:
            return estimator


def _takes_weights(estimator: Any) -> bool:
    if isinstance(estimator, FrozenEstimator) or estimator in (None, "passthrough"):
        return True
    return bool(weight_params(estimator, 1.0))
