"""`Modalities`: named arrays with the same rows, which scikit-learn can split."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse

from ..exceptions import DamagedFileError
from ._columns import resolve_columns
from ._file import read_file, write_file
from ._names import check_names
from ._overview import overview, overview_html
from ._paired_files import read_modality_files, row_labels
from ._table_files import file_kind, read_table_file
from ._tables import columns_by_modality, columns_of, is_table, labels_of, take_columns
from ._tensors import pickled, unpickled
from ._values import LazyRows, as_value, refuse_unaligned_frames, stack_rows, take_rows

#: So many modalities are named one by one where a container is shown in a line.
_MOST_SHOWN = 20


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
        taken), tables of pandas, polars or pyarrow, scipy sparse matrices, torch tensors, or
        lists. Sequences of unequal length are a list of arrays of shape (time, features). What is
        masked in a masked array is missing. The mapping form is for names that are no Python
        identifiers.
    **named : array-like of shape (n_samples, ...)
        The same, by keyword.

    Attributes
    ----------
    names : tuple of str
        Names of the modalities, sorted.
    shape : tuple of int
        ``(n_samples,)``.
    feature_names : dict of str to tuple of str
        Column names of those modalities that have some.
    index : pandas.Index
        Labels of the rows.

    Raises
    ------
    TypeError
        If a name is no string, `modalities` is a list of arrays, a table has not been computed
        yet, or a torch tensor is sparse.
    ValueError
        If no modality is given, a name is empty or contains ``"__"``, the modalities have
        unequal numbers of rows, DataFrames have different row indices, or a list of rows has
        rows of unequal length.

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

    #: Names of columns that their values do not bring themselves (pickles from before lack it).
    _named_features: Mapping[str, tuple[str, ...]] = {}

    def __init__(self, modalities: Mapping[str, Any] | Modalities | None = None, /, **named: Any):
        if isinstance(modalities, Modalities):
            given: dict[str, Any] = dict(modalities._values)
            self._named_features = modalities._named_features
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
        for name, value in given.items():
            if isinstance(value, Modalities):
                raise TypeError(
                    f"`X` modality {name!r} must be one array or table; got Modalities of "
                    f"{list(value.names)}. Name each of them beside the others."
                )
        self._set({name: as_value(name, given[name]) for name in check_names(given)})
        refuse_unaligned_frames(self._values)

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

    def _like(self, values: dict[str, Any]) -> Modalities:
        """Other values of (some of) the same modalities, whose names have been checked."""
        new = type(self).__new__(type(self))
        new._set(values)
        new._named_features = {n: f for n, f in self._named_features.items() if n in values}
        return new

    def __getstate__(self) -> dict[str, Any]:
        """State for pickles and hashes: tensors as arrays, whose bytes say what is in them."""
        values = {name: pickled(value) for name, value in self._values.items()}
        return {**self.__dict__, "_values": values}

    def __setstate__(self, state: dict[str, Any]) -> None:
        values = {name: unpickled(value) for name, value in state["_values"].items()}
        self.__dict__.update(state, _values=values)

    # -- what it holds ---------------------------------------------------------------------

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the modalities, sorted."""
        return tuple(self._values)

    @property
    def shape(self) -> tuple[int]:
        """``(n_samples,)``: what scikit-learn needs to count and take rows."""
        return (self._n_samples,)

    @property
    def index(self) -> pd.Index:
        """Labels of the rows: those of the first DataFrame that has some, else numbers from 0."""
        return row_labels(self._values, self._n_samples)

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
        if isinstance(key, int | np.integer) and not isinstance(key, bool):
            row = range(self._n_samples)[key]
            key = slice(row, row + 1)
        if not isinstance(key, slice):
            key = np.asarray(key)
            if key.ndim != 1:
                raise IndexError(
                    "`Modalities` takes a row number, a slice, or a list of row numbers, a mask or "
                    f"a list of names; got an index of shape {key.shape} ({key.dtype})."
                )
            if key.size and all(isinstance(item, str) for item in key):
                return self.select([str(name) for name in key])
            key = self._row_numbers(key)
        return self._like({name: take_rows(value, key) for name, value in self._values.items()})

    def _row_numbers(self, key: np.ndarray) -> np.ndarray:
        """Row numbers (all of them 0 or more) of row numbers or a mask."""
        if key.dtype == object:
            kinds = {np.asarray(item).dtype.kind for item in key}
            key = key.astype(bool) if kinds == {"b"} else key
            key = key.astype(np.intp) if kinds and kinds <= {"i", "u"} else key
        if key.size == 0:
            key = key.astype(np.intp)
        if key.dtype.kind not in "iub":
            raise IndexError(
                f"`Modalities` takes row numbers, a mask or names; got an index of {key.dtype}."
            )
        if key.dtype == bool and len(key) != self._n_samples:
            raise IndexError(f"a mask of length {len(key)} does not fit {self._n_samples} samples.")
        return np.arange(self._n_samples)[key]

    def _read(self, name: str) -> Any:
        if name not in self._values:
            raise KeyError(f"no modality {name!r}; there are {list(self.names)}.")
        value = self._values[name]
        return value.read() if isinstance(value, LazyRows) else value

    def sample_shape(self, name: str) -> tuple[int, ...]:
        """Shape of one sample of a modality, without reading it."""
        return tuple(self._values[name].shape[1:])

    @property
    def feature_names(self) -> dict[str, tuple[str, ...]]:
        """Column names of those modalities that have some."""
        found = {}
        for name, value in self._values.items():
            labels = labels_of(value) or self._named_features.get(name, ())
            if labels and isinstance(labels[0], str):
                found[name] = tuple(str(label) for label in labels)
        return found

    def with_feature_names(self, names: Mapping[str, Sequence[str]]) -> Modalities:
        """Name the columns of modalities that are arrays.

        Parameters
        ----------
        names : mapping of str to sequence of str
            Column names by modality, one for each value of a row.

        Returns
        -------
        X : Modalities
            The same arrays; row selection, `save` and estimators keep the names.

        Raises
        ------
        KeyError
            If there is no such modality.
        ValueError
            If the number of names is not that of the columns.
        """
        unknown = sorted(set(names) - set(self.names))
        if unknown:
            raise KeyError(f"no modality {unknown}; there are {list(self.names)}.")
        for name, features in names.items():
            n_columns = int(np.prod(self._values[name].shape[1:]))
            if len(features) != n_columns:
                raise ValueError(
                    f"`names` has {len(features)} names for {name!r}, which has {n_columns} "
                    "columns."
                )
        new = self._like(self._values)
        new._named_features = {
            **self._named_features,
            **{name: tuple(str(f) for f in features) for name, features in names.items()},
        }
        return new

    def select(self, names: list[str]) -> Modalities:
        """Only the modalities in `names`."""
        missing = sorted(set(names) - set(self.names))
        if missing:
            raise KeyError(f"no modality {missing}; there are {list(self.names)}.")
        return self._like({name: self._values[name] for name in sorted(set(names))})

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        raise TypeError(
            "`Modalities` is no single array. Select one modality (X['name']) or put "
            "`ModalityConcatenator()` before an estimator that wants one 2-D array. What resamples "
            "rows takes their numbers: X[rows]."
        )

    def __repr__(self) -> str:
        parts = [f"n_samples={len(self)}"]
        for place, (name, value) in enumerate(self._values.items()):
            if place == _MOST_SHOWN and len(self._values) > _MOST_SHOWN + 1:
                parts.append(f"and {len(self._values) - place} more modalities")
                break
            kind = getattr(value, "dtype", None)
            kind = type(value).__name__ if kind is None else kind
            parts.append(f"{name}: {tuple(value.shape)} {kind}")
        return f"Modalities({', '.join(parts)})"

    def _repr_html_(self) -> str:
        return overview_html(self.items(), len(self))

    def head(self, n: int = 5) -> Modalities:
        """The first rows.

        Parameters
        ----------
        n : int, default=5
            How many.

        Returns
        -------
        X : Modalities
            The first `n` rows of all modalities.
        """
        return self[: max(0, n)]

    def info(self) -> pd.DataFrame:
        """Say what each modality holds.

        Returns
        -------
        table : DataFrame
            One row a modality: `shape` of one sample, `dtypes`, the share of `missing_rows` (all
            values missing) and of `missing_values`, and `bytes` in memory.

        Examples
        --------
        >>> import numpy as np
        >>> from sk_mmbalance import Modalities
        >>> X = Modalities(face=np.zeros((4, 2, 2)), voice=[[1.0], [np.nan], [2.0], [3.0]])
        >>> X.info()[["shape", "dtypes", "missing_rows"]]
                   shape   dtypes  missing_rows
        modality
        face      (2, 2)  float64          0.00
        voice       (1,)  float64          0.25
        """
        return overview(self.items())

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
        stacked = {}
        for name in names:
            try:
                stacked[name] = stack_rows([part[name] for part in parts])
            except ValueError as error:
                shapes = [tuple(part[name].shape) for part in parts]
                raise ValueError(
                    f"`parts` have modality {name!r} in shapes that cannot stand below each other, "
                    f"{shapes}. Sequences of unequal length can, as lists of arrays."
                ) from error
        return parts[0]._like(stacked)

    @classmethod
    def from_frame(cls, frame: Any, modalities: Any = None) -> Modalities:
        """From a table: columns of two levels, or flat ones and what belongs to what.

        Parameters
        ----------
        frame : DataFrame of pandas or polars, or Table of pyarrow
            The table. Row labels stay, as does the kind of every column: text, categories and dates
            are for `make_preprocessor` or a `ModalityTransformer` to make numbers of.
        modalities : dict of str to columns, default=None
            Columns of each modality, in the language of every estimator's ``modalities=``: a string
            is a regular expression that is searched for in the names of columns; names stand in a
            list; slices, numbers, masks and callables as in `ColumnTransformer`. Columns that no
            modality names are left out. None reads a pandas DataFrame whose columns have two
            levels, modality and feature.

        Returns
        -------
        X : Modalities
            A table for each modality.

        Raises
        ------
        TypeError
            If `frame` is no table, or has one level of columns and `modalities` is None.
        ValueError
            If `modalities` chooses no column, one that is not there, or one twice.

        Examples
        --------
        >>> import pandas as pd
        >>> from sk_mmbalance import Modalities
        >>> table = pd.DataFrame({"acc_x": [0.1, 0.2], "acc_y": [1.0, 0.9], "age": [41, 67]})
        >>> Modalities.from_frame(table, {"acc": "^acc_", "clinic": ["age"]})
        Modalities(n_samples=2, acc: (2, 2) DataFrame, clinic: (2, 1) DataFrame)
        """
        if modalities is not None:
            if not is_table(frame):
                raise TypeError(
                    "`frame` must be a table with named columns; got "
                    f"{type(frame).__name__}. An array is cut by `modalities=` of an estimator, or "
                    "by slices: Modalities(face=array[:, :40])."
                )
            columns = resolve_columns(modalities, frame)
            return cls({name: take_columns(frame, numbers) for name, numbers in columns.items()})
        if not (isinstance(frame, pd.DataFrame) and frame.columns.nlevels == 2):
            raise TypeError(
                "`frame` must be a DataFrame with two-level columns (modality, feature); got "
                f"{type(frame).__name__}"
                + (f" with {frame.columns.nlevels} level(s)." if hasattr(frame, "columns") else ".")
                + " For flat columns say which belong together: "
                "from_frame(frame, {'face': '^face_', 'clinic': ['age', 'bmi']})."
            )
        features = frame.columns.get_level_values(1)
        blocks = {}
        for name, numbers in columns_by_modality(frame).items():
            blocks[name] = frame.iloc[:, numbers].set_axis(features[numbers], axis=1)
        return cls(blocks)

    @classmethod
    def from_files(
        cls,
        files: str | PathLike | Mapping[str, str | PathLike],
        modalities: Any = None,
        *,
        index: str | None = None,
    ) -> Modalities:
        """From one file, or from one file for each modality: csv, tsv, parquet or npz.

        Parameters
        ----------
        files : str, path-like, or dict of str to str or path-like
            One table whose columns `modalities` sorts, one ``.npz`` file (as `load` reads it), or a
            file for each modality: a table, or an ``.npz`` file with one array, or with an array of
            the modality's name.
        modalities : dict of str to columns, default=None
            Columns of each modality, as in `from_frame`; needed for a single table. With a file for
            each modality, columns are chosen in the modality's own file; those left out keep all.
        index : str, default=None
            Column (or array of an ``.npz`` file) that says which row is which. Rows of several
            files are paired by it, and rows that a file lacks are missing in its modality. None
            pairs rows by their place.

        Returns
        -------
        X : Modalities
            Its `index` holds the labels of the rows.

        Raises
        ------
        DamagedFileError
            If a file cannot be read as what its name says.
        MissingDependencyError
            If pyarrow, which reads parquet, is not installed.
        OSError
            If a file cannot be opened.
        ValueError
            If a file's name has another ending, columns are not there, or labels of rows repeat.
        """
        if isinstance(files, Mapping):
            return cls(read_modality_files(files, modalities, index))
        if file_kind(files) == ".npz":
            if modalities is not None or index is not None:
                raise ValueError(
                    "`modalities` and `index` are for tables; an .npz file has its arrays by name. "
                    "Choose some with select(), or give a file for each modality."
                )
            return cls.load(files)
        table = read_table_file(files)
        if modalities is None:
            raise ValueError(
                f"`modalities` must say which columns of {files} belong together, as "
                "{'face': '^face_', 'clinic': ['age', 'bmi']}; "
                f"it has {[str(column) for column in table.columns[:20]]}."
            )
        if index is not None:
            if index not in table.columns:
                raise ValueError(
                    f"`index` is {index!r}, which {files} has no column of; it has "
                    f"{[str(column) for column in table.columns[:20]]}."
                )
            table = table.set_index(index)
        return cls.from_frame(table, modalities)

    def to_frame(self) -> pd.DataFrame:
        """To a DataFrame with two-level columns; every modality must be 2-D."""
        blocks = {}
        for name, value in self.items():
            if len(value.shape) != 2:
                raise ValueError(
                    f"`to_frame` needs 2-D modalities; {name!r} has shape {tuple(value.shape)}. "
                    "Leave it out with select(), or flatten it."
                )
            blocks[name] = self._as_frame(name, value)
        index = self.index
        return pd.concat({n: b.set_axis(index, axis=0) for n, b in blocks.items()}, axis=1)

    def _as_frame(self, name: str, value: Any) -> pd.DataFrame:
        if isinstance(value, pd.DataFrame):
            return value
        if is_table(value):
            return pd.DataFrame({label: column for label, column in columns_of(value)})
        # names, not numbers, as what `load` and other tables bring
        names = self._named_features.get(name) or [str(j) for j in range(value.shape[1])]
        array = value.toarray() if issparse(value) else np.asarray(value)
        return pd.DataFrame(array, columns=list(names))

    @classmethod
    def load(cls, file: str | PathLike) -> Modalities:
        """From an ``.npz`` file, of `save` or of ``numpy.savez``.

        What `save` wrote is compared with its checksum first. Otherwise an entry ``modalities``
        lists the names of the arrays; without that entry every array of the file is taken for a
        modality. Sizes are checked before room is made for them, and nothing is unpickled.

        Parameters
        ----------
        file : str or path-like
            The file.

        Returns
        -------
        X : Modalities
            Tables that were saved come back as DataFrames, torch tensors as arrays.

        Raises
        ------
        DamagedFileError
            If the file is damaged or holds no modalities; a ``ValueError`` that names the file.
        OSError
            If the file cannot be opened.
        """
        parts = read_file(file)
        try:
            loaded = cls({name: value for name, value, _ in parts})
            names = {name: features for name, _, features in parts if features is not None}
            return loaded.with_feature_names(names)
        except (TypeError, ValueError) as error:
            raise DamagedFileError(f"{file} does not hold modalities: {error}") from error

    def save(self, file: str | PathLike) -> None:
        """To an ``.npz`` file that `load` reads.

        The file appears in one step, whole: if something fails (a full disk, Ctrl-C), the file
        that was there stays. Arrays of numbers, dates or strings, lists of text, sparse matrices,
        sequences of unequal length and tables of numbers can be kept, a table with the names of
        its columns (and without the labels of its rows).

        Parameters
        ----------
        file : str or path-like
            The file; ``.npz`` is added if it does not end so.

        Raises
        ------
        TypeError, ValueError
            If a modality cannot be kept; the message names it.
        OSError
            If the file cannot be written.
        """
        parts = ((name, self[name], self._named_features.get(name)) for name in self)
        write_file(file, parts)
