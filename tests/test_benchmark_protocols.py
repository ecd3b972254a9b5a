"""The benchmarks' common harness: nothing measured twice, and the arithmetic of its summaries."""

import _protocols
import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import make_pipeline

from sk_mmbalance import ModalityConcatenator


@pytest.fixture
def data_folder(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    arrays = {"face": rng.normal(size=(30, 2)), "voice": rng.normal(size=(30, 3))}
    y = np.arange(30) % 3
    np.savez(tmp_path / "small.npz", modalities=np.array(list(arrays)), y=y, **arrays)
    groups = np.arange(30) // 5
    np.savez(tmp_path / "spoken.npz", modalities=np.array(["face"]), y=y, groups=groups, **arrays)
    monkeypatch.setenv("SK_MMBALANCE_DATA", str(tmp_path))
    return tmp_path


def _counting(made):
    def make(seed):
        made.append(seed)
        return make_pipeline(ModalityConcatenator(), DummyClassifier(strategy="prior"))

    return make


def test_measurements_at_hand_are_not_made_again(data_folder):
    made = []
    arms = {"dummy": _counting(made)}
    few = {"small": 2}
    once = _protocols.run("t", arms, ["small"], range(2), n_splits=few, folder=data_folder)
    assert sorted(made) == [0, 0, 1, 1]
    again = _protocols.run("t", arms, ["small"], range(3), n_splits=few, folder=data_folder)
    assert sorted(made) == [0, 0, 1, 1, 2, 2]
    kept = again[again["seed"] < 2].reset_index(drop=True)
    same = [c for c in kept if c != "value"]
    pd.testing.assert_frame_equal(kept[same], once[same])
    np.testing.assert_array_equal(kept["value"], once["value"])


def test_groups_are_never_on_both_sides_of_a_fold(data_folder):
    protocol = _protocols.load("spoken")
    assert len(protocol.folds) == 3
    for train, test in protocol.folds:
        assert not set(protocol.fit_groups[train]) & set(protocol.fit_groups[test])


def _frame(values):
    rows = [("s", m, seed, fold, "accuracy", v) for (m, seed, fold), v in values.items()]
    return pd.DataFrame(rows, columns=_protocols.COLUMNS)


def test_summary_averages_folds_before_it_looks_at_seeds():
    frame = _frame({("a", 0, 0): 0.5, ("a", 0, 1): 0.7, ("a", 1, 0): 0.7, ("a", 1, 1): 0.9})
    table = _protocols.summary(frame)
    assert table.loc["a", ("s", "mean")] == pytest.approx(0.7)
    assert table.loc["a", ("s", "sd")] == pytest.approx(np.std([0.6, 0.8], ddof=1))


def test_differences_are_paired_by_fold_with_seeds_averaged_first():
    a = {("a", 0, 0): 0.5, ("a", 1, 0): 0.7, ("a", 0, 1): 0.8, ("a", 1, 1): 0.8}
    b = {("b", 0, 0): 0.7, ("b", 1, 0): 0.7, ("b", 0, 1): 0.8, ("b", 1, 1): 0.8}
    table = _protocols.differences(_frame(a | b), "accuracy", against="a")
    assert table.loc["b", ("s", "mean")] == pytest.approx(0.05)
    assert table.loc["b", ("s", "se")] == pytest.approx(np.std([0.1, 0.0], ddof=1) / np.sqrt(2))


def test_occupancy_is_judged_by_balanced_accuracy():
    rows = [
        ("occupancy", "a", 0, 0, "accuracy", 0.9),
        ("occupancy", "a", 0, 0, "balanced_accuracy", 0.5),
        ("occupancy", "a", 0, 0, "balanced_accuracy[light]", 0.4),
        ("occupancy", "a", 0, 0, "accuracy[light]", 0.8),
    ]
    frame = pd.DataFrame(rows, columns=_protocols.COLUMNS)
    assert _protocols.judged(frame)["value"].tolist() == [0.5]
    own = _protocols.judged(frame, "accuracy[*]")
    assert own[["dataset", "value"]].to_numpy().tolist() == [["occupancy / light", 0.4]]
