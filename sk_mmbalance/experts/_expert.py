"""`Expert`: a fitted estimator that answers for every row, and every class, label or column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit, softmax

from ..base import CLASSES, LABELS, NUMBERS, ClassTarget, LabelTarget, Target
from ..modalities import CheckedModalities
from ._named import NamedExpert
from ._tables import Tables, expert_input


@dataclass(frozen=True, eq=False)
class Expert:
    """A fitted expert.

    An *answer* is a probability for every class or label, or a number for every column, in the
    user's units.

    Attributes
    ----------
    named : NamedExpert
        What was fitted.
    model : estimator or None
        Fitted; None if there was nothing to learn: no row with its modalities, or no label that
        varies. It then answers with the prior.
    target : Target
        What `y` is.
    prior : ndarray of shape (n_outputs,)
        Answer where it knows nothing.
    columns : ndarray of int
        Labels that the model was fitted to (empty for other targets).
    """

    named: NamedExpert
    model: Any
    target: Target
    prior: np.ndarray
    columns: np.ndarray

    @property
    def name(self) -> str:
        """Its name."""
        return self.named.name

    @property
    def knows_all(self) -> bool:
        """Whether the model itself answers for every class, label and column."""
        if self.model is None:
            return False
        if isinstance(self.target, ClassTarget):
            return len(self.model.classes_) == len(self.target.classes)
        return self.target.kind == NUMBERS or len(self.columns) == self.target.n_outputs

    # -- answers -------------------------------------------------------------------------------

    def answer(self, X: Any, n_rows: int) -> np.ndarray:
        """Answers to rows that have its modalities, (n_rows, n_outputs); `X` in its own form.

        Raises
        ------
        ValueError
            If the model gives what is no answer: NaN, infinite or, for a probability, outside of
            0 and 1.
        """
        if self.model is None or not n_rows:
            return np.tile(self.prior, (n_rows, 1))
        if self.target.kind == NUMBERS:
            numbers = np.asarray(self.model.predict(X), dtype=np.float64)
            return self._proper(numbers.reshape(n_rows, -1), "numbers", np.inf)
        if self.target.kind == LABELS:
            out = np.tile(self.prior, (n_rows, 1))
            out[:, self.columns] = self._proper(self._label_scores(X))
            return out
        assert isinstance(self.target, ClassTarget)
        scores = self._proper(self._class_scores(X))
        if len(self.model.classes_) == len(self.target.classes):
            return scores
        return align_classes(scores, self.model.classes_, self.target.classes, self.prior)

    def _proper(
        self, given: np.ndarray, what: str = "probabilities", most: float = 1
    ) -> np.ndarray:
        """What the model gave, if it can be an answer."""
        lowest = 0 if most == 1 else -most
        slack = 1e-6  # float32 rounds
        proper = np.isfinite(given) & (given >= lowest - slack) & (given <= most + slack)
        if proper.all():
            return given
        rows = np.flatnonzero(~proper.all(axis=1))
        raise ValueError(
            f"The {self.named.role} for {self.name!r}, {type(self.model).__name__}, gives no "
            f"{what} in {len(rows)} of {len(given)} rows, but {given[rows[0]].tolist()} in the "
            "first of them. Scale its modalities of `X` (a pipeline with StandardScaler), or "
            "choose another estimator."
        )

    def answer_arrays(self, arrays: dict[str, Any], n_rows: int) -> np.ndarray:
        """Answers to rows that have its modalities, which stand in `arrays` by name."""
        return self.answer(expert_input(self.named, arrays), n_rows)

    def answers(self, checked: CheckedModalities, tables: Tables | None = None) -> np.ndarray:
        """Answers to all rows; the prior where it lacks its modalities."""
        tables = Tables(checked) if tables is None else tables
        here = self.named.available(checked.present, checked.names)
        if here.all():
            return self.answer(tables.of(self.named), checked.n_samples)
        out = np.tile(self.prior, (checked.n_samples, 1))
        rows = np.flatnonzero(here)
        if len(rows):
            out[rows] = self.answer(tables.of(self.named, rows), len(rows))
        return out

    def predict(self, checked: CheckedModalities) -> np.ndarray:
        """Predictions as the user knows them; the likeliest one where it lacks its modalities."""
        tables = Tables(checked)
        here = self.named.available(checked.present, checked.names)
        if here.all():
            return self.predict_rows(tables.of(self.named), checked.n_samples)
        rows = np.flatnonzero(here)
        unknown = self.told(np.tile(self.prior, (checked.n_samples, 1)))
        if len(rows):
            unknown[rows] = self.predict_rows(tables.of(self.named, rows), len(rows))
        return unknown

    def predict_rows(self, X: Any, n_rows: int) -> np.ndarray:
        """Predictions for rows that have its modalities, `X` in its own form."""
        if self.gives_scores and (not self.knows_all or self.target.kind == NUMBERS):
            return self.told(self.answer(X, n_rows))
        if self.target.kind == LABELS and not self.knows_all:
            out = self.told(np.tile(self.prior, (n_rows, 1)))
            if self.model is not None:
                out[:, self.columns] = self.model.predict(X).reshape(n_rows, -1)
            return out
        return np.asarray(self.model.predict(X))

    @property
    def gives_scores(self) -> bool:
        """Whether it can be asked for more than predictions."""
        if self.model is None or self.target.kind == NUMBERS:
            return True
        return hasattr(self.model, "predict_proba")

    def told(self, answers: np.ndarray) -> np.ndarray:
        """Answers as predictions."""
        if self.target.kind == NUMBERS:
            return self.target.decode(answers)
        return self.target.choose(answers)

    # -- what estimators give ------------------------------------------------------------------

    def _class_scores(self, X: Any) -> np.ndarray:
        """Scores of the classes the model saw.

        ``predict_proba``, or where there is none the logistic (softmax) of ``decision_function``:
        a monotone score, though no calibrated probability.
        """
        if hasattr(self.model, "predict_proba"):
            return np.asarray(self.model.predict_proba(X))
        margin = self._margin(X)
        if margin.ndim == 1:
            return np.column_stack([expit(-margin), expit(margin)])
        return softmax(margin, axis=1)

    def _label_scores(self, X: Any) -> np.ndarray:
        """Probabilities of the labels the model was fitted to, (n_rows, n_fitted)."""
        if not hasattr(self.model, "predict_proba"):
            margin = self._margin(X)
            return expit(margin.reshape(len(margin), -1))
        proba = self.model.predict_proba(X)
        if isinstance(proba, list):  # of forests and neighbours: one array a label
            return np.column_stack([each[:, 1] for each in proba])
        proba = np.asarray(proba)
        return proba[:, 1:] if len(self.columns) == 1 else proba

    def _margin(self, X: Any) -> np.ndarray:
        if hasattr(self.model, "decision_function"):
            return np.asarray(self.model.decision_function(X), dtype=float)
        raise TypeError(
            f"The {self.named.role} for {self.name!r}, {type(self.model).__name__}, must have "
            "predict_proba or decision_function. Wrap it in CalibratedClassifierCV."
        )


def align_classes(
    proba: np.ndarray, seen: np.ndarray, classes: np.ndarray, prior: np.ndarray
) -> np.ndarray:
    """Spread probabilities over all classes; a class not seen keeps its prior probability."""
    columns = np.searchsorted(classes, seen)
    unseen = np.setdiff1d(np.arange(len(classes)), columns)
    aligned = np.tile(prior, (len(proba), 1))
    aligned[:, columns] = proba * (1.0 - prior[unseen].sum())
    return aligned


def answers(experts: Iterable[Expert], checked: CheckedModalities) -> Iterator[np.ndarray]:
    """Answers of each expert to all rows; those on the same modalities share their input."""
    tables = Tables(checked)
    for expert in experts:
        yield expert.answers(checked, tables)


def classes_of(target: Target) -> np.ndarray:
    """Labels of the classes, or numbers of the labels."""
    assert isinstance(target, ClassTarget | LabelTarget)
    return target.classes


def prior_of(target: Target, y: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    """Answer of somebody who saw only `y`: shares of the classes or labels, or the mean."""
    if target.kind == CLASSES:
        share = np.bincount(y, weights=weight, minlength=target.n_outputs)
        return share / share.sum()
    if target.kind == NUMBERS:
        y = target.labels(y).reshape(len(y), -1)
    return np.average(y, axis=0, weights=weight)
