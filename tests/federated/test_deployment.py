"""Flower's real processes on this machine: SuperLink, two SuperNodes, and one of them killed."""

import importlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import joblib
import numpy as np
import pytest

import sk_mmbalance
from sk_mmbalance.datasets import load_digits_views

pytest.importorskip("flwr")

ROOT = Path(sk_mmbalance.__file__).parents[1]
SCRIPT = ROOT / "examples" / "federated" / "run_loopback.py"
MARKER = "SK_MMBALANCE_LOOPBACK_TEST"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes there"),
]


def start(tmp_path, *arguments):
    """The script, all of whose processes carry a mark that is known here."""
    mark = f"{os.getpid()}-{time.monotonic_ns()}"
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), *arguments],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "TMPDIR": str(temporary),
            "HOME": str(tmp_path),
            MARKER: mark,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return process, mark, temporary


def marked(mark):
    """Command lines of the living processes that carry a mark."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARKER}={mark}".encode() in (entry / "environ").read_bytes():
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:  # it has just ended, is a zombie, or is not ours
            continue
    return found


def assert_nothing_is_left(mark, temporary, said):
    assert marked(mark) == []
    # an empty folder that torch makes for itself in any process that trains
    left = [path.name for path in temporary.iterdir()]
    assert [name for name in left if not name.startswith("torchinductor_")] == []
    ports = json.loads(re.search(r"ports (\[[\d, ]+\])", said).group(1))
    assert len(ports) == 3
    for port in ports:
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_three_rounds_survive_a_killed_node_and_end_with_the_model_of_fit(tmp_path):
    output = tmp_path / "model.joblib"
    process, mark, temporary = start(
        tmp_path, "--kill-after-round", "1", "--compare", "--logs", "--output", str(output)
    )
    said, _ = process.communicate(timeout=900)
    assert process.returncode == 0, said
    assert_nothing_is_left(mark, temporary, said)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.joblib", "temporary"]

    model = joblib.load(output)
    assert model.n_rounds_ == 3
    outcomes = model.selection_log_.pivot(index="client", columns="round", values="outcome")
    assert outcomes.loc[0].tolist() == ["aggregated"] * 3
    assert outcomes.loc[1, 1] == "aggregated"
    assert all(outcomes.loc[1, later].startswith("failed") for later in (2, 3))

    # one process that lost the same client in the same rounds has the same weights
    gap = float(re.search(r"largest difference of a weight: (\S+)", said).group(1))
    assert gap <= 1e-6

    X, y = load_digits_views(return_X_y=True)
    accuracy = model.score(X[:400], y[:400])
    assert f"accuracy {accuracy:.3f} on rows that no node has" in said
    assert accuracy > 0.75
    alone = model.predict({"upper": X["upper"][:400]})
    assert np.mean(alone == y[:400]) > 0.2


def test_only_registered_nodes_that_trust_the_certificate_are_let_in(tmp_path):
    process, mark, temporary = start(tmp_path, "--strangers", "--rounds", "1", "--logs")
    said, _ = process.communicate(timeout=1500)
    assert process.returncode == 0, said
    assert_nothing_is_left(mark, temporary, said)
    refused = dict(re.findall(r"refused stranger-(\S+) \(exit 1\): (.*)", said))
    assert list(refused) == ["without-key", "with-key", "that-mistrusts"], said
    assert "All SuperNodes must be registered" in refused["without-key"]
    assert "Failed to activate SuperNode" in refused["with-key"]
    assert "CERTIFICATE_VERIFY_FAILED" in refused["that-mistrusts"]
    # both nodes whose keys are registered have trained, and nobody else
    trained = json.loads(re.search(r"\{'round': 1.*\}", said).group().replace("'", '"'))
    assert sorted(trained["trained"]) == ["0", "1"]
    assert trained["missed"] == {}


def test_interrupted_deployment_leaves_nothing_behind(tmp_path):
    process, mark, temporary = start(tmp_path)
    said = process.stdout.readline()
    end = time.monotonic() + 300
    while not any("flower-supernode" in line for line in marked(mark)):
        assert process.poll() is None, said + process.stdout.read()
        assert time.monotonic() < end
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=300)
    assert process.returncode != 0
    assert "KeyboardInterrupt" in rest
    assert_nothing_is_left(mark, temporary, said)


@pytest.fixture
def ctrl_c_interrupts():
    """Ctrl-C does what it does in a terminal, also where tests run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c_interrupts")
def test_ctrl_c_while_a_process_starts_does_not_lose_it(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(SCRIPT.parent)
    processes = importlib.import_module("processes")
    started = []

    def interrupted(*args, **kwargs):
        started.append(popen(*args, **kwargs))
        signal.raise_signal(signal.SIGINT)
        return started[0]

    popen = subprocess.Popen
    monkeypatch.setattr(processes.subprocess, "Popen", interrupted)
    sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
    with (
        pytest.raises(KeyboardInterrupt),
        processes.Processes(tmp_path, dict(os.environ)) as running,
    ):
        running.start("sleeper", sleeper)
    assert started[0].poll() == -signal.SIGTERM
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
