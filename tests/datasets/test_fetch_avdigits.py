"""`fetch_avdigits` against a file server on this machine."""

import hashlib
import io
import os
import tarfile
from dataclasses import replace

import numpy as np
import pytest

from sk_mmbalance import Modalities
from sk_mmbalance.datasets import _avdigits, fetch_avdigits
from sk_mmbalance.datasets._logmel import log_mel


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch, server, recordings_archive, mnist_files):
    images, labels = mnist_files
    contents = {"RECORDINGS": recordings_archive, "IMAGES": images, "LABELS": labels}
    for name, content in contents.items():
        serve(monkeypatch, server, name, content)
    monkeypatch.delenv("SK_MMBALANCE_DATA", raising=False)


def serve(monkeypatch, server, name, content):
    """Put a stand-in on the server and point the loader to it."""
    source = getattr(_avdigits, name)
    server.files[source.filename] = content
    checksum = source.sha256 and hashlib.sha256(content).hexdigest()
    monkeypatch.setattr(
        _avdigits, name, replace(source, url=server.url(source.filename), sha256=checksum)
    )


@pytest.fixture(scope="module")
def shared_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def home(shared_folder, _stand_in):
    """A data home with the set in it; the tests of one good download share it."""
    fetch_avdigits(data_home=shared_folder)
    return shared_folder


def test_pairs_are_of_one_class_and_each_image_is_used_once(home, mnist_labels):
    bunch = fetch_avdigits(data_home=home)
    assert os.listdir(home) == ["avdigits.npz"]
    pixels = bunch.data["image"]
    np.testing.assert_array_equal(pixels[:, 0], bunch.target)
    rows = (256 * pixels[:, 1] + pixels[:, 2]).astype(int)
    assert len(set(rows)) == 3000
    np.testing.assert_array_equal(mnist_labels[rows], bunch.target)


def test_pairing_is_the_documented_one(home, mnist_labels):
    with np.load(home / "avdigits.npz") as cached:
        chosen, y = cached["mnist_index"], cached["y"]
    rng = np.random.RandomState(0)
    for digit in range(10):
        expected = rng.permutation(np.flatnonzero(mnist_labels == digit))[:300]
        np.testing.assert_array_equal(chosen[y == digit], expected)


def test_rows_are_sorted_by_digit_speaker_and_take(home, speakers):
    bunch = fetch_avdigits(data_home=home)
    digit, speaker, take = np.indices((10, 6, 50)).reshape(3, -1)
    np.testing.assert_array_equal(bunch.target, digit)
    np.testing.assert_array_equal(bunch.groups, speaker)
    np.testing.assert_array_equal(bunch.split, np.where(take < 5, "test", "train"))
    assert bunch.group_names.tolist() == list(speakers)


def test_sound_of_every_row_is_that_of_its_recording(home, tone):
    X, _ = fetch_avdigits(data_home=home, return_X_y=True)
    for digit, speaker, take in [(0, 0, 0), (3, 5, 11), (9, 2, 49)]:
        row = 300 * digit + 50 * speaker + take
        expected = log_mel(tone(digit, speaker, take), 8000).ravel()
        np.testing.assert_allclose(X["audio"][row], expected, rtol=1e-6)


def test_image_form_holds_the_same_numbers(home):
    flat = fetch_avdigits(data_home=home).data
    images = fetch_avdigits(data_home=home, as_images=True).data
    assert images["image"].shape == (3000, 1, 28, 28)
    assert images["audio"].shape == (3000, 1, 20, 20)
    for m in flat.names:
        np.testing.assert_array_equal(images[m].reshape(flat[m].shape), flat[m])


def test_feature_names_locate_their_features(home):
    bunch = fetch_avdigits(data_home=home)
    images = fetch_avdigits(data_home=home, as_images=True).data
    j = bunch.feature_names["audio"].index("mel_4_time_11")
    np.testing.assert_array_equal(bunch.data["audio"][:, j], images["audio"][:, 0, 4, 11])
    j = bunch.feature_names["image"].index("pixel_0_2")
    np.testing.assert_array_equal(bunch.data["image"][:, j], images["image"][:, 0, 0, 2])


def test_subsets_hold_their_takes_of_every_speaker(home):
    test = fetch_avdigits(data_home=home, subset="test")
    assert len(test.data) == len(test.groups) == 300
    np.testing.assert_array_equal(np.bincount(test.groups), np.full(6, 50))
    assert len(fetch_avdigits(data_home=home, subset="train").data) == 2700


def test_cache_file_is_read_by_the_container(home):
    X = Modalities.load(home / "avdigits.npz")
    assert X.names == ("audio", "image")
    assert X["image"].dtype == np.uint8


def recordings_without(archive, unwanted, rename=None):
    out = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(archive)) as old,
        tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as new,
    ):
        for member in old:
            if member.name.endswith(unwanted):
                if rename is None:
                    continue
                member.name = member.name.replace(unwanted, rename)
            new.addfile(member, old.extractfile(member))
    return out.getvalue()


@pytest.mark.parametrize("rename", [None, "3_bob_50.wav", "3_zoe_7.wav", "4_bob_7.wav"])
def test_incomplete_recordings_are_refused_and_nothing_stored(
    tmp_path, monkeypatch, server, recordings_archive, rename
):
    archive = recordings_without(recordings_archive, "3_bob_7.wav", rename)
    serve(monkeypatch, server, "RECORDINGS", archive)
    with pytest.raises(OSError, match="takes 0 to 49 of 10 digits by 6 speakers"):
        fetch_avdigits(data_home=tmp_path)
    assert os.listdir(tmp_path) == []


def test_other_images_are_refused_by_their_checksum(tmp_path, server, idx):
    server.files[_avdigits.IMAGES.filename] = idx(np.zeros((4000, 28, 28), dtype=np.uint8))
    with pytest.raises(OSError, match="SHA256"):
        fetch_avdigits(data_home=tmp_path, n_retries=0)
    assert os.listdir(tmp_path) == []


def test_too_few_images_of_a_digit_are_refused(tmp_path, monkeypatch, server, mnist_labels, idx):
    labels = mnist_labels.copy()
    labels[np.flatnonzero(labels == 6)[:150]] = 7
    serve(monkeypatch, server, "LABELS", idx(labels))
    with pytest.raises(OSError, match="at least 300 images of the digit 6"):
        fetch_avdigits(data_home=tmp_path)
    assert os.listdir(tmp_path) == []
