"""The candidates of a large search, divided over processes that train their shares."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import PicklingError
from typing import Any

import torch
from joblib import effective_n_jobs
from joblib.parallel import get_active_backend
from sklearn.base import clone
from sklearn.utils.parallel import Parallel, delayed

from ._fits import Fit, Work
from ._handing import packed, unpacked
from ._plan import Together
from ._progress import ToldBar, heard_by
from ._rule import stacked_seconds
from ._stackable import why_not_training

#: Reckoned seconds of all stacks from which processes are worth what it takes to start them. Below,
#: threads share the work, and wait for one another between the operations of a step.
WORTH_PROCESSES = 6.0


@dataclass(frozen=True, eq=False)
class Asked:
    """What a process is told of the search."""

    estimator: Any
    stack: Any
    max_models: Any
    halving: Any
    error_score: Any
    memory_share: float
    n_jobs: int = 1
    verbose: int = 0


@dataclass(frozen=True, eq=False)
class Share:
    """What became of some candidates; attributes that `Together` has are as there.

    Attributes
    ----------
    outcomes : object
        By candidate and fold, a fitted estimator, an exception or None; `packed`.
    seconds : list of float
        Likewise, what it took.
    said : list of WarningMessage
        Warnings on the way.
    """

    outcomes: Any
    seconds: list[float]
    reasons: dict[int, str]
    stack_of: dict[int, int]
    n_stacks: int
    dropped: list[int]
    said: list[warnings.WarningMessage]


class Divided(Together):
    """Trains together what can be, and much of it in several processes.

    Which networks are in one stack depends on sizes, on `n_jobs`, and on joblib's backend.
    """

    def _elsewhere(self, work: Work) -> bool:
        """Have processes train the candidates, if that pays."""
        n_jobs = effective_n_jobs(self.search.n_jobs)
        backend, _ = get_active_backend()
        if n_jobs == 1 or getattr(backend, "uses_threads", False):  # as inside of another search
            return False
        with warnings.catch_warnings(record=True) as said:
            is_much = _is_much(work)
        if not is_much:
            _repeat(said)  # what is read once is not read again
            return False
        shares: list[list[int]] = [[] for _ in range(n_jobs)]
        for first, group in enumerate(work.groups):  # each begins with another process
            for place, k in enumerate(group):
                shares[(first + place) % n_jobs].append(k)
        shares = [share for share in shares if share]
        most = self.search.max_models
        asked = Asked(
            estimator=self.search.estimator,
            stack=self.search.stack,
            max_models=most if most == "auto" else -(-most // len(shares)),
            halving=self.search.halving,
            error_score=self.search.error_score,
            memory_share=1 / len(shares),
        )
        with heard_by(self._bar, self.search.verbose) as file:
            tasks = (
                delayed(_train)(
                    asked, [self.candidates[k] for k in s], self.folds, work.given, file
                )
                for s in shares
            )
            try:
                done = Parallel(n_jobs=n_jobs)(tasks)
            except PicklingError:  # threads need not hand anything over
                _repeat(said)
                return False
        for share, found in zip(shares, done, strict=True):
            self._take(share, found)
        _repeat([warning for share in done for warning in share.said])
        return True

    def _take(self, numbers: Sequence[int], share: Share) -> None:
        """Enter what a process found out about the candidates of these numbers."""
        pairs = [(k, fold) for k in numbers for fold in range(len(self.folds))]
        for (k, fold), outcome, took in zip(
            pairs, unpacked(share.outcomes), share.seconds, strict=True
        ):
            self.fits[k, fold] = Fit(k, fold, None, outcome=outcome, seconds=took)
        for own, k in enumerate(numbers):
            self.dropped[k] = share.dropped[own]
            if own in share.reasons:
                self.reasons[k] = share.reasons[own]
            if own in share.stack_of:
                self.stack_of[k] = self.n_stacks + share.stack_of[own]
        self.n_stacks += share.n_stacks


def _is_much(work: Work) -> bool:
    """Whether all stacks take long, as reckoned by a network of each form."""
    reckoned = 0.0
    for group in work.groups:
        fit = Fit(group[0], 0, clone(work.estimators[group[0]]))
        fit.begin(work.rows[0])
        training = fit.training
        if training is None or why_not_training(training):
            continue
        if torch.device(training.net.device).type != "cpu":
            return False  # a process would have to begin with a context of its own
        reckoned += stacked_seconds(training) * len(group) * len(work.rows)
    return reckoned >= WORTH_PROCESSES


def _train(
    asked: Asked,
    candidates: list[dict[str, Any]],
    folds: Sequence[tuple[Any, Any]],
    given: tuple[Any, Any, Mapping[str, Any]],
    file: Path | None,
) -> Share:
    """What a process does."""
    together = Together(asked, candidates, folds, ToldBar(file))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        outcomes = together.fit(*given)
    pairs = [(k, fold) for k in range(len(candidates)) for fold in range(len(folds))]
    return Share(
        packed(outcomes),
        [together.fits[pair].seconds if pair in together.fits else 0.0 for pair in pairs],
        together.reasons,
        together.stack_of,
        together.n_stacks,
        together.dropped,
        said,
    )


def _repeat(said: Sequence[warnings.WarningMessage]) -> None:
    """Say here what was said elsewhere, everything once."""
    told = {(str(w.message), w.category, w.filename, w.lineno): w for w in said}
    for warning in told.values():
        warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
