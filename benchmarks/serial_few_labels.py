"""Five labels per class: a strong modality teaches a weak one, with projection and guard.

Pairs of a weak and a strong modality on mfeat, dermatology and breast cancer, and three of them
the wrong way round, where the "strong" side is the weaker. Ten random splits, 40 % test; of the
rest five rows of each class keep their label. Reported is the accuracy of the *weak* classifier
(as trained), of the strong one, and of the chain of both with its acquisition cost (weak 1,
strong 10 more, price 0.01). Logistic regression on scaled features everywhere, nothing tuned.

    python benchmarks/serial_few_labels.py          # rewrites results/serial_few_labels.csv.xz
    python benchmarks/serial_few_labels.py --table  # shows it

Dermatology is read from the folder named by SK_MMBALANCE_DATA, and left out where it is not there.
"""

from __future__ import annotations

import argparse
import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from _protocols import read, write
from sklearn.model_selection import train_test_split

from sk_mmbalance import Modalities, SerialSemiSupervisedClassifier
from sk_mmbalance.datasets import fetch_mfeat, load_breast_cancer_views
from sk_mmbalance.exceptions import TeachingWarning

NAME = "serial_few_labels"
N_SPLITS = 10
N_LABELS = 5
UNLABELLED = -1

METHODS = {
    "supervised": {},
    "pseudo-labels, no guard": {"guard": False},
    "pseudo-labels, guard": {},
    "projection only": {"use_dmdr": True, "confident_fraction": 0.0, "guard": False},
    "projection and pseudo-labels, no guard": {"use_dmdr": True, "guard": False},
    "projection and pseudo-labels, guard": {"use_dmdr": True},
}


def pairs():
    X, y = fetch_mfeat(return_X_y=True)
    yield "mfeat", X, y, "mor", "kar"
    yield "mfeat", X, y, "fou", "kar"
    yield "mfeat", X, y, "zer", "fac"
    yield "mfeat", X, y, "kar", "mor"
    file = Path(os.environ.get("SK_MMBALANCE_DATA", "")) / "dermatology.npz"
    if file.is_file():
        X, y = Modalities.load(file), np.load(file)["y"]
        yield "dermatology", X, y, "clinical", "histopathological"
        yield "dermatology", X, y, "histopathological", "clinical"
    X, y = load_breast_cancer_views(return_X_y=True)
    yield "breast cancer", X, y, "mean", "worst"
    yield "breast cancer", X, y, "worst", "error"


def run(X, y, weak, strong, split):
    rows = np.arange(len(y))
    train, test = train_test_split(rows, test_size=0.4, stratify=y, random_state=split)
    few = np.full(len(y), UNLABELLED)
    for c in np.unique(y):
        labelled = train[y[train] == c][:N_LABELS]  # `train` is in random order
        few[labelled] = c
    for method, params in METHODS.items():
        model = SerialSemiSupervisedClassifier(weak, strong, unlabeled_label=UNLABELLED, **params)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TeachingWarning)
            used = train[few[train] != UNLABELLED] if method == "supervised" else train
            model.fit(X[used], few[used])
        report = model.decision_report(X[test])
        yield method, "weak accuracy", model.weak_estimator_.score(X[weak][test], y[test])
        yield method, "chain accuracy", float((report.labels == y[test]).mean())
        yield method, "chain cost", report.mean_cost
        yield method, "taught", float(model.taught_)
    yield "strong side", "weak accuracy", model.strong_estimator_.score(X[strong][test], y[test])


def table(data: pd.DataFrame) -> None:
    for metric, part in data.groupby("metric", sort=False):
        cells = part.groupby(["pair", "method"], sort=False)["value"].agg(["mean", "std"])
        text = cells.apply(lambda c: f"{c['mean']:.3f} ± {c['std']:.3f}", axis=1).unstack("pair")
        order = [list(dict.fromkeys(part[name])) for name in ("method", "pair")]
        print(f"\n{metric}\n{text.loc[order[0], order[1]].T.to_string()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", action="store_true", help="only show the results")
    if not parser.parse_args().table:
        records = []
        for dataset, X, y, weak, strong in pairs():
            pair = f"{dataset}: {weak} → {strong}"
            X = X.select([weak, strong])
            for split in range(N_SPLITS):
                for method, metric, value in run(X, y, weak, strong, split):
                    records.append((dataset, pair, method, split, split, metric, round(value, 6)))
            print(pair, "done", flush=True)
        columns = ["dataset", "pair", "method", "seed", "fold", "metric", "value"]
        write(pd.DataFrame(records, columns=columns), NAME)
    table(read(NAME))


if __name__ == "__main__":
    main()
