"""Limits on error rates: what so many rows can vouch for, and what is said where they cannot."""

import warnings

import numpy as np
import pytest
from scipy.stats import binom

from sk_mmbalance import Modalities, SerialFusionClassifier
from sk_mmbalance.exceptions import LimitWarning

STAGES = [("face", None, "face", 1), ("finger", None, "finger", 10)]


def draw(n_impostors, n_genuine, seed=0):
    rng = np.random.default_rng(seed)
    y = np.repeat([0, 1], [n_impostors, n_genuine])
    return Modalities(
        face=rng.normal(size=(len(y), 1)) + 1.5 * y[:, None],
        finger=rng.normal(size=(len(y), 1)) + 3.0 * y[:, None],
    ), y


def fit(n_impostors=100, n_genuine=100, sample_weight=None, seed=0, **params):
    X, y = draw(n_impostors, n_genuine, seed)
    return SerialFusionClassifier(STAGES, **params).fit(X, y, sample_weight)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"max_far": 0.001}, r"`max_far=0.001` is finer .*100 rows of `classes_\[0\]`.* be 0.03 "),
        ({"max_frr": 0.002}, r"`max_frr=0.002` is finer .*200 rows of `classes_\[1\]`.* be 0.015 "),
        ({"max_far": 0.01, "thresholds": "far"}, "about 3 / 100, at 95%.* at least 299 such rows"),
        ({"max_far": 0.0}, "No number of rows can show a rate of 0"),
    ],
)
def test_limit_that_is_finer_than_the_rows_can_show_is_warned_of(params, message):
    with pytest.warns(LimitWarning, match=message) as said:
        fit(100, 200, **params)
    assert said[0].filename == __file__


def test_limit_that_the_rows_can_show_is_kept_without_a_word():
    for params in ({"max_far": 0.03}, {"max_far": 0.05, "max_frr": 0.2}):
        assert fit(**params).empirical_far_ <= params["max_far"]
    fit(max_far=0.001, thresholds="never")  # nothing is tuned, nothing limited


def test_rows_of_unequal_weight_say_less():
    weight = np.r_[np.full(20, 100.0), np.full(180, 1.0)]
    with pytest.warns(LimitWarning, match=r"there are 22 rows of `classes_\[0\]`"):
        fit(sample_weight=weight, max_far=0.05)
    fit(sample_weight=np.full(200, 7.0), max_far=0.05)


@pytest.mark.parametrize("side", ["far", "frr"])
def test_bound_keeps_the_upper_clopper_pearson_bound_within_the_limit(side):
    limit, n = 0.06, 150
    params = {f"max_{side}": limit, "thresholds": side}
    chain = fit(n, n, limit="bound", **params)
    errors = round(getattr(chain, f"empirical_{side}_") * n)
    bound = getattr(chain, f"{side}_bound_")
    assert bound <= limit
    # by its definition: so few errors have a probability of 5 % at this rate
    assert binom.cdf(errors, n, bound) == pytest.approx(0.05)
    estimate = fit(n, n, **params)
    assert getattr(estimate, f"empirical_{side}_") > errors / n
    assert getattr(estimate, f"{side}_bound_") > limit


def test_bound_allows_the_most_errors_that_the_limit_admits():
    X, y = draw(400, 400)
    chain = SerialFusionClassifier(
        STAGES[:1], limit="bound", max_far=0.05, thresholds="far", n_grid=4000
    ).fit(X, y)
    allowed = max(k for k in range(40) if binom.cdf(k, 400, 0.05) <= 0.05)
    assert round(chain.empirical_far_ * 400) == allowed


def test_bound_that_no_counted_rate_can_keep_is_an_error():
    with pytest.raises(ValueError, match=r"`max_far=0.001` cannot be vouched for.* 2995 such rows"):
        fit(limit="bound", max_far=0.001)
    with pytest.raises(ValueError, match="raise `max_frr`"):
        fit(limit="bound", max_frr=0.0, thresholds="frr")
    with pytest.raises(ValueError, match="`limit` must be one of"):
        fit(limit="guess", max_far=0.1)


def test_new_rows_keep_a_limit_by_bound_more_often_than_one_by_estimate():
    X, y = draw(20000, 1, seed=99)
    kept = {"estimate": 0, "bound": 0}
    for seed in range(4):
        for limit in kept:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", LimitWarning)
                chain = fit(150, 150, seed=seed, limit=limit, max_far=0.05, thresholds="far")
            kept[limit] += (chain.predict(X) == 1)[y == 0].mean() <= 0.05
    assert kept["bound"] == 4
    assert kept["estimate"] < 4


def test_limit_of_1_limits_nothing_and_bounds_are_there_without_limits():
    plain = fit()
    assert plain.far_bound_ > plain.empirical_far_
    assert fit(limit="bound").thresholds_.tolist() == plain.thresholds_.tolist()
    free = fit(max_far=1.0)
    assert fit(limit="bound", max_far=1.0).thresholds_.tolist() == free.thresholds_.tolist()
