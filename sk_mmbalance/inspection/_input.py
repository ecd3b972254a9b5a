"""`GivenInput`: modalities by name, and the way back to the form in which they were given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_array, hstack, issparse

from ..modalities import Modalities, as_pandas, in_row_order, missing_rows, name_modalities


@dataclass(frozen=True, eq=False)
class GivenInput:
    """Input whose modalities can be exchanged; the estimator gets them in the form it was given.

    Attributes
    ----------
    given : Modalities, dict, DataFrame or array
        As it came.
    values : dict of str to array of shape (n_samples, ...)
        Modalities by sorted name.
    columns : dict of str to ndarray of int, or None
        Column numbers in a flat table; None where modalities came by name.
    present : ndarray of bool of shape (n_samples, n_modalities)
        Which rows have which modality.
    """

    given: Any
    values: dict[str, Any]
    columns: dict[str, np.ndarray] | None
    present: np.ndarray

    @property
    def names(self) -> tuple[str, ...]:
        """Sorted names of the modalities."""
        return tuple(self.values)

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return len(self.present)

    def rebuild(self, changed: dict[str, Any]) -> Any:
        """Put `changed` modalities in the place of what was given, in the form it was given."""
        if not changed:
            return self.given
        if self.columns is not None:
            return _fill_table(self.given, self.columns, changed)
        values = {**self.values, **changed}
        if isinstance(self.given, Modalities):
            return Modalities(values)
        if isinstance(self.given, pd.DataFrame):
            return pd.concat(values, axis=1).reindex(columns=self.given.columns)
        return values

    def take(self, rows: np.ndarray) -> GivenInput:
        """Only the given rows."""
        return replace(
            self,
            given=take_rows(self.given, rows),
            values={name: take_rows(value, rows) for name, value in self.values.items()},
            present=self.present[rows],
        )


def read_input(X: Any, *, modalities: Any, estimator: Any = None, name: str = "X") -> GivenInput:
    """Read `X` in any form that an estimator may have been fitted on.

    Parameters
    ----------
    X : Modalities, dict, DataFrame or array-like
        Modalities by name, or a flat table.
    modalities : dict of str to columns or None
        Column blocks of a flat table; None asks `estimator` for them.
    estimator : estimator, default=None
        Its parameter `modalities` is used for a flat table if `modalities` is None.
    name : str, default="X"
        What error messages call the input.

    Returns
    -------
    GivenInput
        The input.
    """
    container, spec = name_modalities(X)
    if spec.columns is None:
        if modalities is not None:
            container, spec = name_modalities(X, modalities=modalities)
        values = {key: _as_array(value) for key, value in container.items()}
        return GivenInput(X, values, None, _presence(values))
    blocks = getattr(estimator, "modalities", None) if modalities is None else modalities
    if not isinstance(blocks, Mapping):
        raise ValueError(
            f"`modalities` must name the columns of each modality where `{name}` is a flat table, "
            "as {'face': slice(0, 40), 'voice': ['mfcc_1', 'mfcc_2']}; got "
            f"{type(blocks).__name__ if blocks is not None else None}. Pass it, or give `{name}` "
            "as Modalities."
        )
    table = X if isinstance(X, pd.DataFrame) else as_pandas(next(iter(container.values())))
    container, spec = name_modalities(table, modalities=blocks)
    values = dict(container.items())
    return GivenInput(table, values, spec.columns, _presence(values))


def take_rows(X: Any, rows: np.ndarray) -> Any:
    """Rows of any form of input, by number."""
    if isinstance(X, pd.DataFrame | pd.Series):
        return X.iloc[rows]
    if isinstance(X, Mapping) and not issparse(X):
        return {name: take_rows(_as_array(value), rows) for name, value in X.items()}
    return X[rows]


def _as_array(value: Any) -> Any:
    if isinstance(value, np.ndarray | pd.DataFrame) or issparse(value):
        return value
    value = as_pandas(in_row_order(value))  # tensors become arrays, tables those of one library
    return value if hasattr(value, "shape") else np.asarray(value)


def _presence(values: dict[str, Any]) -> np.ndarray:
    return np.column_stack([~missing_rows(value) for value in values.values()])


def _fill_table(table: Any, columns: dict[str, np.ndarray], changed: dict[str, Any]) -> Any:
    """A flat table with the columns of some modalities exchanged."""
    numbers = np.concatenate([columns[name] for name in changed])
    others = np.setdiff1d(np.arange(table.shape[1]), numbers)
    back = np.argsort(np.concatenate([others, numbers]))
    if isinstance(table, pd.DataFrame):
        return pd.concat([table.iloc[:, others], *changed.values()], axis=1).iloc[:, back]
    if issparse(table):
        blocks = [csr_array(table)[:, others], *(csr_array(value) for value in changed.values())]
        return type(table)(hstack(blocks, format="csr")[:, back])
    dtype = np.result_type(table, *changed.values()) if table.dtype != object else object
    full = np.array(table, dtype=dtype)
    for name, value in changed.items():
        full[:, columns[name]] = value
    return full
