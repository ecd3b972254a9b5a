"""What the timings share: data, the clock, rounds of repeats, and one table a device.

Runs of the competitors alternate, so that what else the machine does falls on all of them alike.
Times are CPU seconds (seconds by the clock on a GPU); the median of the repeats counts.
"""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from _protocols import RESULTS, read, write
from torch import nn

#: Modalities of the timed networks, and their columns.
SIZES = {"first": 64, "second": 32}


@dataclass(frozen=True)
class Asked:
    """How a timing is asked for.

    Attributes
    ----------
    device : torch.device
        Where networks are trained.
    repeats : int
        Runs of which the median counts.
    most_rows : float
        Problems with more rows are left out.
    """

    device: torch.device
    repeats: int = 5
    most_rows: float = math.inf

    def medians(self, runs: Mapping[str, Callable[[], object]]) -> dict[str, float]:
        """Median seconds of every run, after one to warm up."""
        return {name: float(np.median(taken)) for name, taken in self._times(runs).items()}

    def least(self, runs: Mapping[str, Callable[[], object]]) -> dict[str, float]:
        """Least seconds of every run: what it takes where nothing else disturbs it."""
        return {name: min(taken) for name, taken in self._times(runs).items()}

    def _times(self, runs: Mapping[str, Callable[[], object]]) -> dict[str, list[float]]:
        times: dict[str, list[float]] = {name: [] for name in runs}
        for run in runs.values():
            run()
        for _ in range(self.repeats):
            for name, run in runs.items():
                times[name].append(seconds(run, self.device)[0])
        return times


CPU = torch.device("cpu")


def seconds(run: Callable[[], object], device: torch.device = CPU) -> tuple[float, object]:
    """Seconds that one run takes, and what it returns."""
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    start = clock()
    value = run()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return clock() - start, value


def device_name(device: torch.device) -> str:
    """The device as the tables name it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU ({platform.machine()}, 1 thread)"


def keep(name: str, rows: list[dict], folder: Path = RESULTS) -> None:
    """Print the rows and put them in ``results/<name>``; those of other devices stay there."""
    new = pd.DataFrame(rows)
    print(new.to_string(index=False))
    if "device" in new:
        old = read(name, folder, columns=list(new))
        new = pd.concat([old[~old["device"].isin(new["device"])], new])
    write(new, name, folder)


# -- networks ------------------------------------------------------------------------------


def make_data(n: int, n_classes: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Normal columns; the class is the largest of sums over both modalities."""
    rng = np.random.default_rng(0)
    X = {name: rng.standard_normal((n, d)).astype(np.float32) for name, d in SIZES.items()}
    y = (X["first"][:, :n_classes] + X["second"][:, :n_classes]).argmax(axis=1)
    return X, y


def as_tensors(X, y, device) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Modalities and classes as the hand-written loops take them."""
    return [torch.from_numpy(X[name]).to(device) for name in SIZES], torch.from_numpy(y).to(device)


def make_encoders() -> nn.ModuleList:
    """The estimators' encoders, written by hand: MLP 64-64 for each modality."""
    return nn.ModuleList(
        nn.Sequential(nn.Linear(d, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
        for d in SIZES.values()
    )


def make_optimizer(net: nn.Module) -> torch.optim.Optimizer:
    """The estimators' optimiser."""
    return torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=1e-4, fused=True)


def batches(xs, target, batch_size: int, how: str) -> Iterator[tuple[list, torch.Tensor]]:
    """Batches of one epoch in random order.

    "slice" gathers the shuffled rows once and takes contiguous slices, as the estimators do;
    "gather" gathers each batch by its row numbers, as most people write it.
    """
    order = torch.randperm(len(target)).to(target.device)
    if how == "slice":
        xs, target = [x[order] for x in xs], target[order]
    for start in range(0, len(target), batch_size):
        rows = slice(start, start + batch_size)
        if how == "gather":
            rows = order[rows]
        yield [x[rows] for x in xs], target[rows]


def as_by_hand(batch_size: int, n_epochs: int, device: torch.device) -> dict:
    """Parameters with which an estimator does what the hand-written loops do."""
    return {
        "max_epochs": n_epochs,
        "batch_size": batch_size,
        "early_stopping": False,
        "device": str(device),
        "dtype": "float32",
        "random_state": 0,
    }


def ratios(median: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Each time divided by that of either hand-written loop."""
    return {
        name: {
            f"ratio_to_{how}": round(value / median[f"hand-written, {how}"], 3)
            for how in ("gather", "slice")
        }
        for name, value in median.items()
    }
