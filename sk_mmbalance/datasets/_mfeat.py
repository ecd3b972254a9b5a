"""Multiple Features: handwritten numerals in six sets of features."""

import io
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from zipfile import ZipFile

import numpy as np

from ._bunch import pack
from ._cache import Arrays, RemoteFile, choose, load_or_build, require

SOURCES = (
    # no checksum is published, so the content is checked instead: see `_check`
    RemoteFile(
        "multiple+features.zip",
        "https://archive.ics.uci.edu/static/public/72/multiple+features.zip",
    ),
)

VIEWS = {"pix": 240, "fou": 76, "fac": 216, "zer": 47, "kar": 64, "mor": 6}
N_PER_CLASS = 200
_N_TRAIN_PER_CLASS = 160

# Sum of the (integer) pixel values of the numerals of each class. It does not depend on the order
# of the rows within a class, and shows that the rows of a file are in the order of the classes.
PIX_TOTALS = (
    162226,
    159005,
    139943,
    137809,
    128962,
    149248,
    143519,
    125401,
    162441,
    144280,
)

_DESCR = """\
Multiple Features (mfeat)
=========================

2000 handwritten numerals (0 to 9, 200 of each) from Dutch utility maps, described by six sets of
features of the same binary images:

- ``pix``: averages of 2 x 3 pixels (240);
- ``fou``: Fourier coefficients of the character shapes (76);
- ``fac``: profile correlations (216);
- ``zer``: Zernike moments (47);
- ``kar``: Karhunen-Loeve coefficients (64);
- ``mor``: morphological features (6).

The features are as published, unscaled: scale them. ``fou`` and ``zer`` do not change when an
image is turned, so that they confuse 6 and 9; ``mor`` is the weakest set.

The split is ours, for want of an official one: the first 160 of each class train, the others test.
The writers are not known, so that training and test rows may share a writer.

Source: R. P. W. Duin, UCI Machine Learning Repository, https://doi.org/10.24432/C5HC70, licence
CC BY 4.0. Reference: M. van Breukelen, R. P. W. Duin, D. M. J. Tax and J. E. den Hartog,
"Handwritten digit recognition by combined classifiers", Kybernetika 34(4), 1998.
"""


def fetch_mfeat(
    *,
    subset: Literal["all", "train", "test"] = "all",
    data_home: str | os.PathLike | None = None,
    download_if_missing: bool = True,
    return_X_y: bool = False,
    as_frame: bool = False,
    n_retries: int = 3,
    delay: float = 1.0,
) -> Any:
    """Load the Multiple Features set: handwritten numerals in six modalities (2000 x 649).

    The set is downloaded from the UCI Machine Learning Repository on the first call (about 2 MB)
    and kept as ``mfeat.npz`` in the data home.

    Parameters
    ----------
    subset : {"all", "train", "test"}, default="all"
        Rows to load: all 2000, or our split of 1600 and 400.
    data_home : str or path-like, default=None
        Folder of the data sets; see :func:`get_data_home`.
    download_if_missing : bool, default=True
        If False, raise an error instead of using the network.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Give ``data`` as a DataFrame with two-level columns (modality, feature) and ``target`` as
        a Series.
    n_retries : int, default=3
        Further attempts when a download fails.
    delay : float, default=1.0
        Seconds between attempts.

    Returns
    -------
    bunch : sklearn.utils.Bunch
        With ``data`` (:class:`~sk_mmbalance.Modalities` of float32: ``fac`` (n, 216), ``fou``
        (n, 76), ``kar`` (n, 64), ``mor`` (n, 6), ``pix`` (n, 240), ``zer`` (n, 47)), ``target``
        of shape (n,), ``target_names``, ``feature_names`` (dict of modality to list), ``split``
        (``"train"`` or ``"test"`` per row) and ``DESCR``.
    (data, target) : tuple
        If ``return_X_y`` is True.

    Raises
    ------
    OSError
        If the set is neither there nor can be downloaded, or if a file is damaged.

    Notes
    -----
    UCI publishes no checksum, and this loader holds none: after a download the content is
    verified instead (shapes, ranges, and the sum of the pixels of each class).

    Examples
    --------
    >>> from sk_mmbalance.datasets import fetch_mfeat
    >>> X, y = fetch_mfeat(return_X_y=True)  # doctest: +SKIP
    >>> len(X), X["fou"].shape  # doctest: +SKIP
    (2000, (2000, 76))
    """
    arrays = load_or_build(
        "mfeat",
        SOURCES,
        _build,
        _check,
        data_home=data_home,
        download_if_missing=download_if_missing,
        n_retries=n_retries,
        delay=delay,
    )
    rows = choose(arrays, subset)
    return pack(
        {m: arrays[m][rows].astype(np.float32) for m in VIEWS},
        arrays["y"][rows],
        target_names=[str(k) for k in range(10)],
        feature_names={m: [f"{m}_{i}" for i in range(n)] for m, n in VIEWS.items()},
        descr=_DESCR,
        return_X_y=return_X_y,
        as_frame=as_frame,
        split=arrays["split"][rows],
    )


def _build(paths: Mapping[str, Path]) -> Arrays:
    """Read the six text files; row i of each is numeral i, and the classes follow each other."""
    (path,) = paths.values()
    texts = _read_texts(path)
    arrays: Arrays = {"modalities": np.array(list(VIEWS))}
    for m in VIEWS:
        values = np.loadtxt(io.BytesIO(texts[f"mfeat-{m}"]))
        arrays[m] = values.astype(np.uint8 if m == "pix" else np.float32)
    arrays["y"] = np.repeat(np.arange(10), N_PER_CLASS)
    train = np.tile(np.arange(N_PER_CLASS) < _N_TRAIN_PER_CLASS, 10)
    arrays["split"] = np.where(train, "train", "test")
    return arrays


def _read_texts(path: Path) -> dict[str, bytes]:
    """Contents of the archive by file name, those of a tar file within it too."""
    texts: dict[str, bytes] = {}
    with ZipFile(path) as archive:
        for member in archive.namelist():
            if member.endswith(".tar"):
                with tarfile.open(fileobj=io.BytesIO(archive.read(member))) as inner:
                    for entry in inner.getmembers():
                        if (stream := inner.extractfile(entry)) is not None:
                            texts.setdefault(Path(entry.name).name, stream.read())
            else:
                texts[Path(member).name] = archive.read(member)
    return texts


def _check(arrays: Arrays) -> None:
    n = 10 * N_PER_CLASS
    for m, width in VIEWS.items():
        shape = arrays[m].shape
        require(shape == (n, width), f"{n} rows of {width} features in '{m}', got {shape}")
        require(bool(np.isfinite(arrays[m]).all()), f"finite numbers in '{m}'")
    y, split = arrays["y"], arrays["split"]
    require(y.shape == split.shape == (n,), f"{n} labels and as many entries of 'split'")
    require(np.array_equal(np.bincount(y), np.full(10, N_PER_CLASS)), "200 rows of each class")
    totals = tuple(int(arrays["pix"][y == k].sum(dtype=int)) for k in range(10))
    require(totals == PIX_TOTALS, f"the pixels of the classes to sum to {PIX_TOTALS}, got {totals}")
