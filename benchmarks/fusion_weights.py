"""Fusion weights fitted by the convex opinion pool against equal ones, on the same networks.

`fusion_weights="fit"` changes nothing in the training: the weights are fitted afterwards, here on
the held-out tenth of the training fold that early stopping has looked at already. So every network
is trained once, and scored on the test fold with the weights that were fitted ("accuracy",
"log_loss", ...) and with equal ones ("accuracy, equal", ...).

    python benchmarks/fusion_weights.py     # results/fusion_weights.csv
"""

from __future__ import annotations

import argparse
import copy

import numpy as np
import pandas as pd
from _protocols import differences, judged, percent, run, scores, summary

from sk_mmbalance import MultimodalClassifier, SustainedBoostingClassifier

DATASETS = ["mfeat:official", "avdigits", "avdigits_weakimage", "occupancy", "leaves100"]
DATASETS += ["dermatology"]
EPOCHS = 40


def arms(dataset: str) -> dict:
    """Two that end in a mean of logits, and one with a fused classifier."""
    settings = {
        "max_epochs": EPOCHS,
        "early_stopping": True,
        "batch_size": 256 if dataset == "occupancy" else 64,
        "dtype": "float32",
        "fusion_weights": "fit",
    }

    def arm(method, **params):
        return lambda seed: method(random_state=seed, **settings, **params)

    return {
        "late fusion, a loss per modality": arm(
            MultimodalClassifier, fusion="late", unimodal_weight=1.0
        ),
        "boosting": arm(SustainedBoostingClassifier),
        # here the fused classifier is one more expert, and "equal" is that classifier alone
        "joint, a loss per modality": arm(MultimodalClassifier, unimodal_weight=0.5),
    }


def with_equal_weights(fitted, X, y: np.ndarray) -> dict[str, float]:
    """Scores of the same network with equal weights."""
    equal = copy.copy(fitted)
    equal._fitted_fusion = None  # what the network predicts by itself
    found = scores(y, equal.predict_proba(X), equal.classes_)
    return {f"{metric}, equal": value for metric, value in found.items()}


def extra(fitted) -> dict[str, float]:
    """The weights."""
    complete = fitted.fusion_weights_.iloc[0]
    return {f"weight[{name}]": weight for name, weight in complete.items()}


def as_methods(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of "equal" figures as a method of their own, for paired differences."""
    equal = frame["metric"].str.endswith(", equal")
    return frame.assign(
        method=frame["method"] + np.where(equal, ", equal weights", ""),
        metric=frame["metric"].str.removesuffix(", equal"),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--datasets", nargs="*", default=DATASETS)
    parser.add_argument("--jobs", type=int, default=1)
    args = parser.parse_args()
    seeds = range(args.seeds)
    frame = run("fusion_weights", arms, args.datasets, seeds, args.jobs, extra, with_equal_weights)
    frame = as_methods(frame)
    with pd.option_context("display.width", 200):
        print(percent(summary(frame)), end="\n\n")
        print(percent(summary(frame, "log_loss"), 3, 1), end="\n\n")
        for method in arms(""):
            pair = frame[frame["method"].str.startswith(method)]
            for metric in ("accuracy", "log_loss"):
                apart = differences(pair, metric, f"{method}, equal weights")
                print(percent(apart, 3, 1) if metric == "log_loss" else percent(apart), end="\n\n")
        print(judged(frame, "weight[*]").groupby(["method", "dataset"])["value"].mean().round(2))


if __name__ == "__main__":
    main()
