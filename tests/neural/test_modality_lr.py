"""`modality_lr`: an encoder that learns at a rate of its own."""

import numpy as np
import pytest
import torch

from sk_mmbalance import (
    DataRemixingClassifier,
    Modalities,
    MultimodalClassifier,
    MultimodalRegressor,
    NegativeLearningClassifier,
    SustainedBoostingClassifier,
)
from sk_mmbalance.balancing import MLA, OGM, UMT

from .conftest import blobs

FAST = {
    "hidden_layer_sizes": (4,),
    "embedding_dim": 4,
    "max_epochs": 3,
    "batch_size": 16,
    "lr": 0.02,
    "early_stopping": False,
    "random_state": 0,
}
EVERY = [
    MultimodalClassifier,
    MultimodalRegressor,
    NegativeLearningClassifier,
    SustainedBoostingClassifier,
    DataRemixingClassifier,
]


def fit(X, y, cls=MultimodalClassifier, **params):
    return cls(**{**FAST, **params}).fit(X, y)


def encoder(clf, name):
    return [p.detach() for p in clf.net_.network.backbones[name].parameters()]


def same(a, b):
    return all(torch.equal(p, q) for p, q in zip(a, b, strict=True))


def moved(clf, start, name):
    pairs = zip(encoder(clf, name), encoder(start, name), strict=True)
    return sum((p - q).square().sum() for p, q in pairs).sqrt().item()


@pytest.mark.parametrize("cls", EVERY)
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_factor_one_is_none_bit_for_bit_and_zero_leaves_the_encoder_alone(cls, optimizer):
    X, y = blobs(n=60)
    plain = fit(X, y, cls, optimizer=optimizer)
    one = fit(X, y, cls, optimizer=optimizer, modality_lr={"face": 1.0, "voice": 1})
    ours, theirs = plain.net_.network.state_dict(), one.net_.network.state_dict()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    start = fit(X, y, cls, optimizer=optimizer, lr=1e-300)
    still = fit(X, y, cls, optimizer=optimizer, modality_lr={"face": 0})
    assert same(encoder(still, "face"), encoder(start, "face"))
    assert not same(encoder(still, "voice"), encoder(start, "voice"))


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd"])
def test_a_first_step_is_as_long_as_the_factor_says(optimizer):
    X, y = blobs(n=40)
    one_step = {"max_epochs": 1, "batch_size": 64, "optimizer": optimizer}
    start = fit(X, y, **one_step, lr=1e-300)
    plain = fit(X, y, **one_step)
    slow = fit(X, y, **one_step, modality_lr={"face": 0.1})
    ratio = moved(slow, start, "face") / moved(plain, start, "face")
    assert ratio == pytest.approx(0.1, rel=1e-6)
    assert same(encoder(slow, "voice"), encoder(plain, "voice"))
    for key, weight in plain.net_.network.state_dict().items():  # heads and fusion learn at `lr`
        if "backbones" not in key:
            assert torch.equal(weight, slow.net_.network.state_dict()[key])


def rates(clf):
    return sorted(group["lr"] for group in clf.net_.optimizer_.param_groups)


def test_schedules_and_continued_training_keep_the_factor():
    X, y = blobs(n=60)
    clf = fit(X, y, modality_lr={"voice": 0.5}, lr_schedule="cosine", warm_start=True)
    low, high = rates(clf)
    assert 0 <= low < 1e-3
    assert low == pytest.approx(high / 2)
    clf.set_params(lr=0.4, lr_schedule=None).fit(X, y)
    assert rates(clf) == pytest.approx([0.2, 0.4])
    clf.set_params(lr=0.1).partial_fit(X, y)
    assert rates(clf) == pytest.approx([0.05, 0.1])
    clf.set_params(modality_lr={"voice": 0.4})
    with pytest.raises(ValueError, match=r"`modality_lr` was .* cannot change"):
        clf.partial_fit(X, y)


@pytest.mark.parametrize("key", ["lr", "optimizer__lr"])
def test_factor_is_on_the_rate_that_net_params_say(key):
    X, y = blobs(n=40)
    clf = fit(X, y, modality_lr={"voice": 0.5}, net_params={key: 0.01}, max_epochs=1)
    assert rates(clf) == pytest.approx([0.005, 0.01])


def test_warm_start_equals_one_longer_fit():
    X, y = blobs(n=60)
    steps = fit(X, y, modality_lr={"voice": 0.5}, warm_start=True, max_epochs=2).fit(X, y)
    whole = fit(X, y, modality_lr={"voice": 0.5}, max_epochs=4)
    assert np.array_equal(steps.predict_proba(X), whole.predict_proba(X))


def test_names_may_hold_any_character():
    X, y = blobs(n=40)
    odd = Modalities({"a*[b].c": X["face"], "a": X["voice"]})
    clf = fit(odd, y, modality_lr={"a*[b].c": 0})
    first = clf.net_.optimizer_.param_groups[0]
    assert len(first["params"]) == len(encoder(clf, "a*[b].c"))
    assert same(encoder(clf, "a*[b].c"), encoder(fit(odd, y, lr=1e-300), "a*[b].c"))


@pytest.mark.parametrize("value", [OGM(), MLA(), UMT()], ids=repr)
def test_balancing_methods_compose_with_it(value):
    X, y = blobs(n=60)
    still = fit(X, y, balancing=value, modality_lr={"face": 0})
    assert same(encoder(still, "face"), encoder(fit(X, y, balancing=value, lr=1e-300), "face"))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"modality_lr": {"ear": 0.1}}, r"`modality_lr` names \['ear'\], which `X` does not have"),
        ({"modality_lr": {"face": -1}}, "not negative; got -1 for 'face'"),
        ({"modality_lr": {"face": "slow"}}, "got 'slow' for 'face'"),
        ({"modality_lr": 0.1}, "The 'modality_lr' parameter"),
        (
            {"modality_lr": {"face": 0.1}, "optimizer": torch.optim.LBFGS, "weight_decay": 0},
            "cannot be had with `optimizer` LBFGS",
        ),
        (
            {"modality_lr": {"face": 0.1}, "net_params": {"optimizer__param_groups": []}},
            "both say which weights",
        ),
    ],
)
def test_what_cannot_be_is_refused(params, message):
    X, y = blobs(n=40)
    with pytest.raises(ValueError, match=message):
        fit(X, y, **params)
