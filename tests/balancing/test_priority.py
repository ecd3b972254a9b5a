"""Priority: its rules by hand, and who is trained how fast."""

import copy

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from sk_mmbalance import MultimodalClassifier, MultimodalRegressor
from sk_mmbalance.balancing import Priority
from sk_mmbalance.networks import ClassLoss, entropy

from .conftest import FAST, blobs, fit, formulae, same_weights, with_missing

of = formulae(Priority)

RULES = ["strongest", "weakest_first", "variance", "random"]
A = torch.tensor([[2.0, 0, 0], [0, 1, 0]], dtype=torch.float64)
B = torch.tensor([[0.0, 0, 1], [0, 0.5, 0]], dtype=torch.float64)
Y = torch.tensor([0, 1])


def rounded(values):
    return [round(float(value), 6) for value in values]


def test_dependence_by_hand():
    doubts = torch.stack([entropy(z).mean() for z in (A, B)])
    sizes = torch.stack([z.abs().sum(dim=1).mean() for z in (A, B)])
    assert rounded(doubts) == [0.820450, 1.021887]
    assert rounded(sizes / sizes.sum()) == [0.666667, 0.333333]
    assert rounded((1 / doubts) / (1 / doubts).sum()) == [0.554669, 0.445331]
    assert rounded(of.dependence(doubts, sizes, 8.0)) == [0.289877, 0.710123]
    assert rounded(of.dependence(doubts, sizes, 0.0)) == [0.5, 0.5]
    # who is surer than .3 of all entropy counts as no surer
    sure = of.dependence(torch.tensor([0.01, 0.99]), torch.tensor([1.0, 1.0]), 8.0)
    inverse = torch.tensor([1 / 0.3, 1 / 0.99])
    assert rounded(sure) == rounded(torch.softmax(4 * inverse / inverse.sum(), dim=0))


@pytest.mark.parametrize("n_modalities", [2, 3, 4])
def test_dependence_equals_a_naive_loop(n_modalities):
    rng = np.random.default_rng(n_modalities)
    doubts, sizes = rng.uniform(0.2, 1, (2, n_modalities))
    h = np.maximum(doubts / doubts.sum(), 0.6 / n_modalities)
    scores = []
    for m in range(n_modalities):
        w = (1 / h[m]) / sum(1 / h)
        scores.append(5 * w * (1 - sizes[m] / sizes.sum()) / (n_modalities - 1))
    expected = np.exp(scores) / np.exp(scores).sum()
    found = of.dependence(torch.from_numpy(doubts), torch.from_numpy(sizes), 5.0)
    np.testing.assert_allclose(found, expected)


def test_factors_by_hand():
    assert of.led_by(1, [1.0, 1.0], 2.0) == pytest.approx([2 / 3, 4 / 3])
    assert of.led_by(0, [1.0, 1.0, 1.0], 1.0) == [1, 1, 1]
    credits = [round(ClassLoss().credit(z, Y).mean().item(), 6) for z in (A, B)]
    assert credits == [0.681551, 0.331902]
    assert of.first_trained(credits, 0.0) == [0, 1]  # the stronger is frozen
    assert of.first_trained(credits, 0.5) == [1, 1]
    assert of.first_trained([0.5, 0.5, 0.2], 0.34) == [1, 0, 1]  # ties by name
    assert of.last_credits([], ["a"]) is None
    row = {"a__confidence": 0.4, "b__confidence": float("nan")}
    assert of.last_credits([row], ["a", "b"]) == [0.4, 0.0]
    held_out = {**row, "a__valid_confidence": 0.1, "b__valid_confidence": 0.3}
    assert of.last_credits([held_out], ["a", "b"]) == [0.1, 0.3]


@pytest.mark.parametrize("rule", ["strongest", "random"])
@pytest.mark.parametrize("scale", ["gradient", "step"])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_factor_one_is_its_control(rule, scale, optimizer):
    X, y = blobs(n=60)
    value = Priority(rule=rule, factor=1, scale=scale, start_epoch=0)
    ours = fit(value, X, y, optimizer=optimizer)
    control = MultimodalClassifier(**FAST, optimizer=optimizer).set_params(**value.control())
    assert same_weights(ours, control.fit(X, y))
    assert control.unimodal_weight == 0.5


@pytest.mark.parametrize("rule", RULES)
def test_one_modality_is_plain_training(rule):
    X, y = blobs(n=60, dims={"face": (5,)})
    value = Priority(rule=rule, start_epoch=0)
    assert same_weights(fit(value, X, y), fit(None, X, y, unimodal_weight=0.5))


def uneven(n=90):
    X, y = blobs(n=n)
    return type(X)(face=X["face"], voice=0.1 * X["voice"]), y


def test_the_strongest_leads_and_the_first_epoch_has_no_leader():
    X, y = uneven()
    history = fit(Priority(start_epoch=0), X, y).history_
    assert history["face__factor"].tolist() == pytest.approx([1, 4 / 3, 4 / 3])
    assert history["voice__factor"].tolist() == pytest.approx([1, 2 / 3, 2 / 3])
    held_out = fit(Priority(start_epoch=0), X, y, early_stopping=True).history_
    assert "face__valid_confidence" in held_out
    assert held_out["face__factor"].iloc[1] == pytest.approx(4 / 3)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_the_weakest_is_trained_first_and_the_others_stay_bit_for_bit(optimizer):
    X, y = uneven()
    value = Priority(rule="weakest_first", start_epoch=1)
    params = {"max_epochs": 8, "optimizer": optimizer}
    factors = fit(value, X, y, **params).history_["face__factor"]
    assert factors.isna().tolist() == [True] + 7 * [False]
    assert factors[1] == 0
    assert factors[4:].tolist() == [1, 1, 1, 1]
    seen = []

    class Look(Callback):
        def on_epoch_end(self, net, **kwargs):
            encoders = net.network.backbones
            seen.append({m: copy.deepcopy(encoders[m].state_dict()) for m in encoders})

    fit(value, X, y, **params, callbacks=[Look()])

    def still(name, epoch):
        before, after = seen[epoch - 1][name], seen[epoch][name]
        return all(torch.equal(before[key], after[key]) for key in before)

    assert still("face", 1)
    assert not still("voice", 1)
    assert not still("face", 5)


def test_a_constant_factor_acts_under_adam_as_steps_and_not_as_gradients():
    X, y = uneven()
    params = {"unimodal_weight": 0.5, "max_epochs": 1, "lr": 1e-3}
    plain = fit(None, X, y, **params).net_.network.state_dict()
    away = {}
    for scale in ("gradient", "step"):
        value = Priority(rule="random", factor=3, scale=scale, start_epoch=0)
        other = fit(value, X, y, **params).net_.network.state_dict()
        away[scale] = max((other[key] - plain[key]).abs().max().item() for key in plain)
    assert away["gradient"] < 1e-6
    assert away["step"] > 1e-3


@pytest.mark.parametrize("own_logits", ["heads", "share"])
@pytest.mark.parametrize("fusion", ["concat", "late", "gated"])
def test_variance_goes_by_the_logits_of_the_last_epoch(fusion, own_logits):
    X, y = uneven()
    value = Priority(rule="variance", start_epoch=0, own_logits=own_logits)
    clf = fit(value, X, y, fusion=fusion)
    factors = clf.history_[["face__factor", "voice__factor"]]
    np.testing.assert_allclose(factors.mean(axis=1), 1)
    assert factors.iloc[0].tolist() == [1, 1]
    assert abs(factors.iloc[2, 0] - 1) > 0.01
    spread = clf.net_.network.running["Priority"]
    assert 0 < spread.doubts.min() <= spread.doubts.max() < np.log(3) + 1e-9


def test_random_leaders_change_and_are_the_same_every_time():
    X, y = blobs(n=60)
    value = Priority(rule="random", start_epoch=0)
    clf = fit(value, X, y, max_epochs=8)
    assert clf.history_["face__factor"].round(6).nunique() == 2
    assert same_weights(clf, fit(value, X, y, max_epochs=8))


@pytest.mark.parametrize("rule", RULES)
def test_rows_may_lack_modalities_and_targets_be_labels_or_numbers(rule):
    X, y = blobs(n=90)
    holes, _ = with_missing(X)
    value = Priority(rule=rule, start_epoch=1)
    assert fit(value, holes, y, missing="mask", max_epochs=15).score(holes, y) > 0.6
    labels = np.stack([y == 0, y < 2], axis=1).astype(int)
    assert fit(value, X, labels).predict(X).shape == (90, 2)
    reg = MultimodalRegressor(**FAST, balancing=value)
    if rule == "variance":
        with pytest.raises(ValueError, match=r"Priority\(rule='variance'\) needs entropies"):
            reg.fit(X, y.astype(float))
    else:
        assert np.isfinite(reg.fit(X, y.astype(float)).history_["train_loss"]).all()


def test_lbfgs_is_refused():
    X, y = blobs(n=60)
    with pytest.raises(ValueError, match=r"Priority\(\) cannot be had with `optimizer` LBFGS"):
        fit(Priority(), X, y, optimizer=torch.optim.LBFGS, weight_decay=0)


def test_published_form_and_its_side():
    clf = Priority.published_estimator()
    assert (clf.balancing.rule, clf.balancing.scale) == ("variance", "gradient")
    assert (clf.optimizer, clf.unimodal_weight) == ("sgd", 4.0)
