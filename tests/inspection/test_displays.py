"""Displays draw what was computed, on the axes they are given, and fit nothing."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_mmbalance import (
    CostCurveDisplay,
    LateFusionClassifier,
    ModalityTransformer,
    MultimodalClassifier,
)
from sk_mmbalance.inspection import (
    BalanceCurveDisplay,
    MissingModalityDisplay,
    ModalityContributionDisplay,
    coalition_scores,
    missing_modality_curve,
    modality_contributions,
)


@pytest.fixture(scope="module")
def model(problem):
    return LateFusionClassifier(missing="mask").fit(problem.X, problem.y)


@pytest.fixture
def axes():
    import matplotlib.pyplot as plt

    return plt.subplots()[1]


def test_bars_are_the_contributions_with_the_largest_on_top(model, problem, axes):
    display = ModalityContributionDisplay.from_estimator(
        model, problem.X_test, problem.y_test, ax=axes, n_bootstrap=20, random_state=0
    )
    assert display.ax_ is axes
    assert display.figure_ is axes.figure
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["gait", "voice", "face"]
    table = display.contributions.table
    widths = [bar.get_width() for bar in display.bars_]
    np.testing.assert_array_equal(widths, table.loc[labels, "contribution"])
    assert axes.get_xlabel() == "contribution to accuracy"
    again = ModalityContributionDisplay.from_contributions(display.contributions, color="red")
    assert again.ax_ is not axes
    again.plot(details=True)
    texts = [text.get_text() for text in again.ax_.get_legend().get_texts()]
    assert texts == ["gained alone", "lost without it"]


def test_rows_are_drawn_as_shares_of_dominance(model, problem):
    rows = modality_contributions(
        model, problem.X_test, problem.y_test, level="row", removal="native"
    )
    display = ModalityContributionDisplay.from_contributions(rows)
    widths = [bar.get_width() for bar in display.bars_]
    assert widths == rows.dominance()[::-1].tolist()
    assert sum(widths) == pytest.approx(1)


def test_curves_of_missing_modalities_share_axes(model, problem, axes):
    first = MissingModalityDisplay.from_estimator(
        model, problem.X_test, problem.y_test, ax=axes, removal="native", random_state=0
    )
    np.testing.assert_array_equal(first.line_.get_ydata(), first.curve.table["score"])
    curve = missing_modality_curve(
        model, problem.X_test, problem.y_test, pattern="voice", removal="native"
    )
    second = MissingModalityDisplay.from_curve(curve, ax=axes, name="voice only")
    assert first.line_.get_color() != second.line_.get_color()
    assert first.line_.get_marker() != second.line_.get_marker()
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert texts == ["LateFusionClassifier", "voice only"]
    assert axes.get_ylabel() == "accuracy"


def test_learning_curves_come_from_the_history_wherever_it_is(problem):
    network = MultimodalClassifier(max_epochs=3, hidden_layer_sizes=(4,), random_state=0)
    scale = ModalityTransformer({}, remainder=StandardScaler())
    pipe = make_pipeline(scale, network).fit(problem.X, problem.y)
    search = GridSearchCV(pipe, {"multimodalclassifier__max_epochs": [3]}, cv=2)
    search.fit(problem.X, problem.y)
    for fitted in (pipe, search, pipe[-1]):
        display = BalanceCurveDisplay.from_estimator(fitted)
        assert sorted(display.lines_) == ["face", "gait", "voice"]
        history = display.history
        np.testing.assert_array_equal(
            display.lines_["face"].get_ydata(), history["face__train_accuracy"]
        )
        assert display.ax_.get_ylabel() == "train accuracy"
    losses = BalanceCurveDisplay.from_estimator(pipe, metric="train_loss")
    assert losses.ax_.get_ylabel() == "train loss"
    with pytest.raises(ValueError, match=r"`metric` must be 'auto' or one of .*'train_loss'"):
        BalanceCurveDisplay.from_estimator(pipe, metric="f1")


def test_estimator_without_history_is_told_what_to_draw_instead(model):
    with pytest.raises(TypeError, match=r"`history_`.*ModalityContributionDisplay"):
        BalanceCurveDisplay.from_estimator(model)
    with pytest.raises(ValueError, match="`metric`"):
        BalanceCurveDisplay.from_history(pd.DataFrame({"train_loss": [1.0]}))


def test_coalitions_are_drawn_against_their_cost(model, problem, axes):
    found = coalition_scores(model, problem.X_test, problem.y_test, removal="native", n_bootstrap=0)
    costs = {"face": 10, "gait": 1, "voice": 2}
    display = CostCurveDisplay.from_coalitions(found, costs, ax=axes, name="late fusion")
    assert display.points.loc["face + voice", "mean_cost"] == 12
    assert display.points.loc["none", "mean_cost"] == 0
    assert len(display.points) == 8
    front = display.curve
    assert front["mean_cost"].is_monotonic_increasing
    assert (np.diff(front["accuracy"]) > 0).all()
    assert front["accuracy"].iloc[-1] == found.scores.max()
    np.testing.assert_array_equal(display.line_.get_ydata(), front["accuracy"])
    written = {text.get_text() for text in axes.texts}
    assert written == set(front.index)
    by_number = CostCurveDisplay.from_coalitions(found)
    assert by_number.points.loc["face + gait + voice", "mean_cost"] == 3
    for wrong in ({"face": 1}, {**costs, "face": -1}, {**costs, "face": "much"}):
        with pytest.raises(ValueError, match="`costs` must"):
            CostCurveDisplay.from_coalitions(found, wrong)


def test_estimator_without_a_cost_curve_is_told_the_other_way(model, problem):
    with pytest.raises(TypeError, match=r"LateFusionClassifier has none.*from_coalitions"):
        CostCurveDisplay.from_estimator(model, problem.X_test, problem.y_test)


def test_room_needs_no_matplotlib_until_something_is_drawn():
    code = "import sk_mmbalance.inspection, sys; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_was_not_measured_is_not_drawn(model, problem):
    data = (model, problem.X_test, problem.y_test)
    options = {"removal": "native", "n_bootstrap": 0}
    contributions = modality_contributions(*data, **options)
    bars = ModalityContributionDisplay.from_contributions(contributions)
    assert not bars.ax_.collections  # no intervals
    curve = MissingModalityDisplay(missing_modality_curve(*data, removal="native")).plot()
    cost = CostCurveDisplay(CostCurveDisplay.from_coalitions(coalition_scores(*data)).curve)
    history = pd.DataFrame({"face__train_loss": [2.0, 1.0], "voice__train_loss": [2.0, 1.5]})
    alone = BalanceCurveDisplay.from_history(history)
    texts = [text.get_text() for text in alone.ax_.get_legend().get_texts()]
    assert texts == ["face", "voice"]  # and none of all together
    for display in (curve, cost.plot()):
        assert display.ax_.get_legend() is None
