"""Whether half an hour of everything in one process keeps what it should let go of.

``make soak`` fits, searches, predicts, saves and loads with every family and federates in process
and with Flower's engine, round after round of the same work until ``SOAK_MINUTES`` (30) are over;
every tenth round also searches by joblib's workers and federates over Flower's real processes on
this machine (the example ``examples/federated``). After every round it looks at the memory in use,
Python's objects, threads, open files, child processes and listening ports.

The first third of the rounds is a warm-up: caches fill, libraries load. From then to the end memory
may grow by 3 % and objects by 1 % (by Theil and Sen's slope, which a single odd round does
not turn), and of threads, files, children and ports there may not be one more. When all is over, no
child process and no temporary file may be left.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT), str(HERE), str(ROOT / "examples" / "federated")]

from _record import record
from _watch import children, judge, look
from joblib.externals.loky import get_reusable_executor
from sklearn.base import is_regressor
from sklearn.model_selection import GridSearchCV

import sk_mmbalance as skmm
from sk_mmbalance import balancing, inspection
from sk_mmbalance.datasets import make_imbalanced_modalities
from sk_mmbalance.federated import dirichlet_clients
from sk_mmbalance.model_selection import VectorizedGridSearchCV

MINUTES = float(os.environ.get("SOAK_MINUTES", "30"))
SMALL = {"hidden_layer_sizes": (8,), "max_epochs": 4, "random_state": 0}
FEDERATED = {"hidden_layer_sizes": (8,), "n_rounds": 3, "random_state": 0}
#: The fewest rounds from which growth can be told.
LEAST_ROUNDS = 9
#: Processes take many times as long to start as all other work of a round takes.
PROCESSES_EVERY = 10

X, Y, _ = make_imbalanced_modalities(90, 3, random_state=0)
#: The same rows, a tenth of their modalities missing; for models that are told to mask them.
HOLES = make_imbalanced_modalities(90, 3, missing_rate=0.1, random_state=0)[0]
NUMBERS = Y + np.random.default_rng(0).normal(size=len(Y))
CLIENTS = dirichlet_clients(Y, 3, 10.0, random_state=0)


def estimators() -> dict[str, object]:
    """One of each kind, made anew in every round."""
    networks = {
        f"network, {name}": skmm.MultimodalClassifier(**SMALL, balancing=method())
        for name in balancing.__all__
        if name != "Balancing" and (method := getattr(balancing, name))
    }
    federated = {
        f"{cls.__name__}, {engine}": cls(**FEDERATED, engine=engine)
        for cls in (skmm.FedAvgClassifier, skmm.FedCMIClassifier, skmm.CMSFedClassifier)
        for engine in ("inprocess", "flower")
    }
    return {
        "ARM": skmm.ARMClassifier(),
        "ARM, log-loss": skmm.ARMClassifier(loss="log_loss"),
        "ARM, chosen": skmm.ARMClassifierCV(cv=2),
        "ARM, numbers": skmm.ARMRegressor(),
        "single": skmm.UnimodalClassifier(cv=2),
        "late": skmm.LateFusionClassifier(weights="cv", cv=2),
        "stacking": skmm.LateFusionClassifier(rule="stacking", cv=2),
        "late, numbers": skmm.LateFusionRegressor(weights="cv", cv=2),
        "pool": skmm.OpinionPoolClassifier({"first": None, "second": (None, None)}, cv=2),
        "pool, numbers": skmm.OpinionPoolRegressor({"first": None}, cv=2),
        "serial": skmm.SerialFusionClassifier(),
        "teaching": skmm.SerialSemiSupervisedClassifier(cv=2),
        "late, holes": skmm.LateFusionClassifier(missing="mask"),
        "pool, holes": skmm.OpinionPoolClassifier(
            {"first": None, "second": None}, cv=2, missing="mask"
        ),
        "network, holes": skmm.MultimodalClassifier(**SMALL, missing="mask"),
        "federated, holes": skmm.FedAvgClassifier(**FEDERATED, missing="mask"),
        "network": skmm.MultimodalClassifier(**SMALL),
        "network, numbers": skmm.MultimodalRegressor(**SMALL),
        "boosting": skmm.SustainedBoostingClassifier(**SMALL, max_heads=2),
        "remixing": skmm.DataRemixingClassifier(**SMALL, remix_after=1),
        "negative": skmm.NegativeLearningClassifier(**SMALL),
        "searched": GridSearchCV(skmm.ARMClassifier(), {"coupling": [0.1, 1.0]}, cv=2),
        "searched as one": VectorizedGridSearchCV(
            skmm.MultimodalClassifier(**SMALL), {"lr": [0.01, 0.02]}, cv=2
        ),
        **networks,
        **federated,
    }


def everything(folder: Path) -> None:
    """One round of work."""
    for name, model in estimators().items():
        rows = HOLES if "holes" in name else X
        extra = {"clients": CLIENTS} if hasattr(model, "engine") else {}
        model.fit(rows, NUMBERS if is_regressor(model) else Y, **extra)
        model.predict(rows)
        if hasattr(model, "save_weights"):
            model.save_weights(folder / "weights.safetensors")
            model.load_weights(folder / "weights.safetensors")
    joint = skmm.MultimodalClassifier(**SMALL)
    for _ in range(3):
        joint.partial_fit(X, Y, classes=np.unique(Y))
    inspection.modality_contributions(joint, X, Y)
    inspection.missing_modality_curve(joint, X, Y, n_repeats=1)
    X.save(folder / "rows.npz")
    skmm.Modalities.load(folder / "rows.npz")
    with contextlib.suppress(ValueError):  # what fails must let go, too
        joint.fit({name: values * np.inf for name, values in X.items()}, Y)


def with_processes(folder: Path) -> None:
    """A search by joblib's workers, and federated averaging over a SuperLink and two SuperNodes."""
    model = skmm.ARMClassifier()
    GridSearchCV(model, {"coupling": [0.1, 1.0]}, cv=2, n_jobs=2).fit(X, Y)
    get_reusable_executor().shutdown(wait=True)  # joblib keeps workers for the next call
    example = importlib.import_module("run_loopback")
    options = example.read_options(["--rounds", "2", "--logs"])
    with tempfile.TemporaryDirectory(dir=folder) as own, contextlib.redirect_stdout(io.StringIO()):
        example.federate(options, Path(own), example.free_ports(3))


def main() -> None:
    start = time.monotonic()
    looks: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory(prefix="soak-") as temporary:
        os.environ["TMPDIR"] = tempfile.tempdir = temporary
        folder = Path(temporary) / "own"
        folder.mkdir()
        while time.monotonic() < start + 60 * MINUTES or len(looks) < LEAST_ROUNDS:
            if len(looks) % PROCESSES_EVERY == 0:
                with_processes(folder)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # few rows and epochs, and warned of every time
                everything(folder)
            looks.append(look())
            told = ", ".join(f"{name} {value:.6g}" for name, value in looks[-1].items())
            print(f"{len(looks)}: {told}", flush=True)
        left = [path.name for path in Path(temporary).iterdir() if path != folder]
    figures, wrong = judge(looks)
    # an empty folder that torch makes for itself in any process that trains
    left = [name for name in left if not name.startswith("torchinductor_")]
    wrong += [f"left in the temporary folder: {left}"] if left else []
    wrong += [f"children left: {children()}"] if children() else []
    minutes = (time.monotonic() - start) / 60
    record("soak", {"minutes": minutes, "rounds": len(looks)} | figures)
    if wrong:
        sys.exit("; ".join(wrong))


if __name__ == "__main__":
    main()
