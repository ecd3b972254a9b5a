"""What a fitted network answers: predictions, probabilities, single modalities, embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..base import CLASSES, ModalityClassifier, ModalityEstimator, ModalityRegressor, Target
from ..modalities import CheckedModalities
from ..networks import ModalityRows, log_proba, proba, to_rows
from ._divergence import refuse_outputs_not_finite
from ._fitted_fusion import FittedFusion
from ._net import MultimodalNet


class NeuralPredictions(ModalityEstimator):
    """What the neural estimators answer, over ``net_``, whatever the target is."""

    net_: MultimodalNet
    _target: Target

    #: fusion weights fitted on held-out rows; None where the network's own fusion predicts
    _fitted_fusion: FittedFusion | None = None

    def _rows_for_prediction(self, X: Any) -> tuple[CheckedModalities, ModalityRows]:
        checked = self._read_for_prediction(X, accept_sparse=True)
        network = self.net_.module_
        return checked, to_rows(
            checked,
            None,
            None,
            dtype=next(network.parameters()).dtype,
            device=torch.device(self.net_.device),
            encodings=network.encodings,
        )

    def _outputs(self, X: Any) -> torch.Tensor:
        """Outputs of the fused model, of shape (n_samples, n_outputs)."""
        checked, rows = self._rows_for_prediction(X)
        if self._fitted_fusion is None:
            outputs = self.net_.evaluate_rows(rows, unimodal=False).logits
        else:
            outputs = self._fitted_fusion.scores(self.net_.evaluate_rows(rows), rows.present)
        refuse_outputs_not_finite(outputs, checked)
        return outputs

    def _unimodal_outputs(self, X: Any) -> tuple[CheckedModalities, dict[str, torch.Tensor]]:
        """Outputs of each modality alone, and which rows have it."""
        checked, rows = self._rows_for_prediction(X)
        own = self.net_.evaluate_rows(rows).unimodal
        for name, outputs in own.items():
            refuse_outputs_not_finite(outputs, checked, name)
        return checked, own

    def embed(self, X: Any) -> dict[str, np.ndarray]:
        """Embedding of each modality: what its backbone gives.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array of shape (n_samples, n_features)
            The modalities.

        Returns
        -------
        dict of str to ndarray of shape (n_samples, embedding_dim)
            NaN in rows that lack the modality.
        """
        checked, rows = self._rows_for_prediction(X)
        found = self.net_.embed_rows(rows)
        for name, embeddings in found.items():
            refuse_outputs_not_finite(embeddings, checked, name)
        return {name: _blank(found[name].numpy(), checked.present_in(name)) for name in found}


class ClassifierPredictions(ModalityClassifier, NeuralPredictions):
    """Answers of networks for one class a row, or several labels."""

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of the classes, or of each label.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array of shape (n_samples, n_features)
            The modalities.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Probabilities in the order of ``classes_``; with several labels a row, the probability
            of each.
        """
        outputs = self._outputs(X)
        return proba(self._target, outputs).numpy()

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Logarithms of `predict_proba`.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array of shape (n_samples, n_features)
            The modalities.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        outputs = self._outputs(X)
        return log_proba(self._target, outputs).numpy()

    def decision_function(self, X: Any) -> np.ndarray:
        """Scores of the classes; with two of them, the second's minus the first's.

        Fused logits or, where fusion weights were fitted, weighted sums of log-probabilities.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array of shape (n_samples, n_features)
            The modalities.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            Scores; the larger, the likelier. With several labels a row, the logit of each.
        """
        logits = self._outputs(X).numpy()
        if self._target.kind == CLASSES and logits.shape[1] == 2:
            return logits[:, 1] - logits[:, 0]
        return logits

    def predict(self, X: Any) -> np.ndarray:
        """Predict class labels.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array of shape (n_samples, n_features)
            The modalities.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_labels)
            Labels, of the type that `y` had.
        """
        outputs = self._outputs(X).numpy()
        return self._target.decode(outputs)

    def unimodal_predict_proba(self, X: Any) -> dict[str, np.ndarray]:
        """Probabilities from each modality alone.

        They come from the modality's own head where one was trained, else from the fused model
        with the other modalities masked.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array of shape (n_samples, n_features)
            The modalities.

        Returns
        -------
        dict of str to ndarray of shape (n_samples, n_classes)
            NaN in rows that lack the modality.
        """
        checked, own = self._unimodal_outputs(X)
        return {
            name: _blank(proba(self._target, own[name]).numpy(), checked.present_in(name))
            for name in checked.names
        }


class RegressorPredictions(ModalityRegressor, NeuralPredictions):
    """Answers of networks for one or several numbers a row."""

    def predict(self, X: Any) -> np.ndarray:
        """Predict numbers.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array of shape (n_samples, n_features)
            The modalities.

        Returns
        -------
        ndarray of float64 of shape (n_samples,) or (n_samples, n_columns)
            In the units of `y`.
        """
        outputs = self._outputs(X).numpy()
        return self._target.decode(outputs)

    def unimodal_predict(self, X: Any) -> dict[str, np.ndarray]:
        """Numbers from each modality alone.

        They come from the modality's own head where one was trained, else from the fused model
        with the other modalities masked.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array of shape (n_samples, n_features)
            The modalities.

        Returns
        -------
        dict of str to ndarray of float64 of shape (n_samples,) or (n_samples, n_columns)
            NaN in rows that lack the modality.
        """
        checked, own = self._unimodal_outputs(X)
        return {
            name: _blank(self._target.decode(own[name].numpy()), checked.present_in(name))
            for name in checked.names
        }


def _blank(values: np.ndarray, present: np.ndarray) -> np.ndarray:
    if present.all():
        return values
    return np.where(present.reshape(-1, *[1] * (values.ndim - 1)), values, np.nan)
