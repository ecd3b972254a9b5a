"""The file of `Modalities`: written in one step, checked before anything is built from it.

It is an ``.npz`` archive that `numpy.load` reads, too: the arrays by name, a list of the names, and
a page of JSON that says what else they are (columns of a table, parts of a sparse matrix). The
archive's comment is the SHA-256 checksum of all bytes before it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from io import BufferedIOBase
from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import numpy as np

from ..exceptions import DamagedFileError
from ._stored import Part, decode, encode
from ._whole_file import writing_whole

_PAGE = "sk_mmbalance.json"
_FORMAT = "sk_mmbalance modalities"
_VERSION = 1
_CHECKSUM = b"sha256:"
# deflate cannot do better than 1032 to 1: an entry that claims more is not in the file
_MOST_INFLATED = 1032


def write_file(file: str | os.PathLike, parts: Iterable[tuple[str, Any, Any]]) -> None:
    """Write names, values and feature names; the file appears whole or not at all."""
    path = Path(os.fspath(file))
    if path.suffix != ".npz":
        path = path.with_name(path.name + ".npz")
    with writing_whole(path) as stream:
        _write(stream, parts)


def read_file(file: str | os.PathLike) -> list[tuple[str, Any, Any]]:
    """Read names, values and feature names (None where there are none)."""
    path = Path(os.fspath(file))
    with path.open("rb") as stream:
        try:
            return _read(stream)
        except MemoryError:
            raise
        except Exception as error:  # whatever a decoder says of bytes that are not in order
            raise DamagedFileError(
                f"{path} is damaged, or no file that `Modalities.save` or numpy.savez wrote: "
                f"{error}"
            ) from error


# -- writing -------------------------------------------------------------------------------


def _write(stream: IO[bytes], parts: Iterable[tuple[str, Any, Any]]) -> None:
    page: dict[str, Any] = {"format": _FORMAT, "version": _VERSION, "modalities": {}}
    with ZipFile(stream, "w", ZIP_DEFLATED) as archive:
        for name, value, feature_names in parts:
            _refuse_name(name)
            part = encode(name, value, feature_names)
            page["modalities"][name] = part.about
            for suffix, array in part.arrays.items():
                _write_entry(archive, f"{name}{suffix}.npy", array)
        _write_entry(archive, "modalities.npy", np.array(list(page["modalities"])))
        archive.writestr(_entry(_PAGE), json.dumps(page))
        archive.comment = b"?" * (len(_CHECKSUM) + 64)  # the place that the checksum takes
    end = stream.seek(0, os.SEEK_END) - len(archive.comment)
    digest = _digest(stream, end)
    stream.seek(end)
    stream.write(_CHECKSUM + digest)


def _write_entry(archive: ZipFile, entry: str, array: np.ndarray) -> None:
    with archive.open(_entry(entry), "w", force_zip64=True) as into:
        np.lib.format.write_array(into, array, allow_pickle=False)


def _entry(name: str) -> ZipInfo:
    info = ZipInfo(name)  # with a fixed date: the same modalities give the same file
    info.compress_type = ZIP_DEFLATED
    return info


def _refuse_name(name: str) -> None:
    try:
        kept = ZipInfo(f"{name}.npy").filename == f"{name}.npy" and bool(name.encode("utf-8"))
    except UnicodeEncodeError:
        kept = False
    if name == "modalities" or not kept:
        raise ValueError(
            f"`Modalities.save` cannot write a modality of the name {name!r}: the file needs it "
            "for itself, or cannot keep it. Rename the modality."
        )


# -- reading -------------------------------------------------------------------------------


def _read(stream: IO[bytes]) -> list[tuple[str, Any, Any]]:
    size = stream.seek(0, os.SEEK_END)
    with ZipFile(stream) as archive:
        entries = {info.filename: info for info in archive.infolist()}
        if sum(info.compress_size for info in entries.values()) > size:
            raise ValueError("its entries claim more bytes than it has")
        if _PAGE not in entries and not archive.comment.startswith(_CHECKSUM):
            return _read_plain(archive, entries)
        digest = _digest(stream, size - len(archive.comment))
        if archive.comment != _CHECKSUM + digest:
            raise ValueError("its checksum does not agree; it was changed since it was written")
        page = json.loads(archive.read(_checked_entry(entries[_PAGE])))
        if page["format"] != _FORMAT or page["version"] != _VERSION:
            raise ValueError(
                f"it has format {page['format']!r}, version {page['version']!r}; this release "
                f"reads {_FORMAT!r}, version {_VERSION}"
            )
        read = _reader(archive, entries)
        found = []
        for name, about in page["modalities"].items():
            arrays = {suffix: read(f"{name}{suffix}.npy") for suffix in about["arrays"]}
            found.append((name, *decode(Part(about, arrays))))
        return found


def _read_plain(archive: ZipFile, entries: dict[str, ZipInfo]) -> list[tuple[str, Any, Any]]:
    """Arrays that `numpy.savez` wrote, as did earlier releases: no page, no checksum."""
    read = _reader(archive, entries)
    if "modalities.npy" in entries:
        names = [str(name) for name in read("modalities.npy").reshape(-1)]
    else:
        names = [entry.removesuffix(".npy") for entry in entries if entry.endswith(".npy")]
    return [(name, read(f"{name}.npy"), None) for name in names]


def _reader(archive: ZipFile, entries: dict[str, ZipInfo]) -> Callable[[str], np.ndarray]:
    def read(entry: str) -> np.ndarray:
        if entry not in entries:
            raise ValueError(f"the array {entry.removesuffix('.npy')!r} is not in it")
        with archive.open(_checked_entry(entries[entry])) as stream:
            return _read_array(stream, entries[entry])

    return read


def _checked_entry(info: ZipInfo) -> ZipInfo:
    """Refuse an entry that cannot hold what it claims, before room is made for it."""
    if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise ValueError(f"{info.filename!r} is compressed in a way that is not read")
    most = _MOST_INFLATED if info.compress_type == ZIP_DEFLATED else 1
    if info.file_size > most * info.compress_size + 64:
        raise ValueError(
            f"{info.filename!r} claims {info.file_size} bytes and has {info.compress_size}"
        )
    return info


def _read_array(stream: BufferedIOBase | IO[bytes], info: ZipInfo) -> np.ndarray:
    """Read an array whose header agrees with the entry it stands in."""
    version = np.lib.format.read_magic(stream)
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[version]
    shape, in_columns, dtype = read_header(stream)
    if dtype.hasobject:
        raise ValueError(f"{info.filename!r} holds Python objects, which are never unpickled")
    n_bytes = dtype.itemsize
    for length in shape:
        n_bytes *= length
    if min(shape, default=0) < 0 or n_bytes != info.file_size - stream.tell():
        raise ValueError(f"{info.filename!r} has not the size of its shape {shape} of {dtype}")
    if n_bytes == 0:
        stream.read()  # to its end, where the entry's own checksum is compared
        return np.empty(shape, dtype)
    raw = np.empty(n_bytes, np.uint8)
    room, start = raw.data, 0
    while start < n_bytes:
        got = stream.readinto(room[start:])  # type: ignore[union-attr]
        if not got:
            raise ValueError(f"{info.filename!r} ends too early")
        start += got
    stream.read(1)
    return raw.view(dtype).reshape(shape, order="F" if in_columns else "C")


def _digest(stream: IO[bytes], end: int) -> bytes:
    """SHA-256 of the first `end` bytes, in hexadecimal digits."""
    found = hashlib.sha256()
    stream.seek(0)
    while end > 0:
        block = stream.read(min(end, 1 << 20))
        if not block:
            raise ValueError("it ends too early")
        found.update(block)
        end -= len(block)
    return found.hexdigest().encode()
