"""`Modalities`: named arrays with the same rows, which scikit-learn can split."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from scipy.sparse import vstack as sparse_vstack
from sklearn.utils import _safe_indexing

from ._names import check_names


class LazyRows:
    """Rows of a memory-mapped array that have been chosen but not read yet.

    Fancy indexing of a memmap reads the rows into memory at once. Keeping the map and the row
    numbers apart lets every fold of a search share one file.
    """

    def __init__(self, memmap: np.memmap, rows: np.ndarray):
        self.memmap = memmap
        self.rows = rows
        self.shape = (len(rows), *memmap.shape[1:])
        self.dtype = memmap.dtype

    def __getitem__(self, key: Any) -> LazyRows:
        return LazyRows(self.memmap, self.rows[key])

    def read(self) -> np.ndarray:
        """Read the rows into memory."""
        return np.asarray(self.memmap[self.rows])


def _as_value(name: str, value: Any) -> Any:
    """Keep anything that has rows; turn plain sequences into arrays."""
    if isinstance(value, pd.Series):
        return value.to_frame()
    if isinstance(value, list | tuple):
        value = _list_to_array(value)
    if not hasattr(value, "shape"):
        value = np.asarray(value)
    if len(value.shape) == 0:
        raise ValueError(
            f"`X` modality {name!r} must have one row per sample; got a scalar "
            f"({type(value).__name__}). Pass an array of shape (n_samples, ...)."
        )
    return value


def _refuse_unaligned_frames(values: Mapping[str, Any]) -> None:
    """Rows are paired by position: row labels that say otherwise are a mistake somewhere."""
    frames = [(name, v.index) for name, v in values.items() if isinstance(v, pd.DataFrame)]
    for name, index in frames[1:]:
        first, expected = frames[0]
        if not index.equals(expected):
            raise ValueError(
                f"`X` modalities {first!r} and {name!r} are DataFrames with different row indices, "
                "but rows are paired by position. Align them first (`.loc`, `.reindex`), or pass "
                "`.to_numpy()` if they are in the same order."
            )


def _list_to_array(value: list | tuple) -> np.ndarray:
    if any(isinstance(item, str) or item is None for item in value):
        array = np.empty(len(value), dtype=object)
        array[:] = value
        return array
    return np.asarray(value)


def _take(value: Any, rows: Any) -> Any:
    """Rows of one modality; a memory map stays on disk."""
    if isinstance(value, LazyRows):
        return value[rows]
    if isinstance(value, np.memmap) and not isinstance(rows, slice):
        return LazyRows(value, np.arange(value.shape[0])[rows])
    if issparse(value):
        return value.tocsr()[rows]
    if isinstance(value, np.ndarray) or not hasattr(value, "iloc"):
        return value[rows]
    return _safe_indexing(value, np.arange(value.shape[0])[rows])


class Modalities:
    """Several arrays with the same rows, one per modality, that scikit-learn can split by rows.

    A plain ``dict`` of arrays works in ``fit`` and ``predict`` but not in ``cross_val_score``,
    ``GridSearchCV`` or ``train_test_split``, which take its length for the number of samples.
    This container is the dict's counterpart for them: indexed with a *name* it gives the array
    of that modality; indexed with an integer, a slice, row numbers or a mask it gives those rows
    of all modalities, as `Modalities`.

    ``len`` counts samples while iteration gives names. That is on purpose: scikit-learn asks
    ``len`` for the number of rows, and a person loops over modalities. (For the same reason this
    is no ``collections.abc.Mapping``, whose views use ``len`` as the number of keys.)

    The order in which modalities are given never matters: names are kept sorted.

    Parameters
    ----------
    modalities : mapping of str to array-like of shape (n_samples, ...), default=None
        Numpy arrays of any number of dimensions (memory-mapped ones stay on disk when rows are
        taken), DataFrames, scipy sparse matrices, torch tensors, or lists. The mapping form is
        for names that are no Python identifiers.
    **named : array-like of shape (n_samples, ...)
        The same, by keyword.

    Attributes
    ----------
    names : tuple of str
        Names of the modalities, sorted.
    shape : tuple of int
        ``(n_samples,)``.

    Raises
    ------
    TypeError
        If a name is no string, or `modalities` is a list of arrays.
    ValueError
        If no modality is given, a name is empty or contains ``"__"``, the modalities have
        unequal numbers of rows, or DataFrames have different row indices.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import train_test_split
    >>> from sk_mmbalance import Modalities
    >>> X = Modalities(face=np.zeros((10, 4)), voice=np.ones((10, 2)))
    >>> X
    Modalities(n_samples=10, face: (10, 4) float64, voice: (10, 2) float64)
    >>> X_train, X_test = train_test_split(X, test_size=3, random_state=0)
    >>> len(X_train), X_test["voice"].shape
    (7, (3, 2))
    """

    def __init__(self, modalities: Mapping[str, Any] | None = None, /, **named: Any):
        if isinstance(modalities, Modalities):
            given: dict[str, Any] = dict(modalities._values)
        elif modalities is None:
            given = {}
        elif isinstance(modalities, Mapping) and not issparse(modalities):
            given = dict(modalities)
        else:
            raise TypeError(
                "`modalities` must map names to arrays, as Modalities(face=A, voice=B) or "
                f"Modalities({{'face': A}}); got {type(modalities).__name__}. Give each array a "
                "name: the order of a list would decide what the model learns."
            )
        repeated = sorted(set(given) & set(named))
        if repeated:
            raise ValueError(f"`modalities` and keywords both give {repeated}; give each once.")
        given.update(named)
        self._set({name: _as_value(name, given[name]) for name in check_names(given)})
        _refuse_unaligned_frames(self._values)

    def _set(self, values: dict[str, Any]) -> None:
        lengths = {name: value.shape[0] for name, value in values.items()}
        if len(set(lengths.values())) > 1:
            listing = ", ".join(f"{name!r} has {n}" for name, n in lengths.items())
            raise ValueError(
                f"`X` modalities must have the same number of samples; {listing}. "
                "Row i of every modality must belong to sample i; fill rows that lack a "
                "modality with NaN."
            )
        self._values = values
        self._n_samples = next(iter(lengths.values()))

    @classmethod
    def _from_values(cls, values: dict[str, Any]) -> Modalities:
        new = cls.__new__(cls)
        new._set(values)
        return new

    # -- what it holds ---------------------------------------------------------------------

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the modalities, sorted."""
        return tuple(self._values)

    @property
    def shape(self) -> tuple[int]:
        """``(n_samples,)``: what scikit-learn needs to count and take rows."""
        return (self._n_samples,)

    def __len__(self) -> int:
        return self._n_samples

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def keys(self) -> tuple[str, ...]:
        """Names of the modalities, sorted (so that ``dict(X)`` and ``{**X}`` work)."""
        return self.names

    def values(self) -> list[Any]:
        """Arrays of the modalities, in the order of `names`."""
        return [self[name] for name in self]

    def items(self) -> ItemsView[str, Any]:
        """Pairs of name and array, in the order of `names`."""
        return {name: self[name] for name in self}.items()

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return self._read(key)
        if isinstance(key, tuple):  # scikit-learn indexes arrays as X[rows, ...]
            if len(key) != 2 or key[1] is not Ellipsis:
                raise TypeError(
                    "`Modalities` has one axis, its rows; got an index with "
                    f"{len(key)} parts. Take columns from one modality: X['name'][:, columns]."
                )
            key = key[0]
        if isinstance(key, int | np.integer):
            row = range(self._n_samples)[key]
            key = slice(row, row + 1)
        if not isinstance(key, slice):
            key = np.asarray(key)
            if key.dtype.kind in "US" or (key.dtype == object and key.size):
                return self.select([str(name) for name in key])
            key = key.astype(np.intp) if key.size == 0 else key
            if key.dtype == bool and len(key) != self._n_samples:
                raise IndexError(
                    f"a mask of length {len(key)} does not fit {self._n_samples} samples."
                )
        return self._from_values({name: _take(value, key) for name, value in self._values.items()})

    def _read(self, name: str) -> Any:
        if name not in self._values:
            raise KeyError(f"no modality {name!r}; there are {list(self.names)}.")
        value = self._values[name]
        return value.read() if isinstance(value, LazyRows) else value

    def select(self, names: list[str]) -> Modalities:
        """Only the modalities in `names`."""
        missing = sorted(set(names) - set(self.names))
        if missing:
            raise KeyError(f"no modality {missing}; there are {list(self.names)}.")
        return self._from_values({name: self._values[name] for name in sorted(set(names))})

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        raise TypeError(
            "`Modalities` is no single array. Select one modality (X['name']) or put "
            "`ModalityConcatenator()` before an estimator that wants one 2-D array."
        )

    def __repr__(self) -> str:
        parts = [f"n_samples={len(self)}"]
        for name, value in self._values.items():
            kind = getattr(value, "dtype", None)
            kind = type(value).__name__ if kind is None else kind
            parts.append(f"{name}: {tuple(value.shape)} {kind}")
        return f"Modalities({', '.join(parts)})"

    # -- from and to other forms -----------------------------------------------------------

    @classmethod
    def concat(cls, parts: list[Modalities]) -> Modalities:
        """Stack the rows of several `Modalities` that have the same names."""
        if not parts:
            raise ValueError("`parts` must hold at least one Modalities; got an empty list.")
        names = parts[0].names
        for part in parts[1:]:
            if part.names != names:
                raise ValueError(
                    f"`parts` must have the same modalities; got {list(names)} and "
                    f"{list(part.names)}."
                )
        return cls({name: _stack_rows([part[name] for part in parts]) for name in names})

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> Modalities:
        """From a DataFrame with two-level columns: level 0 = modality, level 1 = feature."""
        if not (isinstance(frame, pd.DataFrame) and frame.columns.nlevels == 2):
            raise TypeError(
                "`frame` must be a DataFrame with two-level columns (modality, feature); got "
                f"{type(frame).__name__}"
                + (f" with {frame.columns.nlevels} level(s)." if hasattr(frame, "columns") else ".")
            )
        names = frame.columns.get_level_values(0).unique()
        return cls({name: frame[name] for name in names})

    def to_frame(self) -> pd.DataFrame:
        """To a DataFrame with two-level columns; every modality must be 2-D."""
        blocks = {}
        for name, value in self.items():
            if len(value.shape) != 2:
                raise ValueError(
                    f"`to_frame` needs 2-D modalities; {name!r} has shape {tuple(value.shape)}. "
                    "Leave it out with select(), or flatten it."
                )
            blocks[name] = (
                value
                if isinstance(value, pd.DataFrame)
                else _frame_of(value.toarray() if issparse(value) else np.asarray(value))
            )
        first = next((v for v in blocks.values() if not isinstance(v.index, pd.RangeIndex)), None)
        index = pd.RangeIndex(len(self)) if first is None else first.index
        return pd.concat({n: b.set_axis(index, axis=0) for n, b in blocks.items()}, axis=1)

    @classmethod
    def load(cls, file: str | PathLike) -> Modalities:
        """From an ``.npz`` file whose entry ``modalities`` lists the names of the arrays.

        Without that entry every array of the file is taken for a modality. Nothing is unpickled.
        """
        with np.load(file, allow_pickle=False) as archive:
            names = archive["modalities"] if "modalities" in archive.files else archive.files
            return cls({str(name): archive[str(name)] for name in names})

    def save(self, file: str | PathLike) -> None:
        """To an ``.npz`` file that `load` reads."""
        np.savez_compressed(file, modalities=np.array(self.names), **dict(self.items()))


def _stack_rows(blocks: list[Any]) -> Any:
    if all(isinstance(block, pd.DataFrame) for block in blocks):
        return pd.concat(blocks)
    if any(issparse(block) for block in blocks):
        return sparse_vstack(blocks, format="csr")
    return np.concatenate([np.asarray(block) for block in blocks])


def _frame_of(values: np.ndarray) -> pd.DataFrame:
    # names, not numbers: only names are compared between fit and predict
    return pd.DataFrame(values, columns=[str(column) for column in range(values.shape[1])])
