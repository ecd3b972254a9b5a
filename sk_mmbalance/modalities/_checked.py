"""Input that has been read: what every estimator works on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.sparse import issparse

from ._spec import InputSpec


@dataclass(frozen=True)
class CheckedModalities:
    """Modalities that `check_modalities` has read.

    Attributes
    ----------
    arrays : dict of str to array of shape (n_samples, ...)
        Contiguous numeric arrays (or CSR matrices) by sorted name; NaN where a row is missing.
    present : ndarray of bool of shape (n_samples, n_modalities)
        Whether a row has the modality; columns in the order of `names`.
    spec : InputSpec
        What later calls are compared with.
    on_disk : bool
        Whether some array is memory-mapped.
    """

    arrays: dict[str, Any]
    present: np.ndarray
    spec: InputSpec
    on_disk: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Sorted names of the modalities."""
        return self.spec.names

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return len(self.present)

    @property
    def has_missing(self) -> bool:
        """Whether any row lacks a modality."""
        return not self.present.all()

    def present_in(self, name: str) -> np.ndarray:
        """Boolean array ``(n_samples,)``: rows that have modality `name`."""
        return self.present[:, self.names.index(name)]

    def flat(self, name: str) -> Any:
        """Modality `name` with one row per sample and one column per value."""
        value = self.arrays[name]
        return value if issparse(value) else value.reshape(len(value), -1)

    def rows(self, indices: np.ndarray) -> CheckedModalities:
        """Only the given rows."""
        return replace(
            self,
            arrays={name: value[indices] for name, value in self.arrays.items()},
            present=self.present[indices],
        )

    def dense(self) -> CheckedModalities:
        """The same with sparse modalities made dense."""
        arrays = {
            name: value.toarray() if issparse(value) else value
            for name, value in self.arrays.items()
        }
        return replace(self, arrays=arrays)

    def select(self, names: tuple[str, ...] | list[str]) -> CheckedModalities:
        """Only the given modalities (rows stay, even those left with none)."""
        kept = sorted(names)
        return replace(
            self,
            arrays={name: self.arrays[name] for name in kept},
            present=self.present[:, [self.names.index(name) for name in kept]],
            spec=self.spec.select(kept),
        )
