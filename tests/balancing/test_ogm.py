"""OGM: the numbers of its formulae, and what it does to steps."""

import numpy as np
import pytest
import torch

from sk_mmbalance.balancing import OGM, _ogm
from sk_mmbalance.networks import ClassLoss

from .conftest import blobs, fit, same_weights

CE = ClassLoss(reduction="none")
A = torch.tensor([[2.0, 0, 0], [0, 1, 0]], dtype=torch.float64)
V = torch.tensor([[0.5, 0, 0], [0, 0, 0.5]], dtype=torch.float64)
T = torch.tensor([[0.0, 0, 1], [0, 2, 0]], dtype=torch.float64)
Y = torch.tensor([0, 1])


def rounded(values):
    return [round(value, 4) for value in values.tolist()]


def test_two_modalities_by_hand():
    scores, ratios = _ogm.dominance(_ogm.credits_of(CE, {"a": A, "v": V}, Y))
    assert rounded(scores) == [0.6816, 0.3630]
    assert round(ratios[0].item(), 4) == 1.8777
    for alpha, expected in ((0.1, 0.8144), (0.3, 0.4896), (0.8, 0.0945)):
        assert rounded(_ogm.slowing(ratios, alpha)) == [expected, 1.0]


def test_weights_by_hand():
    weight = torch.tensor([2.0, 1.0], dtype=torch.float64)
    scores, _ = _ogm.dominance(_ogm.credits_of(CE, {"a": A, "v": V}, Y), weight=weight)
    assert rounded(scores) == [0.7167, 0.3926]


def test_three_modalities_by_hand():
    scores, ratios = _ogm.dominance(_ogm.credits_of(CE, {"a": A, "t": T, "v": V}, Y))
    assert round(scores[1].item(), 4) == 0.4995
    assert rounded(ratios) == [1.6211, 1.0544, 0.6296]
    assert rounded(_ogm.slowing(ratios, 0.3)) == [0.5487, 0.6938, 1.0]


def test_equal_modalities_are_left_alone():
    _, ratios = _ogm.dominance(_ogm.credits_of(CE, {"a": A, "v": A}, Y))
    assert _ogm.slowing(ratios, 0.8).tolist() == [1, 1]


def naive(credits, present, weight, alpha):
    m = credits.shape[1]
    factors = []
    for a in range(m):
        ratios = []
        for b in range(m):
            both = present[:, a] & present[:, b]
            if a == b or not present[:, a].any() or not present[:, b].any():
                continue
            w = weight * both
            ratios.append((w @ credits[:, a]) / (w @ credits[:, b]) if both.any() else 1.0)
        rho = np.mean(ratios) if ratios else 1.0
        factors.append(1 - np.tanh(alpha * rho) if rho > 1 else 1.0)
    return factors


@pytest.mark.parametrize("n_modalities", [2, 3, 4])
@pytest.mark.parametrize("seed", range(5))
def test_factors_equal_a_naive_loop(n_modalities, seed):
    rng = np.random.default_rng(seed)
    credits = rng.uniform(0.05, 1, (9, n_modalities))
    present = rng.random((9, n_modalities)) < 0.6
    if seed == 0:
        present[:, 0] = False
    weight = rng.integers(1, 4, 9).astype(float)
    _, ratios = _ogm.dominance(*(torch.from_numpy(each) for each in (credits, present, weight)))
    np.testing.assert_allclose(_ogm.slowing(ratios, 0.4), naive(credits, present, weight, 0.4))


def test_noise_has_the_spread_of_the_gradient():
    gradient = 3 * torch.randn(100, 100, generator=torch.Generator().manual_seed(0))
    noise = _ogm.noise_like(gradient, torch.Generator().manual_seed(1))
    assert noise.std().item() == pytest.approx(3, rel=0.03)
    assert abs(noise.mean().item()) < 0.1
    assert not _ogm.noise_like(torch.zeros(3, 3), torch.Generator()).any()


@pytest.mark.parametrize("scale", ["gradient", "step"])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("own_logits", ["heads", "share"])
def test_strength_zero_is_joint_training(scale, optimizer, own_logits):
    X, y = blobs(n=60)
    off = OGM(alpha=0, noise=False, scale=scale, own_logits=own_logits)
    assert same_weights(fit(off, X, y, optimizer=optimizer), fit(None, X, y, optimizer=optimizer))


def test_one_modality_is_plain_training():
    X, y = blobs(n=60, dims={"face": (5,)})
    assert same_weights(fit(OGM(), X, y), fit(None, X, y))


@pytest.mark.parametrize("fusion", ["sum", "late", "gated", "film", "transformer"])
@pytest.mark.parametrize("own_logits", ["heads", "share"])
def test_every_fusion_can_be_modulated(fusion, own_logits):
    X, y = blobs(n=60)
    clf = fit(OGM(own_logits=own_logits), X, y, fusion=fusion, unimodal_weight=0.0)
    assert (clf.history_.filter(like="__factor").min(axis=1) < 1).any()


def first_steps(scale, optimizer):
    """How far the matrices of each encoder moved in a step, as shares of the plain step."""
    X, y = blobs(n=48)
    settings = {"max_epochs": 1, "batch_size": 64, "optimizer": optimizer, "weight_decay": 0.0}
    start = fit(None, X, y, **{**settings, "lr": 1e-300})
    plain = fit(None, X, y, **settings)
    slow = fit(OGM(alpha=0.5, noise=False, scale=scale), X, y, **settings)
    shares = {}
    for name in X:
        key = f"backbones.m_{name}.0.weight"
        was, went, goes = (c.net_.network.state_dict()[key] for c in (start, plain, slow))
        shares[name] = ((goes - was).norm() / (went - was).norm()).item()
    return shares, {name: slow.history_[f"{name}__factor"][0] for name in X}


@pytest.mark.parametrize(
    ("scale", "optimizer"),
    [("step", "adamw"), ("auto", "adamw"), ("gradient", "sgd"), ("auto", "sgd")],
)
def test_the_step_of_an_encoder_is_scaled_by_its_factor(scale, optimizer):
    shares, factors = first_steps(scale, optimizer)
    assert min(factors.values()) < 0.7
    assert shares == pytest.approx(factors, rel=1e-6)


def test_adam_undoes_a_factor_on_the_gradient():
    shares, factors = first_steps("gradient", "adamw")
    assert min(factors.values()) < 0.7
    assert shares == pytest.approx(dict.fromkeys(factors, 1.0), rel=1e-3)


def test_window_is_kept_and_noise_is_the_same_every_time():
    X, y = blobs(n=60)
    clf = fit(OGM(start_epoch=1, stop_epoch=2), X, y)
    assert clf.history_["face__factor"].notna().tolist() == [False, True, False]
    assert same_weights(clf, fit(OGM(start_epoch=1, stop_epoch=2), X, y))
    assert not same_weights(clf, fit(OGM(start_epoch=1, stop_epoch=2, noise=False), X, y))


def test_lbfgs_is_refused():
    X, y = blobs(n=60)
    with pytest.raises(ValueError, match=r"OGM\(\) cannot be had with `optimizer` LBFGS"):
        fit(OGM(), X, y, optimizer=torch.optim.LBFGS, weight_decay=0)


def test_published_form_and_its_side():
    clf = OGM.published_estimator(max_epochs=2)
    assert clf.balancing.scale == "gradient"
    assert clf.balancing.own_logits == "share"
    assert (clf.optimizer, clf.unimodal_weight, clf.max_epochs) == ("sgd", 0.0, 2)
