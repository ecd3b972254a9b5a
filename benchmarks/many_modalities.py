"""How cost grows with the number of modalities, in every family.

500 rows, five columns a modality, two classes; every third modality tells a little of them. From 3
to 1,000 modalities: processor seconds of `fit` and of `predict` (of `transform`, of reading a file
back), of the joint network also of an epoch, and what the fit takes in memory beyond its data. All
runs have one thread. A family that takes longer than `LIMIT` processor seconds is stopped, and not
asked for more modalities; the table says so. A run that was stopped goes on where it was.

    python benchmarks/many_modalities.py              # rewrites the two tables
    python benchmarks/many_modalities.py --most 100   # up to so many modalities
    python benchmarks/many_modalities.py --again ARM  # these families anew
    python benchmarks/many_modalities.py --show       # nothing is measured
"""

from __future__ import annotations

import argparse
import gc
import os
import signal
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _protocols import RESULTS, _journal, read, write
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

import sk_mmbalance as mm
from sk_mmbalance.balancing import OGM

NAME = "many_modalities"
COLUMNS = ["family", "modalities", "metric", "value"]
SIZES = (3, 10, 30, 100, 300, 1000)
LIMIT = 60.0  # processor seconds
NEURAL = {"max_epochs": 2, "random_state": 0}
FEDERATED = {"n_rounds": 1, "local_epochs": 1, "random_state": 0}

#: What makes an estimator of the modalities' names. Those whose name ends in "regressor" get
#: numbers, "federated" ones four clients, the semi-supervised one labels of half the rows.
FAMILIES: dict[str, Callable[[tuple[str, ...]], Any]] = {
    "best single modality": lambda names: mm.UnimodalClassifier(),
    "late fusion": lambda names: mm.LateFusionClassifier(),
    "late fusion, stacked": lambda names: mm.LateFusionClassifier(rule="stacking"),
    "late fusion regressor": lambda names: mm.LateFusionRegressor(),
    "opinion pool, linear experts": lambda names: mm.OpinionPoolClassifier(
        {name: (LogisticRegression(max_iter=1000), name) for name in names}
    ),
    "ARM": lambda names: mm.ARMClassifier(),
    "ARM regressor": lambda names: mm.ARMRegressor(),
    "joint network": lambda names: mm.MultimodalClassifier(**NEURAL),
    "joint network, float32": lambda names: mm.MultimodalClassifier(dtype="float32", **NEURAL),
    "joint network regressor": lambda names: mm.MultimodalRegressor(**NEURAL),
    "network with OGM": lambda names: mm.MultimodalClassifier(balancing=OGM(), **NEURAL),
    "negative learning": lambda names: mm.NegativeLearningClassifier(**NEURAL),
    "remixing": lambda names: mm.DataRemixingClassifier(**NEURAL),
    "sustained boosting": lambda names: mm.SustainedBoostingClassifier(**NEURAL),
    "serial chain": lambda names: mm.SerialFusionClassifier(
        [(name, None, name, 1.0 + k) for k, name in enumerate(names)]
    ),
    "semi-supervised chain": lambda names: mm.SerialSemiSupervisedClassifier(unlabeled_label=-1),
    "federated averaging": lambda names: mm.FedAvgClassifier(**FEDERATED),
    "federated CMSFed": lambda names: mm.CMSFedClassifier(**FEDERATED),
    "federated FedCMI": lambda names: mm.FedCMIClassifier(**FEDERATED),
    "scaling each modality": lambda names: mm.ModalityTransformer(
        {name: StandardScaler() for name in names}
    ),
    "concatenation": lambda names: mm.ModalityConcatenator(),
    "container: written and read": lambda names: _Container(),
}


#: Of these a longer fit tells what an epoch costs.
BY_EPOCH = ("joint network", "joint network, float32")


class _Container:
    """Writing modalities to a file stands for fitting, reading them back for predicting."""

    def __init__(self) -> None:
        self.file = Path(tempfile.mkdtemp()) / "rows.npz"

    def fit(self, X: mm.Modalities, y: Any) -> _Container:
        X[: len(X) // 2].save(self.file)
        repr(X)
        return self

    def predict(self, X: mm.Modalities) -> mm.Modalities:
        return mm.Modalities.load(self.file)


def rows(n_modalities: int, n_rows: int = 500) -> tuple[mm.Modalities, np.ndarray]:
    """Modalities of five columns, and two classes."""
    rng = np.random.default_rng(0)
    y = np.arange(n_rows) % 2
    blocks = rng.normal(size=(n_modalities, n_rows, 5))
    blocks[::3] += 0.5 * y[:, None]
    return mm.Modalities({f"m{k:04d}": block for k, block in enumerate(blocks)}), y


def target(family: str, X: mm.Modalities, y: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """What a family learns, and what else its `fit` is given."""
    if family.endswith("regressor"):
        return X[X.names[0]][:, 0] + y, {}
    if family.startswith("semi"):
        return np.where(np.arange(len(y)) % 4 < 2, y, -1), {}
    if family.startswith("federated"):
        return y, {"clients": np.arange(len(y)) // 2 % 4}
    return y, {}


def measure(family: str, n_modalities: int) -> dict[str, float]:
    """Seconds and megabytes of one family."""
    X, y = rows(n_modalities)
    y, options = target(family, X, y)
    estimator = FAMILIES[family](X.names)
    gc.collect()
    before = _peak_from_now()
    started = time.process_time()
    estimator.fit(X, y, **options)
    fitted = time.process_time()
    taken = _peak() - before
    (estimator.predict if hasattr(estimator, "predict") else estimator.transform)(X)
    predicted = time.process_time()
    figures = {"fit": fitted - started, "predict": predicted - fitted, "fit memory": taken}
    if family in BY_EPOCH:
        longer = FAMILIES[family](X.names).set_params(max_epochs=NEURAL["max_epochs"] + 4)
        again = time.process_time()
        longer.fit(X, y, **options)
        figures["epoch"] = (time.process_time() - again - figures["fit"]) / 4
    return figures


def _peak_from_now() -> float:
    """Megabytes in use; the peak is counted from here on (Linux; NaN elsewhere)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return float("nan")
    return _peak()


def _peak() -> float:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return float("nan")
    (line,) = (line for line in lines if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


class _TooLong(Exception):
    """The limit is reached."""


def _stop(*args: Any) -> None:
    raise _TooLong


def run(most: int, folder: Path, families: list[str]) -> pd.DataFrame:
    """Measure what is not there yet."""
    import torch

    torch.set_num_threads(1)
    signal.signal(signal.SIGPROF, _stop)
    there = read(NAME, folder, COLUMNS)
    known = set(zip(there["family"], there["modalities"].astype(int), strict=True))
    stopped = set(there.loc[there["metric"] == "stopped after", "family"])
    folder.mkdir(exist_ok=True)
    warm: set[str] = set()
    for size in (size for size in SIZES if size <= most):
        for family in families:
            if (family, size) in known or family in stopped:
                continue
            if family not in warm:
                measure(family, 3)  # imports are not counted
                warm.add(family)
            signal.setitimer(signal.ITIMER_PROF, LIMIT)
            try:
                figures = measure(family, size)
            except _TooLong:
                figures = {"stopped after": LIMIT}
                stopped.add(family)
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
            lines = [(family, size, key, f"{value:.3g}") for key, value in figures.items()]
            table = pd.DataFrame(lines, columns=COLUMNS)
            table.to_csv(_journal(NAME, folder), mode="a", header=False, index=False)
            print(family, size, figures, flush=True)
    table = read(NAME, folder, COLUMNS)
    order = {family: place for place, family in enumerate(FAMILIES)}
    table = table.assign(
        place=table["family"].map(order), modalities=table["modalities"].astype(int)
    )
    table = table.sort_values(["place", "modalities"], kind="stable")[COLUMNS]
    write(table, NAME, folder)
    write(growth(table), f"{NAME}_growth", folder)
    return table


def growth(table: pd.DataFrame) -> pd.DataFrame:
    """Slope on log axes from 100 modalities on, by family and metric; 1 is linear."""
    found = []
    kept = table[(table["modalities"] >= 100) & (table["metric"] != "stopped after")]
    for (family, metric), part in kept.groupby(["family", "metric"], sort=False):
        values = part["value"].astype(float).to_numpy()
        if len(part) > 1 and (values > 0).all():
            slope = np.polyfit(np.log(part["modalities"].astype(float)), np.log(values), 1)[0]
            found.append((family, metric, round(float(slope), 2)))
    return pd.DataFrame(found, columns=["family", "metric", "slope"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--most", type=int, default=SIZES[-1])
    parser.add_argument("--folder", type=Path, default=RESULTS)
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--again", nargs="+", metavar="FAMILY", choices=list(FAMILIES))
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    table = read(NAME, given.folder, COLUMNS)
    if given.again and len(table):
        write(table[~table["family"].isin(given.again)], NAME, given.folder)
    if not given.show:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = run(given.most, given.folder, given.again or list(FAMILIES))
    print(table.pivot(index=["family", "metric"], columns="modalities", values="value").to_string())
    print(growth(table).pivot(index="family", columns="metric", values="slope").to_string())


if __name__ == "__main__":
    main()
