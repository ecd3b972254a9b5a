"""How many networks are trained at once."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from ..neural import Training

#: Where Linux says how much memory is free.
MEMORY = Path("/proc/meminfo")

#: More networks than these gain little: what a step costs besides arithmetic is shared already.
MOST_MODELS = 128

#: Copies of every number of a network: value, gradient twice while it is gathered, two moments of
#: the optimiser, the last epoch's, the best epoch's, and one that a dropped network takes along.
COPIES = 8

#: Values kept for the backward pass, and their gradients, for every unit and row of a batch.
KEPT_PER_UNIT = 6


def most_at_once(training: Training, share: float = 1.0) -> int:
    """As many networks like that of a training as pay, and as half of the free memory holds.

    Of that memory a process has a share.
    """
    free = free_memory(torch.device(training.net.device))
    if free is None:
        return MOST_MODELS
    return int(max(1, min(MOST_MODELS, 0.5 * share * free / bytes_of(training))))


def bytes_of(training: Training) -> int:
    """About how much memory one network of a stack takes."""
    parameters = list(training.net.network.parameters())
    n_numbers = sum(p.numel() for p in parameters)
    n_units = sum(p.shape[0] for p in parameters if p.ndim > 1)
    in_batch = training.rows.n_values + KEPT_PER_UNIT * n_units
    return parameters[0].element_size() * (COPIES * n_numbers + training.net.batch_size * in_batch)


def free_memory(device: torch.device) -> int | None:
    """Bytes that are free on a device; None where nobody says."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:  # what keeps copies of files counts as free there
        lines = MEMORY.read_text(encoding="ascii").splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvail"))
    except (OSError, StopIteration):  # another system
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # no such figure on this system
        return None
