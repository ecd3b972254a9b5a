"""What the ARM-style classifiers share: labels, weights, thresholds, predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.utils import compute_class_weight
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if

from ...base import ModalityClassifier
from ...modalities import CheckedModalities
from ._assembly import Assembly
from ._base import ARMBase, Rows
from ._combination import DeferralRule, predicted_codes, tune_deferral
from ._losses import code_targets
from ._prediction import MODES
from ._splits import inner_splits


def _has_probabilities(estimator: Any) -> bool:
    if estimator.loss == "log_loss":
        return True
    raise AttributeError(
        f"`loss`='{estimator.loss}' gives scores, not probabilities. Use `loss`='log_loss', or "
        f"wrap the estimator in CalibratedClassifierCV."
    )


class ARMClassifierBase(ARMBase, ModalityClassifier):
    """Labels, weights, thresholds and predictions of the ARM-style classifiers."""

    _classifier_constraints: dict = {
        "loss": [StrOptions({"squared", "squared_hinge", "log_loss"})],
        "predict_with": [StrOptions(set(MODES))],
        "class_weight": [StrOptions({"balanced"}), dict, None],
    }

    def _read_rows(
        self, y: Any, sample_weight: Any, checked: CheckedModalities
    ) -> tuple[np.ndarray, Rows]:
        """Classes, and what is known of each row."""
        labeled, classes, codes = self._read_partial_labels(
            y, checked.n_samples, self.unlabeled_label
        )
        pair_weights = self._read_weights(sample_weight, checked, codes, classes)
        if pair_weights is None:
            pair_weights = np.ones(checked.n_samples)
        pair_weights = pair_weights.astype(np.float64)
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
        return classes, Rows(targets, labeled, weights, pair_weights, codes)

    def _check_labeled(self, counted: np.ndarray, truth: np.ndarray, side: str) -> None:
        super()._check_labeled(counted, truth, side)
        seen = np.unique(truth[counted])
        n_classes = int(truth.max()) + 1
        if len(seen) < n_classes:
            raise ValueError(
                f"Of {n_classes} classes, {n_classes - len(seen)} have no labelled row (of "
                f"positive weight) with the {side} side: every class needs one. Label such a row, "
                f"or leave the class out."
            )

    def _score_of(self, scores: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> float:
        # accuracy; scikit-learn's own checks its input for longer than a small fit takes
        return float(np.average(predicted_codes(scores) == truth, weights=weights))

    def _tune_serial(
        self,
        assembly: Assembly,
        rows: Rows,
        groups: np.ndarray | None,
        values: dict[str, float],
        costs: tuple[float, float],
    ) -> DeferralRule:
        """Thresholds of the serial mode, on scores of rows that were held out."""
        if not assembly.weak.shape[1]:
            raise ValueError(
                "`predict_with`='serial' needs a weak and a strong side; `X` has one modality. "
                "Use `predict_with`='auto'."
            )
        usable = rows.labeled & assembly.strong_seen & assembly.weak_seen & (rows.weights > 0)
        if not usable.any():
            raise ValueError(
                "`predict_with`='serial' needs labelled rows with both sides to tune its "
                "thresholds on; there are none. Use `predict_with`='auto'."
            )
        weak_scores = np.full_like(rows.targets, np.nan)
        strong_scores = np.full_like(rows.targets, np.nan)
        held = np.zeros(len(usable), dtype=bool)
        everyone = np.flatnonzero(rows.labeled)
        for _, test in inner_splits(
            self.cv,
            rows.truth[everyone],
            classifier=True,
            groups=None if groups is None else groups[everyone],
        ):
            test_rows = everyone[test]
            train = np.setdiff1d(np.arange(len(usable)), test_rows)
            data = assembly.data(alpha=values["alpha"], coupling=values["coupling"], rows=train)
            engine = self._engine(data)
            strengths, _ = self._strengths(engine, **values)
            strong, weak = assembly.sides(engine.solve(strengths).point)
            weak_scores[test_rows] = weak.scores(assembly.weak[test_rows] + assembly.weak_mean)
            strong_scores[test_rows] = strong.scores(
                assembly.strong[test_rows] + assembly.strong_mean
            )
            held[test_rows] = True
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
