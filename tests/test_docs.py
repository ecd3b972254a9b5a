"""The documentation says what there is: every public name, every parameter, a running example."""

import dataclasses
import inspect
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import api_pages
import changelog_page
import pytest
import readme_example
from sklearn.base import BaseEstimator

import sk_mmbalance

ROOT = Path(__file__).parents[1]
DOTTED = [name for names in api_pages.public_names().values() for name in names]


def _resolve(dotted: str):
    module, _, name = dotted.rpartition(".")
    return getattr(import_module(module), name)


def _documented(obj, section: str = "Parameters") -> list[str]:
    """Names in a numpydoc section; ``a, b : int`` is two."""
    numpydoc = pytest.importorskip("numpydoc.docscrape")
    entries = numpydoc.NumpyDocString(inspect.getdoc(obj) or "")[section]
    return [name.strip().lstrip("*") for entry in entries for name in entry.name.split(",")]


def _accepted(obj, keyword_only: bool = True) -> list[str]:
    """Names of the parameters of a signature, ``self`` left out."""
    return [
        name
        for name, parameter in inspect.signature(obj).parameters.items()
        if name != "self" and (keyword_only or parameter.kind is not parameter.KEYWORD_ONLY)
    ]


CALLABLES = [
    name
    for name in DOTTED
    if callable(_resolve(name))
    and not (inspect.isclass(_resolve(name)) and issubclass(_resolve(name), BaseException))
]


def test_api_page_lists_every_public_name():
    page = api_pages.page()
    exported = [f"sk_mmbalance.{name}" for name in sk_mmbalance._HOMES]
    for room in sk_mmbalance.__all__:
        value = getattr(sk_mmbalance, room)
        if isinstance(value, ModuleType):
            top = {id(getattr(sk_mmbalance, name)) for name in sk_mmbalance._HOMES}
            exported += [
                f"sk_mmbalance.{room}.{name}"
                for name in getattr(value, "__all__", [])
                if id(getattr(value, name)) not in top
            ]
    missing = [name for name in exported if not re.search(rf"^   ~{re.escape(name)}$", page, re.M)]
    assert not missing


@pytest.mark.parametrize("name", DOTTED)
def test_public_name_has_a_summary(name):
    assert (inspect.getdoc(_resolve(name)) or "").strip()


@pytest.mark.parametrize("name", CALLABLES)
def test_documented_parameters_are_those_of_the_signature(name):
    obj = _resolve(name)
    if inspect.isclass(obj) and (obj.__init__ is object.__init__ or "Base" in obj.__name__):
        pytest.skip("takes no parameters, or is a base whose subclasses document them")
    # A record's fields are both at once; numpydoc lists them as attributes.
    record = dataclasses.is_dataclass(obj) and not issubclass(obj, BaseEstimator)
    documented = _documented(obj, "Attributes" if record else "Parameters")
    by_position = _accepted(obj, keyword_only=False)
    assert documented[: len(by_position)] == by_position
    assert record or sorted(documented) == sorted(_accepted(obj))


def _public_methods() -> list[tuple[str, str]]:
    """Methods written in the package that take more than the data."""
    found = []
    for dotted in CALLABLES:
        cls = _resolve(dotted)
        if not inspect.isclass(cls):
            continue
        for name, method in inspect.getmembers(cls, inspect.isroutine):
            home = getattr(method, "__module__", "") or ""
            if not name.startswith("_") and home.startswith("sk_mmbalance"):
                found.append((dotted, name))
    return found


@pytest.mark.parametrize(("dotted", "name"), _public_methods())
def test_method_documents_all_its_parameters_or_none(dotted, name):
    method = getattr(_resolve(dotted), name)
    assert (inspect.getdoc(method) or "").strip(), "no docstring"
    documented = _documented(method)
    assert documented in ([], [n for n in _accepted(method) if n != "cls"])


def test_readme_example_runs():
    blocks = readme_example.python_blocks(ROOT / "README.md")
    assert len(blocks) == 1
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", blocks[0]],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    scores = [float(score) for score in re.findall(r"\d\.\d{3}", done.stdout)]
    assert scores
    assert min(scores) > 0.9


def test_readme_status_is_that_of_the_package():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    there, _, coming = text.partition("## Status")[2].partition("**Not there yet:**")
    named = set(re.findall(r"`(\w+)`", there))
    assert set(sk_mmbalance._HOMES) - named == set(), "name them under *There* in the README"
    promised = set(re.findall(r"`(\w+)`", coming.partition("## ")[0]))
    assert promised & set(sk_mmbalance._HOMES) == set(), "move them to *There* in the README"


def test_readme_names_only_files_that_exist():
    links = re.findall(r"\]\((?!http)([^)#]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_changelog_becomes_restructured_text():
    text = "# Changes\n\n## [0.1]\n\n### Added\n- `Modalities`, see [it](https://x.org)\n"
    assert changelog_page.convert(text).split("\n") == [
        "",
        "Changes",
        "=======",
        "",
        "",
        "",
        "0.1",
        "---",
        "",
        "",
        "",
        "Added",
        "~~~~~",
        "",
        "- ``Modalities``, see `it <https://x.org>`__",
        "",
    ]


@pytest.mark.parametrize(
    "place", ["README.md", "CONTRIBUTING.md", "docs", "examples", "benchmarks", "sk_mmbalance"]
)
def test_no_path_of_a_single_machine_is_named(place):
    path = ROOT / place
    files = [path] if path.is_file() else [*path.rglob("*.rst"), *path.rglob("*.py")]
    generated = ("_build", "_generated", "auto_examples", "generated")
    wrong = [
        file.name
        for file in files
        if not set(generated) & set(file.parts)
        and re.search(r"(?<![\w.])/(home|tmp|root|work|opt)/", file.read_text(encoding="utf-8"))
    ]
    assert not wrong
