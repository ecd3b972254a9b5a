"""What the timings of training share: data, the clock, rounds of repeats, and one table a device.

Runs of the arms alternate, so that what else the machine does falls on all of them alike. Times
are CPU seconds (seconds by the clock on a GPU); the median of the repeats counts.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import torch
from _protocols import RESULTS

#: Modalities of the timed networks, and their columns.
SIZES = {"first": 64, "second": 32}


def make_data(n: int, n_classes: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Normal columns; the class is the largest of sums over both modalities."""
    rng = np.random.default_rng(0)
    X = {name: rng.standard_normal((n, d)).astype(np.float32) for name, d in SIZES.items()}
    y = (X["first"][:, :n_classes] + X["second"][:, :n_classes]).argmax(axis=1)
    return X, y


def command_line(description: str) -> argparse.ArgumentParser:
    """What can be asked of a timing."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=5)
    return parser


def medians(
    runs: Mapping[str, Callable[[], object]], repeats: int, device: torch.device
) -> dict[str, float]:
    """Median seconds of every run, after one to warm up."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    for _ in range(repeats):
        for name, run in runs.items():
            times[name].append(seconds(run, device))
    return {name: float(np.median(taken)) for name, taken in times.items()}


def seconds(run: Callable[[], object], device: torch.device) -> float:
    """Seconds that one run takes."""
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    start = clock()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return clock() - start


def device_name(device: torch.device) -> str:
    """The device as the tables name it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU ({platform.machine()}, 1 thread)"


def keep(name: str, rows: list[dict], device: torch.device) -> None:
    """Print the rows and put them in ``results/<name>.csv``, in place of this device's old ones."""
    new = pd.DataFrame([{"device": device_name(device), **row} for row in rows])
    print(new.to_string(index=False))
    file = RESULTS / f"{name}.csv"
    if file.exists():
        old = pd.read_csv(file)
        new = pd.concat([old[old["device"] != device_name(device)], new])
    RESULTS.mkdir(exist_ok=True)
    new.to_csv(file, index=False)
