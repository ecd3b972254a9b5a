"""Means by blocks, and which replies are refused."""

import numpy as np
import pytest

from sk_mmbalance.federated import FedAvg, FedCMI, Reply, Task, split_by_modality
from sk_mmbalance.federated._aggregation import weighted_means
from sk_mmbalance.federated._refusal import why_refuse

STATE = {
    "backbones.m_a.0.weight": np.array([1.0, 2.0]),
    "backbones.m_b.0.weight": np.array([5.0]),
    "fusion.bias": np.array([0.5]),
}


def test_mean_is_weighted_with_the_rows_of_those_who_bring_a_block():
    updates = [
        (10, {"backbones.m_a.0.weight": np.array([4.0, 8.0]), "fusion.bias": np.array([1.0])}),
        (30, {"fusion.bias": np.array([3.0])}),
    ]
    new = weighted_means(STATE, updates)
    np.testing.assert_allclose(new["backbones.m_a.0.weight"], [4.0, 8.0])
    np.testing.assert_allclose(new["fusion.bias"], [(10 * 1 + 30 * 3) / 40])


def test_block_that_nobody_brings_stays_to_the_bit():
    new = weighted_means(STATE, [(3, {"fusion.bias": np.array([9.0])})])
    np.testing.assert_array_equal(new["backbones.m_b.0.weight"], [5.0])


def test_equal_clients_give_the_plain_mean():
    rng = np.random.default_rng(0)
    arrays = rng.normal(size=(4, 3))
    new = weighted_means({"w": np.zeros(3)}, [(7, {"w": a}) for a in arrays])
    np.testing.assert_allclose(new["w"], arrays.mean(axis=0))


def test_entry_that_no_client_moved_stays_to_the_bit():
    w = np.random.default_rng(0).normal(size=50)
    new = weighted_means({"w": w}, [(n, {"w": w.copy()}) for n in (1, 3, 7)])
    np.testing.assert_array_equal(new["w"], w)


def test_integer_buffers_are_copied_and_stay_integers():
    old = {"n": np.array(3, dtype=np.int64)}
    new = weighted_means(old, [(1, {"n": np.array(5)}), (100, {"n": np.array(8)})])
    assert new["n"].dtype == np.int64
    assert new["n"] == 8


@pytest.mark.parametrize("method", [FedAvg(feature_dim=4), FedCMI(feature_dim=4)])
def test_every_weight_is_in_one_block_and_the_fusion_in_the_shared_one(method):
    task = Task({"x.y": (3,), "type": (2,)}, (0, 1))
    keys = list(method.build(task).state_dict())
    blocks = split_by_modality(keys, task.names)
    assert sorted(key for block in blocks.values() for key in block) == sorted(keys)
    assert set(blocks) == {"", "type", "x.y"}
    assert all(key.startswith("fusion.") for key in blocks[""])
    assert len(blocks["type"]) == len(blocks["x.y"]) > 0


def reply(**changes):
    about = {"n": 5.0, "modalities": ["a"], "loss": 0.5} | changes.pop("config", {})
    model = {k: v for k, v in STATE.items() if ".m_b" not in k} | changes
    return Reply({"model": model}, about)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (reply(config={"n": 0.0}), "weight n"),
        (reply(config={"n": float("nan")}), "weight n"),
        (reply(config={"modalities": ["b"]}), "was asked for"),
        (reply(**{"fusion.bias": np.array([np.nan])}), "NaN or infinite"),
        (reply(**{"fusion.bias": np.array([np.inf])}), "NaN or infinite"),
        (reply(**{"fusion.bias": np.array([1.0, 2.0])}), "shape"),
        (reply(**{"fusion.bias": np.array([1], dtype=np.int64)}), "type"),
        (reply(**{"backbones.m_b.0.weight": np.array([1.0])}), "other entries"),
        (Reply({"model": {}}, {"n": 5.0, "modalities": ["a"]}), "other entries"),
    ],
)
def test_bad_updates_are_refused_by_name(bad, said):
    due = ["backbones.m_a.0.weight", "fusion.bias"]
    assert why_refuse(reply(), STATE, due, ["a"]) is None
    assert said in why_refuse(bad, STATE, due, ["a"])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fusion.norm.running_var": np.array([0.5, -1e-3])}, "negative variances"),
        ({"fusion.norm.num_batches_tracked": np.array(2**63 - 1)}, "num_batches_tracked is 9"),
        ({"fusion.norm.num_batches_tracked": np.array(-1)}, "num_batches_tracked is -1, was 3"),
    ],
)
def test_statistics_of_normalisation_that_cannot_be_are_refused(changes, said):
    """Finite numbers of no great size, and yet all predictions would be NaN."""
    norm = {
        "fusion.norm.running_mean": np.array([0.1, -2.0]),
        "fusion.norm.running_var": np.array([1.0, 0.0]),
        "fusion.norm.num_batches_tracked": np.array(3),
    }
    due = ["backbones.m_a.0.weight", "fusion.bias", *norm]
    assert why_refuse(reply(**norm), STATE | norm, due, ["a"]) is None
    assert said in why_refuse(reply(**norm | changes), STATE | norm, due, ["a"])
