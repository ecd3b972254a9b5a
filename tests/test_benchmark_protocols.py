"""The benchmarks' common harness: nothing measured twice, and the arithmetic of its summaries."""

import _as_they_come
import _protocols
import _stress
import balancing
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import make_pipeline

from sk_mmbalance import Modalities, ModalityConcatenator


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
    methods = {"dummy": _counting(made)}
    few = {"small": 2}
    once = _protocols.run("t", methods, ["small"], range(2), n_splits=few, folder=data_folder)
    assert sorted(made) == [0, 0, 1, 1]
    again = _protocols.run("t", methods, ["small"], range(3), n_splits=few, folder=data_folder)
    assert sorted(made) == [0, 0, 1, 1, 2, 2]
    kept = again[again["seed"] < 2].reset_index(drop=True)
    same = [c for c in kept if c != "value"]
    pd.testing.assert_frame_equal(kept[same], once[same])
    np.testing.assert_array_equal(kept["value"], once["value"])


def test_the_same_table_is_the_same_bytes_and_is_read_as_it_was(tmp_path):
    table = _frame({("a", 0, 0): 0.5, ("b", 1, 0): 1.26e-9, ("ä", 2, 1): 123456.0})
    files = []
    for name in ("one", "two"):
        _protocols.write(table, name, tmp_path)
        pd.testing.assert_frame_equal(_protocols.read(name, tmp_path), table)
        files.append(_protocols.table_file(name, tmp_path).read_bytes())
    assert files[0] == files[1]
    assert _protocols.read("three", tmp_path).columns.tolist() == _protocols.COLUMNS


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


def test_stress_sees_the_standardised_test_fold(data_folder):
    seen = []

    def stress(fitted, X, y):
        seen.append((X["face"], y))
        return {"stressed": 0.5}

    few = {"small": 2}
    frame = _protocols.run(
        "t",
        {"dummy": _counting([])},
        ["small"],
        [0],
        stress=stress,
        n_splits=few,
        folder=data_folder,
    )
    assert (frame[frame["metric"] == "stressed"]["value"] == 0.5).all()
    protocol = _protocols.load("small", 2)
    (train, test), _ = protocol.folds
    A = protocol.X["face"]
    np.testing.assert_array_equal(seen[0][1], protocol.y[test])
    expected = (A[test] - A[train].mean(axis=0)) / A[train].std(axis=0)
    np.testing.assert_allclose(seen[0][0], expected, rtol=1e-4, atol=1e-5)


class _Recorder:
    classes_ = np.arange(3)

    def __init__(self):
        self.seen = []

    def predict_proba(self, X):
        self.seen.append(X)
        return np.full((len(X), 3), 1 / 3)


def test_noise_and_holes_are_the_same_for_all_methods_and_leave_every_row_a_modality():
    X = Modalities({name: np.zeros((200, d), dtype=np.float32) for name, d in (("a", 2), ("b", 3))})
    y = np.arange(200) % 3
    first, second = _Recorder(), _Recorder()
    figures = _stress.stress(first, X, y)
    _stress.stress(second, X, y)
    assert len(figures) == 3 * 4
    for one, other in zip(first.seen, second.seen, strict=True):
        for name in X.names:
            np.testing.assert_array_equal(one[name], other[name])
    assert [round(float(seen["b"].std())) for seen in first.seen[:2]] == [1, 2]
    for holes, share in zip(first.seen[2:], _stress.MISSING, strict=True):
        absent = np.stack([np.isnan(holes[name]).all(axis=1) for name in X.names], axis=1)
        assert not absent.all(axis=1).any()
        # two modalities of which both may not go: p - p^2 / 2 each
        assert absent.mean() == pytest.approx(share - share**2 / 2, abs=0.06)


def test_methods_are_paired_with_their_controls_by_seed_and_fold():
    control, method = "joint, a loss per modality", "remixing"
    rows = [
        ("s", m, seed, fold, "balanced_accuracy", v)
        for m, seed, fold, v in [
            (control, 0, 0, 0.5),
            (control, 1, 0, 0.6),
            (method, 0, 0, 0.6),
            (method, 1, 0, 0.5),
            (control, 0, 1, 0.5),
            (method, 0, 1, 0.7),
            (method, 2, 1, 0.9),  # no partner yet
        ]
    ]
    frame = pd.DataFrame(rows, columns=_protocols.COLUMNS)
    apart = balancing.paired_differences(frame, unit="fold")
    assert apart["method"].unique().tolist() == [method]
    np.testing.assert_allclose(apart["value"].astype(float), [0.0, 0.2], atol=1e-12)


def test_rotating_seeds_take_the_folds_in_turn(data_folder):
    frame = _protocols.run(
        "t",
        {"dummy": _counting([])},
        ["small"],
        range(5),
        n_splits={"small": 3},
        rotate=True,
        folder=data_folder,
    )
    pairs = frame[["seed", "fold"]].drop_duplicates().to_numpy().tolist()
    assert pairs == [[0, 0], [1, 1], [2, 2], [3, 0], [4, 1]]


def test_differences_can_be_paired_by_seed():
    a = {("a", 0, 0): 0.5, ("a", 1, 1): 0.7, ("a", 2, 2): 0.6}
    b = {("b", 0, 0): 0.6, ("b", 1, 1): 0.7, ("b", 2, 2): 0.8}
    table = _protocols.differences(_frame(a | b), "accuracy", against="a", unit="seed")
    assert table.loc["b", ("s", "mean")] == pytest.approx(0.1)
    assert table.loc["b", ("s", "se")] == pytest.approx(0.1 / np.sqrt(3))


def test_one_mean_and_one_deviation_scale_all_pixels():
    pixels = np.random.default_rng(0).normal(3.0, 2.0, (50, 1, 4, 4))
    scaled = _protocols.OneScaler().fit(pixels).transform(pixels)
    assert scaled.mean() == pytest.approx(0.0, abs=1e-12)
    assert scaled.std() == pytest.approx(1.0)
    # what one pixel is to another stays as it was
    assert np.ptp(pixels - scaled * pixels.std()) == pytest.approx(0.0, abs=1e-12)


def test_seeds_by_set_and_methods_without_chance(data_folder):
    made, fixed = [], []
    methods = {"dummy": _counting(made), "fixed": _counting(fixed)}
    seeds = {"small": range(1), "spoken": range(2)}
    table = _protocols.run(
        "u", methods, list(seeds), seeds, n_splits={"small": 2}, once=["fixed"], folder=data_folder
    )
    assert (made.count(0), made.count(1)) == (5, 3)  # two folds of one set, three of the other
    assert (fixed.count(0), fixed.count(1)) == (5, 0)
    counts = table.groupby(["dataset", "method"])["seed"].nunique()
    assert counts["spoken", "dummy"] == 2
    assert set(counts.drop(("spoken", "dummy"))) == {1}


@pytest.mark.parametrize("n", [300, 1100])
@pytest.mark.parametrize(
    "name",
    ["MultimodalClassifier()", "DataRemixingClassifier()", "late fusion, a loss per modality"],
)
def test_one_training_predicts_as_the_network_does_as_it_comes(name, n):
    rng = np.random.default_rng(0)
    y = np.arange(n) % 3
    X = Modalities(face=y[:, None] + rng.normal(size=(n, 2)), voice=rng.normal(size=(n, 2)))
    network = clone((_as_they_come.PLAIN | _as_they_come.DEFAULTS)[name])
    network.set_params(max_epochs=3, random_state=0, early_stopping=n >= 1000)  # the default then
    once = _as_they_come.OneTraining(network).fit(X, y)
    as_it_comes = clone(network).fit(X, y)
    assert np.array_equal(once.predict_proba(X), as_it_comes.predict_proba(X))
    asked = clone(network).set_params(fusion_weights="fit").fit(X, y)
    assert np.array_equal(once.fitted_.predict_proba(X), asked.predict_proba(X))
    assert not np.array_equal(once.trained_.predict_proba(X), asked.predict_proba(X))
