"""What the user guide says of the record is what its data files say."""

import accuracy
import pytest
from _protocols import read
from _record_tables import LEARNERS, POOL

N_SEEDS = 5
METHODS = ["negative learning", "remixing", "boosting"]


@pytest.fixture(scope="module")
def means():
    """Mean by figure, method and data set."""
    record = read("accuracy_record")
    return record.groupby(["metric", "method", "dataset"])["value"].mean().unstack("dataset")


@pytest.fixture(scope="module")
def apart():
    """Differences to what a method is held to, with standard errors over folds."""
    groups = read("accuracy_differences").groupby(["kind", "method", "dataset"])
    table = groups["value"].agg(mean="mean", se="sem")
    return table.assign(reference=groups["minus"].first())


def test_every_method_was_measured_on_every_set():
    seeds = read("accuracy").groupby(["dataset", "method"])["seed"].nunique().unstack("dataset")
    assert list(seeds.index.sort_values()) == sorted(accuracy.tuned("mfeat"))
    assert sorted(seeds) == sorted(accuracy.DATASETS)
    assert (seeds.loc[accuracy.DETERMINISTIC] == 1).all(axis=None)
    assert (seeds.drop(accuracy.DETERMINISTIC) == N_SEEDS).all(axis=None)


def test_pool_has_the_least_log_loss_everywhere(means):
    assert set(means.loc["log_loss"].idxmin()) == {POOL}


def test_pool_is_ahead_on_three_sets_and_nowhere_behind(apart):
    pool = apart.loc["best baseline"].loc[POOL]
    assert len(pool) == 6
    assert (pool["mean"] > -pool["se"]).all()
    assert pool["mean"].idxmin() == "occupancy"
    assert -0.02 < pool.loc["occupancy", "mean"] < -0.01
    ahead = pool.index[pool["mean"] > pool["se"]]
    assert sorted(ahead) == ["avdigits", "avdigits_weakimage", "leaves100"]


def test_best_baselines(apart):
    best = apart.loc["best baseline"].loc[POOL]["reference"]
    assert best["occupancy"] == "light alone, extra trees"
    assert best["dermatology"] == "concatenation, extra trees"
    networks = ("late fusion of networks", "late fusion, a loss per modality", "joint")
    for name in ("mfeat", "leaves100", "avdigits", "avdigits_weakimage"):
        assert best[name].startswith(networks)


def test_joint_training_is_behind_logistic_regression_and_gains_by_losses_of_modalities(means):
    accuracies = means.loc["accuracy"]
    behind = accuracies.loc["joint"] < accuracies.loc["concatenation, LR"]
    assert behind.sum() == 5
    gain = accuracies.loc["joint, a loss per modality"] - accuracies.loc["joint"]
    assert (gain > 0).all()
    loss = means.loc["log_loss", :]["occupancy"]
    assert loss["joint, a loss per modality"] > loss["joint"] + 0.03


def test_no_method_is_ahead_of_the_best_baseline(apart):
    for method in METHODS:
        held = apart.loc["best baseline"].loc[method]
        assert (held["mean"] < held["se"]).all()


def test_methods_and_their_controls(apart):
    control = apart.loc["control"]
    boosting = control.loc["boosting"]
    assert boosting.loc["avdigits_weakimage", "mean"] > 2 * boosting.loc["avdigits_weakimage", "se"]
    assert 0.025 < boosting.loc["avdigits_weakimage", "mean"] < 0.035
    assert boosting.loc["leaves100", "mean"] < -boosting.loc["leaves100", "se"]
    negative = control.loc["negative learning"]
    assert (negative["mean"] < negative["se"]).all()
    remixing = control.loc["remixing"]["mean"]
    assert (remixing[["avdigits", "avdigits_weakimage"]] > 0).all()
    assert remixing.max() < 0.01
    assert -0.015 < remixing["leaves100"] < -0.005


def test_a_weak_modality_starves_in_joint_training(means):
    weakest = means.loc["weakest"]
    own = weakest.loc["late fusion of networks"]
    assert round(100 * own["mfeat"]) == 74
    assert 0.45 < own["leaves100"] < 0.5
    assert round(100 * weakest.loc["joint", "mfeat"]) == 40
    assert round(100 * weakest.loc["joint", "leaves100"]) == 7


def test_missing_modalities_and_noise(means):
    missing = means.loc["missing 30%"].drop(index="ARM")
    ranks = missing.rank(ascending=False).mean(axis=1)
    assert set(ranks.nsmallest(3).index) >= {POOL, "late fusion, a loss per modality"}
    loss = (means.loc["accuracy"] - missing).mean(axis=1).dropna()
    late = loss[[POOL, "late fusion, a loss per modality"]].max()
    others = loss[[name for name in loss.index if name.startswith(("concatenation", "joint"))]]
    assert (others > late).all()
    noise = means.loc["noise 1"]
    assert (noise.loc["joint, a loss per modality"] > noise.loc[POOL]).sum() >= 4


def test_everything_that_fuses_loses_to_a_single_sensor_of_occupancy(apart):
    held = apart.loc["best baseline"].xs("occupancy", level="dataset")["mean"]
    assert (held < 0).all()


def test_late_fusions_of_learners_are_badly_calibrated(means):
    error = means.loc["calibration_error"]
    learners = error.loc[[f"late fusion, {name}" for name in LEARNERS]]
    assert (learners.min() > error.loc[[POOL, "joint", "late fusion of networks"]].max()).all()


def test_joint_network_as_it_comes(means, apart):
    best = apart.loc["best baseline"].loc[POOL]["reference"]
    assert best["avdigits_weakimage"] == "joint, as it comes"
    ten = read("default_networks").query("dataset == 'avdigits_weakimage' and metric == 'accuracy'")
    ten = ten.groupby(["method", "seed"])["value"].mean().unstack("method")
    level = ten["late fusion of networks"] - ten["MultimodalClassifier()"]
    assert len(level) == 10
    assert abs(level.mean()) < 1.5 * level.sem()
    loss = means.loc["log_loss"]
    tuned = loss.loc[["joint", "joint, transformer", "joint, a loss per modality"]]
    ahead = loss.loc["joint, as it comes"] < tuned.min()
    assert ahead.index[~ahead].tolist() == ["occupancy"]
    networks = loss.loc[[name for name in loss.index if name.startswith("joint")]]
    assert networks["occupancy"].idxmax() == "joint, as it comes"
    missing = means.loc["missing 30%"]
    joint = missing.loc[[name for name in missing.index if name.startswith("joint")]]
    assert set(joint.idxmax()) == {"joint, as it comes"}
    percents = (100 * joint["leaves100"]).round().drop("joint, as it comes")
    assert round(100 * joint.loc["joint, as it comes", "leaves100"]) == 89
    assert (percents.min(), percents.max()) == (60, 68)
