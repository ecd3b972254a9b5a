"""Accuracy when rows lack modalities, in training and in prediction, on mfeat.

Each modality of each row is removed with the given rate, independently; every row keeps at least
one. The same rows are removed for both models and nested over rates (what is gone at 10 % is gone
at 20 %). A plain joint network (``unimodal_weight=0``) with ``missing="mask"``, and late fusion of
logistic regressions on the same rows. 5 folds, 2 seeds (of the removal and the network). Rewrites
``results/missing_rate.csv.xz``.

    python benchmarks/missing_rate.py
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from _protocols import load, write
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_mmbalance import (
    LateFusionClassifier,
    Modalities,
    ModalityTransformer,
    MultimodalClassifier,
)

RATES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
SEEDS = range(2)


def models(seed):
    shared = {"missing": "mask", "max_epochs": 50, "early_stopping": False, "random_state": seed}
    return {
        "joint network": MultimodalClassifier(unimodal_weight=0.0, **shared),
        "late fusion, logistic regression": LateFusionClassifier(
            LogisticRegression(max_iter=1000), missing="mask"
        ),
    }


def remove(X, rate, seed):
    """Rows with modalities removed; never all of a row's."""
    draws = np.random.default_rng(seed).random((len(X), len(X.names)))
    draws[np.arange(len(X)), draws.argmax(axis=1)] = 1.0
    absent = draws < rate
    return Modalities(
        {
            name: np.where(absent[:, [column]], np.float32(np.nan), X[name])
            for column, name in enumerate(X.names)
        }
    )


def main() -> None:
    torch.set_num_threads(1)
    protocol = load("mfeat")
    rows = []
    for seed in SEEDS:
        for rate in RATES:
            X = remove(protocol.X, rate, seed)
            for fold, (train, test) in enumerate(protocol.folds):
                for name, model in models(seed).items():
                    scale = ModalityTransformer({}, remainder=StandardScaler())
                    fitted = make_pipeline(scale, model).fit(X[train], protocol.y[train])
                    value = fitted.score(X[test], protocol.y[test])
                    rows.append(("mfeat", name, rate, seed, fold, "accuracy", round(value, 6)))
            print(f"seed {seed}, rate {rate:.1f} done", flush=True)
    columns = ["dataset", "method", "missing_rate", "seed", "fold", "metric", "value"]
    frame = pd.DataFrame(rows, columns=columns)
    write(frame, "missing_rate")
    print(frame.groupby(["method", "missing_rate"])["value"].mean().unstack().round(4).to_string())


if __name__ == "__main__":
    main()
