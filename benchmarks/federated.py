"""Federated training where half of the clients lack a modality, between two bounds.

The training fold is split over ten clients with skewed labels (Dirichlet 0.5); five of them have
all modalities, the others lack one each, in turn. mfeat has its own split into training and test
rows; of avdigits' six speakers two are left out in each of three folds. Test rows have all
modalities; ``accuracy[image]`` is that of the same model given the images alone.

All methods have the same encoders, optimiser and batches, and each training row is seen equally
often (the rounds times the local epochs times the share of clients in a round). The upper bound:
all rows in one place, the same modalities lacking. The lower: every client for itself, the mean
over the ten models. Modalities are standardised on the whole training fold, as if the clients had
agreed on scales.

The learning rate is chosen for every method and training fold from the same three, by accuracy on a
part of that fold (a fifth; for avdigits one of its four speakers), one seed. Test rows are not
looked at.

    python benchmarks/federated.py --choose     # results/federated_lr.csv.xz
    python benchmarks/federated.py              # results/federated.csv.xz
"""

from __future__ import annotations

import argparse
import warnings
import zlib
from functools import partial

import numpy as np
import pandas as pd
from _protocols import Protocol, load, measure, percent, read, run, scores, summary, write
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.model_selection import GroupShuffleSplit, StratifiedShuffleSplit

from sk_mmbalance import Modalities
from sk_mmbalance.federated import (
    ClientTrainer,
    CMSFedClassifier,
    FedAvgClassifier,
    FedCMIClassifier,
    InProcessEngine,
    Server,
    Task,
    dirichlet_clients,
    lacking_modalities,
    without_modalities,
)

DATASETS = ["mfeat:official", "avdigits"]
RATES = (0.01, 0.03, 0.1)
ROUNDS, LOCAL_EPOCHS, SHARE, N_CLIENTS = 30, 2, 0.5, 10
CENTRAL = "central training"
LOCAL = "every client for itself"
NAMES = [CENTRAL, LOCAL, "FedAvg", "FedProx", "FedCMI", "CMSFed, published", "CMSFed"]

COMMON = {"missing": "mask", "dtype": "float32", "evaluate_every": 0}
ROUND = {"n_rounds": ROUNDS, "local_epochs": LOCAL_EPOCHS, "clients_per_round": SHARE}
#: as often over every row as the rounds go, on average
ALONE = {"n_rounds": int(ROUNDS * LOCAL_EPOCHS * SHARE), "local_epochs": 1}


class Federation(ClassifierMixin, BaseEstimator):
    """Splits the training rows over clients before the estimator sees them.

    `rates` has the learning rate of every training fold, by a checksum of its labels.
    """

    def __init__(self, estimator=None, rates=None, kind="federated", seed=0):
        self.estimator = estimator
        self.rates = rates
        self.kind = kind
        self.seed = seed

    def fit(self, X, y):
        estimator = clone(self.estimator).set_params(lr=self.rates[checksum(y)])
        clients = dirichlet_clients(y, N_CLIENTS, 0.5, min_rows=10, random_state=self.seed)
        lacking = lacking_modalities(clients, X.names, 0.5, random_state=self.seed)
        X = without_modalities(X, clients, lacking)
        self.classes_ = np.unique(y)
        if self.kind == "federated":
            self.models_ = [estimator.fit(X, y, clients=clients)]
        elif self.kind == "central":
            self.models_ = [estimator.fit(X, y)]
        else:
            each = [np.flatnonzero(clients == k) for k in range(N_CLIENTS)]
            self.models_ = [self._by_itself(estimator, X[rows], y[rows]) for rows in each]
        return self

    def _by_itself(self, estimator, X, y):
        """A model of one client's rows alone; it knows of all classes, though it may lack some."""
        task = Task({m: X[m].shape[1:] for m in X.names}, tuple(self.classes_.tolist()))
        method = estimator._method()
        server = Server(method, task, ["client"], self.seed)
        engine = InProcessEngine({"client": ClientTrainer(method, task, task.read(X, y))})
        while not server.finished:
            server.receive(engine.exchange(server.orders()))
        return clone(estimator)._adopt(server)

    def predict_proba(self, X):
        return self.models_[0].predict_proba(X)


def checksum(y: np.ndarray) -> int:
    """Tell training folds apart."""
    return zlib.crc32(np.ascontiguousarray(y).tobytes())


def methods(rates: dict[str, dict[int, float]]) -> dict:
    """All methods; `rates` has the learning rate of each in every training fold."""

    def federated(make, name, **params):
        return lambda seed: Federation(
            make(**ROUND, **COMMON, random_state=seed, **params), rates[name], seed=seed
        )

    def alone(name, kind):
        return lambda seed: Federation(
            FedAvgClassifier(**ALONE, **COMMON, random_state=seed), rates[name], kind, seed
        )

    return {
        CENTRAL: alone(CENTRAL, "central"),
        LOCAL: alone(LOCAL, "local"),
        "FedAvg": federated(FedAvgClassifier, "FedAvg"),
        "FedProx": federated(FedAvgClassifier, "FedProx", prox_mu=0.1),
        "FedCMI": federated(FedCMIClassifier, "FedCMI"),
        # measured before the published form had its first visit
        "CMSFed, published": federated(
            partial(CMSFedClassifier.published, first_visit="trained"), "CMSFed, published"
        ),
        "CMSFed": federated(CMSFedClassifier, "CMSFed"),
    }


def stress(fitted: Federation, X: Modalities, y: np.ndarray) -> dict[str, float]:
    """Accuracy from each modality alone; means over its models where it has several."""
    figures = {}
    inputs = {"": X, **{f"[{name}]": X.select([name]) for name in X.names}}
    for suffix, given in inputs.items():
        found = [scores(y, model.predict_proba(given), model.classes_) for model in fitted.models_]
        for metric in found[0]:
            figures[metric + suffix] = float(np.mean([f[metric] for f in found]))
    history = fitted.models_[0].history_
    if fitted.kind == "federated":
        figures["megabytes"] = (history["bytes_down"] + history["bytes_up"]).sum() / 1e6
    return figures


def inner(protocol: Protocol, fold: int) -> Protocol:
    """A training fold, a part of it held out."""
    train, _ = protocol.folds[fold]
    if protocol.fit_groups is None:
        split = StratifiedShuffleSplit(1, test_size=0.2, random_state=0)
        kept, out = next(split.split(train, protocol.y[train]))
    else:
        split = GroupShuffleSplit(1, test_size=0.2, random_state=0)
        kept, out = next(split.split(train, groups=protocol.fit_groups[train]))
    return Protocol(protocol.name, protocol.X, protocol.y, [(train[kept], train[out])])


def choose() -> None:
    """Measure every method at every rate on held-out training rows."""
    columns = ["dataset", "method", "lr", "seed", "fold", "metric", "value"]
    done = read("federated_lr", columns=columns)
    known = set(done[["dataset", "method", "lr", "fold"]].itertuples(index=False, name=None))
    for dataset in DATASETS:
        protocol = load(dataset)
        for fold in range(len(protocol.folds)):
            part = inner(protocol, fold)
            key = checksum(part.y[part.folds[0][0]])
            for lr in RATES:
                for name, make in methods({each: {key: lr} for each in NAMES}).items():
                    if (dataset, name, lr, fold) in known:
                        continue
                    value = measure(part, 0, make(0), stress=stress)["accuracy"]
                    row = (dataset, name, lr, 0, fold, "accuracy", round(value, 6))
                    print(*row, flush=True)
                    done = pd.DataFrame([*done.itertuples(index=False), row], columns=columns)
                    write(done, "federated_lr")


def chosen_rates(dataset: str) -> dict[str, dict[int, float]]:
    """Best rate of every method in each training fold; of equals the smaller."""
    protocol = load(dataset)
    table = read("federated_lr")
    table = table[table["dataset"] == dataset].sort_values(["value", "lr"], ascending=[False, True])
    best = table.groupby(["method", "fold"])["lr"].first()
    keys = [checksum(protocol.y[train]) for train, _ in protocol.folds]
    return {name: {key: best[name, fold] for fold, key in enumerate(keys)} for name in NAMES}


def show(frame: pd.DataFrame) -> None:
    """Print what the table says."""
    with pd.option_context("display.width", 200):
        print(percent(summary(frame)), end="\n\n")
        print(percent(summary(frame, "accuracy[*]")).T, end="\n\n")
        print(frame[frame["metric"] == "megabytes"].groupby(["dataset", "method"])["value"].mean())
        print(frame[frame["metric"] == "seconds"].groupby(["dataset", "method"])["value"].mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--choose", action="store_true", help="measure the learning rates")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--datasets", nargs="*", default=DATASETS)
    args = parser.parse_args()
    warnings.simplefilter("default")
    if args.choose:
        choose()
        return

    def by_set(dataset: str) -> dict:
        return methods(chosen_rates(dataset))

    seeds = range(args.seeds)
    show(run("federated", by_set, args.datasets, seeds, stress=stress))


if __name__ == "__main__":
    main()
