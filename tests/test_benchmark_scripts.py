"""Every method of every benchmark can still be fitted and scored."""

from dataclasses import replace

import _protocols
import accuracy
import balancing
import defaults
import numpy as np
import pytest
import search
import speed
import starved_modalities
from _protocols import read

#: Modalities that stand for a set's own, and how many columns they have.
VECTORS = {"first": 4, "second": 3}
SOUND_AND_IMAGE = {"audio": 400, "image": 784}
SPEAKERS = 6


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Small sets under the names of the real ones, and a folder for what is measured."""
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    for name in ("mfeat", "avdigits", "occupancy", "leaves100"):
        sizes = SOUND_AND_IMAGE if name.startswith("avdigits") else VECTORS
        arrays = {m: y[:, None] + rng.normal(size=(len(y), d)) for m, d in sizes.items()}
        if name in ("avdigits", "occupancy"):
            arrays["groups"] = np.arange(len(y)) // 3 % SPEAKERS
        split = np.where(np.arange(len(y)) < 60, "train", "test")
        modalities = np.array(list(sizes))
        np.savez(tmp_path / f"{name}.npz", modalities=modalities, y=y, split=split, **arrays)
    monkeypatch.setenv("SK_MMBALANCE_DATA", str(tmp_path))
    return tmp_path


@pytest.fixture
def short(monkeypatch):
    """Two folds; networks are trained for two epochs, forests have two trees."""
    load, measure = _protocols.load, _protocols.measure

    def two_folds(*args):
        protocol = load(*args)
        return replace(protocol, folds=protocol.folds[:2])

    def shortened(protocol, fold, estimator, *args):
        less = {"max_epochs": 2, "n_estimators": 2}
        names = [(name, name.rpartition("__")[2]) for name in estimator.get_params()]
        estimator.set_params(**{name: less[last] for name, last in names if last in less})
        return measure(protocol, fold, estimator, *args)

    monkeypatch.setattr(_protocols, "load", two_folds)
    monkeypatch.setattr(_protocols, "measure", shortened)
    monkeypatch.setattr(defaults, "measure", shortened)
    monkeypatch.setattr(defaults, "ROWS", (30,))


def _ask(script, question, folder, monkeypatch, *args):
    monkeypatch.setattr("sys.argv", ["script", question, "--folder", str(folder), *args])
    script.answer(script.QUESTIONS, script.__doc__)
    return read(script.QUESTIONS[question].table, folder)


@pytest.mark.slow  # dozens of estimators are fitted
@pytest.mark.parametrize(
    ("script", "question", "dataset"),
    [
        (balancing, "controls", "mfeat:official"),
        (balancing, "images", "avdigits:raw"),
        (balancing, "boosting", "mfeat"),
        (balancing, "as-they-come", "avdigits"),
        (defaults, "settings", "mfeat"),
        (defaults, "modality-losses", "avdigits"),
        (defaults, "batch-size", "occupancy"),
        (defaults, "few-rows", "mfeat"),
        (defaults, "holding-out", "avdigits"),
        (defaults, "fused-weight", "mfeat"),
        (defaults, "heads", "occupancy"),
        (accuracy, "record", "mfeat"),
        (accuracy, "pool", "mfeat"),
    ],
)
def test_every_method_of_a_question_is_measured(
    script, question, dataset, small, short, monkeypatch
):
    frame = _ask(script, question, small, monkeypatch, "--datasets", dataset, "--seeds", "1")
    asked = script.QUESTIONS[question]
    if asked.measure is None:
        methods = asked.methods(dataset) if callable(asked.methods) else asked.methods
        assert list(dict.fromkeys(frame["method"])) == list(methods)
    judged = frame[frame["metric"] == "accuracy"]
    assert judged["value"].between(0, 1).all()
    for name in asked.derived:
        assert not read(name, small).empty
    again = _ask(script, question, small, monkeypatch, "--datasets", dataset, "--seeds", "1")
    assert again.equals(frame)  # seconds too: nothing was measured anew


@pytest.mark.slow
def test_starved_modalities_are_measured(small, monkeypatch):
    monkeypatch.setattr(starved_modalities, "EPOCHS", (1, 2))
    args = ["--datasets", "leaves100", "avdigits:raw", "--seeds", "1", "--folder", str(small)]
    monkeypatch.setattr("sys.argv", ["script", *args])
    starved_modalities.main()
    assert read("starved_modalities", small)["method"].nunique() == 7
    curves = read("end_to_end_curves", small)
    assert curves.groupby("epoch").size().to_dict() == {1: 12, 2: 12}


@pytest.mark.slow  # starts processes
@pytest.mark.parametrize("question", search.QUESTIONS)
def test_searches_are_timed(question, tmp_path, monkeypatch):
    monkeypatch.setattr(search, "WIDTHS", (8,))
    monkeypatch.setattr(search, "BATCHES", (16,))
    monkeypatch.setattr(search, "NUMBERS", (3,))
    monkeypatch.setattr(search, "GRID", {"lr": [1e-3, 1e-2]})
    monkeypatch.setattr(search, "ROWS", (60,))
    monkeypatch.setattr(search, "ROWS_AND_EPOCHS", (60, 2))
    monkeypatch.setattr("sys.argv", ["search.py", question, "--folder", str(tmp_path)])
    search.main()
    tables = {
        "steps": ["search_steps"],
        "rows": ["search_rows"],
        "searches": ["search_rounds", "search_ratios"],
    }
    assert set(tables) == set(search.QUESTIONS)
    for name in tables[question]:
        assert not read(name, tmp_path).empty


@pytest.mark.slow  # the loops by hand are long enough to be timed
@pytest.mark.parametrize("question", ["arm", "pool"])
def test_speed_is_measured(question, tmp_path, monkeypatch):
    args = [question, "--rows", "1000", "--repeats", "1", "--folder", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["script", *args])
    speed.main()
    assert not read(speed.QUESTIONS[question][1], tmp_path).empty


@pytest.mark.parametrize("how", ["slice", "gather"])
def test_batches_by_hand_have_every_row_once(how):
    import torch
    from _speed.timing import batches

    x, y = torch.arange(10.0)[:, None], torch.arange(10)
    seen = [(x, y) for (x,), y in batches([x], y, 4, how)]
    assert [len(y) for _, y in seen] == [4, 4, 2]
    for x, y in seen:
        assert torch.equal(x[:, 0], y.float())
    assert sorted(torch.cat([y for _, y in seen]).tolist()) == list(range(10))
