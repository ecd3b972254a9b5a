"""`Target`: what `y` is, and the way from it to numbers and back.

There are three kinds: one class a row (`ClassTarget`), several labels a row (`LabelTarget`), and
numbers (`NumberTarget`). Whoever trains or predicts asks the target and need not know which it is.

*Coded* values are what training works on: the number of a class, a row of 0 and 1 for labels,
standardised numbers. *Outputs* are what a model gives before it is turned into an answer: a logit
for every class or label, a standardised number for every column.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from scipy.sparse import issparse
from scipy.special import expit, softmax
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from ._column import as_array, as_column, is_unknown, of_one_kind, read_column, refuse_unknown

#: A million squares of it can still be added up.
_LARGEST_NUMBER = 1e150
#: All kinds of targets, by their names.
CLASSES, LABELS, NUMBERS = "classes", "labels", "numbers"


@dataclass(frozen=True, eq=False)
class Target(ABC):
    """What `y` is."""

    #: one of "classes", "labels" and "numbers"
    kind: ClassVar[str]

    @property
    @abstractmethod
    def n_outputs(self) -> int:
        """Columns of a model's outputs."""

    @abstractmethod
    def encode(self, y: Any, n_samples: int) -> np.ndarray:
        """Coded values of a user's `y`, which must be of this kind."""

    @abstractmethod
    def labels(self, coded: np.ndarray) -> np.ndarray:
        """Coded values as the user knows them: the way back from `encode`."""

    @abstractmethod
    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """Predictions, as the user knows them, from outputs."""

    @abstractmethod
    def strata(self, coded: np.ndarray) -> np.ndarray | None:
        """Number of the class by which rows are spread over folds; None if there is none."""

    def proba(self, outputs: np.ndarray) -> np.ndarray:
        """Probabilities from outputs, where there are any."""
        raise TypeError(f"A target of {self.kind} has no probabilities.")

    def choose(self, proba: np.ndarray) -> np.ndarray:
        """Predictions from probabilities, where there are any."""
        raise TypeError(f"A target of {self.kind} has no probabilities.")

    def is_known(self, coded: np.ndarray) -> np.ndarray:
        """Rows whose value is known; others are there without one."""
        return np.ones(len(coded), dtype=bool)


@dataclass(frozen=True, eq=False)
class ClassTarget(Target):
    """One class a row.

    Coded values are positions in `classes`, of shape (n_samples,); -1 for a row without label.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        Labels, sorted.
    """

    kind = CLASSES

    classes: np.ndarray

    @property
    def n_outputs(self) -> int:
        """Number of classes."""
        return len(self.classes)

    def encode(self, y: Any, n_samples: int) -> np.ndarray:
        """Positions of the labels among the classes."""
        y = _read_labels(y, n_samples)
        known = set(self.classes.tolist())  # no sorting: text may stand where numbers are known
        foreign = [label for label in np.unique(y).tolist() if label not in known]
        if foreign:
            raise ValueError(
                f"`y` has labels {foreign} that are not among the classes {self.classes.tolist()}."
            )
        return np.searchsorted(self.classes, y)

    def labels(self, coded: np.ndarray) -> np.ndarray:
        """Labels at these positions."""
        return self.classes[coded]

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """Label of the largest output."""
        return self.classes[outputs.argmax(axis=1)]

    def proba(self, outputs: np.ndarray) -> np.ndarray:
        """Softmax."""
        return softmax(outputs, axis=1)

    def choose(self, proba: np.ndarray) -> np.ndarray:
        """Label of the largest probability."""
        return self.decode(proba)

    def strata(self, coded: np.ndarray) -> np.ndarray:
        """The classes themselves."""
        return coded

    def is_known(self, coded: np.ndarray) -> np.ndarray:
        """Rows with a label."""
        return coded >= 0


@dataclass(frozen=True, eq=False)
class LabelTarget(Target):
    """Several labels a row, each of which it has or has not.

    Coded values are 0 and 1, float64 of shape (n_samples, n_labels).

    Parameters
    ----------
    n_labels : int
        Number of labels.
    dtype : dtype
        Type of the indicators in `y`; predictions have it too.
    """

    kind = LABELS

    n_labels: int
    dtype: Any = np.int64

    @property
    def n_outputs(self) -> int:
        """Number of labels."""
        return self.n_labels

    @property
    def classes(self) -> np.ndarray:
        """Numbers of the labels, as in `sklearn.neural_network.MLPClassifier`."""
        return np.arange(self.n_labels)

    def encode(self, y: Any, n_samples: int) -> np.ndarray:
        """The indicator matrix as float64."""
        y = _dense(y)
        if y.ndim != 2 or y.shape[1] != self.n_labels or not np.isin(y, (0, 1)).all():
            raise ValueError(
                f"`y` must be an indicator matrix of {self.n_labels} columns of 0 and 1; got shape "
                f"{y.shape}."
            )
        _refuse_other_length(y, n_samples)
        return y.astype(np.float64)

    def labels(self, coded: np.ndarray) -> np.ndarray:
        """The indicator matrix in the user's type."""
        return coded.astype(self.dtype)

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """Labels of positive output."""
        return (outputs > 0).astype(self.dtype)

    def proba(self, outputs: np.ndarray) -> np.ndarray:
        """Probability of each label."""
        return expit(outputs)

    def choose(self, proba: np.ndarray) -> np.ndarray:
        """Labels more probable than not."""
        return (proba > 0.5).astype(self.dtype)

    def strata(self, coded: np.ndarray) -> np.ndarray:
        """Which set of labels a row has; all sets that occur once are one stratum."""
        _, which, counts = np.unique(coded, axis=0, return_inverse=True, return_counts=True)
        which = which.reshape(-1)
        return np.unique(np.where(counts[which] > 1, which, -1), return_inverse=True)[1]


@dataclass(frozen=True, eq=False)
class NumberTarget(Target):
    """One or several numbers a row.

    Coded values are float64 of shape (n_samples, n_columns), less `centre` and over `spread`.

    Parameters
    ----------
    n_columns : int
        Number of columns.
    one_dimensional : bool
        Whether `y` came as a vector; predictions then are one.
    centre, spread : ndarray of shape (n_columns,) or None
        What is subtracted, and what divides; None leaves numbers as they are. A spread of 0 is
        that of a constant column, which is answered by its centre.
    """

    kind = NUMBERS

    n_columns: int
    one_dimensional: bool
    centre: np.ndarray | None = None
    spread: np.ndarray | None = None

    @property
    def n_outputs(self) -> int:
        """Number of columns."""
        return self.n_columns

    def encode(self, y: Any, n_samples: int) -> np.ndarray:
        """Numbers, standardised as `standardised` says."""
        y = _read_numbers(y, n_samples)
        n_columns = 1 if y.ndim == 1 else y.shape[1]
        if n_columns != self.n_columns:
            raise ValueError(f"`y` must have {self.n_columns} columns as in fit; got {n_columns}.")
        return self.coded(y.reshape(len(y), n_columns))

    def coded(self, numbers: np.ndarray) -> np.ndarray:
        """Numbers in the user's units, standardised."""
        if self.centre is None or self.spread is None:
            return numbers
        return (numbers - self.centre) / np.where(self.spread > 0, self.spread, 1.0)

    def labels(self, coded: np.ndarray) -> np.ndarray:
        """Numbers in the user's units."""
        return self.decode(coded)

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """Numbers in the user's units, float64."""
        numbers = np.asarray(outputs, dtype=np.float64)
        if self.centre is not None and self.spread is not None:
            numbers = numbers * self.spread + self.centre
        return numbers[:, 0] if self.one_dimensional else numbers

    def strata(self, coded: np.ndarray) -> None:
        """There are none."""
        return None

    def is_known(self, coded: np.ndarray) -> np.ndarray:
        """Rows in which every column is a number."""
        return ~np.isnan(coded).any(axis=1)

    def standardised(
        self, coded: np.ndarray, weight: np.ndarray | None
    ) -> tuple[NumberTarget, np.ndarray]:
        """The target whose coded values have mean 0 and spread 1 in these rows, and the rows so.

        A constant column is only centred, and has spread 0.
        """
        numbers = coded
        if self.centre is not None and self.spread is not None:
            numbers = coded * np.where(self.spread > 0, self.spread, 1.0) + self.centre
        weight = None if weight is None else weight.astype(np.float64)
        centre = np.average(numbers, axis=0, weights=weight)
        spread = np.sqrt(np.average((numbers - centre) ** 2, axis=0, weights=weight))
        # below, what is left of a constant column is rounding
        rounding = 1e-12 * np.abs(numbers).max(axis=0, initial=0.0)
        spread = np.where(spread > rounding, spread, 0.0)
        target = replace(self, centre=centre, spread=spread)
        return target, target.coded(numbers)


# -- reading -----------------------------------------------------------------------------------


def shape_of(y: Any) -> tuple[int, ...]:
    """Shape of what may be anything that becomes an array."""
    shape = getattr(y, "shape", None)
    return tuple(shape) if isinstance(shape, tuple) else as_array(y, "y").shape


def read_target(
    y: Any, n_samples: int, kinds: Collection[str], owner: str
) -> tuple[Target, np.ndarray]:
    """What `y` is, and its coded values.

    Parameters
    ----------
    y : array-like
        As the user gave it.
    n_samples : int
        Rows of `X`.
    kinds : collection of {"classes", "labels", "numbers"}
        What the estimator can learn.
    owner : str
        Name of the estimator, for messages.

    Returns
    -------
    target : Target
        What `y` is.
    coded : ndarray
        Its coded values.

    Raises
    ------
    ValueError
        If `y` is of no such kind, lacks values or has another length than `X`.
    """
    if y is None:
        raise ValueError(
            f"This {owner} estimator requires y to be passed, but the target y is None: `y` must "
            "have one value a row."
        )
    if NUMBERS in kinds:
        numbers = _read_numbers(y, n_samples)
        one = numbers.ndim == 1
        return NumberTarget(1 if one else numbers.shape[1], one), numbers.reshape(n_samples, -1)
    shape = shape_of(y)
    if len(shape) == 2 and shape[1] > 1:
        return _read_several(y, n_samples, kinds)
    labels = _read_labels(y, n_samples)
    classes, codes = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"`y` must have at least two classes; got one class: {classes.tolist()}.")
    return ClassTarget(classes), codes


def read_partly_known(
    y: Any, n_samples: int, marker: Any, owner: str
) -> tuple[ClassTarget, np.ndarray]:
    """Classes of rows of which those marked by `marker` have none; their code is -1."""
    if y is None or marker is None:
        target, codes = read_target(y, n_samples, (CLASSES,), owner)
        assert isinstance(target, ClassTarget)
        return target, codes
    several = isinstance(marker, np.ndarray | Collection) and not isinstance(marker, str | bytes)
    if several or callable(marker):
        raise TypeError(
            "`unlabeled_label` must be the one value that marks rows without label in `y`, such "
            f"as -1 or NaN, or None; got {marker!r}."
        )
    column = as_column(y, "y")
    _refuse_other_length(column, n_samples, "labels")
    lacking = is_unknown(column, y)
    if _is_nothing(marker):
        labelled = ~lacking
    else:
        refuse_unknown(column, lacking, "y", "label", _mark_rows(marker))
        labelled = np.broadcast_to(np.asarray(column != marker), column.shape).astype(bool)
    if not labelled.any():
        raise ValueError(
            f"`y` must have labelled rows; all {n_samples} are `unlabeled_label` ({marker!r})."
        )
    # what an object array holds beside the marker may be numbers, or strings
    known = of_one_kind(column[labelled], "y")
    known = np.array(known.tolist()) if known.dtype == object else known
    found = np.unique(known)
    if len(found) < 2 and not labelled.all():
        raise ValueError(
            f"`unlabeled_label`={marker!r} leaves labels of {found.tolist()} in `y`; at least "
            f"two classes are needed. If {marker!r} is itself a class, mark unlabelled rows "
            "with another value."
        )
    target, known_codes = read_target(known, int(labelled.sum()), (CLASSES,), owner)
    assert isinstance(target, ClassTarget)
    codes = np.full(n_samples, -1, dtype=np.intp)
    codes[labelled] = known_codes
    return target, codes


def read_partly_known_numbers(
    y: Any, n_samples: int, marker: Any, owner: str
) -> tuple[NumberTarget, np.ndarray]:
    """Numbers of rows of which those with `marker` in every column have none; they are NaN."""
    if y is None or marker is None:
        target, numbers = read_target(y, n_samples, (NUMBERS,), owner)
        assert isinstance(target, NumberTarget)
        return target, numbers
    if not isinstance(marker, Real) and not _is_nothing(marker):
        raise TypeError(
            "`unlabeled_label` must be the number that marks rows without target in `y`, or NaN, "
            f"or None; got {marker!r}."
        )
    y = _in_columns(_as_numbers(y), n_samples)
    numbers = y.reshape(n_samples, -1)
    marked = np.isnan(numbers) if _is_nothing(marker) else numbers == float(marker)
    labelled = ~marked.all(axis=1)
    if not np.isfinite(numbers[labelled]).all():
        raise ValueError(
            "`y` contains NaN or infinity in rows that are not marked as unlabelled; a row "
            "is unlabelled when `unlabeled_label` stands in all of its targets."
        )
    _refuse_too_large(numbers[labelled])
    numbers = np.where(labelled[:, None], numbers, np.nan)
    return NumberTarget(numbers.shape[1], y.ndim == 1), numbers


def _read_labels(y: Any, n_samples: int) -> np.ndarray:
    """One column of class labels."""
    shape = as_array(y, "y").shape  # y may be anything that becomes an array
    if len(shape) == 2 and shape[1] > 1:
        _read_several(y, n_samples, (CLASSES,))
    labels = read_column(y, "y", "label", n_samples)
    try:
        check_classification_targets(labels)
    except ValueError as error:
        raise ValueError(f"`y` must hold class labels, numbers or text. {error}") from error
    return labels


def _read_several(y: Any, n_samples: int, kinds: Collection[str]) -> tuple[Target, np.ndarray]:
    """Several columns: labels, if the estimator takes them."""
    if not issparse(y):
        refuse_unknown(np.asarray(y), is_unknown(np.asarray(y), y), "y", "label")
    kind = type_of_target(y, input_name="y")
    shape = shape_of(y)
    if LABELS in kinds and kind == "multilabel-indicator":
        indicators = _dense(y)
        target = LabelTarget(shape[1], indicators.dtype)
        return target, target.encode(indicators, n_samples)
    if LABELS in kinds:
        expected = "one column of class labels, or an indicator matrix of 0 and 1"
    else:
        expected = "one column of class labels"
    raise ValueError(
        f"`y` must be {expected}; got shape {tuple(shape)} ({kind}). To fit one classifier per "
        "column, wrap this one: sklearn.multioutput.MultiOutputClassifier."
    )


def _read_numbers(y: Any, n_samples: int) -> np.ndarray:
    """Finite numbers, float64, in one or two dimensions."""
    y = _as_numbers(y)
    refuse_unknown(y, np.isnan(y), "y", "number")
    y = _in_columns(_finite_numbers(y), n_samples)
    _refuse_too_large(y)
    return y


def _in_columns(y: np.ndarray, n_samples: int) -> np.ndarray:
    """Numbers in one dimension, or in several columns; one column is one dimension."""
    if y.ndim > 2:
        raise ValueError(f"`y` must have one or two dimensions; got shape {y.shape}.")
    if y.ndim == 2 and y.shape[1] == 0:
        raise ValueError(f"`y` must have at least one column; got shape {y.shape}.")
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    _refuse_other_length(y, n_samples, "values")
    return y


def _refuse_too_large(y: np.ndarray) -> None:
    largest = float(abs(y).max(initial=0))
    if largest > _LARGEST_NUMBER:
        raise ValueError(
            f"`y` has values up to {largest:.2g}, of whose squares no sum can be made. Give it in "
            "other units (divide it by a constant)."
        )


def _as_numbers(y: Any) -> np.ndarray:
    """float64, NaN where a value is unknown."""
    given = as_array(y, "y")
    if not given.ndim or issparse(y):
        return _finite_numbers(y)  # says what it is
    if given.dtype.kind in "cmM":
        raise ValueError(f"`y` must hold real numbers, for this is a regressor; got {given.dtype}.")
    unknown = is_unknown(given, y)
    if unknown.any():
        given = np.where(unknown, np.nan, given)
    try:
        return given.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"`y` must hold numbers, for this is a regressor. {error}") from error


def _finite_numbers(y: Any) -> np.ndarray:
    """scikit-learn's own words for what is wrong, behind the parameter's name."""
    try:
        return check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
    except (TypeError, ValueError) as error:
        raise ValueError(f"`y` must hold one finite number a row, or several. {error}") from error


def _is_nothing(marker: Any) -> bool:
    """Whether what marks rows without label is itself no value: NaN, NaT or NA."""
    single = np.empty(1, dtype=object)
    single[0] = marker  # which may be a sequence
    return not isinstance(marker, Sequence | np.ndarray) and bool(is_unknown(single)[0])


def _mark_rows(marker: Any) -> str:
    return f"Leave these rows out, or mark them as unlabelled, by {marker!r}."


def _dense(y: Any) -> np.ndarray:
    return y.toarray() if issparse(y) else np.asarray(y)


def _refuse_other_length(y: np.ndarray, n_samples: int, what: str = "rows") -> None:
    if len(y) != n_samples:
        raise ValueError(f"`y` has {len(y)} {what} for {n_samples} samples in `X`.")
