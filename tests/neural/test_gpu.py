"""On a GPU: the same results within noise, no traffic per batch, and models that travel."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback

from sk_mmbalance import (
    DataRemixingClassifier,
    MultimodalClassifier,
    NegativeLearningClassifier,
)
from sk_mmbalance.modalities import check_modalities
from sk_mmbalance.networks import to_rows

from .conftest import blobs, with_missing

pytestmark = pytest.mark.gpu
FAST = {"max_epochs": 20, "random_state": 0, "dtype": "float32", "early_stopping": False}


def test_fit_runs_on_the_device():
    X, y = blobs(n=300)
    clf = MultimodalClassifier(**FAST).fit(X, y)
    assert next(clf.net_.module_.parameters()).is_cuda
    assert clf.predict_proba(X).dtype == np.float32


@pytest.mark.parametrize("amp", [False, True])
def test_accuracy_is_that_of_the_cpu(amp):
    X, y = blobs(n=2000, n_classes=5)
    X, _ = with_missing(X)
    scores = [
        MultimodalClassifier(**FAST, missing="mask", device=device, amp=amp).fit(X, y).score(X, y)
        for device in ("cpu", "cuda")
    ]
    assert abs(scores[0] - scores[1]) < 0.03


@pytest.mark.parametrize(
    "method",
    [
        NegativeLearningClassifier(**FAST),
        DataRemixingClassifier(**FAST, remix_after=4, min_share=0.2),
        DataRemixingClassifier(**FAST, remix_after=4, ablation="decouple"),
    ],
    ids=["negative learning", "remixing", "decoupled"],
)
def test_balancing_methods_have_the_accuracy_of_the_cpu(method):
    X, y = blobs(n=1000, n_classes=5)
    X, _ = with_missing(X)
    scores = [
        clone(method).set_params(missing="mask", device=device).fit(X, y).score(X, y)
        for device in ("cpu", "cuda")
    ]
    assert abs(scores[0] - scores[1]) < 0.03


def test_no_batch_waits_for_the_device():
    """An epoch synchronises once, however many batches it has."""
    X, y = blobs(n=2000)
    clf = MultimodalClassifier(**{**FAST, "max_epochs": 1, "batch_size": 16}).fit(X, y)
    net = clf.net_
    rows = to_rows(check_modalities(X), y, None, dtype=torch.float32, device=torch.device("cuda"))
    assert rows.resident
    net._set_training(True)
    batches = iter(net.get_iterator(rows, training=True))
    net.train_step(next(batches))  # the epoch's order travels before the first batch
    torch.cuda.set_sync_debug_mode("error")
    try:
        n_steps = sum(net.train_step(batch) is not None for batch in batches)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert n_steps == 124


def test_weights_trained_there_load_on_a_cpu(tmp_path, monkeypatch):
    X, y = blobs(n=300)
    clf = MultimodalClassifier(**FAST).fit(X, y)
    expected = clf.predict_proba(X)
    file = tmp_path / "weights.safetensors"
    clf.save_weights(file)
    stored = pickle.dumps(clf)
    on_cpu = MultimodalClassifier(**FAST, device="cpu").load_weights(file)
    np.testing.assert_allclose(on_cpu.predict_proba(X), expected, atol=1e-4)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    loaded = pickle.loads(stored)
    assert not next(loaded.net_.module_.parameters()).is_cuda
    np.testing.assert_allclose(loaded.predict_proba(X), expected, atol=1e-4)


def test_grid_search_runs():
    X, y = blobs(n=300)
    search = GridSearchCV(
        MultimodalClassifier(**FAST), {"fusion": ["concat", "late"]}, cv=2, n_jobs=1
    )
    assert search.fit(X, y).best_score_ > 0.5


def test_a_fit_that_was_broken_off_goes_on(tmp_path):
    X, y = blobs(n=300)
    trained, break_after = [], [3]

    class Breaking(Callback):
        def on_epoch_end(self, net, **kwargs):
            trained.append(len(net.history))
            if trained[-1] in break_after:
                raise OSError("no power")

        def state_dict(self):
            return {}

        def load_state_dict(self, state):
            pass

    params = {**FAST, "max_epochs": 5, "early_stopping": True, "dropout": 0.2}
    fit = MultimodalClassifier(**params, callbacks=[Breaking()], checkpoint_dir=tmp_path)
    with pytest.raises(OSError, match="no power"):
        fit.fit(X, y)
    break_after.clear()
    fit.fit(X, y)
    assert trained == [1, 2, 3, 3, 4, 5]
    whole = MultimodalClassifier(**params).fit(X, y)
    np.testing.assert_allclose(fit.predict_proba(X), whole.predict_proba(X), atol=1e-3)
