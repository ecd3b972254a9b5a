"""Images in the forms that people have them in: read alike, or with a word."""

import numpy as np
import pytest
import torch

from sk_mmbalance import FedAvgClassifier, Modalities, MultimodalClassifier
from sk_mmbalance.exceptions import ShapeWarning
from sk_mmbalance.networks import BACKBONES, make_backbones

SIZES = {"embedding_dim": 3, "hidden_layer_sizes": (4,), "dropout": 0.0}


def backbone(shape, choice="auto"):
    torch.manual_seed(0)
    return make_backbones({"m": choice}, {"m": shape}, torch.float32, **SIZES)["m"][0]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_channels_last_is_the_same_network_on_the_same_image(channels):
    first = torch.randn(2, channels, 10, 12)
    a, b = backbone((channels, 10, 12)), backbone((10, 12, channels))
    assert isinstance(b, BACKBONES["cnn"])
    torch.testing.assert_close(a(first), b(first.movedim(1, -1)), rtol=0, atol=0)


def test_a_grey_image_is_one_channel_where_images_are_asked_for():
    grey = torch.randn(2, 10, 12)
    a, b = backbone((1, 10, 12)), backbone((10, 12), "cnn")
    torch.testing.assert_close(a(grey[:, None]), b(grey), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("shape", "read_as"),
    [((32, 32), "sequences of 32 steps of 32"), ((16, 16, 5), "16 channels of 16 x 5")],
)
@pytest.mark.parametrize("cls", [MultimodalClassifier, FedAvgClassifier])
def test_an_ambiguous_shape_is_told_as_it_is_read(cls, shape, read_as):
    X, y = Modalities(m=np.random.default_rng(0).normal(size=(12, *shape))), np.arange(12) % 2
    short = {"max_epochs": 1} if cls is MultimodalClassifier else {"n_rounds": 1}
    with pytest.warns(ShapeWarning, match=rf"'m' with samples .* is read as .*{read_as}"):
        cls(**short, random_state=0).fit(X, y)


@pytest.mark.parametrize(
    ("shape", "choice"),
    [
        ((32, 32), {"m": "cnn"}),
        ((32, 32), {"m": "sequence"}),
        ((32, 32), "mlp"),
        ((20, 12), "auto"),
        ((5, 5), "auto"),
        ((3, 32, 32), "auto"),
        ((32, 32, 3), "auto"),
        ((8, 40, 40), "auto"),
    ],
)
def test_what_is_plain_or_said_needs_no_word(shape, choice):
    X, y = Modalities(m=np.random.default_rng(0).normal(size=(12, *shape))), np.arange(12) % 2
    MultimodalClassifier(max_epochs=1, backbones=choice, random_state=0).fit(X, y)
