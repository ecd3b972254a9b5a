import pytest
import torch
from torch import nn

from sk_mmbalance.networks._backbones import (
    CNNBackbone,
    MLPBackbone,
    SequenceBackbone,
    make_backbone,
    make_backbones,
)

SIZES = {"embedding_dim": 7, "hidden_layer_sizes": (6,), "dropout": 0.0}


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        ((5,), MLPBackbone),
        ((9, 4), SequenceBackbone),
        ((1, 8, 8), CNNBackbone),
        ((2, 3, 4, 5), MLPBackbone),
    ],
)
def test_auto_chooses_by_number_of_dimensions(shape, kind):
    backbone = make_backbone("m", "auto", shape, **SIZES)
    assert isinstance(backbone, kind)
    assert backbone(torch.zeros(3, *shape)).shape == (3, 7)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 2, 9), (1, 28, 28), (2, 5, 3)])
def test_cnn_takes_small_and_odd_images(shape):
    assert CNNBackbone(shape, 4)(torch.zeros(2, *shape)).shape == (2, 4)


@pytest.mark.parametrize("name", ["sequence", "gru"])
def test_sequences_of_one_step_work(name):
    assert make_backbone("m", name, (1, 3), **SIZES)(torch.zeros(2, 1, 3)).shape == (2, 7)


def test_rows_do_not_influence_each_other():
    x = torch.randn(6, 1, 8, 8)
    for backbone in (CNNBackbone((1, 8, 8), 5), MLPBackbone((1, 8, 8), 5)):
        torch.testing.assert_close(backbone(x)[2:4], backbone(x[2:4]))


def test_instance_is_copied_with_its_weights():
    given = nn.Linear(5, 2)
    built = make_backbone("m", given, (5,), **SIZES)
    assert built is not given
    assert torch.equal(built.weight, given.weight)


def test_class_gets_only_what_it_takes():
    class Own(nn.Linear):
        def __init__(self, input_shape, embedding_dim):
            super().__init__(input_shape[0], embedding_dim)

    assert make_backbone("m", Own, (5,), **SIZES).out_features == 7


def test_output_sizes_are_read_off():
    built = make_backbones({"a": nn.Linear(5, 2)}, {"a": (5,), "b": (3,)}, torch.float64, **SIZES)
    assert {name: size for name, (_, size) in built.items()} == {"a": 2, "b": 7}


@pytest.mark.parametrize(
    ("choice", "error", "message"),
    [
        ("resnet", ValueError, "`backbones` for modality 'm' must be 'auto', one of"),
        ("cnn", ValueError, "'cnn' to modality 'm', which needs 3-D or 4-D input"),
        (3, TypeError, "`backbones` for modality 'm' must be a name"),
    ],
)
def test_bad_choice_is_named(choice, error, message):
    with pytest.raises(error, match=message):
        make_backbone("m", choice, (5,), **SIZES)


def test_unknown_modality_is_named():
    with pytest.raises(ValueError, match=r"`backbones` names \['c'\], which are no modalities"):
        make_backbones({"c": "mlp"}, {"a": (5,)}, torch.float32, **SIZES)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (nn.Linear(4, 2), "cannot take samples of shape"),
        (nn.Unflatten(1, (5, 1)), r"must return \(batch, features\)"),
    ],
)
def test_module_that_does_not_fit_is_refused(module, message):
    with pytest.raises(ValueError, match=message):
        make_backbones(module, {"a": (5,)}, torch.float32, **SIZES)


@pytest.mark.parametrize("width", [0, -3, "a", 2.5])
def test_widths_that_are_no_positive_integers_are_named(width):
    with pytest.raises(ValueError, match="`hidden_layer_sizes` must hold integers of at least 1"):
        make_backbones("auto", {"a": (3,)}, torch.float32, hidden_layer_sizes=(width,))
