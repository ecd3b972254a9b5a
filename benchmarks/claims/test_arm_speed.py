"""What the documentation says of the time that ARM takes is what the table says."""

from _protocols import read

LOG_LOSS = "log-loss, n=20000, d=500, K=10"


def _table():
    table = read("arm_speed")
    part = table[table["dataset"] == LOG_LOSS]
    return part.pivot(index="method", columns="metric", values="value").astype(float)


def test_log_loss_takes_four_to_five_times_a_logistic_regression_of_equal_accuracy():
    table = _table()
    ours = table.loc["ARM, first-order, gap 1e-06"]
    theirs = table.loc["LogisticRegression, all columns, tol 1e-05"]
    assert theirs["relative gap"] < 1e-6
    assert 4 < ours["total seconds"] / theirs["total seconds"] < 5


def test_two_fifths_of_it_find_the_strength_at_which_the_weak_side_vanishes():
    table = _table()
    for gap in ("1e-04", "1e-06"):
        ours = table.loc[f"ARM, first-order, gap {gap}"]
        assert 0.35 < ours["critical strength seconds"] / ours["total seconds"] < 0.45


def test_the_squared_loss_takes_less_than_its_gram_matrices():
    table = read("arm_speed")
    part = table[table["dataset"] == "squared, n=100000, d=500, K=10"]
    ours = part[part["method"] == "ARM, first-order, gap 1e-06"].set_index("metric")["value"]
    assert float(ours["solve seconds"]) < float(ours["gram seconds"])
