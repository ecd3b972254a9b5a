"""Time of training through `MultimodalClassifier` against a hand-written PyTorch loop.

The same network (two modalities of 64 and 32 features, MLP 64-64 each, concatenated), the same
optimiser, rows, batch size and number of epochs. Two baselines:

- "gather": the loop most people write, which gathers each batch by its row numbers;
- "slice": gathers the shuffled rows once per epoch and takes contiguous slices, as we do.

Times are CPU seconds of the training loop itself (or seconds by the clock on a GPU), the median of
`--repeats`; runs of the three alternate, so that a busy machine disturbs them alike.

    python benchmarks/training_speed.py [--device cpu] [--repeats 5]

rewrites ``benchmarks/results/training_speed.csv``.
"""

from __future__ import annotations

import argparse
import platform
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from sk_mmbalance import MultimodalClassifier

RESULTS = Path(__file__).parent / "results" / "training_speed.csv"
SIZES = {"first": 64, "second": 32}


def make_data(n: int, n_classes: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    rng = np.random.default_rng(0)
    X = {name: rng.standard_normal((n, d)).astype(np.float32) for name, d in SIZES.items()}
    y = (X["first"][:, :n_classes] + X["second"][:, :n_classes]).argmax(axis=1)
    return X, y


class HandNet(nn.Module):
    def __init__(self, n_classes: int):
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(nn.Linear(d, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
            for d in SIZES.values()
        )
        self.out = nn.Linear(64 * len(SIZES), n_classes)

    def forward(self, xs):
        pairs = zip(self.branches, xs, strict=True)
        return self.out(torch.cat([branch(x) for branch, x in pairs], dim=1))


def by_hand(X, y, n_classes, batch_size, n_epochs, device, how) -> None:
    xs = [torch.from_numpy(X[name]).to(device) for name in SIZES]
    target = torch.from_numpy(y).to(device)
    net = HandNet(n_classes).to(device)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=1e-4, fused=True)
    loss_of = nn.CrossEntropyLoss()
    n = len(y)
    for _ in range(n_epochs):
        total = torch.zeros((), device=device)
        right = torch.zeros((), device=device)
        order = torch.randperm(n).to(device)
        if how == "slice":
            shuffled, labels = [x[order] for x in xs], target[order]
        for start in range(0, n, batch_size):
            if how == "slice":
                batch = [x[start : start + batch_size] for x in shuffled]
                codes = labels[start : start + batch_size]
            else:
                rows = order[start : start + batch_size]
                batch, codes = [x[rows] for x in xs], target[rows]
            optimizer.zero_grad(set_to_none=True)
            logits = net(batch)
            loss = loss_of(logits, codes)
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(codes)
            right += (logits.detach().argmax(dim=1) == codes).sum()
        total.item(), right.item()


def by_estimator(X, y, n_classes, batch_size, n_epochs, device) -> None:
    MultimodalClassifier(
        max_epochs=n_epochs,
        batch_size=batch_size,
        early_stopping=False,
        device=str(device),
        dtype="float32",
        random_state=0,
    ).fit(X, y)


def seconds(run, device) -> float:
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    start = clock()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return clock() - start


def device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU ({platform.machine()}, 1 thread)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device(args.device)
    table = []
    for n, batch_size, n_epochs in [
        (20_000, 128, 6),
        (20_000, 32, 2),
        (2_000, 128, 30),
        (2_000, 32, 15),
    ]:
        for n_classes in (2, 10):
            X, y = make_data(n, n_classes)
            job = (X, y, n_classes, batch_size, n_epochs, device)
            runs = {
                "hand-written, gather": lambda j=job: by_hand(*j, "gather"),
                "hand-written, slice": lambda j=job: by_hand(*j, "slice"),
                "MultimodalClassifier": lambda j=job: by_estimator(*j),
            }
            times = {name: [] for name in runs}
            for run in runs.values():  # warm up
                run()
            for _ in range(args.repeats):
                for name, run in runs.items():
                    times[name].append(seconds(run, device))
            median = {name: float(np.median(t)) for name, t in times.items()}
            for name, value in median.items():
                table.append(
                    {
                        "device": device_name(device),
                        "rows": n,
                        "batch_size": batch_size,
                        "classes": n_classes,
                        "method": name,
                        "seconds": round(value, 4),
                        "ratio_to_gather": round(value / median["hand-written, gather"], 3),
                        "ratio_to_slice": round(value / median["hand-written, slice"], 3),
                    }
                )
    new = pd.DataFrame(table)
    print(new.to_string(index=False))
    if RESULTS.exists():
        old = pd.read_csv(RESULTS)
        new = pd.concat([old[old["device"] != device_name(device)], new])
    RESULTS.parent.mkdir(exist_ok=True)
    new.to_csv(RESULTS, index=False)


if __name__ == "__main__":
    main()
