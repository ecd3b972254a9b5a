"""Whether random input finds what is silently wrong, or an error in others' words.

``make fuzz`` draws ``FUZZ`` (5,000) cases for every family of estimators and for what stands
around them (``tests/fuzz``), a family in a process of its own. A finding does not end the run: it
is counted by its kind, and the first of each sort is shown with its case. A family that is through
is written down at once (``build/fuzz/journal.jsonl``), so that a run that was stopped goes on where
it was, with its seed; what all families gave goes to the data file, with date, commit and seed.

pytest alone makes a finding small, with the same number of cases, family and seed:
``SK_MMBALANCE_FUZZ=5000 SK_MMBALANCE_FUZZ_RANDOM=1 pytest tests/fuzz -k ... --hypothesis-seed=...``
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
JOURNAL = ROOT / "build" / "fuzz" / "journal.jsonl"
#: Outcomes that are none to be mended.
SOUND = ("right", "refused")


def main() -> None:
    from _record import commit_now, record

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=5000, help="of every family")
    parser.add_argument("--seed", type=int, help="repeats a run; by default another every time")
    parser.add_argument("--only", default="", help="of families whose test has this in its name")
    asked = parser.parse_args()
    if asked.cases < 1:
        parser.error("--cases must be at least 1")
    commit = commit_now()
    done = _journal(commit, asked.cases, asked.seed)
    seed = asked.seed if asked.seed is not None else secrets.randbelow(2**32)
    seed = done[0]["seed"] if done else seed
    tests = [test for test in _tests() if asked.only in test]
    print(f"make fuzz FUZZ={asked.cases} SEED={seed} repeats this run", flush=True)
    there = {entry["test"] for entry in done}
    for test in tests:
        if test in there:
            continue
        entry = {"commit": commit, "cases": asked.cases, "seed": seed} | _run(
            test, asked.cases, seed
        )
        JOURNAL.parent.mkdir(parents=True, exist_ok=True)
        with JOURNAL.open("a") as file:
            file.write(json.dumps(entry) + "\n")
        done.append(entry)
    done = [entry for entry in done if entry["test"] in tests]
    outcomes = sum((Counter(entry["outcomes"]) for entry in done), Counter())
    found = {kind: n for kind, n in outcomes.items() if kind not in SOUND}
    if not asked.only:
        record("fuzz", _figures(done, outcomes, asked.cases, seed))
    if found or any(entry["code"] for entry in done):
        sys.exit(f"findings: {found}" if found else "a test failed by itself; see above")


def _journal(commit: str, cases: int, seed: int | None) -> list[dict]:
    """What an unfinished run of this commit wrote down, unless another seed is asked for."""
    if not JOURNAL.exists() or commit.endswith("+"):  # changed files may have changed again
        return []
    entries = [json.loads(line) for line in JOURNAL.read_text().splitlines()]
    entries = [e for e in entries if e["commit"] == commit and e["cases"] == cases]
    seed = entries[-1]["seed"] if entries and seed is None else seed
    entries = [e for e in entries if e["seed"] == seed]
    return entries if len(entries) < len(_tests()) else []


def _tests() -> list[str]:
    """The tests of random cases, one a family."""
    told = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", "", "tests/fuzz"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [line for line in told.splitlines() if "::" in line]


def _run(test: str, cases: int, seed: int) -> dict:
    """Run one family, all of its cases, in a process of its own."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        counts = Path(folder) / "counts.json"
        settings = {
            "SK_MMBALANCE_FUZZ": str(cases),
            "SK_MMBALANCE_FUZZ_RANDOM": "1",
            "SK_MMBALANCE_FUZZ_COUNTS": str(counts),
        }
        command = [sys.executable, "-m", "pytest", "-q", "-m", "", "-p", "no:cacheprovider"]
        code = subprocess.run(
            [*command, f"--hypothesis-seed={seed}", test], cwd=ROOT, env=os.environ | settings
        ).returncode
        outcomes = json.loads(counts.read_text()) if counts.exists() else {}
    return {
        "test": test,
        "outcomes": dict(sum(map(Counter, outcomes.values()), Counter())),
        "minutes": (time.monotonic() - start) / 60,
        "code": code,
    }


def _figures(done: list[dict], outcomes: Counter, cases: int, seed: int) -> dict[str, float]:
    findings = {f"found, {kind}": n for kind, n in sorted(outcomes.items()) if kind not in SOUND}
    return {
        "families": len(done),
        "cases a family": cases,
        "cases": sum(outcomes.values()),
        **{kind: outcomes[kind] for kind in SOUND},
        "findings": sum(findings.values()),
        **findings,
        "seed": seed,
        "minutes": sum(entry["minutes"] for entry in done),
    }


if __name__ == "__main__":
    main()
