"""Whether the tests notice small mistakes in the code: a seeded sample of mutants.

``make mutation`` draws 300 changes (`_mutants.py`: cosmic-ray's operators) from the modalities, the
losses, the targets and the solvers, makes each of them in a copy of the package, and runs the
tests of that room on it, from the quickest that reaches the changed line to the slowest, until
one fails. The mutant is then *killed*; one that all tests pass has *survived*. At least 85 % have
to be killed.

cosmic-ray and mutmut run mutants too. The first starts a Python for every one, which here costs
more than the tests do (torch, scikit-learn and cvxpy are imported each time). The second puts a
wrapper in place of every function, which the pickling of estimators, scikit-learn's reading of
signatures and processes of workers do not survive. So this one forks with third parties imported
already; the package is imported anew, from a copy on the disk, where workers find the mutant too.

A run that was stopped goes on where it was (``build/mutation/journal.jsonl``). After tests were
added, ``--again`` runs the survivors anew. Survivors that were read and found to be the same
program, or of no consequence, stand with the reason in ``survivors.toml``; they count as survivors
all the same.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import hashlib
import json
import os
import resource
import shutil
import signal
import sys
import time
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build" / "mutation"
TREE = BUILD / "tree"
JOURNAL = BUILD / "journal.jsonl"
SURVIVORS = HERE / "survivors.toml"
LEAST = 0.85

#: What is imported before the fork: all that costs time and is not ours.
THIRD_PARTIES = [
    *("coverage", "pytest", "numpy", "scipy.optimize", "scipy.stats", "scipy.special", "pandas"),
    *("sklearn.utils.estimator_checks", "sklearn.ensemble", "sklearn.linear_model"),
    *("sklearn.model_selection", "sklearn.pipeline", "pyarrow", "polars", "narwhals", "joblib"),
    *("cvxpy", "torch", "torch.nn.functional", "skorch", "safetensors.torch", "tqdm", "skops.io"),
]

#: The most processor seconds beyond four times what the tests take, the most seconds of a clock,
#: and bytes: a mutant may turn forever, sleep forever, or ask for all memory.
CPU_SPARE, CLOCK, MEMORY = 15, 900, 12 << 30


def groups(mutants: int) -> dict[str, tuple[list[str], int]]:
    """Which files are changed, by group, and how often."""

    def files(*patterns: str) -> list[str]:
        found = {file for pattern in patterns for file in ROOT.glob(f"sk_mmbalance/{pattern}")}
        return sorted(str(file.relative_to(ROOT)) for file in found if file.name != "__init__.py")

    losses = files("networks/_target_loss.py", "networks/_joint_loss.py", "convex/**/*losses*.py")
    solvers = [file for file in files("convex/**/*.py") if file not in losses]
    return {
        "modalities": (files("modalities/*.py"), mutants // 3),
        "losses": (losses, mutants // 6),
        "targets": (files("base/_target.py"), mutants // 6),
        "solvers": (solvers, mutants - mutants // 3 - 2 * (mutants // 6)),
    }


def mirror(file: str) -> list[str]:
    """The tests of the room that a file is in."""
    room, name = file.split("/")[1:3]
    if room == "networks":
        return [f"tests/networks/test{name}"]
    if room == "convex":
        return [f"tests/convex/{name}", "tests/convex/test_linear_pool.py"]
    return [f"tests/{room}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutants", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--again", action="store_true", help="run the survivors anew")
    parser.add_argument("--show", action="store_true", help="show the survivors and run nothing")
    asked = parser.parse_args()
    from _mutants import sample

    file_groups = groups(asked.mutants)
    mutants = sample(ROOT, file_groups, asked.seed)
    done = _read_journal()
    if asked.again:
        done = {key: entry for key, entry in done.items() if entry["outcome"] != "survived"}
    to_do = [mutant for mutant in mutants if mutant.key not in done]
    print(f"{len(mutants)} mutants, {len(mutants) - len(to_do)} of them in the journal")
    if to_do and not asked.show:
        _copy()
        tests = sorted({path for mutant in to_do for path in mirror(mutant.file)})
        _import_third_parties()
        seconds = _baseline(tests)
        reached = _reached(tests, seconds)
        for number, mutant in enumerate(to_do, 1):
            entry = _try(mutant, reached(mutant))
            with JOURNAL.open("a") as journal:
                journal.write(json.dumps(entry) + "\n")
            done[mutant.key] = entry
            print(
                f"{number}/{len(to_do)} {entry['outcome']:8} {entry['cpu']:5.1f} s "
                f"{mutant.file}:{mutant.line} {mutant.operator}",
                flush=True,
            )
    entries = [done[mutant.key] for mutant in mutants if mutant.key in done]
    _report(entries, complete=len(entries) == len(mutants), file_groups=file_groups)


def _copy() -> None:
    """A copy of what the tests need, its bytecode made, so that only mutants are compiled."""
    shutil.rmtree(TREE, ignore_errors=True)
    for folder in ("sk_mmbalance", "tests", "docs/_ext"):
        shutil.copytree(ROOT / folder, TREE / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "benchmarks", TREE / "benchmarks", ignore=shutil.ignore_patterns("r*"))
    shutil.copy(ROOT / "pyproject.toml", TREE)
    import compileall

    compileall.compile_dir(TREE / "sk_mmbalance", quiet=1)


def _import_third_parties() -> None:
    import importlib
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in THIRD_PARTIES:
            importlib.import_module(name)
    # or every collection of garbage, of which pytest makes several, goes through all of torch
    gc.collect()
    gc.freeze()


def _baseline(tests: list[str]) -> dict[str, float]:
    """Run the tests on the code as it is: what they reach, and how long each takes."""
    import coverage

    seconds, known = BUILD / "seconds.json", BUILD / "baseline.json"
    digest = _digest(tests)
    if known.exists():
        before = json.loads(known.read_text())
        if set(tests) <= set(before["tests"]) and _digest(before["tests"]) == before["digest"]:
            return json.loads(seconds.read_text())

    def run() -> int:
        import pytest
        from _one_run import Durations

        sys.dont_write_bytecode = False  # so that asserts are rewritten once
        cover = coverage.Coverage(
            str(BUILD / "reached"), config_file=False, source=["sk_mmbalance"]
        )
        arguments = ["-q", "-p", "no:cacheprovider", *tests]
        plugin = _Contexts(cover)
        cover.start()
        code = pytest.main(arguments, plugins=[Durations(seconds), plugin])
        cover.stop()
        cover.save()
        return int(code)

    code, _ = _fork(run, BUILD / "baseline.log", cpu=3600, clock=7200)
    if code != 0:
        sys.exit(f"The tests fail without any mutant: see {BUILD / 'baseline.log'}")
    known.write_text(json.dumps({"digest": digest, "tests": tests}))
    return json.loads(seconds.read_text())


def _digest(tests: list[str]) -> str:
    """Stands for the tests and the package."""
    digest = hashlib.sha256()
    for path in [TREE / "sk_mmbalance", *(TREE / test for test in tests)]:
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(f"{file.relative_to(TREE)}\n".encode() + file.read_bytes())
    return digest.hexdigest()


class _Contexts:
    """Tells coverage which test is running."""

    def __init__(self, cover):
        self.cover = cover

    def pytest_runtest_logstart(self, nodeid, location):
        self.cover.switch_context(nodeid)


def _reached(tests: list[str], seconds: dict[str, float]):
    """Which tests reach a mutant's line, with their times."""
    import coverage

    data = coverage.CoverageData(str(BUILD / "reached"))
    data.read()
    contexts: dict[str, dict[int, list[str]]] = {}

    def reached(mutant) -> dict[str, float]:
        if mutant.file not in contexts:
            contexts[mutant.file] = data.contexts_by_lineno(str(TREE / mutant.file))
        mirrors = tuple(mirror(mutant.file))
        # a condition over several lines is counted at its first
        near = [line for line in contexts[mutant.file] if line <= mutant.line]
        names = set(contexts[mutant.file].get(mutant.line) or ())
        if not names and near:
            names = set(contexts[mutant.file][max(near)])
        at_import = "" in names or not names
        return {
            test: time
            for test, time in seconds.items()
            if test.startswith(mirrors) and (at_import or test in names)
        }

    return reached


def _try(mutant, seconds: dict[str, float]) -> dict:
    """Run the tests on one mutant."""
    target = TREE / mutant.file
    original = target.read_text(encoding="utf-8")
    bytecode = list(target.parent.glob(f"__pycache__/{target.stem}.*.pyc"))
    note = BUILD / "failed.txt"
    note.unlink(missing_ok=True)

    def run() -> int:
        import pytest
        from _one_run import Only

        files = sorted({test.partition("::")[0] for test in seconds})
        arguments = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:randomly", *files]
        return int(pytest.main(arguments, plugins=[Only(seconds, note)]))

    try:
        for file in bytecode:
            file.unlink()
        target.write_text(mutant.code, encoding="utf-8")
        cpu = CPU_SPARE + 4 * sum(seconds.values())
        code, used = _fork(run, BUILD / "mutant.log", cpu=int(cpu), clock=CLOCK)
    finally:
        target.write_text(original, encoding="utf-8")
        for file in target.parent.glob(f"__pycache__/{target.stem}.*.pyc"):
            file.unlink()
    failed = note.read_text() if note.exists() else ""
    return {
        "key": mutant.key,
        "file": mutant.file,
        "line": mutant.line,
        "operator": mutant.operator,
        "before": mutant.before,
        "after": mutant.after,
        "outcome": "survived" if code == 0 else "killed",
        "by": failed or ("" if code == 0 else f"the limits, or a crash ({code})"),
        "tests": len(seconds),
        "cpu": round(used, 1),
    }


def _fork(run, log: Path, cpu: int, clock: float) -> tuple[int, float]:
    """Call a function in a process of its own, in the copy; its code, and processor seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    child = os.fork()
    if child == 0:
        code = 70
        try:
            os.setsid()
            stream = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(stream, 1)
            os.dup2(stream, 2)
            resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 5))
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            sys.dont_write_bytecode = True
            os.environ["PYTHONPATH"] = os.pathsep.join([str(TREE), str(HERE)])
            os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
            sys.path[:0] = [str(TREE), str(HERE)]
            os.chdir(TREE)
            code = run()
        finally:
            sys.stdout.flush()
            os._exit(code)
    end = time.monotonic() + clock
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        if time.monotonic() > end:
            os.killpg(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            break
        time.sleep(0.05)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # workers that it may have left
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return os.waitstatus_to_exitcode(status), used


def _read_journal() -> dict[str, dict]:
    """The last outcome of each mutant."""
    BUILD.mkdir(parents=True, exist_ok=True)
    lines = JOURNAL.read_text().splitlines() if JOURNAL.exists() else []
    return {entry["key"]: entry for entry in map(json.loads, lines)}


def _report(entries: list[dict], complete: bool, file_groups: dict) -> None:
    """Survivors in words, figures into the data file; 1 where too many survived."""
    read = tomllib.loads(SURVIVORS.read_text()) if SURVIVORS.exists() else {}
    known = {
        (survivor["file"], survivor["before"], survivor["after"]): survivor["why"]
        for survivor in read.get("survivor", [])
    }
    figures: dict[str, float] = {}
    for name, (files, _) in file_groups.items():
        own = [entry for entry in entries if entry["file"] in files]
        killed = sum(entry["outcome"] == "killed" for entry in own)
        print(f"{name}: {killed} of {len(own)} killed")
        figures[f"killed, {name}"] = killed / len(own) if own else float("nan")
    survivors = [entry for entry in entries if entry["outcome"] == "survived"]
    for entry in survivors:
        why = known.get((entry["file"], entry["before"], entry["after"]))
        print(
            f"\n{entry['file']}:{entry['line']} ({entry['operator']}, {entry['tests']} tests)\n"
            f"  - {entry['before']}\n  + {entry['after']}\n  {why or 'NOT READ YET'}"
        )
    share = 1 - len(survivors) / len(entries) if entries else float("nan")
    print(f"\nkilled: {share:.1%} of {len(entries)}")
    if not complete:
        return
    from _record import record

    record("mutation", {"mutants": len(entries), "killed": share} | figures)
    if share < LEAST:
        sys.exit(f"fewer than {LEAST:.0%} killed")


if __name__ == "__main__":
    main()
