"""Formulae on scores of coalitions, against numbers worked out by hand."""

from itertools import permutations

import numpy as np
import pytest

from sk_mmbalance.inspection._shapley import (
    cooperation,
    imbalance,
    order_gains,
    sampling_error,
    shapley_values,
)


def test_two_modalities_have_the_closed_form():
    nothing, a, b, both = 0.1, 0.7, 0.4, 0.9
    values = shapley_values(np.array([nothing, a, b, both]))
    expected = [(a - nothing + both - b) / 2, (b - nothing + both - a) / 2]
    np.testing.assert_allclose(values, expected, atol=1e-15)  # 0.55 and 0.25


def test_three_modalities_by_hand():
    # the glove game: a left glove (0) and two right ones (1, 2); a pair is worth 1
    pair = [float(c & 1 and c & 6) and 1.0 for c in range(8)]
    np.testing.assert_allclose(shapley_values(np.array(pair)), [4 / 6, 1 / 6, 1 / 6], atol=1e-15)


@pytest.mark.parametrize("n", [1, 2, 4])
def test_values_are_the_mean_over_all_orders(n):
    scores = np.random.default_rng(n).normal(size=2**n)
    gains = np.zeros(n)
    orders = list(permutations(range(n)))
    for order in orders:
        for m, joined, before in order_gains(np.array(order)):
            gains[m] += (scores[joined] - scores[before]) / len(orders)
    np.testing.assert_allclose(shapley_values(scores), gains, atol=1e-12)


def test_size_scaled_values_of_two_modalities_lie_in_the_published_set():
    # v = number of modalities where they are right, else 0; nothing is worth 0
    found = set()
    for a, b, both in np.ndindex(2, 2, 2):
        found |= set(shapley_values(np.array([0.0, a, b, 2 * both])).tolist())
    assert found == {-0.5, 0.0, 0.5, 1.0, 1.5}


def test_cooperation_is_the_interaction_of_two_modalities():
    assert cooperation(0.9, np.array([0.7, 0.4]), 0.1) == pytest.approx(0.9 - 0.7 - 0.4 + 0.1)
    assert cooperation(0.9, np.array([0.5, 0.4, 0.3]), 0.1) == pytest.approx(-0.1)


def test_imbalance_by_hand():
    index = imbalance(np.array([3.0, 1.0]))
    assert index["max_over_min"] == 3.0
    assert index["gini"] == pytest.approx(0.25)
    assert index["entropy"] == pytest.approx(0.8113, abs=1e-4)  # of 1/4 and 3/4, in bits
    assert imbalance(np.ones(4)) == pytest.approx({"max_over_min": 1, "gini": 0, "entropy": 1})
    alone = imbalance(np.array([2.0, -1.0, 0.0]))
    assert alone == pytest.approx({"max_over_min": np.inf, "gini": 2 / 3, "entropy": 0})
    assert np.isnan(list(imbalance(np.array([-1.0, 0.0])).values())).all()


def test_sampling_error_takes_an_order_and_its_reverse_for_one():
    by_order = np.array([[1.0], [3.0], [2.0], [6.0]])  # pairs with means 2 and 4
    np.testing.assert_allclose(sampling_error(by_order), [1.0])
