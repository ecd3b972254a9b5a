"""Ours beside what anybody has at hand: seconds of a fit and of a prediction, and the accuracy.

Two halves of handwritten digits (1,797 rows, which come with scikit-learn), features scaled, half
of the rows for testing; everything as it comes, but for seeds and as many epochs for all networks.
Rounds alternate; CPU seconds of all processes, of one thread each. One set says who is how fast,
not who is how accurate: for that see `accuracy.py`.

    python benchmarks/peers.py             # results/peers, results/peers_ratios
    python benchmarks/peers.py --rounds 1
"""

from __future__ import annotations

import argparse
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from _protocols import RESULTS, write
from _speed.rounds import ratios, run_rounds, timed
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from skorch import NeuralNetClassifier
from threadpoolctl import threadpool_limits
from torch import nn

import sk_mmbalance as mm
from sk_mmbalance.datasets import load_digits_views

EPOCHS, WIDTH, OURS = 30, 64, "joint network"

#: What learns from all columns side by side.
SIDE_BY_SIDE: dict[str, Any] = {
    "logistic regression": LogisticRegression(max_iter=1000),
    "boosted trees": HistGradientBoostingClassifier(random_state=0),
    "SVM": SVC(),
    "MLPClassifier": MLPClassifier((WIDTH, WIDTH), max_iter=EPOCHS, random_state=0),
    "skorch": None,  # made where the number of columns is known
}
#: What knows modalities.
OF_MODALITIES: dict[str, Any] = {
    "late fusion, logistic regression": mm.LateFusionClassifier(LogisticRegression(max_iter=1000)),
    OURS: mm.MultimodalClassifier(max_epochs=EPOCHS, early_stopping=False, random_state=0),
    "opinion pool": mm.OpinionPoolClassifier(random_state=0),
}


def make_skorch(n_features: int, n_classes: int) -> NeuralNetClassifier:
    """A plain network on all columns in skorch as it comes."""
    net = nn.Sequential(
        *(nn.Linear(n_features, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU()),
        nn.Linear(WIDTH, n_classes),
    )
    return NeuralNetClassifier(
        net,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.AdamW,
        lr=1e-3,
        max_epochs=EPOCHS,
        batch_size=64,
        train_split=None,
        verbose=0,
    )


def competitors() -> dict[str, Callable[[], dict[str, float]]]:
    """What fits and predicts, by name."""
    X, y = load_digits_views(return_X_y=True)
    scaled = {view: StandardScaler().fit_transform(X[view]).astype(np.float32) for view in X}
    halves = train_test_split(mm.Modalities(scaled), y, test_size=0.5, random_state=0, stratify=y)
    flat = [np.hstack([half[view] for view in half]) for half in halves[:2]]
    runs = {}
    for name, model in (SIDE_BY_SIDE | OF_MODALITIES).items():
        rows = halves[:2] if name in OF_MODALITIES else flat
        if model is None:
            model = make_skorch(flat[0].shape[1], len(np.unique(y)))

        def run(model: Any = model, rows: Any = rows) -> dict[str, float]:
            fitted = clone(model).fit(rows[0], halves[2])
            found: list[np.ndarray] = []
            took = timed(lambda: found.append(fitted.predict(rows[1])))
            right = float(np.mean(found[0] == halves[3]))
            return {"cpu_seconds to predict": took["cpu_seconds"], "accuracy": right}

        runs[name] = run
    return runs


def peer_ratios(table: pd.DataFrame) -> pd.DataFrame:
    """How much faster than our network each is, in CPU seconds of fit and prediction together."""
    return ratios(table[table["metric"] == "cpu_seconds"], OURS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=RESULTS)
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    with threadpool_limits(1):
        runs = competitors()
        for run in runs.values():
            run()  # imports are not counted
        table = run_rounds("peers", "digits, two halves", runs, args.rounds, args.folder)
    write(peer_ratios(table), "peers_ratios", args.folder)
    print(table.groupby(["method", "metric"])["value"].median().unstack().to_string())


if __name__ == "__main__":
    main()
