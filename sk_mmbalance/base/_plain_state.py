"""What an estimator is, in plain parts, for those who persist it without code (skops)."""

from __future__ import annotations

import copyreg
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils import Bunch


class PlainState(BaseEstimator):
    """Mixed in where an estimator is to be taken apart by its attributes.

    Pickle, copies and joblib take it as it is. Others (skops) ask `__getstate__` and give what they
    wrote to `__setstate__`; they know numbers, text, containers, arrays and objects with
    attributes, and get tables, and whatever else a subclass replaces, in such parts.
    """

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickle, or copy, everything as it is."""
        if type(self).__getstate__ not in _ours(type(self)):  # a subclass has its own idea
            return super().__reduce_ex__(protocol)
        return copyreg.__newobj__, (type(self),), dict(vars(self))  # type: ignore[attr-defined]

    def __getstate__(self) -> dict[str, Any]:
        """Attributes in plain parts."""
        return {key: _replaced(value, _apart) for key, value in super().__getstate__().items()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take attributes, plain or as they are."""
        super().__setstate__({key: _replaced(value, _together) for key, value in state.items()})


def _ours(cls: type) -> list[Any]:
    package = __name__.partition(".")[0]
    return [
        base.__dict__["__getstate__"]
        for base in cls.__mro__
        if base.__module__.partition(".")[0] == package and "__getstate__" in base.__dict__
    ]


@dataclass(frozen=True)
class _Table:
    """A DataFrame by its columns."""

    columns: Any
    names: list[Any]
    index: Any
    index_names: list[Any]
    values: list[np.ndarray]


@dataclass(frozen=True)
class _Pairs:
    """A dict whose keys are tuples."""

    keys: list[Any]
    values: list[Any]


def _apart(value: Any) -> Any:
    if isinstance(value, dict) and any(isinstance(key, tuple) for key in value):
        return _Pairs(list(value), list(value.values()))
    if not isinstance(value, pd.DataFrame):
        return value
    return _Table(
        _labels(value.columns),
        list(value.columns.names),
        _labels(value.index),
        list(value.index.names),
        [value.iloc[:, i].to_numpy() for i in range(value.shape[1])],
    )


def _together(value: Any) -> Any:
    if isinstance(value, _Pairs):
        return dict(zip(value.keys, value.values, strict=True))
    if not isinstance(value, _Table):
        return value
    frame = pd.DataFrame(dict(enumerate(value.values)), index=_axis(value.index, value.index_names))
    frame.columns = _axis(value.columns, value.names)
    return frame


def _labels(axis: pd.Index) -> Any:
    return axis.tolist() if isinstance(axis, pd.MultiIndex) else axis.to_numpy()


def _axis(labels: Any, names: list[Any]) -> pd.Index:
    if len(names) > 1:
        return pd.MultiIndex.from_tuples(labels, names=names)
    return pd.Index(labels, name=names[0])


def _replaced(value: Any, replace: Callable[[Any], Any]) -> Any:
    """An attribute, and what stands in a dict, replaced; itself where nothing is."""
    if type(value) not in (dict, Bunch):
        return replace(value)
    found = {key: _replaced(item, replace) for key, item in value.items()}
    changed = any(found[key] is not item for key, item in value.items())
    return replace(type(value)(found) if changed else value)
