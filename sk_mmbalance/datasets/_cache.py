"""Where downloaded sets live, and how they get there whole or not at all."""

import hashlib
import os
import struct
import tarfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import BadZipFile

import numpy as np
from sklearn.datasets import fetch_file

_VARIABLE = "SK_MMBALANCE_DATA"
_DEFAULT = Path("~") / "sk_mmbalance_data"

Arrays = dict[str, np.ndarray]

# what the readers of archives, arrays and recordings raise for a file that is not in order
_UNREADABLE = (
    OSError,
    BadZipFile,
    EOFError,
    KeyError,
    ValueError,
    struct.error,
    tarfile.TarError,
    zlib.error,
)


@dataclass(frozen=True)
class RemoteFile:
    """A file at its public home.

    Parameters
    ----------
    filename : str
        Name that the file is kept under.
    url : str
        Where it is.
    sha256 : str, default=None
        Its checksum; None where none is published.
    """

    filename: str
    url: str
    sha256: str | None = None


class DamagedDataError(OSError):
    """A data file is not what it should be."""


def get_data_home(data_home: str | os.PathLike | None = None) -> Path:
    """Tell the folder in which downloaded data sets are kept.

    Unlike scikit-learn's function of this name it creates nothing: the folder is made when
    something is stored in it.

    Parameters
    ----------
    data_home : str or path-like, default=None
        The folder. None means that of the environment variable ``SK_MMBALANCE_DATA``, and
        without it ``~/sk_mmbalance_data``.

    Returns
    -------
    folder : pathlib.Path

    Examples
    --------
    >>> from sk_mmbalance.datasets import get_data_home
    >>> get_data_home("some/folder").name
    'folder'
    """
    if data_home is None:
        data_home = os.environ.get(_VARIABLE) or _DEFAULT
    return Path(data_home).expanduser()


def load_or_build(
    name: str,
    sources: Sequence[RemoteFile],
    build: Callable[[Mapping[str, Path]], Arrays],
    check: Callable[[Arrays], None],
    *,
    data_home: str | os.PathLike | None,
    download_if_missing: bool,
    n_retries: int,
    delay: float,
) -> Arrays:
    """Read ``<name>.npz`` from the data home, or download its sources and make it.

    A source that lies in the data home already (put there by hand, for a machine without
    network) is used instead of a download, and stays. The npz file appears in one step, complete
    and checked; an attempt that fails leaves nothing behind.

    Parameters
    ----------
    name : str
        Name of the set.
    sources : sequence of RemoteFile
        Files it is made of.
    build : callable
        Makes the arrays of the set from the paths of its sources, by filename.
    check : callable
        Raises `DamagedDataError` if the arrays are not those of the set.
    data_home : str, path-like or None
        See :func:`get_data_home`.
    download_if_missing : bool
        Whether the network may be used.
    n_retries, delay : int, float
        Attempts after the first, and seconds between them.

    Returns
    -------
    arrays : dict of str to ndarray
    """
    home = get_data_home(data_home)
    cached = home / f"{name}.npz"
    if cached.exists():
        return _read(cached, check)
    absent = [source.filename for source in sources if not (home / source.filename).exists()]
    if absent and not download_if_missing:
        raise OSError(
            f"The data set '{name}' is not in the data home {home} and `download_if_missing` is "
            f"False. Pass `download_if_missing=True`, or put '{name}.npz' there."
        )
    try:
        home.mkdir(parents=True, exist_ok=True)
        workshop = TemporaryDirectory(prefix=f".{name}-", dir=home)
    except OSError as error:
        raise OSError(
            f"Cannot write to the data home {home}: {error}. Choose another folder by "
            f"`data_home`, or by the environment variable {_VARIABLE}."
        ) from error
    with workshop as folder:
        paths = {s.filename: _obtain(s, home, Path(folder), n_retries, delay) for s in sources}
        try:
            arrays = build(paths)
            check(arrays)
        except _UNREADABLE as error:
            raise DamagedDataError(
                f"The source files of '{name}' do not hold the data set that was expected: "
                f"{error}. They came from {', '.join(s.url for s in sources)} or from {home}; "
                "nothing was stored."
            ) from error
        made = Path(folder) / cached.name
        np.savez_compressed(made, **arrays)  # type: ignore[arg-type]
        os.replace(made, cached)
    return arrays


def _obtain(source: RemoteFile, home: Path, folder: Path, n_retries: int, delay: float) -> Path:
    """Path of a source: in the data home if it lies there, else downloaded."""
    own = home / source.filename
    if own.exists():
        _verify(own, source.sha256)
        return own
    try:
        return fetch_file(
            source.url,
            folder=folder,
            local_filename=source.filename,
            sha256=source.sha256,
            n_retries=n_retries,
            delay=delay,
        )
    except (OSError, HTTPException) as error:
        raise OSError(
            f"Cannot download {source.url}: {error}. Without a network connection, put that "
            f"file as '{source.filename}' into the data home {home} and call again."
        ) from error


def _verify(path: Path, sha256: str | None) -> None:
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if sha256 is not None and found != sha256:
        raise DamagedDataError(
            f"{path} has the SHA256 checksum {found}, expected {sha256}. Delete or replace it."
        )


def _read(path: Path, check: Callable[[Arrays], None]) -> Arrays:
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
        check(arrays)
    except _UNREADABLE as error:
        raise DamagedDataError(
            f"{path} is damaged or holds another data set: {error}. Delete it and call again."
        ) from error
    return arrays


def require(condition: bool, what: str) -> None:
    """Raise `DamagedDataError` unless a property of the data holds.

    Parameters
    ----------
    condition : bool
        The property.
    what : str
        What was expected.
    """
    if not condition:
        raise DamagedDataError(f"expected {what}")


def choose(arrays: Arrays, subset: str) -> np.ndarray:
    """Row numbers of a subset.

    Parameters
    ----------
    arrays : dict of str to ndarray
        With the key ``split``.
    subset : {"all", "train", "test"}
        Which rows.

    Returns
    -------
    rows : ndarray of int
    """
    if not (isinstance(subset, str) and subset in ("all", "train", "test")):
        raise ValueError(f"`subset` must be 'all', 'train' or 'test', got {subset!r}.")
    split = arrays["split"]
    return np.arange(len(split)) if subset == "all" else np.flatnonzero(split == subset)
