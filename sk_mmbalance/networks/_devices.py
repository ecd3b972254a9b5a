"""Where a network computes, and with which precision."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..modalities import CheckedModalities


def choose_device(device: Any) -> torch.device:
    """Resolve ``"auto"`` to the GPU if there is one, and refuse a GPU that is not there."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"`device` must be 'auto', 'cpu', 'cuda' or 'cuda:<number>'; got {device!r}."
        ) from error
    if chosen.type == "cuda" and (
        not torch.cuda.is_available() or (chosen.index or 0) >= torch.cuda.device_count()
    ):
        raise ValueError(
            f"`device` is {device!r}, but torch sees {torch.cuda.device_count()} GPU(s). Use "
            "device='auto' or 'cpu'."
        )
    return chosen


def choose_dtype(dtype: str, checked: CheckedModalities, device: torch.device) -> torch.dtype:
    """Resolve ``"auto"``: as the input on a CPU, float32 elsewhere."""
    if dtype != "auto":
        return {"float32": torch.float32, "float64": torch.float64}[dtype]
    if device.type != "cpu":
        return torch.float32
    widest = np.result_type(*(array.dtype for array in checked.arrays.values()))
    return torch.float64 if widest == np.float64 else torch.float32
