"""How many networks are trained at once goes by the memory that is free."""

import os

import pytest

from sk_mmbalance.model_selection import VectorizedGridSearchCV, _memory
from tests.model_selection._compare import classifier, make_rows


@pytest.mark.parametrize("told_by", ["meminfo", "sysconf"])
@pytest.mark.parametrize(("free", "stacks"), [(10**10, [0, 0, 0]), (10**4, [0, 1, 2])])
def test_auto_takes_as_many_networks_as_go_into_the_free_memory(
    free, stacks, told_by, monkeypatch, tmp_path
):
    sysconf, meminfo = os.sysconf, tmp_path / "meminfo"
    if told_by == "meminfo":
        meminfo.write_text(f"MemTotal: 1 kB\nMemFree: 0 kB\nMemAvailable: {free // 1024} kB\n")
    pages = {"SC_AVPHYS_PAGES": free, "SC_PAGE_SIZE": 1}
    monkeypatch.setattr(_memory, "MEMORY", meminfo)
    monkeypatch.setattr(os, "sysconf", lambda name: pages.get(name) or sysconf(name))
    X, y = make_rows()
    grid = {"lr": [0.01, 0.02, 0.03]}
    search = VectorizedGridSearchCV(classifier(max_epochs=2), grid, cv=2, stack=True).fit(X, y)
    assert search.vectorized_["stack"].tolist() == stacks


def test_a_system_that_does_not_tell_its_free_memory_has_room_for_all(monkeypatch, tmp_path):
    def no_such_figure(name, sysconf=os.sysconf):
        if name == "SC_AVPHYS_PAGES":
            raise ValueError("unrecognized configuration name")
        return sysconf(name)

    monkeypatch.setattr(_memory, "MEMORY", tmp_path / "none")
    monkeypatch.setattr(os, "sysconf", no_such_figure)
    X, y = make_rows()
    grid = {"lr": [0.01, 0.02, 0.03]}
    search = VectorizedGridSearchCV(classifier(max_epochs=1), grid, cv=2, stack=True).fit(X, y)
    assert search.vectorized_["stack"].tolist() == [0, 0, 0]
