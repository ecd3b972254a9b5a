"""Backbones heed the lengths of sequences: padding changes nothing."""

import pytest
import torch
from torch import nn

from sk_mmbalance.networks import make_backbones

SIZES = {"embedding_dim": 4, "hidden_layer_sizes": (8,), "dropout": 0.0}
LENGTHS = [7, 1, 3, 5]
STEPS = torch.randn(4, 7, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


class LastStep(nn.Module):
    """A module of the user's."""

    def __init__(self, input_shape, embedding_dim):
        super().__init__()
        self.project = nn.Linear(input_shape[1], embedding_dim)

    def forward(self, x, lengths):
        return self.project(x[torch.arange(len(x)), lengths - 1])


def backbone(choice, **kind):
    made = make_backbones({"walk": choice}, {"walk": (7, 2)}, torch.float64, **kind, **SIZES)
    return made["walk"][0]


def padded(longest=7):
    x = torch.full((4, longest, 2), torch.nan, dtype=torch.float64)
    for row, length in enumerate(LENGTHS):
        x[row, :length] = STEPS[row, :length]
    return x


@pytest.mark.parametrize("choice", ["auto", "sequence", "gru"])
def test_a_padded_sequence_is_embedded_as_it_is_without_padding(choice):
    torch.manual_seed(0)
    heeding = backbone(choice, sequences=["walk"])
    plain = backbone(choice)
    plain.load_state_dict(heeding.backbone.state_dict())
    together = heeding(padded())
    for row, length in enumerate(LENGTHS):
        torch.testing.assert_close(together[[row]], plain(STEPS[[row], :length]))
    torch.testing.assert_close(heeding(padded(longest=30)), together)


@pytest.mark.parametrize("choice", ["sequence", "gru", LastStep])
def test_gradients_are_finite_and_padding_has_no_part_in_them(choice):
    module = backbone(choice, sequences=["walk"])
    found = []
    for longest in (7, 20):
        module.zero_grad()
        module(padded(longest)).square().sum().backward()
        found.append([p.grad.clone() for p in module.parameters()])
    for short, long in zip(*found, strict=True):
        assert short.isfinite().all()
        torch.testing.assert_close(short, long)


@pytest.mark.parametrize("choice", ["mlp", nn.Flatten()])
def test_what_takes_no_lengths_is_refused(choice):
    with pytest.raises(ValueError, match="modality 'walk', which has sequences of unequal length"):
        backbone(choice, sequences=["walk"])


def test_a_module_without_a_signature_takes_no_lengths():
    compiled = nn.Module()
    compiled.forward = torch.relu
    made = make_backbones({"a": compiled}, {"a": (2,)}, torch.float64, **SIZES)
    assert made["a"][1] == 2
