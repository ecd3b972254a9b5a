"""`compare`: baselines, networks, balancing methods and the pool on data of one's own."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from numbers import Integral
from typing import Any

from tqdm.auto import tqdm

from .. import __version__
from ..preprocessing import column_notes
from ._candidates import read_candidates
from ._duration import read_duration
from ._evaluate import Work
from ._fingerprint import mark_of_problem
from ._problem import Problem, read_problem
from ._result import Comparison, collect
from ._schedule import Schedule
from ._scores import read_scoring
from ._store import Store

#: Part of the time limit that is left for tables and verdict, and for the caller's report.
_FOR_THE_END = 0.03


def compare(
    X: Any,
    y: Any,
    *,
    models: Any = "default",
    groups: Any = None,
    cv: Any = 5,
    scoring: str | Sequence[str] | dict[str, Any] | None = None,
    modalities: Any = None,
    task: str = "auto",
    n_jobs: int | None = None,
    time_limit: float | str | None = None,
    results: Any = None,
    random_state: int = 0,
    verbose: int = 1,
) -> Comparison:
    """Compare models of several modalities with the baselines they have to beat, fairly.

    Baselines come first (the best single modality, late fusion, one model on all columns, stacking,
    boosted trees up to 100 columns, independent networks), then a joint network, balancing methods
    and the opinion pool. All get
    the same rows, the same folds and the same preparation (`make_preprocessor`, fitted on training
    rows only); settings are chosen on inner folds of the training rows; `groups` are kept whole in
    outer folds, inner folds and what models hold out. Models run in processes that are ended when
    `time_limit` is over: the limit holds, and what was ended is shown as such.

    Parameters
    ----------
    X : Modalities, dict, DataFrame or array-like of n_samples rows
        Multimodal input; columns of a flat table are sorted by `modalities`. Text, categories,
        dates and missing modalities may be in it.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Classes, several labels (columns of 0 and 1), or numbers.
    models : {"default", "all", "baselines"}, list of str or dict of str to estimator, \
default="default"
        Who takes part besides the baselines. "default" are a network for each modality, a joint
        one, six balancing methods of different kinds (and modality dropout, where rows lack
        modalities) and the opinion pool; "all" are all balancing methods that can learn `y`; a list
        names some of these ("OGM", "opinion pool"); "baselines" is nobody, and no network. Of a
        dict, an estimator of one table gets all columns side by side; a pipeline that begins with a
        transformer of modalities is taken as it is; every other model gets what `make_preprocessor`
        prepares.
    groups : array-like of shape (n_samples,), default=None
        Rows that belong together (a person, a day) and are never divided.
    cv : int, splitter or iterable of (train, test), default=5
        Outer folds. A number of folds is stratified, keeps groups whole, and cuts the rows in an
        order drawn by `random_state`.
    scoring : str, list of str, or dict of str to callable, default=None
        Scorers, larger is better; the first decides. None is accuracy, balanced accuracy and
        negative log-loss; for labels accuracy (all of a row's at once), mean F1 and negative
        log-loss; for numbers R² and the negative mean absolute error.
    modalities : dict of str to columns, default=None
        Column blocks of a flat table.
    task : {"auto", "classes", "labels", "numbers"}, default="auto"
        What `y` is. "auto" takes fractions, and whole numbers of more than 30 values, for numbers,
        and several columns of 0 and 1 for labels.
    n_jobs : int, default=None
        Processes side by side; None is 1, -1 all cores.
    time_limit : float or str, default=None
        Seconds, or a time like "10m", for the whole comparison. Baselines without a network come
        first, one fold of each after the other; then the other models in their order. A quarter of
        the time is kept for the last (the pool); of what else there is a model may take half, and
        one that would take more, at its pace, goes on only when all others are through. A model
        with some of its folds is shown ("ended after 2 of 5 folds") and has no say in the verdict.
    results : str or path-like, default=None
        File that results are written to as they come. The same call with the same file goes on
        where the last one stopped.
    random_state : int, default=0
        Seed of folds and models.
    verbose : int, default=1
        0 shows no bar, says nothing of columns that are no plain numbers (dates, text,
        identifiers), and no verdict at the end (all of it goes to the standard error).

    Returns
    -------
    Comparison
        Table, verdict, plots, the best estimator, an HTML report.

    Raises
    ------
    ValueError
        If data, folds or parameters cannot be used, or every model failed.
    TypeError
        If a model is no estimator of what `y` holds, or cannot be sent to another process.

    Notes
    -----
    The interval of a difference is that of Nadeau and Bengio [1]_, for folds that share training
    rows. What modalities are worth and what missing ones cost is looked at on the test rows of the
    first fold (at most 400).

    References
    ----------
    .. [1] C. Nadeau, Y. Bengio, "Inference for the Generalization Error", Machine Learning 52,
       2003.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sk_mmbalance import compare
    >>> from sk_mmbalance.datasets import make_imbalanced_modalities
    >>> X, y, _ = make_imbalanced_modalities(300, modalities=["face", "voice"], random_state=0)
    >>> forest = RandomForestClassifier(50, random_state=0)
    >>> found = compare(X, y, models={"forest": forest}, cv=3, verbose=0)
    >>> sorted(found.table.index)
    ['best single modality', 'boosted trees', 'concatenation', 'forest', 'late fusion', 'stacking']
    >>> found.best in found.table.index
    True
    """
    began = time.monotonic()
    limit = read_duration(time_limit)
    whole = isinstance(random_state, Integral) and not isinstance(random_state, bool)
    if not whole or not 0 <= random_state < 2**32 - 1:
        raise ValueError(
            f"`random_state` must be an integer from 0 to {2**32 - 2}; got {random_state!r}."
        )
    problem = read_problem(X, y, groups, modalities, cv, int(random_state), task)
    notes = column_notes(problem.X, has_groups=problem.groups is not None)
    for note in notes if verbose else []:
        tqdm.write(f"note: {note}", file=sys.stderr)
    scorers = read_scoring(scoring, problem.kind)
    candidates = {one.name: one for one in read_candidates(models, problem)}
    work = Work(problem, candidates, scorers)
    store = Store(results, mark_of_problem(problem, list(scorers), _release()))
    n_jobs = _n_jobs(n_jobs)
    with _Bar(verbose, len(candidates) * len(problem.folds), limit, began) as bar:
        deadline = None if limit is None else began + (1 - _FOR_THE_END) * limit
        schedule = Schedule(work, store, n_jobs, deadline, bar.show)
        bar.start(sum(len(problem.folds) - len(s.todo) for s in schedule.standings.values()))
        schedule.run()
    errors = [s.error for s in schedule.standings.values()]
    if all(errors):
        raise ValueError(f"every model failed, of all in `models`; the first said: {errors[0]}")
    found = collect(work, schedule, setting_of(problem, scorers, random_state, limit, began))
    found.setting["notes"] = notes
    main = next(iter(scorers))
    if not found.scores.empty and found.scores[main].isna().all():
        raise ValueError(
            f"`scoring` {main!r} cannot be had of any model: `y` holds {problem.kind}. Name "
            "another scorer first."
        )
    if verbose:
        tqdm.write(f"compare: {found.verdict}", file=sys.stderr)
    return found


def setting_of(
    problem: Problem, scorers: dict[str, Any], random_state: int, limit: float | None, began: float
) -> dict[str, Any]:
    """What a result says of how it came about."""
    return {
        "n_rows": len(problem.y),
        "kind": problem.kind,
        "modalities": _modalities(problem.X),
        "groups": None if problem.groups is None else len(set(problem.groups.tolist())),
        "n_folds": len(problem.folds),
        "scoring": list(scorers),
        "random_state": int(random_state),
        "time_limit": limit,
        "seconds": time.monotonic() - began,
        "release": _release(),
    }


def _release() -> str:
    return str(__version__)


def _n_jobs(n_jobs: int | None) -> int:
    if n_jobs is None:
        return 1
    if not isinstance(n_jobs, Integral) or n_jobs == 0:
        raise ValueError(f"`n_jobs` must be an integer other than 0; got {n_jobs!r}.")
    cores = os.cpu_count() or 1
    return int(n_jobs) if n_jobs > 0 else max(1, cores + 1 + int(n_jobs))


def _modalities(X: Any) -> dict[str, dict[str, Any]]:
    info = X.info()[["shape", "dtypes", "missing_rows"]]
    return {str(name): line for name, line in info.to_dict("index").items()}


class _Bar:
    """Folds done, the time that they may take still, and who is at work."""

    def __init__(self, verbose: int, total: int, limit: float | None, began: float):
        self._bar = tqdm(
            total=total, desc="compare", unit="fold", file=sys.stderr, disable=not verbose
        )
        self._limit, self._began = limit, began

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *exception: Any) -> None:
        self._bar.close()

    def start(self, n_known: int) -> None:
        """Folds that an earlier call has left."""
        self._bar.initial = n_known
        self._bar.update(n_known)

    def show(self, name: str, fold: int) -> None:
        """A fold is done."""
        left = ""
        if self._limit is not None:
            seconds = max(0, int(self._limit - (time.monotonic() - self._began)))
            left = f", at most {seconds // 60}:{seconds % 60:02} left"
        self._bar.set_postfix_str(f"{name}{left}", refresh=False)
        self._bar.update()
