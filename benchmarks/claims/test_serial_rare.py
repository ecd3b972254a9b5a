"""What the user guide says of chains with rare genuine rows is what was measured."""

import pytest
from _protocols import read


@pytest.fixture(scope="module")
def accuracy():
    """Balanced accuracy by share of genuine rows, set and method."""
    table = read("serial_rare")
    table = table[table["metric"] == "balanced accuracy"]
    return table.groupby(["genuine", "dataset", "method"])["value"].mean().unstack("method")


def test_counting_rows_loses_10_to_32_points_with_few_genuine_rows(accuracy):
    loss = accuracy["balanced rates"] - accuracy["as it comes"]
    assert (loss[0.02] > 0.10).all()
    assert loss[0.02].max() < 0.325


def test_counting_rows_loses_at_most_3_points_with_as_many_genuine_rows_as_others(accuracy):
    loss = accuracy["balanced rates"] - accuracy["as it comes"]
    assert loss[0.5].max() < 0.03


def test_a_budget_keeps_most_of_what_balanced_rates_bring(accuracy):
    rare = accuracy.loc[0.02]
    kept = rare["balanced rates, 60% of the cost"] - rare["as it comes"]
    assert (kept / (rare["balanced rates"] - rare["as it comes"]) > 0.8).all()
