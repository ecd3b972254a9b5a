"""The shared defaults of the neural estimators, chosen by held-out loss.

Four questions, on all development sets; the first is asked of joint training with a loss per
modality (the default), of late fusion with such losses, and of every method in its default form:

1. Do weight decay, dropout, width or a schedule of the learning rate help? One setting is changed
   at a time. All arms get the same epochs and the same patience; what counts is the least loss on
   the held-out tenth of the training fold (a whole speaker for avdigits), which no test row
   enters. Three seeds, on one fold of each set in turn.
2. How heavy should the loss of each modality be beside the fused one, in joint training? The same
   measure, three seeds on one fold each.
3. Larger batches where rows are many? Estimators as they come, but for the batches, on the one set
   of some thousands of rows; three seeds, all folds, scored on the days left out.
4. From how many rows on is it better to hold a tenth out and go back to the best epoch than to
   train on all rows to the end? Fits on 250, 500 and 1000 rows of a training fold, scored on the
   rest of that fold; and fits on whole training folds, scored on test folds, which are other
   speakers and days where the set has some.

    python benchmarks/neural_defaults.py                   # results/neural_defaults.csv, and
                                                           # results/neural_defaults_ratios.csv
    python benchmarks/neural_defaults.py --modality-losses # results/neural_modality_losses.csv
    python benchmarks/neural_defaults.py --batch-size      # results/neural_batch_size.csv
    python benchmarks/neural_defaults.py --early-stopping  # results/neural_early_stopping.csv and
                                                           # results/neural_holding_out.csv
"""

from __future__ import annotations

import argparse
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
from _protocols import COLUMNS, RESULTS, load, measure, percent, read, run, summary
from sklearn.model_selection import train_test_split

from sk_mmbalance import (
    DataRemixingClassifier,
    MultimodalClassifier,
    NegativeLearningClassifier,
    SustainedBoostingClassifier,
)
from sk_mmbalance.exceptions import CollapseWarning

DATASETS = ["mfeat", "avdigits", "avdigits_weakimage", "occupancy", "leaves100", "dermatology"]
METHODS = {
    "joint": (MultimodalClassifier, {"unimodal_weight": 1.0}),
    "late": (MultimodalClassifier, {"fusion": "late", "unimodal_weight": 1.0}),
    "negative learning": (NegativeLearningClassifier, {}),
    "remixing": (DataRemixingClassifier, {}),
    "boosting": (SustainedBoostingClassifier, {}),
}
PLAIN_JOINT = (MultimodalClassifier, {"unimodal_weight": 0.0})
SETTINGS = {
    "base": {},
    "weight_decay=0.01": {"weight_decay": 1e-2},
    "dropout=0.2": {"dropout": 0.2},
    "hidden 128": {"hidden_layer_sizes": (128,)},
    "cosine schedule": {"lr_schedule": "cosine"},
}
#: What "base" means, whatever the defaults have become since.
BASE = {"weight_decay": 1e-4, "dropout": 0.0, "hidden_layer_sizes": (64,), "lr_schedule": None}
#: Weights of the modalities' own losses beside the fused one.
WEIGHTS = (0.0, 0.25, 0.5, 1.0, 2.0)
ROWS = (250, 500, 1000)
BATCHES = (64, 256)
SMALL_SETS = ["mfeat", "avdigits", "avdigits_weakimage", "leaves100"]


def shared(dataset: str) -> dict:
    """What all arms are trained with."""
    return {
        "max_epochs": 50,
        "early_stopping": True,
        # occupancy has 8000 rows: larger batches and less patience for the time it takes
        "batch_size": 256 if dataset == "occupancy" else 64,
        "n_iter_no_change": 10,
        "dtype": "float32",
        "fusion_weights": None,
    }


def _arm(method, params):
    return lambda seed: method(random_state=seed, **params)


def arms(dataset: str) -> dict:
    """Every method under every setting."""
    return {
        f"{name}, {setting}": _arm(method, shared(dataset) | own | BASE | changed)
        for setting, changed in SETTINGS.items()
        for name, (method, own) in METHODS.items()
    }


def weighted(dataset: str) -> dict:
    """Joint training with lighter and heavier losses of the modalities."""
    return {
        f"unimodal_weight={weight:g}": _arm(
            MultimodalClassifier, shared(dataset) | BASE | {"unimodal_weight": weight}
        )
        for weight in WEIGHTS
    }


def batches(dataset: str) -> dict:
    """Estimators as they come, but for the size of their batches."""
    return {
        f"{name}, {size} rows": _arm(method, {"batch_size": size} | own)
        for name, (method, own) in (METHODS | {"plain joint": PLAIN_JOINT}).items()
        for size in BATCHES
    }


def holding_out(dataset: str) -> dict:
    """Training on all rows, or with a tenth held out and the best epoch restored."""
    return {
        f"{name}, {'best epoch' if held_out else 'all rows'}": _arm(
            MultimodalClassifier,
            METHODS[name][1] | {"early_stopping": held_out, "fusion_weights": None},
        )
        for name in ("joint", "late")
        for held_out in (True, False)
    }


def extra(fitted) -> dict[str, float]:
    """The least held-out loss, and the epochs that were trained."""
    return {
        "held_out_loss": float(fitted.history_["valid_loss"].min()),
        "n_epochs": float(fitted.n_iter_),
    }


def against_base(frame: pd.DataFrame) -> pd.DataFrame:
    """Held-out loss of every setting divided by that of "base", seed by seed.

    Geometric means over the methods; "all" is that over the sets as well.
    """
    rows = frame[frame["metric"] == "held_out_loss"].copy()
    parts = rows["method"].str.split(", ", n=1, expand=True)
    rows["method"], rows["setting"] = parts[0], parts[1]
    loss = rows.set_index(["dataset", "method", "seed", "setting"])["value"].unstack("setting")
    logs = np.log(loss.div(loss["base"], axis=0))
    by_set = logs.groupby(["dataset", "seed"], sort=False).mean().reset_index()
    over_all = by_set.groupby("seed").mean(numeric_only=True).reset_index().assign(dataset="all")
    table = pd.concat([by_set, over_all]).melt(["dataset", "seed"], list(SETTINGS)[1:], "setting")
    table["value"] = np.exp(table["value"])
    return table.assign(metric="ratio")[["dataset", "setting", "seed", "metric", "value"]]


def early_stopping(seeds: range) -> pd.DataFrame:
    """Log-loss and accuracy on the rest of a training fold, with and without a held-out part."""
    file = RESULTS / "neural_early_stopping.csv"
    done = read(file)
    known = set(done[["dataset", "method", "seed"]].itertuples(index=False, name=None))
    tables = [done]
    for name in SMALL_SETS:
        protocol = load(name)
        fold, _ = protocol.folds[0]
        for seed in seeds:
            for n in ROWS:
                if n > 0.8 * len(fold):
                    continue
                train, rest = train_test_split(
                    fold, train_size=n, random_state=seed, stratify=protocol.y[fold]
                )
                # no groups: which rows are drawn is what differs here, not which speakers
                part = replace(protocol, folds=[(train, rest)], fit_groups=None)
                for method in ("joint", "late"):
                    for held_out in (True, False):
                        arm = f"{method}, {n} rows, {'best epoch' if held_out else 'all rows'}"
                        if (name, arm, seed) in known:
                            continue
                        cls, own = METHODS[method]
                        estimator = cls(
                            early_stopping=held_out,
                            fusion_weights=None,
                            dtype="float32",
                            random_state=seed,
                            **own,
                        )
                        figures = measure(part, 0, estimator)
                        kept = {key: figures[key] for key in ("accuracy", "log_loss")}
                        rows = [
                            (name, arm, seed, 0, key, f"{value:.6g}") for key, value in kept.items()
                        ]
                        tables.append(pd.DataFrame(rows, columns=COLUMNS))
                        pd.concat(tables).to_csv(file, index=False)
    return read(file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch-size", action="store_true")
    parser.add_argument("--early-stopping", action="store_true")
    parser.add_argument("--modality-losses", action="store_true")
    parser.add_argument("--seeds", type=int, default=None)
    parser.add_argument("--datasets", nargs="*", default=DATASETS)
    parser.add_argument("--jobs", type=int, default=1)
    args = parser.parse_args()
    warnings.simplefilter("ignore", CollapseWarning)
    with pd.option_context("display.width", 200):
        if args.early_stopping:
            frame = early_stopping(range(args.seeds or 3))
            print(percent(summary(frame)), end="\n\n")
            print(percent(summary(frame, "log_loss"), 3, 1), end="\n\n")
            whole = [name for name in DATASETS if name != "dermatology"]  # it has 293 rows
            seeds = range(args.seeds or 3)
            frame = run("neural_holding_out", holding_out, whole, seeds, args.jobs)
            print(percent(summary(frame)), end="\n\n")
            print(percent(summary(frame, "log_loss"), 3, 1))
            return
        if args.batch_size:
            seeds = range(args.seeds or 3)
            frame = run("neural_batch_size", batches, ["occupancy"], seeds, args.jobs)
            for metric, digits, factor in (("accuracy", 1, 100), ("log_loss", 3, 1)):
                print(percent(summary(frame, metric), digits, factor), end="\n\n")
            print(frame[frame["metric"] == "seconds"].groupby("method")["value"].mean().round(1))
            return
        if args.modality_losses:
            seeds = range(args.seeds or 3)
            name = "neural_modality_losses"
            frame = run(name, weighted, args.datasets, seeds, args.jobs, extra, rotate=True)
            print(percent(summary(frame)), end="\n\n")
            loss = summary(frame, "held_out_loss")
            print(percent(loss, 3, 1), end="\n\n")
            print(np.exp(np.log(loss.xs("mean", axis=1, level=1)).mean(axis=1)).round(3))
            return
        seeds = range(args.seeds or 3)
        frame = run("neural_defaults", arms, args.datasets, seeds, args.jobs, extra, rotate=True)
        ratios = against_base(frame)
        ratios.to_csv(RESULTS / "neural_defaults_ratios.csv", index=False, float_format="%.6g")
        cells = ratios.groupby(["setting", "dataset"], sort=False)["value"].agg(["mean", "sem"])
        print(cells.round(3).unstack("dataset").swaplevel(axis=1).sort_index(axis=1))


if __name__ == "__main__":
    main()
