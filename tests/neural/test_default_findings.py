"""What the user guide says of the networks' shared defaults is what their data files say."""

import numpy as np
import pytest
from _protocols import differences, read, summary
from balancing_methods import CONTROLS

from sk_mmbalance import MultimodalClassifier

SETS = ["mfeat", "avdigits", "avdigits_weakimage", "occupancy", "leaves100", "dermatology"]


@pytest.fixture(scope="module")
def loss():
    """Held-out loss by weight of the modalities' own losses and data set."""
    frame = read("neural_modality_losses")
    seeds = frame.groupby(["dataset", "method"])["seed"].nunique()
    assert set(seeds) == {3}
    loss = summary(frame, "held_out_loss").xs("mean", axis=1, level=1)
    assert list(loss) == SETS
    return loss.rename(index=lambda name: float(name.removeprefix("unimodal_weight=")))


def test_default_weight_of_the_modalities_losses_has_the_least_held_out_loss(loss):
    mean = np.exp(np.log(loss).mean(axis=1))
    assert mean.idxmin() == MultimodalClassifier().unimodal_weight
    assert mean.min() < 0.75 * mean[0.0]


def test_half_or_more_is_better_than_none_everywhere_but_on_occupancy(loss):
    others = loss.drop(columns="occupancy")
    assert (others.loc[[0.5, 1.0, 2.0]] < others.loc[0.0]).all(axis=None)
    assert np.ptp(loss["occupancy"]) < 0.001


@pytest.fixture(scope="module")
def balancing():
    return read("balancing_methods")


@pytest.mark.parametrize("dataset", ["avdigits", "avdigits_weakimage"])
def test_methods_and_controls_have_ten_seeds(balancing, dataset):
    seeds = balancing[balancing["dataset"] == dataset].groupby("method")["seed"].nunique()
    assert set(seeds) == {10}
    assert {*CONTROLS, *CONTROLS.values()} <= set(seeds.index)


def gain(balancing, method):
    pair = balancing[balancing["method"].isin([method, CONTROLS[method]])]
    return differences(pair, "accuracy", CONTROLS[method], unit="seed").loc[method]


@pytest.mark.parametrize("form", ["remixing", "remixing, published"])
def test_remixing_is_better_than_its_control_on_both_avdigits(balancing, form):
    apart = gain(balancing, form)
    for dataset, most in (("avdigits", 0.015), ("avdigits_weakimage", 0.025)):
        assert 3 * apart[dataset, "se"] < apart[dataset, "mean"] < most
        assert apart[dataset, "mean"] > most - 0.005


@pytest.mark.parametrize("form", ["boosting", "boosting, published"])
def test_heads_pay_on_avdigits_weakimage_and_not_on_avdigits(balancing, form):
    apart = gain(balancing, form)
    assert 0.015 < apart["avdigits_weakimage", "mean"] < 0.03
    assert apart["avdigits_weakimage", "mean"] > 4 * apart["avdigits_weakimage", "se"]
    assert abs(apart["avdigits", "mean"]) < 0.003


def test_negative_learning_is_level_with_its_control(balancing):
    apart = gain(balancing, "negative learning")
    means = apart.xs("mean", level=1)
    assert (means.abs() < 0.005).all()


def test_late_fusion_with_losses_is_level_with_every_method_but_one(balancing):
    mean = summary(balancing).xs("mean", axis=1, level=1)[["avdigits", "avdigits_weakimage"]]
    late = mean.loc["late fusion, a loss per modality"]
    methods = mean.loc[[m for m in CONTROLS if m != "boosting, published"]]
    assert (methods < late + 0.005).all(axis=None)
    assert mean.loc["boosting, published", "avdigits_weakimage"] > late["avdigits_weakimage"] + 0.01
    assert ((late - mean.loc["joint"]) > 0.025).all()


def test_plain_joint_training_is_six_points_behind_where_our_default_is_three(balancing):
    mean = summary(balancing)["avdigits_weakimage"]["mean"]
    best = mean["late fusion of networks"]
    assert best - mean["joint"] > 0.055
    assert best - mean["joint, our defaults"] < 0.035
