"""CML: confidence by hand, who is asked with what, and penalties row by row."""

from typing import ClassVar

import numpy as np
import pytest
import torch

from sk_mmbalance import MultimodalClassifier
from sk_mmbalance.balancing import CML
from sk_mmbalance.networks import ClassLoss, LabelLoss

from .conftest import blobs, fit, formulae, same_weights, whole

cml = formulae(CML)
A = torch.tensor([[2.0, 0, 0], [0, 1, 0]], dtype=torch.float64)
B = torch.tensor([[0.0, 0, 1], [0, 0.5, 0]], dtype=torch.float64)
Y = torch.tensor([0, 1])
LOSS = ClassLoss(reduction="none")


def rounded(values):
    return [round(value, 6) for value in values.tolist()]


def test_confidence_by_hand():
    assert rounded(cml.confidence(LOSS, A + B)) == [0.665241, 0.691438]
    assert rounded(cml.confidence(LOSS, A)) == [0.786986, 0.576117]
    labels = torch.tensor([[0.0, np.log(3)], [-np.log(4), 0]])
    assert rounded(cml.confidence(LabelLoss(), labels)) == [0.625, 0.65]


def test_penalties_by_hand_exceed_those_of_the_batch():
    rises = cml.confidence_rise(LOSS, A + B, A, Y)
    assert rounded(rises) == [0.121745, 0]
    assert round(rises.mean().item(), 6) == 0.060873
    assert cml.confidence_rise(LOSS, A + B, B, Y).tolist() == [0, 0]
    of_sums = (cml.confidence(LOSS, A) - cml.confidence(LOSS, A + B)).sum().clamp_min(0)
    assert round(of_sums.item(), 6) == 0.006424
    rng = np.random.default_rng(0)
    for _ in range(20):
        s, t = (torch.from_numpy(rng.normal(size=(8, 3))) for _ in range(2))
        y = s.argmax(dim=1)  # no row is left out
        batch = (cml.confidence(LOSS, t) - cml.confidence(LOSS, s)).sum().clamp_min(0)
        assert cml.confidence_rise(LOSS, s, t, y).mean() >= batch / 8 - 1e-12


def test_a_smaller_set_that_alone_is_right_may_be_surer():
    wrong, sure = torch.tensor([[0.0, 0.1]]), torch.tensor([[3.0, 0.0]])
    assert cml.confidence_rise(LOSS, wrong, sure, torch.tensor([0])).item() == 0
    assert cml.confidence_rise(LOSS, wrong, sure, torch.tensor([1])).item() > 0


def test_by_the_other_rule_a_larger_set_that_is_wrong_is_not_made_surer():
    z_s = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 0.1]], requires_grad=True)
    z_t = torch.tensor([[3.0, 0.0], [3.0, 0.0], [3.0, 0.0]], requires_grad=True)
    y = torch.tensor([0, 1, 0])  # both right, both wrong, only the smaller right
    seen = {}
    for rule in ("cpm", "miwae"):
        rises = cml.confidence_rise(LOSS, z_s, z_t, y, rule)
        seen[rule] = [rises, *torch.autograd.grad(rises.sum(), [z_s, z_t])]
    assert torch.equal(seen["cpm"][0], seen["miwae"][0])
    assert torch.equal(seen["cpm"][2], seen["miwae"][2])
    assert (seen["cpm"][1].abs().sum(dim=1) > 0).tolist() == [True, True, False]
    assert (seen["miwae"][1].abs().sum(dim=1) > 0).tolist() == [True, False, False]


class Listening(torch.nn.Module):
    """A fusion that remembers what it was asked about."""

    asked: ClassVar[list] = []

    def __init__(self, dims, n_classes):
        super().__init__()
        self.out = torch.nn.ModuleDict({m: torch.nn.Linear(dims[m], n_classes) for m in dims})

    def forward(self, embeddings, present=None):
        if self.training:
            self.asked.append("".join(embeddings))
        return sum(self.out[m](u) for m, u in embeddings.items())


@pytest.mark.parametrize("removal", ["random", "each"])
def test_what_is_removed_from_what(removal):
    X, y = blobs(n=60, dims={"a": (4,), "b": (3,), "c": (2,)})
    Listening.asked.clear()
    fit(CML(removal=removal), X, y, max_epochs=4, fusion=Listening, unimodal_weight=1.0)
    if removal == "each":
        assert set(zip(*[iter(Listening.asked)] * 4, strict=True)) == {("abc", "bc", "ac", "ab")}
        return
    orders = set(zip(*[iter(Listening.asked)] * 3, strict=True))
    assert all(whole == "abc" and set(one) < set(two) for whole, two, one in orders)
    assert len(orders) > 3


def test_loss_is_the_formula():
    X, y = blobs(n=48)
    value = CML(rank_weight=0.3, partial_weight=0.5, removal="each")
    net = fit(value, X, y, max_epochs=1, lr=1e-300).net_
    batch = whole(X, y)
    output = net.infer(batch[0])
    expected = torch.zeros(())
    for name in X:
        z = net.network.fusion({name: output.embeddings[name]}, None)[0]
        expected = expected + 0.5 * torch.nn.functional.cross_entropy(z, batch[1]) / 2
        expected = expected + 0.3 * cml.confidence_rise(LOSS, output.logits, z, batch[1]).mean()
    torch.testing.assert_close(value.loss(net, output, batch, torch.zeros(())), expected)
    summed = CML(rank_weight=0.3 / 48, partial_weight=0.5, removal="each", reduction="sum")
    torch.testing.assert_close(summed.loss(net, output, batch, torch.zeros(())), expected)


@pytest.mark.parametrize("params", [{}, {"dropout": 0.3}, {"optimizer": "sgd"}])
def test_strength_zero_is_joint_training_and_the_control_has_no_penalty(params):
    X, y = blobs(n=60)
    off = CML(rank_weight=0, partial_weight=0)
    assert same_weights(fit(off, X, y, **params), fit(None, X, y, unimodal_weight=0, **params))
    clf = fit(CML(rank_weight=0), X, y, **params)
    control = MultimodalClassifier(**clf.get_params(deep=False)).set_params(**CML().control())
    assert same_weights(clf, control.fit(X, y))


def test_a_row_takes_part_in_removals_of_what_it_has():
    X, y = blobs(n=40)
    present = {"face": torch.ones(40, dtype=torch.bool), "voice": torch.zeros(40, dtype=torch.bool)}
    value = CML(removal="each")
    net = fit(value, X, y, max_epochs=1).net_
    inputs = {m: torch.from_numpy(X[m]) for m in X}
    batch = ({"inputs": inputs, "present": present}, torch.from_numpy(y))
    loss = value.loss(net, net.infer(batch[0]), batch, torch.zeros(()))
    assert loss.item() == 0


def test_confidence_falls_with_fewer_modalities_where_that_is_asked_for():
    X, y = blobs(n=90, spread=0.7)
    rises = [
        fit(CML(rank_weight=weight, removal="each"), X, y, max_epochs=15).history_
        for weight in (0.0001, 10.0)
    ]
    ends = [history.filter(like="__confidence_rise").iloc[-1].mean() for history in rises]
    assert ends[1] < 0.5 * ends[0]
