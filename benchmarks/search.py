"""How long a search takes whose networks are trained as one, against one after another.

======== ===================================================================================
question asks for the time of
======== ===================================================================================
steps    a step of training, per network, by width, rows of a batch and number of networks
rows     a search of 8 candidates in 3 folds of more and more rows, everything around it included
searches whole searches of 24 candidates in 5 folds, on two cores
======== ===================================================================================

Steps are timed in CPU seconds of one thread, as the difference of two trainings that differ in
the number of epochs, so that everything around the training falls out. The rule by which a search
decides whether stacking pays is held to them (`fitted_rule` fits one anew). Searches are timed by
the clock and in CPU seconds of all their processes, against scikit-learn's search over the same
estimator and over the same network in skorch as it comes; nothing is fitted to all rows in the end.

    python benchmarks/search.py             # all: results/search_steps, search_rows, search_rounds
    python benchmarks/search.py searches --repeats 3
"""

from __future__ import annotations

import argparse
import itertools
import os
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from _protocols import RESULTS, write
from _speed.rounds import ratios, run_rounds
from _speed.skorch_side import make_skorch
from _speed.timing import CPU, SIZES, device_name, keep, make_data, seconds
from scipy.optimize import nnls
from sklearn.model_selection import GridSearchCV
from threadpoolctl import threadpool_limits

from sk_mmbalance import Modalities, MultimodalClassifier
from sk_mmbalance.model_selection import VectorizedGridSearchCV

WIDTHS, BATCHES, NUMBERS = (16, 64, 256, 512), (32, 128, 512), (8, 32, 128)

#: One after another, so many networks are enough to know the time of one.
ONE_BY_ONE = 2

#: Products of a batch's rows and a network's weights beyond which nothing is timed: minutes.
MOST_WORK = 3e8

#: Epochs after which a step is as all that follow: the first are carried out in the ordinary way.
FIRST_EPOCHS = 3

#: Rows of small searches, on which what is around the training weighs more or less.
ROWS = (125, 500, 2000, 8000)

#: Rows of the whole searches, and epochs of each of their fits.
ROWS_AND_EPOCHS = (2000, 10)
CASE = "2,000 rows, width 64, batch 32"
SKORCH, OURS = "GridSearchCV, skorch", "GridSearchCV, our estimator"
STACKED, HALVED = "VectorizedGridSearchCV", "VectorizedGridSearchCV, halving"

GRID = {
    "lr": [3e-4, 1e-3, 3e-3, 1e-2],
    "weight_decay": [0.0, 1e-4, 1e-2],
    "unimodal_weight": [0.3, 1.0],
}


def make_net(width: int, batch_size: int, n_epochs: int) -> MultimodalClassifier:
    return MultimodalClassifier(
        hidden_layer_sizes=(width,),
        embedding_dim=width,
        batch_size=batch_size,
        max_epochs=n_epochs,
        early_stopping=False,
        dtype="float32",
        random_state=0,
    )


def measure_steps(repeats: int) -> list[dict]:
    """CPU microseconds of a step, per network."""
    rows = []
    for width, batch_size in itertools.product(WIDTHS, BATCHES):
        weights = weights_of(width)
        if weights * batch_size > MOST_WORK:
            continue
        for n_models in (ONE_BY_ONE, *NUMBERS):
            if n_models * weights * batch_size > 8 * MOST_WORK:
                continue
            how = "one by one" if n_models == ONE_BY_ONE else "stacked"
            taken = [_microseconds(how, width, batch_size, n_models) for _ in range(repeats)]
            rows.append(
                {
                    "device": device_name(CPU),
                    "width": width,
                    "batch_size": batch_size,
                    "networks": 1 if how == "one by one" else n_models,
                    "method": how,
                    "value": round(float(np.median(taken)), 1),
                }
            )
    return rows


def _microseconds(how: str, width: int, batch_size: int, n_models: int) -> float:
    n_steps = 8
    X, y = make_data(n_steps * batch_size + 20, 5)
    X, half = Modalities(X), n_steps * batch_size
    cv = [(np.arange(half), np.arange(half, len(y)))]
    search = GridSearchCV if how == "one by one" else VectorizedGridSearchCV
    extra = {} if how == "one by one" else {"stack": True}
    times = {}
    search(make_net(width, batch_size, 1), {}, cv=cv, refit=False, **extra).fit(X, y)  # warms up
    more = int(np.clip(3e9 / (n_models * n_steps * batch_size * (width**2 + 5e3)), 1, 8))
    for n_epochs in (FIRST_EPOCHS, FIRST_EPOCHS + more):
        grid = {"lr": np.geomspace(1e-4, 1e-2, n_models).tolist()}
        net = make_net(width, batch_size, n_epochs)
        fitted = search(net, grid, cv=cv, refit=False, **extra)
        times[n_epochs] = seconds(lambda fitted=fitted: fitted.fit(X, y))[0]
    taken = times[FIRST_EPOCHS + more] - times[FIRST_EPOCHS]
    return 1e6 * taken / (more * n_steps * n_models)


def measure_rows(repeats: int) -> list[dict]:
    """CPU seconds of a search per fit, by its rows."""
    rows = []
    for n_rows in ROWS:
        X, y = make_data(n_rows, 5)
        settings = {"param_grid": {"lr": np.geomspace(1e-4, 1e-2, 8)}, "cv": 3, "refit": False}
        searches = {
            "one by one": GridSearchCV(make_net(64, 32, 10), **settings),
            "stacked": VectorizedGridSearchCV(make_net(64, 32, 10), stack=True, **settings),
        }
        taken: dict[str, list[float]] = {how: [] for how in searches}
        for _ in range(repeats):
            for how, search in searches.items():
                run = partial(search.fit, Modalities(X), y)
                taken[how].append(seconds(run)[0] / 24)
        rows += [
            {
                "device": device_name(CPU),
                "rows": n_rows,
                "method": how,
                "value": round(float(np.median(times)), 4),
            }
            for how, times in taken.items()
        ]
    return rows


def fitted_rule(table: pd.DataFrame) -> dict[str, tuple[float, ...]]:
    """Coefficients of the rule, of least relative error: `alone` and `stacked`.

    Microseconds of a step of one network: whatever its size, for a million products, for a million
    weights; in a stack before these the share of what a step of all networks takes.
    """
    found = {}
    for how, part in table.groupby("method"):
        weights = np.array([weights_of(width) for width in part["width"]]) / 1e6
        terms = [np.ones(len(part)), weights * part["batch_size"], weights]
        if how == "stacked":
            terms.insert(0, 1 / part["networks"].to_numpy(float))
        took = part["value"].to_numpy(float)
        fitted, _ = nnls(np.column_stack(terms) / took[:, None], np.ones(len(part)))
        found[how] = tuple(float(f"{value:.3g}") for value in fitted)
    return found


def weights_of(width: int) -> int:
    """About the numbers that the timed network trains, and its products for a row."""
    return 2 * width**2 + (sum(SIZES.values()) + 20) * width


def measure_searches(repeats: int, folder: Path) -> None:
    """Whole searches, in rounds; goes on where it was stopped."""
    n_rows, n_epochs = ROWS_AND_EPOCHS
    X, y = make_data(n_rows, 5)
    whole = (Modalities(X), y)
    beside = (np.hstack([X[name] for name in SIZES]), y)
    net, settings = make_net(64, 32, n_epochs), {"cv": 5, "n_jobs": 2, "refit": False}
    grid = {"optimizer__weight_decay" if k == "weight_decay" else k: v for k, v in GRID.items()}
    searches = {
        SKORCH: (GridSearchCV(make_skorch(5, 32, n_epochs), grid, **settings), beside),
        OURS: (GridSearchCV(net, GRID, **settings), whole),
        STACKED: (VectorizedGridSearchCV(net, GRID, **settings), whole),
        HALVED: (VectorizedGridSearchCV(net, GRID, halving=[2, 4], **settings), whole),
    }
    for search, rows in searches.values():  # starts the processes, imports what they need
        type(search)(search.estimator, {"max_epochs": [1]}, **settings).fit(*rows)
    runs = {name: lambda s=s, rows=rows: s.fit(*rows) for name, (s, rows) in searches.items()}
    table = run_rounds("search_rounds", CASE, runs, repeats, folder)
    write(search_ratios(table), "search_ratios", folder)


def search_ratios(table: pd.DataFrame) -> pd.DataFrame:
    """How much faster every search is than either of scikit-learn's."""
    return pd.concat([ratios(table, SKORCH), ratios(table, OURS)], ignore_index=True)


QUESTIONS = ("steps", "rows", "searches")


def main() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"  # of the processes of scikit-learn's search
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("questions", nargs="*", help=f"of {', '.join(QUESTIONS)}; else all")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=RESULTS)
    args = parser.parse_args()
    unknown = set(args.questions) - set(QUESTIONS)
    if unknown:
        parser.error(f"no question {', '.join(sorted(unknown))}; there are {', '.join(QUESTIONS)}")
    torch.set_num_threads(1)
    with threadpool_limits(1):
        for question in args.questions or QUESTIONS:
            if question == "steps":
                keep("search_steps", measure_steps(args.repeats), args.folder)
            elif question == "rows":
                keep("search_rows", measure_rows(args.repeats), args.folder)
            else:
                measure_searches(args.repeats, args.folder)


if __name__ == "__main__":
    main()
