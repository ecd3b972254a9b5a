"""Fitted estimators on the way from one process to another of the same machine.

A pickle of a net keeps tensors so that any machine can read them, each in a file format of its own,
which takes longer than to train some epochs of a small net. On the same machine their numbers do.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

import torch
from torch import Tensor, nn

from ..neural import MultimodalNet


def packed(things: Any) -> Any:
    """Bytes that `unpacked` makes the same of; things that have no such bytes as they are."""
    written = io.BytesIO()
    try:
        _Packer(written, protocol=pickle.HIGHEST_PROTOCOL).dump(things)
    except Exception:  # a class of the main program, say, which other picklers know to send
        return things
    return written.getvalue()


def unpacked(things: Any) -> Any:
    """What was packed."""
    return pickle.loads(things) if isinstance(things, bytes) else things


class _Packer(pickle.Pickler):
    """Writes nets by their attributes, and tensors by their numbers."""

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, MultimodalNet):
            return object.__new__, (type(value),), vars(value), None, None, _set_attributes
        if type(value) in (Tensor, nn.Parameter) and _is_plain(value):
            numbers = value.detach().numpy()
            return _tensor, (numbers, value.requires_grad, type(value) is nn.Parameter)
        return NotImplemented


def _is_plain(tensor: Tensor) -> bool:
    """Whether a tensor is nothing but numbers that numpy knows."""
    return (
        tensor.device.type == "cpu"
        and tensor.layout == torch.strided
        and tensor.dtype in (torch.float32, torch.float64, torch.int64, torch.bool)
        and not vars(tensor)
        and not tensor.is_conj()
        and tensor.is_leaf
    )


def _tensor(numbers: Any, requires_grad: bool, is_parameter: bool) -> Tensor:
    tensor = torch.from_numpy(numbers)
    if is_parameter:
        return nn.Parameter(tensor, requires_grad)
    return tensor.requires_grad_(requires_grad)


def _set_attributes(net: Any, attributes: dict[str, Any]) -> None:
    vars(net).update(attributes)
