"""Importing the package is light, and every public name is there when it is asked for."""

import importlib
import subprocess
import sys

import pytest

import sk_mmbalance
from tests._public import HOMES

HEAVY = ("torch", "skorch", "cvxpy", "flwr", "matplotlib")


def _loaded_after(statement: str) -> set[str]:
    """Heavy packages that a fresh interpreter has loaded after a statement."""
    code = f"{statement}\nimport sys\nprint(*[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    return set(done.stdout.split())


def test_importing_the_package_loads_no_heavy_package():
    assert _loaded_after("import sk_mmbalance; dir(sk_mmbalance)") == set()


def test_modalities_load_no_heavy_package():
    assert _loaded_after("from sk_mmbalance import Modalities") == set()


def test_probe_sees_a_heavy_package_that_is_loaded():
    assert _loaded_after("import matplotlib") == {"matplotlib"}


@pytest.mark.parametrize("name", sk_mmbalance.__all__)
def test_public_name_resolves(name):
    assert getattr(sk_mmbalance, name) is not None


@pytest.mark.parametrize("name", sorted(HOMES))
def test_public_name_is_exported_by_its_room_too(name):
    room = importlib.import_module(f"sk_mmbalance.{HOMES[name].partition('.')[0]}")
    assert name in getattr(room, "__all__", [name])
    assert getattr(room, name) is getattr(sk_mmbalance, name)


def test_public_names_are_sorted_and_listed_by_dir():
    assert list(sk_mmbalance.__all__) == sorted(sk_mmbalance.__all__)
    assert set(sk_mmbalance.__all__) <= set(dir(sk_mmbalance))
    assert list(HOMES) == sorted(HOMES)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Modality'"):
        sk_mmbalance.Modality  # noqa: B018
