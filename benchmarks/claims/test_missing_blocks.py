"""What the user guide says of rows that lack whole blocks is what was measured."""

import pytest
from _protocols import read
from missing_blocks import COLUMNS


@pytest.fixture(scope="module")
def behind():
    """By metric, method, set and case: the pool minus it, mean and standard error over folds."""
    table = read("missing_blocks", columns=COLUMNS)
    keys = ["metric", "dataset", "case", "fold"]
    wide = table.pivot_table(index=keys, columns="method", values="value")
    apart = (
        wide.rsub(wide["opinion pool"], axis=0)
        .stack()
        .groupby(["metric", "method", "dataset", "case"])
    )
    return apart.mean(), apart.sem()


def test_pool_is_nowhere_behind_imputed_logistic_regression(behind):
    mean, error = behind
    assert (mean["log_loss", "imputed LR"] <= 1.1 * error["log_loss", "imputed LR"]).all()


def test_pool_is_ahead_of_extra_trees_on_two_sets_and_behind_on_wesad(behind):
    loss = behind[0]["log_loss", "extra trees"]
    assert (loss[["dermatology", "cremad_feat_ogmge"]] < -0.015).all()
    assert loss["wesad_wrist", "by clinic"] == pytest.approx(0.03, abs=0.005)
    assert loss["wesad_wrist", "half, 17 %"] == pytest.approx(0.04, abs=0.005)


@pytest.mark.parametrize(("dataset", "points"), [("wesad_wrist", 16), ("cremad_feat_ogmge", 12)])
def test_balanced_weights_bring_points_at_a_higher_loss(behind, dataset, points):
    mean, _ = behind
    key = ("opinion pool, balanced", dataset, "half, 17 %")
    assert mean["balanced_accuracy", *key] == pytest.approx(-points / 100, abs=0.005)
    assert mean["log_loss", *key] < 0
