"""`BaseMultimodalRegressor`: networks for one or several numbers a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from .._sklearn import StrOptions, fit_context
from ..base import NumberTarget, Target, TrainingRows
from ..networks import NUMBER_LOSSES, criterion_settings, loss_of_a_constant
from ._estimator import BaseMultimodalEstimator
from ._prediction import RegressorPredictions
from ._shared_docs import REGRESSOR_PARAMETERS, SHARED_ATTRIBUTES, SHARED_PARAMETERS


@dataclass(kw_only=True, eq=False, repr=False)
class BaseMultimodalRegressor(RegressorPredictions, BaseMultimodalEstimator):
    """Base of the neural regressors: see `BaseMultimodalEstimator`.

    Inside, every column has mean 0 and spread 1 over the rows trained on, so that learning rates
    and losses mean the same whatever the units of `y`.
    """

    loss: str = "squared_error"

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseMultimodalEstimator._parameter_constraints,
        "loss": [StrOptions(set(NUMBER_LOSSES))],
    }
    _shared_parameters: ClassVar[str] = SHARED_PARAMETERS + REGRESSOR_PARAMETERS
    _shared_attributes: ClassVar[str] = SHARED_ATTRIBUTES

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Train for one more epoch on the given rows.

        The rows of the first call say how `y` is standardised inside; later ones are taken alike.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array of shape (n_samples, n_features)
            The modalities.
        y : array-like of shape (n_samples,) or (n_samples, n_columns)
            Numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        self
            The fitted estimator.
        """
        continued = hasattr(self, "net_")
        self._check_parameters(continued)
        rows = self._read_training(X, y, sample_weight, reset=not continued, accept_sparse=True)
        return self._partial_fit(rows, continued)

    # -- what the kind of target says ------------------------------------------------------

    def _settled_target(self, rows: TrainingRows) -> Target:
        assert isinstance(rows.target, NumberTarget)
        return rows.target.standardised(rows.y, rows.weight)[0]

    def _recoded(self, target: Target, rows: TrainingRows) -> TrainingRows:
        assert isinstance(target, NumberTarget)
        assert isinstance(rows.target, NumberTarget)
        if rows.target.n_columns != target.n_columns:
            raise ValueError(
                f"`y` must have {target.n_columns} columns as in the first fit; got "
                f"{rows.target.n_columns}."
            )
        return rows.with_target(target, target.coded(rows.y))

    def _scale(self, rows: TrainingRows) -> float:
        return loss_of_a_constant(rows.y, rows.weight, self.loss)

    def _criterion(self, target: Target, scale: float) -> dict[str, Any]:
        return criterion_settings(target, self.loss, scale)
