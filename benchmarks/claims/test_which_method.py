"""What the page "Which method when" says of the pilot, beside what other pages say."""

import pytest
from _protocols import JUDGED_BY, read

ON_THEIR_OWN = ["Independent", "LFM", "SustainedBoosting"]


@pytest.fixture(scope="module")
def gains():
    """Accuracy of each method minus its control, by method and set."""
    apart = read("zoo_pilot_differences")
    return apart[apart["metric"] == "accuracy"].pivot_table(
        index="method", columns="dataset", values="value"
    )


def test_six_of_26_methods_are_ahead_of_their_control_by_two_points_and_nine_behind(gains):
    assert len(gains) == 26
    assert ((gains >= 0.02).any(axis=1).sum(), (gains <= -0.02).any(axis=1).sum()) == (6, 9)


def test_the_three_that_gain_most_often_are_held_to_late_fusion_without_losses(gains):
    often = (gains >= 0.02).sum(axis=1)
    assert sorted(often.index[often > 1]) == ON_THEIR_OWN
    apart = read("zoo_pilot_differences").set_index("method")["minus"]
    assert set(apart[ON_THEIR_OWN]) == {"late fusion, unimodal_weight=0"}


def test_late_fusion_with_such_losses_is_within_a_point_of_the_best_of_them_on_all_but_one_set():
    pilot = read("zoo_pilot")
    judged = [JUDGED_BY.get(name, "accuracy") for name in pilot["dataset"]]
    accuracy = pilot[pilot["metric"] == judged].pivot_table(
        index="method", columns="dataset", values="value"
    )
    behind = accuracy.loc[ON_THEIR_OWN].max() - accuracy.loc["late fusion, unimodal_weight=1"]
    assert behind.index[behind > 0.01].tolist() == ["avdigits_weakimage"]


def test_one_network_makes_of_image_and_sound_what_the_start_page_says():
    """The figures in the words that stand for the picture."""
    curves = read("end_to_end_curves")
    last = curves[(curves["dataset"] == "avdigits:raw") & (curves["epoch"] == 32)]
    mean = (100 * last.groupby(["metric", "method"])["value"].mean()).round()
    told = {"image": (96, 65, 96), "audio": (69, 51, 67)}
    for modality, figures in told.items():
        methods = ["own network", "joint", "joint, a loss per modality"]
        assert tuple(mean[f"accuracy[{modality}]"][methods]) == figures
