"""ReconBoost: weights of rows by hand, whose turn it is, and whose weights move."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from sk_mmbalance.balancing import Independent, ReconBoost

from .conftest import blobs, fit, formulae, same_weights, whole, with_missing

A = torch.tensor([[2.0, 0, 0], [0, 1, 0]], dtype=torch.float64)
B = torch.tensor([[0.0, 0, 1], [0, 0.5, 0]], dtype=torch.float64)
Y = torch.tensor([0, 1])


@pytest.mark.parametrize(
    ("own", "other", "weights", "loss"),
    [
        (A, B, [1.596019, 1.516046], 0.609167),
        (B, A, [1.404338, 1.474628], 1.675081),
    ],
)
def test_weights_of_rows_by_hand(own, other, weights, loss):
    known = other.softmax(dim=1)[[0, 1], Y]
    found = formulae(ReconBoost).row_weights(known, 0.2)
    # the released code: (w1 - w2 q) / C, with w1 = 5 and w2 = 1
    assert [round(value * 5 / 3, 6) for value in found.tolist()] == weights
    losses = found * cross_entropy(own, Y, reduction="none")
    assert round(losses.mean().item() * 5 / 3, 6) == loss


def test_turns_by_hand():
    turn = formulae(ReconBoost).turn
    assert [turn(e, ["a", "b"], 1, 1) for e in range(5)] == ["a", None, "b", None, "a"]
    assert [turn(e, ["a", "b"], 2, 1) for e in range(6)] == ["a", "a", None, "b", "b", None]
    assert [turn(e, ["a", "b", "c"], 1, 0) for e in range(4)] == ["a", "b", "c", "a"]


def of(clf, name):
    return {k: v for k, v in clf.net_.network.state_dict().items() if f"m_{name}" in k}


def same(a, b):
    return all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_others_stay_as_they_are_through_a_stage(optimizer):
    X, y = blobs(n=60)
    holes, _ = with_missing(X)
    params = {"optimizer": optimizer, "weight_decay": 0.1, "dropout": 0.2, "missing": "mask"}
    fits = [fit(ReconBoost(), holes, y, max_epochs=epochs, **params) for epochs in range(1, 5)]
    start = fit(ReconBoost(), holes, y, max_epochs=1, **{**params, "lr": 1e-300, "weight_decay": 0})
    for name, stays in [("face", [False, True, False]), ("voice", [False, False, False])]:
        found = [same(of(a, name), of(b, name)) for a, b in pairwise(fits)]
        assert found == stays
    assert same(of(start, "voice"), of(fits[0], "voice"))
    assert not same(of(start, "face"), of(fits[0], "face"))
    trained = fits[-1].history_[["face__trained", "voice__trained"]].to_numpy().tolist()
    assert trained == [[True, False], [True, True], [False, True], [True, True]]


def test_a_stage_has_the_loss_of_the_formula():
    X, y = blobs(n=48)
    value = ReconBoost(residual_weight=0.7)
    net = fit(value, X, y, max_epochs=1, lr=1e-300).net_
    batch = whole(X, y)
    output = net.infer(batch[0])
    known = output.unimodal["voice"].detach().softmax(dim=1)[range(48), y]
    losses = cross_entropy(output.unimodal["face"], batch[1], reduction="none")
    expected = ((1 - 0.7 * known) * losses).mean()
    net.network.zero_grad()
    step = value.gradients(net, batch)
    torch.testing.assert_close(step["loss"], expected)
    torch.testing.assert_close(step["y_pred"].logits, output.logits)
    ours = {k: p.grad for k, p in net.network.named_parameters()}
    net.network.zero_grad()
    expected.backward()
    for key, p in net.network.named_parameters():
        if "m_voice" in key:
            assert ours[key] is None
        else:
            torch.testing.assert_close(ours[key], p.grad)


def test_a_row_without_another_modality_has_full_weight():
    X, y = blobs(n=48)
    value = ReconBoost(residual_weight=1.0)
    net = fit(value, X, y, max_epochs=1, lr=1e-300).net_
    inputs = {m: torch.from_numpy(X[m]) for m in X}
    present = {"face": torch.ones(48, dtype=torch.bool), "voice": torch.zeros(48, dtype=torch.bool)}
    loss = value.gradients(net, ({"inputs": inputs, "present": present}, torch.from_numpy(y)))[
        "loss"
    ]
    z = net.infer({"inputs": inputs}).unimodal["face"]
    torch.testing.assert_close(loss, cross_entropy(z, torch.from_numpy(y)))


def test_without_weights_a_stage_trains_a_modality_as_by_itself():
    X, y = blobs(n=60)
    ours = fit(ReconBoost(residual_weight=0), X, y, max_epochs=1)
    alone = fit(Independent(), X, y, max_epochs=1)
    for key, value in of(ours, "face").items():
        torch.testing.assert_close(value, of(alone, "face")[key])


def test_pretraining_is_that_of_independent_networks():
    X, y = blobs(n=60)
    ours = fit(ReconBoost(pretrain_epochs=2), X, y, max_epochs=2)
    alone = fit(Independent(), X, y, max_epochs=2)
    np.testing.assert_allclose(ours.predict_proba(X), alone.predict_proba(X), rtol=1e-6)
    after = fit(ReconBoost(pretrain_epochs=2), X, y, max_epochs=3).history_
    assert after["voice__trained"].tolist() == [True, True, False]


def test_control_has_the_same_rounds_with_all_rows_alike():
    X, y = blobs(n=60)
    control = ReconBoost(stage_epochs=2, residual_weight=0.9).control()["balancing"]
    assert control.get_params() == ReconBoost(stage_epochs=2, residual_weight=0).get_params()
    assert not same_weights(fit(ReconBoost(residual_weight=0.9), X, y), fit(control, X, y))


def test_optimizers_that_move_everything_are_refused():
    X, y = blobs(n=60)
    with pytest.raises(ValueError, match=r"ReconBoost\(\) cannot be had with `optimizer` LBFGS"):
        fit(ReconBoost(), X, y, optimizer=torch.optim.LBFGS, weight_decay=0)


def test_published_form():
    clf = ReconBoost.published_estimator()
    assert (clf.balancing.stage_epochs, clf.balancing.joint_epochs, clf.optimizer) == (4, 4, "sgd")
