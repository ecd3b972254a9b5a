"""Sustained boosting against its controls, and the choice of two of its defaults.

The controls say where a gain comes from: joint training with one fused loss; the same with a loss
per modality; networks trained each for itself; alternating training with the shared output layer
but one head; as many heads as allowed from the start; added heads left untrained (as in the
published code); the published form; our defaults, with and without added heads.

All arms have the same networks, optimiser, epochs and batches, hold out the same tenth of the
training fold (a whole speaker for avdigits), train to the last epoch and go back to the one of
least held-out loss.

    python benchmarks/boosting.py                 # results/boosting.csv
    python benchmarks/boosting.py --fused-weight  # results/boosting_fused_weight.csv
    python benchmarks/boosting.py --defaults      # results/boosting_defaults.csv

`fused_weight` and `head_width` are chosen by held-out loss inside the training folds, which no test
row enters.
"""

from __future__ import annotations

import argparse

import pandas as pd
from _floors import LateNets
from _protocols import differences, percent, run, summary

from sk_mmbalance import MultimodalClassifier, SustainedBoostingClassifier

DATASETS = ["mfeat", "avdigits", "avdigits_weakimage", "occupancy"]
EPOCHS = 30
FOLDS = {"mfeat": 3}
PUBLISHED = SustainedBoostingClassifier.published
#: The published losses, updates and heads, with heads averaged in the fusion.
CONTROL = {"fused_weight": 0.0, "head_width": 256, "head_combine": "mean"}
#: Published heads with a fused loss.
FUSED = {"fused_weight": 1.0, "head_width": 256}


def _settings(dataset: str) -> dict:
    return {
        "max_epochs": EPOCHS,
        "early_stopping": True,
        "n_iter_no_change": EPOCHS,  # never stop early: equal epochs for all
        "batch_size": 512 if dataset == "occupancy" else 128,  # 8000 rows against 1500
        "dtype": "float32",
        "fusion_weights": None,
    }


def _boosting(dataset: str, make=SustainedBoostingClassifier, **params):
    settings = _settings(dataset) | params
    return lambda seed: make(random_state=seed, **settings)


def _joint(dataset: str, **params):
    settings = _settings(dataset) | {"unimodal_weight": 0.0} | params
    return lambda seed: MultimodalClassifier(random_state=seed, **settings)


def controls(dataset: str) -> dict:
    """The arms of the control table."""
    alone = _joint(dataset)
    return {
        "joint": _joint(dataset),
        "joint, a loss per modality": _joint(dataset, unimodal_weight=1.0),
        "late fusion of networks": lambda seed: LateNets(alone(seed)),
        "one head": _boosting(dataset, max_heads=1, **CONTROL),
        "fixed heads": _boosting(dataset, n_heads_init=4, **CONTROL),
        "new heads left untrained": _boosting(dataset, PUBLISHED, train_new_heads=False),
        "published form": _boosting(dataset, PUBLISHED),
        "fused loss, one head": _boosting(dataset, max_heads=1, **FUSED),
        "fused loss, heads averaged": _boosting(dataset, head_combine="mean", **FUSED),
        "fused loss": _boosting(dataset, **FUSED),
        "our defaults, one head": _boosting(dataset, max_heads=1),
        "our defaults": _boosting(dataset),
    }


def fused_weights(dataset: str) -> dict:
    """Published heads, averaged in the fusion, with a fused loss of more and more weight."""
    size = {"batch_size": 512 if dataset == "occupancy" else 64}
    form = {"head_combine": "mean", "head_width": 256}
    return {
        f"fused_weight={w:g}": _boosting(dataset, fused_weight=w, **form, **size)
        for w in (0.0, 0.3, 1.0, 3.0)
    }


def defaults(dataset: str) -> dict:
    """The arms among which `fused_weight` and `head_width` were chosen, at more epochs."""
    size = {
        "batch_size": 256 if dataset == "occupancy" else 64,
        "max_epochs": 40,
        "n_iter_no_change": 40,
    }
    arms = {
        f"fused_weight={w:g}, head_width={h}": _boosting(
            dataset, fused_weight=float(w), head_width=h, **size
        )
        for w, h in [(1, 256), (3, 256), (1, 64), (3, 64)]
    }
    return {"joint, a loss per modality": _joint(dataset, unimodal_weight=0.5, **size), **arms}


def extra(fitted) -> dict[str, float]:
    """Heads at the end, and the least held-out loss."""
    figures = {}
    if hasattr(fitted, "n_heads_"):
        figures = {f"n_heads[{name}]": float(n) for name, n in fitted.n_heads_.items()}
    if hasattr(fitted, "history_"):
        figures["held_out_loss"] = float(fitted.history_["valid_loss"].min())
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fused-weight", action="store_true")
    parser.add_argument("--defaults", action="store_true")
    parser.add_argument("--seeds", type=int, default=None)
    parser.add_argument("--datasets", nargs="*", default=DATASETS)
    parser.add_argument("--jobs", type=int, default=1)
    args = parser.parse_args()
    if args.fused_weight:
        name, arms, n_seeds = "boosting_fused_weight", fused_weights, args.seeds or 1
    elif args.defaults:
        name, arms, n_seeds = "boosting_defaults", defaults, args.seeds or 1
    else:
        name, arms, n_seeds = "boosting", controls, args.seeds or 5
    frame = run(name, arms, args.datasets, range(n_seeds), args.jobs, extra, n_splits=FOLDS)
    with pd.option_context("display.width", 200):
        print(percent(summary(frame)), end="\n\n")
        print(percent(summary(frame, "log_loss"), 3, 1), end="\n\n")
        print(percent(summary(frame, "accuracy[*]")).T, end="\n\n")
        if args.fused_weight or args.defaults:
            print(percent(summary(frame, "held_out_loss"), 3, 1))
            return
        for against in ("one head", "joint", "late fusion of networks"):
            print(f"minus {against!r}:")
            print(percent(differences(frame, "accuracy", against)), end="\n\n")


if __name__ == "__main__":
    main()
