"""What `make_imbalanced_modalities` draws."""

import numpy as np
import pytest

from sk_mmbalance import Modalities
from sk_mmbalance.datasets import make_imbalanced_modalities


def test_shapes_types_and_names():
    X, y, _ = make_imbalanced_modalities(
        30, 4, modalities=["b", "a"], n_informative={"a": 3, "b": 7}, n_uninformative=[5, 0]
    )
    assert isinstance(X, Modalities)
    assert X.names == ("a", "b")
    assert X["a"].shape == (30, 3)
    assert X["b"].shape == (30, 12)
    assert X["a"].dtype == np.float64
    assert y.dtype.kind == "i"
    assert set(y) == {0, 1, 2, 3}


def test_number_of_modalities_gives_names_in_order():
    X, _, _ = make_imbalanced_modalities(10, modalities=11)
    assert X.names == tuple(f"modality_{i:02d}" for i in range(11))


def test_same_seed_gives_the_same_bits_and_another_does_not():
    first = make_imbalanced_modalities(50, missing_rate=0.2, random_state=5)
    second = make_imbalanced_modalities(50, missing_rate=0.2, random_state=5)
    other = make_imbalanced_modalities(50, missing_rate=0.2, random_state=6)
    np.testing.assert_array_equal(first[1], second[1])
    for name in first[0].names:
        np.testing.assert_array_equal(first[0][name], second[0][name])
        assert not np.array_equal(first[0][name], other[0][name])


def test_order_of_naming_changes_nothing():
    noise = {"face": 0.3, "voice": 0.8}
    one, y_one, _ = make_imbalanced_modalities(
        40, modalities=["face", "voice"], noise=noise, missing_rate=0.2, random_state=0
    )
    two, y_two, _ = make_imbalanced_modalities(
        40, modalities=["voice", "face"], noise=noise, missing_rate=0.2, random_state=0
    )
    np.testing.assert_array_equal(y_one, y_two)
    for name in one.names:
        np.testing.assert_array_equal(one[name], two[name])


def test_global_random_state_is_not_touched():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    make_imbalanced_modalities(20, random_state=0)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize(
    ("n_samples", "weights", "counts"),
    [
        (100, [0.7, 0.2, 0.1], [70, 20, 10]),
        (10, [0.98, 0.01, 0.01], [8, 1, 1]),
        (3, [0.98, 0.01, 0.01], [1, 1, 1]),
        (8, None, [3, 3, 2]),
    ],
)
def test_class_counts_follow_the_weights_and_none_is_empty(n_samples, weights, counts):
    _, y, _ = make_imbalanced_modalities(n_samples, 3, weights=weights, random_state=0)
    np.testing.assert_array_equal(np.bincount(y), counts)


def test_noise_has_its_standard_deviation_in_every_feature():
    X, y, _ = make_imbalanced_modalities(
        20_000, 3, n_informative=6, n_uninformative=2, redundancy=0.8, random_state=0
    )
    for name, sigma in {"strong": 0.4, "weak": 0.8}.items():
        for k in range(3):
            np.testing.assert_allclose(X[name][y == k].std(axis=0), sigma, rtol=0.05)


def test_class_means_are_one_apart():
    X, y, _ = make_imbalanced_modalities(60_000, 3, noise=0.4, random_state=0)
    for name in X.names:
        means = np.array([X[name][y == k].mean(axis=0) for k in range(3)])
        apart = np.linalg.norm(means - np.roll(means, 1, axis=0), axis=1)
        np.testing.assert_allclose(apart, 1.0, atol=0.03)


def test_only_informative_features_differ_between_classes():
    X, y, _ = make_imbalanced_modalities(40_000, n_informative=2, n_uninformative=3, random_state=0)
    gap = np.abs(X["strong"][y == 0].mean(axis=0) - X["strong"][y == 1].mean(axis=0))
    assert gap[:2].max() > 0.5
    assert gap[2:].max() < 0.02


def test_redundancy_correlates_the_noise_of_the_modalities():
    # one feature, two classes: the residuals are the noise itself, up to sign
    for share, expected in {0.0: 0.0, 1.0: 0.5}.items():
        X, y, _ = make_imbalanced_modalities(
            40_000, n_informative=1, redundancy=share, random_state=0
        )
        residuals = []
        for name in X.names:
            means = np.array([X[name][y == k].mean() for k in range(2)])
            residuals.append(X[name][:, 0] - means[y])
        # amplitudes: 0.4 of 0.4 and 0.4 of 0.8, hence a correlation of 1/2
        assert abs(np.corrcoef(residuals)[0, 1]) == pytest.approx(expected, abs=0.02)


def test_missing_rows_lose_the_whole_modality_at_the_given_rate():
    rates = {"strong": 0.3, "weak": 0.1}
    X, _, _ = make_imbalanced_modalities(20_000, missing_rate=rates, random_state=0)
    absent = {name: np.isnan(X[name]) for name in X.names}
    for name, values in absent.items():
        np.testing.assert_array_equal(values.any(axis=1), values.all(axis=1))
        # a row that lost both (3 %) got one of them back
        assert values[:, 0].mean() == pytest.approx(rates[name] - 0.015, abs=0.015)


def test_no_row_loses_all_modalities_even_at_high_rates():
    X, _, _ = make_imbalanced_modalities(2000, modalities=3, missing_rate=0.95, random_state=0)
    absent = np.column_stack([np.isnan(X[name]).all(axis=1) for name in X.names])
    assert not absent.all(axis=1).any()
    assert absent.mean() > 0.6


def test_missing_rate_changes_no_value_that_is_there():
    whole, y_whole, _ = make_imbalanced_modalities(200, random_state=0)
    holed, y_holed, bayes = make_imbalanced_modalities(200, missing_rate=0.4, random_state=0)
    np.testing.assert_array_equal(y_whole, y_holed)
    for name in whole.names:
        here = ~np.isnan(holed[name]).all(axis=1)
        assert 0 < here.sum() < 200
        np.testing.assert_array_equal(whole[name][here], holed[name][here])
    assert bayes.accuracy["weak"] < bayes.accuracy["observed"] < bayes.accuracy["joint"]


def test_accuracy_of_observed_rows_weighs_their_patterns():
    X, _, bayes = make_imbalanced_modalities(500, missing_rate=0.4, random_state=0)
    absent = {name: np.isnan(X[name]).all(axis=1) for name in X.names}
    both = ~absent["strong"] & ~absent["weak"]
    expected = (
        both.mean() * bayes.accuracy["joint"]
        + absent["weak"].mean() * bayes.accuracy["strong"]
        + absent["strong"].mean() * bayes.accuracy["weak"]
    )
    assert bayes.accuracy["observed"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_samples": 1}, "`n_samples` must be an int of at least"),
        ({"n_samples": 10.0}, "`n_samples` must be an int"),
        ({"n_classes": 1}, "`n_classes` must be an int of at least 2"),
        ({"n_classes": True}, "`n_classes` must be an int"),
        ({"modalities": 0}, "`modalities` must be at least 1"),
        ({"modalities": []}, "`modalities` must be a number or a sequence of different names"),
        ({"modalities": ["a", "a"]}, "`modalities` must be a number or a sequence of different"),
        ({"modalities": "face"}, "`modalities` must be a number or a sequence of different"),
        ({"modalities": ["joint", "b"]}, r"`modalities` must not hold \['joint'\]"),
        ({"weights": [1.0]}, "`weights` must be 2 positive class proportions"),
        ({"weights": [0.7, 0.7]}, "`weights` must be 2 positive class proportions"),
        ({"weights": [1.0, 0.0]}, "`weights` must be 2 positive class proportions"),
        ({"n_classes": 4, "n_informative": 2}, "`n_informative` must be 0 or at least"),
        ({"n_informative": 0}, r"would have 0 \+ 0 features"),
        ({"n_uninformative": -3}, "must not be negative"),
        ({"noise": 0.0}, "`noise` must be positive and finite"),
        ({"noise": np.inf}, "`noise` must be positive and finite"),
        ({"noise": [0.1]}, "`noise` must have one value per modality"),
        ({"noise": {"strong": 0.1}}, "`noise` must name every modality once"),
        ({"redundancy": 1.5}, "`redundancy` must be from 0 to 1"),
        ({"missing_rate": 1.0}, "`missing_rate` must be at least 0 and below 1"),
        ({"missing_rate": {"weak": 0.1, "lidar": 0.2}}, "`missing_rate` must name every modality"),
    ],
)
def test_values_out_of_range_are_refused_by_name(parameters, message):
    with pytest.raises(ValueError, match=message):
        make_imbalanced_modalities(**({"n_samples": 20} | parameters))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"noise": "loud"}, "`noise` must be a number, a sequence or a dict"),
        ({"noise": ["a", "b"]}, "`noise` must be of type float for modality 'strong'"),
        ({"n_informative": 2.5}, "`n_informative` must be of type int for modality 'strong'"),
    ],
)
def test_values_that_are_no_numbers_are_refused_by_name(parameters, message):
    with pytest.raises(TypeError, match=message):
        make_imbalanced_modalities(20, **parameters)
