"""What the user guide says of sustained boosting is what its data file says."""

import numpy as np
import pytest
from _protocols import differences, read, summary

SETS = ["mfeat", "avdigits", "avdigits_weakimage", "occupancy"]


@pytest.fixture(scope="module")
def results():
    return read("boosting")


@pytest.fixture(scope="module")
def accuracy(results):
    return summary(results).xs("mean", axis=1, level=1)


def test_every_arm_has_five_seeds_on_every_set(results):
    seeds = results.groupby(["dataset", "method"])["seed"].nunique()
    assert set(seeds) == {5}
    assert len(seeds) == 10 * len(SETS)


def test_defaults_are_within_a_point_of_the_best_of_joint_and_late(accuracy):
    floors = accuracy.loc[["joint", "late fusion of networks"]].max()
    assert (accuracy.loc["our defaults"] > floors - 0.01).all()


def test_published_form_fails_on_occupancy(accuracy):
    assert accuracy.loc["published form", "occupancy"] < accuracy.loc["joint", "occupancy"] - 0.08


def test_heads_change_nothing_on_mfeat_and_avdigits(results):
    apart = differences(results, "accuracy", "one head").loc["published form"]
    for name in ("mfeat", "avdigits"):
        assert abs(apart[name, "mean"]) < max(2 * apart[name, "se"], 0.002)


def test_averaged_heads_do_harm_on_avdigits_weakimage(results):
    apart = differences(results, "accuracy", "our defaults, one head")
    averaged, summed = (
        apart.loc[arm]["avdigits_weakimage"]
        for arm in ("our defaults, heads averaged", "our defaults")
    )
    assert averaged["mean"] < -2 * averaged["se"]
    assert summed["mean"] > 2 * summed["se"]


def test_fused_weight_is_the_smallest_near_the_least_held_out_loss():
    losses = summary(read("boosting_fused_weight"), "held_out_loss").xs("mean", axis=1, level=1)
    mean = np.exp(np.log(losses).mean(axis=1))
    near = mean[mean < 1.05 * mean.min()]
    assert near.index[0] == "fused_weight=1"
