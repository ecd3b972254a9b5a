"""What the user guide says of the networks' shared defaults is what their data files say."""

import numpy as np
import pytest
from _protocols import read, summary

from sk_mmbalance import MultimodalClassifier
from sk_mmbalance.balancing import Balancing

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
    assert MultimodalClassifier().unimodal_weight == "auto"
    assert mean.idxmin() == Balancing().control()["unimodal_weight"]
    assert mean.min() < 0.75 * mean[0.0]


def test_half_or_more_is_better_than_none_everywhere_but_on_occupancy(loss):
    others = loss.drop(columns="occupancy")
    assert (others.loc[[0.5, 1.0, 2.0]] < others.loc[0.0]).all(axis=None)
    assert np.ptp(loss["occupancy"]) < 0.001


def test_no_other_shared_setting_is_better_over_all_sets():
    ratios = read("neural_defaults_ratios")
    assert set(ratios.groupby(["setting", "dataset"]).size()) == {3}
    cells = ratios.groupby(["setting", "dataset"])["value"].agg(["mean", "sem"]).unstack("setting")
    mean, error = cells["mean"], cells["sem"]
    assert sorted(mean.index) == sorted([*SETS, "all"])
    assert (mean.loc["all"] > 1 - error.loc["all"]).all()
    assert mean["weight_decay=0.01"].sub(1).abs().max() < 0.03
    assert (mean["cosine schedule"] > 1).all()
    assert mean["cosine schedule"].idxmax() == "leaves100"
    dropout = mean["dropout=0.2"]
    assert dropout["avdigits"] < 0.82
    assert dropout["avdigits_weakimage"] < 0.87
    assert 1.35 < dropout["leaves100"] < 1.5
    wide = mean["hidden 128"] + error["hidden 128"]
    assert [name for name in SETS if wide[name] < 0.99] == ["occupancy"]


def test_holding_out_costs_most_where_rows_are_few():
    loss = summary(read("neural_early_stopping"), "log_loss").xs("mean", axis=1, level=1)
    parts = loss.index.str.rsplit(", ", n=1, expand=True)
    loss.index = parts
    ratio = loss.xs("best epoch", level=1) / loss.xs("all rows", level=1)
    few = ratio.loc[["joint, 250 rows", "late, 250 rows"]]
    assert (few > 1.03).all(axis=None)
    assert 1.25 < few.max().max() < 1.34
    middle = ratio.loc[["joint, 500 rows", "late, 500 rows"]]
    assert 1.75 < middle.loc["late, 500 rows", "leaves100"] < 1.85
    assert middle.stack().nlargest(2).iloc[1] < 1.26
    many = ratio.loc[["joint, 1000 rows", "late, 1000 rows"]].drop(columns="leaves100")
    assert many.min().min() > 0.9
    assert many.max().max() < 1.21
    right = summary(read("neural_early_stopping")).xs("mean", axis=1, level=1)
    right.index = parts
    cost = right.xs("all rows", level=1) - right.xs("best epoch", level=1)
    assert (cost.loc[many.index, list(many)] < 0.005).all(axis=None)
    assert 0.025 < cost.loc[few.index].max().max() < 0.031


def test_holding_out_pays_on_new_speakers_where_a_modality_overfits():
    frame = read("neural_holding_out")
    assert set(frame.groupby(["dataset", "method"])["seed"].nunique()) == {3}
    right, loss = (
        summary(frame, metric).xs("mean", axis=1, level=1) for metric in ("accuracy", "log_loss")
    )
    for network in ("joint", "late"):
        best, whole = f"{network}, best epoch", f"{network}, all rows"
        gain = right.loc[best] - right.loc[whole]
        assert 0.01 < gain["avdigits_weakimage"] < 0.035
        ratio = loss.loc[best] / loss.loc[whole]
        assert 0.55 < ratio["avdigits_weakimage"] < 0.72
        assert (
            (ratio[["avdigits", "occupancy"]] < 1) & (ratio > 0.8)[["avdigits", "occupancy"]]
        ).all()
        assert 1.55 < ratio["leaves100"] < 1.85


def test_small_batches_hurt_on_new_days():
    frame = read("neural_batch_size")
    assert set(frame.groupby("method")["seed"].nunique()) == {3}
    mean = summary(frame)["occupancy"]["mean"]
    apart = {size: mean[f"plain joint, {size} rows"] for size in (64, 256)}
    behind = {size: apart[size] - mean[f"negative learning, {size} rows"] for size in (64, 256)}
    assert 0.03 < behind[64] < 0.05
    assert abs(behind[256]) < 0.005
    for name in ("plain joint", "remixing"):
        assert 0 < mean[f"{name}, 64 rows"] - mean[f"{name}, 256 rows"] < 0.01
    loss = summary(frame, "log_loss")["occupancy"]["mean"]
    for name in ("joint", "late", "negative learning", "remixing", "boosting", "plain joint"):
        assert loss[f"{name}, 256 rows"] < loss[f"{name}, 64 rows"]
        if name in ("late", "boosting"):
            assert 0.02 < mean[f"{name}, 256 rows"] - mean[f"{name}, 64 rows"] < 0.035


@pytest.fixture(scope="module")
def tables():
    """Log-loss of joint networks, one change after the other, by set."""
    frame = read("neural_tables")
    seeds = frame.groupby(["dataset", "method"])["seed"].nunique().unstack("dataset")
    assert set(seeds.drop(["LR, all columns", "LR, late fusion"]).stack()) == {3}
    loss = summary(frame, "log_loss").xs("mean", axis=1, level=1)
    assert loss.shape == (6, 11)
    return loss


def test_wide_tables_of_few_rows_lose_a_third_of_their_loss_by_rows_held_out(tables):
    ratio = tables.loc["a tenth held out"] / tables.loc["before"]
    assert (ratio[["cremad_feat_ogmge", "prokaryotic"]] < 2 / 3).all()
    few = ["dermatology", "wesad_wrist"]
    assert ratio[few].between(1, 1.1).all()
    assert (ratio.drop(["cremad_feat_ogmge", "prokaryotic", *few]) == 1).all()


def test_default_network_beside_logistic_regressions(tables):
    """As it comes: rows held out from 250 on, and dermatology's folds have fewer."""
    default = tables.loc["a tenth held out"].copy()
    default["dermatology"] = tables.loc["before", "dermatology"]
    ratio = default / tables.loc[["LR, all columns", "LR, late fusion"]].min()
    assert sorted(ratio.index[ratio > 1.05]) == ["occupancy", "wesad_wrist"]
    assert 1.28 < ratio["occupancy"] < 1.36
    assert 1.12 < ratio["wesad_wrist"] < 1.17


def test_default_network_beside_the_best_baseline_of_the_pools_record():
    tables = summary(read("neural_tables"), "balanced_accuracy").xs("mean", axis=1, level=1)
    default = tables.loc["a tenth held out"].copy()
    default["dermatology"] = tables.loc["before", "dermatology"]
    record = summary(read("pool_record"), "balanced_accuracy").xs("mean", axis=1, level=1)
    baselines = record[~record.index.str.startswith("opinion pool")][default.index]
    behind = baselines.max() - default
    far = {
        "hydraulic_ts": (0.48, 0.89, "concatenation, extra trees", 0.60),
        "prokaryotic": (0.65, 0.89, "stacking", 0.74),
        "wesad_wrist": (0.55, 0.64, "concatenation, extra trees", 0.63),
    }
    assert set(behind.index[behind > 0.03]) == set(far)
    for name, (ours, theirs, learner, scores) in far.items():
        assert default[name] == pytest.approx(ours, abs=0.005)
        assert baselines[name].idxmax() == learner
        assert baselines[name].max() == pytest.approx(theirs, abs=0.005)
        assert tables.loc["and normal scores", name] == pytest.approx(scores, abs=0.005)


def test_normal_scores_cut_the_loss_of_three_sets_and_raise_that_of_two(tables):
    ratio = tables.loc["and normal scores"] / tables.loc["a tenth held out"]
    assert sorted(ratio.index[ratio < 0.8]) == ["hydraulic_ts", "prokaryotic", "wesad_wrist"]
    assert 1.2 < ratio["avdigits_weakimage"] < 1.25
    assert 1.8 < ratio["occupancy"] < 1.95


def test_three_networks_are_better_than_one_on_most_sets(tables):
    better = tables.loc["mean of three"] < tables.loc["and normal scores"]
    assert better.sum() == 10
