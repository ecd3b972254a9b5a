"""A benchmark as a few questions: each is one table of measurements, and what is computed from it.

A script names its questions and calls `answer`::

    QUESTIONS = {
        "plain": Question(table="plain", methods=METHODS, datasets=["mfeat"]),
        "images": Question(table="images", methods=METHODS, datasets=["avdigits:raw"], seeds=10),
    }

    if __name__ == "__main__":
        answer(QUESTIONS, __doc__)

Its command line asks all of them or some, of fewer sets, seeds or methods, and with ``--show`` only
computes from the measurements that are there.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from _protocols import RESULTS, Methods, differences, percent, read, run, summary, write
from sklearn.exceptions import ConvergenceWarning

from sk_mmbalance.exceptions import CollapseWarning

Table = pd.DataFrame


@dataclass(frozen=True, kw_only=True)
class Question:
    """One table of measurements.

    Attributes
    ----------
    table : str
        Its name in ``results/``.
    methods : dict of str to callable, or callable
        As `_protocols.run` takes them.
    datasets : list of str
        Names that `_protocols.load` knows.
    seeds : int or dict of str to int
        How many; five for sets that the dict lacks.
    options : dict
        What else `_protocols.run` is to be given.
    measure : callable, default=None
        Makes the table in place of `_protocols.run`, from the names of the sets, the seeds and the
        folder.
    derived : dict of str to callable
        Further tables in ``results/``, computed from this one.
    show : tuple of str
        Metrics whose means are printed.
    against : tuple of str
        Methods whose differences to all others are printed.
    controls : dict of str to str
        Methods whose differences to a method of their own are printed.
    unit : {"fold", "seed"}
        What these differences are paired by.
    """

    table: str
    datasets: Sequence[str]
    methods: Methods | Callable[[str], Methods] = field(default_factory=dict)
    seeds: int | Mapping[str, int] = 5
    options: Mapping[str, Any] = field(default_factory=dict)
    measure: Callable[[Sequence[str], Iterable[int], Path], Table] | None = None
    derived: Mapping[str, Callable[[Table], Table]] = field(default_factory=dict)
    show: Sequence[str] = ("accuracy", "log_loss", "accuracy[*]")
    against: Sequence[str] = ()
    controls: Mapping[str, str] = field(default_factory=dict)
    unit: str = "fold"

    def answer(self, args: argparse.Namespace) -> None:
        """Measure what is not there yet, write what follows from it, and print the means."""
        if args.datasets is not None and not set(args.datasets) & set(self.datasets):
            print(f"{self.table}: asks about {', '.join(self.datasets)} only.")
            return
        frame = read(self.table, args.folder) if args.show else self.measured(args)
        if frame.empty:
            print(f"{self.table}: no measurement.")
            return
        for name, derive in self.derived.items():
            write(derive(frame), name, args.folder)
        self._print(frame)

    def measured(self, args: argparse.Namespace) -> Table:
        """The whole table, once what it lacks has been measured."""
        names = [name for name in self.datasets if args.datasets is None or name in args.datasets]
        counts = self.seeds if isinstance(self.seeds, Mapping) else dict.fromkeys(names, self.seeds)
        seeds = {name: range(args.seeds or counts.get(name, 5)) for name in names}
        if self.measure is not None:
            return self.measure(names, max(seeds.values(), key=len, default=()), args.folder)
        methods = only(self.methods, args.methods)
        options = {"n_jobs": args.jobs, "folder": args.folder, **self.options}
        return run(self.table, methods, names, seeds, **options)

    def _print(self, frame: Table) -> None:
        there = set(frame["metric"])
        for metric in self.show:
            if metric.endswith("[*]") and not any(m.endswith("]") for m in there):
                continue
            scale = (1, 100) if metric.startswith("accuracy") else (3, 1)
            cells = percent(summary(frame, metric), *scale)
            print(f"{metric}:", cells.T if "[" in metric else cells, sep="\n", end="\n\n")
        pairs = [(frame, control) for control in self.against if control in set(frame["method"])]
        for method, control in self.controls.items():
            pair = frame[frame["method"].isin([method, control])]
            pairs += [(pair, control)] if pair["method"].nunique() == 2 else []
        for rows, control in pairs:
            cells = percent(differences(rows, "accuracy", control, self.unit))
            print(f"accuracy minus that of {control!r}:", cells, sep="\n", end="\n\n")


def only(
    methods: Methods | Callable[[str], Methods], names: Sequence[str] | None
) -> Callable[[str], Methods]:
    """Those of the methods that were asked for; all where none was."""

    def chosen(dataset: str) -> Methods:
        made = methods(dataset) if callable(methods) else methods
        return {name: made[name] for name in made if names is None or name in names}

    return chosen


def answer(questions: Mapping[str, Question], doc: str) -> None:
    """Answer the questions that the command line asks, or all."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("questions", nargs="*", help=f"of {', '.join(questions)}; else all")
    parser.add_argument("--seeds", type=int, default=None)
    parser.add_argument("--datasets", nargs="*", default=None)
    parser.add_argument("--methods", nargs="*", default=None, help="only these")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=RESULTS, help="where the tables are")
    parser.add_argument("--show", action="store_true", help="measure nothing")
    args = parser.parse_args()
    unknown = set(args.questions) - set(questions)
    if unknown:
        parser.error(f"no question {', '.join(sorted(unknown))}; there are {', '.join(questions)}")
    warnings.simplefilter("ignore", CollapseWarning)  # the shares of the rows are in the tables
    warnings.simplefilter("ignore", ConvergenceWarning)
    wide = ("display.width", 220, "display.max_rows", 200, "display.max_columns", 40)
    with pd.option_context(*wide):
        for name in args.questions or questions:
            questions[name].answer(args)
