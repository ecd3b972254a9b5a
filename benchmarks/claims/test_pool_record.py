"""The record of the pool as it comes: whole, and told as it is."""

import numpy as np
import pytest
from _pool_tables import BEST, FIGURES, beside_baselines, counts
from _protocols import read, table_file
from _record_tables import POOL
from pool_record import SETS

pytestmark = pytest.mark.skipif(
    not table_file("pool_record").exists(), reason="the record is still being measured"
)


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
