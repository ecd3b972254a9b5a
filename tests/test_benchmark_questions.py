"""A benchmark's questions: what is measured, written and printed for each."""

import _questions
import numpy as np
import pytest
from _protocols import read
from _questions import Question
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import make_pipeline

from sk_mmbalance import ModalityConcatenator


@pytest.fixture
def ask(tmp_path, monkeypatch):
    """Answer questions as from a command line, about a small set, into `tmp_path`."""
    rng = np.random.default_rng(0)
    for name in ("one", "other"):
        y = np.arange(30) % 3
        arrays = {"face": rng.normal(size=(30, 2)), "voice": rng.normal(size=(30, 3))}
        np.savez(tmp_path / f"{name}.npz", modalities=np.array(list(arrays)), y=y, **arrays)
    monkeypatch.setenv("SK_MMBALANCE_DATA", str(tmp_path))

    def asked(questions, *args):
        monkeypatch.setattr("sys.argv", ["script", "--folder", str(tmp_path), *args])
        _questions.answer(questions, "A benchmark.")
        return {name: read(question.table, tmp_path) for name, question in questions.items()}

    return asked


def _guess(strategy):
    return lambda seed: make_pipeline(
        ModalityConcatenator(), DummyClassifier(strategy=strategy, random_state=seed)
    )


METHODS = {"prior": _guess("prior"), "chance": _guess("uniform")}


def _questions_of(**options):
    shared = {"methods": METHODS, "datasets": ["one", "other"]} | options
    return {name: Question(table=f"{name}_table", **shared) for name in ("first", "second")}


def test_all_questions_are_asked_or_those_that_are_named(ask):
    frames = ask(_questions_of(seeds=1), "second")
    assert frames["first"].empty
    assert set(frames["second"]["method"]) == set(METHODS)
    assert not ask(_questions_of(seeds=1))["first"].empty


def test_sets_methods_and_seeds_can_be_chosen(ask):
    frame = ask(
        _questions_of(), "first", "--datasets", "other", "--methods", "prior", "--seeds", "2"
    )
    rows = frame["first"][["dataset", "method", "seed"]].drop_duplicates()
    assert rows.to_numpy().tolist() == [["other", "prior", 0], ["other", "prior", 1]]


def test_seeds_may_differ_by_set(ask):
    frame = ask(_questions_of(seeds={"one": 2}), "first")["first"]
    assert frame.groupby("dataset")["seed"].nunique().to_dict() == {"one": 2, "other": 5}


def test_what_follows_is_computed_anew_without_a_measurement(ask, tmp_path):
    derived = {"most": lambda frame: frame.groupby("metric")["value"].max().reset_index()}
    questions = _questions_of(seeds=1, derived=derived)
    before = ask(questions, "first")["first"]
    (tmp_path / "most.csv.xz").unlink()

    def never(seed):
        raise AssertionError("measured")

    after = ask(_questions_of(methods={"new": never}, derived=derived), "first", "--show")["first"]
    assert after.equals(before)
    most = read("most", tmp_path).set_index("metric")["value"]
    assert most["accuracy"] == before.loc[before["metric"] == "accuracy", "value"].max()


def test_differences_to_a_control_are_printed(ask, capsys):
    ask(_questions_of(seeds=2, controls={"prior": "absent"}), "first")
    assert "minus" not in capsys.readouterr().out
    ask(_questions_of(seeds=2, controls={"prior": "chance"}, unit="seed"), "first")
    assert "accuracy minus that of 'chance':" in capsys.readouterr().out


def test_sets_that_a_question_does_not_know_leave_no_table(ask, tmp_path, capsys):
    ask(_questions_of(), "first", "--datasets", "third")
    assert "first_table: asks about one, other only." in capsys.readouterr().out
    ask(_questions_of(), "second", "--show")
    assert "second_table: no measurement." in capsys.readouterr().out
    assert not list(tmp_path.glob("*.csv.xz"))


def test_a_question_that_is_not_there_is_refused(ask, capsys):
    with pytest.raises(SystemExit):
        ask(_questions_of(), "third")
    assert "no question third; there are first, second" in capsys.readouterr().err
