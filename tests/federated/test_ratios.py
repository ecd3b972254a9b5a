"""How far a modality is ahead or behind, by hand."""

import numpy as np
import pytest

from sk_mmbalance.federated import _ratios as formulae


def test_ratio_of_two_modalities_is_the_published_one():
    found = formulae.accuracy_ratios({"k": {"a": 0.9, "b": 0.6}, "l": {"b": 0.3}}, ["a", "b"])
    assert found["k"] == pytest.approx({"a": 1.5, "b": 1 / 1.5})
    assert found["l"] == {"b": 1.0}


def test_ratio_of_more_modalities_is_to_their_mean():
    found = formulae.accuracy_ratios({"k": {"a": 0.9, "b": 0.6, "c": 0.3}}, ["a", "b", "c"])
    assert found["k"] == pytest.approx({"a": 1.5, "b": 1.0, "c": 0.5})


def test_accuracy_of_nought_gives_a_finite_ratio():
    two = formulae.accuracy_ratios({"k": {"a": 0.5, "b": 0.0}}, ["a", "b"])["k"]
    three = formulae.accuracy_ratios({"k": {"a": 0.0, "b": 0.0, "c": 0.0}}, ["a", "b", "c"])["k"]
    assert np.isfinite(list(two.values())).all()
    assert np.isfinite(list(three.values())).all()


def test_weak_of_two_is_told_by_the_weighted_mean_of_the_ratios():
    ratios = {"k": {"a": 3.0, "b": 1 / 3}, "l": {"a": 0.5, "b": 2.0}, "m": {"b": 1.0}}
    weak, mean = formulae.weak_modality(ratios, {"k": 1.0, "l": 4.0, "m": 5.0}, ["a", "b"])
    assert mean == pytest.approx((3 + 4 * 0.5 + 5 * 1) / 10)
    assert weak == "a"
    weak, mean = formulae.weak_modality(ratios, {"k": 4.0, "l": 1.0, "m": 5.0}, ["a", "b"])
    assert mean == pytest.approx((4 * 3 + 0.5 + 5) / 10)
    assert weak == "b"


def test_weak_of_three_has_the_least_mean_over_the_clients_that_have_it():
    ratios = {"k": {"a": 1.5, "b": 0.9, "c": 0.6}, "l": {"a": 1.2, "b": 0.8}}
    weak, means = formulae.weak_modality(ratios, {"k": 1.0, "l": 3.0}, ["a", "b", "c"])
    assert means == pytest.approx({"a": (1.5 + 3.6) / 4, "b": (0.9 + 2.4) / 4, "c": 0.6})
    assert weak == "c"
    nobody = formulae.weak_modality({"l": {"a": 1.2, "b": 0.8}}, {"l": 1.0}, ["a", "b", "c"])
    assert nobody[0] == "b"


def test_lopsided_is_a_client_whose_lead_over_the_weak_one_is_above_tau():
    assert formulae.is_lopsided({"a": 3.0, "b": 1 / 3}, "b", 2, tau=2.9)
    assert not formulae.is_lopsided({"a": 3.0, "b": 1 / 3}, "b", 2, tau=3.0)
    assert formulae.is_lopsided({"a": 1.5, "b": 0.9, "c": 0.6}, "c", 3, tau=2.4)
    assert not formulae.is_lopsided({"a": 1.5, "b": 0.9, "c": 0.6}, "c", 3, tau=2.6)


def test_client_without_the_weak_modality_or_with_it_alone_is_not_lopsided():
    assert not formulae.is_lopsided({"a": 3.0}, "b", 2, tau=0.1)
    assert not formulae.is_lopsided({"b": 1.0}, "b", 2, tau=0.1)
