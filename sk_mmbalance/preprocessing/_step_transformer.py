"""`StepTransformer`: a transformer of tables for the steps of sequences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted

from ..base import weight_params
from ..modalities import (
    holds_arrays,
    is_table,
    is_tensor,
    name_modalities,
    object_column,
    read_items,
    tensor_to_array,
)
from ._rows import refuse_no_numbers_for


class StepTransformer(  # type: ignore[call-arg]
    TransformerMixin, BaseEstimator, auto_wrap_output_keys=None
):
    """Fit a transformer on the steps of all sequences, and transform each step by it.

    A step is a row of the inner transformer: `StandardScaler` gives every feature mean 0 and
    variance 1 over all steps of all sequences, however long they are. What comes out has the form
    of what went in: sequences of unequal length as an object array of arrays, those of one length
    as one array, and what NaN fills up is filled up again.

    Parameters
    ----------
    transformer : transformer
        Of scikit-learn's kind, for rows of shape ``(n_features,)``; it may change their number.

    Attributes
    ----------
    transformer_ : transformer
        The fitted clone.
    n_features_in_ : int
        Number of values of a step.

    See Also
    --------
    ModalityTransformer : Has a transformer for each modality; this is one for sequences.

    Notes
    -----
    A sequence that is missing (None, or NaN throughout) stays missing. Steps of NaN at the end of a
    row are no steps: there its sequence has ended. Any other NaN is handed to the inner
    transformer, an imputer usually. A weight of a sequence is the weight of each of its steps.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sk_mmbalance import Modalities, ModalityTransformer
    >>> from sk_mmbalance.preprocessing import StepTransformer
    >>> X = Modalities(walk=[np.array([[0.0], [4.0]]), np.array([[0.0], [0.0], [0.0], [1.0]])])
    >>> prep = ModalityTransformer({"walk": StepTransformer(StandardScaler(with_std=False))})
    >>> [walk.ravel().round(2).tolist() for walk in prep.fit_transform(X)["walk"]]
    [[-0.83, 3.17], [-0.83, -0.83, -0.83, 0.17]]
    """

    def __init__(self, transformer: Any):
        self.transformer = transformer

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> StepTransformer:
        """Fit the transformer on all steps.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_steps, n_features), or of n_samples arrays
            The sequences; those of unequal length are arrays of shape ``(time, n_features)``.
        y : object, default=None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the sequences, for a transformer that takes weights.

        Returns
        -------
        self : StepTransformer
            The fitted transformer.

        Raises
        ------
        TypeError
            If `transformer` cannot transform.
        ValueError
            If `X` holds no sequences, or none that is there.
        """
        if isinstance(self.transformer, type) or not hasattr(self.transformer, "transform"):
            raise TypeError(
                "`transformer` must be an instance that can transform, such as StandardScaler(); "
                f"got {self.transformer!r}."
            )
        sequences = _read(X)
        steps = sequences.steps()
        refuse_no_numbers_for(self.transformer, "`X`", steps)
        weights = {}
        if sample_weight is not None:
            of_steps = np.repeat(np.asarray(sample_weight), sequences.lengths)
            weights = weight_params(self.transformer, of_steps)
        self.transformer_ = clone(self.transformer).fit(steps, **weights)
        self.n_features_in_ = steps.shape[1]
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Transform each step.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_steps, n_features), or of n_samples arrays
            The sequences.

        Returns
        -------
        Xt : ndarray of shape (n_samples, n_steps, n_out), or object array of shape (n_samples,)
            Sequences of as many steps.

        Raises
        ------
        ValueError
            If steps have another number of values than in `fit`, or the transformer does not give
            a row for each.
        """
        check_is_fitted(self, "transformer_")
        sequences = _read(X)
        if not any(sequences.lengths):
            return np.full(len(sequences.items), None, dtype=object)
        steps = sequences.steps()
        refuse_no_numbers_for(self.transformer, "`X`", steps)
        if steps.shape[1] != self.n_features_in_:
            raise ValueError(
                f"`X` has steps of {steps.shape[1]} values; in fit they had {self.n_features_in_}."
            )
        changed = self.transformer_.transform(steps)
        changed = changed.toarray() if issparse(changed) else np.asarray(changed)
        if changed.ndim != 2 or len(changed) != len(steps):
            raise ValueError(
                f"`transformer` gives shape {changed.shape} for {len(steps)} steps; one row for "
                "each is needed."
            )
        return sequences.with_steps(changed)

    def set_output(self, *, transform: Any = None) -> StepTransformer:
        """Do nothing: sequences are no table, and come out as arrays.

        Parameters
        ----------
        transform : object, default=None
            Ignored.

        Returns
        -------
        self : StepTransformer
            The same transformer.
        """
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.no_validation = True  # reads its input itself
        tags.input_tags.allow_nan = True
        return tags


@dataclass(frozen=True)
class _Sequences:
    """Sequences as arrays of shape (time, ...); None where one is missing."""

    items: list[np.ndarray | None]
    longest: int | None  # steps of the array they stand in, if it is one

    @property
    def lengths(self) -> list[int]:
        return [0 if item is None else len(item) for item in self.items]

    def steps(self) -> np.ndarray:
        """All steps, one below the other, of shape (n_steps, n_features)."""
        there = [item for item in self.items if item is not None]
        if not there:
            raise ValueError("`X` is missing in every row: there is no sequence to look at.")
        steps = np.concatenate(there)
        return steps.reshape(len(steps), -1)

    def with_steps(self, steps: np.ndarray) -> np.ndarray:
        """The same sequences with other steps, in the form in which they came."""
        ends = np.cumsum(self.lengths)[:-1]
        parts = np.split(steps, ends)
        if self.longest is None:
            whole = np.empty(len(parts), dtype=object)
            for row, (item, part) in enumerate(zip(self.items, parts, strict=True)):
                whole[row] = None if item is None else part.reshape(len(part), *_shape(item, part))
            return whole
        kind = steps.dtype if steps.dtype.kind == "f" else np.dtype(float)
        first = next(item for item in self.items if item is not None)
        whole = np.full((len(parts), self.longest, *_shape(first, steps)), np.nan, dtype=kind)
        for into, part in zip(whole, parts, strict=True):
            into[: len(part)] = part.reshape(len(part), *into.shape[1:])
        return whole


def _shape(item: np.ndarray, part: np.ndarray) -> tuple[int, ...]:
    """Shape of a step: as it was, if it has as many values."""
    before = item.shape[1:]
    return before if np.prod(before) == part.shape[1] else part.shape[1:]


def _read(X: Any) -> _Sequences:
    value: Any = name_modalities({"X": X})[0]["X"]
    if is_table(value):
        column = object_column(value)
        value = np.empty(value.shape) if column is None else column
    value = tensor_to_array("`X`", value) if is_tensor(value) else np.asarray(value)
    if holds_arrays(value):
        items = read_items("`X`", value)
        if all(item is None or item.ndim > 1 for item in items):
            return _Sequences([_without_padding(item) for item in items], None)
    if value.ndim < 3:
        raise ValueError(
            "`X` must be sequences, of shape (n_samples, n_steps, n_features) or arrays of shape "
            f"(time, features); got shape {value.shape}. Give rows of a table to the transformer "
            "itself, without StepTransformer."
        )
    return _Sequences([_without_padding(row) for row in value], value.shape[1])


def _without_padding(item: np.ndarray | None) -> np.ndarray | None:
    """A sequence without steps of NaN at its end; None if nothing is left."""
    if item is None or not len(item):
        return None
    if item.dtype.kind != "f" or not np.isnan(item[-1]).all():
        return item
    there = ~np.isnan(item).reshape(len(item), -1).all(axis=1)
    return item[: np.flatnonzero(there)[-1] + 1] if there.any() else None
