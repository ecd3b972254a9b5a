"""`TrainingRows`: what `fit` was given, read once and for all."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from ..exceptions import FoldWarning
from ..modalities import CheckedModalities, check_modalities
from ._column import read_column
from ._folds import (
    AS_GIVEN,
    BOTH,
    BY_GROUP,
    DEFAULT_FOLDS,
    IN_ORDER,
    Fold,
    FoldChoice,
    cut_folds,
    is_number,
    numbers_rows_itself,
    said_of_both,
    warn_of_order,
)
from ._hold_out import hold_out
from ._row_order import RowOrder, compare_orders
from ._target import CLASSES, Target, read_target

#: Share of rows tested without their class having been trained on, above which folds are warned of.
#: Rare classes have fewer rows than folds now and then; that is no more than their own misfortune.
MOST_UNTAUGHT = 0.2


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """Rows to train on: modalities, target, weights, groups, and what metadata routing adds.

    Rows of weight 0 are not among them: they are as good as absent before anything is cut, drawn
    or counted. Made by `ModalityEstimator._read_training`, which is the one reader of `X`, `y`,
    `sample_weight` and `groups`.

    Attributes
    ----------
    checked : CheckedModalities
        The modalities.
    target : Target
        What `y` is.
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Coded values of the target.
    weight : ndarray of shape (n_samples,), or None
        Positive weights; None when all are 1.
    groups : ndarray of shape (n_samples,), or None
        Groups that no split may divide.
    routed : dict of str to dict, or None
        Parameters of `fit` by the name of an inner estimator, where metadata routing is on.
    given : ndarray of int of shape (n_samples,)
        Number of each row among those that the user gave.
    n_given : int
        How many rows the user gave.
    weighed_by : {"sample_weight", "class_weight"}
        The parameter that the weights come from, for messages; the first where both were given.
    """

    checked: CheckedModalities
    target: Target
    y: np.ndarray
    weight: np.ndarray | None
    groups: np.ndarray | None
    routed: dict[str, dict[str, Any]] | None
    given: np.ndarray
    n_given: int
    weighed_by: str = "sample_weight"
    _labels: list[np.ndarray] = field(default_factory=list, repr=False)

    @classmethod
    def read(cls, X: Any, y: Any, kinds: tuple[str, ...], owner: str, groups: Any) -> TrainingRows:
        """Rows as they came to who is no estimator, and takes whatever lacks something.

        Parameters
        ----------
        X : Modalities or dict of str to array
            The modalities.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The target.
        kinds : tuple of str
            Kinds of targets that are taken.
        owner : str
            Who reads, for messages.
        groups : ndarray of shape (n_samples,), or None
            Groups that have been read.
        """
        checked = check_modalities(X, missing="mask", accept_sparse=True, keep_all_missing=True)
        target, coded = read_target(y, checked.n_samples, kinds, owner)
        return cls.of(checked, target, coded, groups=groups)

    @classmethod
    def of(
        cls,
        checked: CheckedModalities,
        target: Target,
        y: np.ndarray,
        weight: np.ndarray | None = None,
        groups: np.ndarray | None = None,
        routed: dict[str, dict[str, Any]] | None = None,
        weighed_by: str = "sample_weight",
    ) -> TrainingRows:
        """Rows that have been read, without those of weight 0."""
        n_given = checked.n_samples
        given = np.arange(n_given)
        rows = cls(checked, target, y, weight, groups, None, given, n_given, weighed_by)
        rows = rows.with_routed(routed)
        if weight is None or weight.all():
            return rows
        return rows.take(np.flatnonzero(weight))

    def __len__(self) -> int:
        return len(self.y)

    @property
    def labels(self) -> np.ndarray:
        """The target as the user gave it: what estimators inside are fitted to."""
        if not self._labels:
            self._labels.append(self.target.labels(self.y))
        return self._labels[0]

    @property
    def weight_or_ones(self) -> np.ndarray:
        """Weight of every row."""
        return np.ones(len(self)) if self.weight is None else self.weight

    def take(self, rows: np.ndarray) -> TrainingRows:
        """Some of the rows, in the order given; a row may come twice."""
        n = len(self)
        routed = self.routed
        if routed is not None:
            routed = {
                name: {key: cut(value, rows, n) for key, value in params.items()}
                for name, params in routed.items()
            }
        return replace(
            self,
            checked=self.checked.rows(rows),
            y=self.y[rows],
            weight=None if self.weight is None else self.weight[rows],
            groups=None if self.groups is None else self.groups[rows],
            routed=routed,
            given=self.given[rows],
            _labels=[],
        )

    def with_target(self, target: Target, y: np.ndarray) -> TrainingRows:
        """The same rows with another target."""
        return replace(self, target=target, y=y, _labels=[])

    def with_routed(self, routed: dict[str, dict[str, Any]] | None) -> TrainingRows:
        """The same rows with what metadata routing gives to inner estimators.

        Values with an entry for every row that the user gave are cut to the rows at hand.
        """
        if routed is None:
            return replace(self, routed=None)
        return replace(
            self,
            routed={
                name: {key: cut(value, self.given, self.n_given) for key, value in params.items()}
                for name, params in routed.items()
            },
        )

    def folds(self, cv: Any) -> list[Fold]:
        """Rows to train on and rows to test on, as numbers of the rows at hand.

        A number of folds, or a splitter, cuts the rows at hand. Splits that hold row numbers count
        the rows as the user gave them; those of weight 0 are left out, repeats stay.
        """
        folds = self._cut(cv)
        self._warn_of_untaught(folds, cv)
        return folds

    def _cut(self, cv: Any) -> list[Fold]:
        if is_number(cv) or not numbers_rows_itself(cv):
            return cut_folds(cv, len(self), self._strata(), self.groups)
        position = np.full(self.n_given, -1)
        position[self.given] = np.arange(len(self))
        folds = []
        for split in cut_folds(cv, self.n_given):
            train, test = (position[rows] for rows in split)
            train, test = train[train >= 0], test[test >= 0]
            if len(train) and len(test):
                folds.append((train, test))
        if not folds:
            raise ValueError(
                "`cv` has no split with a row to train on and one to test on among the rows of "
                "positive `sample_weight`."
            )
        return folds

    def _warn_of_untaught(self, folds: list[Fold], cv: Any) -> None:
        """Warn of folds that teach little, such as those of rows sorted by class."""
        if self.target.kind != CLASSES:
            return
        untaught = [~np.isin(self.y[test], self.y[train]) for train, test in folds]
        share = np.concatenate(untaught).mean()
        if share <= MOST_UNTAUGHT:
            return
        if self.groups is not None and (is_number(cv) or self._classes_have_one_group(folds)):
            # a number of folds spreads classes as far as whole groups let it
            whose = "`groups` put"
            remedy = (
                "Give `groups` that hold several classes each, or none if rows are independent."
            )
        else:
            whose = "`cv` puts"
            by = "StratifiedKFold" if self.groups is None else "StratifiedGroupKFold"
            remedy = f"Use a splitter that spreads classes ({by})."
        warnings.warn(
            f"{whose} {share:.0%} of the rows into test folds whose training part has no row of "
            f"their class: scores, weights and thresholds learnt from it are worth little. "
            f"{remedy}",
            FoldWarning,
            stacklevel=2,
        )

    def _classes_have_one_group(self, folds: list[Fold]) -> bool:
        """Whether no folds of whole groups could teach the classes that these do not teach."""
        assert self.groups is not None
        untaught = [np.setdiff1d(self.y[test], self.y[train]) for train, test in folds]
        classes = np.unique(np.concatenate(untaught))
        return all(len(np.unique(self.groups[self.y == k])) == 1 for k in classes)

    def choose_folds(self, cv: Any, random_state: Any, stacklevel: int = 1) -> FoldChoice:
        """Folds of a number of them, of rows in order or both ways as rows ask; else as `folds`.

        Warns with `RowOrderWarning` where the order of the rows matters and nothing but a number
        was given.

        Parameters
        ----------
        cv : int, splitter or iterable of (train, test), or None
            As in `folds`.
        random_state : int, RandomState instance or None
            Seed of the shuffling. It is not looked at where nothing is shuffled.
        stacklevel : int
            As in `warnings.warn`, counted from the caller.
        """
        parts = [self.folds(cv)]
        how, order = self.how_to_cut(cv)
        if order is not None and how == BOTH:
            seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
            parts.append(self.shuffled_folds(cv, seed))
            warn_of_order(order, said_of_both(cv), stacklevel + 1)
        return FoldChoice(parts, how, order)

    def how_to_cut(self, cv: Any, among: np.ndarray | None = None) -> tuple[str, RowOrder | None]:
        """How folds are to be cut, as in `FoldChoice`, and what the order of rows says of it.

        With `among`, row numbers, the order of those rows is asked for.
        """
        if not is_number(cv):
            return AS_GIVEN, None
        if self.groups is not None:
            return BY_GROUP, None
        order = self.row_order(DEFAULT_FOLDS if cv is None else int(cv), among)
        return (IN_ORDER if order is None or not order.matters else BOTH), order

    def shuffled_folds(self, cv: Any, seed: int) -> list[Fold]:
        """A number of folds, of shuffled rows."""
        return cut_folds(cv, len(self), self._strata(), shuffle=seed)

    def row_order(
        self, n_folds: int = DEFAULT_FOLDS, among: np.ndarray | None = None
    ) -> RowOrder | None:
        """What the order of the rows says, or of those `among` them; None if nobody can tell."""

        def cut(strata: np.ndarray | None, n_rows: int, seed: int | None) -> list[Fold]:
            return cut_folds(min(n_folds, DEFAULT_FOLDS), n_rows, strata, shuffle=seed)

        return compare_orders(self.checked, self.target, self.y, self.weight, cut, among)

    def hold_out(self, fraction: Any, seed: int) -> Fold:
        """Rows to train on and a share of the rows to hold out, drawn by `seed`.

        Classes are spread evenly where there are rows enough; no group is on both sides. In place
        of a share a splitter, or splits, may be given: their first split is taken.
        """
        if not isinstance(fraction, Real):
            return self.folds(fraction)[0]
        strata = self._strata()
        strata = np.zeros(len(self), dtype=np.intp) if strata is None else strata
        return hold_out(strata, self.groups, float(fraction), seed)

    def _strata(self) -> np.ndarray | None:
        return self.target.strata(self.y)


def cut(value: Any, rows: np.ndarray, n_samples: int) -> Any:
    """`value` in some of the rows, if it has an entry for each of them."""
    return np.asarray(value)[rows] if np.shape(value)[:1] == (n_samples,) else value


def read_groups(groups: Any, n_samples: int) -> np.ndarray | None:
    """Check `groups`: one known value per sample, all of one kind."""
    if groups is None:
        return None
    return read_column(
        groups,
        "groups",
        "group",
        n_samples,
        "Leave these rows out, or give each a group of its own.",
    )
