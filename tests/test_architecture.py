"""The rooms and who may import whom: every import in the package is held to one table.

The table is the one of `docs/design.rst`. A new room adds its line here and there.
"""

import ast
import sys
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests._public import HOMES

PACKAGE = Path(__file__).parents[1] / "sk_mmbalance"

#: What any room may use, besides the standard library.
ARRAYS = {"numpy", "scipy", "pandas", "sklearn", "joblib", "threadpoolctl"}
NETS = {"torch", "skorch", "safetensors", "tqdm"}


@dataclass(frozen=True)
class Room:
    """What one room may import: rooms below it (and theirs), and third parties."""

    rooms: set[str] = field(default_factory=set)
    packages: set[str] = field(default_factory=lambda: ARRAYS)


ROOMS = {
    "__init__": Room(packages=set()),
    "exceptions": Room(packages=set()),
    "_sklearn": Room(),
    "modalities": Room({"exceptions", "_sklearn"}, ARRAYS | {"narwhals"}),
    "base": Room({"modalities"}),
    "preprocessing": Room({"base"}, ARRAYS | {"skrub"}),
    "datasets": Room({"modalities"}, ARRAYS | {"tqdm"}),
    "convex": Room({"base"}, ARRAYS | {"cvxpy", "tqdm"}),
    "experts": Room({"base"}, ARRAYS | {"tqdm"}),
    "ensemble": Room({"base", "experts", "convex"}),
    "networks": Room({"base"}, ARRAYS | {"torch"}),
    "balancing": Room({"base", "networks"}, ARRAYS | {"torch"}),
    "neural": Room({"base", "convex", "networks", "balancing"}, ARRAYS | NETS),
    # matplotlib and flwr: see ONLY_IN, a narrower rule.
    "serial": Room({"base", "experts", "ensemble"}, ARRAYS | {"matplotlib", "tqdm"}),
    "model_selection": Room({"neural"}, ARRAYS | NETS),
    "deep_ensemble": Room({"neural", "model_selection"}),
    "inspection": Room({"base", "ensemble"}, ARRAYS | {"matplotlib", "tqdm"}),
    "federated": Room({"base", "networks", "neural"}, ARRAYS | NETS | {"flwr"}),
}
ROOMS["comparison"] = Room(
    {"inspection", "neural", "preprocessing"}, ARRAYS | {"matplotlib", "tqdm"}
)
ROOMS["__main__"] = Room(set(ROOMS), ARRAYS | {"tqdm"})

#: Rooms that are folders: others use them by their front door only, never by a file inside.
FOLDERS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))

#: Third parties that only some files may name (a part of the file's path in the package).
ONLY_IN = {
    "cvxpy": ("convex/",),
    "narwhals": ("modalities/",),
    "torch": ("networks/", "balancing/", "neural/", "model_selection/", "federated/"),
    "skorch": ("neural/", "model_selection/", "federated/"),
    "flwr": ("federated/flower/",),
    "matplotlib": ("display",),
}


@dataclass(frozen=True)
class Import:
    """One imported thing: ``target`` is its dotted name, ``name`` what is taken from it."""

    file: Path
    line: int
    target: str
    name: str | None
    for_types: bool = False

    @property
    def top(self) -> str:
        return self.target.partition(".")[0]

    def __str__(self) -> str:
        what = self.target if self.name is None else f"{self.name} from {self.target}"
        return f"{self.file.relative_to(PACKAGE.parent)}:{self.line} imports {what}"


def _module_name(file: Path, package: Path = PACKAGE) -> str:
    parts = file.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(file: Path, package: Path = PACKAGE) -> list[Import]:
    """All imports of a file, those inside functions and under TYPE_CHECKING too."""
    found = []
    module = _module_name(file, package)
    parent = module if file.name == "__init__.py" else module.rpartition(".")[0]
    tree = ast.parse(file.read_text(encoding="utf-8"))
    types_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test).endswith("TYPE_CHECKING")
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        hint = id(node) in types_only
        if isinstance(node, ast.Import):
            found += [Import(file, node.lineno, alias.name, None, hint) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = parent.split(".")[: len(parent.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            found += [Import(file, node.lineno, base, alias.name, hint) for alias in node.names]
    return found


def _room_of(module: str) -> str:
    """Room of a dotted name inside the package: ``sk_mmbalance.neural._net`` -> ``neural``."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def _imported_rooms(item: Import) -> set[str]:
    """Rooms an import reaches; a name of the package itself counts as the room it lives in."""
    if item.top != PACKAGE.name:
        return set()
    if item.target != PACKAGE.name:
        return {_room_of(item.target)}
    if item.name is None or item.name.startswith("__"):
        return set()

    return {HOMES.get(item.name, item.name).partition(".")[0]}


def _below(room: str) -> set[str]:
    """All rooms that a room may use, directly or through those."""
    direct = ROOMS[room].rooms
    return direct.union(*(_below(other) for other in direct if other != room))


FILES = sorted(PACKAGE.rglob("*.py"))
ALL_IMPORTS = [item for file in FILES for item in _imports(file)]
PRESENT = sorted({_room_of(_module_name(file)) for file in FILES})


def test_table_has_no_circle():
    graph = {room: spec.rooms - {room} for room, spec in ROOMS.items()}
    assert set(TopologicalSorter(graph).static_order()) == set(ROOMS)


def test_design_page_shows_the_table():
    page = (PACKAGE.parent / "docs" / "design.rst").read_text(encoding="utf-8")
    shown = {}
    for line in page.partition(":name: import-table")[2].splitlines():
        room, arrow, rest = (part.strip() for part in line.partition("->"))
        if arrow and " " not in room:
            rooms, _, packages = rest.partition("|")
            shown[room] = (_names(rooms), _names(packages))
    everything = set(ROOMS) - {"__main__"}
    expected = {room: (spec.rooms, spec.packages - ARRAYS) for room, spec in ROOMS.items()}
    expected["__main__"] = ({"everything"}, ROOMS["__main__"].packages - ARRAYS)
    del expected["__init__"]
    assert ROOMS["__main__"].rooms == everything
    assert shown == expected


def _names(listing: str) -> set[str]:
    return {name.strip() for name in listing.split(",")} - {"", "nothing"}


def test_every_room_stands_in_the_table():
    unknown = sorted(set(PRESENT) - set(ROOMS))
    assert not unknown, f"add a line to ROOMS (and to docs/design.rst) for {unknown}"


@pytest.mark.parametrize("room", sorted(set(PRESENT) & set(ROOMS)))
def test_room_imports_only_the_rooms_below_it(room):
    allowed = _below(room) | {room}
    wrong = [
        str(item)
        for item in ALL_IMPORTS
        if _room_of(_module_name(item.file)) == room and not _imported_rooms(item) <= allowed
    ]
    assert not wrong, f"{room} may use {sorted(allowed)}:\n" + "\n".join(wrong)


@pytest.mark.parametrize("room", sorted(set(PRESENT) & set(ROOMS)))
def test_room_imports_only_its_third_parties(room):
    allowed = ROOMS[room].packages | set(sys.stdlib_module_names) | {PACKAGE.name, "__future__"}
    wrong = [
        str(item)
        for item in ALL_IMPORTS
        if _room_of(_module_name(item.file)) == room and item.top not in allowed
    ]
    assert not wrong, f"{room} may use {sorted(ROOMS[room].packages)}:\n" + "\n".join(wrong)


@pytest.mark.parametrize("package", sorted(ONLY_IN))
def test_heavy_package_is_imported_only_where_it_belongs(package):
    wrong = [
        str(item)
        for item in ALL_IMPORTS
        if item.top == package
        and not any(part in item.file.relative_to(PACKAGE).as_posix() for part in ONLY_IN[package])
    ]
    assert not wrong, f"{package} belongs in {ONLY_IN[package]}:\n" + "\n".join(wrong)


@pytest.mark.parametrize("room", FOLDERS)
def test_room_is_used_from_outside_by_its_front_door_only(room):
    wrong = [
        str(item)
        for item in ALL_IMPORTS
        if _room_of(_module_name(item.file)) != room
        and _imported_rooms(item) == {room}
        and (item.target.count(".") > 1 or (item.name or "").startswith("_"))
    ]
    assert not wrong, "\n".join(wrong)


def test_private_names_of_scikit_learn_have_one_importer():
    wrong = [
        str(item)
        for item in ALL_IMPORTS
        if item.top == "sklearn"
        and item.file.name != "_sklearn.py"
        and (any(part.startswith("_") for part in item.target.split(".")) or _is_private(item.name))
    ]
    assert not wrong, "import these from _sklearn.py:\n" + "\n".join(wrong)


def _is_private(name: str | None) -> bool:
    return name is not None and name.startswith("_") and not name.startswith("__")


def test_only_base_reads_input():
    """Estimators of every room read through `base`; `serial` alone acquires row by row."""
    allowed = {"modalities", "base", "serial", "datasets", "preprocessing"}
    wrong = [
        str(item)
        for item in ALL_IMPORTS
        if item.name == "check_modalities" and _room_of(_module_name(item.file)) not in allowed
    ]
    assert not wrong, "read through `ModalityEstimator._read_training`:\n" + "\n".join(wrong)


@pytest.mark.parametrize("room", FOLDERS)
def test_files_of_a_room_are_private_to_it(room):
    """One rule for underscores: what others may use is in the room's front door."""
    wrong = [
        str(file.relative_to(PACKAGE))
        for file in (PACKAGE / room).rglob("*.py")
        if not file.name.startswith("_")
    ]
    assert not wrong, f"these need an underscore: {wrong}"


def _file_graph() -> dict[str, set[str]]:
    modules = {_module_name(file) for file in FILES}
    graph: dict[str, set[str]] = {module: set() for module in modules}
    for item in ALL_IMPORTS:
        if item.for_types:  # never run: two files may name each other's types
            continue
        source = _module_name(item.file)
        whole = f"{item.target}.{item.name}"
        target = whole if whole in modules else item.target
        # A package's own front door re-exports its files; they are not built upon it.
        if target in modules and target != source and not source.startswith(f"{target}."):
            graph[source].add(target)
    return graph


def test_files_import_in_no_circle():
    try:
        list(TopologicalSorter(_file_graph()).static_order())
    except CycleError as error:
        pytest.fail("imports run in a circle: " + " -> ".join(error.args[1]))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from . import a", [("pkg.room", "a")]),
        ("from .a import b", [("pkg.room.a", "b")]),
        ("from ..base import B", [("pkg.base", "B")]),
        ("def f():\n    import torch.nn", [("torch.nn", None)]),
        ("if TYPE_CHECKING:\n    from .a import b", [("pkg.room.a", "b")]),
    ],
)
def test_imports_are_read_relative_to_their_file(tmp_path, source, expected):
    file = tmp_path / "pkg" / "room" / "file.py"
    file.parent.mkdir(parents=True)
    file.write_text(source)
    found = _imports(file, package=tmp_path / "pkg")
    assert [(item.target, item.name) for item in found] == expected
