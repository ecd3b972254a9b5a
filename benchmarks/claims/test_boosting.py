"""What the user guide says of sustained boosting is what its data file says."""

import numpy as np
import pytest
from _protocols import differences, read, summary

from sk_mmbalance import SustainedBoostingClassifier

SETS = ["mfeat", "avdigits", "avdigits_weakimage", "occupancy"]


@pytest.fixture(scope="module")
def results():
    return read("boosting")


@pytest.fixture(scope="module")
def accuracy(results):
    return summary(results).xs("mean", axis=1, level=1)


def test_every_method_has_five_seeds_on_every_set(results):
    seeds = results.groupby(["dataset", "method"])["seed"].nunique()
    assert set(seeds) == {5}
    assert len(seeds) == 12 * len(SETS)


def test_defaults_are_within_three_points_of_the_best_of_joint_and_late(accuracy):
    best = accuracy.loc[["joint", "late fusion of networks"]].max()
    assert (accuracy.loc["our defaults"] > best - 0.03).all()


def test_light_fused_loss_is_five_points_behind_with_more_steps():
    chosen = summary(read("boosting_defaults")).xs("mean", axis=1, level=1)["occupancy"]
    joint = chosen["joint, a loss per modality"]
    assert chosen["fused_weight=1, head_width=256"] < joint - 0.05
    assert chosen["fused_weight=3, head_width=64"] > joint - 0.03


def test_published_form_fails_on_occupancy(accuracy):
    assert accuracy.loc["published form", "occupancy"] < accuracy.loc["joint", "occupancy"] - 0.08


def test_heads_change_nothing_on_mfeat_and_avdigits(results):
    apart = differences(results, "accuracy", "one head").loc["published form"]
    for name in ("mfeat", "avdigits"):
        assert abs(apart[name, "mean"]) < max(2 * apart[name, "se"], 0.002)


def test_heads_of_our_defaults_pay_on_avdigits_weakimage_alone(results):
    apart = differences(results, "accuracy", "our defaults, one head").loc["our defaults"]
    assert apart["avdigits_weakimage", "mean"] > 2 * apart["avdigits_weakimage", "se"]
    for name in ("mfeat", "avdigits", "occupancy"):
        assert abs(apart[name, "mean"]) < 0.002


def test_averaged_heads_do_harm_on_avdigits_weakimage(results):
    apart = differences(results, "accuracy", "fused loss, one head")
    averaged, summed = (
        apart.loc[m]["avdigits_weakimage"] for m in ("fused loss, heads averaged", "fused loss")
    )
    assert averaged["mean"] < -2 * averaged["se"]
    assert summed["mean"] > 2 * summed["se"]


def _mean_losses(name):
    losses = summary(read(name), "held_out_loss").xs("mean", axis=1, level=1)
    return np.exp(np.log(losses).mean(axis=1))


def test_fused_weights_of_one_and_three_are_better_than_less():
    mean = _mean_losses("boosting_fused_weight")
    assert set(mean.nsmallest(2).index) == {"fused_weight=1", "fused_weight=3"}


def test_defaults_have_the_least_held_out_loss():
    default = SustainedBoostingClassifier()
    mean = _mean_losses("boosting_defaults").drop("joint, a loss per modality")
    best = f"fused_weight={default.fused_weight:g}, head_width={default.head_width}"
    assert mean.idxmin() == best
