"""What the user guide says of the opinion pool is what its data file says."""

import numpy as np
import pytest
from _protocols import read

SETS = ["mfeat", "avdigits", "avdigits_weakimage", "occupancy", "leaves100", "dermatology"]


@pytest.fixture(scope="module")
def differences():
    """Pool minus best baseline: mean and standard error over folds, by set."""
    proof = read("opinion_pool_proof")
    wide = proof.pivot_table(index=["dataset", "fold"], columns="method", values="value")
    apart = (wide["opinion pool"] - wide["best baseline"]).groupby("dataset")
    return apart.agg(mean="mean", se=lambda v: v.std(ddof=1) / np.sqrt(len(v)))


def test_pool_is_nowhere_below_the_best_baseline_by_a_standard_error(differences):
    assert sorted(differences.index) == sorted(SETS)
    assert (differences["mean"] > -differences["se"]).all()


def test_pool_is_ahead_on_three_sets(differences):
    ahead = differences.index[differences["mean"] > differences["se"]]
    assert sorted(ahead) == ["avdigits", "avdigits_weakimage", "leaves100"]
    assert differences["mean"].idxmax() == "avdigits_weakimage"
    assert 0 < differences.loc["mfeat", "mean"] < differences.loc["mfeat", "se"]


def test_pool_is_measured_with_five_seeds():
    seeds = read("opinion_pool").groupby(["dataset", "method"])["seed"].nunique().unstack("dataset")
    assert set(seeds.loc["opinion pool"]) == {5}
    fixed = seeds.index.str.endswith((", LR", ", SVM"))
    assert set(seeds[fixed].stack()) == {1}
    assert set(seeds[~fixed].stack().dropna()) == {5}
