"""What the ARM-style classifiers share: labels, weights, thresholds, predictions."""

from __future__ import annotations

from functools import partial
from numbers import Real
from typing import Any

import numpy as np
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.utils.metaestimators import available_if

from ..._sklearn import Interval, StrOptions
from ...base import ClassTarget, Fold, ModalityClassifier, TrainingRows, weight_of_classes
from ._assembly import Assembly
from ._base import ARMBase
from ._combination import DeferralRule, predicted_codes, tune_deferral
from ._fold import FoldFit
from ._losses import code_targets
from ._prediction import MODES
from ._rows import ARMRows
from ._temperature import HeldOutScores, fit_temperatures


def _has_probabilities(estimator: Any) -> bool:
    if estimator.loss == "log_loss" or estimator.temperature is not None:
        return True
    raise AttributeError(
        f"`loss`='{estimator.loss}' gives scores, and `temperature`=None makes no probabilities of "
        "them. Use `temperature`='cv' or `loss`='log_loss', or wrap the estimator in "
        "CalibratedClassifierCV."
    )


def _classes(given: TrainingRows) -> np.ndarray:
    assert isinstance(given.target, ClassTarget)
    return given.target.classes


class ARMClassifierBase(ARMBase, ModalityClassifier):
    """Labels, weights, thresholds and predictions of the ARM-style classifiers."""

    temperature: Any
    deferral_: DeferralRule | None
    temperatures_: dict[str, float]
    _no_temperature: str

    _classifier_constraints: dict = {
        "loss": [StrOptions({"squared", "squared_hinge", "log_loss"})],
        "predict_with": [StrOptions(set(MODES))],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "temperature": [StrOptions({"cv"}), Interval(Real, 0, None, closed="neither"), None],
    }

    def _read_rows(self, X: Any, y: Any, sample_weight: Any, groups: Any) -> ARMRows:
        """What `fit` was given, with the targets and weights of the objective."""
        given = self._read_training(X, y, sample_weight, groups, unlabelled=self.unlabeled_label)
        codes, classes = given.y, _classes(given)
        labeled = given.target.is_known(codes)
        lost = len(classes) - len(np.unique(codes[labeled]))
        if lost:
            raise ValueError(
                f"Of {len(classes)} classes, {lost} have no labelled row of positive "
                f"`sample_weight`. Give such a row weight, or leave the class out."
            )
        pair_weights = given.weight_or_ones.astype(np.float64)
        weights = pair_weights.copy()
        if self.class_weight is not None:
            per_class = weight_of_classes(
                self.class_weight, classes, classes[codes[labeled]], weights[labeled]
            )
            weights[labeled] *= per_class[codes[labeled]]
        targets = code_targets(self.loss, codes, len(classes))
        return ARMRows(given, targets, labeled, weights, pair_weights)

    def _describe(self, rows: ARMRows, *parts: Any) -> dict[str, Any]:
        return super()._describe(rows, *parts) | {"classes_": _classes(rows.given)}

    def _check_labeled(self, rows: ARMRows, counted: np.ndarray, side: str) -> None:
        super()._check_labeled(rows, counted, side)
        n_classes = rows.given.target.n_outputs
        n_lost = n_classes - len(np.unique(rows.truth[counted]))
        if n_lost:
            raise ValueError(
                f"Of {n_classes} classes, {n_lost} have no labelled row (of positive weight) with "
                f"the {side} side: every class needs one. Label such a row, or leave the class out."
            )

    def _score_of(self, scores: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> float:
        # accuracy; scikit-learn's own checks its input for longer than a small fit takes
        return float(np.average(predicted_codes(scores) == truth, weights=weights))

    def _from_held_out(
        self,
        assembly: Assembly,
        rows: ARMRows,
        values: dict[str, float],
        costs: tuple[float, float],
    ) -> dict[str, Any]:
        """What is fitted on scores of rows that were held out: serial thresholds, temperatures."""
        fitted: dict[str, Any] = {"deferral_": None, "temperatures_": {}, "_no_temperature": ""}
        held = None
        if self.predict_with == "serial":
            usable = self._usable_for_serial(assembly, rows)
            held = self._held_out(assembly, rows, values, auto="auto")
            fitted["deferral_"] = self._tune_serial(held, usable, rows, costs)
        if self.loss == "log_loss" or self.temperature != "cv":
            return fitted
        try:
            held = held or self._held_out(assembly, rows, values, auto="own")
        except ValueError as error:  # too few rows: `predict_proba` says so, the rest is there
            fitted["_no_temperature"] = str(error)
            return fitted
        fitted["temperatures_"] = fit_temperatures(
            held,
            weak_seen=assembly.weak_seen & (assembly.weak.shape[1] > 0),
            strong_seen=assembly.strong_seen,
            codes=rows.truth,
            weights=rows.weights,
        )
        return fitted

    def _held_out(
        self, assembly: Assembly, rows: ARMRows, values: dict[str, float], auto: str
    ) -> HeldOutScores:
        """Scores of both sides in the rows that the folds of `cv` hold out."""
        if not assembly.weak.shape[1]:
            values = {**values, "alpha": 0.0, "coupling": 0.0}
        parts = rows.splits(self.cv, rows.counted, with_rest=True)
        return HeldOutScores.together(
            [self._held_out_by(part, assembly, rows, values, auto) for part in parts]
        )

    def _held_out_by(
        self,
        folds: list[Fold],
        assembly: Assembly,
        rows: ARMRows,
        values: dict[str, float],
        auto: str,
    ) -> HeldOutScores:
        """Scores of one cross-validation."""
        weak_scores = np.full_like(rows.targets, np.nan)
        strong_scores = np.full_like(rows.targets, np.nan)
        held = np.zeros(len(rows.counted), dtype=bool)
        known = held.copy()
        for train, test in folds:
            fold = FoldFit(
                assembly,
                rows,
                train,
                alpha=values["alpha"],
                coupling=values["coupling"],
                make_engine=partial(self._engine, auto=auto),
                strengths_of=self._strengths,
            )
            strong, weak = fold.sides(**values)
            del fold  # and with it its rows
            strong_scores[test], weak_scores[test] = assembly.scores(strong, weak, test)
            held[test] = True
            known[test] = np.isin(rows.truth[test], rows.truth[train[rows.counted[train]]])
        return HeldOutScores(weak_scores, strong_scores, np.arange(len(held)), held, known, 1)

    def _usable_for_serial(self, assembly: Assembly, rows: ARMRows) -> np.ndarray:
        """Rows that the thresholds of the serial mode are tuned on."""
        if not assembly.weak.shape[1]:
            raise ValueError(
                "`predict_with`='serial' needs a weak and a strong side; `X` has one modality. "
                "Use `predict_with`='auto'."
            )
        usable = rows.counted & assembly.strong_seen & assembly.weak_seen
        if not usable.any():
            raise ValueError(
                "`predict_with`='serial' needs labelled rows with both sides to tune its "
                "thresholds on; there are none. Use `predict_with`='auto'."
            )
        return usable

    def _tune_serial(
        self,
        held: HeldOutScores,
        usable: np.ndarray,
        rows: ARMRows,
        costs: tuple[float, float],
    ) -> DeferralRule:
        """Thresholds of the serial mode, on scores of rows that were held out."""
        told = usable[held.row] & held.held
        row = held.row[told]
        return tune_deferral(
            held.weak[told],
            held.strong[told],
            rows.truth[row],
            costs=costs,
            kappa=self.kappa,
            weights=rows.weights[row] / held.n_times,
        )

    def decision_function(self, X: Any) -> np.ndarray:
        """Scores of the prediction mode `predict_with`.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like
            Multimodal input.

        Returns
        -------
        scores : ndarray of shape (n_samples,) or (n_samples, n_classes)
            One column, positive for ``classes_[1]``, for two classes.
        """
        scores, _, _ = self._combined_scores(X)
        return scores[:, 0] if len(self.classes_) == 2 else scores

    def predict(self, X: Any) -> np.ndarray:
        """Class of each row.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like
            Multimodal input.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Labels, of `classes_`.
        """
        scores, _, _ = self._combined_scores(X)
        return self.classes_[predicted_codes(scores)]

    @available_if(_has_probabilities)
    def predict_proba(self, X: Any) -> np.ndarray:
        """Class probabilities: with ``loss="log_loss"``, or by `temperature`.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like
            Multimodal input.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.

        Raises
        ------
        ValueError
            If `fit` could fit no temperature to the scores that rows of `X` get.
        """
        scores = self._log_odds(X)
        if len(self.classes_) == 2:
            return expit(np.hstack([-scores, scores]))
        return softmax(scores, axis=1)

    @available_if(_has_probabilities)
    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Logarithm of `predict_proba`.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like
            Multimodal input.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.

        Raises
        ------
        ValueError
            If `fit` could fit no temperature to the scores that rows of `X` get.
        """
        scores = self._log_odds(X)
        if len(self.classes_) == 2:
            return log_expit(np.hstack([-scores, scores]))
        return log_softmax(scores, axis=1)

    def _log_odds(self, X: Any) -> np.ndarray:
        """Scores over their temperatures."""
        scores, used_weak, used_strong = self._combined_scores(X)
        if self.loss == "log_loss":
            return scores
        if self.temperature != "cv":
            return scores / self.temperature
        rule = self.deferral_ if self.predict_with == "serial" else None
        if rule is not None and rule.final == "strong":
            used_weak = used_weak & ~used_strong  # the weak score decided nothing there
        sources = np.where(used_weak & used_strong, "both", np.where(used_weak, "weak", "strong"))
        found = self.temperatures_
        for source in np.unique(sources).tolist():
            if source not in found:
                raise ValueError(self._says_no_temperature(source))
        return scores / np.array([found[source] for source in sources])[:, None]

    def _says_no_temperature(self, source: str) -> str:
        cause = self._no_temperature or (
            f"`fit` held out no labelled row with the {source} side"
            if self.temperatures_
            else "`fit` ran with another `temperature` or `loss`"
        )
        return (
            f"`temperature`='cv' has none for these scores: {cause.rstrip('.')}. Fit with more "
            "labelled rows, with `cv` as splits of your own, with `temperature` as a number, or "
            "with `loss`='log_loss'."
        )
