"""`Evaluation`: a fitted estimator, rows with targets, and scores with modalities removed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.parallel import Parallel, delayed

from ..base import (
    SHARED,
    check_kinds,
    check_word,
    is_word,
    read_groups,
    read_weight_numbers,
    scorable,
)
from ._input import GivenInput, read_input, take_rows
from ._outputs import Prior, RemovedOutputs
from ._removal import REMOVALS, Removal
from ._resamples import Resamples
from ._scoring import RowValue, classes_of, kind_of, read_scoring, squared_errors

#: Draws of any kind: their error shrinks with the root of their number, and each is a prediction
#: of all rows. More of them would fill the memory before anything else is heard of it.
MOST_DRAWS = 100_000


@dataclass(frozen=True, eq=False)
class Scored:
    """A score, and the same score in every bootstrap resample."""

    score: float
    replicates: np.ndarray


@dataclass(frozen=True)
class Options:
    """What all functions of this room take besides the estimator and the data."""

    modalities: Any = None
    scoring: Any = None
    removal: str = "permute"
    background: Any = None
    n_repeats: int = 5
    empty: Any = "auto"
    n_bootstrap: int = 200
    confidence: float = 0.95
    groups: Any = None
    sample_weight: Any = None
    n_jobs: int | None = None
    random_state: Any = None

    def check(self) -> None:
        """Refuse what cannot be meant."""
        check_word("removal", self.removal, REMOVALS)
        for name, least in (("n_repeats", 1), ("n_bootstrap", 0)):
            value = getattr(self, name)
            whole = isinstance(value, Integral) and not isinstance(value, bool)
            if not whole or not least <= value <= MOST_DRAWS:
                raise ValueError(
                    f"`{name}` must be an integer of at least {least}, and at most {MOST_DRAWS}; "
                    f"got {value!r}."
                )
        if not (isinstance(self.confidence, Real) and 0 < self.confidence < 1):
            raise ValueError(f"`confidence` must lie between 0 and 1; got {self.confidence!r}.")
        number = isinstance(self.empty, Real) and np.isfinite(float(self.empty))
        if not number and not is_word(self.empty, ("auto", "model", "prior")):
            raise ValueError(
                "`empty` must be 'auto', 'model', 'prior' or a number, the score where everything "
                f"is removed; got {self.empty!r}."
            )


class Evaluation:
    """Scores of one fitted estimator with modalities removed; nothing is fitted, nothing changed.

    Parameters
    ----------
    estimator : estimator
        Fitted; of it only public methods are used.
    X, y : input and targets
        Rows to score.
    options : Options
        The rest.
    by_row : bool, default=False
        Whether values of rows are wanted, not scores: then rows of weight 0 are kept.
    """

    def __init__(self, estimator: Any, X: Any, y: Any, options: Options, *, by_row: bool = False):
        options.check()
        if isinstance(estimator, type) or not hasattr(estimator, "predict"):
            what = "a class" if isinstance(estimator, type) else "without `predict`"
            raise TypeError(
                f"`estimator` must be a fitted estimator with `predict`; got {estimator!r}, {what}."
            )
        given = read_input(X, modalities=options.modalities, estimator=estimator)
        y = _read_targets(y, given.n_samples)
        weights = _read_weights(options.sample_weight, given.n_samples)
        groups = read_groups(options.groups, given.n_samples)
        if not by_row and weights is not None and not weights.all():
            rows = np.flatnonzero(weights)
            given, y, weights = given.take(rows), y[rows], weights[rows]
            groups = None if groups is None else groups[rows]
        self.estimator, self.options = estimator, options
        self.given, self.y, self.weights, self.groups = given, y, weights, groups
        self.kind = kind_of(estimator, y, options.scoring)
        self.classes = classes_of(estimator, y, self.kind)
        if not by_row:
            self._scoring = read_scoring(options.scoring, self.kind)
        self.prior = Prior(y, weights, self.classes, self.kind)
        check_kinds(options, {"random_state": SHARED["random_state"]})
        # a stream each, so that the draws do not depend on the number of resamples
        seeds = check_random_state(options.random_state).randint(np.iinfo(np.int32).max, size=3)
        self.removal = Removal(
            options.removal,
            given,
            self._read_background(),
            weights,
            options.n_repeats,
            np.random.RandomState(seeds[0]),
        )
        self.resamples = Resamples(
            given.n_samples, groups, options.n_bootstrap, np.random.RandomState(seeds[1])
        )
        self.rng = np.random.RandomState(seeds[2])

    def _read_background(self) -> GivenInput | None:
        options = self.options
        if options.background is None:
            return None
        background = read_input(
            options.background,
            modalities=options.modalities,
            estimator=self.estimator,
            name="background",
        )
        if background.names != self.given.names:
            raise ValueError(
                f"`background` must have the modalities of `X`, {list(self.given.names)}; got "
                f"{list(background.names)}."
            )
        if self.given.columns is not None:
            width, other = self.given.given.shape[1], background.given.shape[1]
            if width != other:
                raise ValueError(f"`background` must have the {width} columns of `X`; got {other}.")
        for name, value in self.given.values.items():
            other = background.values[name].shape[1:]
            if other != value.shape[1:]:
                raise ValueError(
                    f"`background` modality {name!r} has shape {other} per sample, but `X` has "
                    f"{value.shape[1:]}."
                )
        return background

    # -- names and coalitions --------------------------------------------------------------

    @property
    def names(self) -> tuple[str, ...]:
        """Sorted names of the modalities."""
        return self.given.names

    @property
    def empty_rule(self) -> Any:
        """What stands for an answer where a row has nothing left: "model", "prior" or a score."""
        if self.options.empty == "auto":
            return "prior" if self.options.removal == "native" else "model"
        return self.options.empty

    @property
    def scoring_name(self) -> str:
        """Name of the scorer."""
        return self._scoring.name

    def without(self, coalition: int) -> np.ndarray:
        """What to remove so that only the modalities of a coalition (a bit each) are left."""
        kept = np.array([bool(coalition >> m & 1) for m in range(len(self.names))])
        return np.broadcast_to(~kept, self.given.present.shape)

    # -- outputs and scores ----------------------------------------------------------------

    def score_coalition(self, coalition: int) -> Scored:
        """Score with only the modalities of a coalition left."""
        if coalition == 0 and isinstance(self.empty_rule, Real):
            constant = float(self.empty_rule)
            return Scored(constant, np.full(len(self.resamples), constant))
        return self.score(self.without(coalition))

    def score_coalitions(self, coalitions: list[int]) -> list[Scored]:
        """Scores of several coalitions, in parallel if asked to."""
        if self.options.n_jobs in (None, 1):
            return [self.score_coalition(coalition) for coalition in coalitions]
        return Parallel(n_jobs=self.options.n_jobs)(
            delayed(self.score_coalition)(coalition) for coalition in coalitions
        )

    def score(self, remove: np.ndarray, draw: int | None = None) -> Scored:
        """Score with modalities removed from rows, over all draws or in one of them."""
        drawn = self._drawn(remove) if draw is None else [self._outputs(remove, [draw])]
        return self._score_outputs(drawn)

    def row_values(self, coalition: int, value: RowValue) -> np.ndarray:
        """A value per row with only the modalities of a coalition left, averaged over draws."""
        if coalition == 0 and isinstance(self.empty_rule, Real):
            return np.full(len(self.y), float(self.empty_rule))
        drawn = self._drawn(self.without(coalition))
        return _running_mean([value(outputs, self.y) for outputs in drawn])

    def plain_score(self, estimator: Any, X: Any) -> Scored:
        """Score of another estimator on the same rows and resamples, nothing removed."""
        classes = classes_of(estimator, self.y, self.kind)
        asked = np.ones(len(self.y), dtype=bool)
        outputs = RemovedOutputs(estimator, self.kind, classes, [lambda: X], asked, self.prior)
        return self._score_outputs([outputs])

    def _drawn(self, remove: np.ndarray) -> list[RemovedOutputs]:
        """One for each draw to score; "marginal" averages outputs, so it has a single one."""
        draws = list(range(self.removal.n_draws))
        if not (remove & self.given.present).any():
            draws = draws[:1]  # every draw is the input itself
        if self.options.removal == "marginal":
            return [self._outputs(remove, draws)]
        return [self._outputs(remove, [draw]) for draw in draws]

    def _outputs(self, remove: np.ndarray, draws: list[int]) -> RemovedOutputs:
        """What the estimator answers, averaged over `draws`."""
        by_prior = self.empty_rule == "prior" or (
            self.empty_rule != "model" and self.options.removal == "native"
        )
        present = self.given.present
        left = (present & ~remove).any(axis=1)
        native = self.options.removal == "native" and bool((present & remove).any())
        return RemovedOutputs(
            self.estimator,
            self.kind,
            self.classes,
            [partial(self.removal.apply, remove, draw) for draw in draws],
            left if by_prior else np.ones(len(left), dtype=bool),
            self.prior,
            native=native,
        )

    def _score_outputs(self, drawn: list[RemovedOutputs]) -> Scored:
        """Mean score over draws, and the score in every resample."""
        scorers = [self._scorer_of(outputs) for outputs in drawn]
        everything = np.arange(len(self.y))
        point = _running_mean([score(everything) for score in scorers])
        if not len(self.resamples):
            return Scored(point, np.empty(0))
        found = [self._quick_replicates(outputs.on(everything)) for outputs in drawn]
        if found[0] is not None:
            return Scored(point, _running_mean(found))
        # a call of a scorer takes milliseconds: a resample is scored in one of the draws
        return Scored(point, self.resamples.scores(scorers))

    def _scorer_of(self, outputs: RemovedOutputs) -> Callable[[np.ndarray], float]:
        """Score of outputs as a function of rows."""
        whole = outputs.first_input() if self._scoring.looks_at_input else None

        def score(rows: np.ndarray) -> float:
            X = None if whole is None else take_rows(whole, rows)
            weights = None if self.weights is None else self.weights[rows]
            return self._scoring(outputs.on(rows, X), self.y[rows], weights)

        return score

    def _quick_replicates(self, outputs: RemovedOutputs) -> np.ndarray | None:
        """Score in every resample by sums over rows, where it can be had so."""
        scoring, y, weights = self._scoring, self.y, self.weights
        if scoring.row_mean is not None:
            return self.resamples.means(scoring.row_mean(outputs, y), weights)
        if scoring.name == "r2" and y.ndim == 1 and not scoring.looks_at_input:
            return self.resamples.r2(squared_errors(outputs, y), y, weights)
        return None


def _running_mean(values: list[Any]) -> Any:
    """Mean that is exactly the values where all are equal."""
    mean = values[0]
    for count, value in enumerate(values[1:], start=2):
        mean = mean + (value - mean) / count
    return mean


def _read_targets(y: Any, n_samples: int) -> np.ndarray:
    y = scorable(np.asarray(y))
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim not in (1, 2) or len(y) != n_samples:
        raise ValueError(
            f"`y` must have one target a row; got shape {y.shape} for {n_samples} rows of `X`."
        )
    return y


def _read_weights(sample_weight: Any, n_samples: int) -> np.ndarray | None:
    if sample_weight is None:
        return None
    weights = read_weight_numbers(sample_weight).astype(float)
    if weights.shape != (n_samples,):
        raise ValueError(
            f"`sample_weight` must have one weight a row, shape ({n_samples},); got shape "
            f"{weights.shape}."
        )
    if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
        raise ValueError(
            "`sample_weight` must hold finite numbers of at least 0, one of them positive."
        )
    return weights
