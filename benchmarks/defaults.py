"""The defaults of the neural estimators, chosen by held-out loss.

================ =========================================================================
question         asks
================ =========================================================================
settings         do weight decay, dropout, width or a schedule of the learning rate help?
modality-losses  how heavy should the loss of each modality be, beside the fused one?
batch-size       larger batches where rows are many?
few-rows         from how many rows on is it better to hold a tenth out and go back to the
                 best epoch than to train on all rows to the end? Old speakers and days
holding-out      the same on other speakers and days
tables           does it help to hold rows out where they are few, to encode columns by their
                 ranks, and to average networks of several seeds?
fused-weight     sustained boosting: how heavy should the fused loss be?
heads            sustained boosting: the same, and how wide should heads be?
================ =========================================================================

"settings" is asked of joint training with a loss per modality (the default), of late fusion with
such losses, and of every method in its default form. One setting is changed at a time. All get the
same epochs and the same patience; what counts is the least loss on the held-out tenth of the
training fold (a whole speaker for avdigits), which no test row enters. Three seeds, on one fold of
each set in turn. "modality-losses" is measured alike, "fused-weight" and "heads" on all folds with
one seed.

"batch-size": estimators as they come, but for the batches, on the one set of some thousands of
rows; three seeds, all folds, scored on the days left out. "few-rows": fits on 250, 500 and 1000
rows of a training fold, scored on the rest of that fold. "holding-out": fits on whole training
folds, scored on test folds. "tables": joint networks, one change after the other, on all eleven
sets, three of whose folds of speakers, actors, subjects or days are left out where there are any;
beside them logistic regressions with nothing tuned.

    python benchmarks/defaults.py                  # all
    python benchmarks/defaults.py settings --seeds 1 --datasets mfeat
    python benchmarks/defaults.py few-rows --show  # nothing is measured
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from _as_they_come import Earlier
from _protocols import COLUMNS, fused, load, measure, read, write
from _questions import Question, answer
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from sk_mmbalance import (
    DataRemixingClassifier,
    LateFusionClassifier,
    ModalityConcatenator,
    MultimodalClassifier,
    NegativeLearningClassifier,
    SustainedBoostingClassifier,
)

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


def shared(dataset: str) -> dict:
    """What all are trained with."""
    return {
        "max_epochs": 50,
        "early_stopping": True,
        # occupancy has 8000 rows: larger batches and less patience for the time it takes
        "batch_size": 256 if dataset == "occupancy" else 64,
        "n_iter_no_change": 10,
        "dtype": "float32",
        "fusion_weights": None,
    }


def _maker(method, params):
    return lambda seed: method(random_state=seed, **params)


def under_settings(dataset: str) -> dict:
    """Every method under every setting."""
    return {
        f"{name}, {setting}": _maker(method, shared(dataset) | own | BASE | changed)
        for setting, changed in SETTINGS.items()
        for name, (method, own) in METHODS.items()
    }


def weighted(dataset: str) -> dict:
    """Joint training with lighter and heavier losses of the modalities."""
    return {
        f"unimodal_weight={weight:g}": _maker(
            MultimodalClassifier, shared(dataset) | BASE | {"unimodal_weight": weight}
        )
        for weight in WEIGHTS
    }


def batches(dataset: str) -> dict:
    """Estimators as they come, but for the size of their batches."""
    return {
        f"{name}, {size} rows": _maker(method, {"batch_size": size} | own)
        for name, (method, own) in (METHODS | {"plain joint": PLAIN_JOINT}).items()
        for size in BATCHES
    }


def holding_out(dataset: str) -> dict:
    """Training on all rows, or with a tenth held out and the best epoch restored."""
    return {
        f"{name}, {'best epoch' if held_out else 'all rows'}": _maker(
            MultimodalClassifier,
            METHODS[name][1] | {"early_stopping": held_out, "fusion_weights": None},
        )
        for name in ("joint", "late")
        for held_out in (True, False)
    }


def boosted(dataset: str, n_epochs: int, batch_size: int, **params):
    """Sustained boosting for equal epochs; the one of least held-out loss is kept."""
    settings = {"max_epochs": n_epochs, "n_iter_no_change": n_epochs, "batch_size": batch_size}
    return _maker(SustainedBoostingClassifier, shared(dataset) | settings | params)


def fused_weights(dataset: str) -> dict:
    """Published heads, averaged in the fusion, with a fused loss of more and more weight."""
    form = {"head_combine": "mean", "head_width": 256}
    batch_size = 512 if dataset == "occupancy" else 64
    return {
        f"fused_weight={w:g}": boosted(dataset, 30, batch_size, fused_weight=w, **form)
        for w in (0.0, 0.3, 1.0, 3.0)
    }


def heads(dataset: str) -> dict:
    """Weights of the fused loss and widths of heads, at more epochs."""
    batch_size = 256 if dataset == "occupancy" else 64
    made = {
        f"fused_weight={w:g}, head_width={h}": boosted(
            dataset, 40, batch_size, fused_weight=float(w), head_width=h
        )
        for w, h in [(1, 256), (3, 256), (1, 64), (3, 64)]
    }
    if dataset == "occupancy":  # where a light fused loss falls behind joint training
        long = {"max_epochs": 40, "n_iter_no_change": 40, "unimodal_weight": 0.5}
        joint = _maker(MultimodalClassifier, shared(dataset) | long)
        made["joint, a loss per modality"] = joint
    return made


def heads_and_loss(fitted) -> dict[str, float]:
    """Heads at the end, and the least held-out loss."""
    n_heads = getattr(fitted, "n_heads_", {})
    figures = {f"n_heads[{name}]": float(n) for name, n in n_heads.items()}
    return figures | {"held_out_loss": float(fitted.history_["valid_loss"].min())}


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
    loss = loss.reindex(columns=list(SETTINGS))  # not all may be measured yet
    logs = np.log(loss.div(loss["base"], axis=0))
    by_set = logs.groupby(["dataset", "seed"], sort=False).mean().reset_index()
    over_all = by_set.groupby("seed").mean(numeric_only=True).reset_index().assign(dataset="all")
    table = pd.concat([by_set, over_all]).melt(["dataset", "seed"], list(SETTINGS)[1:], "setting")
    table = table.dropna(subset=["value"])
    table["value"] = np.exp(table["value"])
    return table.assign(metric="ratio")[["dataset", "setting", "seed", "metric", "value"]]


def on_few_rows(datasets: Sequence[str], seeds: Iterable[int], folder: Path) -> pd.DataFrame:
    """Log-loss and accuracy on the rest of a training fold, with and without a held-out part."""
    name = "neural_early_stopping"
    done = read(name, folder)
    known = set(done[["dataset", "method", "seed"]].itertuples(index=False, name=None))
    tables = [done]
    for dataset in datasets:
        protocol = load(dataset)
        fold, _ = protocol.folds[0]
        for seed in seeds:
            for n in [n for n in ROWS if n <= 0.8 * len(fold)]:
                train, rest = train_test_split(
                    fold, train_size=n, random_state=seed, stratify=protocol.y[fold]
                )
                # no groups: which rows are drawn is what differs here, not which speakers
                part = replace(protocol, folds=[(train, rest)], fit_groups=None)
                for method, make in holding_out(dataset).items():
                    network, _, how = method.partition(", ")
                    key = (dataset, f"{network}, {n} rows, {how}", seed)
                    if key in known:
                        continue
                    figures = measure(part, 0, make(seed).set_params(dtype="float32"))
                    rows = [
                        (*key, 0, metric, float(f"{figures[metric]:.6g}"))
                        for metric in ("accuracy", "log_loss")
                    ]
                    tables.append(pd.DataFrame(rows, columns=COLUMNS))
                    write(pd.concat(tables), name, folder)
    return read(name, folder)


# -- tables, small and wide ones among them -----------------------------------------------------

TABLES = [
    *DATASETS,
    "hydraulic_ts",
    "landuse21",
    "prokaryotic",
    "cremad_feat_ogmge",
    "wesad_wrist",
]


class MeanOfNetworks(ClassifierMixin, BaseEstimator):
    """The mean of the probabilities of networks of several seeds."""

    def __init__(self, network, n_networks=3, random_state=0):
        self.network = network
        self.n_networks = n_networks
        self.random_state = random_state

    def fit(self, X, y, groups=None):
        seeds = range(self.random_state * 100, self.random_state * 100 + self.n_networks)
        self.networks_ = [
            clone(self.network).set_params(random_state=seed).fit(X, y, groups=groups)
            for seed in seeds
        ]
        self.classes_ = self.networks_[0].classes_
        return self

    def predict_proba(self, X):
        return np.mean([network.predict_proba(X) for network in self.networks_], axis=0)


def on_tables(dataset: str) -> dict:
    """Joint networks, one change after the other, and two baselines."""
    held_out = MultimodalClassifier(early_stopping=True)
    encoded = MultimodalClassifier(early_stopping=True, encoding="normal_scores")

    def logistic():
        return LogisticRegression(max_iter=1000)

    return {
        "LR, all columns": lambda seed: make_pipeline(ModalityConcatenator(), logistic()),
        "LR, late fusion": lambda seed: LateFusionClassifier(logistic()),
        "before": lambda seed: Earlier(MultimodalClassifier(random_state=seed)),
        "a tenth held out": lambda seed: clone(held_out).set_params(random_state=seed),
        "and normal scores": lambda seed: clone(encoded).set_params(random_state=seed),
        "mean of three": lambda seed: MeanOfNetworks(encoded, 3, seed),
    }


BOOSTED = {
    "seeds": 1,
    "options": {"extra": heads_and_loss, "n_splits": {"mfeat": 3}},
    "show": ("accuracy", "held_out_loss"),
}
IN_TURN = {"extra": extra, "rotate": True, "keep": fused}
QUESTIONS = {
    "settings": Question(
        table="neural_defaults",
        methods=under_settings,
        datasets=DATASETS,
        seeds=3,
        options=IN_TURN,
        derived={"neural_defaults_ratios": against_base},
        show=("held_out_loss",),
    ),
    "modality-losses": Question(
        table="neural_modality_losses",
        methods=weighted,
        datasets=DATASETS,
        seeds=3,
        options=IN_TURN,
        show=("accuracy", "held_out_loss"),
    ),
    "batch-size": Question(
        table="neural_batch_size",
        methods=batches,
        datasets=["occupancy"],
        seeds=3,
        options={"keep": fused},
        show=("accuracy", "log_loss", "seconds"),
    ),
    "few-rows": Question(
        table="neural_early_stopping",
        measure=on_few_rows,
        datasets=["mfeat", "avdigits", "avdigits_weakimage", "leaves100"],
        seeds=3,
        show=("accuracy", "log_loss"),
    ),
    "holding-out": Question(
        table="neural_holding_out",
        methods=holding_out,
        datasets=[name for name in DATASETS if name != "dermatology"],  # it has 293 rows
        seeds=3,
        options={"keep": fused},
        show=("accuracy", "log_loss"),
    ),
    "tables": Question(
        table="neural_tables",
        methods=on_tables,
        datasets=TABLES,
        seeds=3,
        options={
            "n_splits": dict.fromkeys(TABLES, 3),
            "once": ("LR, all columns", "LR, late fusion"),
            "keep": fused,
        },
        show=("balanced_accuracy", "log_loss", "seconds"),
    ),
    "fused-weight": Question(
        table="boosting_fused_weight",
        methods=fused_weights,
        datasets=["mfeat", "avdigits", "avdigits_weakimage", "occupancy"],
        **BOOSTED,
    ),
    "heads": Question(
        table="boosting_defaults",
        methods=heads,
        datasets=["avdigits", "avdigits_weakimage", "occupancy"],
        **BOOSTED,
    ),
}


if __name__ == "__main__":
    answer(QUESTIONS, __doc__)
