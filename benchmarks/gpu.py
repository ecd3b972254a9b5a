"""What a GPU does with it: samples a second, its busy share, and a search of 100 candidates.

"busy" is the share of the time by the clock in which kernels ran, of an epoch of training.
The search is 100 learning rates on one split, trained as one stack and one after another; a
fifth of the latter is timed, and five times that stands in the table. The device's name is in every
row; without a GPU nothing is measured, and the script says so.

    python benchmarks/gpu.py             # results/gpu, on a machine with a GPU
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from _protocols import RESULTS
from _speed.timing import device_name, keep, make_data, seconds
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from torch.profiler import ProfilerActivity, profile

from sk_mmbalance import Modalities, MultimodalClassifier
from sk_mmbalance.model_selection import VectorizedGridSearchCV

GPU = torch.device("cuda")
N_ROWS, N_EPOCHS, BATCHES = 100_000, 5, (128, 1024, 8192)
WIDTHS = (64, 512)
RATES = np.geomspace(1e-4, 1e-2, 100).tolist()


def make_net(width: int, batch_size: int, **params) -> MultimodalClassifier:
    settings = {
        "hidden_layer_sizes": (width,),
        "embedding_dim": width,
        "batch_size": batch_size,
        "max_epochs": N_EPOCHS,
        "early_stopping": False,
        "dtype": "float32",
        "device": "cuda",
        "random_state": 0,
    }
    return MultimodalClassifier(**settings | params)


def measure_training(repeats: int) -> list[dict]:
    """Samples a second and the busy share, in float32 and with ``amp``."""
    X, y = make_data(N_ROWS, 10)
    X, rows = Modalities(X), []
    for width in WIDTHS:
        for batch_size in BATCHES:
            for amp in (False, True):
                net = make_net(width, batch_size, amp=amp)
                clone(net).set_params(max_epochs=1).fit(X, y)  # warms up
                took = np.median(
                    [seconds(lambda n=net: n.fit(X, y), GPU)[0] for _ in range(repeats)]
                )
                about = {
                    "device": device_name(GPU),
                    "question": "training",
                    "case": f"width {width}, batch {batch_size}{', amp' if amp else ''}",
                }
                rows.append(
                    about | {"metric": "samples a second", "value": N_EPOCHS * N_ROWS / took}
                )
                rows.append(about | {"metric": "busy", "value": busy_share(net, X, y)})
    return rows


def busy_share(net: MultimodalClassifier, X: Modalities, y: np.ndarray) -> float:
    """Share of a training by the clock in which kernels ran."""
    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CUDA]) as kernels:
        start = time.perf_counter()
        clone(net).set_params(max_epochs=2).fit(X, y)
        torch.cuda.synchronize()
        took = time.perf_counter() - start
    return 1e-6 * sum(event.self_device_time_total for event in kernels.key_averages()) / took


def measure_search(repeats: int) -> list[dict]:
    """Seconds of 100 candidates, as one and one after another."""
    X, y = make_data(4000, 10)
    X, cv = Modalities(X), [(np.arange(2000), np.arange(2000, 4000))]
    net = make_net(64, 128)
    searches = {
        "stacked": VectorizedGridSearchCV(net, {"lr": RATES}, cv=cv, refit=False, stack=True),
        "one after another": GridSearchCV(net, {"lr": RATES[::5]}, cv=cv, refit=False),
    }
    rows = []
    for how, search in searches.items():
        search.fit(X, y)  # warms up
        took = np.median([seconds(lambda s=search: s.fit(X, y), GPU)[0] for _ in range(repeats)])
        rows.append(
            {
                "device": device_name(GPU),
                "question": "search of 100 candidates",
                "case": how,
                "metric": "seconds",
                "value": float(took) * (5 if how == "one after another" else 1),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=RESULTS)
    args = parser.parse_args()
    if not torch.cuda.is_available():
        print("gpu: there is no GPU here, and nothing is measured.")
        return
    rows = measure_training(args.repeats) + measure_search(args.repeats)
    keep("gpu", [row | {"value": float(f"{row['value']:.4g}")} for row in rows], args.folder)


if __name__ == "__main__":
    main()
