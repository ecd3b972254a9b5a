"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


@contextmanager
def writing_whole(file: str | os.PathLike) -> Iterator[BinaryIO]:
    """Give a stream to write to, which takes the place of `file` when all is written.

    It belongs to a temporary file beside `file`, which is brought to the disk and renamed at the
    end. Whatever fails, a full disk or Ctrl-C, leaves the file that was there.

    Parameters
    ----------
    file : str or path
        What is to appear.

    Yields
    ------
    stream : binary file
        For writing and reading.

    Raises
    ------
    OSError
        Where the file cannot be written; it names `file`.
    """
    path = Path(os.path.realpath(os.fspath(file)))
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        with open(temporary, "x+b") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        if path.exists():
            shutil.copymode(path, temporary)
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):  # name the file that was asked for
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Bring the new name to the disk, where a folder can be opened (not on Windows)."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
