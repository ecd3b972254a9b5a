"""How long an import takes: the package itself, and every public name above its third parties.

A public name costs what its room costs, which is loaded when the first of its names is used. In one
process a room is loaded and the modules of others that came along are noted; in another these are
loaded first, and the room is timed after them. CPU seconds, median of some processes; in what they
go, ``python -X importtime`` says.

    python benchmarks/import_times.py             # results/import_times
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from _protocols import RESULTS, write

import sk_mmbalance

COLUMNS = ["loaded", "metric", "value"]
PACKAGE = "import sk_mmbalance"

#: What a process does: load a room, or modules of others and then the room; print CPU seconds and
#: the modules of others that are there.
LOAD = """
import importlib, json, sys, time
before, room = json.loads(sys.argv[1]), sys.argv[2]
for name in before:
    try:
        importlib.import_module(name)
    except Exception:
        pass
start = time.process_time()
importlib.import_module(room)
took = time.process_time() - start
others = [name for name in sys.modules if name.partition(".")[0] != "sk_mmbalance"]
print(json.dumps([took, others]))
"""


def load(room: str, before: list[str]) -> tuple[float, list[str]]:
    """CPU seconds that loading a room takes after these modules, and modules of others then."""
    command = [sys.executable, "-W", "ignore", "-c", LOAD, json.dumps(before), room]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    took, others = json.loads(done.stdout.splitlines()[-1])
    return took, others


def measure(repeats: int) -> pd.DataFrame:
    """Seconds of the package, and of every room above its third parties."""
    took = [load("sk_mmbalance", [])[0] for _ in range(repeats)]
    lines = [(PACKAGE, "cpu_seconds", np.median(took))]
    for room in sorted({*sk_mmbalance._HOMES.values(), *sk_mmbalance._ROOMS}):
        module = f"sk_mmbalance.{room}"
        _, others = load(module, [])
        took = [load(module, others)[0] for _ in range(repeats)]
        lines.append((module, "cpu_seconds above third parties", np.median(took)))
        print(*lines[-1], flush=True)
    table = pd.DataFrame(lines, columns=COLUMNS)
    return table.assign(value=table["value"].round(3))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=RESULTS)
    args = parser.parse_args()
    table = measure(args.repeats)
    write(table, "import_times", args.folder)
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
