"""LFM: the alignment by hand, and a weight that falls or is learnt."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from sk_mmbalance.balancing import LFM

from .conftest import blobs, fit, formulae, same_weights, whole

lfm = formulae(LFM)
A = torch.tensor([[2.0, 0, 0], [0, 1, 0]], dtype=torch.float64)
B = torch.tensor([[0.0, 0, 1], [0, 0.5, 0]], dtype=torch.float64)
Y = torch.tensor([0, 1])
LOG_P = torch.stack([A, B], dim=1).log_softmax(dim=2)[:, :, None]


def test_losses_by_hand():
    code, ours = (lfm.divergence(LOG_P, code=form).mean().item() for form in (True, False))
    assert [round(code, 6), round(ours, 6)] == [0.113481, 0.096747]
    fused = cross_entropy((A + B) / 2, Y).item()
    assert round(fused, 6) == 0.672697
    assert round(2 * (0.05 * fused + 0.95 * code), 6) == 0.282883
    assert round(0.8 * fused + 0.2 * ours, 6) == 0.557507


def test_divergence_is_entropy_of_the_mean_less_mean_entropy():
    p = torch.from_numpy(np.random.default_rng(0).dirichlet(np.ones(4), size=(6, 3)))
    found = lfm.divergence(p.log()[:, :, None])
    mean = p.mean(dim=1)
    expected = -(mean * mean.log()).sum(dim=1) + (p * p.log()).sum(dim=2).mean(dim=1)
    torch.testing.assert_close(found, expected)
    assert (found <= np.log(3)).all()


def test_divergence_is_of_what_a_row_has():
    present = torch.tensor([[True, True, False], [False, True, False], [False, False, False]])
    three = torch.cat([LOG_P, torch.full_like(LOG_P[:, :1], -1e30)], dim=1)[[0, 1, 1]]
    three.requires_grad_()
    found = lfm.divergence(three, present)
    assert found[0].item() == pytest.approx(lfm.divergence(LOG_P)[0].item())
    assert found[1].item() == pytest.approx(0)
    found[:2].sum().backward()
    assert three.grad.isfinite().all()
    assert not three.grad[0, 2].any()


def test_slope_of_the_weight_by_hand_and_by_differences():
    theta = {"t": torch.tensor([1.0, 0.0], dtype=torch.float64, requires_grad=True)}
    target, pull = torch.tensor([0.0, 1.0]), torch.tensor([2.0, 0.0])

    def classify(p):
        return (p["t"] - target).square().sum()

    def losses(p):
        return classify(p), (p["t"] - pull).square().sum()

    slope = lfm.slope_of_weight(losses, classify, theta, 0.2, 0.1)
    assert slope.item() == pytest.approx(1.04)

    def after(share):
        fused, apart = losses(theta)
        step = torch.autograd.grad((1 - share) * fused + share * apart, theta["t"])[0]
        return classify({"t": theta["t"] - 0.1 * step}).item()

    assert (after(0.201) - after(0.199)) / 0.002 == pytest.approx(1.04)


def test_weight_falls_in_a_line_and_stays():
    falls = [lfm.falling(epoch, 4) for epoch in range(6)]
    assert falls == pytest.approx([0.8, 0.6, 0.4, 0.2, 0.2, 0.2])
    X, y = blobs(n=60)
    history = fit(LFM(), X, y, max_epochs=4).history_
    assert history["align_weight"].tolist() == pytest.approx(falls[:4])
    assert history["alignment"].gt(0).all()


@pytest.mark.parametrize("params", [{}, {"dropout": 0.3}, {"optimizer": "sgd"}, {"fusion": "sum"}])
def test_strength_zero_is_its_control(params):
    X, y = blobs(n=60)
    assert LFM().control() == {"balancing": None, "fusion": "late", "unimodal_weight": 0.0}
    control = {**LFM().control(), **params}
    control.pop("balancing")
    assert same_weights(fit(LFM(align_weight=0), X, y, **params), fit(None, X, y, **control))


def test_loss_is_the_weighted_mean():
    X, y = blobs(n=48)
    value = LFM(align_weight=0.3)
    net = fit(value, X, y, max_epochs=1, lr=1e-300).net_
    batch = whole(X, y)
    output = net.infer(batch[0])
    log_p = torch.stack([output.unimodal[m].log_softmax(dim=1) for m in X], dim=1)[:, :, None]
    expected = 0.7 * cross_entropy(output.logits, batch[1]) + 0.3 * lfm.divergence(log_p).mean()
    torch.testing.assert_close(net.get_loss(output, batch[1], X=batch[0], training=True), expected)


def test_a_heavy_weight_makes_modalities_agree():
    X, y = blobs(n=90, spread=0.7)
    ends = [
        fit(LFM(align_weight=weight), X, y, max_epochs=15).history_["alignment"].iloc[-1]
        for weight in (0.01, 0.9)
    ]
    assert ends[1] < 0.5 * ends[0]


@pytest.mark.parametrize("fusion", ["late", "sum", "concat"])
def test_weight_is_learnt_from_held_out_rows(fusion):
    X, y = blobs(n=90)
    params = {"early_stopping": True, "fusion": fusion, "dropout": 0.2, "max_epochs": 4}
    clf = fit(LFM(align_weight="learned"), X, y, **params)
    weights = clf.history_["align_weight"]
    assert weights.iloc[0] == pytest.approx(0.95)
    assert weights.nunique() == 4
    assert weights.between(0.05, 0.95).all()
    # a weight that is learnt at no pace is one that is constant: looking draws and moves nothing
    still = fit(LFM(align_weight="learned", align_lr=0.0), X, y, **params)
    assert same_weights(still, fit(LFM(align_weight=0.95), X, y, **params))
    assert clf.partial_fit(X, y).history_["align_weight"].nunique() == 5


def test_weight_is_learnt_where_the_estimator_holds_no_row_out():
    X, y = blobs(n=90)
    value = LFM(align_weight="learned", validation_fraction=0.2)
    clf = fit(value, X, y, max_epochs=2)
    assert clf.history_["align_weight"].iloc[1] < 0.95
    assert same_weights(clf, fit(value, X, y, max_epochs=1, warm_start=True).fit(X, y))
    few = fit(value, *blobs(n=9), max_epochs=2)
    assert few.history_["align_weight"].tolist() == pytest.approx([0.95, 0.95])


def test_a_fusion_that_is_no_sum_needs_classifiers():
    X, y = blobs(n=60)
    with pytest.raises(ValueError, match=r"LFM\(\) needs logits of each modality"):
        fit(LFM(), X, y, fusion="gated")


def test_published_form():
    clf = LFM.published_estimator()
    assert (clf.balancing.align_weight, clf.balancing.align) == (0.95, "code")
    assert clf.optimizer == "sgd"
