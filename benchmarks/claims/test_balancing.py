"""What the user guide says of balancing methods and of the estimators as they come."""

import pytest
from _as_they_come import DEFAULTS, PLAIN, against_plain
from _protocols import differences, read, summary
from balancing import CONTROLS

SETS = ["mfeat", "avdigits", "avdigits_weakimage", "occupancy", "leaves100", "dermatology"]


@pytest.fixture(scope="module")
def balancing():
    return read("balancing_methods")


@pytest.mark.parametrize("dataset", ["avdigits", "avdigits_weakimage"])
def test_methods_and_controls_have_ten_seeds(balancing, dataset):
    seeds = balancing[balancing["dataset"] == dataset].groupby("method")["seed"].nunique()
    assert set(seeds) == {10}
    assert {*CONTROLS, *CONTROLS.values()} <= set(seeds.index)


def test_no_cell_of_the_comparison_lacks_a_fold(balancing):
    folds = balancing.groupby(["dataset", "method", "seed"])["fold"].nunique().unstack("seed")
    for _, each in folds.groupby("dataset"):
        assert each.dropna(axis=1, how="all").stack().nunique() == 1
        assert each.dropna(axis=1, how="all").notna().all(axis=None)


def gain(balancing, method):
    pair = balancing[balancing["method"].isin([method, CONTROLS[method]])]
    return differences(pair, "accuracy", CONTROLS[method], unit="seed").loc[method]


@pytest.mark.parametrize("form", ["remixing", "remixing, published"])
def test_remixing_is_better_than_its_control_on_both_avdigits(balancing, form):
    apart = gain(balancing, form)
    for dataset, most in (("avdigits", 0.015), ("avdigits_weakimage", 0.025)):
        assert 3 * apart[dataset, "se"] < apart[dataset, "mean"] < most
        assert apart[dataset, "mean"] > most - 0.005


def stressed_gain(balancing, method, how):
    """Mean gain over the control, balanced accuracy under noise or with missing modalities."""
    rows = balancing[balancing["metric"] == f"balanced_accuracy, {how}"]
    mean = rows.groupby(["dataset", "method"])["value"].mean().unstack("method")
    return mean[method] - mean[CONTROLS[method]]


def test_remixing_pays_when_modalities_are_missing_and_not_under_strong_noise(balancing):
    for how in ("missing 30%", "missing 60%"):
        assert (stressed_gain(balancing, "remixing", how) > 0).all()
        published = stressed_gain(balancing, "remixing, published", how)
        assert published.index[published < 0].tolist() == ["leaves100"]
    noisy = stressed_gain(balancing, "remixing", "noise 2")
    worse = noisy[["mfeat:official", "dermatology", "leaves100"]]
    assert (worse < -0.025).all()
    assert worse.min() > -0.08
    assert noisy["occupancy"] > 0.02
    behind = [gain(balancing, form)["leaves100", "mean"] for form in CONTROLS if "remixing" in form]
    assert -0.02 < behind[0] < -0.015
    assert -0.015 < behind[1] < -0.005


def test_negative_learning_is_behind_under_noise(balancing):
    for how in ("noise 1", "noise 2"):
        assert stressed_gain(balancing, "negative learning", how).idxmin() == "occupancy"
        assert -0.015 < stressed_gain(balancing, "negative learning", how).min() < -0.01
    stronger = stressed_gain(balancing, "negative learning, stronger", "noise 2")
    assert stronger.idxmin() == "leaves100"
    assert -0.075 < stronger.min() < -0.06


@pytest.mark.parametrize("form", ["boosting", "boosting, published"])
def test_heads_pay_on_avdigits_weakimage_and_not_on_avdigits(balancing, form):
    apart = gain(balancing, form)
    assert 0.015 < apart["avdigits_weakimage", "mean"] < 0.03
    assert apart["avdigits_weakimage", "mean"] > 4 * apart["avdigits_weakimage", "se"]
    assert abs(apart["avdigits", "mean"]) < 0.003


def test_published_heads_cost_on_dermatology_and_occupancy(balancing):
    apart = gain(balancing, "boosting, published")
    assert -0.02 < apart["dermatology", "mean"] < -0.012
    assert -0.015 < apart["occupancy", "mean"] < -0.005
    mean = summary(balancing)["avdigits_weakimage"]["mean"]
    assert abs(mean["boosting, published"] - mean["late fusion of networks"]) < 0.006


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


def test_plain_joint_training_is_six_points_behind_where_a_heavy_loss_is_three(balancing):
    mean = summary(balancing)["avdigits_weakimage"]["mean"]
    best = mean["late fusion of networks"]
    assert best - mean["joint"] > 0.055
    assert best - mean["joint, unimodal_weight=1"] < 0.035


# -- the estimators as they come -----------------------------------------------------------------


@pytest.fixture(scope="module")
def as_they_come():
    return read("default_networks")


def test_every_estimator_and_plain_network_is_measured_on_every_set(as_they_come):
    seeds = as_they_come.groupby(["dataset", "method"])["seed"].nunique().unstack("method")
    assert sorted(seeds.index) == sorted(SETS)
    assert sorted(seeds) == sorted([*PLAIN, *DEFAULTS])
    for name in SETS:
        assert set(seeds.loc[name]) == {10 if name.startswith("avdigits") else 5}


def test_no_estimator_as_it_comes_is_three_points_behind_the_best_plain_network(as_they_come):
    apart = against_plain(as_they_come).groupby(["method", "dataset"])["value"].mean()
    assert len(apart) == len(DEFAULTS) * len(SETS)
    assert apart.min() > -0.03


@pytest.fixture(scope="module")
def fitted():
    """Points, and units of log-loss, that fitted fusion weights bring: by metric."""
    cells = read("fusion_weights").groupby(["metric", "method", "dataset"])["value"].mean()
    return cells.unstack("metric")


FUSED = ["MultimodalClassifier()", "joint, a lighter loss per modality", "DataRemixingClassifier()"]
MEANS = [
    "late fusion, a loss per modality",
    "NegativeLearningClassifier()",
    "SustainedBoostingClassifier()",
]


def test_fitted_weights_help_beside_a_fused_classifier(fitted):
    here = fitted.loc[FUSED]
    assert here["accuracy"].min() > -0.0025
    assert here["accuracy"].drop("avdigits_weakimage", level="dataset").max() < 0.015
    for method in FUSED:
        assert 0.01 < here["accuracy"][method, "avdigits_weakimage"] < 0.026
    joint = here.loc["MultimodalClassifier()"]
    assert 0.005 < joint["accuracy"]["avdigits"] < 0.02
    gone = joint["accuracy, missing 60%"]
    assert gone.min() > 0.015
    assert gone.idxmin() == "dermatology"
    assert gone.drop("dermatology").min() > 0.07
    assert gone.idxmax() == "leaves100"
    assert 0.4 < gone.max() < 0.48
    remixing = here.loc["DataRemixingClassifier()"]["accuracy, missing 60%"]
    assert (remixing < gone).all()
    assert remixing[["avdigits", "dermatology"]].max() < 0.01
    assert (joint["log_loss"].drop("occupancy") < 0).all()
    each = read("fusion_weights").query("dataset == 'occupancy' and metric == 'log_loss'")
    worse = each.groupby("method")["value"].agg(["mean", "sem"]).round(2)
    assert worse.loc["MultimodalClassifier()", "mean"] == 0.02
    assert worse.loc["DataRemixingClassifier()", "mean"] == 0.03
    above = each.groupby("method")["value"].mean() > each.groupby("method")["value"].sem()
    assert above["DataRemixingClassifier()"]
    assert not above["MultimodalClassifier()"]


def test_fitted_weights_harm_a_mean_of_logits_on_new_days(fitted):
    accuracy = fitted.loc[MEANS]["accuracy"]
    for method in MEANS:
        assert -0.055 < accuracy[method, "occupancy"] < -0.03
        assert 0.0075 < accuracy[method, "avdigits_weakimage"] < 0.0225
        assert -0.026 < fitted.loc[method]["accuracy, missing 60%"]["mfeat"] < -0.015


def test_default_is_more_accurate_and_surer_of_its_errors_on_new_days(as_they_come):
    right, loss = (
        summary(as_they_come, metric)["occupancy"]["mean"] for metric in ("accuracy", "log_loss")
    )
    gain = right["MultimodalClassifier()"] - right["joint"]
    assert 0.0025 < gain < 0.0075
    assert loss[["MultimodalClassifier()", "joint"]].round(2).tolist() == [0.49, 0.31]


def test_default_is_near_the_best_plain_network_and_plain_ones_are_not(as_they_come):
    mean = summary(as_they_come).xs("mean", axis=1, level=1)
    best = mean.loc[list(PLAIN)].max()
    assert (best - mean.loc["MultimodalClassifier()"]).max() < 0.0067
    assert 0.05 < (best - mean.loc["joint"]).max() < 0.06
    assert 0.07 < (best - mean.loc["late fusion of networks"]).max() < 0.085
    assert (best - mean.loc["late fusion, a loss per modality"]).max() < 0.016
    behind = mean.loc[list(DEFAULTS)] - best
    assert behind.min().min() > -0.025
    assert behind.stack().nsmallest(2).index.tolist() == [
        ("SustainedBoostingClassifier()", "occupancy"),
        ("SustainedBoostingClassifier()", "avdigits_weakimage"),
    ]
