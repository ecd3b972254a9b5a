"""The record of the pool as it comes: whole, and told as it is."""

import numpy as np
import pytest
from _pool_tables import BEST, FIGURES, VERDICTS, beside_baselines, counts, verdict
from _protocols import read
from _record_tables import POOL
from pool_record import SETS


@pytest.fixture(scope="module")
def record():
    return read("pool_record")


def test_record_has_all_sets_with_three_seeds_of_the_pool(record):
    assert list(dict.fromkeys(record["dataset"])) == SETS
    seeds = record[record["method"] == POOL].groupby("dataset")["seed"].nunique()
    assert set(seeds) == {3}


def test_every_method_has_every_fold_of_the_pool(record):
    loss = record[record["metric"] == "log_loss"]
    folds = loss.groupby(["dataset", "method"])["fold"].nunique().unstack("method")
    assert (folds.sub(folds[POOL], axis=0).stack().dropna() == 0).all()
    assert "stacking" in folds


@pytest.mark.parametrize(
    ("name", "derive"),
    [("pool_record_differences", beside_baselines), ("pool_record_counts", counts)],
)
def test_a_derived_table_is_that_of_the_record(record, name, derive):
    keys = [c for c in derive(record) if c != "value"]
    there, anew = read(name).set_index(keys)["value"], derive(record).set_index(keys)["value"]
    assert list(there.index) == list(anew.index)
    np.testing.assert_allclose(there, anew, rtol=1e-5, atol=1e-6)


def test_counts_are_of_all_sets(record):
    table = counts(record)
    best = table[table["method"] == BEST].groupby("metric")["value"].sum()
    assert best.to_dict() == dict.fromkeys(FIGURES, len(SETS))


# -- what the guide says ---------------------------------------------------------------------------


def _gains(record, figure, dataset, method):
    """What a method is better by than the best baseline in hindsight, fold by fold."""
    folds = record[(record["metric"] == figure) & (record["dataset"] == dataset)]
    cells = folds.groupby(["method", "fold"])["value"].mean().unstack("method")
    table = beside_baselines(record)
    own = table[(table["metric"] == figure) & (table["dataset"] == dataset)]
    best = own[own["method"] == "best baseline"].set_index("fold")["value"]
    return FIGURES[figure] * (cells[method] - best)


def _number(table, method, figure, which):
    kept = table[(table["method"] == method) & (table["metric"] == figure)]
    return kept.set_index("verdict").loc[which, "value"]


def test_no_baseline_that_one_could_have_chosen_comes_near(record):
    table = counts(record)
    fixed = [m for m in dict.fromkeys(table["method"]) if m != BEST and not m.startswith(POOL)]
    assert "stacking" in fixed
    for method in fixed:
        assert _number(table, method, "log_loss", "ahead") >= 8
    assert _number(table, "stacking", "log_loss", "ahead") == 9


def test_beside_the_best_in_hindsight(record):
    table = counts(record)
    found = {
        (figure, which): _number(table, BEST, figure, which)
        for figure in FIGURES
        for which in ("ahead", "behind")
    }
    assert found == {
        ("balanced_accuracy", "ahead"): 5,
        ("balanced_accuracy", "behind"): 4,
        ("log_loss", "ahead"): 7,
        ("log_loss", "behind"): 2,
    }


def test_hydraulic_ts_is_lost_where_nobody_says_what_the_order_means(record):
    for dataset, points in (("hydraulic_ts", 11), ("hydraulic_ts:blocks", 2)):
        gains = _gains(record, "balanced_accuracy", dataset, POOL)
        assert gains.mean() == pytest.approx(-points / 100, abs=0.006)
        assert verdict(_gains(record, "log_loss", dataset, POOL)) == "behind"
    told = f"{POOL}, shuffled folds"
    assert verdict(_gains(record, "balanced_accuracy", "hydraulic_ts", told)) == "level"
    assert verdict(_gains(record, "log_loss", "hydraulic_ts", told)) == "ahead"
    loss = record[(record["dataset"] == "hydraulic_ts:blocks") & (record["metric"] == "log_loss")]
    mean = loss.groupby("method")["value"].mean()
    assert mean[told] - mean[POOL] == pytest.approx(2.7, abs=0.05)


def test_wesad_wrist_is_lost_in_balanced_accuracy_alone(record):
    gains = _gains(record, "balanced_accuracy", "wesad_wrist", POOL)
    assert gains.mean() == pytest.approx(-0.04, abs=0.005)
    assert verdict(_gains(record, "log_loss", "wesad_wrist", POOL)) == "level"
    asked = _gains(record, "balanced_accuracy", "wesad_wrist", f"{POOL}, balanced classes")
    assert verdict(asked) == "level"


def test_cremad_is_lost_by_less_than_a_point_and_won_in_log_loss(record):
    gains = _gains(record, "balanced_accuracy", "cremad_feat_ogmge", POOL)
    assert gains.mean() == pytest.approx(-0.007, abs=0.0005)
    assert verdict(gains) == "behind"
    assert verdict(_gains(record, "log_loss", "cremad_feat_ogmge", POOL)) == "ahead"


def test_beside_autogluon_in_the_same_seconds():
    peers = read("pool_peers")
    table = counts(peers)
    found = {which: _number(table, "AutoGluon", "log_loss", which) for which in VERDICTS}
    assert found == {"ahead": 10, "level": 1, "behind": 1}
    for dataset, told in (("hydraulic_ts", "behind"), ("wesad_wrist", "level")):
        own = peers[(peers["dataset"] == dataset) & (peers["metric"] == "log_loss")]
        cells = own.pivot_table(index="fold", columns="method", values="value")
        assert verdict(cells["AutoGluon"] - cells[POOL]) == told


def test_the_pool_takes_more_seconds_than_autogluon_on_four_sets(record):
    peers = read("pool_peers")
    took = peers[peers["metric"] == "cpu_seconds"]
    mean = took.groupby(["dataset", "method"])["value"].mean().unstack("method")
    assert len(mean) == len(SETS) == 12
    longer = mean[mean[POOL] > mean["AutoGluon"]].round(1)
    assert {name: (row[POOL], row["AutoGluon"]) for name, row in longer.iterrows()} == {
        "avdigits": (32.0, 25.9),
        "hydraulic_ts": (47.9, 31.5),
        "mfeat": (22.3, 21.3),
        "occupancy": (26.8, 23.3),
    }


def test_the_seed_of_the_comparison_took_longer_than_others_on_three_of_the_four(record):
    peers = read("pool_peers")
    assert set(peers["seed"]) == {0}
    took = record[(record["method"] == POOL) & (record["metric"] == "cpu_seconds")]
    limits = took.groupby("dataset")["value"].mean().round()
    seeds = took.groupby(["dataset", "seed"])["value"].mean().unstack("seed")
    for dataset in ("avdigits", "hydraulic_ts", "mfeat"):
        assert seeds.loc[dataset, 0] > limits[dataset]
        assert (seeds.loc[dataset, [1, 2]] < 1.01 * limits[dataset]).all()
        assert (seeds.loc[dataset, [1, 2]] < seeds.loc[dataset, 0]).all()
    folds = took[took["dataset"] == "hydraulic_ts"].pivot(
        index="fold", columns="seed", values="value"
    )
    longer = folds[0] / folds[[1, 2]].mean(axis=1)
    assert round(longer.max()) == 7
    clock = record[(record["method"] == POOL) & (record["metric"] == "seconds")]
    busy = clock[(clock["dataset"] == "hydraulic_ts") & (clock["seed"] == 0)]
    waited = busy.set_index("fold")["value"] / folds[0]
    assert round(waited[longer.idxmax()]) == 4
    theirs = peers[(peers["method"] == "AutoGluon") & (peers["metric"] == "cpu_seconds")]
    mean = theirs.groupby("dataset")["value"].mean()
    assert mean["occupancy"] < limits["occupancy"] - 3
    assert (mean.drop("occupancy") > limits.drop("occupancy")).all()


# -- networks among its experts --------------------------------------------------------------------

TWO = f"{POOL} and two networks"


@pytest.fixture(scope="module")
def networks():
    return read("pool_networks")


def test_networks_are_measured_on_the_folds_of_all_sets(networks):
    loss = networks[networks["metric"] == "log_loss"]
    folds = loss.groupby(["dataset", "method"])["fold"].nunique().unstack("method")
    assert set(folds.index) == set(SETS)
    assert (folds.sub(folds[POOL], axis=0) == 0).all(axis=None)


def test_networks_lower_the_loss_on_seven_sets_and_raise_it_on_one(networks):
    table = counts(networks)
    keys = [c for c in table if c != "value"]
    there = read("pool_networks_counts").set_index(keys)["value"]
    np.testing.assert_array_equal(there, table.set_index(keys)["value"].loc[there.index])
    assert _number(table, TWO, "log_loss", "behind") == 7
    assert _number(table, TWO, "log_loss", "ahead") == 1


def test_most_of_what_networks_add_is_little(networks):
    means = networks.groupby(["metric", "dataset", "method"])["value"].mean().unstack("method")
    share = 100 * (1 - means.loc["log_loss", TWO] / means.loc["log_loss", POOL])
    told = {"landuse21": 6, "avdigits": 9, "mfeat": -8}
    assert share[list(told)].round().to_dict() == told
    assert (share.drop(list(told)).abs() < 4).all()
    points = means.loc["balanced_accuracy"].loc["landuse21"]
    assert points[TWO] - points[POOL] == pytest.approx(0.017, abs=0.0005)
    times = means.loc["cpu_seconds", TWO] / means.loc["cpu_seconds", POOL]
    assert 5 < times.max() < 6
