"""Scores of a fitted model on rows it has not seen; one that cannot be had is NaN."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, balanced_accuracy_score, get_scorer, log_loss

from ._problem import CLASSES, LABELS, NUMBERS

_DEFAULTS = {
    CLASSES: ("accuracy", "balanced_accuracy", "neg_log_loss"),
    LABELS: ("accuracy", "f1_macro", "neg_log_loss"),
    NUMBERS: ("r2", "neg_mean_absolute_error"),
}

#: What the tables of results have besides scores.
_COLUMNS = frozenset(
    {
        *("model", "kind", "status", "folds", "fold", "whole", "n_train", "n_test", "chosen"),
        *("difference", "low", "high", "std_error", "error", "fit_seconds", "predict_seconds"),
    }
)


def read_scoring(scoring: Any, kind: str) -> dict[str, Any]:
    """Scorers by name; the first decides."""
    if scoring is None:
        names: Sequence[Any] = _DEFAULTS[kind]
    elif isinstance(scoring, str):
        names = [scoring]
    elif isinstance(scoring, Mapping):
        if not scoring or not all(callable(one) for one in scoring.values()):
            raise ValueError("`scoring` must map names to callables scorer(estimator, X, y).")
        _refuse_columns_of_tables(list(scoring))
        return dict(scoring)
    else:
        names = list(scoring)
    if not names or not all(isinstance(name, str) for name in names):
        raise ValueError(
            "`scoring` must be a scorer's name, a list of names, or a dict of callables; got "
            f"{scoring!r}."
        )
    return {name: _own_or_known(name) for name in names}


def _refuse_columns_of_tables(names: Sequence[Any]) -> None:
    taken = _COLUMNS | {f"{name}_std" for name in names}
    wrong = [name for name in names if not isinstance(name, str) or name in taken]
    if wrong:
        raise ValueError(
            f"`scoring` has the name {wrong[0]!r}, which is no word or the name of another column "
            "of the tables of results. Choose another."
        )


def _own_or_known(name: str) -> Any:
    if name == "neg_log_loss":
        return negative_log_loss
    try:
        return get_scorer(name)
    except (ValueError, KeyError) as error:
        raise ValueError(
            f"`scoring` has {name!r}, which is no scorer of scikit-learn "
            "(sklearn.metrics.get_scorer_names() lists them)."
        ) from error


def negative_log_loss(model: Any, X: Any, y: np.ndarray, classes: Any = None) -> float:
    """Minus the log-loss; classes that a fold's training rows lack have probability 0.

    Of several labels, the mean of theirs.
    """
    if np.ndim(y) == 2:
        return _negative_log_loss_of_labels(y, _of_labels(model, X, np.shape(y)[1]))
    proba = np.asarray(model.predict_proba(X))
    return _negative_log_loss(y, *_of_all(proba, model.classes_, y, classes))


def _negative_log_loss(y: np.ndarray, proba: np.ndarray, classes: np.ndarray) -> float:
    return -float(log_loss(y, proba, labels=classes))


def _negative_log_loss_of_labels(y: np.ndarray, proba: np.ndarray) -> float:
    right = np.where(y > 0, proba, 1 - proba)
    return float(np.log(np.clip(right, np.finfo(float).eps, 1)).mean())


def _of_labels(model: Any, X: Any, n_labels: int) -> np.ndarray:
    """Probability of each label, from one array or, as of scikit-learn's forests, one a label."""
    found = model.predict_proba(X)
    if isinstance(found, np.ndarray):
        return found
    classes = getattr(model, "classes_", None)
    classes = [np.array([0, 1])] * n_labels if classes is None else classes
    return np.column_stack(
        [
            # a label that training rows all have, or all lack, has one column
            p[:, list(known).index(1)] if 1 in known else np.zeros(len(p))
            for p, known in zip(found, classes, strict=True)
        ]
    )


def _of_all(
    proba: np.ndarray, known: Any, y: np.ndarray, classes: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of all classes, those that the model does not know at 0."""
    wanted = np.union1d(known, y) if classes is None else np.asarray(classes)
    full = np.zeros((len(proba), len(wanted)))
    full[:, np.searchsorted(wanted, np.asarray(known))] = proba
    return full, wanted


class Predictions:
    """Answers of a fitted model, asked for once."""

    def __init__(self, model: Any, X: Any, y: np.ndarray, kind: str, classes: np.ndarray | None):
        self.model, self.X, self.y, self.kind, self.classes = model, X, y, kind, classes
        self.labels = np.asarray(model.predict(X))
        self.proba = None
        if kind == LABELS and hasattr(model, "predict_proba"):
            self.proba = _of_labels(model, X, y.shape[1])
        elif kind == CLASSES and hasattr(model, "predict_proba"):
            self.proba, _ = _of_all(np.asarray(model.predict_proba(X)), model.classes_, y, classes)

    def confidence(self) -> tuple[np.ndarray, np.ndarray]:
        """How sure the model was of each answer, and whether it was right; of every label."""
        assert self.proba is not None
        if self.classes is None:
            sure = np.maximum(self.proba, 1 - self.proba)
            return sure.ravel(), ((self.proba > 0.5) == (self.y > 0)).ravel()
        return self.proba.max(axis=1), self.classes[self.proba.argmax(axis=1)] == self.y

    def score(self, name: str, scorer: Any) -> float:
        """One score; NaN where it cannot be had, as a ROC curve of one class."""
        known = {
            "accuracy": partial(accuracy_score, self.y, self.labels),
            "balanced_accuracy": partial(balanced_accuracy_score, self.y, self.labels),
        }
        try:
            if name in known:
                return float(known[name]())
            if scorer is negative_log_loss and self.proba is not None:
                if self.classes is None:
                    return _negative_log_loss_of_labels(self.y, self.proba)
                return _negative_log_loss(self.y, self.proba, self.classes)
            return float(scorer(self.model, self.X, self.y))
        except Exception:  # whatever a scorer says of rows that it cannot judge
            return float("nan")
