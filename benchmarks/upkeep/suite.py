"""The tests with the oldest dependencies, or with a count of the branches that they take.

``make oldest`` runs the default tests in an environment of its own, where every dependency of the
package has the lowest version that ``pyproject.toml`` allows (torch excepted: it is pinned).
``make coverage`` runs them and counts lines and branches; at least 95 % have to be taken, lines
that need a GPU left out (``[tool.coverage.report]`` in ``pyproject.toml``).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[2]
ARGUMENTS = {
    "oldest": [],
    "coverage": ["--cov", "--cov-report=term-missing:skip-covered"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", choices=ARGUMENTS)
    parser.add_argument("--jobs", default="2", help="processes side by side")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcomes, branches = Path(folder) / "outcomes.xml", Path(folder) / "coverage.json"
        arguments = ["-n", asked.jobs, f"--junitxml={outcomes}", *ARGUMENTS[asked.target]]
        if asked.target == "coverage":
            arguments.append(f"--cov-report=json:{branches}")
        code = subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=ROOT).returncode
        figures = _counts(outcomes)
        if asked.target == "coverage":
            figures |= _taken(json.loads(branches.read_text())["totals"])
    from _record import record

    record(asked.target, figures)
    sys.exit(code)


def _counts(outcomes: Path) -> dict[str, float]:
    """How many tests there were, and what became of them."""
    suite = ElementTree.parse(outcomes).getroot().find("testsuite")
    tests, skipped = int(suite.get("tests")), int(suite.get("skipped"))
    failed = int(suite.get("failures")) + int(suite.get("errors"))
    return {"tests": tests - skipped, "failed": failed}


def _taken(totals: dict[str, float]) -> dict[str, float]:
    """Shares of lines and of branches, and of both together, by which it is judged."""
    return {
        "lines": totals["covered_lines"] / totals["num_statements"],
        "branches": totals["covered_branches"] / totals["num_branches"],
        "lines and branches": totals["percent_covered"] / 100,
    }


if __name__ == "__main__":
    main()
