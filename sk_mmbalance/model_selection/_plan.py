"""Which fits of a search are trained together, and what became of each."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import repeat
from typing import Any

import numpy as np
import pandas as pd
import torch
from joblib import effective_n_jobs
from sklearn.base import clone
from torch.nn.attention import SDPBackend, sdpa_kernel

from ._fits import Fit, FoldRows, Work, network_of, unfinished
from ._halving import Halving
from ._memory import most_at_once
from ._parted_stack import PartedStack
from ._progress import Bar, ToldBar
from ._rule import pays
from ._stack import Stack
from ._stackable import (
    cuts_batches,
    form,
    in_groups,
    structure,
    why_not_estimator,
    why_not_training,
)
from ._stacked_parameters import UnstackableError


class Together:
    """Trains what can be trained together, and says what cannot and why.

    Parameters
    ----------
    search : VectorizedGridSearchCV
        Whose parameters are read.
    candidates : list of dict
        Parameters to try.
    folds : list of tuple of ndarray or slice
        Rows to train on and rows to test on, fold by fold.
    bar : Bar or ToldBar, default=None
        Shows how far it is; None makes one, if the search is to be seen.

    Attributes
    ----------
    fits : dict of (int, int) to Fit
        By candidate and fold, what was trained together.
    reasons : dict of int to str
        By candidate, why it was not.
    stack_of : dict of int to int
        By candidate, the number of its (last) stack.
    n_stacks : int
        How many there were.
    dropped : list of int
        By candidate, the epochs after which halving dropped it, 0 if it did not.
    """

    def __init__(
        self,
        search: Any,
        candidates: list[dict[str, Any]],
        folds: Sequence[tuple[Any, Any]],
        bar: Bar | ToldBar | None = None,
    ):
        self.search = search
        self.halving = () if search.halving is None else tuple(map(int, search.halving))
        self.candidates = candidates
        self.folds = folds
        self.reasons: dict[int, str] = {}
        self.stack_of: dict[int, int] = {}
        self.fits: dict[tuple[int, int], Fit] = {}
        self.n_stacks = 0
        self._given_up = False
        name = getattr(search, "called", type(search).__name__)
        self._bar = Bar(name, search.verbose) if bar is None else bar
        self.dropped = [0] * len(candidates)

    @property
    def ordinary(self) -> list[int]:
        """Candidates that are left to the ordinary path."""
        return [k for k in range(len(self.candidates)) if k in self.reasons]

    def fit(self, X: Any, y: Any, fit_params: Mapping[str, Any]) -> list[Any]:
        """Fit what can be fitted together; by candidate and fold what came of it, or None."""
        estimators: dict[int, Any] = {}
        for k, params in enumerate(self.candidates):
            if self.search.stack is False:
                self.reasons[k] = "`stack=False`"
                continue
            # a parameter that is not there ends the search now, as it would later on
            chosen = clone(self.search.estimator).set_params(**clone(params, safe=False))
            try:
                reason = why_not_estimator(network_of(chosen))
            except Exception as error:  # which the ordinary path will raise in its place
                reason = f"{type(error).__name__}: {error}"
            if reason:
                self.reasons[k] = reason
            else:
                estimators[k] = chosen
        numbers = list(estimators)
        groups = in_groups(numbers, [structure(network_of(estimators[k])) for k in numbers])
        rows = [FoldRows(X, y, fold, fit_params) for fold in self.folds] if groups else []
        with closing(self._bar), _torch_as_stacks_need_it():
            work = Work(groups, estimators, rows, (X, y, fit_params))
            if groups and not self._elsewhere(work):
                self._here(work)
        pairs = [(k, f) for k in range(len(self.candidates)) for f in range(len(self.folds))]
        return [None if k in self.reasons else self.fits[k, f].outcome for k, f in pairs]

    def _elsewhere(self, work: Work) -> bool:
        """Have others do it; whether they did."""
        return False

    def _here(self, work: Work) -> None:
        """Train group by group, as many candidates at once as can be."""
        for group in work.groups:
            waiting = list(group)
            while waiting:
                fits = self._begin_some(waiting, work.estimators, work.rows)
                self._carry_on(fits, work.rows)

    def _begin_some(
        self, waiting: list[int], estimators: Mapping[int, Any], rows: Sequence[FoldRows]
    ) -> list[Fit]:
        """Fits of as many of the waiting candidates as can be trained at once."""
        fits: list[Fit] = []
        most = 1.0
        while waiting and (not fits or len(fits) + len(rows) <= most):
            k = waiting.pop(0)
            mine = [Fit(k, f, clone(estimators[k])) for f in range(len(rows))]
            for fit, fold in zip(mine, rows, strict=True):
                fit.begin(fold)
                self._raise_if_asked(fit)
            trainings = [fit.training for fit in mine if fit.training is not None]
            reasons = [reason for reason in map(why_not_training, trainings) if reason]
            if reasons:
                self.reasons[k] = reasons[0]
                continue
            fits += mine
            if trainings:
                given = self.search.max_models
                share = getattr(self.search, "memory_share", 1.0)
                most = most_at_once(trainings[0], share) if given == "auto" else given
        return fits

    def _carry_on(self, fits: list[Fit], rows: Sequence[FoldRows]) -> None:
        """Train the networks of fits together, as often as they hand one out."""
        if self.search.stack == "auto":
            fits = self._that_pay(fits)
        halving = self._halving(fits, rows)
        while waiting := unfinished(fits):
            for alike in in_groups(waiting, [form(fit.ready) for fit in waiting]):
                self._train(alike, halving)
            halving = None  # networks of inner folds, where there are any, are trained to the end
            fits = [fit for fit in fits if fit.candidate not in self.reasons]
        for fit in fits:
            self.fits[fit.candidate, fit.fold] = fit

    def _that_pay(self, fits: list[Fit]) -> list[Fit]:
        """Leave those to the ordinary path that it does not train more slowly."""
        waiting = unfinished(fits)
        for alike in in_groups(waiting, [form(fit.ready) for fit in waiting]):
            if not pays(alike[0].ready, len(alike)):
                for fit in alike:
                    self.reasons[fit.candidate] = "a stack of such networks would not be faster"
        return [fit for fit in fits if fit.candidate not in self.reasons]

    def _halving(self, fits: Sequence[Fit], rows: Sequence[FoldRows]) -> Halving | None:
        if not self.halving:
            return None
        judged = {
            fit.ready.net: (fit.candidate, rows[fit.fold].judged(fit.estimator, fit.ready))
            for fit in unfinished(fits)
        }
        return Halving(self.halving, judged)

    def _train(self, fits: Sequence[Fit], halving: Halving | None) -> None:
        """Train fits of one form, in as many threads as there are jobs."""
        candidates = sorted({fit.candidate for fit in fits})
        n_jobs = min(effective_n_jobs(self.search.n_jobs), len(candidates))
        shares = [set(candidates[k::n_jobs]) for k in range(n_jobs)]
        parts = [[fit for fit in fits if fit.candidate in share] for share in shares]
        for part in parts:
            self._bar.expect(sum(fit.ready.n_epochs for fit in part))
        numbers = range(self.n_stacks, self.n_stacks + len(parts))
        self.n_stacks += len(parts)
        if len(parts) == 1:
            self._train_stack(numbers[0], parts[0], halving)
            return
        with ThreadPoolExecutor(n_jobs) as pool:
            try:
                list(pool.map(self._train_stack, numbers, parts, repeat(halving)))
            except BaseException:
                self._given_up = True  # the other threads end with their epoch
                raise

    def _train_stack(self, number: int, fits: Sequence[Fit], halving: Halving | None) -> None:
        torch.set_num_threads(1)  # small products: a thread each costs more than it gives
        start = time.perf_counter()
        trainings = [fit.ready for fit in fits]
        cut = cuts_batches(trainings[0].net.methods)
        stack = (PartedStack if cut else Stack)(trainings, self._on_epoch, halving)
        try:
            outcomes = stack.run()
        except Exception as error:  # what is wrong with it by itself, too, the search will show
            what = "" if isinstance(error, UnstackableError) else f"{type(error).__name__}: "
            for fit in fits:
                self.reasons[fit.candidate] = f"it cannot be run as a stack: {what}{error}"
                fit.training = None
            return
        share = (time.perf_counter() - start) / len(fits)
        if halving is not None:
            for fit in fits:
                self.dropped[fit.candidate] = halving.dropped.get(fit.candidate, 0)
        for fit, outcome in zip(fits, outcomes, strict=True):
            self.stack_of.setdefault(fit.candidate, number)
            fit.go_on(share, outcome)
            self._raise_if_asked(fit)

    def _raise_if_asked(self, fit: Fit) -> None:
        """Raise what kept a fit from going on, where that is to end the search."""
        if isinstance(fit.outcome, Exception) and self.search.error_score == "raise":
            raise fit.outcome

    # -- what is seen ----------------------------------------------------------------------

    def _on_epoch(self, n_epochs: int) -> None:
        if self._given_up:
            raise _GivenUp
        self._bar.done(n_epochs)

    def enter_times(self, results: dict[str, Any]) -> None:
        """Put the times of the fits where scikit-learn has those of handing them over."""
        for k in range(len(self.candidates)):
            if k not in self.reasons:
                times = [self.fits[k, f].seconds for f in range(len(self.folds))]
                results["mean_fit_time"][k] = np.mean(times)
                results["std_fit_time"][k] = np.std(times)

    def report(self) -> pd.DataFrame:
        """By candidate, whether it was trained in a stack, in which, or why not."""
        numbers = range(len(self.candidates))
        stack_of = {k: number for k, number in self.stack_of.items() if k not in self.reasons}
        return pd.DataFrame(
            {
                "stacked": [k in stack_of for k in numbers],
                "stack": [stack_of.get(k, -1) for k in numbers],
                "reason": ["" if k in stack_of else self._why_not(k) for k in numbers],
            }
        )

    def _why_not(self, candidate: int) -> str:
        """Why a candidate was in no stack."""
        if candidate in self.reasons:
            return self.reasons[candidate]
        error = self.fits[candidate, 0].outcome
        return f"{type(error).__name__}: {error}"


class _GivenUp(BaseException):
    """Another stack of the search was interrupted."""


@contextmanager
def _torch_as_stacks_need_it() -> Iterator[None]:
    """Attention in steps that `vmap` knows; in the end, as many threads as before."""
    n_threads = torch.get_num_threads()
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.set_num_threads(n_threads)
