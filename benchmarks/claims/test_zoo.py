"""What the page "Every method beside its control" says of the zoo's record."""

import pandas as pd
import pytest
from _protocols import JUDGED_BY, read
from _zoo_tables import FEWER
from scipy.stats import friedmanchisquare
from zoo import CONTROLS, VALUES, leaders

LATE, LATE_WITH = "late fusion, unimodal_weight=0", "late fusion, unimodal_weight=1"
PLAIN = ["joint", "joint, a loss per modality", LATE, LATE_WITH]


@pytest.fixture(scope="module")
def record():
    return read("zoo_record")


@pytest.fixture(scope="module")
def cells():
    """Cells in which a method is ahead of its control in accuracy, level with it, behind."""
    counts = read("zoo_record_counts")
    counts = counts[(counts["metric"] == "accuracy") & counts["method"].isin(list(VALUES))]
    return counts.pivot(index="method", columns="verdict", values="value")


@pytest.fixture(scope="module")
def points():
    """Points of accuracy above the control over both optimisers, where they are sure."""
    apart = read("zoo_record_differences")
    apart = apart[(apart["metric"] == "accuracy") & apart["method"].isin(list(VALUES))]
    gains = (100 * apart["value"]).groupby([apart["method"], apart["dataset"]])
    mean, error = gains.mean(), gains.sem()
    return mean.where((mean.abs() > 2 * error) & (mean.abs() >= 1)).dropna()


@pytest.fixture(scope="module")
def losses(record):
    """Mean log-loss, by method and set."""
    rows = record[record["metric"] == "log_loss"]
    return rows.pivot_table(index="method", columns="dataset", values="value")


@pytest.fixture(scope="module")
def accuracy(record):
    """Mean accuracy in percent, by method and set."""
    rows = record[record["metric"] == [JUDGED_BY.get(d, "accuracy") for d in record["dataset"]]]
    return 100 * rows.pivot_table(index="method", columns="dataset", values="value")


@pytest.fixture(scope="module")
def closed():
    """Share of the starved modality's gap that is closed, by method, set and optimiser."""
    rows = read("zoo_record_starved")
    rows = rows[(rows["figure"] == "gap closed") & (rows["measured"] == "by itself")]
    return rows.pivot_table(index="method", columns=["dataset", "optimiser"], values="value")


def test_every_method_has_three_seeds_on_five_sets_with_two_optimisers(record):
    rows = record[(record["metric"] == "log_loss") & record["method"].str.contains(" / ")]
    assert (rows.groupby(["method", "dataset"])["seed"].nunique() == 3).all()
    methods = set(rows["method"])
    assert {f"{name} / {way}" for name in VALUES for way in ("AdamW", "SGD")} <= methods
    assert rows["dataset"].nunique() == 5


def test_most_methods_are_their_control(cells):
    assert len(cells) == 26
    assert (cells["level"] >= 5).sum() == 22
    oftener = cells["ahead"] - cells["behind"]
    assert list(cells.index[oftener >= 3]) == [
        "Independent",
        "LFM",
        "MIDAS",
        "MLA",
        "MMPareto",
        "ModalityDropout",
        "SustainedBoosting",
    ]
    assert list(cells.index[oftener < 0]) == ["DGL", "Greedy", "MCR", "MMCosine", "OPM"]
    assert list(cells.index[cells["behind"] == 0]) == ["LFM", "MLA", "MMPareto"]


def test_what_gains_most_gains_on_late_fusion_without_losses(points, accuracy):
    three = ["Independent", "LFM", "SustainedBoosting"]
    assert {CONTROLS[name] for name in three} == {LATE}
    assert points.loc[three].xs("avdigits", level="dataset").between(3, 6).all()
    late = accuracy.loc[f"{LATE_WITH} / AdamW"]
    ahead = accuracy.loc[[f"{name} / AdamW" for name in three]].sub(late).max()
    assert 0 < ahead["avdigits"] < 1
    assert 1.5 < ahead["avdigits_weakimage"] < 2.5
    assert 5 < points["MIDAS", "avdigits_weakimage"] < 6
    assert -2.5 < points["MIDAS", "occupancy"] < -2


def test_nothing_helps_everywhere(points):
    assert ((points > 0).sum(), (points < 0).sum()) == (13, 3)
    assert -14.5 < points["Independent", "occupancy"] < -13.5


@pytest.mark.parametrize(("optimiser", "p_value"), [("AdamW", 0.5), ("SGD", 0.09)])
def test_ranks_tell_no_network_from_another(losses, optimiser, p_value):
    names = [f"{name} / {optimiser}" for name in [*VALUES, *PLAIN]]
    assert len(names) == 30
    found = friedmanchisquare(*losses.loc[names].to_numpy())
    assert float(f"{found.pvalue:.1g}") == p_value


def test_a_loss_per_modality_closes_most_of_the_gap(closed):
    plain = closed.loc["joint, a loss per modality"]
    assert plain.min() > 0.88
    assert closed.loc[closed.index.isin(list(VALUES))].max().max() < 1.18
    without = closed.loc[["AGM", "Greedy", LATE]].mean(axis=1)
    assert (without < 0.5).all()
    said = read("zoo_record_starved")
    said = said[(said["measured"] == "by itself") & (said["optimiser"] == "AdamW")]
    said = 100 * said[said["figure"] == "accuracy"].pivot_table(
        index="method", columns=["dataset", "modality"], values="value"
    )
    found = said[[("leaves100", "margin"), ("avdigits_weakimage", "image")]].round()
    assert found.loc["joint"].tolist() == [19, 44]
    assert found.loc["Independent"].tolist() == [75, 65]


def test_adamw_is_the_better_optimiser_for_most(losses):
    better = pd.Series(0, index=losses.columns)
    for name in VALUES:
        better += losses.loc[f"{name} / AdamW"] < losses.loc[f"{name} / SGD"]
    assert better.loc[["avdigits", "avdigits_weakimage"]].tolist() == [23, 22]
    assert better.drop(["avdigits", "avdigits_weakimage"]).between(14, 17).all()


def test_the_pool_is_ahead_of_all_networks_and_logistic_regression_of_most(losses):
    networks = losses[losses.index.str.contains(" / ")]
    assert len(networks) == 98
    assert (networks > losses.loc["opinion pool"]).all().all()
    better = networks.lt(losses.loc["concatenation, LR"]).sum()
    assert better[["avdigits", "avdigits_weakimage"]].tolist() == [9, 3]
    mean_rank = networks.rank().mean(axis=1)
    assert mean_rank.idxmin() == "LFM / AdamW"


def test_three_candidates_of_one_method_diverged(record):
    diverged = record[(record["metric"] == "diverged") & (record["value"] == 3)]
    assert diverged[["dataset", "method"]].to_numpy().tolist() == [
        ["avdigits_weakimage", "Greedy / SGD"]
    ]


def test_equal_passes_are_as_many_epochs_fewer(record):
    methods = {m.split(FEWER)[0] for m in record["method"] if FEWER in m}
    passes = read("zoo_passes").set_index("method")["value"]
    assert methods == set(passes.index[passes > 1.1])


# -- on images and sound -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def images():
    """Mean accuracy in percent, by method and set, of convolutional networks."""
    rows = read("zoo_images")
    rows = rows[rows["metric"] == "accuracy"].assign(dataset=rows["dataset"].str.split(":").str[0])
    return 100 * rows.pivot_table(index="method", columns="dataset", values="value")


def test_the_leaders_are_those_of_the_record(losses):
    measured = read("zoo_images")
    assert set(leaders()) <= set(measured["method"].str.partition(" / ")[0])
    assert set(measured["seed"]) == {0, 1, 2}


def test_plain_joint_training_is_worst_on_images(images):
    own = images["avdigits"].round()
    assert own[["joint / AdamW", "joint / SGD"]].tolist() == [90, 78]
    assert own[[f"{LATE_WITH} / AdamW", f"{LATE_WITH} / SGD"]].tolist() == [96, 96]
    with_adamw = images[images.index.str.endswith("AdamW")]
    assert with_adamw["avdigits"].idxmin() == "joint / AdamW"


def test_boosting_leads_with_adamw_and_relearning_with_sgd(images):
    ways = {way: images[images.index.str.endswith(way)] for way in ("AdamW", "SGD")}
    assert ways["AdamW"]["avdigits"].idxmax() == "SustainedBoosting / AdamW"
    assert round(images.loc["SustainedBoosting / AdamW", "avdigits"]) == 97
    apart = read("zoo_images_differences")
    apart = apart[(apart["metric"] == "accuracy") & (apart["method"] == "SustainedBoosting")]
    gain = 100 * apart.groupby(["dataset", "optimiser"])["value"].mean()
    assert 7 < gain["avdigits:raw", "AdamW"] < 7.5
    late = images.loc["SustainedBoosting / AdamW"] - images.loc[f"{LATE_WITH} / AdamW"]
    assert 1.4 < late["avdigits"] < 1.8
    near = ["LFM", "SustainedBoosting", "Relearning", "Independent", "NegativeLearning"]
    assert images.loc[[f"{m} / AdamW" for m in near], "avdigits_weakimage"].between(79.9, 82).all()
    assert round(images.loc[f"{LATE_WITH} / AdamW", "avdigits_weakimage"]) == 78
    assert (ways["SGD"].idxmax() == "Relearning / SGD").all()
    assert (ways["SGD"].idxmin() == "SustainedBoosting / SGD").all()
    assert images.loc["Relearning / SGD"].round().tolist() == [98, 83]
    assert images.loc[f"{CONTROLS['Relearning']} / SGD"].round().tolist() == [92, 78]


def test_the_image_starves_on_its_way_to_the_class():
    rows = read("zoo_images_starved")
    assert set(rows["modality"]) == {"image"}
    own = rows[(rows["figure"] == "accuracy") & (rows["dataset"] == "avdigits:raw")]
    own = own[own["optimiser"] == "AdamW"]
    mean = (100 * own.groupby(["measured", "method"])["value"].mean()).round()
    assert mean["by itself"][["joint", "Independent"]].tolist() == [58, 95]
    assert mean["linear probe", "joint"] == 94
    closed = rows[(rows["figure"] == "gap closed") & (rows["measured"] == "by itself")]
    plain = closed[closed["method"] == "joint, a loss per modality"]["value"]
    assert len(plain) == 4
    assert plain.min() > 0.885
