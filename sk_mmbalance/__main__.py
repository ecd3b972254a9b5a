"""``python -m sk_mmbalance compare FILE --target y``: a fair comparison from the command line."""

from __future__ import annotations

import time

_BEGAN = time.monotonic()  # what is imported below takes seconds, and a time limit counts them

import argparse  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
from collections.abc import Sequence  # noqa: E402
from pathlib import Path  # noqa: E402

from joblib import cpu_count  # noqa: E402

from .comparison import compare, read_data_file, read_duration  # noqa: E402

_TEXT = """\
Compares baselines, networks, balancing methods and the opinion pool on the rows of a
file: csv, tsv, parquet, or npz with named arrays. Results are written as they come; the same
command goes on where the last one stopped.

  python -m sk_mmbalance compare sensors.csv --target state --groups person --time-limit 10m
      --modalities 'acc=^acc_' clinic=age,bmi note=note --html report.html
"""

#: Processes unless asked for: each holds torch and the rows, so not one a core of a large machine.
MOST_JOBS = 4
_SETS = ("default", "all", "baselines")


def main(argv: Sequence[str] | None = None, began: float | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    argv : sequence of str, default=None
        Words after the program's name; None takes those of the process.
    began : float, default=None
        On the monotonic clock, when the time limit begins; None is now.

    Returns
    -------
    code : int
        0; 1 where fewer than two models finished, so that nothing is decided; or 2 where something
        cannot be used: its one line is on the standard error.
    """
    began = time.monotonic() if began is None else began
    given = _parser().parse_args(argv)
    try:
        return _compare(given, began)
    except KeyboardInterrupt:
        return _say(f"interrupted; results so far are in {_results(given)}", 130)
    except (ValueError, TypeError, OSError, ImportError) as error:
        return _say(str(error), 2)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sk_mmbalance")
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser(
        "compare",
        help="a fair comparison on your own file",
        description=_TEXT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).add_argument
    add("file", metavar="FILE", help="csv, tsv, parquet or npz")
    add(
        "--target",
        required=True,
        nargs="+",
        metavar="NAME",
        help="column (or array) to be learnt; several columns are several labels, or numbers",
    )
    add("--groups", metavar="NAME", help="column that keeps rows together: person, day")
    add(
        "--modalities",
        nargs="+",
        metavar="NAME=COLUMNS",
        help="columns of each modality: a regular expression, names with commas between them, or "
        "one JSON object (or file); without it, the beginnings of names decide",
    )
    add("--drop", nargs="+", default=[], metavar="NAME", help="columns to leave out: identifiers")
    add(
        "--task",
        default="auto",
        choices=("auto", "classes", "labels", "numbers"),
        help="what the target is",
    )
    add(
        "--models",
        nargs="+",
        default=["default"],
        metavar="NAME",
        help="who takes part besides the baselines: default, all (balancing methods), baselines "
        "(nobody), or names, as in OGM 'opinion pool'",
    )
    add("--scoring", nargs="+", metavar="NAME", help="scorers of scikit-learn; the first decides")
    add("--folds", type=int, default=5, metavar="N", help="outer folds (default 5)")
    add("--time-limit", metavar="TIME", help="for all of it: 90s, 10m, 1h30m")
    add(
        "--jobs",
        type=int,
        default=min(MOST_JOBS, cpu_count()),
        metavar="N",
        help=f"processes side by side (default: one a core, at most {MOST_JOBS}; -1: all cores)",
    )
    add("--seed", type=int, default=0, metavar="N", help="of folds and models (default 0)")
    add("--results", metavar="FILE", help="where results are kept (default: FILE.compare.jsonl)")
    add("--html", metavar="FILE", help="write a report that needs nothing from elsewhere")
    add("--json", action="store_true", help="print everything as JSON, not as a table")
    return parser


def _results(given: argparse.Namespace) -> str:
    return given.results or f"{given.file}.compare.jsonl"


def _compare(given: argparse.Namespace, began: float) -> int:
    limit = read_duration(given.time_limit)
    if given.html is not None:
        _check_place(Path(given.html))
    data = read_data_file(given.file, given.target, given.groups, given.modalities, given.drop)
    for note in data.notes:
        print(f"note: {note}", file=sys.stderr)
    found = compare(
        data.X,
        data.y,
        models=given.models[0] if given.models[0] in _SETS else given.models,
        groups=data.groups,
        cv=given.folds,
        scoring=given.scoring,
        task=given.task,
        n_jobs=given.jobs,
        # loading this package and reading the file count
        time_limit=None if limit is None else max(0.1, limit - (time.monotonic() - began)),
        results=_results(given),
        random_state=given.seed,
    )
    found.setting["time_limit"] = limit  # as it was asked for
    found.setting["notes"] = [*data.notes, *found.setting["notes"]]
    if given.html is not None:
        found.to_html(given.html, f"A fair comparison on {Path(given.file).name}")
    print(json.dumps(found.to_dict()) if given.json else found.report())
    return 1 if found.best is None else 0


def _check_place(page: Path) -> None:
    """Refuse now what would fail when all is done."""
    if not page.absolute().parent.is_dir():
        raise ValueError(f"--html {page}: there is no such folder.")
    new = not page.exists()
    with page.open("a"):
        pass
    if new:
        page.unlink()


def _say(text: str, code: int) -> int:
    print(f"error: {' '.join(text.split())}", file=sys.stderr)
    return code


if __name__ == "__main__":
    code = main(began=_BEGAN)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # all is written; to take down what networks loaded may take seconds
