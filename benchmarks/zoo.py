"""Every balancing method beside its own control, and beside what needs no method.

======== =====================================================================================
question asks
======== =====================================================================================
passes   how often a row passes through the encoders in an epoch, on two modalities
record   what every method gains on its control, with AdamW and with SGD
images   the six methods that led in the record, on images and log-mels with convolutional
         encoders, each with the strength that was chosen there most often
======== =====================================================================================

A method's control is the estimator that lacks its idea alone (``value.control()``). All networks
have the same encoders and 30 epochs; columns are standardised inside the training fold. The epoch
of least held-out loss is kept, and no fusion weights are fitted.

In the record every method is fitted three times with three strengths, and the fit of least log-loss
on the held-out rows (the same that choose the epochs, of other speakers where there are speakers)
is the one that is tested; what has no strength, controls and plain networks among them, chooses
among three seeds in the same way, so that all choose alike. A method whose rows pass more
often than 1.1 times through the encoders is measured once more with as many epochs fewer ("equal
passes"). A seed is measured on one fold, the next on the next. SGD has momentum 0.9 and a
learning rate of 0.03, the best of 0.003, 0.01, 0.03, 0.1 for plain joint training on
held-out training rows of five sets.

    python benchmarks/zoo.py record --seeds 3   # measures what is not there yet: hours
    python benchmarks/zoo.py --show
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _chosen import Chosen
from _protocols import COLUMNS, read, without, write
from _questions import Question, answer
from _values import VALUES, counted_passes
from _zoo_tables import FEWER, beside_controls, starved, verdicts
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from starved_modalities import probe

from sk_mmbalance import (
    LateFusionClassifier,
    Modalities,
    ModalityConcatenator,
    MultimodalClassifier,
    OpinionPoolClassifier,
    UnimodalClassifier,
)

#: Without mfeat, whose modalities are all good: it costs most, and differences on it are least.
DATASETS = ["avdigits", "avdigits_weakimage", "occupancy", "leaves100", "dermatology"]
#: Three values of what each method has as its strength, its default among them.
STRENGTHS: dict[str, tuple[str, tuple[Any, Any, Any]]] = {
    "AGM": ("alpha", (0.5, 1.0, 2.0)),
    "AMCo": ("max_share", (0.25, 0.5, 0.75)),
    "CML": ("rank_weight", (0.03, 0.1, 0.3)),
    "DataRemixing": ("start_epoch", (5, 10, 20)),
    "Greedy": ("threshold", (0.003, 0.01, 0.03)),
    "LFM": ("align_weight", (0.1, 0.5, "decay")),
    "MBSD": ("distill_weight", (0.3, 1.0, 3.0)),
    "MCR": ("competition_weight", (0.03, 0.1, 0.3)),
    "MIDAS": ("misaligned_weight", (0.3, 1.0, 3.0)),
    "MLA": ("ridge", (0.01, 0.1, 1.0)),
    "MMCosine": ("scale", (5.0, 10.0, 20.0)),
    "MMPareto": ("gain", (1.0, 1.5, 2.0)),
    "ModalityDropout": ("rate", (0.1, 0.3, 0.5)),
    "NegativeLearning": ("negative_weight", (0.3, 0.7, 1.5)),
    "OGM": ("alpha", (0.1, 0.3, 0.8)),
    "OPM": ("drop_probability", (0.3, 0.5, 0.7)),
    "PMR": ("weight", (0.3, 1.0, 3.0)),
    "Priority": ("factor", (1.5, 2.0, 4.0)),
    "ReconBoost": ("residual_weight", (0.1, 0.2, 0.5)),
    "Relearning": ("strength", (1.0, 3.0, 10.0)),
    "SustainedBoosting": ("residual_weight", (0.25, 0.5, 1.0)),
    "UMT": ("feature_weight", (3.0, 10.0, 30.0)),
    "Valuation": ("max_copies", (2, 3, 5)),
}
#: By name, what the estimator is given.
OPTIMISERS = {"AdamW": {}, "SGD": {"optimizer": "sgd", "lr": 0.03}}
EPOCHS = 30
#: What passes are counted on.
MADE_UP = "made up"
#: Passes beyond which a method is measured with fewer epochs besides.
MORE_PASSES = 1.1


def control_of(name: str) -> dict[str, Any]:
    """Parameters of a method's control."""
    return VALUES[name].control()


def called(params: dict[str, Any]) -> str:
    """Name of a control; several methods have the same."""
    value = params["balancing"]
    if value is None and params["fusion"] == "concat":
        return {0.0: "joint", 1.0: "joint, a loss per modality"}.get(
            params["unimodal_weight"], f"joint, unimodal_weight={params['unimodal_weight']:g}"
        )
    if value is None and params["fusion"] == "late":
        return f"late fusion, unimodal_weight={params['unimodal_weight']:g}"
    return f"control: {value!r}" if value is not None else f"control: {params['fusion']}"


#: The control of each method, by the names of both.
CONTROLS = {name: called(control_of(name)) for name in VALUES}


def settings(dataset: str) -> dict[str, Any]:
    """What all networks share."""
    return {
        "max_epochs": EPOCHS,
        "n_iter_no_change": EPOCHS,  # never stop early
        "early_stopping": True,
        "fusion_weights": None,
        "batch_size": 256 if dataset == "occupancy" else 64,  # 8000 rows
        "dtype": "float32",
    }


JOINT = {"balancing": None, "fusion": "concat", "unimodal_weight": 0.0}
LOSSES = JOINT | {"unimodal_weight": 1.0}


def controls() -> dict[str, dict[str, Any]]:
    """Parameters of all controls and of plain joint training, by their names."""
    return {called(p): p for p in (JOINT, LOSSES, *(control_of(name) for name in VALUES))}


def simple() -> dict[str, Callable[[int], Any]]:
    """What needs no network."""

    def logistic() -> Any:
        return LogisticRegression(max_iter=1000)

    return {
        "best single modality, LR": lambda seed: UnimodalClassifier(logistic()),
        "concatenation, LR": lambda seed: make_pipeline(ModalityConcatenator(), logistic()),
        "late fusion, LR": lambda seed: LateFusionClassifier(logistic()),
        "opinion pool": lambda seed: OpinionPoolClassifier(random_state=seed),
    }


def chosen(
    dataset: str, candidates: list[dict[str, Any]], **shared: Any
) -> Callable[[int], Chosen]:
    """Makes the choice among networks with these parameters."""

    def make(seed: int) -> Chosen:
        nets = [
            MultimodalClassifier(
                # where candidates are the same but for chance, chance is what differs
                random_state=seed + (100 * k if candidates[k] == candidates[k - 1] else 0),
                **(settings(dataset) | shared | candidates[k]),
            )
            for k in range(len(candidates))
        ]
        return Chosen(nets, random_state=seed)

    return make


def record(dataset: str) -> dict[str, Callable[[int], Any]]:
    """All methods, their controls and the baselines: a choice among three fits, both optimisers."""
    passes = passes_of_methods()
    made = simple()
    for optimiser, own in OPTIMISERS.items():
        for name, params in controls().items():
            made[f"{name} / {optimiser}"] = chosen(dataset, [params] * 3, **own)
        for name in VALUES:
            made[f"{name} / {optimiser}"] = chosen(dataset, strengths(name), **own)
            if passes[name] > MORE_PASSES:
                fewer = own | {"max_epochs": round(EPOCHS / passes[name])}
                method = f"{name}{FEWER} / {optimiser}"
                made[method] = chosen(dataset, strengths(name), **fewer)
    return made


def leaders(n: int = 6) -> list[str]:
    """The methods of least log-loss in the record: geometric means over its sets, by rank.

    Each with the optimiser that suits it better on a set by the mean over folds; "equal passes"
    are not counted apart.
    """
    frame = read("zoo_record")
    losses = frame[frame["metric"] == "log_loss"].copy()
    losses["name"] = losses["method"].str.partition(" / ")[0]
    losses = losses[losses["name"].isin(VALUES)]
    means = losses.groupby(["name", "dataset", "method"])["value"].mean()
    best = means.groupby(["name", "dataset"]).min().unstack("dataset")
    return np.log(best).mean(axis=1).nsmallest(n).index.tolist()


def usual(method: str) -> int:
    """Which of its three candidates was chosen most often in the record."""
    frame = read("zoo_record")
    rows = frame[(frame["method"] == method) & (frame["metric"] == "chosen")]
    return int(rows["value"].mode()[0])


def images(dataset: str) -> dict[str, Callable[[int], Any]]:
    """The leaders with their usual strength, their controls and plain joint training."""
    led = leaders()
    plain = {*(CONTROLS[name] for name in led), called(JOINT), called(LOSSES)}
    made = {}
    for optimiser, own in OPTIMISERS.items():
        for name, params in controls().items():
            if name in plain:
                made[f"{name} / {optimiser}"] = chosen(dataset, [params], **own)
        for name in {**dict.fromkeys(led), "Independent": None}:
            method = f"{name} / {optimiser}"
            made[method] = chosen(dataset, [strengths(name)[usual(method)]], **own)
    return made


def strengths(name: str) -> list[dict[str, Any]]:
    """Three candidates of a method."""
    parameter, values = STRENGTHS.get(name, (None, (None,) * 3))
    if parameter is None:
        return [{"balancing": VALUES[name]}] * 3
    return [{"balancing": clone(VALUES[name]).set_params(**{parameter: v})} for v in values]


def learnt(fitted: Any, X: Any, y: np.ndarray) -> dict[str, float]:
    """Accuracy of a linear classifier on the embeddings of each modality."""
    if not isinstance(fitted, Chosen):
        return {}
    figures: dict[str, float] = {"chosen": fitted.chosen_, "diverged": fitted.diverged_}
    if fitted.diverged_ == len(fitted.candidates):
        return figures
    if len(y) < 1500 and len(X.names) < 4:  # a linear classifier takes no longer than the fit
        trained, labels = fitted.rows_
        before, after = fitted.best_.embed(trained), fitted.best_.embed(X)
        figures |= {f"probe[{m}]": probe(before[m], labels, after[m], y) for m in X.names}
    return figures


def passes_of_methods() -> dict[str, float]:
    """How often a row passes through the encoders in an epoch."""
    frame = read("zoo_passes")
    return dict(zip(frame["method"], frame["value"], strict=True))


def count_passes(datasets: Any, seeds: Any, folder: Path) -> pd.DataFrame:
    """Rows that encoders see in a fit, over those of plain training."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 256)
    X = Modalities({m: rng.normal(size=(256, 4)) + y[:, None] for m in ("a", "b")})
    shared = settings("") | {"early_stopping": False, "random_state": 0}
    seen = {}
    for name, value in {"": None, **VALUES}.items():
        with counted_passes() as passes:
            MultimodalClassifier(balancing=value, **shared).fit(X, y)
        seen[name] = passes.there
    plain = seen.pop("")
    rows = [(MADE_UP, name, 0, 0, "passes", there / plain) for name, there in seen.items()]
    frame = pd.DataFrame(rows, columns=COLUMNS)
    write(frame, "zoo_passes", folder)
    return frame


def apart(frame: pd.DataFrame) -> pd.DataFrame:
    """Every method minus its own control."""
    return beside_controls(frame, CONTROLS)


def ahead(frame: pd.DataFrame) -> pd.DataFrame:
    """On how many sets each method is ahead of its own control, level with it, or behind."""
    return verdicts(apart(frame))


QUESTIONS = {
    "passes": Question(
        table="zoo_passes", datasets=[MADE_UP], measure=count_passes, seeds=1, show=("passes",)
    ),
    "record": Question(
        table="zoo_record",
        methods=record,
        datasets=DATASETS,
        seeds=3,
        options={
            "rotate": True,
            "stress": learnt,
            "keep": without("log_loss[", "balanced_accuracy[", "seconds"),
        },
        derived={
            "zoo_record_differences": apart,
            "zoo_record_counts": ahead,
            "zoo_record_starved": starved,
        },
        show=("accuracy", "log_loss", "cpu_seconds"),
    ),
    "images": Question(
        table="zoo_images",
        methods=images,
        datasets=["avdigits:raw", "avdigits_weakimage:raw"],
        seeds=3,
        options={
            "rotate": True,
            "stress": learnt,
            "keep": without("log_loss[", "balanced_accuracy[", "seconds"),
        },
        derived={"zoo_images_differences": apart, "zoo_images_starved": starved},
        show=("accuracy", "log_loss", "cpu_seconds"),
    ),
}


if __name__ == "__main__":
    answer(QUESTIONS, __doc__)
