"""Competitors in rounds: every round runs each of them once, the next in the opposite order.

A round is a line of measurements by which they are compared in pairs, so that what else the
machine does falls on all alike; where it does much, CPU seconds say more than the clock. A table of
rounds goes on where it was stopped.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from _protocols import _journal, read, write

COLUMNS = ["case", "method", "round", "metric", "value"]

#: What a round measures, and what stands for it in the table of ratios.
TIMES = {"seconds": "times as fast", "cpu_seconds": "times as fast, CPU"}


def cpu_seconds() -> float:
    """Of this process and all that it has started, the living and the dead, since they began."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(used.ru_utime + used.ru_stime for used in spent) + _of_living(os.getpid())


def _of_living(me: int) -> float:
    """CPU seconds of living descendants; 0 where the system does not say."""
    parents, ticks = {}, {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = file.read_text().rpartition(")")[2].split()
        except OSError:  # has just ended
            continue
        pid = int(file.parent.name)
        parents[pid], ticks[pid] = int(fields[1]), sum(map(int, fields[11:15]))
    mine = {me}
    for _ in range(len(parents)):
        more = {pid for pid, parent in parents.items() if parent in mine} - mine
        if not more:
            break
        mine |= more
    return sum(ticks[pid] for pid in mine - {me}) / os.sysconf("SC_CLK_TCK")


def timed(run: Callable[[], object]) -> dict[str, float]:
    """Seconds by the clock and of all processors that a run takes, and what figures it gives."""
    start, spent = time.perf_counter(), cpu_seconds()
    given = run()
    took = {"seconds": time.perf_counter() - start, "cpu_seconds": cpu_seconds() - spent}
    return {**took, **given} if isinstance(given, dict) else took


def run_rounds(
    name: str, case: str, runs: Mapping[str, Callable[[], object]], n_rounds: int, folder: Path
) -> pd.DataFrame:
    """Measure the rounds that the table lacks; gives the table."""
    folder.mkdir(exist_ok=True)
    for number in range(n_rounds):
        there = read(name, folder, COLUMNS)
        there = there[(there["case"] == case) & (there["round"] == number)]
        if set(runs) <= set(there["method"]):
            continue
        lines = []
        for method in list(runs)[:: -1 if number % 2 else 1]:
            for metric, value in timed(runs[method]).items():
                lines.append((case, method, number, metric, float(f"{value:.4g}")))
                print(*lines[-1], flush=True)
        table = pd.DataFrame(lines, columns=COLUMNS)
        table.to_csv(_journal(name, folder), mode="a", header=False, index=False)
    table = read(name, folder, COLUMNS)
    write(table, name, folder)
    return table


def ratios(table: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """By how much each method is faster than one: median of the rounds, least and most."""
    found = []
    for (case, metric), part in table.groupby(["case", "metric"], sort=False):
        wide = part.pivot(index="round", columns="method", values="value")
        for method in dict.fromkeys(part["method"]) if baseline in wide else ():
            gain = (wide[baseline] / wide[method]).dropna()
            for what, value in {
                "median": gain.median(),
                "least": gain.min(),
                "most": gain.max(),
            }.items():
                found.append(
                    (case, method, baseline, TIMES[metric], what, float(np.round(value, 3)))
                )
    return pd.DataFrame(found, columns=["case", "method", "against", "metric", "what", "value"])
