"""Error rates: counted, and by the model of independent stages."""

import numpy as np
import pytest

from sk_mmbalance.serial._chain import ChainScores, Thresholds
from sk_mmbalance.serial._rates import empirical_rates, predicted_rates

# Four impostors, four genuine; scores of the first stage and the second.
FIRST = np.array([0.1, 0.4, 0.5, 0.9, 0.2, 0.5, 0.6, 0.8])
SECOND = np.array([0.2, 0.3, 0.7, 0.1, 0.9, 0.4, 0.8, 0.6])
CODES = np.repeat([0, 1], 4)
BAND = Thresholds((np.array([0.3, 0.6]),), 0.5)


def hand_chain(weights=None):
    scores = np.stack([np.column_stack([1 - s, s]) for s in (FIRST, SECOND)])
    weights = np.ones(8) if weights is None else weights
    return ChainScores(scores, np.ones((2, 8), bool), CODES, weights, np.array([1.0, 10.0]))


def test_model_rates_equal_the_formula_by_hand():
    rates = predicted_rates(hand_chain(), BAND)
    # impostors: one of four above hi; two of four in the band; one of four passes stage two
    assert rates.by_class[0] == pytest.approx(1 / 4 + 2 / 4 * 1 / 4)
    # genuine: one of four below lo; two in the band; one of four refused by stage two
    assert rates.by_class[1] == pytest.approx(1 / 4 + 2 / 4 * 1 / 4)
    assert rates.cost == pytest.approx(1 + 10 * 4 / 8)


def test_empirical_rates_count_the_chain_itself():
    chain = hand_chain()
    outcome = chain.play(BAND)
    np.testing.assert_array_equal(outcome.stage, [0, 1, 1, 0, 0, 1, 1, 0])
    rates = empirical_rates(chain, outcome)
    # impostors: 0.9 accepted at once; of the deferred (0.3, 0.7) one is accepted
    assert rates.by_class[0] == pytest.approx(2 / 4)
    # genuine: 0.2 rejected at once; of the deferred (0.4, 0.8) one is rejected
    assert rates.by_class[1] == pytest.approx(2 / 4)
    assert rates.cost == pytest.approx(1 + 10 * 4 / 8)


def test_band_is_closed():
    """A score equal to a limit of the band is deferred."""
    outcome = hand_chain().play(Thresholds((np.array([0.5, 0.5]),)))
    np.testing.assert_array_equal(np.flatnonzero(outcome.stage), [2, 5])


def test_weight_two_is_the_row_twice():
    weights = np.array([2.0, 1, 0, 1, 1, 3, 1, 1])
    chain = hand_chain(weights)
    rows = np.repeat(np.arange(8), weights.astype(int))
    repeated = ChainScores(
        chain.scores[:, rows],
        chain.available[:, rows],
        CODES[rows],
        np.ones(len(rows)),
        chain.costs,
    )
    for rates in (
        lambda c: empirical_rates(c, c.play(BAND)),
        lambda c: predicted_rates(c, BAND),
    ):
        one, other = rates(chain), rates(repeated)
        np.testing.assert_allclose(one.by_class, other.by_class)
        assert one.cost == pytest.approx(other.cost)


def test_model_is_exact_for_independent_scores_and_optimistic_for_correlated_ones():
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1], 20000)
    common = rng.normal(size=40000)
    found = []
    for correlation in (0.0, 0.8):
        s = [
            1
            / (
                1
                + np.exp(
                    -(2 * codes - 1)
                    - 1.5
                    * (
                        np.sqrt(correlation) * common
                        + np.sqrt(1 - correlation) * rng.normal(size=40000)
                    )
                )
            )
            for _ in range(2)
        ]
        scores = np.stack([np.column_stack([1 - each, each]) for each in s])
        chain = ChainScores(
            scores, np.ones((2, 40000), bool), codes, np.ones(40000), np.array([1.0, 1.0])
        )
        thresholds = Thresholds((np.array([0.3, 0.7]),))
        counted = empirical_rates(chain, chain.play(thresholds)).by_class
        found.append(counted - predicted_rates(chain, thresholds).by_class)
    assert np.abs(found[0]).max() < 0.01
    assert found[1].min() > 0.02


def test_model_of_several_classes_has_one_rate_a_class():
    rng = np.random.default_rng(0)
    scores = rng.dirichlet(np.ones(3), size=(3, 50))
    codes = rng.integers(0, 3, 50)
    chain = ChainScores(scores, np.ones((3, 50), bool), codes, np.ones(50), np.array([1.0, 2, 3]))
    always = Thresholds((np.array(np.inf),) * 2)
    for rates in (predicted_rates(chain, always), empirical_rates(chain, chain.play(always))):
        expected = [(scores[2][codes == c].argmax(axis=1) != c).mean() for c in range(3)]
        np.testing.assert_allclose(rates.by_class, expected)
        assert rates.cost == pytest.approx(6)
