"""Serial chains of matchers where genuine rows are rare: what the defaults give away.

A row is a comparison of two samples, a matcher gives it one score (minus the distance in one
modality), and it is genuine where both are of one class. Three real pairs of matchers (of
leaves100, mfeat, avdigits) and a synthetic one with hard subjects (as in
``examples/plot_serial_verification.py``), the weaker first; a matcher costs 1. Training and test
comparisons are of different samples. Three draws.

    python benchmarks/serial_rare.py           # a minute
    python benchmarks/serial_rare.py --show    # nothing is measured
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
from _protocols import load, read, write
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedKFold

from sk_mmbalance import Modalities, SerialFusionClassifier

#: The weaker matcher and the stronger one.
SETS = {
    "leaves100": ("shape", "margin"),
    "mfeat": ("zer", "kar"),
    "avdigits": ("audio", "image"),
    "synthetic": ("face", "finger"),
}
SHARES = (0.02, 0.1, 0.5)
N_ROWS = 2000
BALANCED = {"w_far": 0.5, "w_frr": 0.5}
METHODS = {
    "as it comes": {},
    "balanced rates": BALANCED,
    "balanced rates, 60% of the cost": {"thresholds": "budget", **BALANCED},
    "balanced rates, at any cost": {"price": 0.0, **BALANCED},
}
COLUMNS = ["dataset", "genuine", "method", "seed", "metric", "value"]


def compared(X, y, n, share, rng):
    """Scores of `n` pairs of rows, of which a share is of one class."""
    genuine = np.arange(n) < round(share * n)
    first = rng.integers(0, len(y), n)
    same = [np.flatnonzero(y == k) for k in range(y.max() + 1)]
    second = np.array([rng.choice(same[y[i]]) for i in first])
    other = rng.integers(0, len(y), (n, 20))  # the first of another class
    other = other[np.arange(n), (y[other] != y[first][:, None]).argmax(axis=1)]
    second = np.where(genuine, second, other)
    apart = {m: np.linalg.norm(X[m][first] - X[m][second], axis=1) for m in X}
    return {m: -d[:, None] / d.mean() for m, d in apart.items()}, genuine.astype(int)


def synthetic(n, share, rng):
    genuine = (np.arange(n) < round(share * n)).astype(int)
    subject = rng.normal(size=n)  # hard for any matcher
    strengths = {"face": 2.5, "finger": 4.0}
    noise = {m: 0.6 * subject + 0.8 * rng.normal(size=n) for m in strengths}
    return {m: (noise[m] + s * genuine)[:, None] for m, s in strengths.items()}, genuine


def drawn(name, share, seed):
    """Training and test comparisons."""
    rng = np.random.default_rng(seed)
    if name == "synthetic":
        return [synthetic(N_ROWS, share, rng) for _ in range(2)]
    protocol = load(name)
    half = np.isin(np.arange(len(protocol.y)), rng.permutation(len(protocol.y))[::2])
    parts = []
    for rows in (half, ~half):
        X = protocol.X[np.flatnonzero(rows)]
        chosen = {m: X[m] for m in SETS[name]}
        scaled = {m: (v - v.mean(0)) / (v.std(0) + 1e-6) for m, v in chosen.items()}
        parts.append(compared(scaled, protocol.y[rows], N_ROWS, share, rng))
    return parts


def measure() -> pd.DataFrame:
    rows = []
    for name in SETS:
        for share in SHARES:
            for seed in range(3):
                (X, y), (X_test, y_test) = drawn(name, share, seed)
                for method, params in METHODS.items():
                    if params.get("thresholds") == "budget":
                        params = {**params, "budget": 0.6 * len(X)}
                    stages = [(m, None, m, 1) for m in SETS[name]]
                    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
                    chain = SerialFusionClassifier(stages, **params, cv=folds)
                    chain.fit(Modalities(X), y)
                    report = chain.decision_report(Modalities(X_test))
                    told = {
                        "balanced accuracy": balanced_accuracy_score(y_test, report.labels),
                        "accuracy": np.mean(report.labels == y_test),
                        "share of full cost": report.mean_cost / len(X),
                    }
                    rows += [(name, share, method, seed, m, round(v, 4)) for m, v in told.items()]
            print(name, share, flush=True)
    return pd.DataFrame(rows, columns=COLUMNS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--show", action="store_true", help="measure nothing")
    show = parser.parse_args().show
    table = read("serial_rare", columns=COLUMNS) if show else measure()
    write(table, "serial_rare")
    cells = table.groupby(["dataset", "genuine", "method", "metric"], sort=False)["value"].mean()
    print(cells.unstack("metric").round(3).to_string())


if __name__ == "__main__":
    main()
