"""GradientBlending: weights by hand, what is measured, and rows that are held out."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from sk_mmbalance import MultimodalClassifier
from sk_mmbalance.balancing import GradientBlending

from .conftest import FAST, blobs, fit, formulae, same_weights, whole, with_missing

blending = formulae(GradientBlending)
TRAIN = torch.tensor([[1.5, 1.7, 1.2], [0.9, 1.5, 0.5]], dtype=torch.float64)
HELD = torch.tensor([[1.6, 1.8, 1.4], [1.3, 1.65, 1.2]], dtype=torch.float64)


def weights_of(train, held):
    overfitted = (held[1] - train[1]) - (held[0] - train[0])
    found = blending.blend(held[0] - held[1], overfitted, 0.01)
    return [round(value, 4) for value in found.tolist()]


def test_weights_by_hand():
    assert weights_of(TRAIN, HELD) == [0.0520, 0.9356, 0.0125]


def test_sums_over_batches_would_compare_different_units():
    assert weights_of(90 * TRAIN, 10 * HELD) == [0.1602, 0.7652, 0.0746]


def test_a_branch_that_got_worse_has_no_weight_and_where_all_did_weights_are_equal():
    generalised = torch.tensor([-0.3, 0.15, 0.2])
    overfitted = torch.tensor([0.5, 0.25, 0.5])
    assert blending.blend(generalised, overfitted, 0.01).tolist() == pytest.approx([0, 0.75, 0.25])
    assert blending.blend(-generalised.abs(), overfitted, 0.01).tolist() == pytest.approx(
        [1 / 3] * 3
    )


def test_no_overfitting_is_reckoned_as_little_and_what_is_unknown_as_the_mean():
    gained, none = torch.tensor([0.1, 0.1]), torch.tensor([0.0, 0.02])
    assert blending.blend(gained, none, 0.01).tolist() == pytest.approx([0.8, 0.2])
    nan = torch.tensor([float("nan")])
    found = blending.blend(torch.cat([gained, nan]), torch.cat([none, nan]), 0.01)
    assert found.tolist() == pytest.approx([0.8 / 1.5, 0.2 / 1.5, 0.5 / 1.5])


def test_loss_is_the_weighted_mean_of_the_branches():
    X, y = blobs(n=48)
    weights = {"face": 0.2, "voice": 0.5, "fused": 0.3}
    net = fit(GradientBlending(weights=weights), X, y, max_epochs=1, lr=1e-300).net_
    batch = whole(X, y)
    output = net.infer(batch[0])
    expected = 0.3 * cross_entropy(output.logits, batch[1])
    for name in X:
        expected = expected + weights[name] * cross_entropy(output.unimodal[name], batch[1])
    torch.testing.assert_close(net.get_loss(output, batch[1], X=batch[0], training=True), expected)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_weight_of_the_fused_loss_alone_is_joint_training(optimizer):
    X, y = blobs(n=60)
    alone = {"face": 0.0, "voice": 0.0, "fused": 1.0}
    ours = fit(GradientBlending(weights=alone), X, y, optimizer=optimizer).net_.network
    plain = fit(None, X, y, optimizer=optimizer, unimodal_weight=0).net_.network.state_dict()
    assert all(torch.equal(ours.state_dict()[key], value) for key, value in plain.items())


def columns(clf):
    return clf.history_[["face__loss_weight", "voice__loss_weight", "fused_loss_weight"]]


@pytest.mark.parametrize("estimate", ["tracked", "separate"])
@pytest.mark.parametrize("fusion", ["concat", "late", "gated"])
def test_weights_sum_to_one_and_change_with_the_spans(estimate, fusion):
    X, y = blobs(n=90)
    value = GradientBlending(every=2, estimate=estimate)
    found = columns(fit(value, X, y, max_epochs=5, fusion=fusion))
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
    assert found.diff().abs().gt(0).any(axis=1).tolist() == [False, False, True, False, True]
    assert np.allclose(found.iloc[0], 1 / 3) == (estimate == "tracked")


def test_tracked_weights_are_those_of_the_losses_before_and_after():
    X, y = blobs(n=120, seed=2)
    X_val, y_val = blobs(n=120, seed=2)
    X_val = type(X)({m: X_val[m] + np.random.default_rng(5).normal(size=X[m].shape) for m in X})
    value = GradientBlending(every=1)
    params = {"early_stopping": True, "max_epochs": 2, "n_iter_no_change": 9, "lr": 0.05}

    def losses(clf, X, y):
        output = clf.net_.evaluate(({"inputs": {m: torch.from_numpy(X[m]) for m in X}}, None))
        codes = torch.from_numpy(y)
        outputs = [*(output.unimodal[m] for m in ("face", "voice")), output.logits]
        return torch.stack([cross_entropy(z, codes) for z in outputs])

    settings = {**FAST, **params, "balancing": value}
    found = columns(MultimodalClassifier(**settings).fit(X, y, X_val=X_val, y_val=y_val)).iloc[1]
    start = MultimodalClassifier(**{**settings, "max_epochs": 1, "lr": 1e-300})
    end = MultimodalClassifier(**{**settings, "max_epochs": 1})
    start, end = (clf.fit(X, y, X_val=X_val, y_val=y_val) for clf in (start, end))
    (t0, v0), (t1, v1) = ((losses(c, X, y), losses(c, X_val, y_val)) for c in (start, end))
    expected = blending.blend(v0 - v1, (v1 - t1) - (v0 - t0), 0.01)
    np.testing.assert_allclose(found, expected.tolist(), rtol=1e-6)


@pytest.mark.parametrize("fusion", ["concat", "late"])
def test_separate_estimates_leave_the_network_as_it_was(fusion):
    class Watching(GradientBlending):
        def begin_pass(self, net, batches):
            before = {k: v.clone() for k, v in net.network.named_parameters()}
            figures = super().begin_pass(net, batches)
            assert all(torch.equal(before[k], v) for k, v in net.network.named_parameters())
            return figures

    X, y = blobs(n=90)
    clf = fit(Watching(every=1, estimate="separate"), X, y, fusion=fusion)
    assert not np.allclose(columns(clf), 1 / 3)


def test_held_out_rows_are_not_trained_on():
    X, y = blobs(n=60)
    seen = []

    class Seeing(GradientBlending):
        def loss(self, net, output, batch, loss):
            seen.append(batch[0]["inputs"]["face"])
            return super().loss(net, output, batch, loss)

    fit(Seeing(validation_fraction=0.2), X, y, max_epochs=2)
    rows = {tuple(row.tolist()) for row in torch.cat(seen)}
    assert len(rows) == 60 - 3 * 4  # of 20 rows a class, 4
    before = rows.copy()
    seen.clear()
    order = np.random.default_rng(0).permutation(60)
    fit(Seeing(validation_fraction=0.2), X[order], y[order], max_epochs=1)
    assert {tuple(row.tolist()) for row in torch.cat(seen)} == before
    seen.clear()
    fit(Seeing(weights={"face": 1, "voice": 1, "fused": 1}), X, y, max_epochs=1)
    assert len(torch.cat(seen)) == 60


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_equal_weights_on_the_same_rows_are_the_control(optimizer):
    X, y = blobs(n=60)
    control = GradientBlending(every=9).control()["balancing"]
    # before the first span ends, weights are equal
    ours = fit(GradientBlending(every=9), X, y, optimizer=optimizer)
    assert same_weights(ours, fit(control, X, y, optimizer=optimizer))
    assert np.allclose(columns(fit(control, X, y, optimizer=optimizer)), 1 / 3)


@pytest.mark.parametrize("estimate", ["tracked", "separate"])
def test_rows_may_lack_modalities(estimate):
    X, y = blobs(n=90)
    holes, _ = with_missing(X)
    value = GradientBlending(every=1, estimate=estimate, validation_fraction=0.3)
    clf = fit(value, holes, y, missing="mask")
    assert np.isfinite(columns(clf)).all(axis=None)
    assert np.isfinite(clf.predict_proba(holes)).all()


def test_few_rows_hold_out_nothing_and_weigh_equally():
    X, y = blobs(n=12)
    clf = fit(GradientBlending(every=1), X, y)
    assert np.allclose(columns(clf), 1 / 3)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"face": 1.0}, "must name every modality of `X` and 'fused'"),
        ({"face": 1.0, "voice": -1.0, "fused": 1.0}, "finite and not negative; got -1.0"),
    ],
)
def test_weights_that_say_nothing_are_refused(weights, message):
    X, y = blobs(n=60)
    with pytest.raises(ValueError, match=message):
        fit(GradientBlending(weights=weights), X, y)


def test_own_weights_of_the_losses_are_the_only_ones():
    X, y = blobs(n=60)
    with pytest.raises(ValueError, match=r"GradientBlending\(\) needs `unimodal_weight`"):
        fit(GradientBlending(), X, y, unimodal_weight=0.5)
