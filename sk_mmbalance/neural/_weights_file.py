"""A file of weights: tensors and a page of JSON in safetensors' form, no code.

The header's ``sha256`` is the checksum of the file with zeros in its place. Everything that a file
says of itself is compared with its size, and with the checksum, before it is used.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor

from ..exceptions import DamagedFileError
from ..modalities import writing_whole

#: What this release writes. The one before has no checksum and is read as well.
_FORMAT = "sk_mmbalance weights 3"
_WITHOUT_CHECKSUM = "sk_mmbalance weights 2"
_NO_DIGITS = "0" * 64
#: What every format is called, but for its number.
_OURS = "sk_mmbalance weights "


class _OtherVersionError(ValueError):
    """The file is whole, but of a format that this version does not read."""


def write_weights(
    file: str | os.PathLike, about: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> None:
    """Write tensors and what there is to say of them; the file appears whole or not at all."""
    data = pack(about, tensors)
    with writing_whole(file) as stream:
        stream.write(data)


def read_weights(file: str | os.PathLike) -> tuple[dict[str, Any], dict[str, Tensor], int]:
    """Read what `write_weights` wrote, and the size of the file in bytes.

    Raises
    ------
    DamagedFileError
        If it is not, byte for byte, what was written.
    """
    data = Path(os.fspath(file)).read_bytes()
    return *unpack(data, str(file)), len(data)


def damaged(source: str, why: object) -> DamagedFileError:
    """Return the one error for whatever is wrong with a file."""
    return DamagedFileError(
        f"`file` {source!r} is damaged, or no file that `save_weights` wrote: {why}. Take another "
        "copy, or write it anew."
    )


def pack(about: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> bytes:
    """Bytes of a file: the same content gives the same bytes."""
    plain = {key: value.detach().cpu().clone().contiguous() for key, value in tensors.items()}
    header, body = _split(save(plain))
    page = {"about": json.dumps(about, default=_number), "format": _FORMAT, "sha256": _NO_DIGITS}
    text = json.dumps({"__metadata__": page, **header}).encode()
    text += b" " * (-len(text) % 8)
    start = len(text).to_bytes(8, "little") + text
    digest = hashlib.sha256(start + body).hexdigest()
    return start.replace(_field(_NO_DIGITS), _field(digest), 1) + body


def unpack(data: bytes, source: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What was packed, each byte of it checked.

    Parameters
    ----------
    data : bytes
        The file.
    source : str
        What the message calls it.
    """
    try:
        return _unpack(data)
    except MemoryError:
        raise
    except _OtherVersionError as error:
        raise DamagedFileError(f"`file` {source!r} {error}") from error
    except Exception as error:  # whatever a decoder says of bytes that are not in order
        raise damaged(source, error) from error


def _unpack(data: bytes) -> tuple[dict[str, Any], dict[str, Tensor]]:
    page = _split(data)[0].get("__metadata__", {})
    found = page.get("format")
    if found not in (_FORMAT, _WITHOUT_CHECKSUM):
        if isinstance(found, str) and found.startswith(_OURS):
            raise _OtherVersionError(
                f"has format {found!r}, of another version of the package; this one reads "
                f"{_FORMAT!r} and {_WITHOUT_CHECKSUM!r}. Load it with the version that wrote it, "
                "or fit anew and write it again."
            )
        raise ValueError(f"its format is {found!r}, and this release reads {_FORMAT!r}")
    if found == _FORMAT:
        written = page["sha256"]
        length = int.from_bytes(data[:8], "little") + 8
        start = data[:length].replace(_field(written), _field(_NO_DIGITS), 1)
        if len(written) != 64 or hashlib.sha256(start + data[length:]).hexdigest() != written:
            raise ValueError("its checksum does not agree; it was changed since it was written")
    about = json.loads(page["about"])
    tensors = load(data)
    allowed = about.get("not_finite", [])
    for key, value in tensors.items():
        if key not in allowed and not torch.isfinite(value).all():
            raise ValueError(f"its tensor {key!r} has NaN or infinite values")
    return about, tensors


def _split(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and body of a safetensors file."""
    end = 8 + int.from_bytes(data[:8], "little")
    if len(data) < 8 or end > len(data):
        raise ValueError("it ends too early")
    header = json.loads(data[8:end])
    if not isinstance(header, dict):
        raise ValueError("it has no header")
    return header, data[end:]


def _field(digits: str) -> bytes:
    return f'"sha256": "{digits}"'.encode()


def _number(value: Any) -> Any:
    """What a callback put into the history: numbers of numpy and torch."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(
        f"`save_weights` can write numbers and text of `history_`; got {type(value).__name__}."
    )
