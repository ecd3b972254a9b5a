"""What both serial classifiers can do once they are fitted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import logit
from sklearn.utils import Bunch
from sklearn.utils.validation import check_is_fitted

from ..base import FLAG, TEXT, ClassTarget, ModalityClassifier
from ._curve import cost_curve, known_scores
from ._fitting import scores_of_rows
from ._report import SerialReport


class SerialClassifier(ModalityClassifier):
    """Predictions by a chain of stages; a subclass says where the chain is."""

    #: Groups keep folds inside apart: with metadata routing, nobody has to ask for them.
    __metadata_request__fit = {"groups": True}
    _for_several = True
    _parameter_kinds = {
        "accumulate": FLAG,
        "final": TEXT,
        "limit": TEXT,
        "order": TEXT,
        "prefit": FLAG,
        "use_dmdr": FLAG,
    }

    def _fitted_serial(self) -> Any:
        """Return the fitted `SerialFusionClassifier` that decides."""
        raise NotImplementedError

    def decision_report(self, X: Any) -> SerialReport:
        """Decide every row and account for it.

        All of `predict`, `predict_proba` and the costs come from such a pass, and every call is
        a pass of its own: where modalities are acquired by callables, take what you need from one
        report.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like of n_samples rows
            Input in any form. Values that a row does not get to may be NaN. In a dict, a modality
            may be a callable that takes an array of row numbers and returns the modality of those
            rows; at least one modality must be an array.

        Returns
        -------
        SerialReport
            Labels, scores, deciding stage, acquired modalities and cost of every row.
        """
        check_is_fitted(self)
        return self._fitted_serial()._chain.run(X, self)

    def predict(self, X: Any, return_stage: bool = False) -> Any:
        """Class labels.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like of n_samples rows
            Input, as in `decision_report`.
        return_stage : bool, default=False
            Also return the position of the stage that decided each row.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            Decisions (`reject_label` for refused rows, if there is one).
        stage : ndarray of int of shape (n_samples,)
            Only with ``return_stage=True``.
        """
        report = self.decision_report(X)
        return (report.labels, report.stage) if return_stage else report.labels

    def predict_proba(self, X: Any) -> np.ndarray:
        """Class scores of the stage that decided (see `final` for the end of the chain).

        With thresholds away from the middle, `predict` need not be the most probable class, as
        in `sklearn.model_selection.TunedThresholdClassifierCV`.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like of n_samples rows
            Input, as in `decision_report`.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`.
        """
        return self.decision_report(X).proba

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Logarithm of `predict_proba`.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like of n_samples rows
            Input, as in `decision_report`.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Minus infinity where a probability is zero.
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def unimodal_predict_proba(self, X: Any) -> dict[str, np.ndarray]:
        """Class scores of each stage that uses a single modality, on every row that has it.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like of n_samples rows
            Input with all modalities (no callables).

        Returns
        -------
        dict of str to ndarray of shape (n_samples, n_classes)
            By modality; NaN in rows that lack it. Modalities that no stage uses alone are left
            out.
        """
        checked = self._read_for_prediction(X, accept_sparse=True)
        chain = self._fitted_serial()._chain
        rows = np.arange(checked.n_samples)
        own: dict[str, np.ndarray] = {}
        for expert in chain.experts:
            name = expert.named.modalities[0]
            if len(expert.named.modalities) == 1 and name not in own:
                present, scores = scores_of_rows(expert, checked, rows)
                own[name] = np.full((len(rows), len(chain.classes)), np.nan)
                own[name][present] = scores
        return own

    def decision_function(self, X: Any) -> np.ndarray:
        """Log-odds of ``classes_[1]`` (two classes) or log-probabilities of the deciding stage.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like of n_samples rows
            Input, as in `decision_report`.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            Finite scores, larger for more likely.
        """
        proba = self.predict_proba(X)
        eps = np.finfo(float).eps
        if proba.shape[1] == 2:
            return logit(np.clip(proba[:, 1], eps, 1 - eps))
        return np.log(np.clip(proba, np.finfo(float).tiny, None))

    def acquisition_cost(self, X: Any) -> Bunch:
        """What deciding `X` costs.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like of n_samples rows
            Input, as in `decision_report`.

        Returns
        -------
        Bunch
            ``total``, ``mean`` (per row), ``deferred_share`` and ``per_row``, an ndarray of shape
            (n_samples,).
        """
        report = self.decision_report(X)
        return Bunch(
            total=report.total_cost,
            mean=report.mean_cost,
            deferred_share=report.deferred_share,
            per_row=report.cost,
        )

    def cost_curve(
        self, X: Any = None, y: Any = None, *, prices: Any = None, sample_weight: Any = None
    ) -> pd.DataFrame:
        """Accuracy against acquisition cost, as the price of cost goes up.

        For every price the thresholds are searched again on the scores that `fit` kept, and
        applied to `X`, or by default to those scores themselves (out of fold, but thresholds and
        figures from the same rows: slightly optimistic).

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like of n_samples rows, default=None
            Rows to apply the thresholds to, with all modalities (no callables).
        y : array-like of shape (n_samples,), default=None
            Their labels.
        prices : array-like of float, default=None
            Prices of a unit of cost, in units of error rate. Default: 0 and 24 prices up to ten
            errors for the whole chain.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows of `X`.

        Returns
        -------
        DataFrame
            One row a price: ``price, mean_cost, accuracy, error, deferred_share``, with two
            classes also ``far, frr, predicted_far, predicted_frr``.
        """
        check_is_fitted(self)
        serial = self._fitted_serial()
        if serial._tuning_scores is None:
            raise ValueError(
                "`cost_curve` needs a chain of at least two stages; there is nothing to trade in "
                "a single one."
            )
        if X is None:
            shown = serial._tuning_scores
        else:
            target = ClassTarget(self.classes_)
            rows = self._read_training(
                X, y, sample_weight, reset=False, accept_sparse=True, target=target
            )
            shown = known_scores(serial._chain, rows)
        return cost_curve(serial._tuning_scores, shown, serial._tuning(), prices)
