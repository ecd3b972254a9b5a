"""What ``accuracy.py`` computes from its measurements: the record, and the differences in it.

A *baseline* is what every method is held to: each modality alone, concatenations, late fusions and
joint networks.
"""

from __future__ import annotations

import pandas as pd
from _protocols import JUDGED_BY, judged

LEARNERS = ("LR", "extra trees", "HGB", "SVM")
#: What the record says of noise and of missing modalities.
STRESS = ("noise 1", "missing 30%")
#: Among the baselines: nobody should be worse off than with a joint network, tuned or as it comes.
JOINT = ("joint", "joint, transformer", "joint, a loss per modality", "joint, as it comes")
#: Each method with the one that lacks only its idea.
CONTROLS = {
    "negative learning": "late fusion, a loss per modality",
    "remixing": "joint, a loss per modality",
    "boosting": "boosting, one head",
}
POOL = "opinion pool"


def alone(frame: pd.DataFrame, learners=LEARNERS) -> pd.DataFrame:
    """Each modality alone, as methods of their own, from the late fusions of the learners."""
    rows = frame[
        frame["method"].isin([f"late fusion, {name}" for name in learners])
        & frame["metric"].str.endswith("]")
    ]
    parts = rows["metric"].str.extract(r"(?P<metric>.*)\[(?P<modality>.*)\]")
    learner = rows["method"].str.removeprefix("late fusion, ")
    return rows.assign(metric=parts["metric"], method=parts["modality"] + " alone, " + learner)


def weakest(frame: pd.DataFrame) -> pd.DataFrame:
    """Accuracy of the modality that is worst by itself, as metric ``weakest``."""
    rows = judged(frame, "accuracy[*]")
    if alone(rows).empty:
        return rows.iloc[:0]
    parts = rows["dataset"].str.split(" / ", n=1)
    rows = rows.assign(dataset=parts.str[0], modality=parts.str[1])
    late = rows[rows["method"].isin([f"late fusion, {name}" for name in LEARNERS])]
    # One weakest modality a set, the same for all methods: that with the lowest best learner.
    best = late.groupby(["dataset", "modality", "method"])["value"].mean()
    best = best.groupby(["dataset", "modality"]).max().unstack()
    weak = best.idxmin(axis=1)
    rows = rows[rows["modality"] == rows["dataset"].map(weak)]
    return rows.assign(metric="weakest").drop(columns="modality")


def is_baseline(method: str) -> bool:
    """Whether every method is held to this one."""
    return (
        method.startswith(("concatenation", "late fusion"))
        or " alone, " in method
        or method in JOINT
    )


def best_alone(frame: pd.DataFrame) -> pd.DataFrame:
    """Of every learner the one modality that does best on the test folds: a method a learner."""
    rows = alone(frame)
    if rows.empty:  # no late fusion is measured yet
        return rows
    parts = rows["method"].str.split(" alone, ", n=1, expand=True)
    rows = rows.assign(modality=parts[0], learner=parts[1])
    keys = ["dataset", "learner"]
    best = judged(rows).groupby([*keys, "modality"])["value"].mean().unstack().idxmax(axis=1)
    chosen = rows["modality"] == best.reindex(pd.MultiIndex.from_frame(rows[keys])).to_numpy()
    rows = rows[chosen].assign(method="best modality alone, " + rows["learner"])
    return rows.drop(columns=["modality", "learner"])


def record(frame: pd.DataFrame) -> pd.DataFrame:
    """What the tables of the documentation show: one row a set, method, seed and figure.

    Folds are averaged. "accuracy" is balanced where the set is judged so.
    """
    frame = pd.concat([best_alone(frame), frame], ignore_index=True)
    figures = [judged(frame).assign(metric="accuracy"), weakest(frame)]
    for how in STRESS:
        names = [JUDGED_BY.get(name, "accuracy") + f", {how}" for name in frame["dataset"]]
        figures.append(frame[frame["metric"] == names].assign(metric=how))
    figures += [frame[frame["metric"] == m] for m in ("log_loss", "calibration_error", "seconds")]
    rows = pd.concat(figures)
    keys = ["dataset", "method", "seed", "metric"]
    return rows.groupby(keys, sort=False)["value"].mean().reset_index()


def differences(frame: pd.DataFrame) -> pd.DataFrame:
    """Every method minus what it is held to ("minus"), fold by fold, seeds averaged.

    Every method is held to the best baseline in hindsight of its set, those of `CONTROLS` to their
    control too.
    """
    frame = judged(pd.concat([frame, alone(frame)], ignore_index=True))
    by_fold = frame.groupby(["dataset", "method", "fold"], sort=False)["value"].mean()
    rows = []
    for dataset in dict.fromkeys(frame["dataset"]):
        folds = by_fold[dataset].unstack("fold").round(6)  # as measurements are kept
        means = folds.mean(axis=1)
        baselines = means[[is_baseline(method) for method in means.index]]
        if baselines.empty:
            continue
        best = baselines.idxmax()
        pairs = [("best baseline", m, best) for m in folds.index if " alone, " not in m]
        pairs += [("control", m, c) for m, c in CONTROLS.items() if {m, c} <= set(folds.index)]
        for kind, method, reference in pairs:
            for fold, value in (folds.loc[method] - folds.loc[reference]).items():
                rows.append((dataset, kind, method, reference, fold, "accuracy", value))
    columns = ["dataset", "kind", "method", "minus", "fold", "metric", "value"]
    return pd.DataFrame(rows, columns=columns)


def proof(frame: pd.DataFrame, learners) -> pd.DataFrame:
    """The pool and the best baseline in hindsight on every fold, seeds averaged.

    Sets that a stopped run has left without a fold of the pool are not shown, nor such baselines.
    """
    frame = judged(pd.concat([frame, alone(frame, learners)], ignore_index=True))
    by_fold = frame.groupby(["dataset", "method", "fold"], sort=False)["value"].mean()
    rows = []
    for dataset in dict.fromkeys(frame["dataset"]):
        wide = by_fold[dataset].unstack("method").dropna(axis=1)
        baselines = wide.drop(columns=POOL, errors="ignore")
        if POOL not in wide or baselines.empty or len(wide) < 2:
            continue
        best = baselines.mean().idxmax()
        for method, column in ((POOL, POOL), ("best baseline", best)):
            for fold, value in wide[column].items():
                rows.append((dataset, best, method, fold, "accuracy", value))
    columns = ["dataset", "best_baseline", "method", "fold", "metric", "value"]
    return pd.DataFrame(rows, columns=columns)
