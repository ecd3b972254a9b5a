"""AGM: leads and parts by hand, and what reaches each part as gradient."""

from itertools import permutations

import numpy as np
import pytest
import torch

from sk_mmbalance import MultimodalClassifier, MultimodalRegressor
from sk_mmbalance.balancing import AGM, _agm

from .conftest import FAST, blobs, fit, same_weights, with_missing

A = torch.tensor([[2.0, 0, 0], [0, 1, 0]], dtype=torch.float64)
V = torch.tensor([[0.5, 0, 0], [0, 0, 0.5]], dtype=torch.float64)
Y = torch.tensor([0, 1])
BOTH = torch.ones(2, 2, dtype=torch.bool)


def rounded(values):
    return [round(value, 4) for value in values.tolist()]


def leads_of(losses):
    losses = torch.tensor(losses, dtype=torch.float64)
    pairs = torch.ones(len(losses), len(losses), dtype=torch.bool)
    return _agm.lead(losses[None, :] - losses[:, None], pairs)


def test_two_modalities_by_hand():
    losses = torch.stack(
        [torch.nn.functional.cross_entropy(z, Y, reduction="none") for z in (A, V)], dim=1
    )
    means, behind, both = _agm.lags(losses)
    assert rounded(means) == [0.3955, 1.0444]
    now, earlier = _agm.lead(behind, both), leads_of([0.9, 1.1])
    assert rounded(now) == [1.9134, 0.5226]
    assert rounded(earlier) == [1.2214, 0.8187]
    assert rounded(_agm.modulation(now, earlier, 1.0, 10.0)) == [0.5006, 1.3446]
    assert _agm.modulation(now, earlier + 100, 0.5, 10.0).tolist() == pytest.approx([np.e**5] * 2)


def test_three_modalities_by_hand():
    assert rounded(leads_of([0.4, 1.0, 0.7])) == [1.5683, 0.6376, 1.0]


def test_leads_look_at_rows_that_have_both():
    losses = torch.tensor([[1.0, 2, 9], [3, 1e30, 9], [1e30, 1, 9]], dtype=torch.float64)
    present = torch.tensor([[True, True, False], [True, False, False], [False, True, False]])
    weight = torch.tensor([1.0, 3, 1], dtype=torch.float64)
    means, behind, both = _agm.lags(losses, present, weight)
    assert means[:2].tolist() == [2.5, 1.5]
    assert not both[2].any()
    assert rounded(_agm.lead(behind, both)) == rounded(torch.tensor([np.e, 1 / np.e, 1.0]))


def naive_shapley(value, names):
    """Mean over all orders of what a player adds when it comes."""
    parts = dict.fromkeys(names, 0.0)
    orders = list(permutations(names))
    for order in orders:
        for k, name in enumerate(order):
            before = value(tuple(sorted(order[:k]))) if k else 0.0
            parts[name] += (value(tuple(sorted(order[: k + 1]))) - before) / len(orders)
    return parts


@pytest.mark.parametrize("names", [["a"], ["a", "b"], ["a", "b", "c"], ["a", "b", "c", "d"]])
def test_parts_are_the_mean_over_all_orders_and_add_up(names):
    rng = np.random.default_rng(0)
    worth = {}

    def value(members):
        return worth.setdefault(members, torch.from_numpy(rng.normal(size=(2, 3))))

    whole = value(tuple(names))
    parts, expected = _agm.shapley(value, names, whole), naive_shapley(value, names)
    torch.testing.assert_close(sum(parts.values()), whole)
    for name in names:
        torch.testing.assert_close(parts[name], expected[name])


def first_batch(clf, X, y):
    codes = torch.from_numpy(y)
    return {"inputs": {m: torch.from_numpy(np.nan_to_num(X[m])) for m in X}}, codes


FUSIONS = ["concat", "sum", "late", "gated", "film", "transformer"]


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("lacking", [False, True])
def test_parts_of_every_fusion_add_up_row_by_row(fusion, lacking):
    X, y = blobs(n=30, dims={"a": (4,), "b": (3,), "c": (2,)})
    net = fit(AGM(), X, y, fusion=fusion, max_epochs=1).net_
    batch, _ = first_batch(None, X, y)
    if lacking:
        _, present = with_missing(X)
        batch["present"] = {m: torch.from_numpy(present[:, k]) for k, m in enumerate(X.names)}
    output = net.evaluate((batch, None))
    with torch.no_grad():
        parts = _agm.parts_of(net, output, batch.get("present"))
    torch.testing.assert_close(sum(parts.values()), output.logits, rtol=1e-9, atol=1e-9)
    for name, here in batch.get("present", {}).items():
        assert parts[name][~here].abs().max() < 1e-9


def gradients(value, X, y, known, **params):
    """Gradients of a first batch by name, when the losses so far are `known`."""
    clf = fit(value, X, y, max_epochs=1, lr=1e-300, optimizer="sgd", batch_size=200, **params)
    net = clf.net_
    if value is not None:
        state = net.running(net.methods[0])
        state.mean.copy_(torch.tensor(known))
        state.count.fill_(4)
    net.network.zero_grad()
    net.train_step_single(first_batch(clf, X, y))
    if value is not None:
        assert state.count.tolist() == [5, 5]
    return {k: p.grad.clone() for k, p in net.network.named_parameters()}


def test_encoder_and_weights_of_a_modality_get_its_factor_of_the_joint_gradient():
    X, y = blobs(n=48)
    plain = gradients(None, X, y, None, unimodal_weight=0.0)
    ours = gradients(AGM(clip_norm=None), X, y, [0.7, 0.8])
    shares = {k: (ours[k].norm() / g.norm()).item() for k, g in plain.items()}
    factors = {}
    for name in X:
        own = [share for k, share in shares.items() if f"m_{name}" in k]
        assert own == pytest.approx([own[0]] * len(own))
        factors[name] = own[0]
    assert abs(factors["face"] - factors["voice"]) > 0.1
    torch.testing.assert_close(
        ours["fusion.bias"], np.mean(list(factors.values())) * plain["fusion.bias"]
    )


def test_gradients_are_clipped_together():
    X, y = blobs(n=48)
    ours = gradients(AGM(clip_norm=0.01), X, y, [0.7, 0.8])
    total = torch.stack([g.norm() for g in ours.values()]).norm()
    assert total.item() == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize("scale", ["gradient", "step"])
@pytest.mark.parametrize("fusion", FUSIONS)
def test_strength_zero_is_joint_training(scale, fusion):
    X, y = blobs(n=60)
    off = AGM(alpha=0, clip_norm=None, scale=scale)
    params = {"fusion": fusion, "dropout": 0.2, "max_epochs": 2}
    for optimizer in ("adamw", "sgd"):
        ours = fit(off, X, y, optimizer=optimizer, **params)
        assert same_weights(ours, fit(None, X, y, optimizer=optimizer, unimodal_weight=0, **params))


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_strength_zero_is_its_control_with_clipping(optimizer):
    X, y = blobs(n=60)
    clf = fit(AGM(alpha=0.0), X, y, optimizer=optimizer)
    control = MultimodalClassifier(**clf.get_params(deep=False)).set_params(
        **AGM(alpha=0.7).control()
    )
    assert same_weights(clf, control.fit(X, y))


def test_one_modality_is_plain_training():
    X, y = blobs(n=60, dims={"face": (5,)})
    for optimizer in ("adamw", "sgd"):
        plain = fit(None, X, y, optimizer=optimizer, unimodal_weight=0)
        assert same_weights(fit(AGM(), X, y, optimizer=optimizer), plain)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_window_is_kept(optimizer):
    X, y = blobs(n=60)
    clf = fit(AGM(start_epoch=1, stop_epoch=2), X, y, optimizer=optimizer)
    assert clf.history_["face__factor"].notna().tolist() == [False, True, False]
    assert clf.history_["face__lead"].notna().tolist() == [False, True, False]


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_steps_and_gradients_are_modulated_where_rows_lack_modalities(optimizer):
    X, y = blobs(n=90)
    holes, _ = with_missing(X)
    clf = fit(AGM(), holes, y, missing="mask", optimizer=optimizer, fusion="gated")
    factors = clf.history_.filter(like="__factor")
    assert np.isfinite(factors).all(axis=None)
    assert (factors != 1).any(axis=None)


def test_labels_and_numbers_are_learnt():
    X, y = blobs(n=60)
    labels = np.stack([y == 0, y < 2], axis=1).astype(int)
    assert fit(AGM(), X, labels).predict(X).shape == (60, 2)
    reg = MultimodalRegressor(**FAST, balancing=AGM()).fit(X, y.astype(float))
    assert np.isfinite(reg.history_.filter(like="__factor")).all(axis=None)


def test_many_modalities_need_a_fusion_that_is_a_sum():
    X, y = blobs(n=40, dims={f"m{k}": (2,) for k in range(7)})
    with pytest.raises(ValueError, match=r"AGM\(\) can have at most 6 modalities .*got 7"):
        fit(AGM(), X, y, fusion="gated")
    assert fit(AGM(), X, y, max_epochs=1).n_iter_ == 1


def test_published_form_and_its_side():
    clf = AGM.published_estimator()
    assert (clf.balancing.scale, clf.balancing.clip_norm, clf.optimizer) == ("gradient", 1.0, "sgd")
