"""Relearning: diagnoses and pulls by hand, and what is held out for them."""

import copy
import math

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback
from torch import nn

from sk_mmbalance import MultimodalClassifier, MultimodalRegressor
from sk_mmbalance.balancing import Relearning

from .conftest import FAST, blobs, fit, formulae, same_weights, with_missing

of = formulae(Relearning)

ONCE = {"every": 1, "n_resets": 1}


def test_pulls_by_hand():
    assert round(of.pull_of(0.9, 0.6, 3.0), 6) == 0.716298
    assert round(of.pull_of(0.5, 0.45, 3.0), 6) == 0.148885
    assert of.pull_of(0.6, 0.9, 3.0) == 0
    assert of.pull_of(math.nan, 0.5, 3.0) == 0


@pytest.mark.parametrize("optimizer", [torch.optim.AdamW, torch.optim.SGD])
def test_weights_and_statistics_go_back_and_the_optimiser_forgets(optimizer):
    encoder, first = (nn.Sequential(nn.Linear(1, 1), nn.BatchNorm1d(1)) for _ in range(2))
    options = {"momentum": 0.9} if optimizer is torch.optim.SGD else {}
    optim = optimizer(encoder.parameters(), lr=0.1, **options)
    for _ in range(3):
        encoder(torch.randn(8, 1) + 3).sum().backward()
        optim.step()
    with torch.no_grad():
        encoder[0].weight.fill_(1.0)
        first[0].weight.fill_(0.2)
    mean = encoder[1].running_mean.item()
    of.pull_back(encoder, first, 0.716298, optim)
    assert round(encoder[0].weight.item(), 6) == 0.426962
    assert encoder[1].running_mean.item() == pytest.approx((1 - 0.716298) * mean)
    assert encoder[1].num_batches_tracked == 3
    for kept in optim.state.values():
        assert all(not value.any() for value in kept.values() if torch.is_tensor(value))
    encoder(torch.randn(8, 1)).sum().backward()
    optim.step()  # and goes on


def test_clusters_are_named_in_training_rows_and_scaled_as_these():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    centres = np.array([[0, 0], [9, 0], [0, 9]])
    u = centres[y] + rng.normal(size=(60, 2))
    ones = np.ones(60)
    assert of.cluster_accuracies((u, y, ones), (u, y, ones)) == [1, 1]
    swapped = np.where(y == 0, 1, np.where(y == 1, 0, 2))
    assert of.cluster_accuracies((u, y, ones), (u, swapped, ones))[1] == pytest.approx(1 / 3)
    weight = np.where(y == 2, 3.0, 0.5)
    found = of.cluster_accuracies((u, y, weight), (u, swapped, weight))[1]
    assert found == pytest.approx(weight[y == 2].sum() / weight.sum())
    # 0/1 noise is not told apart better for being few
    for n in (20, 2000):
        noise = rng.normal(size=(n, 2))
        truth = rng.integers(0, 3, n)
        held_out = of.cluster_accuracies((u, y, ones), (noise, truth, np.ones(n)))[1]
        assert held_out == pytest.approx(1 / 3, abs=0.3 if n == 20 else 0.05)
    nothing = (u[:0], y[:0], ones[:0])
    assert np.isnan(of.cluster_accuracies(nothing, (u, y, ones))).all()
    doubled = tuple(np.repeat(part, 2, axis=0) for part in (u, y, ones))
    twice = of.cluster_accuracies((u, y, 2 * ones), (u, swapped, ones))
    assert twice == pytest.approx(of.cluster_accuracies(doubled, (u, swapped, ones)))


@pytest.mark.parametrize("off", [{"strength": 0}, {"n_resets": 0}])
def test_strength_zero_is_joint_training(off):
    X, y = blobs(n=60)
    for params in ({}, {"early_stopping": True, "dropout": 0.2}):
        assert same_weights(fit(Relearning(**off), X, y, **params), fit(None, X, y, **params))


def test_one_modality_is_plain_training():
    X, y = blobs(n=60, dims={"face": (5,)})
    assert same_weights(fit(Relearning(**ONCE), X, y), fit(None, X, y))


def overfitting(n=90):
    """The face shows the class; the voice is many columns of noise, to be learnt by heart."""
    X, y = blobs(n=n, dims={"face": (3,), "voice": (60,)})
    rng = np.random.default_rng(5)
    return type(X)(face=X["face"], voice=rng.normal(size=(n, 60))), y


@pytest.mark.parametrize("diagnosis", ["cluster", "head"])
@pytest.mark.parametrize("early_stopping", [True, False])
def test_the_modality_that_is_learnt_by_heart_goes_back(diagnosis, early_stopping):
    X, y = overfitting()
    value = Relearning(every=12, n_resets=1, diagnosis=diagnosis, validation_fraction=0.3)
    params = {"max_epochs": 16, "early_stopping": early_stopping, "validation_fraction": 0.3}
    params |= {"hidden_layer_sizes": (32,), "embedding_dim": 16, "n_iter_no_change": 30}
    resets = fit(value, X, y, **params).history_[["face__reset", "voice__reset"]]
    assert (resets.drop(index=12) == 0).all(axis=None)
    assert resets.loc[12, "voice__reset"] > 0.6
    assert resets.loc[12, "face__reset"] < 0.5
    control = fit(value.control()["balancing"], X, y, **params).history_
    mean = resets.loc[12].mean()
    assert control.loc[12, "face__reset"] == control.loc[12, "voice__reset"]
    assert control.loc[12, "voice__reset"] == pytest.approx(mean)


def test_an_encoder_is_between_where_it_was_and_where_it_began():
    X, y = overfitting()
    seen = []

    class Look(Callback):
        def on_epoch_end(self, net, **kwargs):
            seen.append(copy.deepcopy(net.network.backbones["voice"].state_dict()))

    value = Relearning(**ONCE, strength=1e9, validation_fraction=0.3, diagnosis="head")
    settings = {"max_epochs": 2, "lr": 0.02, "batch_size": 200}
    first = fit(None, X, y, lr=1e-300).net_.network.backbones["voice"].state_dict()
    clf = fit(value, X, y, **settings, callbacks=[Look()])
    assert clf.history_["voice__reset"].tolist() == pytest.approx([0, 1])
    # one step from the start again: as far as the first step went
    for key in first:
        went = (seen[0][key] - first[key]).norm()
        goes = (seen[1][key] - first[key]).norm()
        assert 0.3 < goes / went < 1.5


def test_no_diagnosis_comes_late_or_again():
    X, y = blobs(n=60)
    value = Relearning(n_resets=9, every=1, strength=5.0)
    prepared = Relearning()
    prepared.prepare(50)
    assert prepared.every == 12
    looked = []

    class Counted(Relearning):
        def begin_pass(self, net, batches):
            figures = super().begin_pass(net, batches)
            looked.append(sum(figures.values()))
            return figures

    counted = Counted(**value.get_params())
    clf = fit(counted, X, y, max_epochs=8, warm_start=True)
    assert looked[0] == 0
    assert looked[7] == 0
    n = len(looked)
    clf.fit(X, y)
    assert not any(looked[n:])


def test_patience_starts_anew():
    X, y = overfitting()
    params = {"early_stopping": True, "validation_fraction": 0.3, "n_iter_no_change": 3}
    clf = fit(Relearning(**ONCE), X, y, **params)
    callback = dict(clf.net_.callbacks_)["early_stopping"]
    callback.misses_ = 2
    clf.net_.restart_patience()
    assert callback.misses_ == 0


def choose(X, y, **params):
    """Numbers of the rows that are trained on."""
    kept = []

    class Kept(Relearning):
        def on_train_begin(self, net, rows, valid):
            left = super().on_train_begin(net, rows, valid)
            kept.append((left.inputs["face"].numpy().copy(), self._valid.inputs["face"].numpy()))
            return left

    fit(Kept(**ONCE, **params), X, y, max_epochs=1)
    return kept[0]


def test_held_out_rows_are_chosen_by_what_they_hold():
    X, y = blobs(n=300)
    train, held = choose(X, y, validation_fraction=0.2)
    assert len(train) + len(held) == 300
    assert 30 < len(held) < 90
    order = np.random.default_rng(0).permutation(300)
    other_held = choose(X[order], y[order], validation_fraction=0.2)[1]
    assert {row.tobytes() for row in held} == {row.tobytes() for row in other_held}
    rows = np.concatenate([np.arange(300), np.arange(300)])
    twice, twice_held = choose(X[rows], y[rows], validation_fraction=0.2)
    assert (len(twice), len(twice_held)) == (2 * len(train), 2 * len(held))
    large = type(X)(face=1e-9 * X["face"], voice=1e-9 * X["voice"])
    with pytest.warns(UserWarning, match="scale"):
        assert 20 < len(choose(large, y, validation_fraction=0.2)[1]) < 100


def test_every_class_keeps_a_row_to_train_on():
    X, y = blobs(n=12)
    clf = fit(Relearning(**ONCE, validation_fraction=0.99), X, y)
    assert len(clf.classes_) == 3
    assert np.isfinite(clf.history_["train_loss"]).all()


def test_rows_may_lack_modalities_and_targets_be_labels_or_numbers():
    X, y = blobs(n=90)
    holes, _ = with_missing(X)
    for diagnosis in ("cluster", "head"):
        value = Relearning(every=2, diagnosis=diagnosis)
        assert fit(value, holes, y, missing="mask", max_epochs=15).score(holes, y) > 0.6
    head = Relearning(every=1, diagnosis="head", validation_fraction=0.3)
    labels = np.stack([y == 0, y < 2], axis=1).astype(int)
    assert fit(head, X, labels).predict(X).shape == (90, 2)
    reg = MultimodalRegressor(**FAST, balancing=head).fit(X, y.astype(float))
    assert np.isfinite(reg.history_["train_loss"]).all()
    with pytest.raises(ValueError, match=r"Relearning\(diagnosis='cluster'\) needs one class"):
        fit(Relearning(), X, labels)


def test_training_goes_on_by_partial_fit():
    X, y = blobs(n=60)
    clf = MultimodalClassifier(**FAST, balancing=Relearning(every=1, n_resets=2))
    clf.set_params(max_epochs=9)
    for _ in range(4):
        clf.partial_fit(X, y, classes=[0, 1, 2])
    assert clf.history_["face__reset"].notna().all()
    assert clf.n_iter_ == 4


def test_lbfgs_is_refused():
    X, y = blobs(n=60)
    with pytest.raises(ValueError, match=r"Relearning\(\) cannot be had with `optimizer` LBFGS"):
        fit(Relearning(), X, y, optimizer=torch.optim.LBFGS, weight_decay=0)
