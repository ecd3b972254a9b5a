"""`flat`: a multimodal estimator for callers that know a single table only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if

from ..modalities import Modalities, name_modalities


@dataclass(frozen=True)
class Block:
    """Where a modality stands in the flat table, and what it was.

    Attributes
    ----------
    columns : slice
        Its columns.
    shape : tuple of int
        Shape of one row.
    names : tuple of str
        Names of the columns of the flat table.
    features : Index or None
        Column names of the modality, where it was a DataFrame.
    """

    columns: slice
    shape: tuple[int, ...]
    names: tuple[str, ...]
    features: pd.Index | None


def _has(method: str) -> Callable[[Any], bool]:
    return lambda self: hasattr(self.estimator, method)


class FlatEstimator(BaseEstimator):
    """A fitted estimator of modalities that takes one flat table; made by `flat`.

    `predict`, `predict_proba`, `decision_function` and `score` take a table with the columns of
    `feature_names_in_`, cut it into modalities and ask the estimator. It stays fitted: `fit`
    changes nothing and `clone` gives the same object.

    Parameters
    ----------
    estimator : estimator
        Fitted on `Modalities`.
    blocks : dict of str to Block
        Where each modality stands.

    Attributes
    ----------
    columns_ : dict of str to slice
        Columns of each modality.
    feature_names_in_ : ndarray of str
        Columns of the table: ``modality__feature``, with the number of the value where a modality
        has no column names.
    n_features_in_ : int
        Their number.
    """

    def __init__(self, estimator: Any, blocks: dict[str, Block]):
        self.estimator = estimator
        self.blocks = blocks
        self.columns_ = {name: block.columns for name, block in blocks.items()}
        names = [column for block in blocks.values() for column in block.names]
        self.feature_names_in_ = np.array(names, dtype=object)
        self.n_features_in_ = len(names)

    def table(self, X: Any) -> pd.DataFrame:
        """Modalities as one flat table.

        Parameters
        ----------
        X : Modalities, dict or DataFrame with two-level columns
            Rows in the form that the estimator takes.

        Returns
        -------
        table : DataFrame of shape (n_samples, n_features)
            The same values side by side.
        """
        container, _ = name_modalities(X)
        if container.names != tuple(self.blocks):
            raise ValueError(
                f"`X` must have the modalities {list(self.blocks)}; got {list(container.names)}."
            )
        parts, index = [], None
        for name, block in self.blocks.items():
            value = container[name]
            if isinstance(value, pd.DataFrame):
                index = value.index
                parts.append(value.set_axis(list(block.names), axis=1))
                continue
            if hasattr(value, "toarray"):
                value = value.toarray()
            array = np.asarray(value).reshape(len(value), -1)
            parts.append(pd.DataFrame(array, columns=list(block.names)))
        if index is not None:
            parts = [part.set_axis(index, axis=0) for part in parts]
        return pd.concat(parts, axis=1)

    def modalities(self, table: Any) -> Modalities:
        """A flat table as modalities: what `table` does, undone.

        Parameters
        ----------
        table : DataFrame or array-like of shape (n_samples, n_features)
            Columns in the order of `feature_names_in_`.

        Returns
        -------
        X : Modalities
            The same values by modality.
        """
        if not isinstance(table, pd.DataFrame):
            table = np.asarray(table)
        if table.ndim != 2 or table.shape[1] != self.n_features_in_:
            raise ValueError(
                f"`table` must have the {self.n_features_in_} columns of `feature_names_in_`; got "
                f"shape {table.shape}."
            )
        if isinstance(table, pd.DataFrame) and list(table.columns) != list(self.feature_names_in_):
            raise ValueError(
                "`table` must have the columns of `feature_names_in_` in their order; make it by "
                f"`table(X)`. Got {list(table.columns)[:5]} ..."
            )
        return Modalities({name: _cut(table, block) for name, block in self.blocks.items()})

    def fit(self, X: Any = None, y: Any = None) -> FlatEstimator:
        """Do nothing: the estimator is fitted.

        Parameters
        ----------
        X : object, default=None
            Not used.
        y : object, default=None
            Not used.

        Returns
        -------
        self : FlatEstimator
            Itself.
        """
        return self

    @available_if(_has("predict"))
    def predict(self, X: Any) -> Any:
        """Predict of a flat table."""
        return self.estimator.predict(self.modalities(X))

    @available_if(_has("predict_proba"))
    def predict_proba(self, X: Any) -> Any:
        """Predict probabilities of a flat table."""
        return self.estimator.predict_proba(self.modalities(X))

    @available_if(_has("decision_function"))
    def decision_function(self, X: Any) -> Any:
        """Scores of a flat table."""
        return self.estimator.decision_function(self.modalities(X))

    @available_if(_has("score"))
    def score(self, X: Any, y: Any) -> float:
        """Score of a flat table, by the estimator's own `score`."""
        return self.estimator.score(self.modalities(X), y)

    @property
    def classes_(self) -> Any:
        """Class labels of the estimator."""
        return self.estimator.classes_

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_clone__(self) -> FlatEstimator:
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator) if hasattr(self.estimator, "__sklearn_tags__") else None
        if inner is not None and inner.estimator_type is not None:
            tags.estimator_type = inner.estimator_type
            tags.classifier_tags = inner.classifier_tags
            tags.regressor_tags = inner.regressor_tags
        elif hasattr(self.estimator, "classes_"):
            tags.estimator_type = "classifier"
        tags.input_tags.allow_nan = True  # the estimator will say
        return tags


def _cut(table: Any, block: Block) -> Any:
    """One modality out of a flat table, as it was."""
    if isinstance(table, pd.DataFrame):
        part = table.iloc[:, block.columns]
    else:
        part = pd.DataFrame(table[:, block.columns])
    if block.features is not None:
        return part.set_axis(block.features, axis=1)
    return part.to_numpy().reshape(len(part), *block.shape)


def flat(estimator: Any, X: Any) -> FlatEstimator:
    """Let tools that know flat tables only look at an estimator of modalities.

    `permutation_importance`, `partial_dependence` and the display of it, SHAP's `Explainer` and the
    like give one table and shuffle or change its columns. What this returns takes that table, cuts
    it into the modalities that the estimator was fitted on, and asks it.

    Parameters
    ----------
    estimator : estimator
        Fitted on modalities by name.
    X : Modalities, dict or DataFrame with two-level columns
        Rows as the estimator takes them (one is enough): they say how the table is cut.

    Returns
    -------
    FlatEstimator
        The estimator for flat tables; its `table` makes them of modalities.

    Raises
    ------
    TypeError
        If `X` is a flat table already, or the estimator has no `predict`.

    Examples
    --------
    >>> from sklearn.inspection import permutation_importance
    >>> from sk_mmbalance import LateFusionClassifier
    >>> from sk_mmbalance.datasets import make_imbalanced_modalities
    >>> from sk_mmbalance.inspection import flat
    >>> X, y, _ = make_imbalanced_modalities(400, modalities=["face", "voice"], random_state=0)
    >>> model = flat(LateFusionClassifier().fit(X[:200], y[:200]), X)
    >>> table = model.table(X[200:])
    >>> found = permutation_importance(model, table, y[200:], random_state=0)
    >>> model.feature_names_in_[found.importances_mean.argmax()]
    'face__0'
    """
    if isinstance(estimator, type) or not hasattr(estimator, "predict"):
        raise TypeError(
            f"`estimator` must be a fitted estimator with `predict`; got {estimator!r}."
        )
    container, spec = name_modalities(X)
    if spec.columns is not None:
        raise TypeError(
            f"`X` must hold modalities by name (Modalities, a dict, a DataFrame with two-level "
            f"columns); got a flat {type(X).__name__}, which needs no `flat`."
        )
    blocks, start = {}, 0
    for name, value in container.items():
        shape = tuple(value.shape[1:])
        width = int(np.prod(shape))
        features = value.columns if isinstance(value, pd.DataFrame) else None
        own = range(width) if features is None else features
        names = tuple(f"{name}__{feature}" for feature in own)
        blocks[name] = Block(slice(start, start + width), shape, names, features)
        start += width
    return FlatEstimator(estimator, blocks)
