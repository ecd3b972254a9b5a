"""What negative learning, data remixing and sustained boosting gain, and by what.

============== ===========================================================================
question       asks
============== ===========================================================================
controls       each method beside its control (the same network and losses without the
               idea): in its published form and with our defaults
images         the same for convolutional networks on pixels and log-mels
boosting       where the gain of sustained boosting comes from, with a control for every part
as-they-come   the estimators with nothing set but the seed, beside plain networks, and what
               fitted fusion weights change
============== ===========================================================================

Within a question all methods have the same backbones, optimiser, epochs and batches, and nothing is
tuned on any of them. "controls" and "boosting" hold out the same tenth of the training fold (a
whole speaker for avdigits) for all, train to the last epoch and go back to the one of least
held-out loss. "images" holds nothing out and scores the last epoch, as a method is usually trained
on images; its ten seeds are each on one of the three folds of speakers in turn. "as-they-come" is
explained in `_as_they_come`.

In "controls", negative learning's default is the published code's form; "stronger" divides the
guidance by the rows alone, not by rows and classes. The models are also scored on the test fold
with Gaussian noise of sd 1 and 2 on the standardised inputs, and with a share of the modalities
removed.

In "boosting" the controls are: joint training with one fused loss; the same with a loss per
modality; networks trained each for itself; alternating training with the shared output layer but
one head; as many heads as allowed from the start; added heads left untrained (as in the published
code); the published form; our defaults, with and without added heads.

    python benchmarks/balancing.py                # all: hours
    python benchmarks/balancing.py controls --seeds 1 --datasets occupancy
    python benchmarks/balancing.py images --show  # nothing is measured
"""

from __future__ import annotations

import _as_they_come
import pandas as pd
from _late_nets import LateNets
from _protocols import without
from _questions import Question, answer
from _stress import stress

from sk_mmbalance import (
    DataRemixingClassifier,
    MultimodalClassifier,
    NegativeLearningClassifier,
    SustainedBoostingClassifier,
)

VECTORS = ["mfeat:official", "avdigits", "avdigits_weakimage", "occupancy", "leaves100"]
VECTORS += ["dermatology"]
IMAGES = ["avdigits:raw", "avdigits_weakimage:raw"]

#: Each method with the one that lacks only its idea.
CONTROLS = {
    "negative learning": "late fusion, a loss per modality",
    "negative learning, stronger": "late fusion, a loss per modality",
    "remixing, published": "joint, a loss per modality",
    "remixing": "joint, a loss per modality",
    "boosting, published": "boosting, published, one head",
    "boosting": "boosting, one head",
    "negative learning and remixing": "negative learning",
}


def settings(n_epochs: int, batch_size: int) -> dict:
    """Equal epochs for all; the one of least held-out loss is kept."""
    return {
        "max_epochs": n_epochs,
        "early_stopping": True,
        "n_iter_no_change": n_epochs,  # never stop early
        "batch_size": batch_size,
        "dtype": "float32",
        "fusion_weights": None,  # as it was trained: "as-they-come" fits weights
    }


def maker(shared: dict):
    """``method(cls, **params)``: makes estimators with shared parameters from a seed."""

    def method(cls, **params):
        return lambda seed: cls(random_state=seed, **(shared | params))

    return method


# -- controls, images ----------------------------------------------------------------------


def with_controls(shared: dict) -> dict:
    """All methods and their controls."""
    method = maker(shared)
    alone = method(MultimodalClassifier, unimodal_weight=0.0)
    published = SustainedBoostingClassifier.published
    return {
        "joint": method(MultimodalClassifier, unimodal_weight=0.0),
        "joint, a loss per modality": method(MultimodalClassifier, unimodal_weight=0.5),
        "joint, unimodal_weight=1": method(MultimodalClassifier, unimodal_weight=1.0),
        "late fusion of networks": lambda seed: LateNets(alone(seed)),
        "late fusion, a loss per modality": method(
            MultimodalClassifier, fusion="late", unimodal_weight=1.0
        ),
        "negative learning": method(NegativeLearningClassifier),
        "negative learning, stronger": method(NegativeLearningClassifier, reduction="mean"),
        "remixing, published": method(DataRemixingClassifier.published),
        "remixing": method(DataRemixingClassifier),
        "boosting, published, one head": method(published, max_heads=1),
        "boosting, published": method(published),
        "boosting, one head": method(SustainedBoostingClassifier, max_heads=1),
        "boosting": method(SustainedBoostingClassifier),
        "negative learning and remixing": method(NegativeLearningClassifier, remix_after=10),
    }


def on_vectors(dataset: str) -> dict:
    """Of "controls"; larger batches for occupancy's 8000 rows, for the time it takes."""
    shared = settings(40, 256 if dataset == "occupancy" else 64)
    # for the rows that lack modalities at test time
    return with_controls(shared | {"missing": "mask"})


def on_images(dataset: str) -> dict:
    """Of "images"."""
    shared = settings(30, 64) | {"missing": "mask", "early_stopping": False}
    made = with_controls(shared | {"n_iter_no_change": 10})
    for name in (
        "joint, unimodal_weight=1",
        "negative learning, stronger",
        "negative learning and remixing",
    ):
        del made[name]
    return made


def shares(fitted) -> dict[str, float]:
    """Mean share of the rows that each modality got in remixed epochs."""
    history = getattr(fitted, "history_", None)
    if history is None or "remixed" not in history:
        return {}
    remixed = history[history["remixed"].astype(bool)]
    return {
        column.replace("__share", "") + " share": float(remixed[column].mean())
        for column in remixed
        if column.endswith("__share")
    }


def paired_differences(frame: pd.DataFrame, unit: str = "seed") -> pd.DataFrame:
    """Balanced accuracy of every method minus its control's: one figure a seed, or a fold."""
    rows = frame[frame["metric"] == "balanced_accuracy"]
    wide = rows.pivot_table(index=["dataset", "seed", "fold"], columns="method", values="value")
    table = []
    for method, control in CONTROLS.items():
        if not {method, control} <= set(wide):
            continue
        apart = (wide[method] - wide[control]).dropna()
        for (dataset, one), value in apart.groupby(["dataset", unit], sort=False).mean().items():
            table.append((dataset, method, control, one, "balanced_accuracy", value))
    columns = ["dataset", "method", "minus", unit, "metric", "value"]
    return pd.DataFrame(table, columns=columns)


# -- boosting ------------------------------------------------------------------------------


def boosting(dataset: str) -> dict:
    """Sustained boosting in parts."""
    method = maker(settings(30, 512 if dataset == "occupancy" else 128))  # 8000 rows against 1500
    alone = method(MultimodalClassifier, unimodal_weight=0.0)
    ours, published = SustainedBoostingClassifier, SustainedBoostingClassifier.published
    # the published losses, updates and heads, with heads averaged in the fusion
    parts = {"fused_weight": 0.0, "head_width": 256, "head_combine": "mean"}
    # published heads with a fused loss
    fused = {"fused_weight": 1.0, "head_width": 256}
    return {
        "joint": method(MultimodalClassifier, unimodal_weight=0.0),
        "joint, a loss per modality": method(MultimodalClassifier, unimodal_weight=1.0),
        "late fusion of networks": lambda seed: LateNets(alone(seed)),
        "one head": method(ours, max_heads=1, **parts),
        "fixed heads": method(ours, n_heads_init=4, **parts),
        "new heads left untrained": method(published, train_new_heads=False),
        "published form": method(published),
        "fused loss, one head": method(ours, max_heads=1, **fused),
        "fused loss, heads averaged": method(ours, head_combine="mean", **fused),
        "fused loss": method(ours, **fused),
        "our defaults, one head": method(ours, max_heads=1),
        "our defaults": method(ours),
    }


def heads(fitted) -> dict[str, float]:
    """Heads at the end, and the least held-out loss."""
    figures = {}
    if hasattr(fitted, "n_heads_"):
        figures = {f"n_heads[{name}]": float(n) for name, n in fitted.n_heads_.items()}
    if hasattr(fitted, "history_"):
        figures["held_out_loss"] = float(fitted.history_["valid_loss"].min())
    return figures


# Speakers are few and differ: ten seeds where each method is weighed against its control.
TEN = {"avdigits": 10, "avdigits_weakimage": 10}
QUESTIONS = {
    "controls": Question(
        table="balancing_methods",
        methods=on_vectors,
        datasets=VECTORS,
        seeds=TEN,
        options={
            "extra": shares,
            "stress": stress,
            "keep": without(
                "log_loss[", "balanced_accuracy[", "log_loss, ", "accuracy, ", "seconds"
            ),
        },
        derived={"balancing_differences": paired_differences},
        controls=CONTROLS,
    ),
    "images": Question(
        table="end_to_end",
        methods=on_images,
        datasets=IMAGES,
        seeds=10,
        options={"extra": shares, "rotate": True},
        derived={"end_to_end_differences": paired_differences},
        controls=CONTROLS,
        unit="seed",
    ),
    "boosting": Question(
        table="boosting",
        methods=boosting,
        datasets=["mfeat", "avdigits", "avdigits_weakimage", "occupancy"],
        options={
            "extra": heads,
            "n_splits": {"mfeat": 3},
            "keep": without("log_loss[", "accuracy["),
        },
        against=("one head", "joint", "late fusion of networks"),
    ),
    "as-they-come": Question(
        table="default_networks",
        methods=_as_they_come.METHODS,
        datasets=["mfeat", *VECTORS[1:]],
        seeds=TEN,
        options={
            "extra": _as_they_come.extra,
            "stress": _as_they_come.both_ways,
            "keep": without("log_loss[", "balanced_accuracy[", "accuracy["),
        },
        derived={
            "default_networks_differences": _as_they_come.against_plain,
            "fusion_weights": _as_they_come.fitted_minus_trained,
        },
        against=("joint", "late fusion of networks"),
    ),
}


if __name__ == "__main__":
    answer(QUESTIONS, __doc__)
