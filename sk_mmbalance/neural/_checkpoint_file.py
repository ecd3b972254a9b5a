"""`CheckpointFile`: how far a training has come, on the disk; for whoever goes on with it."""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..exceptions import CheckpointWarning
from ..modalities import writing_whole
from ._plain_values import apart, together
from ._weights_file import pack, unpack

_KIND = "checkpoint 1"

#: Whose versions decide about bits.
_LIBRARIES = ("torch", "numpy", "scipy", "scikit-learn", "skorch")


class CheckpointFile:
    """One file, which belongs to one training, known by its mark.

    It is tensors and JSON with a checksum, as files of weights are, and appears whole or not at
    all. What is not, byte for byte, what was written is never used.

    Parameters
    ----------
    folder : str or path
        Where the files of many trainings may lie.
    title : str
        What the file's name begins with.
    mark : str
        Mark of everything that the training depends on.
    """

    def __init__(self, folder: str | os.PathLike, title: str, mark: str):
        self.path = Path(os.fspath(folder)) / f"{title}-{mark[:32]}.checkpoint"
        self.mark = mark
        self._begun = time.time()
        self._told = False

    def read(self) -> Any:
        """The state that was written last; None, with a warning, if it cannot be used."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            return self._do_without(f"cannot be read ({error})")
        try:
            about, tensors = unpack(data, str(self.path))
            if (about["class"], about["mark"]) != (_KIND, self.mark):
                raise ValueError("it belongs to another training")
            state = together(about["state"], tensors)
        except MemoryError:
            raise
        except Exception as error:  # whatever a decoder says of bytes that are not in order
            return self._do_without(f"is damaged ({error.__cause__ or error})")
        if about["versions"] != _versions():
            return self._do_without(
                f"was written with {_said(about['versions'])}, and this is {_said(_versions())}"
            )
        return state

    def _do_without(self, why: str) -> None:
        warnings.warn(
            f"The checkpoint {str(self.path)!r} {why}. It is not used: training begins anew.",
            CheckpointWarning,
            stacklevel=2,
        )

    def write(self, state: Mapping[str, Any]) -> None:
        """Put a state in place of the last; if that fails, the last stays, with one warning."""
        tensors: dict[str, Tensor] = {}
        plain = apart(dict(state), tensors)
        about = {
            "class": _KIND,
            "mark": self.mark,
            "versions": _versions(),
            "state": plain,
            "not_finite": [key for key, value in tensors.items() if _is_odd(value)],
        }
        data = pack(about, tensors)
        try:
            with writing_whole(self.path) as stream:
                stream.write(data)
        except OSError as error:
            if not self._told:
                self._told = True
                warnings.warn(
                    f"No checkpoint could be written to `checkpoint_dir` {str(self.path.parent)!r} "
                    f"({error.strerror or error}). Training goes on; the last one that was written "
                    "stays. Later failures of this fit are not told.",
                    CheckpointWarning,
                    stacklevel=2,
                )

    def remove(self) -> None:
        """Remove the file, and what killed writers have left of it."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
        for left in self.path.parent.glob(f".{self.path.name}.*.tmp"):
            with suppress(OSError):
                # younger ones may be another process's that trains the same at this moment
                if left.stat().st_mtime < self._begun:
                    left.unlink()


def checked_folder(folder: Any, random_state: Any) -> None:
    """Refuse, before anything is read, what no checkpoint can be written to or resumed with.

    Parameters
    ----------
    folder : str or path
        The parameter `checkpoint_dir`; the folder is made if it is not there.
    random_state : object
        The parameter.
    """
    if random_state is None:
        raise ValueError(
            "`checkpoint_dir` needs a `random_state`: without one every fit draws another seed, "
            "and none could go on where another was stopped. Set it to a number."
        )
    try:
        Path(os.fspath(folder)).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(
            f"`checkpoint_dir` must be a folder, or one that can be made; got {str(folder)!r} "
            f"({error.strerror or error})."
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ValueError(f"`checkpoint_dir` must be a folder to write to; {str(folder)!r} is not.")


def _is_odd(value: Tensor) -> bool:
    return not bool(torch.isfinite(value).all())


def _versions() -> dict[str, str]:
    package = __name__.partition(".")[0]
    return {package: str(sys.modules[package].__version__), **_libraries()}


@cache
def _libraries() -> dict[str, str]:
    return {name: version(name) for name in _LIBRARIES}


def _said(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in versions.items())
