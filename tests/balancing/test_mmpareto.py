"""MMPareto: combinations of two gradients by hand, and what encoders and heads get."""

import numpy as np
import pytest
import torch

from sk_mmbalance import MultimodalClassifier, MultimodalRegressor
from sk_mmbalance.balancing import MMPareto, _mmpareto

from .conftest import FAST, blobs, fit, same_weights, with_missing


def vector(*values):
    return torch.tensor(values, dtype=torch.float64)


def combined(fused, own, gain=1.5):
    (n,), conflict = _mmpareto.pareto([vector(*fused)], [vector(*own)])
    return [round(value, 4) for value in (gain * n).tolist()], conflict.item()


def test_conflicts_by_hand():
    assert combined((1, 0), (-1, 1)) == ([0.6708, 1.3416], 1)
    assert combined((1, 0), (-3, 3)) == ([3.2450, 4.3267], 1)


def test_agreement_is_the_sum():
    assert combined((1, 0), (1, 1)) == ([3, 1.5], 0)
    assert combined((1, 0), (0, 1)) == ([1.5, 1.5], 0)
    assert combined((1, 0), (0, 0)) == ([1.5, 0], 0)


@pytest.mark.parametrize("seed", range(8))
def test_conflicting_gradients_are_both_served_and_the_length_is_kept(seed):
    rng = np.random.default_rng(seed)
    f = [torch.from_numpy(rng.normal(size=shape)) for shape in ((3, 2), (4,))]
    u = [torch.from_numpy(rng.normal(size=t.shape)) - t for t in f]

    def dot(a, b):
        return sum((x * y).sum() for x, y in zip(a, b, strict=True))

    whole, conflict = _mmpareto.pareto(f, u, by_tensor=False)
    assert conflict == (dot(f, u) < 0)
    assert dot(whole, f) > -1e-9
    assert dot(whole, u) > -1e-9
    total = [a + b for a, b in zip(f, u, strict=True)]
    assert dot(whole, whole) >= dot(total, total) * (1 - 1e-9)
    # of all convex combinations it has the direction of the shortest
    if conflict:
        torch.testing.assert_close(dot(whole, f), dot(whole, u))  # perpendicular to f - u
    each, _ = _mmpareto.pareto(f, u)
    for n, t in zip(each, total, strict=True):
        assert n.norm() >= t.norm() * (1 - 1e-9)


def test_gradients_that_cancel_stay_finite():
    for own in ((-1, 0), (-2, 0), (0, 0)):
        (n,), _ = _mmpareto.pareto([vector(1, 0)], [vector(*own)])
        assert n.isfinite().all()
    (n,), conflict = _mmpareto.pareto([vector(0, 0)], [vector(0, 0)])
    assert n.tolist() == [0, 0]
    assert conflict == 0


def gradients(value, X, y, **params):
    """Gradients of one batch by name, at the weights that all such nets start from."""
    params = {"max_epochs": 1, "lr": 1e-300, "optimizer": "sgd", "batch_size": 200, **params}
    net = fit(value, X, y, **params).net_
    net.network.zero_grad()
    batch = {"inputs": {m: torch.from_numpy(X[m]) for m in X}}
    net.train_step_single((batch, torch.from_numpy(y)))
    return {k: p.grad.clone() for k, p in net.network.named_parameters()}


@pytest.mark.parametrize("fusion", ["concat", "late", "gated"])
def test_encoders_get_the_combination_and_the_rest_the_sum(fusion):
    X, y = blobs(n=48)
    fused = gradients(None, X, y, fusion=fusion, unimodal_weight=1e-12)
    both = gradients(None, X, y, fusion=fusion, unimodal_weight=0.7)
    ours = gradients(MMPareto(gain=1.3), X, y, fusion=fusion, unimodal_weight=0.7)
    for name in X:
        keys = [k for k in both if k.startswith("backbones") and f"m_{name}" in k]
        f, u = [fused[k] for k in keys], [both[k] - fused[k] for k in keys]
        expected, _ = _mmpareto.pareto(f, u)
        for k, n in zip(keys, expected, strict=True):
            torch.testing.assert_close(ours[k], 1.3 * n, rtol=1e-6, atol=1e-9)
    for k in both:
        if not k.startswith("backbones"):
            torch.testing.assert_close(ours[k], both[k])


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("fusion", ["concat", "sum", "late", "gated", "film", "transformer"])
def test_sum_without_gain_is_joint_training(fusion, optimizer):
    X, y = blobs(n=60)
    params = {"fusion": fusion, "optimizer": optimizer, "dropout": 0.2, "max_epochs": 2}
    off = MMPareto(combine="sum", gain=1.0)
    assert same_weights(fit(off, X, y, **params), fit(None, X, y, **params))


def test_one_modality_is_plain_training():
    X, y = blobs(n=60, dims={"face": (5,)})
    assert same_weights(fit(MMPareto(), X, y), fit(None, X, y))


@pytest.mark.parametrize("scale", ["gradient", "step"])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_gain_is_of_what_is_scaled(scale, optimizer):
    X, y = blobs(n=48)
    settings = {"max_epochs": 1, "batch_size": 64, "optimizer": optimizer, "weight_decay": 0.0}
    key = "backbones.m_face.0.weight"
    start, plain, fast = (
        c.net_.network.state_dict()[key]
        for c in (
            fit(None, X, y, **{**settings, "lr": 1e-300}),
            fit(MMPareto(combine="sum", gain=1.0), X, y, **settings),
            fit(MMPareto(combine="sum", scale=scale), X, y, **settings),
        )
    )
    share = ((fast - start).norm() / (plain - start).norm()).item()
    undone = (optimizer, scale) == ("adamw", "gradient")
    assert share == pytest.approx(1.0 if undone else 1.5, rel=1e-3)


def test_conflicts_are_counted_in_the_window():
    X, y = blobs(n=90, spread=0.5)
    clf = fit(MMPareto(start_epoch=1, stop_epoch=3), X, y, max_epochs=4)
    shares = clf.history_["face__conflict"]
    assert shares.notna().tolist() == [False, True, True, False]
    assert shares.dropna().between(0, 1).all()


@pytest.mark.parametrize("rescale", ["tensor", "encoder"])
def test_rows_may_lack_modalities(rescale):
    X, y = blobs(n=90)
    holes, _ = with_missing(X)
    clf = fit(MMPareto(rescale=rescale), holes, y, missing="mask", max_epochs=10)
    assert clf.score(holes, y) > 0.6


def test_parts_of_a_backbone_that_nothing_uses_get_no_gradient():
    class Idle(torch.nn.Linear):
        def __init__(self, input_shape):
            super().__init__(input_shape[0], 4)
            self.unused = torch.nn.Parameter(torch.zeros(2))

    X, y = blobs(n=60)
    clf = fit(MMPareto(), X, y, backbones={"face": Idle}, optimizer="sgd")
    assert clf.net_.network.backbones["face"].unused.grad is None


def test_labels_and_numbers_are_learnt():
    X, y = blobs(n=60)
    labels = np.stack([y == 0, y < 2], axis=1).astype(int)
    assert fit(MMPareto(), X, labels).predict(X).shape == (60, 2)
    reg = MultimodalRegressor(**FAST, balancing=MMPareto()).fit(X, y.astype(float))
    assert np.isfinite(reg.history_["train_loss"]).all()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"unimodal_weight": 0}, r"MMPareto\(\) needs `unimodal_weight` to be above 0; got 0"),
        ({"optimizer": torch.optim.LBFGS, "weight_decay": 0}, r"MMPareto\(\) cannot be had with"),
    ],
)
def test_choices_that_it_cannot_use_are_refused(params, message):
    X, y = blobs(n=60)
    with pytest.raises(ValueError, match=message):
        fit(MMPareto(), X, y, **params)


def test_control_and_published_form():
    clf = MultimodalClassifier(balancing=MMPareto(gain=1.2))
    control = clf.set_params(**clf.balancing.control()).balancing
    assert (control.gain, control.combine) == (1.2, "sum")
    clf = MMPareto.published_estimator()
    assert (clf.balancing.scale, clf.optimizer, clf.unimodal_weight) == ("gradient", "sgd", "auto")
