"""Negative learning, data remixing and sustained boosting, each beside its control.

For each method: its control (the same network and losses without the idea), its published form,
and our defaults. (Negative learning's default is the published code's form; "stronger" divides the
guidance by the rows alone, not by rows and classes.) All arms have the same backbones, optimiser,
epochs and batches, hold out the same tenth of the training fold (a whole speaker for avdigits),
train to the last epoch and go back to the one of least held-out loss. Nothing is tuned on any arm.

Besides fused and per-modality accuracy and log-loss, each fitted model is scored on the test fold
with Gaussian noise of sd 1 and 2 on the standardised inputs, and with a share of the modalities
removed (every row keeps at least one): the same noise and the same holes for all arms.

    python benchmarks/balancing_methods.py          # results/balancing_methods.csv, and from it
                                                    # results/balancing_differences.csv
    python benchmarks/balancing_methods.py --seeds 1 --datasets occupancy
"""

from __future__ import annotations

import warnings
import zlib

import numpy as np
import pandas as pd
from _floors import LateNets
from _protocols import (
    JUDGED_BY,
    RESULTS,
    command_line,
    differences,
    only,
    percent,
    run,
    scores,
    summary,
)

from sk_mmbalance import (
    DataRemixingClassifier,
    Modalities,
    MultimodalClassifier,
    NegativeLearningClassifier,
    SustainedBoostingClassifier,
)
from sk_mmbalance.exceptions import CollapseWarning

DATASETS = [
    "mfeat:official",
    "avdigits",
    "avdigits_weakimage",
    "occupancy",
    "leaves100",
    "dermatology",
]
#: Ten seeds where each method is weighed against its control, five elsewhere.
SEEDS = {"avdigits": 10, "avdigits_weakimage": 10}
EPOCHS = 40
NOISE = (1.0, 2.0)
MISSING = (0.3, 0.6)

#: Each method with the arm that lacks only its idea.
CONTROLS = {
    "negative learning": "late fusion, a loss per modality",
    "negative learning, stronger": "late fusion, a loss per modality",
    "remixing, published": "joint, a loss per modality",
    "remixing": "joint, a loss per modality",
    "boosting, published": "boosting, published, one head",
    "boosting": "boosting, one head",
    "negative learning and remixing": "negative learning",
}


def arms(dataset: str) -> dict:
    """All arms for one data set."""
    settings = {
        "max_epochs": EPOCHS,
        "early_stopping": True,
        "n_iter_no_change": EPOCHS,  # never stop early: equal epochs for all
        "batch_size": 256 if dataset == "occupancy" else 64,  # 8000 rows: for the time it takes
        "dtype": "float32",
        "missing": "mask",  # for the rows that lack modalities at test time
        "fusion_weights": None,  # as it was trained: benchmarks/default_networks.py fits weights
    }

    def arm(method, **params):
        return lambda seed: method(random_state=seed, **settings, **params)

    alone = arm(MultimodalClassifier, unimodal_weight=0.0)
    return {
        "joint": arm(MultimodalClassifier, unimodal_weight=0.0),
        "joint, a loss per modality": arm(MultimodalClassifier, unimodal_weight=0.5),
        "joint, unimodal_weight=1": arm(MultimodalClassifier, unimodal_weight=1.0),
        "late fusion of networks": lambda seed: LateNets(alone(seed)),
        "late fusion, a loss per modality": arm(
            MultimodalClassifier, fusion="late", unimodal_weight=1.0
        ),
        "negative learning": arm(NegativeLearningClassifier),
        "negative learning, stronger": arm(NegativeLearningClassifier, reduction="mean"),
        "remixing, published": arm(DataRemixingClassifier.published),
        "remixing": arm(DataRemixingClassifier),
        "boosting, published, one head": arm(SustainedBoostingClassifier.published, max_heads=1),
        "boosting, published": arm(SustainedBoostingClassifier.published),
        "boosting, one head": arm(SustainedBoostingClassifier, max_heads=1),
        "boosting": arm(SustainedBoostingClassifier),
        "negative learning and remixing": arm(NegativeLearningClassifier, remix_after=10),
    }


def stress(fitted, X: Modalities, y: np.ndarray, noises=NOISE, shares=MISSING) -> dict[str, float]:
    """Scores under noise and with missing modalities; the draws depend on the test fold alone."""
    rng = np.random.default_rng(zlib.crc32(np.ascontiguousarray(y).tobytes()))
    figures = {}
    noise = {name: rng.standard_normal(X[name].shape).astype(X[name].dtype) for name in X.names}
    for sd in noises:
        noisy = Modalities({name: X[name] + sd * noise[name] for name in X.names})
        figures |= _stressed(fitted, noisy, y, f"noise {sd:g}")
    order = rng.random((len(y), len(X.names)))
    for share in shares:
        absent = order < share
        last = order == order.min(axis=1, keepdims=True)
        absent &= ~(absent.all(axis=1, keepdims=True) & last)  # every row keeps one
        holes = Modalities(
            {
                name: np.where(absent[:, [column]], np.float32(np.nan), X[name])
                for column, name in enumerate(X.names)
            }
        )
        figures |= _stressed(fitted, holes, y, f"missing {share:.0%}")
    return figures


def _stressed(fitted, X: Modalities, y: np.ndarray, how: str) -> dict[str, float]:
    figures = scores(y, fitted.predict_proba(X), fitted.classes_)
    return {f"{metric}, {how}": value for metric, value in figures.items()}


def extra(fitted) -> dict[str, float]:
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


def paired_differences(frame: pd.DataFrame, unit: str = "fold") -> pd.DataFrame:
    """Balanced accuracy of every method minus its control's: one figure a fold, or a seed."""
    rows = frame[frame["metric"] == "balanced_accuracy"]
    wide = rows.pivot_table(index=["dataset", "seed", "fold"], columns="method", values="value")
    table = []
    for method, control in CONTROLS.items():
        if not {method, control} <= set(wide):
            continue
        apart = (wide[method] - wide[control]).dropna()
        for (dataset, one), value in apart.groupby(["dataset", unit], sort=False).mean().items():
            table.append((dataset, method, control, one, "balanced_accuracy", f"{value:.6g}"))
    columns = ["dataset", "method", "minus", unit, "metric", "value"]
    return pd.DataFrame(table, columns=columns)


def show(frame: pd.DataFrame) -> None:
    """Print what the table says."""
    with pd.option_context("display.width", 200):
        print(percent(summary(frame)), end="\n\n")
        print(percent(summary(frame, "log_loss"), 3, 1), end="\n\n")
        for how in [f"noise {sd:g}" for sd in NOISE] + [f"missing {s:.0%}" for s in MISSING]:
            rows = [
                frame[
                    (frame["dataset"] == name)
                    & (frame["metric"] == f"{JUDGED_BY.get(name, 'accuracy')}, {how}")
                ]
                for name in dict.fromkeys(frame["dataset"])
            ]
            table = pd.concat(rows).pivot_table(
                index="method", columns="dataset", values="value", sort=False
            )
            print(f"{how}:\n{(100 * table).round(1)}", end="\n\n")
        print(percent(summary(frame, "accuracy[*]")).T, end="\n\n")
        for method, control in CONTROLS.items():
            pair = frame[frame["method"].isin([method, control])]
            print(f"{method!r} minus {control!r}:")
            print(percent(differences(pair, "accuracy", control)), end="\n\n")


def main() -> None:
    parser = command_line(__doc__.splitlines()[0], DATASETS, seeds=None)
    args = parser.parse_args()
    seeds = {name: range(args.seeds or SEEDS.get(name, 5)) for name in args.datasets}
    warnings.simplefilter("ignore", CollapseWarning)  # the shares are in the table
    name = "balancing_methods"
    frame = run(name, only(arms, args.methods), args.datasets, seeds, args.jobs, extra, stress)
    paired_differences(frame, unit="seed").to_csv(
        RESULTS / "balancing_differences.csv", index=False
    )
    show(frame)


if __name__ == "__main__":
    main()
