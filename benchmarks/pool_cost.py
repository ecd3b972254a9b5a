"""What ``OpinionPoolClassifier()`` costs as rows, features, classes and modalities grow.

CPU seconds of one core and peak memory of a fit, on noisy synthetic data (as in
``expert_costs.py``), with weights too at two sizes; beside it the peak of a fit of each kind of
expert on all columns at once, the largest of which is what any pool of them has to take. Every
fit is a process of its own, of one thread. Memory is what the process held at most above what it
held before the fit, the input among that. It resumes where it was stopped.

    python benchmarks/pool_cost.py             # half an hour
    python benchmarks/pool_cost.py --rows 1000 20000
    python benchmarks/pool_cost.py --show      # nothing is measured
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from _protocols import RESULTS, _journal, read, write
from expert_costs import data
from sklearn.base import clone

from sk_mmbalance import Modalities, OpinionPoolClassifier
from sk_mmbalance.experts import auto_classifiers

COLUMNS = [
    *("question", "n_samples", "n_features", "n_classes", "n_modalities"),
    *("method", "metric", "value"),
]
POOL, WEIGHTED, LARGEST = "opinion pool", "opinion pool, weighted rows", "largest single expert"


class Shape(NamedTuple):
    """Rows, columns in all, classes and modalities of equal width."""

    n_samples: int
    n_features: int = 100
    n_classes: int = 2
    n_modalities: int = 2


QUESTIONS = {
    "rows": [Shape(n) for n in (1000, 5000, 20_000, 50_000, 200_000)],
    "features": [Shape(2000, p) for p in (20, 100, 500)],
    "classes": [Shape(2000, n_classes=k) for k in (2, 5, 20)],
    "modalities": [Shape(2000, 25 * m, n_modalities=m) for m in (1, 4, 8)],
}
#: Where weighted fits and single experts are measured too.
WITH_WEIGHTS = (Shape(2000), Shape(20_000))
WITH_EXPERTS = (Shape(2000), Shape(20_000), Shape(200_000))


def held() -> tuple[float, float]:
    """Megabytes that this process holds, and what it held at most since `forget_peak`."""
    status = Path("/proc/self/status")
    if not status.exists():  # the peak is then that of the whole life of the process
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        return peak, peak
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    now, peak = (float(lines[name].split()[0]) * 1.024e-3 for name in ("VmRSS", "VmHWM"))
    return now, peak


def forget_peak() -> None:
    if Path("/proc/self/clear_refs").exists():
        Path("/proc/self/clear_refs").write_text("5")


def one(shape: Shape, method: str) -> dict[str, float]:
    """Fit here, and say what it took."""
    table, y = data(shape.n_samples, shape.n_features, shape.n_classes)
    X: Any = table
    weight = None
    if method.startswith(POOL):
        widths = np.linspace(0, shape.n_features, shape.n_modalities + 1).astype(int)
        X = Modalities(
            {
                f"m{m}": np.ascontiguousarray(table[:, start:stop])
                for m, (start, stop) in enumerate(pairwise(widths))
            }
        )
        del table
        model: Any = OpinionPoolClassifier(random_state=0)
        if method == WEIGHTED:
            weight = np.random.default_rng(1).uniform(0.5, 2.0, len(y))
    else:
        kind = method.removeprefix("expert ")
        model = clone(auto_classifiers(*shape[:3], 0).models[kind])
    # what a process loads on its first fit is not counted
    few = Modalities(a=np.eye(20)[:, :2], b=np.eye(20)[:, 2:4])
    OpinionPoolClassifier(random_state=0, cv=2).fit(few, np.arange(20) % 2)
    forget_peak()
    before, _ = held()
    start, cpu = time.perf_counter(), time.process_time()
    model.fit(X, y) if weight is None else model.fit(X, y, sample_weight=weight)
    figures = {
        "cpu_seconds": time.process_time() - cpu,
        "seconds": time.perf_counter() - start,
        "megabytes": held()[1] - before,
    }
    if method == POOL:
        figures["megabytes of X"] = 8e-6 * shape.n_samples * shape.n_features
        figures["experts"] = len(model.experts_)
    return figures


def wanted() -> dict[tuple[Shape, str], list[str]]:
    """What is measured, once each, and for which questions."""
    found: dict[tuple[Shape, str], list[str]] = {}
    for question, shapes in QUESTIONS.items():
        for shape in shapes:
            found.setdefault((shape, POOL), []).append(question)
    for shape in WITH_WEIGHTS:
        found[shape, WEIGHTED] = ["weights"]
        found[shape, POOL].append("weights")
    for shape in WITH_EXPERTS:
        found[shape, POOL].append("memory")
        for kind in auto_classifiers(*shape[:3], 0).models:
            found[shape, f"expert {kind}"] = ["memory"]
    return dict(sorted(found.items(), key=lambda item: item[0][0].n_samples))


def measure(folder: Path, n_rows: list[int] | None = None) -> pd.DataFrame:
    done = read("pool_cost", folder, COLUMNS)
    known = set(done[COLUMNS[:6]].itertuples(index=False, name=None))
    for (shape, method), questions in wanted().items():
        if n_rows and shape.n_samples not in n_rows:
            continue
        if (questions[0], *shape, method) in known:
            continue
        told = subprocess.run(
            [sys.executable, __file__, "--one", json.dumps([shape, method])],
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            check=True,
            capture_output=True,
            text=True,
        )
        figures = json.loads(told.stdout.splitlines()[-1])
        print(*shape, method, figures, flush=True)
        rows = [
            (question, *shape, method, metric, float(f"{value:.3g}"))
            for question in questions
            for metric, value in figures.items()
        ]
        folder.mkdir(exist_ok=True)
        new = pd.DataFrame(rows, columns=COLUMNS)
        new.to_csv(_journal("pool_cost", folder), mode="a", header=False, index=False)
    return read("pool_cost", folder, COLUMNS)


def with_largest(table: pd.DataFrame) -> pd.DataFrame:
    """Beside single experts that of them which holds most, and the pool's excess over it."""
    table = table[table["method"] != LARGEST]
    table = table[table["metric"] != "excess over X"]
    memory = table[(table["question"] == "memory") & (table["metric"] == "megabytes")]
    shape = COLUMNS[:5]
    single = memory[memory["method"].str.startswith("expert ")]
    largest = single.loc[single.groupby(shape)["value"].idxmax()].assign(method=LARGEST)
    pool = table[(table["question"] == "memory") & (table["method"] == POOL)]
    pool = pool.pivot_table(index=shape, columns="metric", values="value").reset_index()
    excess = pool.merge(largest, on=shape)
    excess["value"] = (excess["megabytes"] - excess["value"]) / excess["megabytes of X"]
    excess = excess.assign(method=POOL, metric="excess over X")[COLUMNS]
    return pd.concat([table, largest, excess], ignore_index=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--show", action="store_true", help="measure nothing")
    parser.add_argument("--folder", type=Path, default=RESULTS, help="where the table is")
    parser.add_argument("--rows", type=int, nargs="*", help="only shapes of so many rows")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        shape, method = json.loads(args.one)
        print(json.dumps(one(Shape(*shape), method)))
        return
    table = (
        read("pool_cost", args.folder, COLUMNS) if args.show else measure(args.folder, args.rows)
    )
    table = with_largest(table).sort_values(COLUMNS[:5], kind="stable")
    write(table, "pool_cost", args.folder)
    with pd.option_context("display.width", 200, "display.max_rows", 500):
        for question, own in table.groupby("question", sort=False):
            cells = own.groupby([*COLUMNS[1:6], "metric"], sort=False)["value"].mean()
            print(question, cells.unstack("metric").to_string(), sep="\n", end="\n\n")


if __name__ == "__main__":
    main()
