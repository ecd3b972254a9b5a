"""A bound on what is allocated while a network is built from a description of doubtful origin."""

from __future__ import annotations

import math
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

#: Room besides: a module of the user's is tried on two rows, whose size no file bounds.
_ALLOWANCE = 2**28
#: Weights are counted in the widest precision, whatever the file has them in.
_TIMES = 8


class AllocationGuard(TorchDispatchMode):
    """Context in which new tensors may not, together, be far larger than a file.

    Parameters
    ----------
    n_bytes : int
        Size of the file.

    Attributes
    ----------
    refused : bool
        Whether a tensor was refused, by a MemoryError, before room was made for it.
    """

    def __init__(self, n_bytes: int):
        super().__init__()
        self._left = _TIMES * n_bytes + _ALLOWANCE
        self._n_bytes = n_bytes
        self.refused = False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        arguments = func._schema.arguments
        fresh = all(made.alias_info is None for made in func._schema.returns)
        if fresh and any(argument.name == "size" for argument in arguments):
            given = {**dict(zip((a.name for a in arguments), args, strict=False)), **kwargs}
            dtype = given.get("dtype")
            self._left -= math.prod(given["size"]) * (8 if dtype is None else dtype.itemsize)
            if self._left < 0:
                self.refused = True
                raise MemoryError(
                    f"it describes a network far larger than its {self._n_bytes} bytes"
                )
        return func(*args, **kwargs)
