"""A fit that is killed, at any moment, and called again gives the bits of one that was not."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from skorch.callbacks import Callback

from sk_mmbalance import FedAvgClassifier, MultimodalClassifier
from sk_mmbalance.balancing import OGM

from .neural.conftest import blobs

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL"),
]

N_KILLS = 8
ROOT = Path(__file__).parents[1]
X, y = blobs(n=60)
clients = np.arange(60) % 3


class Watched(Callback):
    """Writes down every epoch, and ends its process where it is told to.

    What to do stands in the environment: it is no part of the fit, and must not be of its mark.
    """

    def _meet(self, what):
        plan = json.loads(os.environ.get("WATCHED", "null"))
        if plan is None:
            return
        with open(plan["log"], "a") as log:
            log.write(what + "\n")
        if what == plan.get("kill") and not os.path.exists(plan["log"] + ".killed"):
            open(plan["log"] + ".killed", "w").close()
            os.kill(os.getpid(), signal.SIGKILL)

    def on_epoch_begin(self, net, **kwargs):
        self._meet(f"begin {len(net.history)}")

    def on_batch_begin(self, net, **kwargs):
        self._meet(f"batch {len(net.history)}")

    def on_epoch_end(self, net, **kwargs):
        self._meet(f"end {len(net.history)}")


def network(**params):
    """The estimator of these tests."""
    settings = {
        "balancing": OGM(),
        "dropout": 0.3,
        "hidden_layer_sizes": (4,),
        "embedding_dim": 4,
        "max_epochs": 6,
        "batch_size": 16,
        "lr_schedule": "cosine",
        "early_stopping": True,
        "callbacks": [Watched()],
        "random_state": 0,
    }
    return MultimodalClassifier(**{**settings, **params})


def federation(**params):
    """The federated one."""
    settings = {
        "hidden_layer_sizes": (4,),
        "feature_dim": 4,
        "n_rounds": 8,
        "dropout": 0.3,
        "random_state": 0,
    }
    return FedAvgClassifier(**{**settings, **params})


#: Makes children in one process that has imported everything and trained nothing.
NURSERY = """
    import json, os, signal, sys, time
    import torch
    torch.set_num_threads(1)
    from tests import test_kills

    for line in sys.stdin:
        order = json.loads(line)
        begun = time.perf_counter()
        child = os.fork()
        if not child:
            os.environ["WATCHED"] = json.dumps(order["watched"])
            make = getattr(test_kills, order["make"])
            test_kills.fit_and_save(make(checkpoint_dir=order["folder"]), order["weights"])
            os._exit(0)
        if order["kill_after"] is not None:
            time.sleep(order["kill_after"])
            os.kill(child, signal.SIGKILL)  # one that is done waits to be asked
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(json.dumps([code, time.perf_counter() - begun]), flush=True)
"""


def fit_and_save(estimator, file):
    """Fit, and write the weights to a file."""
    from safetensors.torch import save_file

    given = {"clients": clients} if isinstance(estimator, FedAvgClassifier) else {}
    estimator.fit(X, y, **given)
    save_file({k: v.clone() for k, v in estimator.net_.module_.state_dict().items()}, file)


@pytest.fixture(scope="module")
def nursery():
    """A process that fits in children of its own: starting each from nothing takes seconds."""
    environment = {**os.environ, "PYTHONHASHSEED": "7", "CUDA_VISIBLE_DEVICES": ""}
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(NURSERY)],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.stdin.close()


def fit_in_a_child(nursery, make, folder, watched=None, kill_after=None):
    """Fit in a child, which may be killed after some seconds; gives how it ended, and when."""
    order = {
        "make": make,
        "folder": str(folder / "checkpoints"),
        "weights": str(folder / "weights"),
        "watched": watched,
        "kill_after": kill_after,
    }
    print(json.dumps(order), file=nursery.stdin, flush=True)
    return json.loads(nursery.stdout.readline())


def assert_weights(file, estimator):
    found, wanted = load_file(file), estimator.net_.module_.state_dict()
    assert found.keys() == wanted.keys()
    for key, value in wanted.items():
        assert torch.equal(found[key], value), key


def test_a_network_killed_in_every_epoch_gives_the_same_bits(nursery, tmp_path):
    whole = network().fit(X, y)
    moments = [(when, k) for k in range(1, 7) for when in ("batch", "end")]
    for when, k in moments:
        log = tmp_path / f"{when} {k}"
        watched = {"log": str(log), "kill": f"{when} {k}"}
        code, _ = fit_in_a_child(nursery, "network", tmp_path, watched)
        assert code == -signal.SIGKILL, log
        # killed in an epoch, or before its checkpoint was there, it is trained again; no other is
        first = k if when == "end" else max(1, k - 1)
        assert log.read_text().startswith(f"begin {first}\n"), log
    assert not (tmp_path / "weights").exists()
    # gone on with by a process of another hash seed
    last = network(checkpoint_dir=tmp_path / "checkpoints").fit(X, y)
    for key, value in whole.net_.module_.state_dict().items():
        assert torch.equal(value, last.net_.module_.state_dict()[key]), key
    assert last.history_.drop(columns="seconds").equals(whole.history_.drop(columns="seconds"))
    assert list((tmp_path / "checkpoints").iterdir()) == []


@pytest.mark.parametrize("make", ["network", "federation"])
def test_a_fit_killed_at_random_moments_gives_the_same_bits(make, nursery, tmp_path):
    rng = np.random.default_rng(0)
    (whole := tmp_path / "whole").mkdir()
    code, takes = fit_in_a_child(nursery, make, whole)
    assert code == 0
    wanted, n_kills = load_file(whole / "weights"), 0
    while n_kills < N_KILLS:
        after = rng.uniform(0, 0.7) * takes  # some are done by then, some begin anew
        code, _ = fit_in_a_child(nursery, make, tmp_path, kill_after=after)
        n_kills += code == -signal.SIGKILL
        if n_kills == N_KILLS:
            code, _ = fit_in_a_child(nursery, make, tmp_path)
        if code == 0:
            found = load_file(tmp_path / "weights")
            assert all(torch.equal(value, found[key]) for key, value in wanted.items())
    assert code == 0
    assert not list((tmp_path / "checkpoints").glob("*.checkpoint"))


def test_the_same_fit_twice_at_once_in_one_folder(nursery, tmp_path):
    whole = network(max_epochs=20).fit(X, y)
    child = (
        "twin = network(max_epochs=20, checkpoint_dir=sys.argv[1]); fit_and_save(twin, sys.argv[2])"
    )
    code = f"import sys; from tests.test_kills import *; torch.set_num_threads(1); {child}"
    twins = [
        subprocess.Popen(
            [
                sys.executable,
                "-W",
                "error::UserWarning",
                "-c",
                code,
                tmp_path / "c",
                tmp_path / name,
            ],
            cwd=ROOT,
        )
        for name in ("first", "second")
    ]
    assert [twin.wait() for twin in twins] == [0, 0]
    assert_weights(tmp_path / "first", whole)
    assert_weights(tmp_path / "second", whole)
    assert list((tmp_path / "c").iterdir()) == []


SEARCH = """
    import os, sys, warnings
    from joblib.externals.loky.process_executor import TerminatedWorkerError
    from sklearn.model_selection import GridSearchCV
    from tests.test_kills import X, network, y

    warnings.simplefilter("ignore")
    grid = {"lr": [0.01, 0.02]}
    search = GridSearchCV(network(checkpoint_dir=sys.argv[1]), grid, cv=2, n_jobs=2)
    try:
        search.fit(X, y)
    except TerminatedWorkerError:
        print("a worker was killed", len(os.listdir(sys.argv[1])) > 0)
    plain = GridSearchCV(network(), grid, cv=2).fit(X, y)
    search.fit(X, y)
    score = "mean_test_score"
    print((search.cv_results_[score] == plain.cv_results_[score]).all())
    a, b = (s.best_estimator_.net_.module_.state_dict() for s in (search, plain))
    print(all((a[key] == b[key]).all().item() for key in a), os.listdir(sys.argv[1]))
"""


def test_a_killed_worker_of_a_search_is_told_and_the_next_call_goes_on(tmp_path):
    watched = {"log": str(tmp_path / "log"), "kill": "batch 4"}
    answer = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SEARCH), tmp_path / "checkpoints"],
        cwd=ROOT,
        env={**os.environ, "WATCHED": json.dumps(watched)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.split("\n")[:3] == ["a worker was killed True", "True", "True []"]


def test_a_disk_that_is_full_keeps_the_last_checkpoint(tmp_path):
    """A real one, of 64 kB, where the machine lets a test mount it."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", tmp_path], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("cannot mount a small disk here")
    try:
        whole = network().fit(X, y)
        fit = network(checkpoint_dir=tmp_path)
        (tmp_path / "other").write_bytes(bytes(40_000))
        with pytest.warns(UserWarning, match="No checkpoint could be written.*No space left"):
            fit.fit(X, y)
        for key, value in whole.net_.module_.state_dict().items():
            assert torch.equal(value, fit.net_.module_.state_dict()[key]), key
        assert [file.name for file in tmp_path.iterdir()] == ["other"]
    finally:
        subprocess.run(["umount", tmp_path], check=True)
