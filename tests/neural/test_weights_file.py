"""Weights files: whole or not there, compared with their checksum, never larger than they are."""

import json
import os
import tracemalloc

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sklearn.base import clone
from torch import nn

from sk_mmbalance import (
    Modalities,
    MultimodalClassifier,
    MultimodalRegressor,
    SustainedBoostingClassifier,
)
from sk_mmbalance.balancing import UMT
from sk_mmbalance.exceptions import DamagedFileError

TINY = {"max_epochs": 1, "hidden_layer_sizes": (2,), "embedding_dim": 2, "random_state": 0}
X, y = Modalities(a=np.random.default_rng(0).normal(size=(20, 2))), np.arange(20) % 2


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "weights.safetensors"
    MultimodalClassifier(**TINY).fit(X, y).save_weights(path)
    return path


def refused(path, estimator=None):
    with pytest.raises(DamagedFileError) as said:
        (estimator or MultimodalClassifier(**TINY)).load_weights(path)
    return str(path) in str(said.value)


def test_every_truncation_is_refused_by_name(file):
    whole = file.read_bytes()
    for n in range(0, len(whole), 3):
        file.write_bytes(whole[:n])
        assert refused(file), n


def test_every_changed_byte_is_refused_by_name(file):
    whole = bytearray(file.read_bytes())
    for position in range(len(whole)):
        whole[position] ^= 1 << position % 8
        file.write_bytes(whole)
        assert refused(file), position
        whole[position] ^= 1 << position % 8


def test_bytes_behind_the_end_are_refused(file):
    file.write_bytes(file.read_bytes() + b"\0" * 8)
    assert refused(file)


def test_a_file_of_something_else_is_refused(tmp_path):
    other = tmp_path / "other"
    save_file({"w": torch.ones(2)}, other)
    assert refused(other)
    other.write_text("{}")
    assert refused(other)
    with pytest.raises(FileNotFoundError):
        MultimodalClassifier().load_weights(tmp_path / "nowhere")


def test_the_same_fit_gives_the_same_file(file, tmp_path):
    again = tmp_path / "again"
    clf = MultimodalClassifier(**TINY).fit(X, y)
    clf.net_.history[0]["dur"] = json.loads(page(file)["about"])["history"][0]["dur"]
    clf.save_weights(again)
    assert again.read_bytes() == file.read_bytes()


def test_a_failed_save_leaves_the_old_file(file, monkeypatch):
    before = file.read_bytes()
    clf = MultimodalClassifier(**TINY).fit(X, 1 - y)
    for name in ("fsync", "replace"):
        for error in (OSError(28, "No space left on device"), KeyboardInterrupt()):
            with monkeypatch.context() as patch:
                patch.setattr(os, name, lambda *given, error=error: (_ for _ in ()).throw(error))
                with pytest.raises(type(error)):
                    clf.save_weights(file)
            assert file.read_bytes() == before
            assert os.listdir(file.parent) == [file.name]
    clf.save_weights(file)
    assert file.read_bytes() != before


# -- files that carry a right checksum and lie ---------------------------------------------


def page(path):
    data = path.read_bytes()
    return json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]


def forge(path, tensors=None, **about):
    """Write the file anew, as of the version that had no checksum, with some things changed."""
    said = json.loads(page(path)["about"]) | about
    metadata = {"format": "sk_mmbalance weights 2", "about": json.dumps(said)}
    save_file(load_file(path) if tensors is None else tensors, path, metadata=metadata)


def test_a_file_of_the_version_without_checksum_is_read(file):
    expected = MultimodalClassifier(**TINY).load_weights(file).predict_proba(X)
    forge(file)
    found = MultimodalClassifier(**TINY).load_weights(file)
    np.testing.assert_array_equal(found.predict_proba(X), expected)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(file, value):
    forge(file, {key: w * value for key, w in load_file(file).items()})
    assert refused(file)
    clf = MultimodalClassifier(**TINY).fit(X, y)
    with torch.no_grad():
        next(clf.net_.module_.parameters()).fill_(value)
    with pytest.raises(ValueError, match=r"cannot write .* NaN or infinite"):
        clf.save_weights(file)


LIES = {
    "no shapes": {"shapes": {}},
    "a shape of text": {"shapes": {"a": "22"}},
    "a negative shape": {"shapes": {"a": [-2]}},
    "another precision": {"dtype": "bfloat16"},
    "no seed": {"seed": None},
    "no scale": {"scale": float("nan")},
    "a history of text": {"history": "long"},
    "another kind": {"target": {"kind": "songs"}},
    "one class": {"target": {"kind": "classes", "classes": [1], "dtype": "<i8"}},
    "unsorted classes": {"target": {"kind": "classes", "classes": [1, 0], "dtype": "<i8"}},
    "no type": {"target": {"kind": "classes", "classes": [0, 1], "dtype": "sound"}},
    "long text": {"target": {"kind": "classes", "classes": ["a", "b"], "dtype": "<U99999999"}},
    "many labels": {"target": {"kind": "labels", "n_labels": 10**12, "dtype": "<i8"}},
    "many columns": {
        "target": {
            "kind": "numbers",
            "n_columns": 10**12,
            "one_dimensional": False,
            "centre": [0],
            "spread": [1],
        }
    },
    "columns elsewhere": {"columns": {"a": [0, 7]}},
    "names of others": {"feature_names": {"b": ["p"]}},
    "fusion of others": {
        "fusion": {"names": ["b"], "with_fused": 0, "weights": [], "default": [], "own": []}
    },
}


@pytest.mark.parametrize("about", LIES.values(), ids=LIES)
def test_a_page_that_cannot_be_is_refused(file, about):
    forge(file, **about)
    assert refused(file)


@pytest.mark.parametrize("about", [{"shapes": {"a": [3_000_000_000]}}, {"shapes": {"a": [9] * 9}}])
def test_a_small_file_gets_no_large_network(file, about):
    forge(file, **about)
    tracemalloc.start()
    assert refused(file)
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


def test_heads_that_are_not_there_are_not_made(tmp_path):
    path = tmp_path / "weights"
    make = SustainedBoostingClassifier(**TINY, head_width=2)
    make.fit(X, y).save_weights(path)
    tensors = load_file(path)
    tensors["fusion.n_heads"] = torch.tensor([10**12])
    forge(path, tensors)
    with pytest.raises(ValueError, match="heads of 'a' are said, and 1 are there"):
        clone(make).load_weights(path)


# -- what comes back ------------------------------------------------------------------------


class Masking(nn.Module):
    """A module with an infinite mask, as attention has."""

    def __init__(self, input_shape, embedding_dim):
        super().__init__()
        self.layer = nn.Linear(input_shape[0], embedding_dim)
        self.register_buffer("mask", torch.tensor([0.0, -torch.inf]))

    def forward(self, x):
        return self.layer(x) + torch.exp(self.mask)


def test_an_infinite_mask_of_the_users_comes_back(tmp_path):
    clf = MultimodalClassifier(**TINY, backbones=Masking).fit(X, y)
    clf.save_weights(tmp_path / "weights")
    again = clone(clf).load_weights(tmp_path / "weights")
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))


@pytest.mark.parametrize(
    "estimator",
    [
        MultimodalClassifier(**TINY, balancing=UMT()),
        MultimodalRegressor(**TINY),
        SustainedBoostingClassifier(**TINY, head_width=2),
    ],
)
def test_what_was_saved_comes_back(estimator, tmp_path):
    both = Modalities(a=X["a"], b=X["a"] + y[:, None])
    fitted = clone(estimator).fit(both, y)
    fitted.save_weights(tmp_path / "weights")
    again = clone(estimator).load_weights(tmp_path / "weights")
    np.testing.assert_array_equal(again.predict(both), fitted.predict(both))
