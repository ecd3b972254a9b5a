"""``python -m sk_mmbalance compare``: files, words, exit codes."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from sk_mmbalance import Modalities
from sk_mmbalance.__main__ import main
from sk_mmbalance.comparison import guess_modalities, read_data_file
from sk_mmbalance.exceptions import DamagedFileError


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    n = 80
    state = np.array(["rest", "walk"])[np.arange(n) % 2]
    frame = pd.DataFrame(
        {
            "person": np.arange(n) // 8,
            "acc_x": rng.normal(size=n) + 2 * (state == "walk"),
            "acc_y": rng.normal(size=n),
            "age": rng.integers(20, 80, n),
            "note": [f"felt {'well' if i % 3 else 'tired'} on day {i}" for i in range(n)],
            "state": state,
        }
    )
    frame.loc[::10, ["acc_x", "acc_y"]] = np.nan
    return frame


def test_a_csv_becomes_a_report_and_the_same_words_go_on(table, tmp_path, capsys):
    file = tmp_path / "data.csv"
    table.to_csv(file, index=False)
    words = ["compare", str(file), "--target", "state", "--groups", "person", "--folds", "2"]
    words += ["--html", str(tmp_path / "report.html"), "--models", "baselines"]
    assert main([*words, "--json"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert found["table"][0]["accuracy"] > 0.7
    assert list(found["setting"]["modalities"]) == ["acc", "note", "other"]
    assert "modalities by the beginnings of names" in err
    assert "10/10" in err
    assert f"compare: {found['verdict']}" in err
    assert "A fair comparison on data.csv" in (tmp_path / "report.html").read_text("utf-8")
    kept = (tmp_path / "data.csv.compare.jsonl").read_text()
    assert kept.count('"scores"') == 10
    assert main(words) == 0  # nothing is made again
    assert "late fusion" in capsys.readouterr().out
    assert (tmp_path / "data.csv.compare.jsonl").read_text() == kept


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere.csv", "--target", "state"], "No such file"),
        (["bad.csv", "--target", "state"], "bad.csv cannot be read as csv"),
        (["data.xls", "--target", "state"], "names end with .csv"),
        (["data.csv", "--target", "sate"], "no such column. Is 'state' meant? It has"),
        (
            ["data.csv", "--target", "state", "--groups", "who"],
            "has no such column; it has",
        ),
        (["data.csv", "--target", "state", "--modalities", "acc=acc_*"], "looks like a shell's"),
        (["data.csv", "--target", "state", "--modalities", "acc"], "write name=pattern"),
        (["data.csv", "--target", "state", "--modalities", "{acc"], "is no JSON"),
        (["data.csv", "--target", "state", "--time-limit", "soon"], "`time_limit` must be"),
        (["data.csv", "--target", "state", "--scoring", "beauty"], "no scorer"),
        (["data.csv", "--target", "state", "--html", "no/where.html"], "no such folder"),
        (["data.csv", "--target", "person", "--folds", "1"], "at least 2 folds"),
        (["bad.npz", "--target", "y"], "bad.npz is damaged"),
        (["empty.csv", "--target", "y"], "No columns to parse"),
        (["head.csv", "--target", "y"], "head.csv has no rows"),
        (["junk.csv", "--target", "y"], "junk.csv cannot be read as csv"),
        (["junk.parquet", "--target", "y"], "junk.parquet cannot be read as parquet"),
        (["folder.csv", "--target", "y"], "Is a directory"),
        (["twice.csv", "--target", "y"], "several columns named 'y'"),
        (["semicolons.csv", "--target", "y"], "separated by ';'"),
        (["data.csv", "--target", "state", "--html", "folder.csv"], "Is a directory"),
        (["data.csv", "--target", "state", "--results", "data.csv"], "no file of results"),
        (["data.csv", "--target", "state", "--seed", "-1"], "`random_state` must be"),
        (["data.csv", "--target", "state", "--models", "magic"], "'magic', which is none of"),
        (["data.csv", "--target", "state", "person"], "no labels that a row has"),
        (["data.csv", "--target", "note"], "none of them twice"),
        (["one.csv", "--target", "state"], "one value only"),
        (["unknown.csv", "--target", "state"], "no row has a target"),
        (["alone.csv", "--target", "state", "--groups", "person"], "no column besides"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_exit_code_2(
    table, tmp_path, capsys, monkeypatch, words, message
):
    monkeypatch.chdir(tmp_path)
    table.to_csv("data.csv", index=False)
    (tmp_path / "bad.csv").write_text('a,b\n1,2,3\n4,"5\n')
    (tmp_path / "bad.npz").write_bytes(b"nothing")
    (tmp_path / "empty.csv").touch()
    (tmp_path / "head.csv").write_text("a,y\n")
    (tmp_path / "junk.csv").write_bytes(bytes(range(256)) * 9)
    (tmp_path / "junk.parquet").write_bytes(b"PAR1junkPAR1")
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "twice.csv").write_text("a,y,y\n1,2,3\n")
    (tmp_path / "semicolons.csv").write_text("a;y\n1,5;2\n")
    table.assign(state="rest").to_csv("one.csv", index=False)
    table.assign(state=np.nan).to_csv("unknown.csv", index=False)
    table[["state", "person"]].to_csv("alone.csv", index=False)
    assert main(["compare", *words]) == 2
    out, err = capsys.readouterr()
    assert not out
    last = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(last) == 1
    assert message in last[0]


def test_what_became_of_columns_is_said_and_stands_in_the_report(table, tmp_path, capsys):
    table.insert(0, "record", [f"R{i}" for i in range(len(table))])
    table.assign(ward=table["person"] % 7, seen="2024-05-31").to_csv(
        tmp_path / "data.csv", index=False
    )
    words = ["compare", str(tmp_path / "data.csv"), "--target", "state", "--models", "baselines"]
    words += ["--time-limit", "0.01s", "--html", str(tmp_path / "report.html")]
    main([*words, "--modalities", "acc=^acc_", "clinic=record,person,age,ward,seen"])
    err = capsys.readouterr().err
    page = (tmp_path / "report.html").read_text()
    for note in (
        "in no modality, so not used: note",
        "record as text (TF-IDF); seen as constant",
        "every row has another value in record",
        "may name what rows belong to: person (10 values)",
    ):
        assert err.count(note) == 1
        assert page.count(note) == 1
    (tmp_path / "data.csv.compare.jsonl").unlink()
    main([*words, "--groups", "person"])
    assert "may name what rows belong to" not in capsys.readouterr().err


def test_exit_code_is_1_where_nothing_came_to_its_end(table, tmp_path, capsys):
    table.to_csv(tmp_path / "data.csv", index=False)
    words = ["compare", str(tmp_path / "data.csv"), "--target", "state", "--time-limit", "0.1s"]
    assert main([*words, "--models", "baselines"]) == 1
    assert capsys.readouterr().out.count("Give more time") == 1


def test_program_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "sk_mmbalance", "compare", "--help"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0
    assert "--time-limit" in done.stdout


# -- files --------------------------------------------------------------------------------


def test_words_of_a_command_line_choose_columns(table, tmp_path):
    table.to_csv(tmp_path / "data.csv", index=False)
    words = ["acc=^acc_", "person=age,note"]
    found = read_data_file(tmp_path / "data.csv", "state", "person", words)
    assert list(found.X["acc"].columns) == ["acc_x", "acc_y"]
    assert list(found.X["person"].columns) == ["age", "note"]
    (tmp_path / "m.json").write_text('{"acc": "^acc_", "person": ["age", "note"]}')
    for one in (str(tmp_path / "m.json"), '{"acc": "^acc_", "person": ["age", "note"]}'):
        other = read_data_file(tmp_path / "data.csv", "state", "person", [one])
        pd.testing.assert_frame_equal(other.X.to_frame(), found.X.to_frame())


def test_rows_that_cannot_be_used_are_left_out_and_said(table, tmp_path):
    table.loc[3, "state"] = None
    table.loc[5, "person"] = None
    table.loc[10, ["acc_x", "acc_y", "age", "note"]] = None
    table.to_csv(tmp_path / "data.csv", index=False)
    found = read_data_file(tmp_path / "data.csv", "state", "person", {"all": "."})
    assert len(found.X) == len(found.y) == len(found.groups) == 77
    assert [note.partition(" left")[0] for note in found.notes] == [
        "1 row(s) without a target",
        "1 row(s) without a group",
        "1 row(s) without any modality",
    ]


def test_a_column_that_numbers_the_rows_is_left_out_and_said(table, tmp_path):
    table.to_csv(tmp_path / "data.csv")  # with pandas' row numbers
    found = read_data_file(tmp_path / "data.csv", "state", "person")
    assert "Unnamed: 0" not in [column for value in found.X.values() for column in value.columns]
    assert found.notes[0] == "the first column numbers the rows: left out"


def test_columns_and_arrays_that_are_dropped_are_in_no_modality(table, tmp_path):
    table.to_csv(tmp_path / "data.csv", index=False)
    found = read_data_file(tmp_path / "data.csv", "state", drop=["person", "acc_y"])
    assert {c for value in found.X.values() for c in value.columns} == {"acc_x", "age", "note"}
    np.savez(tmp_path / "a.npz", face=np.ones((4, 2)), voice=np.ones((4, 3)), y=np.arange(4) % 2)
    assert read_data_file(tmp_path / "a.npz", "y", drop=["voice"]).X.names == ("face",)
    for name in ("data.csv", "a.npz"):
        with pytest.raises(ValueError, match=r"`drop` (is|has) 'voic', and .* has no such"):
            read_data_file(tmp_path / name, "state" if name == "data.csv" else "y", drop=["voic"])


def test_several_targets_are_several_columns(table, tmp_path):
    table.assign(b=1, c=0).to_csv(tmp_path / "data.csv", index=False)
    found = read_data_file(tmp_path / "data.csv", ["b", "c"], "person")
    np.testing.assert_array_equal(found.y, np.tile([1, 0], (80, 1)))
    assert not {"b", "c"} & {column for value in found.X.values() for column in value.columns}


def test_beginnings_of_names_make_modalities():
    frame = pd.DataFrame({"eeg.1": [1], "eeg.2": [1], "ecg_1": [1], "bmi": [1], "x": ["a b c d"]})
    assert guess_modalities(frame) == {
        "eeg": ["eeg.1", "eeg.2"],
        "x": ["x"],
        "other": ["bmi", "ecg_1"],
    }
    few = pd.DataFrame({"why": ["none of the above", "all of the above"] * 20, "n": 1})
    assert guess_modalities(few) == {"other": ["why", "n"]}  # categories
    many = pd.DataFrame({"why": [f"slept {'well' * (i % 2)} {i}" for i in range(60)], "n": 1})
    many.loc[::3, "why"] = [f"tired {i}" for i in range(20)]  # some are short
    assert guess_modalities(many) == {"why": ["why"], "other": ["n"]}


def test_npz_files_hold_target_and_groups_beside_the_modalities(tmp_path):
    y, day = np.arange(6) % 2, np.repeat([0, 1, 2], 2)
    arrays = {"face": np.ones((6, 2)), "voice": np.ones((6, 3)), "y": y, "day": day}
    np.savez(tmp_path / "a.npz", **arrays)
    np.savez(tmp_path / "b.npz", **arrays, modalities=np.array(["face", "voice"]))
    Modalities(face=arrays["face"], voice=arrays["voice"], y=y, day=day).save(tmp_path / "c.npz")
    for name in "abc":
        found = read_data_file(tmp_path / f"{name}.npz", "y", "day")
        assert found.X.names == ("face", "voice")
        np.testing.assert_array_equal(found.y, y)
        np.testing.assert_array_equal(found.groups, day)
    assert read_data_file(tmp_path / "a.npz", "y", "day", ["face"]).X.names == ("face",)
    with pytest.raises(ValueError, match=r"`target` is 'label', and .* has no such array"):
        read_data_file(tmp_path / "a.npz", "label")
    with pytest.raises(ValueError, match="must be names of arrays"):
        read_data_file(tmp_path / "a.npz", "y", None, {"face": "^f"})
    (tmp_path / "d.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:-40])
    with pytest.raises(DamagedFileError):
        read_data_file(tmp_path / "d.npz", "y")


def test_a_nameless_column_that_numbers_nothing_is_a_column(table, tmp_path):
    table.set_axis(np.arange(80) ** 2).to_csv(tmp_path / "data.csv")
    found = read_data_file(tmp_path / "data.csv", "state", "person")
    columns = [column for value in found.X.values() for column in value.columns]
    assert "Unnamed: 0" in columns
    assert not any("numbers the rows" in note for note in found.notes)


def test_what_does_not_fit_a_file_is_told(table, tmp_path):
    table.to_csv(tmp_path / "data.csv", index=False)
    (tmp_path / "list.json").write_text('["acc"]')
    with pytest.raises(ValueError, match="`modalities` must be a JSON object"):
        read_data_file(tmp_path / "data.csv", "state", None, [str(tmp_path / "list.json")])
    file = tmp_path / "a.npz"
    beside = {"y": np.arange(4) % 2, "few": np.arange(3)}
    np.savez(file, face=np.ones((4, 2)), modalities=np.array(["face"]), **beside)
    with pytest.raises(ValueError, match=r"`target` must be one array of .*; got \['y', 'few'\]"):
        read_data_file(file, ["y", "few"])
    with pytest.raises(ValueError, match=r"`modalities` names \['voice'\]; there are \['face'"):
        read_data_file(file, "y", None, ["voice"])
    with pytest.raises(ValueError, match=r"`target` has 3 values in .* have 4 rows"):
        read_data_file(file, "few", None, ["face"])
