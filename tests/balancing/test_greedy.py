"""Greedy: speeds by hand and from gradients, and gates that are held."""

import numpy as np
import pytest
import torch

from sk_mmbalance.balancing import Balancing, Greedy
from sk_mmbalance.networks import unimodal_losses

from .conftest import FAST, blobs, fit, formulae, same_weights, with_missing

greedy = formulae(Greedy)


def test_speeds_by_hand():
    gates = [0.02 / 2 + 0.01 / 2, 0.01 / 2 + 0.01 / 2]
    branches = [0.4 / 10 + 0.2 / 10, 0.5 / 10 + 0.5 / 10]
    speeds = greedy.speeds_of(torch.tensor([gates, branches], dtype=torch.float64))
    assert [round(value, 4) for value in speeds.tolist()] == [-0.6021, -1]
    assert [round(value, 4) for value in greedy.leads(speeds).tolist()] == [0.3979, -0.3979]


def test_leads_are_over_the_mean_of_those_that_are_known():
    nan, inf = float("nan"), float("inf")
    assert greedy.leads(torch.tensor([1.0, 3.0, 5.0])).tolist() == [-3, 0, 3]
    assert greedy.leads(torch.tensor([1.0, nan, 5.0])).tolist() == [-4, -inf, 4]
    assert greedy.leads(torch.tensor([1.0, -inf])).tolist() == [-inf, -inf]


def trained(value, X, y, **params):
    """A net, and the batch that holds all rows."""
    net = fit(value, X, y, max_epochs=2, **params).net_
    batch = {"inputs": {m: torch.from_numpy(X[m]) for m in X}}
    return net, (batch, torch.from_numpy(y))


def step(value, net, batch):
    """Compute gradients as in training."""
    value.on_train_begin(net, None, None)
    net.network.zero_grad()
    output = value.forward(net, batch, False)
    value.loss(net, output, batch, net.criterion_(output.logits, batch[1]).mean()).backward()
    return output


def test_speeds_add_up_what_gates_and_branches_learn():
    X, y = blobs(n=48)
    value = Greedy(threshold=np.inf)
    net, batch = trained(value, X, y, batch_size=200)
    state = net.running(value)
    before = state.learnt.clone()
    step(value, net, batch)
    tensors = dict(net.network.named_parameters())

    def learnt(*keys):
        chosen = [p for k, p in tensors.items() if k.startswith(keys)]
        grown, size = (
            [p.square().sum().item() for p in each] for each in ([p.grad for p in chosen], chosen)
        )
        return sum(grown) / sum(size)

    gates = {m: f"fusion.film.m_{m}" for m in X}, {m: f"fusion.context.m_{m}" for m in X}
    pairs = [("face", "voice"), ("voice", "face")]
    expected = [
        [learnt(gates[0][m], gates[1][other]) for m, other in pairs],
        [learnt(f"backbones.m_{m}", f"fusion.concat.maps.m_{m}") for m, _ in pairs],
    ]
    value.after_backward(net, batch, None)
    torch.testing.assert_close(state.learnt - before, torch.tensor(expected, dtype=before.dtype))


def test_held_gates_are_the_mean_so_far_and_learn_nothing():
    X, y = blobs(n=48)
    value = Greedy(start_epoch=0)
    net, batch = trained(value, X, y)
    state = net.running(value)
    state.left.fill_(2)
    state.who.fill_(1)
    learnt, mean = state.learnt.clone(), state.gates["voice"].mean.clone()
    output = step(value, net, batch)
    tensors = dict(net.network.named_parameters())
    assert not tensors["fusion.film.m_voice.weight"].grad.any()
    assert not tensors["fusion.context.m_face.weight"].grad.any()
    assert tensors["fusion.film.m_face.weight"].grad.any()
    fusion = net.network.fusion
    gates = {**fusion.gates(output.embeddings), "voice": mean.expand(48, -1)}
    expected = fusion.concat(fusion.modulated(output.embeddings, gates))[0]
    torch.testing.assert_close(output.logits, expected)
    value.after_backward(net, batch, output)
    assert state.left.item() == 1
    assert torch.equal(state.learnt, learnt)
    assert torch.equal(state.gates["voice"].mean, mean)


def test_mean_gates_are_over_all_rows_so_far():
    X, y = blobs(n=48)
    value = Greedy(threshold=np.inf)
    net, batch = trained(value, X, y, batch_size=200, lr=1e-300)
    state = net.running(value).gates["face"]
    assert state.count.item() == 2
    embeddings = net.network.encode(batch[0]["inputs"])
    mean = net.network.fusion.gates(embeddings)["face"].mean(dim=0)
    torch.testing.assert_close(state.mean, mean)


@pytest.mark.parametrize(("window", "expected"), [(3, 0.75), (1, 0.5)])
def test_gates_are_held_for_the_window(window, expected):
    X, y = blobs(n=160)
    clf = fit(Greedy(threshold=0.0, window=window), X, y, batch_size=8, max_epochs=4)
    held = clf.history_.filter(like="__held").sum(axis=1)
    assert held.iloc[0] == 0
    # a regular step, then the window
    np.testing.assert_allclose(held.iloc[1:], expected, atol=0.06)
    assert np.isfinite(clf.history_.filter(like="__speed")).all(axis=None)


def test_control_holds_at_random():
    X, y = blobs(n=160)
    control = Greedy().control()["balancing"]
    history = fit(control, X, y, batch_size=4, max_epochs=6).history_
    for name in X:
        assert history[f"{name}__held"].iloc[0] == 0
        assert 0.2 < history[f"{name}__held"].iloc[1:].mean() < 0.47


class SplitLoss(Balancing):
    """The same losses without speeds."""

    _fusion = "film"
    _unimodal_weight = 0.0

    def loss(self, net, output, batch, loss):
        fusion, (X, y) = net.network.fusion, batch
        gates = fusion.gates(output.embeddings, X.get("present"))
        modulated = fusion.modulated(output.embeddings, gates, X.get("present"))
        parts = fusion.concat.terms(modulated, X.get("present"))
        own = unimodal_losses(net.criterion_, parts, y, X.get("weight"), X.get("present"))
        return loss + sum(own.values())


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_no_threshold_is_the_same_loss_alone(optimizer):
    X, y = blobs(n=60)
    holes, _ = with_missing(X)
    params = {"optimizer": optimizer, "missing": "mask"}
    ours, plain = (
        fit(value, holes, y, **params) for value in (Greedy(threshold=np.inf), SplitLoss())
    )
    np.testing.assert_allclose(ours.predict_proba(holes), plain.predict_proba(holes), rtol=1e-5)
    assert not same_weights(ours, fit(Greedy(threshold=0.0), holes, y, **params))


def test_published_side_is_descent_without_momentum():
    X, y = blobs(n=60)
    optimizer = Greedy.published_estimator(**FAST).fit(X, y).net_.optimizer_
    assert type(optimizer) is torch.optim.SGD
    assert optimizer.param_groups[0]["momentum"] == 0
