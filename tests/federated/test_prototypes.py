"""Prototypes and distances against values computed by hand."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sk_mmbalance.federated import _prototypes as formulae

Z = torch.tensor([[0.0, 0.0], [2.0, 4.0], [5.0, 5.0]])
CODES = torch.tensor([0, 0, 2])
ALL = torch.ones(3, dtype=torch.bool)


def test_prototypes_are_class_means_with_counts():
    means, counts = formulae.class_means(Z, CODES, 3)
    assert means.tolist() == [[1.0, 2.0], [0.0, 0.0], [5.0, 5.0]]
    assert counts.tolist() == [2.0, 0.0, 1.0]


def test_weights_count_as_repeated_rows():
    means, counts = formulae.class_means(Z, CODES, 3, torch.tensor([3.0, 1.0, 2.0]))
    assert means[0].tolist() == [0.5, 1.0]
    assert counts.tolist() == [4.0, 0.0, 2.0]


def test_logits_are_negative_distances_that_are_not_squared():
    found = formulae.distance_logits(torch.tensor([[3.0, 4.0]]), torch.zeros(2, 2), ALL[:2])
    np.testing.assert_allclose(found, [[-5.0, -5.0]])


def test_class_without_prototype_has_no_share():
    known = torch.tensor([True, False, True])
    logits = formulae.distance_logits(Z, torch.zeros(3, 2), known)
    assert bool(torch.isinf(logits[:, 1]).all())
    losses, counted = formulae.prototype_losses(logits, torch.tensor([0, 1, 2]), known)
    assert counted.tolist() == [True, False, True]
    assert losses[1] == 0
    np.testing.assert_allclose(losses[0], np.log(2))


def test_loss_by_hand():
    prototypes = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    logits = formulae.distance_logits(torch.tensor([[0.0, 0.0]]), prototypes, ALL[:2])
    losses, _ = formulae.prototype_losses(logits, torch.tensor([0]), ALL[:2])
    np.testing.assert_allclose(losses, [np.log(1 + np.exp(-5))], rtol=1e-3)
    torch.testing.assert_close(losses, F.cross_entropy(logits, torch.tensor([0]))[None])


def test_slope_on_a_prototype_is_nought_and_away_from_it_one():
    z = torch.tensor([[1.0, 1.0], [4.0, 5.0]], dtype=torch.float64, requires_grad=True)
    prototype = torch.tensor([[1.0, 1.0]], dtype=torch.float64)
    formulae.distance_logits(z, prototype, ALL[:1]).sum().backward()
    np.testing.assert_allclose(z.grad, [[0, 0], [-0.6, -0.8]], atol=1e-9)


def test_nearest_prototype_accuracy():
    prototypes = torch.tensor([[0.0, 0.0], [2.0, 4.0], [9.0, 9.0]])
    assert formulae.nearest_prototype_accuracy(Z, CODES, prototypes, ALL) == pytest.approx(1 / 3)
    weight = torch.tensor([4.0, 1.0, 1.0])
    assert formulae.nearest_prototype_accuracy(Z, CODES, prototypes, ALL, weight) == pytest.approx(
        4 / 6
    )
    without = torch.tensor([True, False, True])
    assert formulae.nearest_prototype_accuracy(Z, CODES, prototypes, without) == 1.0


def test_global_prototypes_are_means_weighted_with_class_counts():
    first = (np.array([[1.0], [4.0]]), np.array([10.0, 0.0]))
    second = (np.array([[4.0], [6.0]]), np.array([30.0, 5.0]))
    means, known = formulae.merge_prototypes(None, [first, second])
    np.testing.assert_allclose(means, [[(10 * 1 + 30 * 4) / 40], [6.0]])
    assert known.tolist() == [True, True]


def test_class_that_nobody_showed_keeps_its_prototype_or_has_none():
    old = (np.array([[7.0], [8.0], [0.0]]), np.array([True, True, False]))
    sent = [(np.array([[1.0], [0.0], [0.0]]), np.array([2.0, 0.0, 0.0]))]
    means, known = formulae.merge_prototypes(old, sent)
    np.testing.assert_allclose(means[:2], [[1.0], [8.0]])
    assert known.tolist() == [True, True, False]
    _, known = formulae.merge_prototypes(old, sent, keep_old=False)
    assert known.tolist() == [True, False, False]
    assert formulae.merge_prototypes(old, []) is old
    assert formulae.merge_prototypes(old, [], keep_old=False) is None
