"""Files of modalities: whole or not at all, and checked before they are believed."""

import copy
import hashlib
import io
import json
import os
import stat
import zipfile

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse

from sk_mmbalance import Modalities
from sk_mmbalance.exceptions import DamagedFileError


@pytest.fixture
def file(tmp_path):
    return tmp_path / "m.npz"


@pytest.fixture
def small(file):
    """A small file and its modalities."""
    X = Modalities(face=np.arange(6.0).reshape(3, 2), note=["a", None, "häuser"])
    X.save(file)
    return X


# -- what goes in comes out ----------------------------------------------------------------------

KEPT = {
    "float": np.array([[1.5, np.nan], [np.inf, -0.0]]),
    "half": np.ones((2, 3), "float16"),
    "image": np.asfortranarray(np.arange(24, dtype=np.uint8).reshape(2, 3, 4)),
    "bool": np.array([True, False]),
    "big": np.array([2**62 + 1, 5], dtype=np.uint64),
    "other byte order": np.array([1, 2], ">i4"),
    "dates": np.array(["2020-01-01", "NaT"], "M8[D]"),
    "strings": np.array(["a", "bcd"]),
}


@pytest.mark.parametrize("value", KEPT.values(), ids=KEPT.keys())
def test_arrays_come_back_bit_for_bit(file, value):
    Modalities(a=value).save(file)
    back = Modalities.load(file)["a"]
    assert back.dtype == value.dtype
    np.testing.assert_array_equal(back, value)
    with np.load(file) as archive:  # and numpy reads them, too
        np.testing.assert_array_equal(archive["a"], value)


def test_text_sparse_matrices_sequences_and_tensors_come_back(file):
    torch = pytest.importorskip("torch")
    matrix = sparse.coo_array(sparse.random(3, 4, density=0.5, random_state=0))
    column = np.array([["x"], [None], ["ü"]], dtype=object)
    walks = [np.ones((2, 3)), None, np.zeros((1, 3))]
    X = Modalities(s=matrix, t=column, w=walks, z=torch.arange(3.0))
    X.save(file)
    back = Modalities.load(file)
    np.testing.assert_array_equal(back["s"].toarray(), matrix.toarray())
    assert back["t"].tolist() == column.tolist()
    assert back["w"][1] is None
    np.testing.assert_array_equal(back["w"][0], walks[0])
    np.testing.assert_array_equal(back["z"], [0, 1, 2])


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame])
def test_tables_keep_the_names_of_their_columns(file, library):
    Modalities(lab=library({"age": [1, 2], "bmi": [3, 4]})).save(file)
    back = Modalities.load(file)["lab"]
    assert back.columns.tolist() == ["age", "bmi"]
    np.testing.assert_array_equal(back.to_numpy(), [[1, 3], [2, 4]])


def test_empty_text_is_text_and_no_missing_value(file):
    Modalities(note=["", "b", None]).save(file)
    assert Modalities.load(file)["note"].tolist() == ["", "b", None]


def test_empty_column_takes_the_dtype_of_the_others(file):
    table = pa.table({"a": pa.array([1, 2], pa.float32()), "never": pa.nulls(2)})
    Modalities(lab=table).save(file)
    assert set(Modalities.load(file)["lab"].dtypes) == {np.dtype("float32")}


def test_names_of_array_columns_and_numbers_for_names_are_kept(file):
    X = Modalities(a=np.ones((2, 2)), n=pd.DataFrame(np.ones((2, 2)), columns=[4, 2]))
    X.with_feature_names({"a": ["p", "q"]}).save(file)
    back = Modalities.load(file)
    assert back.feature_names == {"a": ("p", "q")}
    assert back["n"].columns.tolist() == [4, 2]


def test_same_modalities_give_the_same_file(small, file, tmp_path):
    small.save(tmp_path / "again")  # the ending is added
    assert (tmp_path / "again.npz").read_bytes() == file.read_bytes()


def test_file_says_that_it_is_of_version_one(small, file):
    """Readers of other releases go by it: it changes when old files cannot be read."""
    with zipfile.ZipFile(file) as archive:
        page = json.loads(archive.read("sk_mmbalance.json"))
    assert (page["format"], page["version"]) == ("sk_mmbalance modalities", 1)


def _changed(file, change):
    """Write the archive anew with entries that `change` gave, and a checksum that agrees."""
    with zipfile.ZipFile(file) as archive:
        entries = {info.filename: archive.read(info) for info in archive.infolist()}
    change(entries)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
        archive.comment = b"?" * 71
    content = file.read_bytes()[:-71]
    file.write_bytes(content + b"sha256:" + hashlib.sha256(content).hexdigest().encode())


@pytest.mark.parametrize("other", [{"format": "mine"}, {"version": 0}, {"version": 2}])
def test_other_formats_and_versions_are_refused_by_name(small, file, other):
    def change(entries):
        page = json.loads(entries["sk_mmbalance.json"]) | other
        entries["sk_mmbalance.json"] = json.dumps(page).encode()

    _changed(file, lambda entries: None)
    assert Modalities.load(file)["face"].tolist() == small["face"].tolist()
    _changed(file, change)
    with pytest.raises(DamagedFileError, match=r"it has format .*this release reads"):
        Modalities.load(file)


def _as_npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def test_indices_of_a_sparse_matrix_are_not_believed(file):
    Modalities(s=sparse.csr_array(np.eye(3))).save(file)
    outside = np.array([0, 1, 7], np.int32)
    _changed(file, lambda entries: entries.update({"s__indices.npy": _as_npy(outside)}))
    with pytest.raises(DamagedFileError):
        Modalities.load(file)


@pytest.mark.parametrize("lengths", [[2, 1, 1], [2, 1, 4], [2, 3, -2]])
def test_lengths_of_rows_must_add_up(file, lengths):
    rows = np.empty(3, dtype=object)
    rows[:] = [np.zeros((2, 1)), np.zeros((1, 1)), np.zeros((2, 1))]
    Modalities(s=rows).save(file)
    wrong = _as_npy(np.array(lengths))
    _changed(file, lambda entries: entries.update({"s__lengths.npy": wrong}))
    with pytest.raises(DamagedFileError, match="do not add up"):
        Modalities.load(file)


# -- written whole or not at all -----------------------------------------------------------------

UNKEPT = {
    "objects": (np.array([{}, {}], dtype=object), TypeError, "'a' must be numeric"),
    "text in a table": (pd.DataFrame({"x": [1, 2], "who": ["u", "v"]}), ValueError, "'who'"),
    "dates in a table": (pd.DataFrame({"day": pd.date_range("2020", periods=2)}), TypeError, "day"),
    "records": (np.zeros(2, [("x", "f8")]), TypeError, "'a' cannot be saved"),
    "rows of other shapes": ([np.ones((2, 1)), np.ones((1, 2))], ValueError, "'a' has rows of sha"),
}


@pytest.mark.parametrize(("value", "error", "message"), UNKEPT.values(), ids=UNKEPT.keys())
def test_what_cannot_be_read_back_is_not_written(small, file, value, error, message):
    before = file.read_bytes()
    with pytest.raises(error, match=message):
        Modalities(a=value).save(file)
    assert file.read_bytes() == before
    assert os.listdir(file.parent) == [file.name]


@pytest.mark.parametrize("name", ["modalities", "a\0b", "\ud800"])
def test_names_that_a_file_cannot_keep_are_refused(file, name):
    with pytest.raises(ValueError, match=r"`Modalities.save` cannot write a modality of the name"):
        Modalities({name: np.ones(2)}).save(file)
    assert not file.exists()


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_failure_at_any_write_leaves_the_old_file(small, file, monkeypatch, error):
    before = file.read_bytes()
    calls = {"fsync": os.fsync, "replace": os.replace}
    for name in calls:
        with monkeypatch.context() as patch:

            def fail(*args):
                raise error

            patch.setattr(os, name, fail)
            with pytest.raises(type(error)) as caught:
                Modalities(face=np.zeros((9, 9))).save(file)
        if isinstance(error, OSError):
            assert str(file) in str(caught.value)
        assert file.read_bytes() == before
        assert os.listdir(file.parent) == [file.name]


def test_full_disk_leaves_the_old_file(small, file):
    resource = pytest.importorskip("resource")
    signal = pytest.importorskip("signal")
    before = file.read_bytes()
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        with pytest.raises(OSError, match=file.name):
            Modalities(a=np.random.default_rng(0).normal(size=(500, 3))).save(file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert file.read_bytes() == before
    assert os.listdir(file.parent) == [file.name]


def test_mode_and_link_of_an_old_file_stay(small, file, tmp_path):
    file.chmod(0o640)
    link = tmp_path / "link.npz"
    link.symlink_to(file)
    Modalities(a=np.ones(2)).save(link)
    assert link.is_symlink()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert Modalities.load(file).names == ("a",)


def test_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no/m\.npz"):
        Modalities(a=np.ones(2)).save(tmp_path / "no" / "m.npz")
    with pytest.raises(FileNotFoundError, match=r"m\.npz"):
        Modalities.load(tmp_path / "m.npz")


# -- damage --------------------------------------------------------------------------------------


def test_file_cut_at_any_byte_is_refused_by_name(small, file):
    whole = file.read_bytes()
    for cut in range(len(whole)):
        file.write_bytes(whole[:cut])
        with pytest.raises(DamagedFileError) as caught:
            Modalities.load(file)
        assert str(file) in str(caught.value)
    file.write_bytes(whole + b"more")
    with pytest.raises(DamagedFileError):
        Modalities.load(file)


def test_any_changed_byte_is_noticed(small, file):
    whole = file.read_bytes()
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1 << (place % 8)
        file.write_bytes(changed)
        with pytest.raises(DamagedFileError) as caught:
            Modalities.load(file)
        assert str(file) in str(caught.value)


def test_changed_bytes_of_a_numpy_archive_are_refused_or_change_nothing(file):
    face = np.arange(6.0).reshape(3, 2)
    np.savez_compressed(file, modalities=np.array(["face"]), face=face)
    whole = file.read_bytes()
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 0x40
        file.write_bytes(changed)
        try:
            X = Modalities.load(file)
        except DamagedFileError:
            continue
        # a name is all that no checksum of the archive guards
        assert all(name == "modalities" or X[name].tobytes() == face.tobytes() for name in X)


def _archive(file, entries, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)


def _npy(shape, dtype="<f8", data=b""):
    head = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}}}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode() + data


BAD = {
    "no archive": b"\x93NUMPY",
    "empty": b"",
    "no array": {"notes.txt": b"hello"},
    "huge shape": {"a.npy": _npy("(1000000000, 1000000)")},
    "negative shape": {"a.npy": _npy("(-1, -8)", data=bytes(64))},
    "too short": {"a.npy": _npy("(3,)", data=bytes(16))},
    "too long": {"a.npy": _npy("(3,)", data=bytes(32))},
    "objects": {"a.npy": _npy("(1,)", "|O", data=bytes(8))},
    "no header": {"a.npy": b"nothing"},
    "listed and not there": {"modalities.npy": _npy("(1,)", "<U1", "a".encode("utf-32-le"))},
    "unequal rows": {"a.npy": _npy("(1,)", data=bytes(8)), "b.npy": _npy("(2,)", data=bytes(16))},
    "bad name": {"a__b.npy": _npy("(1,)", data=bytes(8))},
    "no row": {"a.npy": _npy("()", data=bytes(8))},
    "another release's": {"sk_mmbalance.json": b"{}"},
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD.keys())
def test_odd_files_are_refused_by_name(file, content):
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        _archive(file, content)
    with pytest.raises(DamagedFileError) as caught:
        Modalities.load(file)
    assert str(file) in str(caught.value)


def test_entry_that_claims_more_than_its_bytes_can_hold_gets_no_room(file, monkeypatch):
    data = _npy("(500000,)", data=bytes(4_000_000))
    _archive(file, {"a.npy": data})
    whole = file.read_bytes()
    for claimed in (10**9, 2**32 - 2):
        changed = whole.replace(len(data).to_bytes(4, "little"), claimed.to_bytes(4, "little"))
        assert changed != whole
        file.write_bytes(changed)
        with pytest.raises(DamagedFileError, match=r"claims|size of its shape"):
            Modalities.load(file)


def test_entries_that_share_their_bytes_are_refused(file):
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.npy", _npy("(1000,)", data=bytes(8000)))
        for name in "bc":
            again = copy.copy(archive.filelist[0])
            again.filename = f"{name}.npy"
            archive.filelist.append(again)
    with pytest.raises(DamagedFileError, match="claim more bytes than it has"):
        Modalities.load(file)


def test_another_compression_is_refused(file):
    _archive(file, {"a.npy": _npy("(1,)", data=bytes(8))}, zipfile.ZIP_BZIP2)
    with pytest.raises(DamagedFileError, match="compressed in a way"):
        Modalities.load(file)


# -- files of others -----------------------------------------------------------------------------


def test_archives_of_numpy_are_read(file):
    np.savez(file, a=np.ones(3), y=np.ones(3), modalities=np.array(["a"]))
    assert Modalities.load(file).names == ("a",)
    np.savez(file, a=np.ones(3), b=np.ones((3, 2)))
    assert Modalities.load(file).names == ("a", "b")


def test_real_files_are_read(data_home):
    for path in sorted(data_home.glob("*.npz")):
        with np.load(path) as archive:
            names = tuple(sorted(archive["modalities"].tolist()))
            rows = len(archive["y"])
        X = Modalities.load(path)
        assert X.names == names
        assert len(X) == rows
