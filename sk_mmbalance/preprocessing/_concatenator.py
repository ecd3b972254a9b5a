"""`ModalityConcatenator`: all modalities as one 2-D array."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import hstack as sparse_hstack
from scipy.sparse import issparse
from sklearn.base import TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ..base import ModalityEstimator
from ._names import features_in, join_names


class ModalityConcatenator(TransformerMixin, ModalityEstimator):
    """Put all modalities side by side in one 2-D array.

    What comes after it in a pipeline may be any scikit-learn model: early fusion. Modalities
    stand in the order of their sorted names; an image or a sequence is flattened. If any modality
    is sparse, the result is a CSR matrix.

    Parameters
    ----------
    modalities : dict of str to columns, default=None
        Column blocks of a flat table. None takes a flat table for one modality.
    missing : {"error", "mask"}, default="error"
        With "mask", rows that lack a modality have NaN in its columns: for models that take NaN,
        such as `HistGradientBoostingClassifier`, or for an imputer.

    Attributes
    ----------
    modality_names_ : list of str
        Modalities seen in `fit`, sorted.
    modality_shapes_ : dict of str to tuple of int
        Shape of one sample of each modality.
    n_features_in_ : int
        Number of columns in all.
    feature_names_in_ : ndarray of str
        Column names, where every modality has some.

    See Also
    --------
    ModalitySelector : Some of the modalities.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sk_mmbalance import Modalities, ModalityConcatenator
    >>> X = Modalities(face=np.arange(8.0).reshape(4, 2), voice=np.array([0.0, 0, 1, 1]))
    >>> ModalityConcatenator().fit(X).get_feature_names_out().tolist()
    ['face__0', 'face__1', 'voice__0']
    >>> model = make_pipeline(ModalityConcatenator(), LogisticRegression())
    >>> model.fit(X, [0, 0, 1, 1]).score(X, [0, 0, 1, 1])
    1.0
    """

    def __init__(self, *, modalities: Any = None, missing: str = "error"):
        self.modalities = modalities
        self.missing = missing

    def fit(self, X: Any, y: Any = None) -> ModalityConcatenator:
        """Remember the modalities and their shapes.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like
            Multimodal input.
        y : object, default=None
            Ignored.

        Returns
        -------
        self : ModalityConcatenator
            The fitted transformer.
        """
        self._remember_modalities(self._read_modalities(X, reset=True, accept_sparse=True))
        return self

    def transform(self, X: Any) -> Any:
        """Put the modalities side by side.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like
            Multimodal input.

        Returns
        -------
        Xt : ndarray or CSR matrix of shape (n_samples, n_features)
            All columns; NaN where a row lacks a modality.
        """
        checked = self._read_for_prediction(X, accept_sparse=True)
        blocks = [checked.flat(name) for name in checked.names]
        if any(issparse(block) for block in blocks):
            return blocks[0] if len(blocks) == 1 else sparse_hstack(blocks, format="csr")
        return np.concatenate(blocks, axis=1)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the columns: ``face__0``, or ``face__height`` where columns have names.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns of a flat table; used if `fit` saw none, compared with those it
            saw otherwise.

        Returns
        -------
        feature_names_out : ndarray of str
            Modality and feature, joined by ``"__"``.
        """
        check_is_fitted(self)
        return join_names(features_in(self, input_features))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
