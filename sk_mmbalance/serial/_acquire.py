"""Acquiring modalities while predicting: only the rows asked for are looked at, and only once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.sparse import issparse
from scipy.sparse import vstack as sparse_vstack

from ..modalities import InputSpec, Modalities, check_modalities, read_forms


def refuse_callables(X: Any) -> None:
    """`fit` needs the values."""
    if isinstance(X, Mapping) and not issparse(X):
        lazy = sorted(str(name) for name, value in X.items() if callable(value))
        if lazy:
            raise TypeError(
                f"`X` modality {', '.join(map(repr, lazy))} is a callable; `fit` needs arrays. "
                "Callables acquire modalities in predictions only."
            )


class Acquisition:
    """Modalities of the rows to predict, read on demand.

    What has been read of a row is kept, so that no row of a modality is asked for twice.

    Parameters
    ----------
    X : Modalities, dict, DataFrame or array-like
        Input in any form; the values of a dict may be callables that take an array of row
        numbers and return the modality of those rows.
    estimator : estimator
        The fitted estimator: its column specification, and its name in messages.
    """

    def __init__(self, X: Any, estimator: Any):
        self._spec: InputSpec = estimator._input_spec
        self._makes_dense: bool = estimator._makes_dense
        self._callables: dict[str, Any] = {}
        if isinstance(X, Mapping) and not issparse(X):
            self._callables = {name: value for name, value in X.items() if callable(value)}
            X = {name: value for name, value in X.items() if name not in self._callables}
            self._check_callables(X)
        forms = read_forms(
            X,
            estimator=estimator,
            spec=self._spec,
            modalities=estimator.modalities,
            accept_sparse=True,
        )
        self._given = Modalities(forms.values)
        self.n_samples = len(self._given)
        self._asked = {name: np.zeros(self.n_samples, bool) for name in self._spec.names}
        self._present = {name: np.zeros(self.n_samples, bool) for name in self._spec.names}
        self._kept: dict[str, list[tuple[np.ndarray, Any]]] = {n: [] for n in self._spec.names}

    def _check_callables(self, arrays: dict[str, Any]) -> None:
        unknown = sorted(set(self._callables) - set(self._spec.names))
        if unknown:
            raise ValueError(
                f"`X` has modality {', '.join(map(repr, unknown))}, not seen in fit; known are "
                f"{list(self._spec.names)}. Leave it out, or fit again with it."
            )
        if not arrays:
            raise ValueError(
                "`X` must hold at least one modality as an array: callables alone do not say how "
                "many rows there are. Pass the first stage's modality as an array."
            )

    def request(self, name: str, rows: np.ndarray) -> np.ndarray:
        """Ask for a modality of `rows`; whether each of them has it."""
        new = rows[~self._asked[name][rows]]
        if len(new):
            values, present = self._read(name, new)
            self._asked[name][new] = True
            self._present[name][new] = present
            if values is not None:
                self._kept[name].append((new, values))
        return self._present[name][rows]

    def values(self, name: str, rows: np.ndarray) -> Any:
        """The modality of `rows`, all of which have been requested; NaN where it is missing."""
        shape = self._spec.shapes[name]
        position = np.full(self.n_samples, -1)
        blocks, start = [], 0
        for read, block in self._kept[name]:
            position[read] = start + np.arange(len(read))
            start += len(read)
            blocks.append(block)
        if not blocks:
            return np.full((len(rows), *shape), np.nan)
        together = blocks[0] if len(blocks) == 1 else _stack(blocks)
        chosen = position[rows]
        if (chosen >= 0).all():
            return together[chosen]
        result = np.full((len(rows), *shape), np.nan, dtype=together.dtype)
        result[chosen >= 0] = together[chosen[chosen >= 0]]
        return result

    @property
    def given(self) -> list[str]:
        """Names of the modalities that are there in some form."""
        return sorted({*self._given, *self._callables})

    @property
    def asked(self) -> dict[str, np.ndarray]:
        """Rows for which each modality was asked and was there."""
        return {name: self._asked[name] & self._present[name] for name in self._spec.names}

    def _read(self, name: str, rows: np.ndarray) -> tuple[Any, np.ndarray]:
        if name in self._callables:
            value = self._callables[name](rows.copy())
        elif name in self._given:
            value = self._given.select([name])[rows][name]
        else:
            return None, np.zeros(len(rows), bool)
        checked = check_modalities(
            Modalities({name: value}),
            spec=self._spec.select([name]),
            missing="mask",
            accept_sparse=True,
            keep_all_missing=True,
        )
        if checked.n_samples != len(rows):
            raise ValueError(
                f"`X` modality {name!r} was asked for {len(rows)} rows and its callable gave "
                f"{checked.n_samples}; it must return one row for each row number it is given."
            )
        if self._makes_dense:
            checked = checked.dense()
        return checked.arrays[name], checked.present_in(name)


def _stack(blocks: list[Any]) -> Any:
    if any(issparse(block) for block in blocks):
        return sparse_vstack(blocks, format="csr")
    return np.concatenate(blocks)
