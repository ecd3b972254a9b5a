"""Dated figures of the upkeep targets, in one data file."""

from __future__ import annotations

import datetime
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

BENCHMARKS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(BENCHMARKS))

from _columns import read_columns, write_columns

FILE = BENCHMARKS / "results" / "upkeep.csv.xz"
COLUMNS = ["date", "target", "commit", "figure", "value"]


def record(target: str, figures: Mapping[str, float]) -> None:
    """Add what a target found; the same target on the same day and commit is written once."""
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    commit = commit_now()
    rows = pd.DataFrame(
        [(date, target, commit, figure, value) for figure, value in figures.items()],
        columns=COLUMNS,
    )
    if FILE.exists():
        there = read_columns(FILE).astype({"commit": str})
        again = (there["date"] == date) & (there["target"] == target) & (there["commit"] == commit)
        rows = pd.concat([there[~again], rows], ignore_index=True)
    write_columns(rows, FILE)
    print(f"{target}: " + ", ".join(f"{name} {value:.4g}" for name, value in figures.items()))


def commit_now() -> str:
    """The commit that was looked at, with a plus where files had been changed since."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=BENCHMARKS, capture_output=True, text=True, check=False
        ).stdout.strip()

    # "g" as `git describe` writes it: a name of digits alone would be read as a number
    changed = git(
        "status", "--porcelain", "--untracked-files=no", "--", "../sk_mmbalance", "../tests"
    )
    return f"g{git('rev-parse', '--short', 'HEAD')}{'+' if changed else ''}"
