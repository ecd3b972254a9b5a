"""The opinion pool with its defaults beside the best floor in hindsight.

Floors: each modality alone, late fusion (mean of probabilities) and concatenation, each with four
learners: logistic regression, 200 extra trees, a support vector machine with RBF kernel and Platt's
scaling, and histogram boosting (capped at 30 rounds of 8 leaves on a quarter of the columns, and
left out for leaves100: 100 classes are 100 trees a round). They are not tuned. The best of them is
chosen for each set *in hindsight*, by its test folds, which no user could do: it has luck on its
side.

The pool is ``OpinionPoolClassifier()`` as it comes, its cross-validation inside the training fold
(speakers kept together there too). Seeds are averaged first; learners without randomness run once.
Each set is judged as `_protocols.JUDGED_BY` says.

    python benchmarks/opinion_pool.py            # results/opinion_pool.csv, opinion_pool_proof.csv
    python benchmarks/opinion_pool.py --jobs 2 --seeds 1 --datasets dermatology
    python benchmarks/opinion_pool.py --show     # the proof again, nothing is run
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
from _protocols import RESULTS, judged, read, run
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from sk_mmbalance import LateFusionClassifier, ModalityConcatenator, OpinionPoolClassifier

NAME = "opinion_pool"
DATASETS = ["dermatology", "leaves100", "occupancy", "avdigits_weakimage", "mfeat", "avdigits"]
POOL = "opinion pool"


def learners(seed: int) -> dict:
    """The floors' classifiers; the table standardises every modality in the training fold."""
    return {
        "LR": LogisticRegression(max_iter=1000),
        "SVM": CalibratedClassifierCV(SVC(), cv=3, ensemble=False),
        "extra trees": ExtraTreesClassifier(200, random_state=seed),
        "boosting": HistGradientBoostingClassifier(
            max_iter=30,
            learning_rate=0.15,
            max_leaf_nodes=8,
            max_features=0.25,
            early_stopping=False,
            random_state=seed,
        ),
    }


#: Learners that a seed does not change.
FIXED = ("LR", "SVM")
#: Three folds instead of five, for the time it takes.
N_SPLITS = {"mfeat": 3}


def arms(names) -> dict:
    """Late fusion and concatenation of the learners `names`."""
    made = {}
    for name in names:
        made[f"late fusion, {name}"] = lambda seed, n=name: LateFusionClassifier(learners(seed)[n])
        made[f"concatenation, {name}"] = lambda seed, n=name: make_pipeline(
            ModalityConcatenator(), learners(seed)[n]
        )
    return made


def with_single_modalities(frame: pd.DataFrame) -> pd.DataFrame:
    """One row a measurement of the judging figure, each modality alone as a method of its own."""
    fused = judged(frame, "accuracy")
    alone = judged(frame[frame["method"].str.startswith("late fusion, ")], "accuracy[*]")
    parts = alone["dataset"].str.split(" / ", n=1, expand=True)
    learner = alone["method"].str.removeprefix("late fusion, ")
    alone = alone.assign(dataset=parts[0], method=parts[1] + " alone, " + learner)
    return pd.concat([fused, alone], ignore_index=True)


def proof(frame: pd.DataFrame) -> pd.DataFrame:
    """The pool and the best floor in hindsight on every fold, seeds averaged.

    Sets that a stopped run has left without a fold of the pool are not shown, nor such floors.
    """
    figures = with_single_modalities(frame)
    by_fold = figures.groupby(["dataset", "method", "fold"], sort=False)["value"].mean()
    rows = []
    for dataset in dict.fromkeys(frame["dataset"]):
        wide = by_fold[dataset].unstack("method").dropna(axis=1)
        floors = wide.drop(columns=POOL, errors="ignore")
        if POOL not in wide or floors.empty or len(wide) < 2:
            continue
        best = floors.mean().idxmax()
        for method, column in ((POOL, POOL), ("best floor", best)):
            for fold, value in wide[column].items():
                rows.append((dataset, best, method, fold, "accuracy", f"{value:.6g}"))
    columns = ["dataset", "best_floor", "method", "fold", "metric", "value"]
    return pd.DataFrame(rows, columns=columns).astype({"value": float})


def show(table: pd.DataFrame, frame: pd.DataFrame) -> None:
    """Print the proof: difference of the pool to the best floor, its standard error, a verdict."""
    seeds = frame[frame["method"] == POOL].groupby("dataset")["seed"].nunique()
    seconds = frame[(frame["method"] == POOL) & (frame["metric"] == "seconds")]
    seconds = seconds.groupby("dataset")["value"].max()
    lines = []
    for (dataset, best), rows in table.groupby(["dataset", "best_floor"], sort=False):
        wide = rows.pivot(index="fold", columns="method", values="value")
        apart = 100 * (wide[POOL] - wide["best floor"])
        error = apart.std(ddof=1) / np.sqrt(len(apart))
        verdict = "above" if apart.mean() > error else "not below"
        lines.append(
            {
                "set": dataset,
                "best floor in hindsight": best,
                "floor": 100 * wide["best floor"].mean(),
                "pool": 100 * wide[POOL].mean(),
                "difference": apart.mean(),
                "s.e.": error,
                # a difference of just one standard error is one of rounding
                "verdict": "BELOW" if apart.mean() < -error - 1e-9 else verdict,
                "seeds": seeds[dataset],
                "longest fit (s)": seconds[dataset],
            }
        )
    print(pd.DataFrame(lines).to_string(index=False, float_format="{:.2f}".format))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--datasets", nargs="*", default=DATASETS)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--show", action="store_true", help="only the proof, from the table")
    args = parser.parse_args()
    if not args.show:
        pool = {POOL: lambda seed: OpinionPoolClassifier(random_state=seed)}
        for seed in range(args.seeds):
            # boosting last: it takes as long as all others together
            first = pool | (arms(FIXED) if seed == 0 else {}) | arms(["extra trees"])
            boosted = [name for name in args.datasets if name != "leaves100"]
            for chosen, datasets in ((first, args.datasets), (arms(["boosting"]), boosted)):
                for dataset in datasets:
                    run(NAME, chosen, [dataset], [seed], args.jobs, n_splits=N_SPLITS)
    frame = read(NAME)
    table = proof(frame)
    table.to_csv(RESULTS / f"{NAME}_proof.csv", index=False)
    show(table, frame)


if __name__ == "__main__":
    main()
