"""Values in the parts that a file without code has: JSON, and tensors beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

#: Under this key stands what a dict of JSON is meant to be.
_KIND = "is"


def apart(value: Any, tensors: dict[str, Tensor]) -> Any:
    """What JSON can hold of a value; its tensors and arrays are put into `tensors`.

    Raises
    ------
    TypeError
        For anything but None, numbers, text, containers, arrays and tensors.
    """

    def marked(kind: str, content: Any, **more: Any) -> dict[str, Any]:
        return {_KIND: kind, "of": content, **more}

    if value is None or type(value) in (bool, int, float, str):
        return value
    if type(value) is list:
        return [apart(item, tensors) for item in value]
    if isinstance(value, Tensor):
        return marked("tensor", _put(value, tensors))
    if isinstance(value, np.ndarray | np.generic) and not value.dtype.hasobject:
        array = np.ascontiguousarray(value)
        data = torch.from_numpy(array.reshape(-1).view(np.uint8).copy())
        kind = "scalar" if isinstance(value, np.generic) else "array"
        return marked(kind, _put(data, tensors), dtype=array.dtype.str, shape=list(value.shape))
    if isinstance(value, Mapping):
        pairs = [[apart(key, tensors), apart(item, tensors)] for key, item in value.items()]
        return marked("counter" if isinstance(value, Counter) else "dict", pairs)
    for kind, container in _CONTAINERS.items():
        if type(value) is container:
            items = sorted(value) if container in (set, frozenset) else value
            return marked(kind, [apart(item, tensors) for item in items])
    raise TypeError(f"{type(value).__module__}.{type(value).__qualname__} is no plain value")


def plainly(value: Any, what: str) -> Any:
    """The value, if it can be taken apart; else a TypeError that begins with `what`."""
    try:
        apart(value, {})
    except TypeError as error:
        raise TypeError(f"{what} cannot be written ({error}).") from error
    return value


def together(plain: Any, tensors: Mapping[str, Tensor]) -> Any:
    """The value that `apart` took apart."""
    if isinstance(plain, list):
        return [together(item, tensors) for item in plain]
    if not isinstance(plain, dict):
        return plain
    kind, content = plain[_KIND], plain["of"]
    if kind == "tensor":
        return tensors[content]
    if kind in ("array", "scalar"):
        dtype, shape = np.dtype(plain["dtype"]), tuple(plain["shape"])
        array = tensors[content].numpy().view(dtype).reshape(shape)
        return array.copy() if kind == "array" else array[()]
    if kind in ("dict", "counter"):
        found = {together(key, tensors): together(item, tensors) for key, item in content}
        return Counter(found) if kind == "counter" else found
    return _CONTAINERS[kind](together(item, tensors) for item in content)


_CONTAINERS: dict[str, Any] = {"tuple": tuple, "set": set, "frozenset": frozenset}


def _put(tensor: Tensor, tensors: dict[str, Tensor]) -> str:
    key = str(len(tensors))
    tensors[key] = tensor.detach()
    return key
