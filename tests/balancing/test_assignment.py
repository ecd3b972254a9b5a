"""Adaptive classifier assignment: its truth table, cadence, cap and stop rule."""

import math

import pytest

from sk_mmbalance.balancing._assignment import AssignmentRule, HeadGrowth, all_weak, weakest

NAN = float("nan")


@pytest.mark.parametrize(
    ("scores", "sigma", "tau", "expected"),
    [
        ({"a": 0.6, "b": 0.5}, 1.0, 0.01, ["b"]),
        ({"a": 0.5, "b": 0.6}, 1.0, 0.01, ["a"]),  # symmetric
        ({"a": 0.504, "b": 0.5}, 1.0, 0.01, []),  # inside the dead zone
        ({"a": 0.506, "b": 0.5}, 1.0, 0.01, ["b"]),  # just outside
        ({"a": 0.5, "b": 0.5}, 1.0, 0.0, []),  # tie
        ({"a": 0.6, "b": 0.5}, 1.5, 0.01, []),  # 1.2 counts as balanced
        ({"a": 0.5, "b": 0.6}, 1.5, 0.01, []),  # on either side
        ({"a": 0.8, "b": 0.5}, 1.5, 0.01, ["b"]),
        ({"a": 0.8, "b": 0.0}, 1.0, 0.01, ["b"]),
        ({"a": 0.0, "b": 0.0}, 1.0, 0.01, []),
        ({"a": 0.7, "b": 0.5, "c": 0.6}, 1.0, 0.01, ["b"]),
        ({"a": 0.7, "b": 0.5, "c": 0.5}, 1.0, 0.01, []),  # two are weakest
    ],
)
def test_weakest_gets_a_head_outside_the_dead_zone(scores, sigma, tau, expected):
    assert list(weakest(scores, sigma, tau)) == expected


def test_weakest_equals_the_official_ratio_for_two_modalities():
    """r = s_a / s_b against 1 + tau and 1 - tau: thresholds agree to tau squared."""
    for score in (0.49, 0.4949, 0.4951, 0.4999, 0.5049, 0.5051, 0.51):
        r = score / 0.5
        official = ["b"] if r > 1.01 else ["a"] if r < 0.99 else []
        assert list(weakest({"a": score, "b": 0.5}, 1.0, 0.01)) == official


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ({"a": 0.5, "b": 0.5}, []),
        ({"a": 0.5, "b": 0.39}, ["b"]),
        ({"a": 0.5, "b": 0.41}, []),
        # 2 * 0.3 / (0.5 + 0.5) = 0.6 < 0.8 on two of four
        ({"a": 0.9, "b": 0.3, "c": 0.9, "d": 0.3}, ["b", "d"]),
        ({"a": 0.0, "b": 0.0}, []),
    ],
)
def test_all_weak_gives_a_head_to_all_below_theta_of_the_others(scores, expected):
    assert list(all_weak(scores, 0.8)) == expected


def test_all_weak_at_theta_of_four_fifths_equals_the_published_two_fifths_of_three():
    """Published: s_m / sum of the others < 0.4 with three modalities."""
    for score in (0.35, 0.39, 0.41):
        scores = {"a": score, "b": 0.5, "c": 0.5}
        assert list(all_weak(scores, 0.8)) == (["a"] if score / 1.0 < 0.4 else [])


@pytest.mark.parametrize("assign", ["weakest", "all_weak"])
@pytest.mark.parametrize("scores", [{"a": 0.5}, {"a": 0.5, "b": NAN}, {}])
def test_single_modality_gets_no_head(assign, scores):
    assert AssignmentRule(assign=assign).choose(scores) == {}


def _growth(**params):
    return HeadGrowth(AssignmentRule(**params))


def test_checks_come_every_so_many_epochs_and_not_before_the_first():
    growth = _growth(check_every=3)
    assert [epoch for epoch in range(10) if growth.is_due(epoch)] == [3, 6, 9]


def test_modality_at_the_cap_is_blocked_and_logged():
    growth = _growth(max_heads=2)
    scores = {"a": 0.9, "b": 0.5}
    assert growth.check(5, scores, {}, {"a": 1, "b": 1}) == ["b"]
    assert growth.check(10, scores, {}, {"a": 1, "b": 2}) == []
    log = growth.log()
    assert log["event"].tolist() == ["added", "blocked"]
    assert log["n_after"].tolist() == [2, 2]
    assert log["rule_value"].tolist() == pytest.approx([1.8, 1.8])
    assert log["b__confidence"].tolist() == [0.5, 0.5]


def test_without_a_cap_heads_go_on():
    growth = _growth(max_heads=None)
    for n in range(1, 20):
        assert growth.check(n, {"a": 0.9, "b": 0.5}, {}, {"a": 1, "b": n}) == ["b"]


@pytest.mark.parametrize(("patience", "n_added"), [(1, 1), (2, 2), (None, 5)])
def test_modality_whose_held_out_loss_does_not_fall_is_stopped(patience, n_added):
    growth = _growth(max_heads=None, head_patience=patience)
    n = 1
    for epoch in range(1, 6):
        n += len(growth.check(epoch, {"a": 0.9, "b": 0.5}, {"a": 0.1, "b": 0.7}, {"a": 1, "b": n}))
    assert n == 1 + n_added
    events = growth.log()["event"].tolist()
    assert events == ["added"] * n_added + ([] if patience is None else ["stopped"])


def test_falling_held_out_loss_earns_more_heads():
    growth = _growth(max_heads=None, head_patience=1)
    for epoch, loss in enumerate([0.9, 0.8, 0.7, 0.6], start=1):
        losses = {"a": 0.1, "b": loss}
        assert growth.check(epoch, {"a": 0.9, "b": 0.5}, losses, {"a": 1, "b": epoch}) == ["b"]


def test_stop_rule_looks_only_at_modalities_that_got_a_head():
    growth = _growth(head_patience=1)
    for epoch in range(1, 5):  # balanced, and getting worse on held-out rows
        assert growth.check(epoch, {"a": 0.5, "b": 0.5}, {"a": epoch, "b": epoch}, {}) == []
    assert growth.check(5, {"a": 0.9, "b": 0.5}, {"a": 9, "b": 9}, {"a": 1, "b": 1}) == ["b"]


def test_lost_heads_are_marked_and_may_come_again():
    growth = _growth(max_heads=None)
    for n in (1, 2):
        growth.check(n, {"a": 0.9, "b": 0.5}, {}, {"a": 1, "b": n})
    growth.discard_beyond({"a": 1, "b": 2})
    growth.check(3, {"a": 0.9, "b": 0.5}, {}, {"a": 1, "b": 2})
    growth.discard_beyond({"a": 1, "b": 3})
    assert growth.log()["discarded"].tolist() == [False, True, False]


def test_empty_log_has_its_columns():
    log = _growth().log()
    assert len(log) == 0
    assert {"epoch", "modality", "event", "discarded"} <= set(log.columns)
    assert math.isnan(log["n_after"].sum()) or log["n_after"].sum() == 0
