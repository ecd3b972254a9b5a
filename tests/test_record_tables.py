"""The arithmetic of the record, on tables whose answers are known."""

import _pool_tables
import _record_tables
import accuracy
import numpy as np
import pandas as pd
import pytest
from _protocols import COLUMNS
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold


def _table(rows):
    return pd.DataFrame([("s", *row) for row in rows], columns=COLUMNS)


def test_calibration_error_is_the_gap_between_confidence_and_accuracy():
    classes = np.array([0, 1])
    y = np.array([0, 0, 0, 1])
    sure = np.tile([1.0, 0.0], (4, 1))
    assert accuracy.calibration_error(y, sure, classes) == pytest.approx(0.25)
    fair = np.tile([0.75, 0.25], (4, 1))
    assert accuracy.calibration_error(y, fair, classes) == pytest.approx(0.0)
    # gaps of two bins do not cancel: one row too sure, one not sure enough
    mixed = np.array([[0.9, 0.1], [0.6, 0.4]])
    assert accuracy.calibration_error(np.array([1, 0]), mixed, classes) == pytest.approx(0.65)


def test_modalities_alone_are_read_off_the_late_fusions():
    frame = _table(
        [
            ("late fusion, LR", 0, 0, "accuracy", 0.9),
            ("late fusion, LR", 0, 0, "accuracy[face]", 0.7),
            ("joint", 0, 0, "accuracy[face]", 0.5),
        ]
    )
    alone = _record_tables.alone(frame)
    assert alone[["method", "metric", "value"]].to_numpy().tolist() == [
        ["face alone, LR", "accuracy", 0.7]
    ]


def test_best_baseline_may_be_a_single_modality_and_every_method_is_held_to_it():
    rows = []
    for fold, (alone, fused, pool) in enumerate([(0.8, 0.7, 0.9), (0.9, 0.8, 0.9)]):
        rows += [
            ("late fusion, LR", 0, fold, "accuracy", fused),
            ("late fusion, LR", 0, fold, "accuracy[face]", alone),
            ("remixing", 0, fold, "accuracy", pool),
        ]
    table = _record_tables.differences(_table(rows))
    assert set(table["minus"]) == {"face alone, LR"}
    assert set(table["kind"]) == {"best baseline"}  # the control was not measured
    apart = table.set_index("method")["value"]
    assert apart["remixing"].tolist() == pytest.approx([0.1, 0.0])
    assert apart["late fusion, LR"].tolist() == pytest.approx([-0.1, -0.1])


def test_every_method_is_held_to_its_control_with_seeds_averaged():
    rows = [
        (method, seed, fold, "accuracy", value + 0.1 * seed)
        for method, values in {
            "joint, a loss per modality": (0.5, 0.6),
            "remixing": (0.6, 0.6),
            "joint": (0.1, 0.1),
        }.items()
        for seed in (0, 1)
        for fold, value in enumerate(values)
    ]
    table = _record_tables.differences(_table(rows))
    own = table[table["kind"] == "control"]
    assert own[["method", "minus"]].drop_duplicates().to_numpy().tolist() == [
        ["remixing", "joint, a loss per modality"]
    ]
    assert own["value"].tolist() == pytest.approx([0.65 - 0.55, 0.65 - 0.65])


def test_record_takes_the_figure_each_set_is_judged_by_and_averages_folds():
    concatenation = ("concatenation, LR", 0)
    late = ("late fusion, LR", 0)
    rows = [
        ("occupancy", *concatenation, 0, "accuracy", 0.9),
        ("occupancy", *concatenation, 0, "balanced_accuracy", 0.6),
        ("occupancy", *concatenation, 1, "accuracy", 0.9),
        ("occupancy", *concatenation, 1, "balanced_accuracy", 0.8),
        ("occupancy", *concatenation, 0, "balanced_accuracy, noise 1", 0.5),
        ("occupancy", *concatenation, 0, "accuracy, noise 1", 0.7),
        ("occupancy", *late, 0, "balanced_accuracy", 0.7),
        ("occupancy", *late, 0, "balanced_accuracy[co2]", 0.4),
        ("occupancy", *late, 0, "balanced_accuracy[light]", 0.8),
    ]
    table = _record_tables.record(pd.DataFrame(rows, columns=COLUMNS))
    figures = table.set_index(["method", "metric"])["value"].to_dict()
    assert figures == {
        ("concatenation, LR", "accuracy"): pytest.approx(0.7),
        ("concatenation, LR", "noise 1"): 0.5,
        ("late fusion, LR", "accuracy"): 0.7,
        ("late fusion, LR", "weakest"): 0.4,
        ("best modality alone, LR", "accuracy"): 0.8,
    }


def test_pool_is_shown_beside_the_baseline_that_was_best_in_hindsight():
    rows = []
    for fold, (face, fused, pool) in enumerate([(0.8, 0.7, 0.9), (0.9, 0.8, 0.8)]):
        rows += [
            ("late fusion, trees", 0, fold, "accuracy", fused),
            ("late fusion, trees", 0, fold, "accuracy[face]", face),
            ("opinion pool", 0, fold, "accuracy", pool - 0.1),
            ("opinion pool", 1, fold, "accuracy", pool + 0.1),
        ]
    table = _record_tables.proof(_table(rows), learners=["trees"])
    assert set(table["best_baseline"]) == {"face alone, trees"}
    held = table.pivot(index="fold", columns="method", values="value")
    assert held["opinion pool"].tolist() == pytest.approx([0.9, 0.8])
    assert held["best baseline"].tolist() == pytest.approx([0.8, 0.9])


def test_weakest_modality_is_the_same_for_all_methods():
    rows = [
        ("late fusion, LR", 0, 0, "accuracy[face]", 0.9),
        ("late fusion, LR", 0, 0, "accuracy[voice]", 0.6),
        ("joint", 0, 0, "accuracy[face]", 0.2),
        ("joint", 0, 0, "accuracy[voice]", 0.5),
    ]
    weak = _record_tables.weakest(_table(rows)).set_index("method")["value"]
    assert weak.to_dict() == {"late fusion, LR": 0.6, "joint": 0.5}


def test_candidates_are_chosen_inside_the_training_fold_with_groups_apart():
    rng = np.random.default_rng(0)
    X, groups = rng.normal(size=(120, 3)), np.arange(120) % 6
    y = (X[:, 0] > 0).astype(int)
    tuned = accuracy.Tuned(LogisticRegression(), [{"C": 1e-6}, {"C": 10.0}], random_state=0)
    tuned.fit(X, y, groups=groups)
    assert tuned.search_.best_params_ == {"C": 10.0}
    ((train, held_out),) = tuned.search_.cv
    assert not set(groups[train]) & set(groups[held_out])
    assert len(next(GroupKFold(6).split(X, y, groups))[0]) == 100  # the groups are real


@pytest.mark.parametrize("dataset", ["mfeat", "occupancy"])
def test_every_method_has_three_candidates_that_its_estimator_knows(dataset):
    for name, make in accuracy.tuned(dataset).items():
        tuned = make(0)
        if isinstance(tuned, accuracy.Tuned):
            assert len(tuned.candidates) == 3, name
            for params in tuned.candidates:
                tuned.estimator.set_params(**params)


def _pool_record():
    """The pool beside stacking and one modality, on four folds."""
    rows = []
    for fold, (pool, stacked, alone) in enumerate(
        [(0.30, 0.40, 0.39), (0.31, 0.42, 0.35), (0.35, 0.44, 0.37), (0.28, 0.41, 0.33)]
    ):
        for metric, sign in (("log_loss", 1), ("balanced_accuracy", -1)):
            rows += [
                (_record_tables.POOL, 0, fold, metric, sign * pool),
                (f"{_record_tables.POOL}, common weights", 0, fold, metric, 0.0),
                ("stacking", 0, fold, metric, sign * stacked),
                ("late fusion, LR", 0, fold, metric, sign * stacked),
                ("late fusion, LR", 0, fold, f"{metric}[face]", sign * alone),
            ]
    return _table(rows)


def test_pool_is_held_to_the_best_baseline_of_each_figure_and_not_to_its_own_variants():
    table = _pool_tables.beside_baselines(_pool_record())
    assert set(table["best_baseline"]) == {"face alone, LR"}
    gain = table[table["method"] == "gain"].set_index(["metric", "fold"])["value"]
    # better is lower loss and higher accuracy: both count as gains
    assert gain["log_loss"].tolist() == pytest.approx([0.09, 0.04, 0.02, 0.05])
    assert gain["balanced_accuracy"].tolist() == pytest.approx([0.09, 0.04, 0.02, 0.05])


def test_pool_is_not_told_of_where_a_stopped_run_left_folds_out():
    record = _pool_record()
    part = record[(record["method"] != _record_tables.POOL) | (record["fold"] < 2)]
    assert _pool_tables.beside_baselines(part).empty
    assert _pool_tables.counts(part).empty


def test_verdicts_are_level_within_a_standard_error():
    assert _pool_tables.verdict(pd.Series([0.1, 0.2, 0.3])) == "ahead"
    assert _pool_tables.verdict(pd.Series([-0.1, -0.2, -0.3])) == "behind"
    assert _pool_tables.verdict(pd.Series([-0.3, 0.2, 0.3])) == "level"
    table = _pool_tables.counts(_pool_record())
    stacked = table[(table["method"] == "stacking") & (table["metric"] == "log_loss")]
    assert dict(zip(stacked["verdict"], stacked["value"], strict=True)) == {
        "ahead": 1,
        "level": 0,
        "behind": 0,
    }
    assert table[table["method"] == _pool_tables.BEST]["value"].sum() == 2
