"""The accuracies that the generator promises are those that can be reached."""

import pickle
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from sk_mmbalance.datasets import make_imbalanced_modalities
from sk_mmbalance.datasets._bayes import simplex_accuracy, simplex_means

N = 40_000


def sampling_error(accuracy, n=N):
    """Four standard errors: a correct rule leaves this range once in 16,000 tests."""
    return 4.0 * np.sqrt(accuracy * (1.0 - accuracy) / n)


@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_simplex_corners_are_one_apart_and_centred(n_classes):
    means = simplex_means(n_classes)
    apart = np.linalg.norm(means[:, None] - means[None], axis=2)
    np.testing.assert_allclose(apart, 1.0 - np.eye(n_classes), atol=1e-12)
    np.testing.assert_allclose(means.sum(axis=0), 0.0, atol=1e-12)


@pytest.mark.parametrize("precision", [1e-6, 0.3, 4.0, 400.0])
def test_two_equal_classes_have_the_closed_form(precision):
    expected = norm.cdf(np.sqrt(precision) / 2.0)
    assert simplex_accuracy(precision, np.array([0.5, 0.5])) == pytest.approx(expected, abs=1e-12)


def test_two_unequal_classes_have_the_closed_form():
    # threshold where the weighted densities are equal, classes one apart
    p, sigma = 0.8, 0.7
    shift = sigma**2 * np.log(p / (1 - p))
    expected = p * norm.cdf((0.5 + shift) / sigma) + (1 - p) * norm.cdf((0.5 - shift) / sigma)
    found = simplex_accuracy(1 / sigma**2, np.array([p, 1 - p]))
    assert found == pytest.approx(expected, abs=1e-12)


def test_no_information_leaves_the_largest_prior_and_no_noise_leaves_certainty():
    priors = np.array([0.2, 0.5, 0.3])
    assert simplex_accuracy(0.0, priors) == 0.5
    assert simplex_accuracy(1e-9, priors) == pytest.approx(0.5)
    assert simplex_accuracy(1e6, priors) == pytest.approx(1.0)


def test_accuracy_of_many_unequal_classes_agrees_with_simulation():
    priors = np.array([0.4, 0.3, 0.15, 0.1, 0.05])
    sigma = 0.4
    rng = np.random.default_rng(0)
    means = simplex_means(5)
    y = rng.choice(5, size=400_000, p=priors)
    x = means[y] + sigma * rng.standard_normal((len(y), 4))
    hits = (np.log(priors) + x @ means.T / sigma**2).argmax(axis=1) == y
    expected = simplex_accuracy(1 / sigma**2, priors)
    assert abs(hits.mean() - expected) < sampling_error(expected, len(y))


SETTINGS = {
    "two classes": {},
    "shared noise": {"redundancy": 0.7},
    "full redundancy": {"redundancy": 1.0},
    "unequal shares": {"redundancy": [1.0, 0.2]},
    "five classes, useless features": {"n_classes": 5, "n_uninformative": 3},
    "unequal classes": {"n_classes": 3, "weights": [0.6, 0.3, 0.1]},
    "three modalities, two of them copies": {
        "n_classes": 3,
        "modalities": 3,
        "noise": [0.4, 0.4, 0.9],
        "redundancy": [1.0, 1.0, 0.5],
    },
    "one modality": {"modalities": ["only"]},
    "a useless modality": {"n_informative": [2, 0], "n_uninformative": 2},
    "missing rows": {"n_classes": 3, "missing_rate": [0.5, 0.2]},
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_bayes_rule_reaches_the_accuracy_it_promises(setting):
    X, y, bayes = make_imbalanced_modalities(N, random_state=1, **SETTINGS[setting])
    promised = bayes.accuracy["observed"]
    reached = (bayes.predict(X) == y).mean()
    assert abs(reached - promised) < sampling_error(promised)
    if setting == "missing rows":
        return
    for name in X.names:
        alone = (bayes.predict({name: X[name]}) == y).mean()
        assert abs(alone - bayes.accuracy[name]) < sampling_error(bayes.accuracy[name])


@pytest.mark.parametrize("setting", ["two classes", "shared noise", "unequal classes"])
def test_a_trained_classifier_reaches_the_bayes_accuracy(setting):
    # discriminant analysis has the true form of the model but knows none of its parameters
    X, y, bayes = make_imbalanced_modalities(2 * N, random_state=2, **SETTINGS[setting])
    views = {name: [name] for name in X.names} | {"joint": list(X.names)}
    for view, names in views.items():
        flat = np.hstack([X[name] for name in names])
        model = LinearDiscriminantAnalysis().fit(flat[:N], y[:N])
        reached = model.score(flat[N:], y[N:])
        assert abs(reached - bayes.accuracy[view]) < sampling_error(bayes.accuracy[view])


def test_probabilities_of_the_bayes_rule_are_calibrated():
    X, y, bayes = make_imbalanced_modalities(N, 3, missing_rate=0.3, random_state=3)
    proba = bayes.predict_proba(X)
    np.testing.assert_allclose(proba.sum(axis=1), 1.0)
    for k in range(3):
        order = np.argsort(proba[:, k])
        for part in np.array_split(order, 10):
            expected = proba[part, k].mean()
            spread = np.sqrt((proba[part, k] * (1 - proba[part, k])).mean() / len(part))
            assert abs((y[part] == k).mean() - expected) < 4.5 * spread


def test_expected_accuracy_is_the_mean_of_the_largest_probability():
    X, _, bayes = make_imbalanced_modalities(N, 4, redundancy=0.5, random_state=4)
    largest = bayes.predict_proba(X).max(axis=1)
    assert abs(largest.mean() - bayes.accuracy["joint"]) < 4 * largest.std() / np.sqrt(N)


def test_more_modalities_never_reach_less():
    _, _, bayes = make_imbalanced_modalities(10, 3, modalities=4, redundancy=0.6)
    names = bayes.modality_names
    values = [bayes.accuracy_of(names[:i]) for i in range(5)]
    assert values[0] == pytest.approx(1 / 3)
    assert all(later > earlier for earlier, later in pairwise(values))


def test_full_redundancy_makes_the_joint_worth_no_more_than_the_best():
    _, _, bayes = make_imbalanced_modalities(10, 5, modalities=3, redundancy=1.0)
    best = bayes.accuracy["modality_0"]
    assert bayes.accuracy["joint"] == pytest.approx(best, abs=1e-12)
    assert bayes.accuracy_of(["modality_1", "modality_2"]) < best


def test_redundancy_lowers_the_joint_and_leaves_each_modality_alone():
    rules = [
        make_imbalanced_modalities(10, redundancy=share)[2] for share in (0.0, 0.3, 0.6, 0.9, 1.0)
    ]
    joint = [rule.accuracy["joint"] for rule in rules]
    assert all(later < earlier for earlier, later in pairwise(joint))
    assert len({rule.accuracy["strong"] for rule in rules}) == 1
    assert len({rule.accuracy["weak"] for rule in rules}) == 1


def test_noise_of_very_different_size_keeps_its_information():
    _, _, bayes = make_imbalanced_modalities(10, modalities=2, noise=[1e-3, 1e9], redundancy=0.9)
    assert bayes.accuracy["modality_0"] == pytest.approx(1.0)
    assert bayes.accuracy["joint"] == pytest.approx(1.0)
    assert bayes.accuracy["modality_1"] == pytest.approx(0.5)


def test_a_row_without_informative_modality_gets_the_priors():
    _, _, bayes = make_imbalanced_modalities(10, weights=[0.7, 0.3], random_state=0)
    X = {"strong": np.full((2, 2), np.nan), "weak": np.full((2, 2), np.nan)}
    np.testing.assert_allclose(bayes.predict_proba(X), [[0.7, 0.3], [0.7, 0.3]])


def test_pickled_rule_is_the_same_rule():
    X, _, bayes = make_imbalanced_modalities(50, 3, missing_rate=0.4, random_state=0)
    copy = pickle.loads(pickle.dumps(bayes))
    assert dict(copy.accuracy) == dict(bayes.accuracy)
    np.testing.assert_array_equal(copy.predict_proba(X), bayes.predict_proba(X))


def test_unknown_coalition_is_refused():
    _, _, bayes = make_imbalanced_modalities(10)
    with pytest.raises(ValueError, match=r"`names` holds \['lidar'\]"):
        bayes.accuracy_of(["strong", "lidar"])


def test_accuracies_cannot_be_changed_by_accident():
    _, _, bayes = make_imbalanced_modalities(10)
    with pytest.raises(TypeError):
        bayes.accuracy["joint"] = 1.0
