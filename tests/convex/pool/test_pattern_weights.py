"""Weights of experts by pattern of modalities: one rule, from held-out rows to prediction."""

import pickle

import numpy as np
import pytest
from scipy.special import log_softmax

from sk_mmbalance.convex import (
    PatternWeights,
    fit_opinion_pool,
    fit_pattern_weights,
    patterns_to_learn,
    pooled_log_proba,
)

EACH = np.eye(3, dtype=bool)
#: an expert on each of three modalities, and one on all of them
AND_ALL = np.vstack([EACH, np.ones((1, 3), dtype=bool)])


def held_out(n=300, skill=(2.0, 1.0, 0.0), n_classes=3, seed=0):
    """Log-probabilities of experts of falling skill."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_classes, n)
    logits = rng.normal(size=(n, len(skill), n_classes))
    logits[np.arange(n), :, y] += skill
    return log_softmax(logits, axis=2), y


def holes(n, seed=1):
    present = np.random.default_rng(seed).random((n, 3)) > 0.3
    present[~present.any(axis=1), 0] = True
    return present


# -- weights of one pattern ----------------------------------------------------------------


@pytest.mark.parametrize("weights", [np.array([0.5, 0.3, 0.0]), np.ones((3, 4)) * [[2], [1], [0]]])
def test_renormalised_weights_have_the_sum_of_all(weights):
    by_pattern = PatternWeights(EACH, weights)
    for available in ([True, False, True], [False, True, True], [False, False, True], [True] * 3):
        there = np.array(available)
        kept = by_pattern.of(there)
        np.testing.assert_allclose(kept.sum(axis=0), weights.sum(axis=0))
        assert (kept[~there] == 0).all()
    assert not by_pattern.of([False] * 3).any()


def test_own_weights_of_a_pattern_come_before_the_default():
    own = {(True, False, True): np.array([0.1, 0.0, 0.2])}
    weights = PatternWeights(EACH, np.array([2.0, 1.0, 1.0]), own)
    np.testing.assert_array_equal(weights.of((True, False, True)), [0.1, 0.0, 0.2])
    np.testing.assert_allclose(weights.of((True, True, False)), [8 / 3, 4 / 3, 0.0])


@pytest.mark.parametrize(("idle_sum", "expected"), [(None, 3.0), (1.0, 1.0)])
def test_experts_of_no_weight_are_alike_where_they_are_all_that_is_left(idle_sum, expected):
    weights = PatternWeights(EACH, np.array([3.0, 0.0, 0.0]), idle_sum=idle_sum)
    np.testing.assert_allclose(weights.of((False, True, True)), [0, expected / 2, expected / 2])
    # who has some keeps the whole sum
    np.testing.assert_allclose(weights.of((True, True, False)), [3.0, 0.0, 0.0])


def test_each_class_keeps_its_own_sum():
    default = np.array([[2.0, 0.0], [1.0, 1.0], [1.0, 3.0]])
    kept = PatternWeights(EACH, default).of((True, True, False))
    np.testing.assert_allclose(kept, [[8 / 3, 0.0], [4 / 3, 4.0], [0.0, 0.0]])


@pytest.mark.parametrize("shape", [(3,), (3, 2)])
def test_weights_that_are_all_zero_are_the_plain_mean(shape):
    nothing = np.zeros(shape)
    weights = PatternWeights(EACH, nothing, {(True, False, True): nothing})
    for pattern, share in (((True,) * 3, 1 / 3), ((True, False, True), 0.5), ((0, 1, 0), 1.0)):
        np.testing.assert_allclose(
            weights.of(pattern).T, np.broadcast_to(share * np.array(pattern), shape[::-1])
        )


def test_expert_that_copes_with_missing_modalities_is_there_with_any_of_them():
    default = np.array([1.0, 1.0, 1.0, 2.0])
    all_needed = PatternWeights(AND_ALL, default)
    any_enough = PatternWeights(AND_ALL, default, needs_all=np.array([True, True, True, False]))
    pattern = (True, False, True)
    np.testing.assert_allclose(all_needed.of(pattern), [2.5, 0.0, 2.5, 0.0])
    np.testing.assert_allclose(any_enough.of(pattern), [1.25, 0.0, 1.25, 2.5])
    assert not any_enough.of((False,) * 3).any()


def test_rows_have_the_weights_of_their_patterns():
    default = np.arange(1.0, 7).reshape(3, 2)
    present = holes(20)
    for base in (default, default[:, 0]):
        weights = PatternWeights(EACH, base, {(True, True, False): 2 * base})
        by_row = weights.by_row(present)
        assert by_row.shape == (20, *base.shape)
        for row, own in zip(present, by_row, strict=True):
            np.testing.assert_array_equal(own, weights.of(row))


def test_pool_looks_only_at_experts_that_have_weight_and_input():
    logs, _ = held_out(20)
    present = holes(20)
    weights = PatternWeights(EACH, np.array([1.0, 0.5, 0.0]))
    expected = np.concatenate(
        [
            pooled_log_proba(logs[[i]], weights.of(row), present=row[None])
            for i, row in enumerate(present)
        ]
    )
    spoilt = np.where(present[:, :, None], logs, np.nan)
    np.testing.assert_allclose(weights.pooled_log_proba(spoilt, present), expected)
    nobody = weights.pooled_log_proba(spoilt, np.zeros((20, 3), dtype=bool))
    np.testing.assert_allclose(nobody, np.log(1 / 3))


def test_pickles():
    weights = PatternWeights(EACH, np.ones(3), {(True, False, False): np.array([2.0, 0, 0])})
    again = pickle.loads(pickle.dumps(weights))
    np.testing.assert_array_equal(again.by_row(holes(20)), weights.by_row(holes(20)))


# -- learning ------------------------------------------------------------------------------


def test_every_pattern_has_the_pool_of_its_own_experts():
    logs, y = held_out()
    weights = fit_pattern_weights(logs, y, EACH, penalty=2.0)
    assert len(weights.learnt) == 7
    for pattern, found in weights.learnt.items():
        there = np.array(pattern)
        alone = fit_opinion_pool(logs[:, there], y, alpha=2.0 / 300).weights
        np.testing.assert_allclose(found[there], alone, atol=1e-8)
        assert not found[~there].any()
    np.testing.assert_array_equal(weights.default, weights.learnt[True, True, True])
    assert weights.solution.gap <= 1e-6


def test_rows_teach_the_patterns_whose_experts_have_their_input():
    logs, y = held_out()
    present = holes(300)
    spoilt = np.where(present[:, :, None], logs, np.nan)
    weights = fit_pattern_weights(spoilt, y, EACH, present=present)
    both = present[:, 0] & present[:, 1]
    expected = fit_opinion_pool(logs[both][:, :2], y[both], alpha=1 / both.sum()).weights
    np.testing.assert_array_equal(weights.learnt[True, True, False][:2], expected)
    everyone = fit_opinion_pool(logs, y, alpha=1 / 300, present=present).weights
    np.testing.assert_array_equal(weights.default, everyone)


def test_default_of_complete_rows_is_what_they_teach():
    logs, y = held_out()
    present = holes(300)
    complete = present.all(axis=1)
    weights = fit_pattern_weights(logs, y, EACH, present=present, default="complete")
    expected = fit_opinion_pool(logs[complete], y[complete], alpha=1 / complete.sum()).weights
    np.testing.assert_array_equal(weights.default, expected)
    assert (True, True, True) not in weights.learnt
    too_few = fit_pattern_weights(
        logs, y, EACH, present=present, default="complete", min_rows=complete.sum() + 1
    )
    everyone = fit_opinion_pool(logs, y, alpha=1 / 300, present=present).weights
    np.testing.assert_array_equal(too_few.default, everyone)


@pytest.mark.parametrize("few", [{"min_rows": 101}, {"rows_per_expert": 51}])
def test_patterns_that_too_few_rows_teach_have_no_weights_of_their_own(few):
    logs, y = held_out(100)
    weights = fit_pattern_weights(logs, y, EACH, **few)
    singles = {} if "min_rows" in few else {tuple(row) for row in EACH.tolist()}
    assert set(weights.learnt) == set(singles)


def test_rows_of_weight_zero_count_for_nothing():
    logs, y = held_out()
    keep = np.arange(300) % 4 > 0
    present = holes(300)
    spoilt = np.where(keep, y, (y + 1) % 3)
    options = {"min_rows": int((present.all(axis=1) & keep).sum()) + 1, "rows_per_expert": 20}
    weighted = fit_pattern_weights(
        logs, spoilt, EACH, present=present, sample_weight=keep.astype(float), **options
    )
    absent = fit_pattern_weights(logs[keep], y[keep], EACH, present=present[keep], **options)
    assert weighted.learnt.keys() == absent.learnt.keys()
    for pattern, found in weighted.learnt.items():
        np.testing.assert_array_equal(found, absent.learnt[pattern])
    np.testing.assert_array_equal(weighted.default, absent.default)


def test_masked_answers_teach_the_patterns_they_are_masked_for():
    logs, y = held_out()
    other, _ = held_out(seed=5)
    asked = []

    def masked(pattern):
        asked.append(pattern)
        return other

    patterns = [[True, True, False]]
    weights = fit_pattern_weights(logs, y, EACH, patterns=patterns, masked=masked)
    assert asked == [(True, True, False)]
    expected = fit_opinion_pool(other[:, :2], y, alpha=1 / 300).weights
    np.testing.assert_array_equal(weights.learnt[True, True, False][:2], expected)


def test_another_rule_may_give_the_weights():
    logs, y = held_out()

    def first(logs, y, weights):
        assert logs.shape[0] == len(y) == len(weights)
        return np.eye(logs.shape[1])[0]

    weights = fit_pattern_weights(logs, y, EACH, rule=first)
    assert weights.solution is None
    np.testing.assert_array_equal(weights.of((False, True, True)), [0.0, 1.0, 0.0])


def test_options_of_the_pool_are_handed_on():
    logs, y = held_out()
    weights = fit_pattern_weights(logs, y, EACH, per_class=True, balanced=True)
    expected = fit_opinion_pool(logs, y, alpha=1 / 300, per_class=True, balanced=True).weights
    np.testing.assert_array_equal(weights.default, expected)
    assert weights.by_row(holes(5)).shape == (5, 3, 3)


def test_all_patterns_are_learnt_up_to_a_number_and_those_seen_beyond():
    present = np.array([[True, False, True], [False, False, False], [True, True, True]])
    assert len(patterns_to_learn(present)) == 7
    seen = patterns_to_learn(present, most=7)
    np.testing.assert_array_equal(seen, present[[0, 2]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"uses": EACH[:2]}, "of the same experts"),
        ({"present": np.ones((300, 2), dtype=bool)}, "`present` must have shape"),
        ({"sample_weight": np.ones(299)}, "`sample_weight` must have shape"),
        ({"y": np.zeros(301, dtype=int)}, "`y` must have shape"),
        ({"default": "some"}, "`default` must be one of"),
        ({"sample_weight": np.zeros(300)}, "zero for every sample"),
    ],
)
def test_bad_input_is_named(change, message):
    logs, y = held_out()
    with pytest.raises(ValueError, match=message):
        fit_pattern_weights(**({"log_proba": logs, "y": y, "uses": EACH} | change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"uses": EACH.astype(int)}, "`uses` must be boolean"),
        ({"default": np.ones(2)}, "`default` must have a weight"),
        ({"needs_all": np.ones(2, dtype=bool)}, "`needs_all` must have an entry"),
        ({"learnt": {(True, False): np.ones(3)}}, "`learnt` must give weights of shape"),
        ({"learnt": {(True, False, True): np.ones(2)}}, "`learnt` must give weights of shape"),
    ],
)
def test_weights_that_do_not_fit_their_experts_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        PatternWeights(**({"uses": EACH, "default": np.ones(3)} | change))
