"""What a step shows about each modality, in few kernels: the logits and credits of its own."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..networks import Batch, MultimodalOutput
from ._protocol import Net


@torch.no_grad()
def own_logits(net: Net, output: MultimodalOutput, batch: Batch, kind: str) -> dict[str, Tensor]:
    """Logits of each modality, without gradient.

    Parameters
    ----------
    net : Net
        The net.
    output : MultimodalOutput
        What it gave.
    batch : tuple
        For what.
    kind : {"heads", "share"}
        "heads" are those of the modality's own classifier, where one is trained; "share" is its
        part of the fused classifier.
    """
    if kind == "heads" and net.network.has_own_logits:
        return {name: z.detach() for name, z in output.unimodal.items()}
    embeddings = {name: u.detach() for name, u in (output.embeddings or {}).items()}
    with net.autocast():
        shares = net.network.share(embeddings, batch[0].get("present"))
    return {name: z.float() for name, z in shares.items()} if net.amp else shares


def credits_of(criterion: Any, outputs: dict[str, Tensor], y: Tensor) -> Tensor:
    """How right each modality is on each row, of shape (batch, n_modalities)."""
    repeated = y.repeat(len(outputs), *[1] * (y.ndim - 1))
    together = criterion.credit(torch.cat(list(outputs.values())), repeated)
    return together.view(len(outputs), len(y)).t()


def rows_having(batch: Batch, names: list[str]) -> Tensor | None:
    """Which modalities a row has, of shape (batch, n_modalities); None if it has all."""
    present = batch[0].get("present")
    return None if present is None else torch.stack([present[name] for name in names], dim=1)
