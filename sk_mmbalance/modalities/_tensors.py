"""torch tensors, read without importing torch."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np


def is_tensor(value: Any) -> bool:
    """Whether `value` is a torch tensor."""
    return hasattr(value, "detach") and hasattr(value, "cpu")


def refuse_odd_tensor(where: str, tensor: Any) -> None:
    """Refuse tensors whose rows cannot be taken: sparse and nested ones."""
    if getattr(tensor, "is_nested", False):
        raise TypeError(
            f"{where} is a nested torch tensor; pass a list of tensors, one for each row."
        )
    if str(tensor.layout) != "torch.strided":
        raise TypeError(
            f"{where} is a sparse torch tensor ({tensor.layout}); pass `.to_dense()`, or a scipy "
            "sparse matrix to an estimator that takes one."
        )


def tensor_to_array(where: str, tensor: Any) -> np.ndarray:
    """Values of a tensor on any device, in any dtype.

    bfloat16 and the 8-bit floats, which numpy lacks, become float32: all their values are exact
    in it.
    """
    refuse_odd_tensor(where, tensor)
    try:
        plain = tensor.detach().cpu().resolve_conj().resolve_neg()
        try:
            return np.asarray(plain.numpy())
        except TypeError:
            return np.asarray(plain.float().numpy())
    except (TypeError, RuntimeError) as error:  # a meta tensor, a quantised one
        raise TypeError(
            f"{where} is a torch tensor ({tensor.dtype} on {tensor.device}) that cannot be read: "
            f"{error}"
        ) from error


@dataclass(frozen=True)
class _PickledTensor:
    """A tensor as its bytes.

    torch's own pickles of a tensor differ from each other, so that joblib's cache finds none again.
    """

    values: np.ndarray
    dtype: Any
    shape: tuple[int, ...]
    device: str


def pickled(value: Any) -> Any:
    """What to pickle for `value`."""
    if not is_tensor(value) or type(value).__name__ != "Tensor" or value.requires_grad:
        return value
    if str(value.layout) != "torch.strided":
        return value
    flat = value.cpu().resolve_conj().resolve_neg().contiguous().reshape(-1)
    data = flat.view(_torch().uint8).numpy()
    return _PickledTensor(data, value.dtype, tuple(value.shape), str(value.device))


def unpickled(value: Any) -> Any:
    """What was pickled; on the CPU where its device is not there."""
    if not isinstance(value, _PickledTensor):
        return value
    torch = _torch()
    tensor = torch.from_numpy(value.values.copy()).view(value.dtype).reshape(value.shape)
    there = not value.device.startswith("cuda") or torch.cuda.is_available()
    return tensor.to(value.device) if there else tensor


def _torch() -> Any:
    """The library: it is there where one of its tensors or types is."""
    return sys.modules["torch"]
