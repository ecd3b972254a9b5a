"""Taking a modality out of rows: what stands there instead decides the numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_array, issparse, vstack

from ..modalities import is_filled_up
from ._input import GivenInput, take_rows

REMOVALS = ("permute", "marginal", "mean", "zero", "native")

#: These give other values on each draw.
RANDOM = ("permute", "marginal")


class Removal:
    """Puts something else where modalities are to be removed; columns of one stay together.

    All removed modalities of a row come from the *same* other row of a draw, and every coalition
    sees the same draws. So what is removed keeps its dependence, a modality that the estimator
    ignores is worth exactly 0, and names play no part.

    Parameters
    ----------
    method : {"permute", "marginal", "mean", "zero", "native"}
        What to put in; see `modality_contributions`.
    given : GivenInput
        The rows to remove from.
    background : GivenInput or None
        Rows for "mean" and "marginal"; None takes those of `given`.
    weights : ndarray of shape (n_samples,) or None
        Weights of the rows of `given`, used where these are the background.
    n_repeats : int
        Number of draws, if draws differ.
    rng : RandomState
        Makes the draws.
    """

    def __init__(
        self,
        method: str,
        given: GivenInput,
        background: GivenInput | None,
        weights: np.ndarray | None,
        n_repeats: int,
        rng: np.random.RandomState,
    ):
        self.method = method
        self.given = given
        self.background = given if background is None else background
        self.n_draws = n_repeats if method in RANDOM else 1
        own = background is None
        n_rows, n_samples = self.background.n_samples, given.n_samples
        if method == "permute":
            self._orders = [rng.permutation(n_samples) for _ in range(n_repeats)]
        elif method == "marginal":
            p = weights / weights.sum() if own and weights is not None else None
            self._orders = [rng.choice(n_rows, n_samples, p=p) for _ in range(n_repeats)]
        elif method == "mean":
            self._means = {
                name: _mean_row(value, name, present, weights if own else None)
                for (name, value), present in zip(
                    self.background.values.items(), self.background.present.T, strict=True
                )
            }
        if method in ("mean", "marginal"):
            self._refuse_empty_background()

    def apply(self, remove: np.ndarray, draw: int = 0) -> Any:
        """Input in which modalities are removed from some rows.

        Parameters
        ----------
        remove : ndarray of bool of shape (n_samples, n_modalities)
            What to remove. A modality that a row lacks already stays lacking.
        draw : int, default=0
            Which draw.

        Returns
        -------
        X : Modalities, dict, DataFrame or array
            In the form in which the input was given.
        """
        remove = remove & self.given.present
        changed = {}
        for number, name in enumerate(self.given.names):
            rows = remove[:, number]
            if rows.any():
                changed[name] = self._replaced(name, number, rows, draw)
        return self.given.rebuild(changed)

    def _replaced(self, name: str, number: int, rows: np.ndarray, draw: int) -> Any:
        value = self.given.values[name]
        first = np.zeros(len(rows), dtype=np.intp)
        if self.method == "native":
            return _emptied(value, name, rows)
        if self.method == "zero":
            return _exchanged(value, rows, _zero_row(value, name), first)
        if self.method == "mean":
            return _exchanged(value, rows, self._means[name], first)
        order = self._orders[draw]
        if self.method == "permute":
            have = self.given.present[:, number]
            donors = np.arange(len(rows))
            donors[have] = order[have[order]]  # rows that lack the modality give none away
            return _exchanged(value, rows, value, donors)
        have = self.background.present[:, number]
        there = np.flatnonzero(have)
        donors = np.where(have[order], order, there[order % len(there)])
        return _exchanged(value, rows, self.background.values[name], donors)

    def _refuse_empty_background(self) -> None:
        for name, present in zip(self.background.names, self.background.present.T, strict=True):
            if not present.any():
                raise ValueError(
                    f"`background` has no row with modality {name!r}; `removal={self.method!r}` "
                    "needs some. Pass rows that have it, or choose another removal."
                )


# -- values of any kind ------------------------------------------------------------------------


def _exchanged(value: Any, rows: np.ndarray, pool: Any, donors: np.ndarray) -> Any:
    """`value` with row ``donors[i]`` of `pool` in row i, for the given rows."""
    index = np.where(rows, len(rows) + donors, np.arange(len(rows)))
    if issparse(value):
        return type(value)(vstack([value, pool], format="csr")[index])
    if isinstance(value, pd.DataFrame):
        if not isinstance(pool, pd.DataFrame):
            pool = pd.DataFrame(np.asarray(pool), columns=value.columns)
        flags = [c for c, t in value.dtypes.items() if pd.api.types.is_bool_dtype(t)]
        if flags and not (pool.dtypes == value.dtypes).all():  # a mean of flags is a number
            value = value.astype(dict.fromkeys(flags, float))
        stacked = pd.concat([value, pool.set_axis(value.columns, axis=1)], ignore_index=True)
        return stacked.iloc[index].set_axis(value.index, axis=0)
    pool = np.asarray(pool)
    exchanged = np.array(value, dtype=np.result_type(value.dtype, pool.dtype))
    exchanged[rows] = take_rows(pool, donors[rows])
    return exchanged


def _emptied(value: Any, name: str, rows: np.ndarray) -> Any:
    """`value` with NaN (or None, in an array of objects) in the given rows."""
    if issparse(value):
        raise TypeError(
            f"`removal='native'` marks absent rows by NaN, which a sparse modality ({name!r}) "
            "cannot hold. Make it dense, or choose another removal."
        )
    if isinstance(value, pd.DataFrame):
        kept = np.where(rows, -1, np.arange(len(rows)))
        return value.reset_index(drop=True).reindex(kept).set_axis(value.index, axis=0)
    if value.dtype.kind in "OUS":
        nothing: Any = np.full((1, *value.shape[1:]), None, dtype=object)
        value = value.astype(object)
    else:
        dtype = np.result_type(value.dtype, np.float32)
        nothing = np.full((1, *value.shape[1:]), np.nan, dtype=dtype)
    return _exchanged(value, rows, nothing, np.zeros(len(rows), dtype=np.intp))


def _zero_row(value: Any, name: str) -> Any:
    _refuse_words(value, name, "zero")
    if isinstance(value, pd.DataFrame):
        return pd.DataFrame(np.zeros((1, value.shape[1])), columns=value.columns).astype(
            dict(zip(value.columns, value.dtypes, strict=True))
        )
    if issparse(value):
        return csr_array((1, value.shape[1]), dtype=value.dtype)
    return np.zeros((1, *value.shape[1:]), dtype=value.dtype)


def _mean_row(value: Any, name: str, present: np.ndarray, weights: np.ndarray | None) -> Any:
    """Mean of each feature over the rows that have the modality."""
    _refuse_words(value, name, "mean")
    weights = np.ones(len(present)) if weights is None else weights
    weights = np.where(present, weights, 0.0)
    if issparse(value):
        return csr_array((weights @ value / (weights.sum() or 1.0))[None])
    array = value.to_numpy(dtype=float) if isinstance(value, pd.DataFrame) else np.asarray(value)
    dtype = np.result_type(array.dtype, np.float32)
    array = array.reshape(len(array), -1)
    known = ~np.isnan(array) if array.dtype.kind == "f" else np.ones(array.shape, dtype=bool)
    total = weights @ known
    # a feature that is never known has no mean, and keeps saying so
    sums = weights @ np.where(known, array, 0)
    mean = np.divide(sums, total, out=np.full(total.shape, np.nan), where=total > 0)
    return mean.reshape(1, *value.shape[1:]).astype(dtype)


def _refuse_words(value: Any, name: str, method: str) -> None:
    if isinstance(value, pd.DataFrame):
        words = [c for c, t in value.dtypes.items() if not pd.api.types.is_numeric_dtype(t)]
        what = f"columns {words}"
    elif isinstance(value, np.ndarray) and is_filled_up(value):
        words = [name]
        what = "sequences of unequal length"
    else:
        words = [] if value.dtype.kind in "biuf" else [value.dtype]
        what = f"dtype {value.dtype}"
    if words:
        raise TypeError(
            f"`removal={method!r}` needs numbers, but modality {name!r} has {what}. Use "
            "`removal='permute'` or 'marginal', which put other rows in its place."
        )
