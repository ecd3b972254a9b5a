"""`Modalities` from flat tables and from files, and what they say of themselves."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.sparse import csr_array

from sk_mmbalance import LateFusionClassifier, Modalities
from sk_mmbalance.exceptions import DamagedFileError, MissingModalityError
from sk_mmbalance.modalities import check_modalities

FRAME = pd.DataFrame(
    {
        "acc_x": [1.0, 2.0, 3.0],
        "acc_y": [4.0, np.nan, 6.0],
        "age": [30, 40, 50],
        "note": list("abc"),
    },
    index=pd.Index(["p1", "p2", "p3"], name="person"),
)
COLUMNS = {"acc": "^acc_", "clinic": ["age"], "note": ["note"]}


def test_flat_table_is_cut_in_the_language_of_the_estimators():
    X = Modalities.from_frame(FRAME, COLUMNS)
    assert X.names == ("acc", "clinic", "note")
    assert list(X["acc"].columns) == ["acc_x", "acc_y"]
    pd.testing.assert_frame_equal(X["note"], FRAME[["note"]])
    numbers = {"acc": "^acc_", "clinic": slice(2, 3)}
    read = check_modalities(FRAME.fillna(0.0), modalities=numbers)
    by_name = check_modalities(Modalities.from_frame(FRAME.fillna(0.0), numbers))
    for name in numbers:
        np.testing.assert_array_equal(read.arrays[name], by_name.arrays[name])


def test_row_labels_stay_through_cutting_and_splitting():
    X = Modalities.from_frame(FRAME, COLUMNS)
    assert X.index.tolist() == ["p1", "p2", "p3"]
    assert X[[2, 0]].index.tolist() == ["p3", "p1"]
    assert X.select(["acc"]).to_frame().index.name == "person"
    assert Modalities(face=np.zeros((2, 1))).index.tolist() == [0, 1]


def test_polars_is_cut_alike():
    X = Modalities.from_frame(pl.DataFrame(FRAME.to_dict("list")), COLUMNS)
    assert X["acc"].columns == ["acc_x", "acc_y"]


@pytest.mark.parametrize("frame", [FRAME.to_numpy(), {"acc_x": [1]}, [[1, 2]]])
def test_what_is_no_table_is_refused(frame):
    with pytest.raises(TypeError, match="`frame` must be a table with named columns"):
        Modalities.from_frame(frame, COLUMNS)


@pytest.mark.parametrize(
    ("pattern", "remedy"),
    [("acc_*", r"'\^acc_'"), ("*acc", r"'acc\$'"), ("*acc*", "'acc'"), ("acc_?", r"'\^acc_', say")],
)
def test_shell_patterns_are_refused_in_words(pattern, remedy):
    with pytest.raises(ValueError, match="looks like a shell's.*" + remedy):
        Modalities.from_frame(FRAME, {"acc": pattern})
    with pytest.raises(ValueError, match="looks like a shell's"):
        LateFusionClassifier(modalities={"acc": pattern}).fit(FRAME, [0, 1, 0])


@pytest.mark.parametrize("pattern", ["*.acc", "acc(", "[acc"])
def test_what_is_no_expression_says_what_one_is(pattern):
    with pytest.raises(
        ValueError, match=r"no regular expression .*names themselves stand in a list"
    ):
        Modalities.from_frame(FRAME, {"acc": pattern})


def test_expressions_with_stars_still_are_expressions():
    assert list(Modalities.from_frame(FRAME, {"acc": r"acc_\w*"})["acc"]) == ["acc_x", "acc_y"]
    assert list(Modalities.from_frame(FRAME, {"acc": "acc.*"})["acc"]) == ["acc_x", "acc_y"]


def test_name_that_is_no_match_as_expression_gets_the_hint():
    frame = FRAME.rename(columns={"age": "age (years)"})
    with pytest.raises(ValueError, match="names themselves stand in a list"):
        Modalities.from_frame(frame, {"clinic": "age (years)"})


# -- files -------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".csv.gz", ".parquet"])
def test_one_table(tmp_path, ending):
    file = tmp_path / f"data{ending}"
    if ending == ".parquet":
        FRAME.reset_index().to_parquet(file)
    else:
        FRAME.to_csv(file, sep="\t" if ending == ".tsv" else ",")
    X = Modalities.from_files(file, COLUMNS, index="person")
    pd.testing.assert_frame_equal(X["acc"], FRAME[["acc_x", "acc_y"]])
    assert X.index.tolist() == ["p1", "p2", "p3"]


def test_one_npz_is_what_load_reads(tmp_path):
    Modalities(face=np.ones((2, 3))).save(tmp_path / "x.npz")
    assert Modalities.from_files(tmp_path / "x.npz").names == ("face",)
    with pytest.raises(ValueError, match="`modalities` and `index` are for tables"):
        Modalities.from_files(tmp_path / "x.npz", COLUMNS)


@pytest.fixture
def several(tmp_path):
    FRAME[["acc_x", "acc_y"]].to_csv(tmp_path / "acc.csv")
    FRAME[["age", "note"]].iloc[[2, 0]].to_csv(tmp_path / "clinic.csv")
    np.savez(tmp_path / "image.npz", pixels=np.arange(8.0).reshape(2, 2, 2), person=["p2", "p4"])
    return {
        name: tmp_path / file
        for name, file in [("acc", "acc.csv"), ("clinic", "clinic.csv"), ("image", "image.npz")]
    }


def test_files_are_paired_by_a_column_and_lack_what_they_lack(several):
    X = Modalities.from_files(several, {"clinic": ["age"]}, index="person")
    assert X.index.tolist() == ["p1", "p2", "p3", "p4"]
    assert X["clinic"]["age"].tolist()[::2] == [30, 50]
    assert X.info()["missing_rows"].to_dict() == {"acc": 0.25, "clinic": 0.5, "image": 0.5}
    np.testing.assert_array_equal(X["image"][1], [[0, 1], [2, 3]])
    np.testing.assert_array_equal(X["image"][3], [[4, 5], [6, 7]])


def test_order_of_the_files_does_not_matter(several):
    X = Modalities.from_files(several, index="person")
    Z = Modalities.from_files(dict(reversed(several.items())), index="person")
    assert X.index.tolist() == Z.index.tolist()
    pd.testing.assert_frame_equal(X["clinic"], Z["clinic"])


def test_without_a_column_files_are_paired_by_place(several):
    del several["image"]
    with pytest.raises(ValueError, match="must have the same number of samples"):
        Modalities.from_files(several)


@pytest.mark.parametrize(
    ("content", "index", "message"),
    [
        ("person,a\np1,1\np1,2\n", "person", "several rows for 'p1'"),
        ("person,a\n,1\np1,2\n", "person", "without a value of the `index`"),
        ("who,a\np1,1\n", "person", r"`index` is 'person', which .* has no column of"),
    ],
)
def test_odd_labels_are_refused_by_the_name_of_the_file(tmp_path, content, index, message):
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(ValueError, match=message) as caught:
        Modalities.from_files({"a": tmp_path / "a.csv"}, index=index)
    assert "a.csv" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("a.xlsx", b"", ValueError, "names end with .csv"),
        ("a.csv", b"", DamagedFileError, "cannot be read as csv"),
        ("a.csv", b'x,y\n1,2,3\n1,"2\n', DamagedFileError, "cannot be read as csv"),
        ("a.parquet", b"no parquet", DamagedFileError, "cannot be read as parquet"),
        ("a.npz", b"no archive", DamagedFileError, "a.npz is damaged"),
    ],
)
def test_bad_files_are_named(tmp_path, name, content, error, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match=message):
        Modalities.from_files(tmp_path / name, COLUMNS if name != "a.npz" else None)


def test_file_that_is_not_there_is_the_systems_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.csv"):
        Modalities.from_files(tmp_path / "nowhere.csv", COLUMNS)


def test_single_table_needs_columns(tmp_path):
    FRAME.to_csv(tmp_path / "a.csv")
    with pytest.raises(ValueError, match=r"which columns of .*it has .'person', 'acc_x'"):
        Modalities.from_files(tmp_path / "a.csv")


# -- what they say of themselves -----------------------------------------------------------------


def test_info_counts_rows_and_values():
    X = Modalities(
        face=np.zeros((4, 2, 2)),
        voice=pd.DataFrame({"a": [1.0, np.nan, np.nan, 4.0], "b": ["x", None, "y", "z"]}),
        words=csr_array(np.eye(4)),
    )
    info = X.info()
    assert info.loc["voice", "missing_rows"] == 0.25
    assert info.loc["voice", "missing_values"] == 3 / 8
    assert info["shape"].to_dict() == {"face": (2, 2), "voice": (2,), "words": (4,)}
    assert info.loc["face", "bytes"] == 4 * 4 * 8
    assert "1 x float64" in info.loc["voice", "dtypes"]


def test_head_gives_the_first_rows():
    X = Modalities(face=np.arange(9.0))
    assert X.head(2)["face"].tolist() == [0, 1]
    assert len(X.head()) == 5
    assert len(X.head(20)) == 9


def test_html_shows_every_modality_and_escapes_names():
    page = Modalities({"<b>": np.full((120, 2), np.nan), "face": np.ones((120, 3))})._repr_html_()
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    assert "100.0%" in page
    assert page.count("<svg") == 2
    assert page.count('fill-opacity="1.00"') == 60


# -- flat tables that lack a whole modality --------------------------------------------------------


@pytest.fixture
def flat():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    names = ["f_1", "f_2", "age", "v_1"]
    frame = pd.DataFrame(rng.normal(size=(60, 4)) + y[:, None], columns=names)
    return frame, y, {"face": "^f_", "voice": ["v_1"]}


def test_frame_without_the_columns_of_a_modality_lacks_it_as_a_dict_does(flat):
    frame, y, columns = flat
    model = LateFusionClassifier(modalities=columns, missing="mask").fit(frame, y)
    np.testing.assert_array_equal(
        model.predict_proba(frame[["age", "v_1"]]), model.predict_proba({"voice": frame[["v_1"]]})
    )
    np.testing.assert_array_equal(
        model.predict_proba(frame[["f_1", "f_2", "age"]]),
        model.predict_proba({"face": frame[["f_1", "f_2"]]}),
    )


def test_without_mask_the_lacking_modality_is_named(flat):
    frame, y, columns = flat
    model = LateFusionClassifier(modalities=columns).fit(frame, y)
    with pytest.raises(MissingModalityError, match="lacks modality 'voice' seen in fit"):
        model.predict(frame[["f_1", "f_2", "age"]])


@pytest.mark.parametrize(
    "kept", [["f_1", "age", "v_1"], ["v_1", "age"], ["v_1"], ["age"], ["age", "v_1", "new"]]
)
def test_other_columns_than_those_of_fit_are_an_error_still(flat, kept):
    frame, y, columns = flat
    model = LateFusionClassifier(modalities=columns, missing="mask").fit(frame, y)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame.assign(new=0.0)[kept])
