"""`ModalitySelector`: some of the modalities."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ..base import ModalityEstimator
from ..exceptions import MissingModalityError
from ..modalities import in_row_order, name_modalities
from ._names import features_in, join_names


class ModalitySelector(  # type: ignore[call-arg]
    TransformerMixin, ModalityEstimator, auto_wrap_output_keys=None
):
    """Keep some modalities.

    As with the columns of a DataFrame, a list keeps them as `Modalities` and a single name takes
    the array itself out, for any scikit-learn model to follow in the pipeline.

    Parameters
    ----------
    names : str or list of str
        Modalities to keep. A string gives the array of that modality, a list gives `Modalities`.
    modalities : dict of str to columns, default=None
        Column blocks of a flat table; see `ModalityTransformer`.

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
    ModalityConcatenator : One 2-D array of all modalities.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mmbalance import Modalities, ModalitySelector
    >>> X = Modalities(face=np.ones((5, 4)), voice=np.zeros((5, 2)), gait=np.ones((5, 3)))
    >>> ModalitySelector(["voice", "gait"]).fit_transform(X)
    Modalities(n_samples=5, gait: (5, 3) float64, voice: (5, 2) float64)
    >>> float(ModalitySelector("face").fit_transform(X).sum())
    20.0
    """

    missing = "mask"  # whatever is missing stays missing

    def __init__(self, names: Any, *, modalities: Any = None):
        self.names = names
        self.modalities = modalities

    def fit(self, X: Any, y: Any = None) -> ModalitySelector:
        """Check that the modalities are there.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like
            Multimodal input.
        y : object, default=None
            Ignored.

        Returns
        -------
        self : ModalitySelector
            The fitted selector.

        Raises
        ------
        TypeError
            If `names` is neither a string nor a list of strings.
        ValueError
            If `X` lacks a modality in `names`.
        """
        wanted = self._wanted()
        _, spec = name_modalities(X, estimator=self, modalities=self.modalities)
        unknown = sorted(set(wanted) - set(spec.names))
        if unknown:
            raise ValueError(
                f"`names` asks for modality {', '.join(map(repr, unknown))}, which `X` does not "
                f"have; there are {list(spec.names)}."
            )
        self._remember_modalities(spec)
        return self

    def transform(self, X: Any) -> Any:
        """Take the modalities.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like
            Multimodal input.

        Returns
        -------
        Xt : Modalities or array of shape (n_samples, ...)
            `Modalities` for a list of names, the array of the modality for a single name.

        Raises
        ------
        MissingModalityError
            If `X` has none of the modalities.
        """
        check_is_fitted(self)
        container, _ = name_modalities(
            X, estimator=self, spec=self._input_spec, modalities=self.modalities
        )
        wanted = self._wanted()
        there = [name for name in wanted if name in container]
        if not there:
            raise MissingModalityError(
                f"`X` has no modality of `names` {wanted}; got {list(container.names)}."
            )
        if isinstance(self.names, str):
            return in_row_order(container[self.names])
        return container.select(there)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the columns that are kept.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of all columns, as ``feature_names_in_``; compared with those seen in `fit`.

        Returns
        -------
        feature_names_out : ndarray of str
            ``face__0``, or ``face__height`` where columns have names; without the modality if
            `names` is a single one, whose array comes out alone.
        """
        check_is_fitted(self)
        named = features_in(self, input_features)
        if isinstance(self.names, str):
            return np.asarray(named[self.names], dtype=object)
        return join_names({name: named[name] for name in self._wanted()})

    def set_output(self, *, transform: Any = None) -> ModalitySelector:
        """Do nothing: modalities are handed on as they come.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"}, default=None
            Ignored; the method lets `Pipeline.set_output` pass.

        Returns
        -------
        self : ModalitySelector
            The same selector.
        """
        return self

    def _wanted(self) -> list[str]:
        names = [self.names] if isinstance(self.names, str) else self.names
        if not isinstance(names, list | tuple) or not names:
            raise TypeError(f"`names` must be a string or a list of strings; got {self.names!r}.")
        if not all(isinstance(name, str) for name in names):
            raise TypeError(f"`names` must hold strings only; got {self.names!r}.")
        return sorted(set(names))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.string = True
        return tags
