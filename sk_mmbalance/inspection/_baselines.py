"""What every model has to beat: the best single modality, late fusion, all columns at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ..base import NUMBERS, Fold, TrainingRows, read_groups
from ..ensemble import LateFusionClassifier, UnimodalClassifier
from ..modalities import Modalities
from ._input import GivenInput

#: Names under which results show them.
BEST, LATE, CONCAT = "best single modality", "late fusion", "concatenation"

_ITERATIONS = 1000  # enough for lbfgs on scaled features


@dataclass(frozen=True)
class Baseline:
    """A fitted model, and what it takes.

    Attributes
    ----------
    model : estimator
        Fitted on training rows only.
    read : callable
        Makes its input of a `GivenInput`.
    """

    model: Any
    read: Callable[[GivenInput], Any]


def fit_baselines(train: GivenInput, y: np.ndarray, groups: Any, kind: str) -> dict[str, Baseline]:
    """Fit the default baselines on training rows.

    Classifiers are logistic regressions on scaled features, regressors ridge regressions whose
    penalty is chosen by leave-one-out; the best single modality is chosen by cross-validation.
    """
    _refuse_words(train)
    groups = read_groups(groups, len(y))
    if kind == "regressor":
        return _regressors(train, y, groups)
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=_ITERATIONS))
    best = UnimodalClassifier(linear, missing="mask").fit(_named(train), y, groups=groups)
    late = LateFusionClassifier(linear, missing="mask").fit(_named(train), y)
    concat = _imputed(LogisticRegression(max_iter=_ITERATIONS)).fit(_columns(train), y)
    return {
        BEST: Baseline(best, _named),
        LATE: Baseline(late, _named),
        CONCAT: Baseline(concat, _columns),
    }


def _regressors(train: GivenInput, y: np.ndarray, groups: Any) -> dict[str, Baseline]:
    ridge = _imputed(RidgeCV(np.logspace(-3, 4, 15)))
    folds = _folds(train, y, groups)
    means = {
        name: cross_val_score(ridge, _columns(train, [name]), y, cv=folds).mean()
        for name in train.names
    }
    best = max(train.names, key=means.__getitem__)
    alone = {
        name: _imputed(RidgeCV(np.logspace(-3, 4, 15))).fit(_columns(train, [name]), y)
        for name in train.names
    }
    concat = ridge.fit(_columns(train), y)
    return {
        BEST: Baseline(alone[best], lambda given: _columns(given, [best])),
        LATE: Baseline(_MeanOfAll(alone), lambda given: given),
        CONCAT: Baseline(concat, _columns),
    }


def _folds(train: GivenInput, y: np.ndarray, groups: Any) -> list[Fold]:
    """Five folds, cut as `UnimodalRegressor` cuts them."""
    rows = TrainingRows.read(_named(train), y, (NUMBERS,), "the best single modality", groups)
    return rows.choose_folds(5, 0, stacklevel=5).folds


class _MeanOfAll:
    """Mean prediction of the regressors of those modalities that a row has."""

    def __init__(self, models: dict[str, Any]):
        self.models = models

    def predict(self, given: GivenInput) -> np.ndarray:
        found = np.stack([m.predict(_columns(given, [name])) for name, m in self.models.items()])
        here = given.present.T.astype(float)
        here = here if here.any(axis=0).all() else np.ones_like(here)
        return np.einsum("mi,mi...->i...", here / here.sum(axis=0), found)


def _imputed(model: Any) -> Any:
    """Absent rows get the mean of each feature."""
    return make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), model)


def _named(given: GivenInput) -> Modalities:
    return Modalities(given.values)


def _columns(given: GivenInput, names: list[str] | None = None) -> np.ndarray:
    blocks = [given.values[name] for name in (given.names if names is None else names)]
    dense = [b.toarray() if hasattr(b, "toarray") else np.asarray(b) for b in blocks]
    return np.column_stack([b.reshape(len(b), -1) for b in dense])


def _refuse_words(train: GivenInput) -> None:
    for name, value in train.values.items():
        kind = np.asarray(value[:1]).dtype if not hasattr(value, "toarray") else value.dtype
        if kind.kind not in "biuf":
            raise TypeError(
                f"the default baselines need numbers, but modality {name!r} has dtype {kind}. Pass "
                "fitted models of your own as `baselines={'late fusion': model}`, or None."
            )
