"""What the ARM-style classifiers share: labels, weights, thresholds, predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.utils import compute_class_weight
from sklearn.utils.metaestimators import available_if

from ..._sklearn import StrOptions
from ...base import ClassTarget, ModalityClassifier, TrainingRows
from ._assembly import Assembly
from ._base import ARMBase
from ._combination import DeferralRule, predicted_codes, tune_deferral
from ._fold import FoldFit
from ._losses import code_targets
from ._prediction import MODES
from ._rows import ARMRows


def _has_probabilities(estimator: Any) -> bool:
    if estimator.loss == "log_loss":
        return True
    raise AttributeError(
        f"`loss`='{estimator.loss}' gives scores, not probabilities. Use `loss`='log_loss', or "
        f"wrap the estimator in CalibratedClassifierCV."
    )


def _classes(given: TrainingRows) -> np.ndarray:
    assert isinstance(given.target, ClassTarget)
    return given.target.classes


class ARMClassifierBase(ARMBase, ModalityClassifier):
    """Labels, weights, thresholds and predictions of the ARM-style classifiers."""

    _classifier_constraints: dict = {
        "loss": [StrOptions({"squared", "squared_hinge", "log_loss"})],
        "predict_with": [StrOptions(set(MODES))],
        "class_weight": [StrOptions({"balanced"}), dict, None],
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
            per_class = compute_class_weight(
                self.class_weight,
                classes=classes,
                y=classes[codes[labeled]],
                sample_weight=weights[labeled] if self.class_weight == "balanced" else None,
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

    def _tune_serial(
        self,
        assembly: Assembly,
        rows: ARMRows,
        values: dict[str, float],
        costs: tuple[float, float],
    ) -> DeferralRule:
        """Thresholds of the serial mode, on scores of rows that were held out."""
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
        weak_scores = np.full_like(rows.targets, np.nan)
        strong_scores = np.full_like(rows.targets, np.nan)
        held = np.zeros(len(usable), dtype=bool)
        for train, test in rows.splits(self.cv, rows.counted, with_rest=True):
            fold = FoldFit(
                assembly,
                rows,
                train,
                alpha=values["alpha"],
                coupling=values["coupling"],
                make_engine=self._engine,
                strengths_of=self._strengths,
            )
            strong, weak = fold.sides(**values)
            weak_scores[test] = weak.scores(assembly.weak[test] + assembly.weak_mean)
            strong_scores[test] = strong.scores(assembly.strong[test] + assembly.strong_mean)
            held[test] = True
        usable &= held
        return tune_deferral(
            weak_scores[usable],
            strong_scores[usable],
            rows.truth[usable],
            costs=costs,
            kappa=self.kappa,
            weights=rows.weights[usable],
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
        """Class probabilities; only with ``loss="log_loss"``.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like
            Multimodal input.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        scores, _, _ = self._combined_scores(X)
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
        """
        scores, _, _ = self._combined_scores(X)
        if len(self.classes_) == 2:
            return log_expit(np.hstack([-scores, scores]))
        return log_softmax(scores, axis=1)
