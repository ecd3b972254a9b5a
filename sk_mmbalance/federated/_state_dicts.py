"""Networks as arrays, and networks drawn from a seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

#: A state dict as numpy arrays.
State = dict[str, np.ndarray]


@contextmanager
def seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Whatever torch draws inside is drawn from `seed`, and nobody else's numbers change."""
    cuda = device is not None and device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if cuda else []):
        if cuda:
            torch.manual_seed(seed)
        else:  # torch.manual_seed would look for every kind of accelerator, which takes longer
            torch.default_generator.manual_seed(seed)
        yield


def arrays_of(state: Mapping[str, torch.Tensor]) -> State:
    """A state dict as numpy arrays of their own."""
    return {key: np.array(value.detach().cpu().numpy()) for key, value in state.items()}


def load_arrays(module: nn.Module, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays into a module's state."""
    # np.array: what came over a wire may be read-only, which torch warns of
    module.load_state_dict({key: torch.from_numpy(np.array(a)) for key, a in arrays.items()})
