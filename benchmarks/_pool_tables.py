"""What ``pool_record.py`` computes from its measurements: the pool beside all else, in pairs.

A *baseline* here is whatever is neither the pool nor one of its variants: each modality alone, late
fusion, concatenation, stacking. The best of them is taken in hindsight, by the test folds, for
each set and figure.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from _record_tables import POOL, alone
from accuracy import UNTUNED

#: Figures that are compared, and whether more of it is better.
FIGURES = {"balanced_accuracy": 1.0, "log_loss": -1.0}
BEST = "best baseline in hindsight"
VERDICTS = ("ahead", "level", "behind")


def _by_fold(frame: pd.DataFrame, figure: str, dataset: str) -> pd.DataFrame:
    """One row a fold, one column a method, seeds averaged: methods that have all folds."""
    rows = frame[(frame["metric"] == figure) & (frame["dataset"] == dataset)]
    cells = rows.groupby(["method", "fold"], sort=False)["value"].mean()
    return cells.unstack("method").dropna(axis=1)


def _is_pool(method: str) -> bool:
    return method.startswith(POOL)


def beside_baselines(frame: pd.DataFrame) -> pd.DataFrame:
    """The pool, the best baseline in hindsight and their difference, fold by fold.

    A difference is positive where the pool is the better one. Sets without a whole measurement of
    the pool, as a stopped run leaves them, are not shown.
    """
    frame = pd.concat([frame, alone(frame, UNTUNED)], ignore_index=True)
    rows = []
    for dataset in dict.fromkeys(frame["dataset"]):
        for figure, sign in FIGURES.items():
            wide = _by_fold(frame, figure, dataset)
            baselines = wide[[name for name in wide if not _is_pool(name)]]
            if POOL not in wide or baselines.empty or len(wide) < 2:
                continue
            best = (sign * baselines.mean()).idxmax()
            shown = {
                POOL: wide[POOL],
                "best baseline": wide[best],
                "gain": sign * (wide[POOL] - wide[best]),
            }
            rows += [
                (dataset, figure, best, name, fold, value)
                for name, column in shown.items()
                for fold, value in column.items()
            ]
    columns = ["dataset", "metric", "best_baseline", "method", "fold", "value"]
    return pd.DataFrame(rows, columns=columns)


def verdict(gain: pd.Series) -> str:
    """What paired differences say: "level" within one standard error of their mean."""
    mean, error = gain.mean(), gain.std(ddof=1) / np.sqrt(len(gain))
    if abs(mean) <= error:
        return "level"
    return "ahead" if mean > 0 else "behind"


def counts(frame: pd.DataFrame) -> pd.DataFrame:
    """On how many sets the pool is ahead of each method, level with it, and behind it.

    The first method is the best baseline in hindsight, the others are fixed beforehand.
    """
    rows = []
    best = beside_baselines(frame)
    best = best[best["method"] == "gain"]
    for (figure, dataset), own in best.groupby(["metric", "dataset"], sort=False):
        rows.append((BEST, figure, dataset, verdict(own["value"])))
    for figure, sign in FIGURES.items():
        for dataset in dict.fromkeys(frame["dataset"]):
            wide = _by_fold(frame, figure, dataset)
            if POOL not in wide or len(wide) < 2:
                continue
            for method in wide.columns.drop(POOL):
                gain = sign * (wide[POOL] - wide[method])
                rows.append((method, figure, dataset, verdict(gain)))
    told = pd.DataFrame(rows, columns=["method", "metric", "dataset", "verdict"])
    if told.empty:
        return pd.DataFrame(columns=["method", "metric", "verdict", "value"])
    number = told.groupby(["method", "metric", "verdict"], sort=False).size()
    methods, figures = dict.fromkeys(told["method"]), dict.fromkeys(told["metric"])
    index = [(m, f, v) for m in methods for f in figures for v in VERDICTS]
    found = number.reindex(index, fill_value=0).rename("value").reset_index()
    return found.set_axis(["method", "metric", "verdict", "value"], axis=1)
