"""Independent: networks that know nothing of each other."""

import numpy as np
import pytest
import torch

from sk_mmbalance import MultimodalClassifier, MultimodalRegressor
from sk_mmbalance.balancing import Independent, _evidence

from .conftest import FAST, blobs, fit, same_weights, with_missing


def weights_of(clf, name):
    """Everything in the network that is of one modality."""
    return {k: v for k, v in clf.net_.network.state_dict().items() if f"m_{name}" in k}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_mean_is_over_the_rows_that_have_the_modality():
    losses = torch.tensor([1.0, 2.0, 1e30])
    here = torch.tensor([True, True, False])
    assert _evidence.mean_over(losses, None, here).item() == 1.5
    assert _evidence.mean_over(losses, torch.tensor([1.0, 3, 9]), here).item() == 1.75
    assert _evidence.mean_over(losses, None, torch.zeros(3, dtype=torch.bool)).item() == 0


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_what_another_modality_holds_moves_no_weight(optimizer):
    X, y = blobs(n=60)
    other = type(X)(face=X["face"], voice=X["voice"][::-1].copy())
    ours, theirs = (fit(Independent(), each, y, optimizer=optimizer) for each in (X, other))
    assert same(weights_of(ours, "face"), weights_of(theirs, "face"))
    assert not same(weights_of(ours, "voice"), weights_of(theirs, "voice"))
    joint = [fit(None, each, y, fusion="late", unimodal_weight=0) for each in (X, other)]
    assert not same(*(weights_of(clf, "face") for clf in joint))


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_modality_is_trained_as_by_itself(optimizer):
    X, y = blobs(n=60)
    both = fit(Independent(), X, y, optimizer=optimizer, max_epochs=1, lr=1e-300).net_
    alone = fit(Independent(), type(X)(voice=X["voice"]), y, optimizer=optimizer, max_epochs=1)
    alone = alone.net_
    mine = {k: v for k, v in both.network.state_dict().items() if "m_voice" in k}
    alone.network.load_state_dict(mine)  # the networks start from other draws
    codes = torch.from_numpy(y)
    inputs = {m: torch.from_numpy(X[m]) for m in X}
    both.network.zero_grad()
    alone.network.zero_grad()
    both.train_step_single(({"inputs": inputs}, codes))
    alone.train_step_single(({"inputs": {"voice": inputs["voice"]}}, codes))
    expected = {k: p.grad for k, p in alone.network.named_parameters()}
    found = {k: p.grad for k, p in both.network.named_parameters() if k in expected}
    assert same(found, expected)


def test_prediction_is_the_mean_of_the_logits():
    X, y = blobs(n=90)
    clf = fit(Independent(), X, y, max_epochs=15)
    assert clf.score(X, y) > 0.8
    output = clf.net_.evaluate(({"inputs": {m: torch.from_numpy(X[m]) for m in X}}, None))
    mean = torch.stack(list(output.unimodal.values())).mean(dim=0)
    np.testing.assert_allclose(clf.predict_proba(X), mean.softmax(dim=1), rtol=1e-6)


def test_one_modality_is_plain_training():
    X, y = blobs(n=60, dims={"face": (5,)})
    plain = fit(None, X, y, fusion="late", unimodal_weight=0)
    assert same_weights(fit(Independent(), X, y), plain)


def test_a_batch_without_a_modality_leaves_the_loss_finite():
    X, y = blobs(n=60)
    voice = X["voice"].copy()
    voice[3:] = np.nan
    holes = type(X)(face=X["face"], voice=voice)
    clf = fit(Independent(), holes, y, missing="mask", batch_size=8)
    assert np.isfinite(clf.history_["train_loss"]).all()
    assert np.isfinite(clf.predict_proba(holes)).all()


def test_rows_may_lack_modalities_and_targets_be_labels_or_numbers():
    X, y = blobs(n=90)
    holes, _ = with_missing(X)
    assert fit(Independent(), holes, y, missing="mask", max_epochs=15).score(holes, y) > 0.6
    labels = np.stack([y == 0, y < 2], axis=1).astype(int)
    assert fit(Independent(), X, labels).predict(X).shape == (90, 2)
    reg = MultimodalRegressor(**FAST, balancing=Independent()).fit(X, y.astype(float))
    assert np.isfinite(reg.history_["train_loss"]).all()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"fusion": "concat"}, r"Independent\(\) needs `fusion` .*got 'concat'"),
        ({"unimodal_weight": 1.0}, r"Independent\(\) needs `unimodal_weight` .*got 1.0"),
    ],
)
def test_choices_that_it_cannot_use_are_refused(params, message):
    X, y = blobs(n=60)
    with pytest.raises(ValueError, match=message):
        fit(Independent(), X, y, **params)


def test_control_is_the_same_network_with_the_fused_loss():
    X, y = blobs(n=60)
    control = MultimodalClassifier(**FAST, balancing=Independent())
    control.set_params(**Independent().control()).fit(X, y)
    assert same_weights(control, fit(None, X, y, fusion="late", unimodal_weight=0))
    assert not same_weights(control, fit(Independent(), X, y))
