"""Losses, credit and doubt of all kinds of targets, against numpy and scikit-learn."""

import numpy as np
import pytest
import torch
from scipy.special import expit, softmax
from scipy.stats import entropy
from sklearn.metrics import accuracy_score, log_loss, mean_absolute_error, mean_squared_error

from sk_mmbalance.base import ClassTarget, LabelTarget, NumberTarget
from sk_mmbalance.networks import (
    ClassLoss,
    LabelLoss,
    NumberLoss,
    criterion_settings,
    loss_of_a_constant,
    mean_criterion,
    mean_where,
    proba,
    unimodal_losses,
    weighted_mean_loss,
)

RNG = np.random.default_rng(0)
OUTPUTS = RNG.normal(0, 2, (8, 3))
CODES = np.array([0, 1, 2, 0, 1, 2, 1, 1])
LABELS = RNG.integers(0, 2, (8, 3)).astype(float)
NUMBERS = RNG.normal(size=(8, 3))

CASES = {
    "classes": (ClassLoss(reduction="none"), CODES),
    "labels": (LabelLoss(), LABELS),
    "numbers": (NumberLoss(scale=2.0), NUMBERS),
}

every_kind = pytest.mark.parametrize(("loss", "y"), CASES.values(), ids=CASES.keys())


def tensors(y):
    return torch.from_numpy(OUTPUTS), torch.from_numpy(y)


def test_losses_are_those_of_scikit_learn():
    loss, y = CASES["classes"]
    assert loss(*tensors(y)).mean().item() == pytest.approx(log_loss(y, softmax(OUTPUTS, axis=1)))
    loss, y = CASES["labels"]
    each = [log_loss(y[:, k], expit(OUTPUTS[:, k]), labels=[0, 1]) for k in range(3)]
    assert loss(*tensors(y)).mean().item() == pytest.approx(np.mean(each))
    loss, y = CASES["numbers"]
    assert loss(*tensors(y)).mean().item() == pytest.approx(mean_squared_error(y, OUTPUTS))
    found = NumberLoss(loss="absolute_error")(*tensors(y)).mean().item()
    assert found == pytest.approx(mean_absolute_error(y, OUTPUTS))


def test_huber_loss_is_squared_up_to_one_and_linear_beyond():
    found = NumberLoss(loss="huber")(torch.tensor([[0.5], [3.0]]), torch.zeros(2, 1))
    assert found.tolist() == [0.125, 2.5]


def test_credit_and_doubt_by_hand():
    loss, y = CASES["classes"]
    p = softmax(OUTPUTS, axis=1)
    np.testing.assert_allclose(loss.credit(*tensors(y)), p[np.arange(8), y])
    np.testing.assert_allclose(loss.doubt(tensors(y)[0]), entropy(p, axis=1))
    loss, y = CASES["labels"]
    p = expit(OUTPUTS)
    np.testing.assert_allclose(loss.credit(*tensors(y)), np.where(y > 0, p, 1 - p).mean(axis=1))
    each = np.stack([entropy(np.stack([q, 1 - q])) for q in p.T], axis=1)
    np.testing.assert_allclose(loss.doubt(tensors(y)[0]), each.mean(axis=1))
    loss, y = CASES["numbers"]
    error = ((OUTPUTS - y) ** 2).mean(axis=1)
    np.testing.assert_allclose(loss.credit(*tensors(y)), np.exp(-error / 2))
    assert loss.doubt(tensors(y)[0]) is None


@every_kind
def test_credit_lies_between_0_and_1_and_is_1_for_the_truth(loss, y):
    credit = loss.credit(*tensors(y))
    assert ((credit >= 0) & (credit <= 1)).all()
    outputs = torch.from_numpy(y)
    if y is CODES:
        outputs = 100 * torch.nn.functional.one_hot(outputs, 3).double()
    elif y is LABELS:
        outputs = 200 * outputs - 100
    np.testing.assert_allclose(loss.credit(outputs, torch.from_numpy(y)), 1)


@every_kind
def test_figures_are_hits_credit_and_plain_loss(loss, y):
    figures = loss.figures(*tensors(y))
    np.testing.assert_allclose(figures["confidence"], loss.credit(*tensors(y)))
    np.testing.assert_allclose(figures["loss"], loss(*tensors(y)))
    if y is NUMBERS:
        assert loss.hits(*tensors(y)) is None
        assert "accuracy" not in figures
    else:
        np.testing.assert_array_equal(figures["accuracy"], loss.hits(*tensors(y)))
    if y is LABELS:
        expected = accuracy_score(y, OUTPUTS > 0)
        assert loss.hits(*tensors(y)).mean().item() == expected


def test_smoothed_labels_are_moved_towards_one_half():
    y = torch.tensor([[1.0, 0.0]])
    outputs = torch.tensor([[2.0, 1.0]])
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        outputs, torch.tensor([[0.9, 0.1]])
    )
    assert LabelLoss(label_smoothing=0.2)(outputs, y).item() == pytest.approx(expected.item())


@every_kind
def test_weight_two_equals_the_row_twice(loss, y):
    outputs, target = tensors(y)
    weight = torch.tensor([1.0, 2, 1, 1, 3, 1, 1, 1], dtype=torch.float64)
    twice = torch.repeat_interleave(torch.arange(8), weight.long())
    found = mean_criterion(loss, outputs, target, weight)
    assert found.item() == pytest.approx(
        mean_criterion(loss, outputs[twice], target[twice], None).item()
    )


def test_a_cross_entropy_of_ones_own_is_asked():
    class Doubled(ClassLoss):
        def forward(self, outputs, y):
            return 2 * super().forward(outputs, y)

    outputs, target = tensors(CODES)
    plain, doubled = (
        mean_criterion(cls(reduction="none"), outputs, target, None) for cls in (ClassLoss, Doubled)
    )
    assert doubled.item() == pytest.approx(2 * plain.item())


@every_kind
def test_losses_of_modalities_count_rows_that_have_them(loss, y):
    outputs, target = tensors(y)
    here = torch.tensor([True] * 5 + [False] * 3)
    spoilt = torch.where(here[:, None], outputs, torch.full_like(outputs, 1e30))
    found = unimodal_losses(loss, {"a": spoilt}, target, None, {"a": here})["a"]
    expected = loss(outputs, target)[:5].sum() / 8
    assert found.item() == pytest.approx(expected.item())


@pytest.mark.parametrize("loss", [None, "label smoothing"])
def test_own_losses_are_those_of_the_criterion(loss):
    criterion = ClassLoss(reduction="none", label_smoothing=0.3 if loss else 0.0)
    outputs, target = tensors(CODES)
    own = unimodal_losses(criterion, {"a": outputs}, target)["a"]
    assert own.item() == pytest.approx(criterion(outputs, target).mean().item())


def test_settings_of_the_criterion_follow_the_target():
    assert criterion_settings(ClassTarget(np.arange(3)))["criterion"] is ClassLoss
    assert criterion_settings(LabelTarget(3))["criterion"] is LabelLoss
    settings = criterion_settings(NumberTarget(2, False), "huber", 0.5)
    assert settings == {
        "criterion": NumberLoss,
        "criterion__loss": "huber",
        "criterion__scale": 0.5,
    }


def test_scale_is_the_loss_of_the_constant_prediction():
    y = np.array([[1.0, 5], [3, 5], [5, 5]])
    _, z = NumberTarget(2, False).standardised(y, None)
    # 1, and 0 for the constant column
    assert loss_of_a_constant(z, None, "squared_error") == pytest.approx(0.5)
    assert loss_of_a_constant(z, np.array([0.0, 1.0, 0.0]), "squared_error") == 1.0  # nothing lost


def test_credit_is_the_probability_of_the_truth_and_doubt_the_entropy_by_hand():
    loss = ClassLoss(reduction="none")
    logits = torch.tensor([[np.log(3), 0.0], [0.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(
        loss.credit(logits, torch.tensor([0, 1])), torch.tensor([0.75, 0.5], dtype=torch.float64)
    )
    by_hand = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    torch.testing.assert_close(
        loss.doubt(logits), torch.tensor([by_hand, np.log(2)], dtype=torch.float64)
    )


def test_means_differ_in_who_stands_in_the_denominator():
    losses = torch.tensor([1.0, 2.0, float("inf"), 4.0])
    here = torch.tensor([True, True, False, True])
    weight = torch.tensor([1.0, 2.0, 5.0, 1.0])
    assert weighted_mean_loss(losses, weight, here).item() == (1 + 4 + 4) / 9
    assert mean_where(losses, weight, here).item() == (1 + 4 + 4) / 4
    assert mean_where(losses, None, here).item() == pytest.approx(7 / 3)


def test_probabilities_are_those_of_the_kind_of_target():
    outputs = torch.from_numpy(OUTPUTS)
    classes, labels = ClassTarget(np.arange(3)), LabelTarget(3, np.dtype(int))
    np.testing.assert_allclose(proba(classes, outputs), softmax(OUTPUTS, axis=1))
    np.testing.assert_allclose(proba(labels, outputs), expit(OUTPUTS))


def test_credit_is_measured_by_a_loss_of_one_unless_told():
    y = torch.zeros(1, 1)
    assert NumberLoss().credit(torch.tensor([[2.0]]), y).item() == pytest.approx(np.exp(-4))
