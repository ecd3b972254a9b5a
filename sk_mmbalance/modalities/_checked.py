"""Input that has been read: what every estimator works on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
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
    lengths : dict of str to ndarray of int of shape (n_samples,)
        Number of steps of each sequence, for modalities of sequences of unequal length (0 where
        it is missing). Their arrays are filled up with zeros.
    were_sparse : tuple of str
        Names of modalities that came sparse, and were made dense here.
    """

    arrays: dict[str, Any]
    present: np.ndarray
    spec: InputSpec
    on_disk: bool = False
    lengths: dict[str, np.ndarray] = field(default_factory=dict)
    were_sparse: tuple[str, ...] = ()

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
        return self.present[:, self._position[name]]

    @cached_property
    def _position(self) -> dict[str, int]:
        return {name: position for position, name in enumerate(self.names)}

    def padding_mask(self, name: str) -> np.ndarray:
        """Boolean array ``(n_samples, n_steps)``: steps of sequences `name` that are no padding."""
        n_steps = self.arrays[name].shape[1]
        if name not in self.lengths:
            return np.ones((self.n_samples, n_steps), dtype=bool)
        return np.arange(n_steps) < self.lengths[name][:, None]

    def refuse_beyond(self, dtype: np.dtype | type) -> None:
        """Refuse values that are finite here and would overflow in the precision `dtype`.

        Raises
        ------
        ValueError
            If there is one; the message names the modality and its largest value.
        """
        limit = np.finfo(dtype).max
        for name, array in self.arrays.items():
            values = array.data if issparse(array) else array
            if np.finfo(values.dtype).max <= limit or not values.size:
                continue
            largest = max(abs(np.nanmin(values, initial=0)), abs(np.nanmax(values, initial=0)))
            if largest > limit:
                raise ValueError(
                    f"`X` modality {name!r} has values up to {largest:.3g}, beyond what "
                    f"{np.dtype(dtype)} can hold ({limit:.3g}). Scale it, or work in float64."
                )

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
            lengths={name: value[indices] for name, value in self.lengths.items()},
        )

    def dense(self) -> CheckedModalities:
        """The same with sparse modalities made dense."""
        sparse = tuple(name for name, value in self.arrays.items() if issparse(value))
        arrays = {n: v.toarray() if n in sparse else v for n, v in self.arrays.items()}
        return replace(self, arrays=arrays, were_sparse=(*self.were_sparse, *sparse))

    def select(self, names: tuple[str, ...] | list[str]) -> CheckedModalities:
        """Only the given modalities (rows stay, even those left with none)."""
        kept = sorted(names)
        return replace(
            self,
            arrays={name: self.arrays[name] for name in kept},
            present=self.present[:, [self._position[name] for name in kept]],
            spec=self.spec.select(kept),
            lengths={name: self.lengths[name] for name in kept if name in self.lengths},
            were_sparse=tuple(name for name in self.were_sparse if name in kept),
        )
