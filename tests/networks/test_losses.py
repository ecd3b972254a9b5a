"""Losses and credits of rows, and their means."""

import math

import torch
from torch import nn

from sk_mmbalance.networks import (
    credit,
    doubt,
    mean_where,
    unimodal_losses,
    weighted_mean_loss,
)

LOSSES = torch.tensor([1.0, 2.0, float("inf"), 4.0])
HERE = torch.tensor([True, True, False, True])


def test_credit_is_the_probability_of_the_truth_and_doubt_the_entropy():
    logits = torch.tensor([[math.log(3), 0.0], [0.0, 0.0]])
    torch.testing.assert_close(credit(logits, torch.tensor([0, 1])), torch.tensor([0.75, 0.5]))
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    torch.testing.assert_close(doubt(logits), torch.tensor([entropy, math.log(2)]))


def test_means_differ_in_who_stands_in_the_denominator():
    weight = torch.tensor([1.0, 2.0, 5.0, 1.0])
    assert weighted_mean_loss(LOSSES, weight, HERE).item() == (1 + 4 + 4) / 9
    assert mean_where(LOSSES, weight, HERE).item() == (1 + 4 + 4) / 4
    assert abs(mean_where(LOSSES, None, HERE).item() - 7 / 3) < 1e-6


def test_losses_of_modalities_are_the_criterions():
    criterion = nn.CrossEntropyLoss(reduction="none", label_smoothing=0.3)
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    codes = torch.tensor([0, 1, 2, 0])
    expected = nn.functional.cross_entropy(logits, codes, label_smoothing=0.3)
    for present in (None, {"a": torch.ones(4, dtype=torch.bool)}):
        found = unimodal_losses(criterion, {"a": logits}, codes, None, present)
        torch.testing.assert_close(found["a"], expected)
