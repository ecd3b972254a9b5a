"""MBSD: who teaches whom by hand, what the loss adds, and who is moved."""

import numpy as np
import pytest
import torch

from sk_mmbalance.balancing import MBSD

from .conftest import blobs, fit, formulae, same_weights, whole

mbsd = formulae(MBSD)
A = torch.tensor([[2.0, 0, 0], [0, 1, 0]], dtype=torch.float64)
B = torch.tensor([[0.0, 0, 1], [0, 0.5, 0]], dtype=torch.float64)
Y = torch.tensor([0, 1])
CREDITS = torch.stack([z.softmax(dim=1)[[0, 1], Y] for z in (A, B)], dim=1)
RIGHT = torch.stack([z.argmax(dim=1) == Y for z in (A, B)], dim=1)
LOG_P = torch.stack([A, B], dim=1).log_softmax(dim=2)[:, :, None]


def rounded(values):
    return [round(value, 6) for value in values.tolist()]


def test_gaps_by_hand():
    gaps = mbsd.teaching(CREDITS, RIGHT)
    assert rounded(gaps[:, 0, 1]) == [0.575044, 0.124254]
    assert gaps[:, 1, 0].tolist() == [0, 0]
    assert not mbsd.teaching(CREDITS, torch.zeros_like(RIGHT)).any()


def test_our_form_by_hand():
    gaps = mbsd.teaching(CREDITS, RIGHT)[:, 0, 1]
    apart = mbsd.squared_differences(LOG_P.exp().flatten(2))[:, 0, 1]
    assert rounded(apart) == [0.187442, 0.007720]
    assert round((gaps * apart).mean().item(), 6) == 0.054373
    divergence = mbsd.divergences(LOG_P)[:, 0, 1]
    assert rounded(divergence) == [0.779365, 0.030990]
    assert round((gaps * divergence).mean().item(), 6) == 0.226010


def test_form_of_the_code_by_hand():
    gaps = mbsd.teaching(CREDITS, RIGHT)[:, 0, 1]
    apart = mbsd.squared_differences(torch.stack([A, B], dim=1), both=True)[:, 0, 1]
    assert rounded(apart) == [1.666667, 0.083333]
    assert round((gaps * apart).mean().item(), 6) == 0.484381
    code = mbsd.code_divergences(CREDITS, both=True)[:, 0, 1]
    assert round((gaps * code).mean().item(), 6) == -0.180973


def test_pairs_are_those_of_the_row():
    gaps = torch.zeros(3, 3, 3)
    present = torch.tensor([[True, True, True], [True, False, True], [True, False, False]])
    assert mbsd.n_pairs(gaps, None) == 3
    assert mbsd.n_pairs(gaps, present).flatten().tolist() == [3, 1, 1]
    credits = torch.tensor([[0.9, 0.1, 0.5]]).expand(3, 3)
    teaches = mbsd.teaching(credits, torch.ones(3, 3, dtype=torch.bool), present) > 0
    assert teaches.sum(dim=(1, 2)).tolist() == [3, 1, 0]


def loss_of(value, X, y, **params):
    """What the method adds to the loss of a first batch, and the gradients of that."""
    net = fit(value, X, y, max_epochs=1, lr=1e-300, **params).net_
    batch = whole(X, y)
    output = net.infer(batch[0])
    added = value.loss(net, output, batch, torch.zeros(()))
    return added, output


@pytest.mark.parametrize("value", [MBSD(), MBSD(direction="both"), MBSD.published()])
def test_only_learners_move_unless_both_shall(value):
    X, y = blobs(n=48)
    added, output = loss_of(value, X, y)
    logits = [output.unimodal[m] for m in ("face", "voice")]
    moved = torch.stack([g.abs().sum(dim=1) > 0 for g in torch.autograd.grad(added, logits)], dim=1)
    credits = torch.stack([z.softmax(dim=1)[range(48), y] for z in logits], dim=1)
    right = torch.stack([z.argmax(dim=1) == torch.from_numpy(y) for z in logits], dim=1)
    taught = mbsd.teaching(credits, right) > 0
    assert taught.any()
    both = taught.any(dim=1) | taught.any(dim=2)
    assert torch.equal(moved, taught.any(dim=1) if value.direction == "learner" else both)


def test_loss_is_the_mean_over_rows_of_the_formula():
    X, y = blobs(n=48)
    added, output = loss_of(MBSD(similarity_weight=0.3, distill_weight=0.7), X, y)
    total = 0.0
    for i in range(48):
        p = {m: output.unimodal[m][i].detach().softmax(0).numpy() for m in X}
        truth = {m: p[m][y[i]] for m in p}
        teacher, learner = sorted(p, key=truth.get, reverse=True)
        if any(p[m].argmax() == y[i] for m in p):
            distance = ((p[teacher] - p[learner]) ** 2).mean()
            divergence = (p[teacher] * np.log(p[teacher] / p[learner])).sum()
            gap = truth[teacher] - truth[learner]
            total += gap * (0.3 * distance + 0.7 * divergence) / 48
    assert added.item() == pytest.approx(total)


@pytest.mark.parametrize("params", [{}, {"dropout": 0.3}, {"optimizer": "sgd"}])
def test_strength_zero_is_its_control(params):
    X, y = blobs(n=60)
    off = MBSD(similarity_weight=0, distill_weight=0)
    assert off.control() == {"balancing": None, "fusion": "concat", "unimodal_weight": 1.0}
    assert same_weights(fit(off, X, y, **params), fit(None, X, y, **params))


def test_parts_of_the_fusion_stand_in_for_classifiers_or_it_is_refused():
    X, y = blobs(n=60)
    clf = fit(MBSD(), X, y, fusion="concat", unimodal_weight=0)
    assert not same_weights(clf, fit(None, X, y, fusion="concat", unimodal_weight=0))
    with pytest.raises(ValueError, match=r"MBSD\(\) needs logits .* FiLMFusion is no sum"):
        fit(MBSD(), X, y, fusion="film", unimodal_weight=0)
