"""Sequences of unequal length in a network: NaN says where one has ended."""

from __future__ import annotations

import inspect

import torch
from torch import Tensor, nn


class UnequalSteps(nn.Module):
    """A backbone that is told how many steps each sequence has.

    In tensors of rows sequences are filled up with NaN. That way a length goes wherever its row
    goes: into batches, onto a GPU, through a balancing method that puts rows together anew, into
    an exported program.

    Parameters
    ----------
    name : str
        The modality, for messages.
    backbone : Module
        Its ``forward`` takes sequences ``(batch, time, ...)`` filled up with zeros, and their
        ``lengths``, integers of shape ``(batch,)``.

    Raises
    ------
    ValueError
        If it takes no `lengths`: it would take padding for data.
    """

    def __init__(self, name: str, backbone: nn.Module):
        super().__init__()
        if _lengths_of(backbone) is None:
            raise ValueError(
                f"`backbones` gives {type(backbone).__name__} to modality {name!r}, which has "
                "sequences of unequal length, and it would take padding for data. Use 'sequence' "
                "or 'gru', give `forward` of your module a parameter `lengths` (integers of shape "
                "(batch,)), or cut the sequences to one length."
            )
        self.backbone = backbone

    def forward(self, x: Tensor) -> Tensor:
        """Embed a batch of sequences that NaN fills up."""
        there = ~x.flatten(2)[:, :, 0].isnan()
        mask = there.view(*there.shape, *[1] * (x.ndim - 2))
        return self.backbone(torch.where(mask, x, x.new_zeros(())), lengths=there.sum(dim=1))


def needs_lengths(backbone: nn.Module) -> bool:
    """Whether a module's ``forward`` has a parameter `lengths` without a default."""
    lengths = _lengths_of(backbone)
    return lengths is not None and lengths.default is inspect.Parameter.empty


def _lengths_of(backbone: nn.Module) -> inspect.Parameter | None:
    try:
        return inspect.signature(backbone.forward).parameters.get("lengths")
    except ValueError:  # of a scripted module Python knows no signature
        return None


def real_steps(x: Tensor, lengths: Tensor) -> Tensor:
    """Boolean tensor (batch, time): steps of sequences `x` that are no padding."""
    return torch.arange(x.shape[1], device=x.device) < lengths[:, None]
