"""What a fitted network answers: classes, probabilities, single modalities, embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from ..base import ModalityClassifier
from ..modalities import CheckedModalities
from ..networks import ModalityRows, to_rows
from .fitted_fusion import FittedFusion
from .net import MultimodalNet


class NeuralPredictions(ModalityClassifier):
    """The prediction methods of the neural estimators, over ``net_``."""

    net_: MultimodalNet

    #: fusion weights fitted on held-out rows; None where the network's own fusion predicts
    _fitted_fusion: FittedFusion | None = None

    def _rows_for_prediction(self, X: Any) -> tuple[CheckedModalities, ModalityRows]:
        checked = self._read_for_prediction(X, accept_sparse=True)
        dtype = next(self.net_.module_.parameters()).dtype
        device = torch.device(self.net_.device)
        return checked, to_rows(checked, None, None, dtype=dtype, device=device)

    def _logits(self, X: Any) -> torch.Tensor:
        _, rows = self._rows_for_prediction(X)
        if self._fitted_fusion is None:
            return self.net_.evaluate_rows(rows, unimodal=False).logits
        return self._fitted_fusion.scores(self.net_.evaluate_rows(rows), rows.present)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Class probabilities.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array of shape (n_samples, n_features)
            The modalities.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Probabilities in the order of ``classes_``.
        """
        return F.softmax(self._logits(X), dim=1).numpy()

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Logarithms of the class probabilities.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array of shape (n_samples, n_features)
            The modalities.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        return F.log_softmax(self._logits(X), dim=1).numpy()

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
            Scores; the larger, the likelier.
        """
        logits = self._logits(X).numpy()
        return logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits

    def predict(self, X: Any) -> np.ndarray:
        """Predict class labels.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array of shape (n_samples, n_features)
            The modalities.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels, of the type that `y` had.
        """
        codes = self._logits(X).numpy().argmax(axis=1)
        return self.classes_[codes]

    def unimodal_predict_proba(self, X: Any) -> dict[str, np.ndarray]:
        """Class probabilities from each modality alone.

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
        checked, rows = self._rows_for_prediction(X)
        own = self.net_.evaluate_rows(rows).unimodal
        return {
            name: _blank(F.softmax(own[name], dim=1).numpy(), checked.present_in(name))
            for name in checked.names
        }

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
        return {name: _blank(found[name].numpy(), checked.present_in(name)) for name in found}


def _blank(values: np.ndarray, present: np.ndarray) -> np.ndarray:
    if present.all():
        return values
    return np.where(present[:, None], values, np.nan)
