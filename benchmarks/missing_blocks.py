"""The opinion pool on rows that lack whole blocks, at random and by group, beside imputation.

At most 600 rows of three sets, in which

=============== =================================================================================
at random       every block is absent in 40 % of the rows, but one of a row stays
by clinic       rows belong to four clinics (whole subjects or actors do, where a set has some);
                each clinic lacks a block of its own, in all of its rows
half, 17 %      two classes, one in six rows positive; the widest block is absent in half of the
                rows of either class
=============== =================================================================================

Three stratified folds. The baselines take all blocks side by side: logistic regression on scaled
columns with means imputed and indicators of what is absent, and extra trees, which take what is
absent as such; in the last case also with weights that balance the classes.

    python benchmarks/missing_blocks.py           # some minutes; resumes
    python benchmarks/missing_blocks.py --show    # nothing is measured
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
from _protocols import RESULTS, _journal, load, read, scores, write
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_mmbalance import Modalities, ModalityConcatenator, OpinionPoolClassifier

SETS = ("dermatology", "wesad_wrist", "cremad_feat_ogmge")
CASES = ("at random", "by clinic", "half, 17 %")
MOST_ROWS, MOST_COLUMNS = 600, 60
COLUMNS = ["dataset", "case", "method", "fold", "metric", "value"]


def imputed(model):
    return make_pipeline(
        ModalityConcatenator(missing="mask"),
        SimpleImputer(add_indicator=True, keep_empty_features=True),
        StandardScaler(),
        model,
    )


def methods(case):
    made = {
        "opinion pool": OpinionPoolClassifier(missing="mask", random_state=0),
        "opinion pool, balanced": OpinionPoolClassifier(
            missing="mask", class_weight="balanced", random_state=0
        ),
        "imputed LR": imputed(LogisticRegression(max_iter=1000)),
        "imputed LR, balanced": imputed(LogisticRegression(max_iter=1000, class_weight="balanced")),
        "extra trees": make_pipeline(
            ModalityConcatenator(missing="mask"), ExtraTreesClassifier(200, random_state=0)
        ),
    }
    weighted = [name for name in made if "balanced" in name]
    return {name: m for name, m in made.items() if name not in weighted or case == CASES[-1]}


def made(name, case):
    """Rows with holes, and their classes."""
    rng = np.random.default_rng(0)
    protocol = load(name)
    keep = np.sort(rng.permutation(len(protocol.y))[:MOST_ROWS])
    y = protocol.y[keep]
    groups = None if protocol.fit_groups is None else protocol.fit_groups[keep]
    X = {}
    for m in sorted(protocol.X):
        values = protocol.X[m]
        some = np.sort(rng.permutation(values.shape[1])[:MOST_COLUMNS])
        X[m] = values[keep][:, some].astype(np.float64)
    lacks = np.zeros((len(y), len(X)), dtype=bool)
    if case == "at random":
        lacks = rng.random(lacks.shape) < 0.4
        lacks[np.arange(len(y)), rng.integers(0, len(X), len(y))] = False
    elif case == "by clinic":
        own = np.arange(len(y)) if groups is None else np.unique(groups, return_inverse=True)[1]
        clinic = rng.permutation(np.arange(own.max() + 1) % 4)[own]
        lacks[np.arange(len(y)), clinic % len(X)] = True
    else:
        positive = (y == np.bincount(y).argmax()).astype(int)
        some = rng.permutation(np.flatnonzero(positive))[: (positive == 0).sum() // 5]
        kept = np.sort(np.r_[np.flatnonzero(positive == 0), some])
        y, lacks = positive[kept], lacks[kept]
        X = {m: values[kept] for m, values in X.items()}
        widest = np.argmax([values.shape[1] for values in X.values()])
        lacks[:, widest] = rng.random(len(y)) < 0.5
    holes = {m: np.where(lacks[:, [k]], np.nan, v) for k, (m, v) in enumerate(X.items())}
    return Modalities(holes), y


def measure(folder) -> pd.DataFrame:
    known = set(read("missing_blocks", folder, COLUMNS)[["dataset", "case"]].agg("/".join, axis=1))
    for name in SETS:
        for case in CASES:
            if f"{name}/{case}" in known:
                continue
            X, y = made(name, case)
            rows = []
            cut = StratifiedKFold(3, shuffle=True, random_state=0).split(y, y)
            for fold, (train, test) in enumerate(cut):
                for method, model in methods(case).items():
                    model.fit(X[train], y[train])
                    told = scores(y[test], model.predict_proba(X[test]), model.classes_)
                    rows += [
                        (name, case, method, fold, metric, float(f"{told[metric]:.4g}"))
                        for metric in ("balanced_accuracy", "log_loss")
                    ]
            new = pd.DataFrame(rows, columns=COLUMNS)
            new.to_csv(_journal("missing_blocks", folder), mode="a", header=False, index=False)
            print(name, case, flush=True)
            print(new.groupby(["metric", "method"], sort=False)["value"].mean().round(3).unstack())
    return read("missing_blocks", folder, COLUMNS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--show", action="store_true", help="measure nothing")
    show = parser.parse_args().show
    table = read("missing_blocks", columns=COLUMNS) if show else measure(RESULTS)
    write(table, "missing_blocks")
    cells = table.groupby(["metric", "dataset", "case", "method"], sort=False)["value"].mean()
    with pd.option_context("display.width", 200):
        print(cells.unstack("method").round(3).to_string())


if __name__ == "__main__":
    main()
