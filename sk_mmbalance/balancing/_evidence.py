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


def pair_ratios(
    credits: Tensor, present: Tensor | None = None, weight: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Score ``s_m`` of every modality; [m, j], the ratio ``s_m / s_j``; and which pairs count.

    Parameters
    ----------
    credits : Tensor of shape (batch, n_modalities)
        How right each modality is on each row.
    present : Tensor of bool of shape (batch, n_modalities), default=None
        Which modalities a row has. A ratio is of the rows that have both, and 1 if none has; a
        modality without rows is in no pair.
    weight : Tensor of shape (batch,), default=None
        Weights of the rows.
    """
    here = torch.ones_like(credits) if present is None else present.to(credits.dtype)
    credits = credits if present is None else torch.where(present, credits, 0)
    weighted = here if weight is None else here * weight[:, None]
    both = weighted.t() @ here
    sums = (credits * weighted).t() @ here  # [m, j]: credit of m on the rows that have m and j
    ratios = torch.where(both > 0, sums / sums.t(), 1)
    has_rows = both.diagonal() > 0
    itself = torch.eye(len(both), dtype=torch.bool, device=both.device)
    pairs = has_rows[:, None] & has_rows[None, :] & ~itself
    return sums.diagonal() / both.diagonal(), ratios, pairs
