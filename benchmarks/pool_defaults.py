"""What the opinion pool's defaults were chosen by: small ablations on eight development sets.

Cheap experts (logistic regression at three strengths, 30 extra trees) on every modality and on all
of them, at most 2300 rows (every k-th) and 100 columns a modality
(600 where rows are fewer than 1000); their out-of-fold answers are
made once for every outer fold, and the questions are asked of them:

============ ===================================================================================
row order    inner folds cut in order, shuffled, or both (each row counts half under either)
class weight one weight an expert, weights by class at several penalties, or the choice ("auto")
strength     logistic regression at one C for all blocks, at the best C of each, or all
few groups   penalties of the weights, where groups are left out
incomplete   the pool as it comes on 450 rows that lack modalities (each at random, or the first in
             half of the rows), its experts on all of them fitted to complete rows or to all rows
============ ===================================================================================

Outer folds: shuffled ones, blocks of rows in order (within each class), and groups left out where a
set has some. Rewrites the rows of the asked sets in ``results/pool_defaults.csv.xz``.

    python benchmarks/pool_defaults.py hydraulic_ts landuse21     # one to three minutes a set
    python benchmarks/pool_defaults.py --show                     # nothing is measured
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
from _protocols import read, write
from scipy.special import log_softmax
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GroupKFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    train_test_split,
)
from sklearn.preprocessing import StandardScaler

from sk_mmbalance import Modalities, OpinionPoolClassifier
from sk_mmbalance.convex import fit_opinion_pool, pooled_log_proba
from sk_mmbalance.modalities import CheckedModalities

SETS = [
    "hydraulic_ts",
    "landuse21",
    "wesad_wrist",
    "occupancy",
    "prokaryotic",
    "cremad_feat_ogmge",
    "avdigits_weakimage",
    "dermatology",
]
#: Where a fold takes a minute.
ONE_FOLD = ("avdigits_weakimage", "landuse21")
#: Sets whose rows are made incomplete: few rows of few modalities, for speed.
INCOMPLETE = ("wesad_wrist", "cremad_feat_ogmge", "dermatology")
STRENGTHS = (0.01, 0.1, 1.0)
COLUMNS = ["question", "dataset", "protocol", "fold", "method", "metric", "value"]
ALPHA = 10.0


def load(name):
    """Modalities (wide ones cut to 100 columns), classes and groups of some rows."""
    with np.load(Path(os.environ["SK_MMBALANCE_DATA"]) / f"{name}.npz") as arrays:
        y = arrays["y"]
        keep = np.arange(0, len(y), -(-len(y) // 2300))
        X = {}
        for m in map(str, arrays["modalities"]):
            block = arrays[m].reshape(len(y), -1)[keep].astype(np.float64)
            some = np.random.RandomState(0).permutation(block.shape[1])[
                : 600 if len(y) < 1000 else 100
            ]
            X[m] = block[:, np.sort(some)]
        groups = arrays.get("groups")
    if groups is not None:
        groups = np.unique(groups[keep], return_inverse=True)[1]
    return X, y[keep], groups


def answers(X, y, train, test, n_classes):
    """Log-probabilities of all experts for `test`, (n_test, n_experts, n_classes), by kind."""
    told = {kind: [] for kind in (*STRENGTHS, "trees")}

    def told_by(model, block):
        """Its answers, kept from certainty."""
        proba = np.zeros((len(test), n_classes))
        proba[:, model.classes_] = model.predict_proba(block[test])
        return np.log(0.99 * proba + 0.01 / n_classes)

    if len(np.unique(y[train])) < 2:  # a fold of days without anybody
        sure = np.eye(n_classes)[np.full(len(test), y[train][0])]
        sure = np.log(0.99 * sure + 0.01 / n_classes)[:, None]
        return {kind: np.repeat(sure, len(X) + 1, axis=1) for kind in told}
    for name in [*sorted(X), None]:
        block = X[name] if name else np.hstack([X[m] for m in sorted(X)])
        scaled = StandardScaler().fit(block[train]).transform(block)
        path = LogisticRegression(max_iter=300, tol=1e-3, warm_start=True)
        for C in STRENGTHS:
            told[C].append(told_by(path.set_params(C=C).fit(scaled[train], y[train]), scaled))
        trees = ExtraTreesClassifier(30, random_state=0).fit(block[train], y[train])
        told["trees"].append(told_by(trees, block))
    return {kind: np.stack(each, axis=1) for kind, each in told.items()}


def out_of_fold(X, y, rows, folds, n_classes):
    """The same for all `rows`, each answered by experts that were not fitted on it; the folds."""
    whole, fold_of = {}, np.empty(len(rows), dtype=int)
    for number, (train, test) in enumerate(folds):
        fold_of[test] = number
        for kind, part in answers(X, y, rows[train], rows[test], n_classes).items():
            whole.setdefault(kind, np.empty((len(rows), *part.shape[1:])))[test] = part
    return whole, fold_of


def weights(logs, y, alpha=ALPHA, **options):
    return fit_opinion_pool(logs, y, alpha=alpha / len(y), tol=1e-5, **options).weights


def figures(logs, w, y):
    """Balanced accuracy and log-loss of the pool."""
    pooled = pooled_log_proba(logs, w)
    hit = pooled.argmax(axis=1) == y
    return {
        "balanced_accuracy": np.mean([hit[y == k].mean() for k in np.unique(y)]),
        "log_loss": -pooled[np.arange(len(y)), y].mean(),
    }


def joined(told, strength=1.0):
    return np.concatenate([told[strength], told["trees"]], axis=1)


def row_order(inner, y, test, y_test):
    in_order, shuffled = (joined(inner[how][0]) for how in ("in order", "shuffled"))
    both = np.concatenate([in_order, shuffled])
    yield "in order", figures(test, weights(in_order, y), y_test)
    yield "shuffled", figures(test, weights(shuffled, y), y_test)
    yield "both", figures(test, weights(both, np.r_[y, y], 2 * ALPHA), y_test)


def class_weight(told, fold_of, y, test, y_test):
    logs = joined(told)
    _, n_experts, n_classes = logs.shape
    if n_experts * n_classes > 600 or n_classes < 3:
        return
    one = [weights(logs[:, [e]], y, 1e-6)[0] for e in range(n_experts)]
    logs, test = (log_softmax(x * np.reshape(one, (-1, 1)), axis=2) for x in (logs, test))
    # below what the penalty on the mean is, there is none
    penalties = {"common": None, "free": 1 / n_classes}
    penalties |= {f"{p:g}": p for p in (0.3, 1.0, 3.0) if p * n_classes > 1}
    nested, outer = {}, {}
    folds = np.unique(fold_of)
    for name, penalty in penalties.items():
        how = {} if penalty is None else {"per_class": True, "class_penalty": penalty}
        outer[name] = figures(test, weights(logs, y, **how), y_test)
        nested[name] = np.array(
            [
                figures(
                    logs[fold_of == f],
                    weights(logs[fold_of != f], y[fold_of != f], **how),
                    y[fold_of == f],
                )["log_loss"]
                for f in folds
            ]
        )
        yield name, outer[name]
    best = min(nested, key=lambda name: nested[name].mean())
    gain = nested["common"] - nested[best]
    yield "auto, least loss", outer[best]
    for errors in (1, 2):
        sure = gain.mean() > errors * gain.std(ddof=1) / len(folds) ** 0.5
        yield f"auto, {errors} s.e.", outer[best if sure else "common"]


def strength(told, y, test, y_test):
    for C in STRENGTHS:
        yield f"C={C:g}", figures(joined(test, C), weights(joined(told, C), y), y_test)
    losses = [-told[C][np.arange(len(y)), :, y].mean(axis=0) for C in STRENGTHS]
    best = [STRENGTHS[i] for i in np.argmin(losses, axis=0)]
    chosen = [
        np.concatenate([*(each[C][:, [b]] for b, C in enumerate(best)), each["trees"]], axis=1)
        for each in (told, test)
    ]
    yield "best of each block", figures(chosen[1], weights(chosen[0], y), y_test)
    everyone = [np.concatenate(list(each.values()), axis=1) for each in (told, test)]
    yield "all in the pool", figures(everyone[1], weights(everyone[0], y), y_test)


def few_groups(told, y, test, y_test):
    for alpha in (1, 10, 30, 100, 300):
        yield f"alpha={alpha}", figures(test, weights(joined(told), y, alpha), y_test)


def incomplete(X, y, seed):
    """The pool as it comes, on rows of which some lack modalities."""
    rng = np.random.default_rng(seed)
    train, test = train_test_split(rng.permutation(len(y))[:750], train_size=0.6, random_state=seed)
    for how in ("at random", "the first"):
        lacks = rng.random((len(y), len(X))) < 0.4
        if how == "the first":
            lacks = np.zeros_like(lacks)
            lacks[:, 0] = rng.random(len(y)) < 0.5
        lacks[np.arange(len(y)), rng.integers(0, len(X), len(y))] &= how == "the first"
        holes = Modalities(
            {m: np.where(lacks[:, [k]], np.nan, X[m]) for k, m in enumerate(sorted(X))}
        )
        for method in ("complete rows", "all rows"):
            # told that no row lacks anything, the default asks for all modalities of a row
            told = patch.object(CheckedModalities, "has_missing", False)
            with told if method == "complete rows" else nullcontext():
                pool = OpinionPoolClassifier(missing="mask", per_class=False, random_state=seed)
                pool.fit(holes[train], y[train])
            known = np.isin(y[test], pool.classes_)
            logs = np.log(pool.predict_proba(holes[test][known]))
            own = np.searchsorted(pool.classes_, y[test][known])
            yield how, method, figures(logs[:, None], np.ones(1), own)


def measure_incomplete(name):
    rows = []
    if name not in INCOMPLETE:
        return pd.DataFrame(rows, columns=COLUMNS)
    X, y, _ = load(name)
    for seed in range(2):
        for how, method, told in incomplete(X, y, seed):
            for metric, value in told.items():
                rows.append(("incomplete", name, how, seed, method, metric, value))
    return pd.DataFrame(rows, columns=COLUMNS)


def measure(name):
    X, y, groups = load(name)
    n_folds = 1 if name in ONE_FOLD else 2
    n_classes = y.max() + 1
    outer = {
        "shuffled": StratifiedKFold(3, shuffle=True, random_state=0).split(y, y),
        "blocks": StratifiedKFold(3).split(y, y),
    }
    if groups is not None:
        outer["groups"] = GroupKFold(3).split(y, y, groups)
    rows = []
    for protocol, folds in outer.items():
        for fold, (train, test) in enumerate(folds):
            if fold >= n_folds or len(np.unique(y[train])) < n_classes:
                continue
            own, y_test = y[train], y[test]
            cuts = {
                "in order": StratifiedKFold(5).split(own, own),
                "shuffled": StratifiedKFold(5, shuffle=True, random_state=fold).split(own, own),
            }
            if protocol == "groups":
                own_groups = groups[train]
                cut = StratifiedGroupKFold(min(5, len(np.unique(own_groups))))
                cuts = {"groups": cut.split(own, own, own_groups)}
            inner = {how: out_of_fold(X, y, train, cut, n_classes) for how, cut in cuts.items()}
            last = answers(X, y, train, test, n_classes)
            told, fold_of = inner.get("groups") or inner["shuffled"]
            asked = {}
            if protocol != "groups":
                asked["row order"] = row_order(inner, own, joined(last), y_test)
            else:
                asked["few groups"] = few_groups(told, own, joined(last), y_test)
            if protocol != "blocks":
                asked["class weight"] = class_weight(told, fold_of, own, joined(last), y_test)
                asked["strength"] = strength(told, own, last, y_test)
            for question, methods in asked.items():
                for method, told_figures in methods:
                    for metric, value in told_figures.items():
                        rows.append((question, name, protocol, fold, method, metric, value))
    return pd.DataFrame(rows, columns=COLUMNS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("datasets", nargs="*")
    parser.add_argument("--show", action="store_true", help="measure nothing")
    args = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.filterwarnings("ignore", message="The least populated class")
    for name in [] if args.show else args.datasets or SETS:
        start = time.perf_counter()
        table = pd.concat([measure(name), measure_incomplete(name)])
        table["value"] = [float(f"{value:.4g}") for value in table["value"]]
        done = read("pool_defaults", columns=COLUMNS)
        write(pd.concat([done[done["dataset"] != name], table]), "pool_defaults")
        print(f"{name}: {time.perf_counter() - start:.0f} s", flush=True)
    done = read("pool_defaults", columns=COLUMNS)
    with pd.option_context("display.width", 200, "display.max_rows", 500):
        for question, own in done.groupby("question", sort=False):
            cells = own.groupby(["dataset", "protocol", "metric", "method"], sort=False)["value"]
            print(question, cells.mean().unstack("method").round(3).to_string(), sep="\n")


if __name__ == "__main__":
    main()
