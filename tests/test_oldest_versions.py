"""The oldest versions that are tested are the lower bounds that pyproject.toml states."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
#: What tools of our own need, not the package: their newest versions do.
FOR_DEVELOPERS = {"dev", "docs", "mutation"}
#: Held at one version, for the CPU build is found by it.
PINNED = "torch"
#: Dependencies of dependencies whose newest versions do not go with the oldest of these.
OF_THE_SAME_TIME = {"pyparsing"}


def constraints(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    return dict(re.findall(r"^([\w.-]+)==(\S+)$", text.lower(), flags=re.MULTILINE))


def lower_bounds(*lists):
    """The least version of each requirement."""
    found = {}
    for requirement in map(Requirement, [line for lines in lists for line in lines]):
        (least,) = [each.version for each in requirement.specifier if each.operator == ">="]
        found[requirement.name.lower()] = least
    return found


def of_the_package():
    extras = PROJECT["optional-dependencies"]
    used = [lines for name, lines in extras.items() if name not in FOR_DEVELOPERS]
    return lower_bounds(PROJECT["dependencies"], *used)


def test_every_dependency_is_tested_at_its_lower_bound():
    oldest = constraints("constraints-oldest.txt")
    bounds = {name: least for name, least in of_the_package().items() if name != PINNED}
    assert bounds
    for name, least in bounds.items():
        assert Version(oldest[name]) == Version(least), name


def test_nothing_else_is_held_at_an_old_version():
    bounds = of_the_package() | lower_bounds(PROJECT["optional-dependencies"]["dev"])
    named = constraints("constraints-oldest.txt")
    assert named.keys() - bounds.keys() == OF_THE_SAME_TIME
    for name in named.keys() & bounds.keys():
        assert Version(named[name]) == Version(bounds[name]), name


def test_lower_bound_of_torch_is_the_version_that_is_tested():
    tested, least = constraints("constraints.txt")[PINNED], of_the_package()[PINNED]
    assert Version(tested).release[:2] == Version(least).release[:2]
    assert PINNED not in constraints("constraints-oldest.txt")


def test_oldest_are_not_newer_than_the_newest():
    oldest, newest = constraints("constraints-oldest.txt"), constraints("constraints.txt")
    both = oldest.keys() & newest.keys()
    assert {"numpy", "scipy", "pandas", "scikit-learn"} <= both
    for name in both:
        assert Version(oldest[name]) <= Version(newest[name]), name
