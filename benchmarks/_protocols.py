"""How the benchmarks of neural methods are run: data sets, folds, methods, seeds, and one CSV.

Every real data set has one protocol here: its folds (speakers or days left out where rows of one
speaker or day resemble each other), and the figure it is judged by. Folds are the same for all
seeds and methods, so that methods can be compared fold by fold; a seed changes initial weights,
order of rows and the held-out part inside the training fold. Modalities are standardised inside the
training fold. A method never sees the test fold before it is scored.

A benchmark is a dict of methods, each made from a seed::

    METHODS = {
        "joint": lambda seed: MultimodalClassifier(unimodal_weight=0.0, random_state=seed),
        "default": lambda seed: MultimodalClassifier(random_state=seed),
    }

    if __name__ == "__main__":
        frame = run("my_benchmark", METHODS, datasets=["mfeat", "avdigits"], seeds=range(5))
        print(summary(frame, "accuracy"))
        print(differences(frame, "accuracy", against="joint"))

Measurements that ``results/my_benchmark.csv.xz`` has already are not made again: a run that was
stopped goes on where it was. To measure a method anew, take its rows out with `read` and `write`.
"""

from __future__ import annotations

import inspect
import os
import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _columns import read_columns, write_columns
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import GroupKFold, KFold, PredefinedSplit, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_mmbalance import Modalities, ModalityTransformer
from sk_mmbalance.datasets import get_data_home

RESULTS = Path(__file__).parent / "results"
COLUMNS = ["dataset", "method", "seed", "fold", "metric", "value"]
_KEY = ["dataset", "method", "seed", "fold"]

Methods = Mapping[str, Callable[[int], Any]]


#: Images and sounds that are kept as they are by ``load("avdigits:raw")``.
RAW_SHAPES = {"image": (1, 28, 28), "audio": (1, 20, 20)}


class OneScaler(TransformerMixin, BaseEstimator):
    """Standardises with one mean and one standard deviation for all values: pixels, log-mels."""

    def fit(self, X, y=None):
        self.mean_, self.scale_ = np.mean(X), np.std(X)
        return self

    def transform(self, X):
        return (X - self.mean_) / self.scale_


@dataclass(frozen=True)
class Protocol:
    """A data set with its folds.

    Attributes
    ----------
    name : str
        Name of the set.
    X : Modalities
        Its modalities, float32.
    y : ndarray of int
        Classes.
    folds : list of (train, test)
        Row numbers.
    fit_groups : ndarray or None
        Groups that a held-out part inside the training fold has to keep together.
    scaler : transformer
        Fitted to each modality of the training fold.
    """

    name: str
    X: Modalities
    y: np.ndarray
    folds: list[tuple[np.ndarray, np.ndarray]]
    fit_groups: np.ndarray | None = None
    scaler: Any = field(default_factory=StandardScaler)


#: The figure each set is judged by: 81 % of occupancy's rows are of one class.
JUDGED_BY = {"occupancy": "balanced_accuracy"}


def load(name: str, n_splits: int | None = None) -> Protocol:
    """Read a set from the folder ``SK_MMBALANCE_DATA``, with the folds of its protocol.

    =================== ==========================================================
    mfeat               5 stratified folds (``mfeat:official``: the set's own split)
    avdigits            3 folds of speakers (``avdigits:official``: own split;
                        ``avdigits:raw``: images and log-mels instead of flat vectors)
    avdigits_weakimage  as avdigits
    occupancy           5 folds of days
    dermatology         5 stratified folds
    leaves100           3 stratified folds
    hydraulic_ts        5 stratified folds, shuffled: the rows come in order of time
                        (``hydraulic_ts:blocks``: in order, cut into blocks)
    others              3 folds of groups (actors, subjects), where there are some, or 5
                        stratified folds
    =================== ==========================================================
    """
    file, _, variant = name.partition(":")
    with np.load(get_data_home() / f"{file}.npz", allow_pickle=False) as arrays:
        X = Modalities({str(m): arrays[str(m)].astype(np.float32) for m in arrays["modalities"]})
        y = arrays["y"]
        groups = arrays.get("groups")
        split = arrays.get("split")
    if variant == "official":
        folds = PredefinedSplit(np.where(split == "test", 0, -1)).split()
    elif variant == "blocks":
        folds = KFold(n_splits or 5).split(y)
    elif groups is not None:
        folds = GroupKFold(n_splits or (5 if file == "occupancy" else 3)).split(y, y, groups)
    else:
        n_splits = n_splits or (3 if file == "leaves100" else 5)
        folds = StratifiedKFold(n_splits, shuffle=True, random_state=0).split(y, y)
    # Only three of occupancy's days have anybody in the room: holding a whole day out of the
    # training fold as well would take half of what there is to learn.
    fit_groups = groups if variant != "official" and file != "occupancy" else None
    scaler: Any = StandardScaler()
    if variant == "raw":
        X = Modalities({m: values.reshape(-1, *RAW_SHAPES[m]) for m, values in X.items()})
        scaler = OneScaler()
    return Protocol(name, X, y, list(folds), fit_groups, scaler)


def measure(
    protocol: Protocol, fold: int, estimator: Any, extra: Any = None, stress: Any = None
) -> dict[str, float]:
    """Fit on one training fold and score on its test fold.

    `extra` is called with the fitted estimator, `stress` with that and the standardised test fold
    ``(X, y)``; both return further figures by name.
    """
    train, test = protocol.folds[fold]
    scale = ModalityTransformer({}, remainder=protocol.scaler)
    pipe = make_pipeline(scale, estimator)
    step = pipe.steps[-1][0]
    fit_params = {}
    if protocol.fit_groups is not None and "groups" in inspect.signature(estimator.fit).parameters:
        fit_params[f"{step}__groups"] = protocol.fit_groups[train]
    start, cpu = time.perf_counter(), cpu_time()
    pipe.fit(protocol.X[train], protocol.y[train], **fit_params)
    seconds, cpu = time.perf_counter() - start, cpu_time() - cpu
    X, y = pipe[:-1].transform(protocol.X[test]), protocol.y[test]
    fitted = pipe[-1]
    figures = scores(y, fitted.predict_proba(X), fitted.classes_)
    if hasattr(fitted, "unimodal_predict_proba"):
        for name, proba in fitted.unimodal_predict_proba(X).items():
            own = scores(y, proba, fitted.classes_)
            figures |= {f"{metric}[{name}]": value for metric, value in own.items()}
    # of one thread; beside other work the clock says less than the processor's time
    figures |= {"seconds": seconds, "cpu_seconds": cpu}
    if stress is not None:
        figures |= stress(fitted, X, y)
    return figures | (extra(fitted) if extra is not None else {})


def cpu_time() -> float:
    """Seconds of processors that this process and those it has started and awaited have used."""
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


def scores(y: np.ndarray, proba: np.ndarray, classes: np.ndarray) -> dict[str, float]:
    """Accuracy, its mean over classes, and log-loss."""
    predicted = classes[proba.argmax(axis=1)]
    # A day may lack a class (or have one only): the mean is over the classes it has.
    balanced = np.mean([(predicted[y == k] == k).mean() for k in np.unique(y)])
    proba = proba.astype(np.float64)
    return {
        "accuracy": accuracy_score(y, predicted),
        "balanced_accuracy": float(balanced),
        "log_loss": log_loss(y, proba / proba.sum(axis=1, keepdims=True), labels=classes),
    }


def run(
    name: str,
    methods: Methods | Callable[[str], Methods],
    datasets: Iterable[str],
    seeds: Iterable[int] | Mapping[str, Iterable[int]] = range(5),
    n_jobs: int = 1,
    extra: Any = None,
    stress: Any = None,
    n_splits: Mapping[str, int] | None = None,
    rotate: bool = False,
    once: Container[str] = (),
    keep: Callable[[str], bool] | None = None,
    folder: Path = RESULTS,
) -> pd.DataFrame:
    """Measure all methods on all folds and seeds; return the whole table.

    Parameters
    ----------
    name : str
        The table is ``results/<name>.csv.xz``.
    methods : dict of str to callable, or callable
        Makes an estimator from a seed; a callable makes the dict from the name of a set.
    datasets : iterable of str
        Names that `load` knows.
    seeds : iterable of int, or dict of them by data set
        Seeds of the networks.
    n_jobs : int
        Worker processes, of one thread each; at most 2, for the machine is shared.
    extra : callable, default=None
        Further figures of a fitted estimator, by name.
    stress : callable, default=None
        Further figures of a fitted estimator on the standardised test fold, by name.
    n_splits : dict of str to int, default=None
        Other numbers of folds, by set.
    rotate : bool, default=False
        Measure a seed on one fold only, the next for every further seed.
    once : container of str, default=()
        Methods in which nothing is random: measured with the first seed only.
    keep : callable, default=None
        Says of a figure's name whether it is kept: those that a table or a claim reads. None keeps
        all.
    folder : Path
        Where the table lies.
    """
    done = read(name, folder)
    known = set(done[_KEY].itertuples(index=False, name=None))
    jobs, order = [], []
    protocols = {dataset: load(dataset, (n_splits or {}).get(dataset)) for dataset in datasets}
    # Seed by seed: a run that is stopped half-way has all methods on fewer seeds.
    wanted = seeds if isinstance(seeds, Mapping) else dict.fromkeys(protocols, tuple(seeds))
    wanted = {dataset: sorted(own) for dataset, own in wanted.items()}
    for seed in sorted({seed for own in wanted.values() for seed in own}):
        for dataset, protocol in protocols.items():
            if seed not in wanted[dataset]:
                continue
            chosen = methods(dataset) if callable(methods) else methods
            for method, make in chosen.items():
                if method in once and seed != wanted[dataset][0]:
                    continue
                folds = range(len(protocol.folds))
                for fold in [folds[seed % len(folds)]] if rotate else folds:
                    order.append((dataset, method, seed, fold))
                    if order[-1] not in known:
                        jobs.append(
                            delayed(_job)(protocol, fold, method, make, seed, extra, stress, keep)
                        )
    print(f"{name}: {len(order) - len(jobs)} measurements are there, {len(jobs)} to make.")
    folder.mkdir(exist_ok=True)
    for number, rows in enumerate(
        Parallel(n_jobs=min(n_jobs, 2), return_as="generator_unordered")(jobs), 1
    ):
        rows.to_csv(_journal(name, folder), mode="a", header=False, index=False)
        if number % 10 == 0 or number == len(jobs):
            print(f"{name}: {number} of {len(jobs)}", flush=True)
    whole = _in_order(read(name, folder), order)
    write(whole, name, folder)
    return whole


def _job(
    protocol: Protocol,
    fold: int,
    method: str,
    make: Callable[[int], Any],
    seed: int,
    extra: Any,
    stress: Any,
    keep: Callable[[str], bool] | None,
) -> pd.DataFrame:
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    torch.set_num_threads(1)
    figures = measure(protocol, fold, make(seed), extra, stress)
    # Four digits: more are noise, and would make the files large.
    rows = [
        (protocol.name, method, seed, fold, key, f"{value:.4g}")
        for key, value in figures.items()
        if keep is None or keep(key)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _in_order(frame: pd.DataFrame, order: list[tuple]) -> pd.DataFrame:
    """Sets and methods in the order of the benchmark, then by seed and fold."""
    sets, methods = (list(dict.fromkeys(key[part] for key in order)) for part in (0, 1))
    keys = pd.DataFrame(
        {
            "dataset": frame["dataset"].map(lambda d: sets.index(d) if d in sets else len(sets)),
            "method": frame["method"].map(
                lambda m: methods.index(m) if m in methods else len(methods)
            ),
            "seed": frame["seed"],
            "fold": frame["fold"],
        }
    )
    return frame.loc[keys.sort_values(_KEY, kind="stable").index].reset_index(drop=True)


def fused(metric: str) -> bool:
    """Whether a figure is of the whole model; to be given as `keep`."""
    return "[" not in metric


def without(*beginnings: str) -> Callable[[str], bool]:
    """All figures but those that begin so; to be given as `keep`."""
    return lambda metric: not metric.startswith(beginnings)


def table_file(name: str, folder: Path = RESULTS) -> Path:
    """Where a table of results lies: compressed, to a fifteenth of its size."""
    return folder / f"{name}.csv.xz"


def read(name: str, folder: Path = RESULTS, columns: Sequence[str] = COLUMNS) -> pd.DataFrame:
    """A table of results; without rows where there is none yet."""
    file = table_file(name, folder)
    parts = [read_columns(file)] if file.exists() else []
    journal = _journal(name, folder)
    if journal.exists():
        parts.append(pd.read_csv(journal, names=list(columns)))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(columns))


def write(table: pd.DataFrame, name: str, folder: Path = RESULTS) -> None:
    """Write a table of results; the same rows are the same bytes. Six digits are kept."""
    folder.mkdir(exist_ok=True)
    write_columns(table, table_file(name, folder))
    _journal(name, folder).unlink(missing_ok=True)


def _journal(name: str, folder: Path) -> Path:
    """Rows of a run that has not ended yet: one that was stopped goes on from here."""
    return folder / f"{name}.journal.csv"


# -- what the tables say -------------------------------------------------------------------


def judged(frame: pd.DataFrame, metric: str = "accuracy") -> pd.DataFrame:
    """Rows of one metric; "accuracy" is taken as the accuracy that each set is judged by.

    ``accuracy[face]`` is taken likewise, and ``accuracy[*]`` means that of every modality, as one
    set a modality: ``mfeat / pix``.
    """
    base, _, own = metric.partition("[")
    wanted = frame["dataset"].map(lambda d: JUDGED_BY.get(d, base) if base == "accuracy" else base)
    if own != "*]":
        return frame[frame["metric"] == wanted + (f"[{own}" if own else "")]
    rows = frame[[m.startswith(w + "[") for m, w in zip(frame["metric"], wanted, strict=True)]]
    modality = rows["metric"].str.extract(r"\[(.*)\]")[0]
    return rows.assign(dataset=rows["dataset"] + " / " + modality)


def summary(frame: pd.DataFrame, metric: str = "accuracy") -> pd.DataFrame:
    """Mean and standard deviation over seeds, folds averaged first.

    One row a method; columns ``(dataset, "mean")`` and ``(dataset, "sd")``.
    """
    rows = judged(frame, metric)
    by_seed = rows.groupby(["dataset", "method", "seed"], sort=False)["value"].mean()
    cells = by_seed.groupby(["method", "dataset"], sort=False).agg(mean="mean", sd="std")
    wide = cells.unstack("dataset").swaplevel(axis=1)
    sets, methods = dict.fromkeys(rows["dataset"]), dict.fromkeys(rows["method"])
    return wide[[(dataset, what) for dataset in sets for what in ("mean", "sd")]].loc[list(methods)]


def differences(frame: pd.DataFrame, metric: str, against: str, unit: str = "fold") -> pd.DataFrame:
    """Mean difference of every method to one of them, with its standard error.

    Seeds are averaged first; the error is that of the mean of the folds' paired differences. (With
    few folds it is rough itself, and training folds overlap: read it as a yardstick.) With
    ``unit="seed"`` the paired differences are those of the seeds, folds averaged first: what is
    left to chance by the initial weights, not by the choice of speakers.
    """
    rows = judged(frame, metric)
    by_fold = rows.groupby(["dataset", "method", unit], sort=False)["value"].mean()
    wide = by_fold.unstack("method")
    apart = wide.sub(wide[against], axis=0).drop(columns=against).stack().rename("value")
    cells = apart.groupby(["method", "dataset"], sort=False).agg(
        mean="mean", se=lambda v: v.std(ddof=1) / np.sqrt(len(v))
    )
    out = cells.unstack("dataset").swaplevel(axis=1)
    sets = dict.fromkeys(rows["dataset"])
    methods = [m for m in dict.fromkeys(rows["method"]) if m != against]
    return out[[(dataset, what) for dataset in sets for what in ("mean", "se")]].loc[methods]


def percent(table: pd.DataFrame, digits: int = 1, factor: float = 100) -> pd.DataFrame:
    """Columns ``(dataset, "mean")`` and ``(dataset, spread)`` as text, ``97.2 ± 0.3``."""
    shown = {}
    for dataset in dict.fromkeys(table.columns.get_level_values(0)):
        mean, spread = (factor * table[dataset].iloc[:, part] for part in (0, 1))
        shown[dataset] = [
            f"{m:.{digits}f} ± {s:.{digits}f}" for m, s in zip(mean, spread, strict=True)
        ]
    return pd.DataFrame(shown, index=table.index)
