"""Audio-visual digits: spoken digits paired with handwritten ones."""

import gzip
import io
import os
import re
import tarfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from scipy.io import wavfile

from ._bunch import pack
from ._cache import Arrays, RemoteFile, choose, load_or_build, require
from ._logmel import log_mel

_MNIST = "https://storage.googleapis.com/cvdf-datasets/mnist"

RECORDINGS = RemoteFile(
    # GitHub makes this archive when it is asked for and publishes no checksum
    "free-spoken-digit-dataset-1.0.10.tar.gz",
    "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/tags/v1.0.10.tar.gz",
)
IMAGES = RemoteFile(
    "t10k-images-idx3-ubyte.gz",
    f"{_MNIST}/t10k-images-idx3-ubyte.gz",
    "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
)
LABELS = RemoteFile(
    "t10k-labels-idx1-ubyte.gz",
    f"{_MNIST}/t10k-labels-idx1-ubyte.gz",
    "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
)

_RECORDING = re.compile(r"(?:^|/)recordings/(\d)_([a-z]+)_(\d+)\.wav$")
_N_SPEAKERS, _N_TAKES = 6, 50
_N_TEST_TAKES = 5  # the test set is takes 0 to 4, as the makers of the recordings have it
_SIDE = 20  # mel bands, and stretches of time

_DESCR = """\
Audio-visual digits
===================

3000 recordings of spoken digits (six speakers, 50 takes of each digit), each paired with another
handwritten digit of the same class:

- ``audio``: log-mel energies, 20 bands x 20 stretches of time (400 features; reshape to
  1 x 20 x 20): the recording scaled to unit power, Hann windows of 32 ms every 5 ms, triangular
  filters from 0 to 4 kHz, energies averaged over twentieths of the recording, natural logarithm;
- ``image``: 28 x 28 pixels from 0 to 255 (784 features; reshape to 1 x 28 x 28).

The pairs are made, not recorded: given the class, image and sound are independent. Each image is
used once; for each digit they are drawn from the MNIST test images by
``numpy.random.RandomState(0)`` (one ``permutation`` per digit, 0 to 9) and dealt to the recordings
by speaker and take.

Rows are sorted by digit, speaker and take. ``groups`` is the speaker: which modality is the better
one depends on whether the test speakers were heard in training, so leave speakers out. ``split`` is
that of the makers of the recordings: takes 0 to 4 are the test set, with the same speakers as the
training set. The writers of the images are not known here.

This describes the set as the loader builds it. An ``avdigits.npz`` that was put into the data home
by hand is used as it is, and may pair other images or compute its energies in another way.

Sources: Z. Jackson et al., Free Spoken Digit Dataset, version 1.0.10,
https://github.com/Jakobovski/free-spoken-digit-dataset, licence CC BY-SA 4.0; Y. LeCun, C. Cortes
and C. J. C. Burges, MNIST, test images.
"""


def fetch_avdigits(
    *,
    subset: Literal["all", "train", "test"] = "all",
    as_images: bool = False,
    data_home: str | os.PathLike | None = None,
    download_if_missing: bool = True,
    return_X_y: bool = False,
    as_frame: bool = False,
    n_retries: int = 3,
    delay: float = 1.0,
) -> Any:
    """Load spoken digits paired with handwritten ones (3000 pairs, six speakers).

    On the first call the recordings (Free Spoken Digit Dataset) and the MNIST test images are
    downloaded (about 18 MB), turned to features and kept as ``avdigits.npz`` in the data home.

    Parameters
    ----------
    subset : {"all", "train", "test"}, default="all"
        Rows to load: all 3000, or the split of the recordings' makers (2700 and 300, the same
        speakers in both).
    as_images : bool, default=False
        Give ``image`` as (n, 1, 28, 28) and ``audio`` as (n, 1, 20, 20) instead of flat rows.
    data_home : str or path-like, default=None
        Folder of the data sets; see :func:`get_data_home`.
    download_if_missing : bool, default=True
        If False, raise an error instead of using the network.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Give ``data`` as a DataFrame with two-level columns (modality, feature) and ``target`` as
        a Series. Not together with ``as_images``.
    n_retries : int, default=3
        Further attempts when a download fails.
    delay : float, default=1.0
        Seconds between attempts.

    Returns
    -------
    bunch : sklearn.utils.Bunch
        With ``data`` (:class:`~sk_mmbalance.Modalities` of float32: ``audio`` (n, 400) and
        ``image`` (n, 784)), ``target`` of shape (n,), ``target_names``, ``feature_names`` (dict
        of modality to list), ``groups`` (int per row: the speaker), ``group_names`` (names of the
        speakers), ``split`` (``"train"`` or ``"test"`` per row) and ``DESCR``, which describes
        pairing and features.
    (data, target) : tuple
        If ``return_X_y`` is True.

    Raises
    ------
    OSError
        If the set is neither there nor can be downloaded, or if a file is damaged.

    Notes
    -----
    The image files are verified by the checksums that TensorFlow Datasets publishes for them. For
    the recordings none is published: their names, number, speakers and takes are verified
    instead.

    Examples
    --------
    >>> from sk_mmbalance.datasets import fetch_avdigits
    >>> bunch = fetch_avdigits(as_images=True)  # doctest: +SKIP
    >>> bunch.data["audio"].shape, bunch.group_names.tolist()  # doctest: +SKIP
    ((3000, 1, 20, 20), ['george', 'jackson', 'lucas', 'nicolas', 'theo', 'yweweler'])
    """
    arrays = load_or_build(
        "avdigits",
        (RECORDINGS, IMAGES, LABELS),
        _build,
        _check,
        data_home=data_home,
        download_if_missing=download_if_missing,
        n_retries=n_retries,
        delay=delay,
    )
    rows = choose(arrays, subset)
    sides = {"audio": _SIDE, "image": 28}
    shape = {
        m: (len(rows), 1, side, side) if as_images else (len(rows), side**2)
        for m, side in sides.items()
    }
    return pack(
        {m: arrays[m][rows].astype(np.float32).reshape(shape[m]) for m in sides},
        arrays["y"][rows],
        target_names=[str(k) for k in range(10)],
        feature_names={
            "audio": [f"mel_{i}_time_{j}" for i in range(_SIDE) for j in range(_SIDE)],
            "image": [f"pixel_{i}_{j}" for i in range(28) for j in range(28)],
        },
        descr=_DESCR,
        return_X_y=return_X_y,
        as_frame=as_frame,
        groups=arrays["groups"][rows],
        group_names=arrays["speakers"],
        split=arrays["split"][rows],
    )


def _build(paths: Mapping[str, Path]) -> Arrays:
    """Pair recordings and images."""
    recordings = sorted(_read_recordings(paths[RECORDINGS.filename]))
    y = np.array([digit for digit, *_ in recordings])
    speakers, groups = np.unique([speaker for _, speaker, *_ in recordings], return_inverse=True)
    takes = np.array([take for _, _, take, _ in recordings])
    _check_takes(y, groups, takes)
    images = _read_idx(paths[IMAGES.filename]).reshape(-1, 28 * 28)
    labels = _read_idx(paths[LABELS.filename])
    require(len(images) == len(labels), "as many labels as images")
    chosen = _deal(y, labels)
    return {
        "modalities": np.array(["image", "audio"]),
        "image": images[chosen],
        "audio": np.array([_picture(wav).ravel() for *_, wav in recordings]),
        "y": y,
        "split": np.where(takes < _N_TEST_TAKES, "test", "train"),
        "groups": groups,
        "speakers": speakers,
        "take": takes,
        "mnist_index": chosen,
    }


def _read_recordings(path: Path) -> Iterator[tuple[int, str, int, bytes]]:
    """Digit, speaker, take and content of every recording in the archive."""
    with tarfile.open(path) as archive:
        for member in archive:
            match = _RECORDING.search(member.name)
            if match and (stream := archive.extractfile(member)) is not None:
                yield int(match[1]), match[2], int(match[3]), stream.read()


def _picture(wav: bytes) -> np.ndarray:
    with warnings.catch_warnings():
        # scipy warns of chunks that it skips, such as remarks
        warnings.simplefilter("ignore", wavfile.WavFileWarning)
        rate, signal = wavfile.read(io.BytesIO(wav))
    return log_mel(signal, rate, _SIDE, _SIDE)


def _read_idx(path: Path) -> np.ndarray:
    """Read a gzipped IDX file of bytes: magic number, sizes, data."""
    with gzip.open(path) as stream:
        content = stream.read()
    require(content[:3] == b"\x00\x00\x08", f"bytes in IDX form in {path.name}")
    n_dims = content[3]
    shape = np.frombuffer(content, ">u4", count=n_dims, offset=4).astype(int)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * n_dims).reshape(shape)


def _deal(y: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Row of an image of the same class for every recording, each image at most once."""
    rng = np.random.RandomState(0)  # its streams are frozen: the same pairs on every machine
    chosen = np.empty(len(y), dtype=int)
    for digit in range(10):
        rows = np.flatnonzero(y == digit)
        images = rng.permutation(np.flatnonzero(labels == digit))
        require(len(images) >= len(rows), f"at least {len(rows)} images of the digit {digit}")
        chosen[rows] = images[: len(rows)]
    return chosen


def _check_takes(y: np.ndarray, groups: np.ndarray, takes: np.ndarray) -> None:
    found = np.unique(np.column_stack([y, groups, takes]), axis=0)
    grid = np.indices((10, _N_SPEAKERS, _N_TAKES)).reshape(3, -1).T
    require(
        len(y) == len(grid) and np.array_equal(found, grid),
        f"takes 0 to {_N_TAKES - 1} of 10 digits by {_N_SPEAKERS} speakers, each once; got "
        f"{len(y)} recordings by {len(np.unique(groups))} speakers",
    )


def _check(arrays: Arrays) -> None:
    n = 10 * _N_SPEAKERS * _N_TAKES
    for m, width in {"image": 28 * 28, "audio": _SIDE**2}.items():
        shape = arrays[m].shape
        require(shape == (n, width), f"{n} rows of {width} features in '{m}', got {shape}")
        require(bool(np.isfinite(arrays[m]).all()), f"finite numbers in '{m}'")
    for key, n_values in {"y": 10, "groups": _N_SPEAKERS}.items():
        counts = np.bincount(arrays[key], minlength=n_values)
        even = len(counts) == n_values and (counts == n // n_values).all()
        require(bool(even), f"{n // n_values} rows of each of {n_values} values in '{key}'")
    require(arrays["speakers"].shape == (_N_SPEAKERS,), f"{_N_SPEAKERS} names of speakers")
    require(arrays["split"].shape == (n,), f"{n} entries of 'split'")
