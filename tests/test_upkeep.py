"""What the targets for now and then measure: what a process holds, and whether it grows."""

import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from upkeep import _record, _watch

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="looks there")


def run(rounds=30, **last):
    """Looks at a process that holds the same always, or grows evenly to its last look."""
    still = {"memory_mb": 500.0, "objects": 1e6} | dict.fromkeys(_watch.COUNTS, 3.0)
    shares = np.linspace(0, 1, rounds)
    return [
        {name: value + share * (last.get(name, value) - value) for name, value in still.items()}
        for share in shares
    ]


def test_process_that_holds_the_same_is_well():
    figures, wrong = _watch.judge(run())
    assert wrong == []
    assert set(figures.values()) == {0}


@pytest.mark.parametrize(
    ("last", "word"),
    [({"memory_mb": 540}, "memory_mb grew by 5"), ({"objects": 1.03e6}, "objects grew by 1.9%")]
    + [({name: 5}, f"more {name} at the end") for name in _watch.COUNTS],
)
def test_growth_after_the_warm_up_is_told(last, word):
    (said,) = _watch.judge(run(**last))[1]
    assert word in said


def test_growth_in_the_warm_up_and_a_single_odd_look_are_none():
    looks = run()
    for number in range(9):
        looks[number]["memory_mb"] = 100.0 + 40 * number
    looks[20]["memory_mb"] = 900.0
    assert _watch.judge(looks)[1] == []


def test_files_threads_children_and_ports_are_counted(tmp_path):
    before = _watch.look()
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        thread.start()
        with open(tmp_path / "file", "w"), socket.create_server(("127.0.0.1", 0)):
            held = _watch.look()
        assert child.pid in _watch.children()
    finally:
        done.set()
        thread.join()
        child.kill()
        child.wait()
    more = {name: held[name] - before[name] for name in _watch.COUNTS}
    assert more == {"threads": 1, "files": 2, "children": 1, "ports": 1}
    after = _watch.look()
    assert {name: after[name] for name in _watch.COUNTS} == {
        name: before[name] for name in _watch.COUNTS
    }


def test_same_target_on_the_same_commit_is_written_once(tmp_path, monkeypatch):
    monkeypatch.setattr(_record, "FILE", tmp_path / "upkeep.csv.xz")
    monkeypatch.setattr(_record, "commit_now", lambda: "g0123456")
    _record.record("soak", {"rounds": 9, "growth": 0.5})
    _record.record("oldest", {"failed": 1})
    _record.record("soak", {"rounds": 10})
    table = _record.read_columns(_record.FILE)
    assert table[["target", "commit", "figure", "value"]].values.tolist() == [
        ["oldest", "g0123456", "failed", 1],
        ["soak", "g0123456", "rounds", 10],
    ]
