"""What the user guide says of convolutional networks is what their data file says."""

import pytest
from _protocols import differences, read, summary

IMAGES, WEAK = "avdigits:raw", "avdigits_weakimage:raw"


@pytest.fixture(scope="module")
def results():
    return read("end_to_end")


def gain(results, method, control):
    pair = results[results["method"].isin([method, control])]
    return differences(pair, "accuracy", control, unit="seed").loc[method]


def test_every_method_was_measured_on_the_same_seeds(results):
    seeds = results.groupby(["dataset", "method"])["seed"].unique().map(sorted)
    assert len(seeds) == 22
    assert all(found == seeds.iloc[0] for found in seeds)
    assert len(seeds.iloc[0]) == 10


def test_joint_training_is_the_worst_on_avdigits(results):
    mean = summary(results)[IMAGES]["mean"]
    assert mean.idxmin() == "joint"
    apart = ["late fusion of networks", "late fusion, a loss per modality"]
    apart.append("boosting, published, one head")
    assert (mean[apart] > mean["joint"] + 0.03).all()


def test_boosting_is_the_best_on_avdigits_and_gains_on_its_control(results):
    mean = summary(results)[IMAGES]["mean"]
    assert set(mean.nlargest(2).index) == {"boosting", "boosting, published"}
    for form in ("boosting", "boosting, published"):
        apart = gain(results, form, f"{form}, one head")
        for dataset in (IMAGES, WEAK):
            assert apart[dataset]["mean"] > 2 * apart[dataset]["se"]


def test_published_remixing_gains_on_its_control(results):
    for dataset in (IMAGES, WEAK):
        apart = gain(results, "remixing, published", "joint, a loss per modality")[dataset]
        assert apart["mean"] > 2 * apart["se"]


def test_default_remixing_keeps_half_to_three_quarters_of_the_gain(results):
    control = "joint, a loss per modality"
    published, default = (gain(results, m, control) for m in ("remixing, published", "remixing"))
    for dataset in (IMAGES, WEAK):
        kept = default[dataset]["mean"] / published[dataset]["mean"]
        assert 0.5 < kept < 0.75


def test_negative_learning_is_its_control(results):
    for dataset in (IMAGES, WEAK):
        apart = gain(results, "negative learning", "late fusion, a loss per modality")[dataset]
        assert abs(apart["mean"]) < 2 * apart["se"]


def test_joint_training_starves_both_modalities_and_losses_of_their_own_feed_them():
    curves = read("end_to_end_curves")
    assert set(curves.groupby(["dataset", "method", "metric"])["seed"].nunique()) == {3}
    last = curves[curves["epoch"] == curves["epoch"].max()]
    mean = last.groupby(["dataset", "metric", "method"])["value"].mean().unstack("method")
    own = mean.drop(index="accuracy", level="metric")
    assert len(own) == 4
    lost = own["own network"] - own["joint"]
    assert (lost > 0.1).all()
    kept = own["own network"] - own["joint, a loss per modality"]
    assert (kept < 0.25 * lost).all()
    probed = own["own network"] - own["joint: linear probe"]
    assert (probed < 0.4 * lost).all()
