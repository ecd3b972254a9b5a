"""Any scorer of scikit-learn or of one's own; and how right an answer is, row by row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, get_scorer, make_scorer
from sklearn.utils import get_tags
from sklearn.utils.multiclass import type_of_target

#: What a scorer of scikit-learn is an instance of; it hands its input to the estimator only.
_SCORER = type(make_scorer(accuracy_score))

#: Names of scorers of regressors begin so.
_OF_NUMBERS = ("r2", "explained", "d2_", "neg_mean", "neg_median", "neg_root", "neg_max", "pred")


@dataclass(frozen=True)
class Scoring:
    """How outputs are scored.

    Attributes
    ----------
    name : str
        What results call it.
    scorer : callable
        ``scorer(estimator, X, y)``, larger is better.
    looks_at_input : bool, default=False
        Whether the scorer may look at `X` itself.
    row_mean : callable, default=None
        ``row_mean(outputs, y)``, values of rows whose weighted mean the score is, where it is one.
    """

    name: str
    scorer: Callable[..., Any]
    looks_at_input: bool = False
    row_mean: Callable[[Any, np.ndarray], np.ndarray] | None = None

    def __call__(self, outputs: Any, y: np.ndarray, weights: np.ndarray | None) -> float:
        """Score of the rows for which `outputs` answers."""
        if weights is None:
            return float(self.scorer(outputs, outputs.rows_, y))
        try:
            return float(self.scorer(outputs, outputs.rows_, y, sample_weight=weights))
        except TypeError as error:
            if "sample_weight" not in str(error):
                raise
            raise TypeError(
                f"`sample_weight` was given, but the scorer {self.name!r} does not take it. Choose "
                "another `scoring`, or leave the weights out."
            ) from error


def read_scoring(scoring: Any, kind: str) -> Scoring:
    """Read `scoring`: None, a name, a scorer of scikit-learn, or a callable."""
    if scoring is None:
        scoring = "accuracy" if kind == "classifier" else "r2"
    if isinstance(scoring, str):
        try:
            return Scoring(scoring, get_scorer(scoring), row_mean=ROW_MEANS.get(scoring))
        except ValueError as error:
            raise ValueError(
                f"`scoring` must be the name of a scorer (sklearn.metrics.get_scorer_names lists "
                f"them) or a callable scorer(estimator, X, y); got {scoring!r}."
            ) from error
    if callable(scoring):
        name = getattr(scoring, "__name__", None) or str(scoring)
        return Scoring(name, scoring, not isinstance(scoring, _SCORER))
    raise TypeError(
        "`scoring` must be the name of a scorer or a callable scorer(estimator, X, y); got "
        f"{type(scoring).__name__}."
    )


def kind_of(estimator: Any, y: np.ndarray, scoring: Any) -> str:
    """Whether an estimator is a classifier or a regressor; if it does not say, the rest does."""
    if hasattr(estimator, "__sklearn_tags__"):
        kind = get_tags(estimator).estimator_type
        if kind in ("classifier", "regressor"):
            return kind
    if hasattr(estimator, "classes_") or hasattr(estimator, "predict_proba"):
        return "classifier"
    of_numbers = isinstance(scoring, str) and scoring.startswith(_OF_NUMBERS)
    continuous = type_of_target(y).startswith("continuous")
    return "regressor" if of_numbers or continuous else "classifier"


def classes_of(estimator: Any, y: np.ndarray, kind: str) -> np.ndarray | None:
    """Class labels in the order of the estimator's probabilities; None where there are none."""
    if kind == "regressor" or y.ndim > 1:
        return None
    classes = getattr(estimator, "classes_", None)
    return np.unique(y) if classes is None or np.ndim(classes) != 1 else np.asarray(classes)


# -- row by row --------------------------------------------------------------------------------


def _correct(outputs: Any, y: np.ndarray) -> np.ndarray:
    right = np.asarray(outputs.predict(outputs.rows_)) == y
    return (right if right.ndim == 1 else right.all(axis=1)).astype(float)


def _probability(outputs: Any, y: np.ndarray) -> np.ndarray:
    classes = np.asarray(outputs.classes_)
    codes = np.searchsorted(classes, y)
    unknown = (codes == len(classes)) | (classes[codes % len(classes)] != y)
    if unknown.any():
        raise ValueError(
            f"`y` has labels {np.unique(y[unknown]).tolist()} that `estimator` does not know "
            f"({classes.tolist()}). Leave these rows out."
        )
    return np.asarray(outputs.predict_proba(outputs.rows_))[np.arange(len(y)), codes]


def _log_probability(outputs: Any, y: np.ndarray) -> np.ndarray:
    proba = _probability(outputs, y)
    return np.log(np.clip(proba, np.finfo(proba.dtype).eps, None))


def _errors(outputs: Any, y: np.ndarray) -> np.ndarray:
    found = np.asarray(outputs.predict(outputs.rows_), dtype=float)
    return (found.reshape(y.shape) - y).reshape(len(y), -1)


def squared_errors(outputs: Any, y: np.ndarray) -> np.ndarray:
    """Squared error of each row, mean over its outputs."""
    return (_errors(outputs, y) ** 2).mean(axis=1)


def _squared(outputs: Any, y: np.ndarray) -> np.ndarray:
    return -squared_errors(outputs, y)


def _absolute(outputs: Any, y: np.ndarray) -> np.ndarray:
    return -np.abs(_errors(outputs, y)).mean(axis=1)


def _prediction(outputs: Any, y: np.ndarray) -> np.ndarray:
    return np.asarray(outputs.predict(outputs.rows_), dtype=float).reshape(len(y))


#: Scorers that are the (weighted) mean of a value per row.
ROW_MEANS = {
    "accuracy": _correct,
    "neg_log_loss": _log_probability,
    "neg_mean_squared_error": _squared,
    "neg_mean_absolute_error": _absolute,
}

#: What can be shared out row by row: these, and the output itself.
ROW_VALUES = {**ROW_MEANS, "probability": _probability, "prediction": _prediction}


@dataclass(frozen=True)
class RowValue:
    """What is shared out row by row.

    Attributes
    ----------
    name : str
        What results call it.
    function : callable
        ``function(outputs, y)``, or the user's ``function(estimator, X, y)``.
    of_user : bool, default=False
        Whether it is the user's.
    """

    name: str
    function: Callable[..., Any]
    of_user: bool = False

    def __call__(self, outputs: Any, y: np.ndarray) -> np.ndarray:
        """Value of each row."""
        if not self.of_user:
            return self.function(outputs, y)
        X = outputs.first_input()
        values = np.asarray(self.function(outputs.on(np.arange(len(y)), X), X, y), dtype=float)
        if values.shape != (len(y),):
            raise ValueError(
                f"`scoring` must give one number a row with `level='row'`; {self.name} gave shape "
                f"{values.shape} for {len(y)} rows."
            )
        return values


def read_row_value(scoring: Any, kind: str) -> RowValue:
    """Read `scoring` for values of rows: None, a name, or a callable."""
    if scoring is None:
        scoring = "accuracy" if kind == "classifier" else "neg_mean_squared_error"
    if isinstance(scoring, str) and scoring in ROW_VALUES:
        return RowValue(scoring, ROW_VALUES[scoring])
    if callable(scoring) and not isinstance(scoring, _SCORER):
        return RowValue(getattr(scoring, "__name__", None) or str(scoring), scoring, True)
    raise ValueError(
        f"`scoring` must have a value for every row with `level='row'`: one of "
        f"{sorted(ROW_VALUES)}, or a callable scoring(estimator, X, y) that gives one number a "
        f"row; got {scoring!r}."
    )
