"""What a process holds: memory, objects, threads, files, children, ports; and whether it grows."""

from __future__ import annotations

import ctypes
import gc
import os
from pathlib import Path

import numpy as np
from scipy.stats import theilslopes

PROC = Path("/proc")
PAGE = os.sysconf("SC_PAGE_SIZE")
LISTENING = "0A"

#: How much may have grown from the end of the warm-up to the end of the run. Memory: a part of what
#: is in use, for the allocator keeps pieces; objects: caches of libraries fill slowly.
MOST_GROWTH = {"memory_mb": 0.03, "objects": 0.01}
#: What may not have grown at all.
COUNTS = ("threads", "files", "children", "ports")


def look() -> dict[str, float]:
    """What this process and those that it started hold now."""
    for _ in range(3):  # a finaliser may make further garbage
        gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what is free goes back, so that what is left is in use
    mine = PROC / "self"
    family = [os.getpid(), *children()]
    return {
        "memory_mb": int((mine / "statm").read_text().split()[1]) * PAGE / 2**20,
        "objects": len(gc.get_objects()),
        "threads": len(list((mine / "task").iterdir())),
        "files": len(os.listdir(mine / "fd")) - 1,  # the folder itself, being read
        "children": len(family) - 1,
        "ports": sum(len(listening(process)) for process in family),
    }


def children() -> list[int]:
    """All living descendants of this process but joblib's resource tracker, which stays."""
    parents = {}
    for entry in PROC.glob("[0-9]*"):
        try:
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            if state not in "ZX" and b"resource_tracker" not in (entry / "cmdline").read_bytes():
                parents[int(entry.name)] = int(parent)
        except OSError:  # it has just ended
            continue
    found = {os.getpid()}
    while more := {process for process, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found - {os.getpid()})


def listening(process: int) -> set[str]:
    """Sockets of a process on which somebody could call."""
    open_sockets = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = (PROC / str(process) / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        fields = (line.split() for line in lines)
        open_sockets |= {field[9] for field in fields if field[3] == LISTENING}
    held = set()
    try:
        for link in (PROC / str(process) / "fd").iterdir():
            target = os.readlink(link)
            if target.startswith("socket:["):
                held.add(target[8:-1])
    except OSError:
        pass
    return held & open_sockets


def growth(values: list[float]) -> float:
    """Growth over a run as part of its median, by the median of all slopes (Theil and Sen)."""
    slope = theilslopes(values)[0]
    return float(slope * (len(values) - 1) / np.median(values))


def judge(looks: list[dict[str, float]]) -> tuple[dict[str, float], list[str]]:
    """Figures of a run and what is wrong with it; the first third of the looks is its warm-up."""
    rest = looks[len(looks) // 3 :]
    figures: dict[str, float] = {}
    wrong = []
    for name, most in MOST_GROWTH.items():
        figures[f"growth of {name}"] = by = growth([look[name] for look in rest])
        if by > most:
            wrong.append(f"{name} grew by {by:.1%}, more than {most:.0%}")
    for name in COUNTS:
        figures[f"more {name}"] = more = rest[-1][name] - rest[0][name]
        if more > 0:
            wrong.append(f"{more:g} more {name} at the end than after the warm-up")
    return figures, wrong
