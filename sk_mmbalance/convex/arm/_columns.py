"""The columns of one side: centred, in float64, and made a block at a time where they are many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

#: Bytes up to which a side is brought into one array: products with that are fastest.
MOST_COPIED = 1 << 26
#: Rows of one block: big enough for BLAS, small enough to stay near the cache.
BLOCK = 4096


class SideColumns:
    """A side's modalities next to each other, less the mean; zero in rows that lack the side.

    Few rows are brought into one array of float64. Many stay where they are, in whatever type they
    have: each product makes float64 of a block of them at a time, so that a fit takes little
    memory beside its rows.

    Parameters
    ----------
    parts : sequence of ndarray of shape (n_rows_of_parts, n_features_of_part)
    mean : ndarray of shape (n_features,), default=None
        None takes nothing off.
    rows : ndarray of int of shape (n_samples,), default=None
        Which rows of the parts these are. None is all, in their order.
    seen : ndarray of bool of shape (n_samples,), default=None
        The others of these rows are zero. None is all.
    """

    def __init__(
        self,
        parts: Sequence[np.ndarray],
        *,
        mean: np.ndarray | None = None,
        rows: np.ndarray | None = None,
        seen: np.ndarray | None = None,
    ):
        self._parts, self._mean, self._rows, self._seen = tuple(parts), mean, rows, seen
        n_samples = len(parts[0]) if rows is None else len(rows)
        self.shape = (n_samples, sum(part.shape[1] for part in parts))

    @classmethod
    def of(cls, parts: Sequence[np.ndarray]) -> SideColumns:
        """Modalities as they are; few become one array."""
        columns = cls(parts)
        return columns if columns._are_many() else cls([columns.block(slice(None))])

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def _whole(self) -> np.ndarray | None:
        """The one array that these columns are, where they are one."""
        (first, *others) = self._parts
        plain = self._mean is None and self._seen is None and self._rows is None
        return first if plain and not others and first.dtype == np.float64 else None

    def _are_many(self) -> bool:
        return 8 * self.shape[0] * self.shape[1] > MOST_COPIED

    def block(self, rows: slice | np.ndarray) -> np.ndarray:
        """Some of the rows, (n_rows, n_features); not to be written to."""
        if self._whole is not None:
            return self._whole[rows]
        at = rows if self._rows is None else self._rows[rows]
        block = np.hstack([part[at] for part in self._parts], dtype=np.float64)
        if self._mean is not None:
            block -= self._mean
        if self._seen is not None:
            block[~self._seen[rows]] = 0.0
        return block

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """All rows, a block after the other, with where they are."""
        size = len(self) if self._whole is not None else BLOCK
        for start in range(0, len(self), max(size, 1)):
            rows = slice(start, start + size)
            yield rows, self.block(rows)

    def take(self, rows: slice | np.ndarray) -> SideColumns:
        """Only the given rows, in that order; one that is given twice comes twice."""
        if self._whole is not None:
            return SideColumns([self._whole[rows]])
        numbers = np.arange(len(self)) if self._rows is None else self._rows
        seen = None if self._seen is None else self._seen[rows]
        return SideColumns(self._parts, mean=self._mean, rows=numbers[rows], seen=seen)

    def mean(self, counted: np.ndarray) -> np.ndarray:
        """Mean of the rows that count, (n_features,); zero where there are none."""
        total = np.zeros(self.shape[1])
        for rows, block in self.blocks():
            total += np.sum(block, axis=0, where=counted[rows, None])
        return total / max(int(np.sum(counted)), 1)

    def less(self, mean: np.ndarray, seen: np.ndarray) -> SideColumns:
        """Columns that nothing is taken off yet, less a mean; zero in rows that are not seen."""
        some = None if seen.all() else seen
        centred = SideColumns(self._parts, mean=mean, rows=self._rows, seen=some)
        return centred if self._are_many() else SideColumns([centred.block(slice(None))])

    def times(self, coef: np.ndarray) -> np.ndarray:
        """Columns times coefficients, (n_samples, n_outputs)."""
        if self._whole is not None:
            return self._whole @ coef
        product = np.empty((len(self), coef.shape[1]))
        for rows, block in self.blocks():
            product[rows] = block @ coef
        return product

    def transposed(self, scores: np.ndarray) -> np.ndarray:
        """Transposed columns times scores, (n_features, n_outputs)."""
        product = np.zeros((self.shape[1], scores.shape[1]))
        for rows, block in self.blocks():
            product += block.T @ scores[rows]
        return product
