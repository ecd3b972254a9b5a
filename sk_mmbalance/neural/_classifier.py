"""`BaseMultimodalClassifier`: networks for one class a row, or several labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .._sklearn import StrOptions, fit_context
from ..base import ClassTarget, LabelTarget, Target, TrainingRows
from ._estimator import BaseMultimodalEstimator
from ._prediction import ClassifierPredictions
from ._shared_docs import (
    CLASSIFIER_ATTRIBUTES,
    CLASSIFIER_PARAMETERS,
    SHARED_ATTRIBUTES,
    SHARED_PARAMETERS,
)


@dataclass(kw_only=True, eq=False, repr=False)
class BaseMultimodalClassifier(ClassifierPredictions, BaseMultimodalEstimator):
    """Base of the neural classifiers: see `BaseMultimodalEstimator`."""

    class_weight: Any = None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseMultimodalEstimator._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }
    _shared_parameters: ClassVar[str] = SHARED_PARAMETERS + CLASSIFIER_PARAMETERS
    _shared_attributes: ClassVar[str] = CLASSIFIER_ATTRIBUTES + SHARED_ATTRIBUTES

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Any:
        """Train for one more epoch on the given rows.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array of shape (n_samples, n_features)
            The modalities.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Class labels, or an indicator matrix of several labels.
        classes : array-like of shape (n_classes,), default=None
            All labels that will ever come; needed in the first call.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        self
            The fitted estimator.
        """
        continued = hasattr(self, "net_")
        self._check_parameters(continued)
        known = self._classes_to_come(classes, continued=continued)
        rows = self._read_training(
            X,
            y,
            sample_weight,
            reset=not continued,
            accept_sparse=True,
            target=self._target if continued else self._target_to_come(y, known),
            class_weight=self.class_weight,
        )
        return self._partial_fit(rows, continued)

    # -- what the kind of target says ------------------------------------------------------

    def _class_weight(self) -> Any:
        return self.class_weight

    def _recoded(self, target: Target, rows: TrainingRows) -> TrainingRows:
        if target is rows.target:
            return rows
        same = type(target) is type(rows.target) and np.array_equal(
            classes_of(target), classes_of(rows.target)
        )
        if not same:
            raise ValueError(
                f"`warm_start=True` continues training with classes {self.classes_.tolist()}, but "
                f"`y` has {classes_of(rows.target).tolist()}. Use the same labels, or "
                "warm_start=False."
            )
        return rows.with_target(target, rows.y)

    def _said_of_target(self, target: Target) -> dict[str, Any]:
        return {"classes_": classes_of(target)}


def classes_of(target: Target) -> np.ndarray:
    """Class labels, or the numbers of several labels."""
    assert isinstance(target, ClassTarget | LabelTarget)
    return target.classes
