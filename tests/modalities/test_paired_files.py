"""Files of one modality each, put together by the labels of their rows."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from sk_mmbalance import Modalities

LABELS = np.array(["b", "c", "a"])
VALUES = np.array([[2.0, 0.0], [3.0, 0.5], [1.0, 0.0]])


@pytest.fixture
def table(tmp_path):
    """A table whose rows are labelled a, b and c."""
    file = tmp_path / "table.csv"
    pd.DataFrame({"row": ["a", "b", "c"], "w": [10.0, 20.0, 30.0]}).to_csv(file, index=False)
    return file


@pytest.mark.parametrize("form", ["dense", "sparse", "words"])
@pytest.mark.parametrize("lacking", [False, True])
def test_rows_of_arrays_are_placed_by_their_labels(table, tmp_path, form, lacking):
    file = tmp_path / "array.npz"
    rows = slice(1, None) if lacking else slice(None)  # without "b"
    values, labels = VALUES[rows], LABELS[rows]
    if form == "sparse":
        Modalities(face=sparse.csr_matrix(values), row=labels).save(file)
    elif form == "words":
        np.savez(file, face=values.astype(str), row=labels)
    else:
        np.savez(file, face=values, row=labels)
    found = Modalities.from_files({"face": file, "table": table}, index="row")
    expected = pd.DataFrame(VALUES, index=LABELS).astype(str if form == "words" else float)
    order = list(labels) + ["b"] * lacking  # as the first file names them
    if lacking:
        expected.loc["b"] = None if form == "words" else np.nan
    face = np.asarray(found["face"])
    pd.testing.assert_frame_equal(
        pd.DataFrame(face).astype(object), expected.loc[order].reset_index(drop=True).astype(object)
    )
    assert found["table"]["w"].tolist() == [{"a": 10, "b": 20, "c": 30}[row] for row in order]


def test_arrays_in_other_orders_are_brought_into_one(tmp_path):
    np.savez(tmp_path / "one.npz", face=VALUES, row=LABELS)
    np.savez(tmp_path / "two.npz", voice=VALUES[::-1] + 10, row=LABELS[::-1])
    files = {"face": tmp_path / "one.npz", "voice": tmp_path / "two.npz"}
    found = Modalities.from_files(files, index="row")
    np.testing.assert_array_equal(found["face"], VALUES)
    np.testing.assert_array_equal(found["voice"], VALUES + 10)


def test_what_does_not_belong_together_is_named(table, tmp_path):
    file = tmp_path / "array.npz"
    np.savez(file, face=VALUES, row=LABELS[:2])
    with pytest.raises(ValueError, match=r"array.npz has 3 rows and 2 values of 'row'"):
        Modalities.from_files({"face": file, "table": table}, index="row")
    with pytest.raises(ValueError, match=r"`index` is 'id', which .* has no array of; it has"):
        Modalities.from_files({"face": file}, index="id")
    with pytest.raises(ValueError, match=r"`modalities` names \['ear'\], for which `files` has no"):
        Modalities.from_files({"table": table}, modalities={"ear": ["w"]})


def test_columns_of_one_table_are_sorted_with_and_without_labels(table):
    with pytest.raises(ValueError, match=r"`index` is 'id', which .* has no column of; it has"):
        Modalities.from_files(table, {"a": ["w"]}, index="id")
    plain = Modalities.from_files(table, {"a": ["w"], "b": ["row"]})
    assert plain.index.tolist() == [0, 1, 2]
    labelled = Modalities.from_files(table, {"a": ["w"]}, index="row")
    assert labelled.index.tolist() == ["a", "b", "c"]
    np.testing.assert_array_equal(np.asarray(labelled["a"]), np.asarray(plain["a"]))
