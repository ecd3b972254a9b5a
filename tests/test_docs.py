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
import pandas as pd
import pytest
import readme_example
import which_method
from sklearn.base import BaseEstimator

import sk_mmbalance
from sk_mmbalance import balancing
from tests._public import HOMES

ROOT = Path(__file__).parents[1]
GUIDE = ROOT / "docs" / "user_guide"
DOTTED = list(api_pages.public_names())


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
    exported = [f"sk_mmbalance.{name}" for name in HOMES]
    for room in sk_mmbalance.__all__:
        value = getattr(sk_mmbalance, room)
        if isinstance(value, ModuleType):
            top = {id(getattr(sk_mmbalance, name)) for name in HOMES}
            exported += [
                f"sk_mmbalance.{room}.{name}"
                for name in getattr(value, "__all__", [])
                if id(getattr(value, name)) not in top
            ]
    missing = [name for name in exported if not re.search(rf"^   ~{re.escape(name)}$", page, re.M)]
    assert not missing


def test_every_public_name_stands_once_in_the_side_bar():
    page = api_pages.page()
    listed = re.findall(r"^   ~(\S+)$", page, re.M)
    assert sorted(listed) == sorted(DOTTED)
    captions = re.findall(r"^   :caption: (.+)$", page, re.M)
    assert captions == [group.title for group in api_pages.GROUPS]
    assert "" not in re.split(r"\.\. autosummary::", page)  # no group is empty
    assert all(api_pages.grouped_names().values())


def test_a_name_without_a_group_is_refused():
    with pytest.raises(ValueError, match=r"attic\.Lamp stands in no group"):
        api_pages.group_of("attic.Lamp")


def test_helpers_between_rooms_are_not_listed():
    places = api_pages.public_names().values()
    assert "modalities.check_modalities" in places  # the guide shows what it reads
    assert not {"modalities.writing_whole", "modalities.take_rows"} & set(places)


def _pages() -> dict[str, str]:
    """Sources of the user guide's pages by name."""
    files = sorted(GUIDE.glob("[!_]*.rst"))
    return {file.stem: file.read_text(encoding="utf-8") for file in files}


def test_every_public_name_links_to_a_part_of_the_guide_that_is_there():
    pages = _pages()
    labels = set(re.findall(r"^\.\. _([\w-]+):$", "\n".join(pages.values()), re.M))
    links = api_pages.guide_links()
    assert sorted(links) == sorted(DOTTED)
    for name, link in links.items():
        parts = re.findall(r":(doc|ref):`([^`]+)`", link)
        assert parts, name
        for role, target in parts:
            assert target.removeprefix("/user_guide/") in (pages if role == "doc" else labels), name


def test_the_page_linked_to_names_what_links_there():
    pages = _pages()
    for dotted, link in api_pages.guide_links().items():
        value, name = _resolve(dotted), dotted.rpartition(".")[2]
        kinds = (BaseEstimator, BaseException)
        if not (inspect.isclass(value) and issubclass(value, kinds)) or re.match("Base[A-Z]", name):
            continue
        for page in re.findall(r":doc:`/user_guide/(\w+)`", link):
            spoken = pages[page] if page != "which_method" else which_method.FAMILIES
            assert name in str(spoken), f"{page}.rst does not speak of {name}"


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


@pytest.mark.parametrize("block", readme_example.python_blocks(ROOT / "README.md"))
def test_readme_example_runs(block):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block],
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


def test_start_page_has_five_lines_of_code(tmp_path):
    readme_example.write(ROOT / "README.md", tmp_path / "example.rst")
    code = (tmp_path / "example.rst").read_text(encoding="utf-8").splitlines()[1:]
    assert len([line for line in code if line.strip()]) == 5


def test_readme_status_is_that_of_the_package():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    there, _, coming = text.partition("## Status")[2].partition("**Not there yet:**")
    named = set(re.findall(r"`(\w+)`", there))
    assert set(HOMES) - named == set(), "name them under *There* in the README"
    promised = set(re.findall(r"`(\w+)`", coming.partition("## ")[0]))
    assert promised & set(HOMES) == set(), "move them to *There* in the README"


def test_readme_has_no_link_that_breaks_where_there_are_no_sources():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"\]\((?!https?://|#)([^)]+)\)", text) == []
    assert re.findall(r"<img|^\[[^]]+\]: (?!https?://)", text, re.M) == []
    named = [name for name in re.findall(r"`([\w./]+\.(?:md|txt|py))`", text) if "/" not in name]
    named += ["LICENSE"] if "`LICENSE`" in text else []
    assert {"CONTRIBUTING.md", "LICENSE"} <= set(named)
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_page_of_the_guide_stands_in_one_chapter_with_a_line():
    pages = _pages()
    index = pages.pop("index")
    chapters = re.split(r"^\.\. toctree::$", index, flags=re.M)
    listed = re.findall(r"^   (\w+)$", "\n".join(chapters[1:]), re.M)
    assert sorted(listed) == sorted(pages)
    described = re.findall(r"^:doc:`(\w+)`\n   \S.+[.]$", chapters[0], re.M)
    assert described == listed
    captions = re.findall(r"^   :caption: (\w+)$", index, re.M)
    assert captions == re.findall(r"^(\w+)\n-+\n\n\S.+\.$", index, re.M)
    assert captions == ["Start", "Data", "Choosing", "Methods", "Cost", "Federated", "Trust"]


def test_every_balancing_value_has_one_line_of_which_method_and_of_the_references():
    values = sorted(set(balancing.__all__) - {"Balancing"})
    lines = [name for methods in which_method.FAMILIES.values() for name in methods]
    assert sorted(lines) == values
    named = re.findall(r"^   \* - ``(\w+)``$", _pages()["references"], re.M)
    assert sorted(name for name in named if hasattr(balancing, name)) == values


def test_needs_of_a_value_are_read_off_its_class():
    assert which_method.needs(balancing.OGM) == "nothing"
    assert which_method.needs(balancing.MIDAS) == "one class a row; a loss per modality"
    assert which_method.needs(balancing.MLA, "some") == "fusion “late”; rows held out: some"
    assert which_method.needs(balancing.MMCosine) == "classes or labels; fusion “concat”"


def test_outcomes_name_sets_that_are_surely_a_point_apart_and_times_are_ratios():
    each = {"mfeat": (0.02, 0.022), "day_one": (-0.03, -0.03), "x": (0.009, 0.009), "y": (0.1, 0.0)}
    rows = [("A", name, value) for name, values in each.items() for value in values]
    apart = pd.DataFrame(rows, columns=["method", "dataset", "value"]).assign(metric="accuracy")
    assert which_method.outcomes(apart) == {"A": ("mfeat +2.1", "day_\u200bone −3.0")}
    taken = [("A", "x", 8.0), ("A", "y", 3.0), (which_method.PLAIN, "x", 2.0)]
    taken += [(which_method.PLAIN, "y", 3.0)]
    seconds = pd.DataFrame(taken, columns=["method", "dataset", "value"])
    seconds["method"] += f" / {which_method.OPTIMISER}"
    seconds = seconds.assign(metric="cpu_seconds")
    assert which_method.times(seconds)["A"] == pytest.approx(2.0)


def test_counted_passes_stand_beside_what_is_said_of_costs(tmp_path):
    assert which_method.counted(tmp_path / "not_counted.csv.xz") == {}
    assert which_method.costs("two fits", float("nan")) == "two fits"
    assert which_method.costs("no further pass", 1.01) == "no further pass"
    assert which_method.costs("two fits", 2.02) == "two fits (counted: 2.0 passes)"


@pytest.mark.parametrize(
    ("page", "word"),
    [
        ("install", "Install\n===="),
        ("install", "--index-url https://download.pytorch.org/whl/cpu"),
        ("glossary", "Glossary\n===="),
        ("glossary", "   categorical column\n"),
        ("glossary", "   missing modality\n"),
        ("glossary", "   groups\n"),
        ("glossary", "   control\n"),
        ("glossary", "   starving\n"),
    ],
)
def test_search_finds_what_a_person_looks_for(page, word):
    assert word in _pages()[page]


def test_release_is_named_alike_everywhere():
    version = sk_mmbalance.__version__
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {version}\n" in citation
    assert re.search(r"^date-released: \d{4}-\d\d-\d\d$", citation, re.M)


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
