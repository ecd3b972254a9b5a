"""`fetch_mfeat` and the data home, against a file server on this machine."""

import hashlib
import io
import os
import socket
import tarfile
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest

from sk_mmbalance import Modalities
from sk_mmbalance.datasets import _mfeat, fetch_mfeat, get_data_home

ARCHIVE = "multiple+features.zip"


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch, server, mfeat_arrays, mfeat_zip):
    server.files[ARCHIVE] = mfeat_zip
    (source,) = _mfeat.SOURCES
    monkeypatch.setattr(_mfeat, "SOURCES", (replace(source, url=server.url(ARCHIVE)),))
    totals = tuple(mfeat_arrays["pix"].reshape(10, -1).sum(axis=1).tolist())
    monkeypatch.setattr(_mfeat, "PIX_TOTALS", totals)
    monkeypatch.delenv("SK_MMBALANCE_DATA", raising=False)


def use_source(monkeypatch, **changes):
    (source,) = _mfeat.SOURCES
    monkeypatch.setattr(_mfeat, "SOURCES", (replace(source, **changes),))


def test_download_gives_the_published_numbers(tmp_path, mfeat_arrays):
    bunch = fetch_mfeat(data_home=tmp_path)
    assert bunch.data.names == ("fac", "fou", "kar", "mor", "pix", "zer")
    for m in bunch.data.names:
        assert bunch.data[m].dtype == np.float32
        np.testing.assert_array_equal(bunch.data[m], mfeat_arrays[m].astype(np.float32))
    np.testing.assert_array_equal(bunch.target, np.repeat(np.arange(10), 200))


def test_archive_within_the_archive_is_read_too(tmp_path, server, mfeat_texts, mfeat_arrays):
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w") as archive:
        for name, text in mfeat_texts.items():
            entry = tarfile.TarInfo(f"mfeat/{name}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text))
    outer = io.BytesIO()
    with ZipFile(outer, "w") as archive:
        archive.writestr("mfeat.tar", inner.getvalue())
    server.files[ARCHIVE] = outer.getvalue()
    X, _ = fetch_mfeat(data_home=tmp_path, return_X_y=True)
    np.testing.assert_array_equal(X["pix"], mfeat_arrays["pix"])


def test_second_call_reads_the_cache_and_asks_for_nothing(tmp_path, server):
    first, _ = fetch_mfeat(data_home=tmp_path, return_X_y=True)
    second, _ = fetch_mfeat(data_home=tmp_path, return_X_y=True, download_if_missing=False)
    assert server.requests == {ARCHIVE: 1}
    for m in first.names:
        np.testing.assert_array_equal(first[m], second[m])


def test_data_home_holds_the_cache_file_and_nothing_else(tmp_path):
    fetch_mfeat(data_home=tmp_path / "new" / "folder")
    assert os.listdir(tmp_path / "new" / "folder") == ["mfeat.npz"]


def test_cache_file_is_read_by_the_container(tmp_path, mfeat_arrays):
    fetch_mfeat(data_home=tmp_path)
    X = Modalities.load(tmp_path / "mfeat.npz")
    assert X.names == ("fac", "fou", "kar", "mor", "pix", "zer")
    np.testing.assert_array_equal(X["pix"], mfeat_arrays["pix"])


def test_subsets_are_the_split_and_make_up_the_whole(tmp_path):
    whole, train, test = (
        fetch_mfeat(subset=subset, data_home=tmp_path) for subset in ("all", "train", "test")
    )
    assert len(train.data) == 1600
    assert len(test.data) == 400
    assert set(train.split) == {"train"}
    np.testing.assert_array_equal(np.bincount(test.target), np.full(10, 40))
    np.testing.assert_array_equal(whole.data["mor"][whole.split == "test"], test.data["mor"])


def test_frame_has_the_feature_names(tmp_path):
    bunch = fetch_mfeat(data_home=tmp_path, as_frame=True)
    assert bunch.data.shape == (2000, 649)
    assert list(bunch.data["mor"].columns) == bunch.feature_names["mor"]
    assert bunch.feature_names["mor"][0] == "mor_0"


def test_environment_variable_sets_the_data_home(tmp_path, monkeypatch):
    monkeypatch.setenv("SK_MMBALANCE_DATA", str(tmp_path))
    assert get_data_home() == tmp_path
    fetch_mfeat()
    assert (tmp_path / "mfeat.npz").exists()


def test_without_variable_the_data_home_is_in_the_home_folder_and_not_created(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert get_data_home() == Path(tmp_path) / "sk_mmbalance_data"
    assert os.listdir(tmp_path) == []


def test_without_permission_to_download_the_error_names_folder_and_mend(tmp_path, server):
    with pytest.raises(OSError, match="`download_if_missing` is False") as error:
        fetch_mfeat(data_home=tmp_path, download_if_missing=False)
    assert str(tmp_path) in str(error.value)
    assert not server.requests


def test_offline_error_names_url_and_way_out_and_leaves_nothing(tmp_path, monkeypatch):
    with socket.socket() as free:  # a port that nobody listens on
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/{ARCHIVE}"
    use_source(monkeypatch, url=url)
    with pytest.raises(OSError, match="Cannot download") as error:
        fetch_mfeat(data_home=tmp_path, n_retries=0)
    assert url in str(error.value)
    assert f"put that file as '{ARCHIVE}' into the data home {tmp_path}" in str(error.value)
    assert os.listdir(tmp_path) == []


def test_absent_file_on_the_server_is_a_download_error(tmp_path, server):
    del server.files[ARCHIVE]
    with pytest.raises(OSError, match=r"Cannot download .*404"):
        fetch_mfeat(data_home=tmp_path, n_retries=0)
    assert os.listdir(tmp_path) == []


def test_a_passing_failure_is_tried_again(tmp_path, server):
    server.failures[ARCHIVE] = 2
    with pytest.warns(UserWarning, match="Retry downloading"):
        fetch_mfeat(data_home=tmp_path, n_retries=2, delay=0)
    assert server.requests[ARCHIVE] == 3


def test_download_that_breaks_off_leaves_nothing_behind(tmp_path, server):
    server.broken.add(ARCHIVE)
    with pytest.raises(OSError, match="Cannot download"):
        fetch_mfeat(data_home=tmp_path, n_retries=0)
    assert os.listdir(tmp_path) == []


def test_wrong_checksum_leaves_nothing_behind(tmp_path, monkeypatch):
    use_source(monkeypatch, sha256="0" * 64)
    with pytest.raises(OSError, match="SHA256"):
        fetch_mfeat(data_home=tmp_path, n_retries=0)
    assert os.listdir(tmp_path) == []


def test_right_checksum_is_accepted(tmp_path, monkeypatch, mfeat_zip):
    use_source(monkeypatch, sha256=hashlib.sha256(mfeat_zip).hexdigest())
    fetch_mfeat(data_home=tmp_path, n_retries=0)
    assert os.listdir(tmp_path) == ["mfeat.npz"]


def altered(mfeat_texts, **changes):
    stream = io.BytesIO()
    with ZipFile(stream, "w") as archive:
        for name, text in (mfeat_texts | changes).items():
            if text is not None:
                archive.writestr(name, text)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("alter", "message"),
    [
        (lambda texts: b"this is no archive", "not a zip file"),
        (lambda texts: altered({k: t for k, t in texts.items() if k != "mfeat-fou"}), "mfeat-fou"),
        (
            lambda texts: altered(texts, **{"mfeat-mor": texts["mfeat-mor"].rsplit(b"\n", 2)[0]}),
            r"2000 rows of 6 features in 'mor', got \(1999, 6\)",
        ),
        (
            lambda texts: altered(texts, **{"mfeat-zer": texts["mfeat-mor"]}),
            "2000 rows of 47 features in 'zer'",
        ),
        (
            lambda texts: altered(
                texts, **{"mfeat-pix": b"\n".join(reversed(texts["mfeat-pix"].split(b"\n")))}
            ),
            "the pixels of the classes to sum to",
        ),
        (
            lambda texts: altered(
                texts, **{"mfeat-kar": b"nan " + texts["mfeat-kar"].split(maxsplit=1)[1]}
            ),
            "finite numbers in 'kar'",
        ),
    ],
    ids=["no archive", "a file lacks", "a row lacks", "wrong width", "other row order", "NaN"],
)
def test_wrong_content_is_refused_and_nothing_stored(tmp_path, server, mfeat_texts, alter, message):
    server.files[ARCHIVE] = alter(mfeat_texts)
    with pytest.raises(OSError, match=message):
        fetch_mfeat(data_home=tmp_path)
    assert os.listdir(tmp_path) == []


def test_source_put_into_the_data_home_by_hand_needs_no_network(
    tmp_path, server, mfeat_zip, mfeat_arrays
):
    (tmp_path / ARCHIVE).write_bytes(mfeat_zip)
    X, _ = fetch_mfeat(data_home=tmp_path, download_if_missing=False, return_X_y=True)
    np.testing.assert_array_equal(X["pix"], mfeat_arrays["pix"])
    assert not server.requests
    assert sorted(os.listdir(tmp_path)) == ["mfeat.npz", ARCHIVE]


def test_source_put_there_by_hand_is_held_to_its_checksum(tmp_path, monkeypatch, mfeat_zip):
    use_source(monkeypatch, sha256="0" * 64)
    (tmp_path / ARCHIVE).write_bytes(mfeat_zip)
    with pytest.raises(OSError, match="Delete or replace it"):
        fetch_mfeat(data_home=tmp_path)
    assert os.listdir(tmp_path) == [ARCHIVE]


@pytest.mark.parametrize("damage", ["half", "empty", "other set"])
def test_damaged_cache_file_is_named_and_kept(tmp_path, server, damage):
    fetch_mfeat(data_home=tmp_path)
    cached = tmp_path / "mfeat.npz"
    content = cached.read_bytes()
    if damage == "other set":
        np.savez(cached, modalities=np.array(["pix"]), pix=np.zeros((3, 2)), y=np.zeros(3))
    else:
        cached.write_bytes(content[: len(content) // 2] if damage == "half" else b"")
    with pytest.raises(OSError, match=r"mfeat.npz is damaged or holds another data set.*Delete it"):
        fetch_mfeat(data_home=tmp_path)
    assert server.requests[ARCHIVE] == 1


def test_failure_while_storing_leaves_no_half_written_file(tmp_path, monkeypatch):
    def fail(file, **arrays):
        Path(file).write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez_compressed", fail)
    with pytest.raises(OSError, match="disk full"):
        fetch_mfeat(data_home=tmp_path)
    assert os.listdir(tmp_path) == []


def test_data_home_that_cannot_be_made_is_named(tmp_path, server):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="Cannot write to the data home"):
        fetch_mfeat(data_home=tmp_path / "file" / "home")
    assert not server.requests


def test_unknown_subset_is_refused(tmp_path):
    with pytest.raises(ValueError, match="`subset` must be 'all', 'train' or 'test'"):
        fetch_mfeat(data_home=tmp_path, subset="valid")
