"""Marks by which a later process knows the same values again: parameters, rows, weights.

Equal values have equal marks in every process, and there are no two values of one mark that anybody
could meet. Code counts as a value: a function or a class of the user's that was changed has another
mark.
"""

from __future__ import annotations

import copyreg
import functools
import hashlib
import re
import types
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from scipy.sparse import issparse
from torch import Tensor

#: Packages whose classes are what their version says.
_KNOWN = frozenset(
    {"builtins", "numpy", "pandas", "scipy", "sk_mmbalance", "sklearn", "skorch", "torch"}
)

#: What functions written in C belong to that belong to no object.
_NO_OWNER = (types.ModuleType, types.NoneType)

_BY_THEIR_WORDS = frozenset({type(None), bool, int, float, complex, str, bytes})


def mark_of(value: Any) -> str:
    """Mark of a value, 64 hexadecimal digits.

    Raises
    ------
    TypeError
        If two processes could not agree on it: an iterator, an open file, a lock.
    """
    return _digest(value, ()).hex()


def _digest(value: Any, above: tuple[int, ...]) -> bytes:
    """Digest of a value that stands in the objects with the identities `above`."""
    if id(value) in above:
        return _join("again", str(len(above) - above.index(id(value))).encode())
    inside = (*above, id(value))

    def parts(kind: str, items: Any) -> bytes:
        return _join(kind, *(_digest(item, inside) for item in items))

    if type(value) in _BY_THEIR_WORDS:
        return _join(type(value).__name__, repr(value).encode())
    if isinstance(value, Tensor):
        return _of_tensor(value)
    if isinstance(value, np.ndarray | np.generic):
        return _of_array(np.asarray(value), inside)
    if issparse(value):
        matrix: Any = value.tocsr()
        return parts("sparse", (matrix.shape, matrix.data, matrix.indices, matrix.indptr))
    if isinstance(value, Mapping):
        pairs = sorted(_digest(pair, inside) for pair in value.items())
        return _join(f"mapping {type(value).__qualname__}", *pairs)
    if isinstance(value, list | tuple):
        return parts(type(value).__qualname__, value)
    if isinstance(value, set | frozenset):
        return _join("set", *sorted(_digest(item, inside) for item in value))
    if isinstance(value, type):
        return _of_class(value, inside)
    if isinstance(value, re.Pattern):
        return parts("pattern", (value.pattern, value.flags))
    if isinstance(value, torch.device | torch.dtype | np.dtype | types.ModuleType):
        return _join(type(value).__name__, repr(value).encode())
    if isinstance(value, types.CodeType):
        said = (value.co_code, value.co_consts, value.co_names, value.co_freevars)
        return parts("code", said)
    if isinstance(value, types.FunctionType):
        return _of_function(value, inside)
    if isinstance(value, types.MethodType):
        return parts("method", (value.__func__, value.__self__))
    if isinstance(value, types.BuiltinFunctionType):
        kind, owner = f"builtin {value.__module__}.{value.__qualname__}", value.__self__
        return _join(kind) if isinstance(owner, _NO_OWNER) else parts(kind, (owner,))
    if isinstance(value, functools.partial):
        return parts("partial", (value.func, value.args, value.keywords, vars(value)))
    if getattr(value, "__dict__", None):
        return parts("object", (type(value), vars(value)))
    reduce = copyreg.dispatch_table.get(type(value))  # as pickle asks, in the same order
    # raises TypeError where there is nothing to say
    reduced: Any = value.__reduce_ex__(2) if reduce is None else reduce(value)
    if isinstance(reduced, str):  # what is known by its name, such as numpy's own functions
        return parts("named", (type(value), reduced))
    return parts("object", (type(value), *reduced[1:3]))


def _join(kind: str, *parts: bytes) -> bytes:
    digest = hashlib.sha256(f"{kind} {len(parts)} ".encode())
    for part in parts:
        digest.update(str(len(part)).encode() + b" ")
        digest.update(part)
    return digest.digest()


def _of_tensor(value: Tensor) -> bytes:
    plain = value.detach().cpu().contiguous()
    kind = f"tensor {plain.dtype} {tuple(plain.shape)}"
    data = plain.reshape(-1).view(torch.uint8).numpy().data if plain.numel() else b""
    return _join(kind, hashlib.sha256(data).digest())


def _of_array(value: np.ndarray, inside: tuple[int, ...]) -> bytes:
    kind = f"array {value.dtype.str} {value.shape}"
    if value.dtype.hasobject:
        return _join(kind, *(_digest(item, inside) for item in value.reshape(-1).tolist()))
    data = np.ascontiguousarray(value).reshape(-1).view(np.uint8).data
    return _join(kind, hashlib.sha256(data).digest())


def _of_function(value: types.FunctionType, inside: tuple[int, ...]) -> bytes:
    closed = []
    for cell in value.__closure__ or ():
        try:
            closed.append(cell.cell_contents)
        except ValueError:  # not filled yet
            closed.append(None)
    said = (value.__code__, value.__defaults__, value.__kwdefaults__, closed)
    name = f"function {value.__module__}.{value.__qualname__}"
    return _join(name, *(_digest(item, inside) for item in said))


def _of_class(value: type, inside: tuple[int, ...]) -> bytes:
    name = f"class {value.__module__}.{value.__qualname__}"
    if value.__module__.partition(".")[0] in _KNOWN:
        return _join(name)
    own = [_digest(base, inside) for base in value.__bases__]
    for key, item in sorted(vars(value).items()):
        code = _code_in(item)
        if code is not None:
            own.append(_join(key, _digest(code, inside)))
    return _join(name, *own)


def _code_in(item: Any) -> Any:
    """What of a class's own attribute makes it behave as it does; None if nothing is known."""
    if isinstance(item, staticmethod | classmethod):
        return item.__func__
    if isinstance(item, property):
        return [item.fget, item.fset]
    if isinstance(item, functools.cached_property):
        return item.func
    known = types.FunctionType | bool | int | float | str | tuple
    return item if isinstance(item, known) else None
