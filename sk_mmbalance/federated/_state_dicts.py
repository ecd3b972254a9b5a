"""Networks as arrays."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from .. import networks

#: A state dict as numpy arrays.
State = dict[str, np.ndarray]


def arrays_of(state: Mapping[str, torch.Tensor]) -> State:
    """A state dict as numpy arrays of their own."""
    return {key: np.array(value.detach().cpu().numpy()) for key, value in state.items()}


def load_arrays(module: nn.Module, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays into a module's state."""
    # np.array: what came over a wire may be read-only, which torch warns of
    networks.load_state(module, {key: torch.from_numpy(np.array(a)) for key, a in arrays.items()})
