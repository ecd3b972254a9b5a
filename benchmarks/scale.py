"""How the time of a fit grows with rows, features, modalities, classes and clients.

CPU seconds of `fit` in one thread, on normal columns of which a few say the class. From the
smallest size of a question on, each size is four times the one before; a method that takes more
than `LIMIT` seconds is asked for no larger one. Networks are trained for two epochs, federated
ones for two rounds. `results/scale_growth` has slopes on log axes over the upper half of the sizes:
1 is linear. Goes on where it was stopped.

    python benchmarks/scale.py             # ten minutes
    python benchmarks/scale.py rows --show # nothing is measured
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from _protocols import RESULTS, _journal, read, write
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

import sk_mmbalance as mm

NAME, COLUMNS = "scale", ["question", "method", "size", "metric", "value"]
LIMIT = 20.0  # CPU seconds


class Shape(NamedTuple):
    """Rows, columns of a modality, modalities, classes and clients."""

    n_rows: int = 1000
    n_features: int = 20
    n_modalities: int = 2
    n_classes: int = 2
    n_clients: int = 4


#: Question: the field of `Shape` that grows, and its sizes.
QUESTIONS = {
    "rows": ("n_rows", (1000, 4000, 16_000, 64_000, 256_000)),
    "features": ("n_features", (10, 40, 160, 640)),
    "modalities": ("n_modalities", (2, 8, 32, 128)),
    "classes": ("n_classes", (2, 8, 32, 128)),
    "clients": ("n_clients", (2, 8, 32, 128)),
}
NETWORK = {"max_epochs": 2, "batch_size": 128, "early_stopping": False, "random_state": 0}
METHODS: dict[str, Callable[[], Any]] = {
    "late fusion, logistic regression": lambda: mm.LateFusionClassifier(LogisticRegression()),
    "ARM": lambda: mm.ARMClassifier(),
    "joint network": lambda: mm.MultimodalClassifier(**NETWORK),
    "negative learning": lambda: mm.NegativeLearningClassifier(**NETWORK),
    "data remixing": lambda: mm.DataRemixingClassifier(remix_after=1, **NETWORK),
    "sustained boosting": lambda: mm.SustainedBoostingClassifier(**NETWORK),
    "federated averaging": lambda: mm.FedAvgClassifier(
        n_rounds=2, local_epochs=1, clients_per_round=1.0, random_state=0
    ),
}


def asked(question: str, method: str) -> bool:
    """Whether a question is one for this method; ARM has two modalities and two classes."""
    if question == "clients":
        return method == "federated averaging"
    return method != "ARM" or question in ("rows", "features")


def make_data(shape: Shape) -> tuple[mm.Modalities, np.ndarray, np.ndarray]:
    """Modalities, classes, and the client of each row."""
    rng = np.random.default_rng(0)
    y = np.arange(shape.n_rows) % shape.n_classes
    X = {}
    for k in range(shape.n_modalities):
        x = rng.standard_normal((shape.n_rows, shape.n_features), dtype=np.float32)
        x[:, :5] += np.take(rng.standard_normal((shape.n_classes, 5)), y, axis=0)
        X[f"m{k:03d}"] = x
    return mm.Modalities(X), y, rng.integers(shape.n_clients, size=shape.n_rows)


def measure(method: str, shape: Shape) -> float:
    """CPU seconds of a fit."""
    X, y, clients = make_data(shape)
    given = {"clients": clients} if method == "federated averaging" else {}
    start = time.process_time()
    METHODS[method]().fit(X, y, **given)
    return time.process_time() - start


def run(questions: list[str], folder: Path) -> pd.DataFrame:
    """Measure what is not there yet."""
    folder.mkdir(exist_ok=True)
    for question in questions:
        grows, sizes = QUESTIONS[question]
        for method in filter(lambda m: asked(question, m), METHODS):
            for size in sizes:
                table = read(NAME, folder, COLUMNS)
                there = table[(table["question"] == question) & (table["method"] == method)]
                if (there["value"].astype(float) > LIMIT).any():
                    break
                if (there["size"].astype(int) == size).any():
                    continue
                if size == sizes[0]:
                    measure(method, Shape())  # imports are not counted
                took = measure(method, Shape()._replace(**{grows: size}))
                line = (question, method, size, "cpu_seconds", f"{took:.3g}")
                print(*line, flush=True)
                pd.DataFrame([line]).to_csv(
                    _journal(NAME, folder), mode="a", header=False, index=False
                )
    table = read(NAME, folder, COLUMNS)
    write(table, NAME, folder)
    write(growth(table), f"{NAME}_growth", folder)
    return table


def growth(table: pd.DataFrame) -> pd.DataFrame:
    """Slope on log axes over the upper half of the sizes measured."""
    found = []
    for (question, method), part in table.groupby(["question", "method"], sort=False):
        upper = part.sort_values("size").iloc[len(part) // 2 - 1 :] if len(part) > 1 else part
        if len(upper) > 1:
            x, t = (np.log(upper[c].astype(float)) for c in ("size", "value"))
            found.append((question, method, round(float(np.polyfit(x, t, 1)[0]), 2)))
    return pd.DataFrame(found, columns=["question", "method", "slope"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("questions", nargs="*", help=f"of {', '.join(QUESTIONS)}; else all")
    parser.add_argument("--folder", type=Path, default=RESULTS)
    parser.add_argument("--show", action="store_true", help="measure nothing")
    args = parser.parse_args()
    unknown = set(args.questions) - set(QUESTIONS)
    if unknown:
        parser.error(f"no question {', '.join(sorted(unknown))}; there are {', '.join(QUESTIONS)}")
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    with threadpool_limits(1):
        questions = args.questions or list(QUESTIONS)
        table = read(NAME, args.folder, COLUMNS) if args.show else run(questions, args.folder)
    print(growth(table).to_string(index=False))


if __name__ == "__main__":
    main()
