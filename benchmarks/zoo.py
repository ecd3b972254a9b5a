"""Every balancing method beside its own control, and beside what needs no method.

The pilot of the record: all methods with their default strength, one seed, one fold of each set
(the same for all), equal epochs, the epoch of least held-out loss kept, no fitted fusion weights. A
method's control is the estimator that lacks its idea alone (``value.control()``). Columns are
standardised inside the training fold; the optimiser is AdamW.

One fold and one seed tell what works at all and what it costs, not which method is better: a
difference of two points is chance on most of these sets.

    python benchmarks/zoo.py            # measures what is not there yet
    python benchmarks/zoo.py --show     # and says what the whole record would take
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
from _late_nets import LateNets
from _protocols import JUDGED_BY, load, read, without
from _questions import Question, answer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from sk_mmbalance import (
    LateFusionClassifier,
    ModalityConcatenator,
    MultimodalClassifier,
    OpinionPoolClassifier,
    UnimodalClassifier,
    balancing,
)

DATASETS = ["mfeat", "avdigits", "avdigits_weakimage", "occupancy", "leaves100", "dermatology"]
VALUES = {
    name: getattr(balancing, name)()
    for name in sorted(balancing.__all__, key=str.lower)
    if name != "Balancing"
}
#: Seeds, candidates and a refit, and optimisers of the whole record.
WHOLE = {"seeds": 3, "fits": 4, "optimisers": 2}


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


def zoo(dataset: str) -> dict[str, Callable[[int], Any]]:
    """All methods, their controls and the baselines."""
    shared: dict[str, Any] = {
        "max_epochs": 30,
        "n_iter_no_change": 30,  # never stop early
        "early_stopping": True,
        "fusion_weights": None,
        "batch_size": 256 if dataset == "occupancy" else 64,  # 8000 rows
        "dtype": "float32",
    }

    def net(**params: Any) -> Callable[[int], Any]:
        return lambda seed: MultimodalClassifier(random_state=seed, **(shared | params))

    def logistic() -> Any:
        return LogisticRegression(max_iter=1000)

    joint = {"balancing": None, "fusion": "concat", "unimodal_weight": 0.0}
    controls = [joint, joint | {"unimodal_weight": 1.0}, *(control_of(name) for name in VALUES)]
    return {
        "best single modality, LR": lambda seed: UnimodalClassifier(logistic()),
        "concatenation, LR": lambda seed: make_pipeline(ModalityConcatenator(), logistic()),
        "late fusion, LR": lambda seed: LateFusionClassifier(logistic()),
        "opinion pool": lambda seed: OpinionPoolClassifier(random_state=seed),
        "late fusion of networks": lambda seed: LateNets(net(**joint)(seed)),
        **{called(params): net(**params) for params in controls},
        **{name: net(balancing=value) for name, value in VALUES.items()},
    }


def against_controls(frame: pd.DataFrame) -> pd.DataFrame:
    """Every method minus its own control: the accuracy each set is judged by, and log-loss."""
    by = ["dataset", "seed", "fold"]
    wide = frame.pivot_table(index=[*by, "metric"], columns="method", values="value")
    table = []
    for method, control in CONTROLS.items():
        if method == control or not {method, control} <= set(wide):
            continue
        for (dataset, seed, fold, metric), apart in (wide[method] - wide[control]).dropna().items():
            judged = JUDGED_BY.get(dataset, "accuracy")
            if metric in (judged, "log_loss"):
                shown = "accuracy" if metric == judged else metric
                table.append((dataset, method, control, seed, fold, shown, apart))
    return pd.DataFrame(table, columns=["dataset", "method", "minus", *by[1:], "metric", "value"])


def plan(frame: pd.DataFrame) -> str:
    """What the whole record would take, reckoned from the seconds of the pilot."""
    seconds = frame[frame["metric"] == "seconds"].groupby("dataset")["value"].sum()
    times = WHOLE["seeds"] * WHOLE["fits"] * WHOLE["optimisers"]
    hours = {name: s * len(load(name).folds) * times / 3600 for name, s in seconds.items()}
    told = ", ".join(f"{name} {h:.1f}" for name, h in hours.items())
    return (
        f"The whole record ({WHOLE['seeds']} seeds, all folds, three strengths and a refit, SGD "
        f"and AdamW): {sum(hours.values()):.1f} hours of one core ({told})."
    )


QUESTIONS = {
    "pilot": Question(
        table="zoo_pilot",
        methods=zoo,
        datasets=DATASETS,
        seeds=1,
        options={"rotate": True, "keep": without("log_loss[", "balanced_accuracy[")},
        derived={"zoo_pilot_differences": against_controls},
        show=("accuracy", "log_loss", "seconds"),
    ),
}


if __name__ == "__main__":
    answer(QUESTIONS, __doc__)
    if not (frame := read("zoo_pilot")).empty:
        print(plan(frame))
