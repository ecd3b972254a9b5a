"""What the user guide says of the opinion pool is what its data file says."""

import numpy as np
import pytest
from _protocols import read

SETS = ["mfeat", "avdigits", "avdigits_weakimage", "occupancy", "leaves100", "dermatology"]


@pytest.fixture(scope="module")
def differences():
    """Pool minus best floor: mean and standard error over folds, by set."""
    proof = read("opinion_pool_proof")
    wide = proof.pivot_table(index=["dataset", "fold"], columns="method", values="value")
    apart = (wide["opinion pool"] - wide["best floor"]).groupby("dataset")
    return apart.agg(mean="mean", se=lambda v: v.std(ddof=1) / np.sqrt(len(v)))


def test_pool_is_nowhere_below_the_best_floor_by_a_standard_error(differences):
    assert sorted(differences.index) == sorted(SETS)
    assert (differences["mean"] > -differences["se"]).all()


def test_pool_is_ahead_on_four_sets(differences):
    ahead = differences.index[differences["mean"] > differences["se"]]
    assert sorted(ahead) == ["avdigits", "avdigits_weakimage", "leaves100", "mfeat"]
