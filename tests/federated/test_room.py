"""The room as a house of its own: one front door, and files that stand upon each other."""

from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from sk_mmbalance import federated

from ..test_architecture import _imports, _module_name

ROOM = Path(federated.__file__).parent
FILES = sorted(ROOM.rglob("*.py"))


def test_files_name_each_other_in_no_circle_not_even_for_types():
    modules = {_module_name(file) for file in FILES}
    graph = {}
    for file in FILES:
        own = _module_name(file)
        named = {item.target for item in _imports(file)}
        # a front door shows what is behind it, and is built upon by nothing there
        doors = {module for module in modules if own.startswith(f"{module}.")}
        graph[own] = (named & modules) - {own} - doors
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail("imports run in a circle: " + " -> ".join(error.args[1]))


def test_every_file_behind_the_front_door_is_private():
    public = [file.name for file in FILES if not file.name.startswith("_")]
    assert public == []


def test_public_names_know_where_they_are_found():
    assert sorted(federated.__all__) == federated.__all__
    assert all(hasattr(federated, name) for name in federated.__all__)
