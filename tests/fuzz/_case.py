"""A case: what is handed to `fit` and `predict`, and the same data in plain form.

*Plain* form is a dict of C-contiguous float arrays in the precision that the docs promise, labels
in a list, weights in a float64 array. A case holds what was spoilt in it, by the names of the
parameters that an error may name, and whether it must be refused or taken.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sk_mmbalance import Modalities

#: Rows of `fit` that are predicted.
NEW = slice(-15, None)


@dataclass
class Case:
    """Input of `fit` and `predict`, as it came and in plain form (None where there is none)."""

    X: Any
    y: Any
    plain: dict[str, np.ndarray] | None
    plain_y: Any
    X_new: Any = None
    plain_new: dict[str, np.ndarray] | None = None
    fit: dict[str, Any] = field(default_factory=dict)
    plain_fit: dict[str, Any] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    plain_params: dict[str, Any] = field(default_factory=dict)
    faults: set[str] = field(default_factory=set)
    must_refuse: bool = False
    must_take: bool = True
    #: Words of warnings of others that are right here.
    may_warn: tuple[str, ...] = ()

    def spoilt(self, *names: str, refused: bool = False) -> None:
        """Note that something may be refused by one of these names, or must be."""
        self.faults |= set(names)
        self.must_take = False
        self.must_refuse = self.must_refuse or refused

    def __repr__(self) -> str:
        whole = self.X.items() if isinstance(self.X, dict | Modalities) else [("X", self.X)]
        new = self.X_new.items() if isinstance(self.X_new, dict) else [("X", self.X_new)]
        return "; ".join(
            [
                *(f"{name}: {_shown(value)}" for name, value in whole),
                *(f"new {name}: {_shown(value)}" for name, value in new),
                f"y: {_shown(self.y)}",
                *(f"{name}: {_shown(value)}" for name, value in self.fit.items()),
                f"params {self.params}, faults {sorted(self.faults)}",
            ]
        )


def _shown(value: Any) -> str:
    """What a value is, in a line."""
    kind, dtype = type(value).__name__, getattr(value, "dtype", "")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas overflows where it writes half precision
        words = " ".join(str(value).split())
    return f"{kind} {dtype} {getattr(value, 'shape', '')} {words[:90]}"
