"""Federated training where half of the clients lack a modality, beside its ceiling and its floor.

The training fold is split over ten clients with skewed labels (Dirichlet 0.5); five of them have
all modalities, the others lack one each, in turn. Folds are those of the set's protocol: for
avdigits the speakers of the test fold are never heard in training. Test rows have all modalities;
"only the ..." predicts them from one modality alone.

All arms have the same encoders, optimiser and batches, and each training row is seen equally often
(the rounds times the local epochs times the share of clients in a round). Ceiling: all rows in one
place, the same modalities lacking. Floor: every client for itself, the mean over the ten models.
Modalities are standardised on the whole training fold, as if the clients had agreed on scales.

The learning rate is chosen for every arm and set from the same three, by accuracy on a fifth of the
first training fold (for avdigits, of its speakers), one seed; the test folds are not looked at.

    python benchmarks/federated.py --choose     # results/federated_lr.csv
    python benchmarks/federated.py              # results/federated.csv
"""

from __future__ import annotations

import argparse
import warnings

import numpy as np
import pandas as pd
from _protocols import RESULTS, Protocol, load, measure, percent, run, scores, summary
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

DATASETS = ["mfeat", "avdigits"]
RATES = (0.01, 0.03, 0.1)
ROUNDS, LOCAL_EPOCHS, SHARE, N_CLIENTS = 40, 2, 0.5, 10
CENTRAL = "central training"
LOCAL = "every client for itself"
NAMES = [CENTRAL, LOCAL, "FedAvg", "FedProx", "FedCMI", "CMSFed, tau 1", "CMSFed, tau 2"]

COMMON = {"missing": "mask", "dtype": "float32", "evaluate_every": 0}
ROUND = {"n_rounds": ROUNDS, "local_epochs": LOCAL_EPOCHS, "clients_per_round": SHARE}
#: as often over every row as the rounds go, on average
ALONE = {"n_rounds": int(ROUNDS * LOCAL_EPOCHS * SHARE), "local_epochs": 1}


class Federation(ClassifierMixin, BaseEstimator):
    """Splits the training rows over clients before the estimator sees them."""

    def __init__(self, estimator=None, kind="federated", seed=0):
        self.estimator = estimator
        self.kind = kind
        self.seed = seed

    def fit(self, X, y):
        clients = dirichlet_clients(y, N_CLIENTS, 0.5, min_rows=10, random_state=self.seed)
        lacking = lacking_modalities(clients, X.names, 0.5, random_state=self.seed)
        X = without_modalities(X, clients, lacking)
        self.classes_ = np.unique(y)
        if self.kind == "federated":
            self.models_ = [clone(self.estimator).fit(X, y, clients=clients)]
        elif self.kind == "central":
            self.models_ = [clone(self.estimator).fit(X, y)]
        else:
            each = [np.flatnonzero(clients == k) for k in range(N_CLIENTS)]
            self.models_ = [self._by_itself(X[rows], y[rows]) for rows in each]
        return self

    def _by_itself(self, X, y):
        """A model of one client's rows alone; it knows of all classes, though it may lack some."""
        task = Task({m: X[m].shape[1:] for m in X.names}, tuple(self.classes_.tolist()))
        method = self.estimator._method()
        server = Server(method, task, ["client"], self.seed)
        engine = InProcessEngine({"client": ClientTrainer(method, task, task.read(X, y))})
        while not server.finished:
            server.receive(engine.exchange(server.orders()))
        return clone(self.estimator)._adopt(server)

    def predict_proba(self, X):
        return self.models_[0].predict_proba(X)


def arms(rates: dict[str, float]) -> dict:
    """All arms; `rates` has the learning rate of each."""

    def federated(cls, name, **params):
        return lambda seed: Federation(
            cls(**ROUND, **COMMON, lr=rates[name], random_state=seed, **params), seed=seed
        )

    def alone(name, kind):
        return lambda seed: Federation(
            FedAvgClassifier(**ALONE, **COMMON, lr=rates[name], random_state=seed), kind, seed
        )

    return {
        CENTRAL: alone(CENTRAL, "central"),
        LOCAL: alone(LOCAL, "local"),
        "FedAvg": federated(FedAvgClassifier, "FedAvg"),
        "FedProx": federated(FedAvgClassifier, "FedProx", prox_mu=0.1),
        "FedCMI": federated(FedCMIClassifier, "FedCMI"),
        "CMSFed, tau 1": federated(CMSFedClassifier, "CMSFed, tau 1", tau=1.0),
        "CMSFed, tau 2": federated(CMSFedClassifier, "CMSFed, tau 2", tau=2.0),
    }


def stress(fitted: Federation, X: Modalities, y: np.ndarray) -> dict[str, float]:
    """Accuracy from each modality alone; for the floor all figures are means over its models."""
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


def inner(protocol: Protocol) -> Protocol:
    """The first training fold, a fifth of it held out."""
    train, _ = protocol.folds[0]
    if protocol.fit_groups is None:
        split = StratifiedShuffleSplit(1, test_size=0.2, random_state=0)
        parts = next(split.split(train, protocol.y[train]))
    else:
        split = GroupShuffleSplit(1, test_size=0.2, random_state=0)
        parts = next(split.split(train, groups=protocol.fit_groups[train]))
    folds = [(train[parts[0]], train[parts[1]])]
    return Protocol(protocol.name, protocol.X, protocol.y, folds)


def choose() -> None:
    """Measure every arm at every rate on held-out training rows."""
    file = RESULTS / "federated_lr.csv"
    columns = ["dataset", "method", "lr", "seed", "fold", "metric", "value"]
    done = pd.read_csv(file) if file.exists() else pd.DataFrame(columns=columns)
    known = set(done[columns[:3]].itertuples(index=False, name=None))
    for dataset in DATASETS:
        protocol = inner(load(dataset))
        for lr in RATES:
            for name, make in arms(dict.fromkeys(NAMES, lr)).items():
                if (dataset, name, lr) in known:
                    continue
                value = measure(protocol, 0, make(0), stress=stress)["accuracy"]
                row = (dataset, name, lr, 0, 0, "accuracy", round(value, 6))
                print(*row, flush=True)
                done = pd.DataFrame([*done.itertuples(index=False), row], columns=columns)
                done.to_csv(file, index=False)


def chosen_rates(dataset: str) -> dict[str, float]:
    """Best rate of every arm; of equals the smaller."""
    table = pd.read_csv(RESULTS / "federated_lr.csv")
    table = table[table["dataset"] == dataset].sort_values(["value", "lr"], ascending=[False, True])
    return table.groupby("method")["lr"].first().to_dict()


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
    splits = {"mfeat": 3}

    def by_set(dataset: str) -> dict:
        return arms(chosen_rates(dataset))

    seeds = range(args.seeds)
    show(run("federated", by_set, args.datasets, seeds, stress=stress, n_splits=splits))


if __name__ == "__main__":
    main()
