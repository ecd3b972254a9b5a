"""Accuracy of ARM with cross-validated strengths, against ridge and logistic regression.

Two real data sets with a weak and a strong side: handwritten numerals (6 morphological features
against 240 pixels) and dermatology (clinical against histopathological findings). Three regimes
of training data:

- all rows: every training row has its label and both sides;
- 10 % strong: every row is labelled, 10 % have the strong side;
- 5 % labels: every row has both sides, 5 % (at least two a class) have a label.

Every method is scored on the same test folds, where all rows have both sides, as a weak predictor,
a strong one, and with both. Strengths of every method are chosen by three-fold cross-validation
on its training rows, over the same grid of ridges; columns are scaled on the training rows. "ARM,
uncoupled" is the same estimator with the coupling fixed at 0. ARM with the squared loss is chosen
for each side; with the log-loss (scarce regimes of dermatology only) the coupling alone is chosen,
once, for both sides. With both sides, ARM takes the mean of the two scores; ridge and logistic
regression have one model on all columns (rows with both sides only), and "late fusion" is the mean
of the two logistic models' probabilities.

    SK_MMBALANCE_DATA=... python benchmarks/arm_accuracy.py [--table]

rewrites ``benchmarks/results/arm_accuracy.csv.xz``; ``--table`` only prints what is in it.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _protocols import RESULTS, read, write
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from sk_mmbalance import ARMClassifierCV, Modalities

NAME = "arm_accuracy"

SETS = {"mfeat": ("mor", "pix", (0,)), "dermatology": ("clinical", "histopathological", (0, 1))}
REGIMES = ("all rows", "10 % strong", "5 % labels")
SIDES = ("weak", "strong", "both")
MODES = {"weak": "weak", "strong": "strong", "both": "sum"}
RIDGES = (1e-4, 1e-3, 1e-2, 1e-1)
WEAK_REGS = (1.0, 0.3, 0.1, 0.03, 0.01, 0.001)
# the log-loss goes over the rows for every candidate: a coarser grid, one choice for all modes,
# and scarce data of the smaller set only
LOG_SETS = ("dermatology",)
LOG_GRID = {"strong_regs": (1e-3,), "weak_regs": (0.03,), "solver": "fista", "tol": 1e-3}
LOG_COUPLINGS = (0.0, 0.01, 0.1)
UNKNOWN = -1


def load(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    weak, strong, _ = SETS[name]
    home = os.environ.get("SK_MMBALANCE_DATA")
    if not home:
        raise SystemExit("Set SK_MMBALANCE_DATA to the folder of the .npz files.")
    with np.load(Path(home) / f"{name}.npz") as arrays:
        return arrays[weak].astype(float), arrays[strong].astype(float), arrays["y"]


def few_rows(y: np.ndarray, share: float, seed: int) -> np.ndarray:
    """A share of each class, two rows at least."""
    rng = np.random.default_rng(seed)
    rows = []
    for label in np.unique(y):
        own = np.flatnonzero(y == label)
        rows.append(rng.permutation(own)[: max(2, round(share * len(own)))])
    return np.sort(np.concatenate(rows))


def inner(y: np.ndarray) -> StratifiedKFold:
    smallest = int(np.unique(y, return_counts=True)[1].min())
    return StratifiedKFold(min(3, smallest), shuffle=True, random_state=0)


def tuned(kind: str, columns: np.ndarray, y: np.ndarray) -> Any:
    n = len(y)
    if kind == "ridge":
        model, grid = RidgeClassifier(), {"alpha": [r * n for r in RIDGES]}
    else:
        model = LogisticRegression(max_iter=2000, tol=1e-3)
        grid = {"C": [1 / (r * n) for r in RIDGES]}
    return GridSearchCV(model, grid, cv=inner(y)).fit(columns, y)


def scaled(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scaled on the rows that are there; columns without spread there stay at zero."""
    scaler = StandardScaler().fit(train)
    return scaler.transform(train), scaler.transform(test)


def one_fold(
    weak, strong, y, train, test, regime: str, seed: int, with_log_loss: bool
) -> list[tuple]:
    weak_train, weak_test = scaled(weak[train], weak[test])
    labels, truth = y[train].copy(), y[test]
    has_strong = np.ones(len(train), dtype=bool)
    labeled = np.ones(len(train), dtype=bool)
    if regime == "10 % strong":
        has_strong[:] = False
        has_strong[few_rows(labels, 0.10, seed)] = True
    if regime == "5 % labels":
        labeled[:] = False
        labeled[few_rows(labels, 0.05, seed)] = True
    raw = np.where(has_strong[:, None], strong[train], np.nan)
    strong_train, strong_test = scaled(raw, strong[test])
    both = labeled & has_strong
    found: list[tuple] = []

    def score(method: str, side: str, predicted: np.ndarray, metric: str = "accuracy") -> None:
        found.append((method, side, metric, float(np.mean(predicted == truth))))

    logistic = {}
    for kind, name in (("ridge", "ridge"), ("logistic", "logistic regression")):
        weak_model = tuned(kind, weak_train[labeled], labels[labeled])
        strong_model = tuned(kind, strong_train[both], labels[both])
        all_train = np.hstack([weak_train, strong_train])[both]
        all_model = tuned(kind, all_train, labels[both])
        score(name, "weak", weak_model.predict(weak_test))
        score(name, "strong", strong_model.predict(strong_test))
        score(name, "both", all_model.predict(np.hstack([weak_test, strong_test])))
        logistic = {"weak": weak_model, "strong": strong_model}
    mean = logistic["weak"].predict_proba(weak_test) + logistic["strong"].predict_proba(strong_test)
    score("late fusion (logistic)", "both", logistic["weak"].classes_[mean.argmax(axis=1)])

    X = Modalities(strong=strong_train, weak=weak_train)
    X_test = Modalities(strong=strong_test, weak=weak_test)
    target = np.where(labeled, labels, UNKNOWN)
    for name, loss, couplings, chosen_for in (
        ("ARM (squared)", "squared", None, SIDES),
        ("ARM (squared), uncoupled", "squared", [0.0], SIDES),
        ("ARM (log-loss)", "log_loss", LOG_COUPLINGS, ("both",)),
        ("ARM (log-loss), uncoupled", "log_loss", [0.0], ("both",)),
    ):
        grid: dict[str, Any] = {"strong_regs": RIDGES, "weak_regs": WEAK_REGS, "solver": "schur"}
        if loss == "log_loss":
            if not with_log_loss or regime == "all rows":
                continue
            grid = dict(LOG_GRID)
        for target_side in chosen_for:
            arm = ARMClassifierCV(
                weak="weak",
                missing="mask",
                loss=loss,
                couplings=couplings,
                predict_with=MODES[target_side],
                unlabeled_label=UNKNOWN,
                cv=inner(labels[both]).n_splits,
                **grid,
            ).fit(X, target)
            for side in SIDES if len(chosen_for) == 1 else (target_side,):
                arm.set_params(predict_with=MODES[side])
                score(name, side, arm.predict(X_test))
                if couplings != [0.0]:
                    found.append((name, side, "coupling", arm.best_params_["coupling"]))
    return found


def measure(names: list[str], chosen: list[int]) -> pd.DataFrame:
    rows = []
    for name in names:
        weak, strong, y = load(name)
        for seed in SETS[name][2]:
            folds = StratifiedKFold(5, shuffle=True, random_state=seed).split(weak, y)
            for fold, (train, test) in enumerate(folds):
                if fold not in chosen:
                    continue
                for regime in REGIMES:
                    found = one_fold(
                        weak, strong, y, train, test, regime, 10 * seed + fold, name in LOG_SETS
                    )
                    for method, side, metric, value in found:
                        rows.append(
                            (name, regime, method, side, seed, fold, metric, round(value, 6))
                        )
                    print(f"{time.process_time():.0f} s", end=" ")
                    last = {(m, s): v for m, s, k, v in found if k == "accuracy"}
                    print(
                        name,
                        seed,
                        fold,
                        regime,
                        {s: round(last["ARM (squared)", s], 3) for s in SIDES},
                        flush=True,
                    )
    columns = ["dataset", "regime", "method", "side", "seed", "fold", "metric", "value"]
    return pd.DataFrame(rows, columns=columns)


def show(data: pd.DataFrame) -> None:
    """Print what the table says."""
    for (name, regime), part in data.groupby(["dataset", "regime"], sort=False):
        print(f"\n{name}, {regime}: accuracy, mean ± sd over folds and seeds")
        part = part[part["metric"] == "accuracy"]
        cells = part.groupby(["method", "side"], sort=False)["value"].agg(["mean", "std"])
        text = cells["mean"].map("{:.3f}".format) + " ± " + cells["std"].map("{:.3f}".format)
        print(text.unstack(sort=False)[list(SIDES)].fillna("").to_string())
    chosen = data[data["metric"] == "coupling"]
    print("\nchosen coupling: share of fits above 0")
    above = (chosen["value"] > 0).groupby(
        [chosen["dataset"], chosen["regime"], chosen["method"], chosen["side"]], sort=False
    )
    print(above.mean().unstack(sort=False).round(2).to_string())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--only", choices=list(SETS), help="measure one data set, keep the other's")
    parser.add_argument("--folds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--folder", type=Path, default=RESULTS)
    args = parser.parse_args()
    if not args.table:
        # small folds of scarce labels do not always reach the last digit: the score says enough
        warnings.simplefilter("ignore", ConvergenceWarning)
        with threadpool_limits(1):
            new = measure([args.only] if args.only else list(SETS), args.folds)
        if args.only:
            old = read(NAME, args.folder)
            new = pd.concat([old[old["dataset"] != args.only], new])
        write(new, NAME, args.folder)
    show(read(NAME, args.folder))


if __name__ == "__main__":
    main()
