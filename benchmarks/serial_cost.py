"""Accuracy against acquisition cost of serial chains.

Two questions. On mfeat (six feature views, cost of a view = its number of features): how much of
the cost of all 649 features does a chain need for the accuracy of all of them? And on breast
cancer (10 mean columns at cost 1, then 10 worst columns at cost 10): what happens to error rates
and cost as the price of cost goes up, and how far off is the model of independent stages?

Five stratified folds, logistic regression on scaled features everywhere. Prices and budgets are
fixed beforehand; thresholds and orders come from the training part of each fold.

    python benchmarks/serial_cost.py          # rewrites results/serial_cost.csv.xz
    python benchmarks/serial_cost.py --table  # shows it
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
from _protocols import read, write
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_mmbalance import (
    LateFusionClassifier,
    ModalityConcatenator,
    ModalitySelector,
    SerialFusionClassifier,
    UnimodalClassifier,
)
from sk_mmbalance.datasets import fetch_mfeat, load_breast_cancer_views

NAME = "serial_cost"
SEED = 0
# All 649 features of a row are worth 0.65 points of accuracy.
PRICE = 1e-5
BREAST_CANCER_PRICES = (0.0, 0.001, 0.003, 0.01, 0.03)


def logistic():
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))


def folds(y):
    return enumerate(StratifiedKFold(5, shuffle=True, random_state=SEED).split(y, y))


def mfeat():
    X, y = fetch_mfeat(return_X_y=True)
    total = sum(X[name].shape[1] for name in X)
    baselines = {
        "all modalities (concatenated)": make_pipeline(ModalityConcatenator(), logistic()),
        "late fusion": LateFusionClassifier(logistic()),
        "best single modality": UnimodalClassifier(logistic()),
    }
    in_order = sorted(X, key=lambda name: X[name].shape[1])
    for k in (3, 4, 5):  # to every chain its first modalities, for every row
        some = make_pipeline(ModalitySelector(in_order[:k]), ModalityConcatenator(), logistic())
        baselines[f"first {k} modalities (concatenated)"] = some
    half = {"thresholds": "budget", "budget": total / 2}
    chains = {
        "chain": SerialFusionClassifier(price=PRICE),
        "chain, order searched": SerialFusionClassifier(price=PRICE, order="search"),
        "chain, stages accumulate": SerialFusionClassifier(price=PRICE, accumulate=True),
        "chain, half the budget": SerialFusionClassifier(**half),
        "chain, stages accumulate, half the budget": SerialFusionClassifier(
            accumulate=True, **half
        ),
    }
    for fold, (train, test) in folds(y):
        everything = None
        for method, baseline in baselines.items():
            model = baseline.fit(X[train], y[train])
            accuracy = model.score(X[test], y[test])
            everything = accuracy if everything is None else everything
            cost = total
            if method == "best single modality":
                cost = X[model.best_modality_].shape[1]
            elif method.startswith("first"):
                cost = model[-1].n_features_in_
            yield from rows("mfeat", method, fold, everything, accuracy, cost / total)
        for method, chain in chains.items():
            chain.fit(X[train], y[train])
            accuracy = chain.score(X[test], y[test])
            cost = chain.acquisition_cost(X[test]).mean / total
            yield from rows("mfeat", method, fold, everything, accuracy, cost)
            print(fold, method, f"{accuracy:.4f} {cost:.3f}", " ".join(chain.stage_names_))


def rows(dataset, method, fold, everything, accuracy, cost):
    values = {
        "accuracy": accuracy,
        "difference to all modalities": accuracy - everything,
        "share of full cost": cost,
    }
    for metric, value in values.items():
        yield dataset, method, SEED, fold, metric, value


def breast_cancer():
    X, y = load_breast_cancer_views(return_X_y=True)
    X = X.select(["mean", "worst"])
    stages = [("mean", None, "mean", 1), ("worst", None, "worst", 10)]
    for fold, (train, test) in folds(y):
        for name in X:
            accuracy = logistic().fit(X[name][train], y[train]).score(X[name][test], y[test])
            cost = {"mean": 1, "worst": 10}[name]
            for metric, value in (("accuracy", accuracy), ("mean cost", cost)):
                yield "breast cancer", f"{name} alone", SEED, fold, metric, value
        chain = SerialFusionClassifier(stages).fit(X[train], y[train])
        curve = chain.cost_curve(X[test], y[test], prices=BREAST_CANCER_PRICES)
        columns = {
            "accuracy": "accuracy",
            "deferred share": "deferred_share",
            "mean cost": "mean_cost",
            "FAR observed": "far",
            "FAR of the model": "predicted_far",
            "FRR observed": "frr",
            "FRR of the model": "predicted_frr",
        }
        for row in curve.to_dict("records"):
            for metric, column in columns.items():
                yield "breast cancer", f"price {row['price']:g}", SEED, fold, metric, row[column]


def table(data: pd.DataFrame) -> None:
    for dataset, part in data.groupby("dataset", sort=False):
        cells = part.groupby(["method", "metric"], sort=False)["value"].agg(["mean", "std"])
        text = cells.apply(lambda c: f"{c['mean']:.3f} ± {c['std']:.3f}", axis=1).unstack("metric")
        order = [list(dict.fromkeys(part[name])) for name in ("method", "metric")]
        print(f"\n{dataset}\n{text.loc[order[0], order[1]].fillna('').to_string()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", action="store_true", help="only show the results")
    if not parser.parse_args().table:
        columns = ["dataset", "method", "seed", "fold", "metric", "value"]
        data = pd.DataFrame([*breast_cancer(), *mfeat()], columns=columns)
        data["value"] = np.round(data["value"], 6)
        write(data, NAME)
    table(read(NAME))


if __name__ == "__main__":
    main()
