"""Data that are large: what a fit takes beside them, and who shares them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from joblib import Parallel, delayed, parallel_config
from sklearn.model_selection import GridSearchCV

from sk_mmbalance import Modalities, MultimodalClassifier, compare

pytestmark = pytest.mark.slow

#: Fits and predicts, and says how much memory that took at most as a share of the data.
WATCHED = """
import json, sys
from pathlib import Path
import numpy as np
from sk_mmbalance import ARMClassifier, Modalities, MultimodalClassifier

def held(what):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(what))

def share(run):
    Path("/proc/self/clear_refs").write_text("5")
    before = held("VmRSS")
    run()
    return (held("VmHWM") - before) / sum(x.nbytes for x in X.values())

rng = np.random.default_rng(0)
y = rng.integers(2, size=400_000)
X = Modalities(
    **{name: rng.standard_normal((len(y), 50), dtype=np.float32) for name in ("a", "b")}
)
clf = eval(sys.argv[1])
clf.fit(X[:5000], y[:5000]).predict(X[:5000])  # imports, and what they take
print(json.dumps([share(lambda: clf.fit(X, y)), share(lambda: clf.predict_proba(X))]))
"""


NETWORK = "MultimodalClassifier(max_epochs=1, batch_size=2048, random_state=0"


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="no peak of memory here")
@pytest.mark.parametrize(
    ("estimator", "most"),
    [
        (f"{NETWORK}, early_stopping=False)", 0.7),
        (f"{NETWORK}, early_stopping=True)", 1.5),
        ("ARMClassifier(weak='a')", 1.5),
        ("ARMClassifier(weak='a', loss='log_loss', tol=1e-3)", 1.5),
    ],
)
def test_a_fit_takes_little_memory_beside_its_rows(estimator, most):
    command = [sys.executable, "-c", WATCHED, estimator]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    fit, predict = json.loads(done.stdout.splitlines()[-1])
    assert fit < most
    assert predict < 0.5


def who_holds(X):
    """The file that a modality lies in, as whoever was given `X` sees it."""
    return type(X["a"]).__name__, str(X["a"].filename)


def on_disk(folder, n=150):
    rng = np.random.default_rng(0)
    y = np.arange(n) % 2
    for name, width in (("a", 4), ("b", 3)):
        np.save(folder / f"{name}.npy", rng.normal(size=(n, width)) + y[:, None])
    return {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("a", "b")}, y


def test_processes_share_the_file_of_a_memory_mapped_modality(tmp_path):
    mapped, _ = on_disk(tmp_path)
    found = Parallel(n_jobs=2)(delayed(who_holds)(Modalities(mapped)) for _ in range(2))
    assert found == [("memmap", str(tmp_path / "a.npy"))] * 2


def test_a_search_over_a_memory_map_is_one_over_its_values(tmp_path):
    mapped, y = on_disk(tmp_path)
    net = MultimodalClassifier(max_epochs=2, batch_size=32, random_state=0)
    scores = [
        GridSearchCV(net, {"lr": [1e-3, 1e-2]}, cv=2, n_jobs=n_jobs, refit=False)
        .fit(X, y)
        .cv_results_["mean_test_score"]
        for X, n_jobs in [
            (Modalities(mapped), 2),
            (Modalities({name: np.array(x) for name, x in mapped.items()}), None),
        ]
    ]
    np.testing.assert_array_equal(*scores)


@pytest.mark.filterwarnings("ignore")  # of the cluster's own
def test_searches_and_comparisons_run_on_a_dask_cluster(tmp_path):
    distributed = pytest.importorskip("distributed")
    mapped, y = on_disk(tmp_path)
    X = Modalities({name: np.array(x) for name, x in mapped.items()})
    net = MultimodalClassifier(max_epochs=2, batch_size=32, random_state=0)
    search = GridSearchCV(net, {"lr": [1e-3, 1e-2]}, cv=2, n_jobs=2)
    alone = search.fit(X, y).cv_results_["mean_test_score"]
    told = {"models": "baselines", "cv": 2, "random_state": 0, "verbose": 0}
    compared = compare(X, y, **told).table["accuracy"]
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    )
    with cluster, distributed.Client(cluster), parallel_config(backend="dask"):
        np.testing.assert_array_equal(search.fit(X, y).cv_results_["mean_test_score"], alone)
        there = compare(X, y, **told).table["accuracy"]
    assert compared.to_dict() == there.to_dict()
