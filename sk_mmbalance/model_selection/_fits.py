"""The fits of a search, one for each candidate and fold: begun, trained together, ended."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sklearn.base import clone
from sklearn.pipeline import Pipeline

from .._sklearn import check_method_params, safe_indexing
from ..networks import ModalityRows
from ..neural import Fitting, Shared, Training, start_fitting
from ._handed_over import Catching


def network_of(estimator: Any) -> Any:
    """What trains networks: of a pipeline its last step."""
    return estimator.steps[-1][1] if type(estimator) is Pipeline else estimator


class FoldRows:
    """The rows of one fold, and what candidates make of them that others make too."""

    def __init__(self, X: Any, y: Any, fold: tuple[Any, Any], fit_params: Mapping[str, Any]):
        train, test = fold
        self.X, self.X_test = safe_indexing(X, train), safe_indexing(X, test)
        self.y = self.y_test = None
        if y is not None:
            self.y, self.y_test = safe_indexing(y, train), safe_indexing(y, test)
        self.fit_params = check_method_params(X, params=dict(fit_params), indices=train)
        self._shared = Shared()

    def before_network(self, estimator: Any) -> _Given:
        """What the network of an estimator is fitted to; a pipeline's steps before it are shared.

        They are fitted once for all candidates that have them with the same parameters.
        """
        if type(estimator) is not Pipeline:
            return self._shared(
                "given", {}, lambda: _Given((self.X, self.y), self.fit_params, [], Shared())
            )
        others = {k: v for k, v in estimator.get_params(deep=False).items() if k != "steps"}
        return self._shared(
            "given", {**others, "steps": estimator.steps[:-1]}, lambda: self._through(estimator)
        )

    def _through(self, estimator: Any) -> _Given:
        pipeline = clone(estimator)
        name, network = pipeline.steps[-1]
        catcher = Catching.around(network)
        pipeline.steps[-1] = (name, catcher)
        pipeline.fit(self.X, self.y, **self.fit_params)
        args, kwargs = catcher.given
        return _Given(args, kwargs, pipeline.steps[:-1], Shared())

    def judged(self, estimator: Any, training: Training) -> ModalityRows | None:
        """The rows to be tested on, as the training of an estimator has its own.

        None where that cannot be, as where a class is not among the rows that are learnt from.
        """
        given = self.before_network(estimator)

        def make() -> ModalityRows | None:
            steps = [step for step in given.steps if step[1] not in (None, "passthrough")]
            assert training.alike is not None
            try:
                X = Pipeline(steps).transform(self.X_test) if steps else self.X_test
                return training.alike(X, self.y_test)
            except ValueError:
                return None

        return given.shared("judged", {"rows": training.rows}, make)


class Work(NamedTuple):
    """What a search has to train.

    Attributes
    ----------
    groups : list of list of int
        Numbers of the candidates whose networks have the same structure.
    estimators : mapping of int to estimator
        Not fitted, by candidate.
    rows : list of FoldRows
        Fold by fold.
    given : tuple
        The rows as they came, their target, and the parameters of `fit`.
    """

    groups: Sequence[Sequence[int]]
    estimators: Mapping[int, Any]
    rows: Sequence[FoldRows]
    given: tuple[Any, Any, Mapping[str, Any]]


@dataclass(frozen=True, eq=False)
class _Given:
    """What a network is fitted to, the fitted steps before it, and what its rows become."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    steps: list[tuple[str, Any]]
    shared: Shared


@dataclass(eq=False)
class Fit:
    """The fit of one candidate on one fold.

    Attributes
    ----------
    candidate, fold : int
        Their numbers.
    estimator : estimator
        With the candidate's parameters; not fitted before the end.
    training : Training or None
        What is to be trained next; None when the fit has ended.
    outcome : estimator, Exception or None
        The fitted estimator, or what kept it from being fitted.
    seconds : float
        What it took, of trainings together an equal share.
    """

    candidate: int
    fold: int
    estimator: Any
    training: Training | None = None
    outcome: Any = None
    seconds: float = 0.0
    _steps: list[tuple[str, Any]] = field(default_factory=list)
    _fitting: Fitting | None = None

    @property
    def ready(self) -> Training:
        """The training that is to be done next."""
        assert self.training is not None
        return self.training

    def begin(self, rows: FoldRows) -> None:
        """Do everything before the first training."""
        with self._timed():
            given = rows.before_network(self.estimator)
            self._steps = given.steps
            X, y = given.args
            network = network_of(self.estimator)
            self._fitting = start_fitting(network, X, y, given.shared, **given.kwargs)
            self.training = next(self._fitting)

    def go_on(self, seconds: float, error: Exception | None) -> None:
        """Do everything up to the next training, or to the end."""
        self.training, self.seconds = None, self.seconds + seconds
        if error is not None:
            self.outcome, self._fitting = error, None
            return
        assert self._fitting is not None
        with self._timed():
            try:
                self.training = self._fitting.send(False)
            except StopIteration:
                self._fitting = None
                if self._steps:
                    self.estimator.steps[:-1] = self._steps
                self.outcome = self.estimator

    @contextmanager
    def _timed(self) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        except Exception as error:  # the search says what is made of it
            self.outcome, self._fitting = error, None
        finally:
            self.seconds += time.perf_counter() - start


def unfinished(fits: Sequence[Fit]) -> list[Fit]:
    """Fits that have a training before them."""
    return [fit for fit in fits if fit.training is not None]
