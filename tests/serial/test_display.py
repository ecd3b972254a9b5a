"""Accuracy against cost, as data and as a picture; metadata routing."""

import subprocess
import sys

import numpy as np
import pytest
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.naive_bayes import GaussianNB

from sk_mmbalance import CostCurveDisplay, SerialFusionClassifier, SerialSemiSupervisedClassifier


def test_curve_runs_from_full_accuracy_to_the_first_stage_alone(three_classes, three_stages):
    data = three_classes
    chain = SerialFusionClassifier(three_stages).fit(data.X, data.y)
    curve = chain.cost_curve()
    assert list(curve.columns) == ["price", "mean_cost", "accuracy", "error", "deferred_share"]
    assert curve["mean_cost"].is_monotonic_decreasing
    assert curve["mean_cost"].iloc[-1] == 1
    assert curve["accuracy"].iloc[0] == curve["accuracy"].max()
    at_price = chain.cost_curve(prices=[chain.price]).iloc[0]
    assert at_price["mean_cost"] == pytest.approx(chain.expected_cost_, rel=0.2)


def test_curve_on_given_rows_is_what_the_chain_does_there(two_classes, stages):
    data = two_classes
    train, test = np.arange(100), np.arange(100, 200)
    chain = SerialFusionClassifier(stages, price=0.003).fit(data.X[train], data.y[train])
    row = chain.cost_curve(data.X[test], data.y[test], prices=[0.003]).iloc[0]
    report = chain.decision_report(data.X[test])
    y = data.y[test]
    assert row["mean_cost"] == pytest.approx(report.mean_cost)
    assert row["accuracy"] == pytest.approx((report.labels == y).mean())
    assert row["far"] == pytest.approx(report.labels[y == 0].mean())
    assert row["frr"] == pytest.approx(1 - report.labels[y == 1].mean())
    assert row["predicted_far"] != row["far"]


def test_curve_of_a_single_stage_is_an_error(two_classes):
    chain = SerialFusionClassifier().fit(two_classes.X["weak"], two_classes.y)
    with pytest.raises(ValueError, match="at least two stages"):
        chain.cost_curve()


def test_bad_prices_are_named(two_classes, stages):
    chain = SerialFusionClassifier(stages).fit(two_classes.X, two_classes.y)
    for prices in ([-1.0], 0.1, []):
        with pytest.raises(ValueError, match="`prices`"):
            chain.cost_curve(prices=prices)


def test_display_draws_the_curve_and_the_operating_point(two_classes, stages):
    data = two_classes
    chain = SerialFusionClassifier(stages).fit(data.X, data.y)
    display = CostCurveDisplay.from_estimator(chain, data.X, data.y, prices=[0, 0.01, 1])
    assert display.ax_.get_xlabel() == "mean acquisition cost per row"
    assert sorted(display.line_.get_xdata()) == sorted(display.curve["mean_cost"])
    report = chain.decision_report(data.X)
    assert display.operating_point == (report.mean_cost, (report.labels == data.y).mean())
    again = CostCurveDisplay.from_estimator(chain, ax=display.ax_, name="out of fold")
    assert again.figure_ is display.figure_
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts == ["SerialFusionClassifier", "out of fold"]


def test_room_needs_no_matplotlib_until_something_is_drawn():
    code = "import sk_mmbalance.serial, sys; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


# -- metadata routing ----------------------------------------------------------------------------


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def test_routed_weights_equal_weights_handed_on_without_routing(two_classes, stages):
    data = two_classes
    weights = np.random.default_rng(0).uniform(0.2, 2, 200)
    plain = SerialFusionClassifier(stages).fit(data.X, data.y, sample_weight=weights)
    with sklearn.config_context(enable_metadata_routing=True):
        routed = SerialFusionClassifier(stages).fit(data.X, data.y, sample_weight=weights)
    np.testing.assert_array_equal(plain.predict_proba(data.X), routed.predict_proba(data.X))


@pytest.mark.usefixtures("routing")
def test_stages_get_the_weights_they_request(two_classes):
    data = two_classes
    weights = np.random.default_rng(0).uniform(0.2, 2, 200)
    asks = GaussianNB().set_fit_request(sample_weight=True)
    declines = GaussianNB().set_fit_request(sample_weight=False)
    staged = [("asks", asks, "weak", 1), ("declines", declines, "strong", 10)]
    chain = SerialFusionClassifier(staged).fit(data.X, data.y, sample_weight=weights)
    weighted = GaussianNB().fit(data.X["weak"], data.y, sample_weight=weights)
    plain = GaussianNB().fit(data.X["strong"], data.y)
    np.testing.assert_array_equal(chain.estimators_[0].theta_, weighted.theta_)
    np.testing.assert_array_equal(chain.estimators_[1].theta_, plain.theta_)


@pytest.mark.usefixtures("routing")
def test_search_routes_weights_and_groups_through_the_chain(two_classes):
    data = two_classes
    rng = np.random.default_rng(0)
    weights, groups = rng.uniform(0.2, 2, 200), rng.integers(0, 10, 200)
    logistic = LogisticRegression().set_fit_request(sample_weight=True)
    staged = [("a", logistic, "weak", 1), ("b", logistic, "strong", 10)]
    chain = SerialFusionClassifier(staged, cv=GroupKFold(3))
    chain.set_fit_request(sample_weight=True, groups=True).set_score_request(sample_weight=True)
    search = GridSearchCV(chain, {"price": [1e-3, 1e-2]}, cv=GroupKFold(2))
    search.fit(data.X, data.y, sample_weight=weights, groups=groups)
    assert search.best_score_ > 0.7


@pytest.mark.usefixtures("routing")
def test_semi_supervised_sides_get_the_weights_they_request(two_classes):
    data = two_classes
    weights = np.random.default_rng(0).uniform(0.2, 2, 200)
    y = np.where(np.arange(200) < 80, data.y, -1)
    asks = LogisticRegression().set_fit_request(sample_weight=True)
    model = SerialSemiSupervisedClassifier("weak", weak_estimator=asks, unlabeled_label=-1)
    model.fit(data.X, y, sample_weight=weights)
    rows = np.concatenate([np.arange(80), model.pseudo_rows_])
    known = np.concatenate([data.y[:80], model.pseudo_labels_])
    plain = LogisticRegression().fit(data.X["weak"][rows], known, sample_weight=weights[rows])
    np.testing.assert_array_equal(model.weak_estimator_.coef_, plain.coef_)
