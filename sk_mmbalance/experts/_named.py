"""`NamedExpert`: an estimator that is not fitted yet, and the modalities that it will see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags

from ..base import ModalityEstimator


@dataclass(frozen=True)
class NamedExpert:
    """An estimator, its name, and the modalities it sees.

    Attributes
    ----------
    name : str
        Its name in tables and messages.
    estimator : estimator
        Not fitted.
    modalities : tuple of str
        Sorted names of what it sees.
    needs : tuple of str or None
        Modalities without which a row is no use to it. None: all of them, or any where it is an
        estimator of this package that copes with missing ones.
    role : str
        What messages call it.
    any_of : bool
        Whether any of its modalities is enough for it: it then finds NaN in place of the others.
    """

    name: str
    estimator: Any
    modalities: tuple[str, ...]
    needs: tuple[str, ...] | None = None
    role: str = "expert"
    any_of: bool = False

    @property
    def takes_names(self) -> bool:
        """Whether it takes modalities by name; any other estimator gets one flat table."""
        return takes_names(self.estimator)

    @property
    def needs_all(self) -> bool:
        """Whether it needs all its modalities in a row, or any of them is enough."""
        if self.needs is not None:
            return True
        return not (self.any_of or copes_with_missing(self.estimator))

    def available(self, present: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
        """Rows of `present`, one column for each of `names`, in which it has its input."""
        wanted = self.modalities if self.needs is None else self.needs
        columns = present[:, [names.index(name) for name in wanted]]
        return np.asarray(columns.all(axis=1) if self.needs_all else columns.any(axis=1))


def why_no_estimator(value: Any, *methods: str) -> str | None:
    """Why a value cannot be fitted as an expert, in words that follow on it; None if it can.

    Parameters
    ----------
    value : object
        What was given for an estimator.
    *methods : str
        What it must have besides `fit`, and what scikit-learn's `clone` asks for.

    Returns
    -------
    str or None
        Such as "is a class", or "has no predict_proba".
    """
    if isinstance(value, type):
        return f"is a class: give an instance, {value.__name__}(...)"
    for method in ("fit", *methods, "get_params"):
        if not hasattr(value, method):
            return f"has no {method}"
    # what has a get_params of its own, but says nothing of what it can do
    return None if hasattr(value, "__sklearn_tags__") else "is no BaseEstimator of scikit-learn"


def is_ours(estimator: Any) -> bool:
    """Whether what meets the data first in `estimator` is an estimator of this package."""
    first = _first(estimator)
    if isinstance(first, ModalityEstimator):
        return True
    inner = _inner(first)
    return bool(inner) and all(map(is_ours, inner))


def takes_names(estimator: Any) -> bool:
    """Whether an estimator reads `Modalities` rather than one flat table.

    Ours do, unless told to cut their columns out of a flat table (``modalities=``), and so do
    pipelines that start with, and searches, calibrations and ensembles that wrap, one of ours.
    """
    first = _first(estimator)
    if isinstance(first, ModalityEstimator):
        return getattr(first, "modalities", None) is None
    inner = _inner(first)
    return bool(inner) and all(map(takes_names, inner))


def copes_with_missing(estimator: Any) -> bool:
    """Whether an estimator of this package is content with any of its modalities in a row."""
    return is_ours(estimator) and bool(get_tags(estimator).input_tags.allow_nan)


def _first(estimator: Any) -> Any:
    """Of a pipeline the first step that does something."""
    while isinstance(estimator, Pipeline):
        steps = [step for _, step in estimator.steps if step not in (None, "passthrough")]
        if not steps:
            return None
        estimator = steps[0]
    return estimator


def _inner(estimator: Any) -> list[Any]:
    """Estimators that `estimator` wraps, each of which is handed its input."""
    one, several = getattr(estimator, "estimator", None), getattr(estimator, "estimators", None)
    if isinstance(one, BaseEstimator):
        return [one]
    if not isinstance(several, list):
        return []
    members = [member[-1] if isinstance(member, tuple) else member for member in several]
    return [member for member in members if isinstance(member, BaseEstimator)]
