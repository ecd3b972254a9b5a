"""What the user guide says of the pool's defaults is what their ablations say."""

import pytest
from _protocols import read


@pytest.fixture(scope="module")
def losses():
    """Log-loss by question, set, protocol and method, folds averaged."""
    table = read("pool_defaults")
    table = table[table["metric"] == "log_loss"]
    return table.groupby(["question", "dataset", "protocol", "method"])["value"].mean()


def test_shuffled_folds_and_folds_in_order_answer_two_questions_on_hydraulic_ts(losses):
    asked = losses["row order", "hydraulic_ts"]
    expected = {"shuffled": (0.25, 3.8), "in order": (0.73, 1.1), "both": (0.47, 1.3)}
    for method, (between, later) in expected.items():
        assert asked["shuffled", method] == pytest.approx(between, abs=0.005)
        assert asked["blocks", method] == pytest.approx(later, abs=0.05)


def test_both_ways_regret_less_than_either_at_worst(losses):
    asked = losses["row order"].unstack("method")
    regret = asked.sub(asked.min(axis=1), axis=0).max()
    assert regret["both"] < regret["in order"] < regret["shuffled"]


def test_chosen_weights_by_class_gain_much_on_prokaryotic_and_lose_nearly_nothing(losses):
    asked = losses["class weight"].unstack("method")
    gain = asked["common"] - asked["auto, 2 s.e."]
    assert gain["prokaryotic", "shuffled"] > 0.1
    assert gain.min() > -0.002
    assert (asked["common"] - asked["free"]).min() < -0.05  # set, and not chosen, they lose


def test_weaker_linear_experts_gain_where_all_blocks_are_wide(losses):
    asked = losses["strength"].unstack("method")
    gain = asked["C=1"] - asked["all in the pool"]
    assert (gain["cremad_feat_ogmge"] > 0.04).all()
    assert abs(gain["prokaryotic", "shuffled"]) < 0.005


def test_a_stronger_penalty_gains_nothing_where_groups_are_few(losses):
    asked = losses["few groups"].unstack("method")
    gain = asked["alpha=10"] - asked.min(axis=1)
    assert gain.max() < 0.01


def test_experts_on_incomplete_rows_gain_on_wesad_and_lose_on_dermatology(losses):
    asked = losses["incomplete"].unstack("method")
    gain = asked["complete rows"] - asked["all rows"]
    assert gain["wesad_wrist", "at random"] > 0.1 * asked["all rows"]["wesad_wrist", "at random"]
    assert -0.04 < gain["dermatology", "at random"] < -0.03
    assert gain.drop(("dermatology", "at random")).min() > 0
