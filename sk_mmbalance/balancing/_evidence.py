"""What a step shows about each modality, in few kernels: the logits and credits of its own."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..networks import Batch, LabelLoss, MultimodalOutput, Presence, each, over, stacked_of
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
        return over(Tensor.detach, output.unimodal)
    embeddings = over(Tensor.detach, output.embeddings or {})
    with net.autocast():
        shares = net.network.share(embeddings, batch[0].get("present"))
    return over(Tensor.float, shares) if net.amp else shares


def logits_to_train(net: Net, output: MultimodalOutput, batch: Batch) -> dict[str, Tensor]:
    """Logits of each modality, with gradient: its own classifier's where one is trained.

    Else its part of the fused classifier, where that is a sum (see `Balancing._refuse_no_logits`).
    """
    if net.network.has_own_logits:
        return output.unimodal
    with net.autocast():
        parts = net.network.share(output.embeddings or {}, batch[0].get("present"))
    return over(Tensor.float, parts) if net.amp else parts


def heads_of(network: Any, embeddings: dict[str, Tensor], present: Presence) -> dict[str, Tensor]:
    """Own logits from embeddings; the fusion is asked only where there are no heads."""
    if network.heads is not None:
        return each(network.heads, embeddings)
    return network.fuse(embeddings, present).unimodal


def credits_of(criterion: Any, outputs: dict[str, Tensor], y: Tensor) -> Tensor:
    """How right each modality is on each row, of shape (batch, n_modalities)."""
    return _of_each([criterion.credit], outputs, y)[0]


def credits_and_hits(
    criterion: Any, outputs: dict[str, Tensor], y: Tensor
) -> tuple[Tensor, Tensor]:
    """How right each modality is on each row, and whether it is, of (batch, n_modalities)."""
    credits, hits = _of_each([criterion.credit, criterion.hits], outputs, y)
    return credits, hits > 0


def _of_each(figures: list[Any], outputs: dict[str, Tensor], y: Tensor) -> list[Tensor]:
    repeated = torch.cat([y] * len(outputs))  # of few short tensors, a sixth of `repeat`'s time
    stacked = stacked_of(outputs)
    joined = torch.cat(list(outputs.values())) if stacked is None else stacked.flatten(0, 1)
    return [figure(joined, repeated).view(len(outputs), len(y)).t() for figure in figures]


def log_probabilities(criterion: Any, outputs: Tensor) -> Tensor:
    """Logarithms of probabilities, of shape (..., n_targets, n_states).

    One class a row is one target, with a state for each class; of several labels each is a target
    with two states.
    """
    if isinstance(criterion, LabelLoss):
        return F.logsigmoid(torch.stack([outputs, -outputs], dim=-1))
    return F.log_softmax(outputs, dim=-1).unsqueeze(-2)


def coalition(
    fusion: nn.Module, embeddings: dict[str, Tensor], names: Any, present: Presence
) -> Tensor:
    """Fused logits of some modalities alone; 0 in rows that have none of them."""
    names = list(names)
    chosen, here, some = {m: embeddings[m] for m in names}, None, None
    if present is not None:
        here = {m: present[m] for m in names}
        some = torch.stack(list(here.values())).any(dim=0)
        # such a row passes for one with an embedding of zeros, and what comes out is dropped
        here[names[0]] = here[names[0]] | ~some
    fused = fusion(chosen, here)
    logits = fused[0] if isinstance(fused, tuple) else fused
    return logits if some is None else torch.where(some[:, None], logits, 0)


def mean_over(losses: Tensor, weight: Tensor | None, here: Tensor) -> Tensor:
    """``sum_i w_i l_i / sum_i w_i`` over the rows in `here`; 0 where there are none."""
    share = here.to(losses.dtype) if weight is None else torch.where(here, weight, 0)
    total = share.sum()
    return (share * torch.where(here, losses, 0)).sum() / torch.where(total > 0, total, 1)


def row_means(values: Tensor, present: Tensor | None, weight: Tensor | None) -> Tensor:
    """Weighted means of columns over the rows that are present in each; 0 where none is.

    Parameters
    ----------
    values : Tensor of shape (batch, n_modalities)
        Of each row and modality.
    present : Tensor of bool of shape (batch, n_modalities), or None
        Which modalities a row has.
    weight : Tensor of shape (batch,), or None
        Weights of the rows.
    """
    if present is None and weight is None:
        return values.sum(dim=0) / len(values)  # in half the time of a mean
    share = torch.ones_like(values) if weight is None else weight[:, None].expand_as(values)
    share = share if present is None else torch.where(present, share, 0)
    total = share.sum(dim=0)
    values = values if present is None else torch.where(present, values, 0)
    return (share * values).sum(dim=0) / torch.where(total > 0, total, 1)


def rows_having(batch: Batch, names: list[str]) -> Tensor | None:
    """Which modalities a row has, of shape (batch, n_modalities); None if it has all."""
    present = batch[0].get("present")
    return None if present is None else torch.stack([present[name] for name in names], dim=1)


def mean_credits(credits: Tensor, present: Tensor | None, weight: Tensor | None) -> Tensor:
    """Mean credit of every modality over the rows that have it, NaN without any; as `row_means`."""
    if present is None and weight is None:
        return credits.sum(dim=0) / len(credits)
    share = torch.ones_like(credits) if weight is None else weight[:, None].expand_as(credits)
    if present is not None:
        share, credits = torch.where(present, share, 0), torch.where(present, credits, 0)
    return (share * credits).sum(dim=0) / share.sum(dim=0)


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
    itself = torch.eye(credits.shape[1], dtype=torch.bool, device=credits.device)
    if present is None and weight is None:  # all pairs are of the same rows
        sums = credits.sum(dim=0)
        return sums / len(credits), sums[:, None] / sums, ~itself
    here = torch.ones_like(credits) if present is None else present.to(credits.dtype)
    credits = credits if present is None else torch.where(present, credits, 0)
    weighted = here if weight is None else here * weight[:, None]
    both = weighted.t() @ here
    sums = (credits * weighted).t() @ here  # [m, j]: credit of m on the rows that have m and j
    ratios = torch.where(both > 0, sums / sums.t(), 1)
    has_rows = both.diagonal() > 0
    pairs = has_rows[:, None] & has_rows[None, :] & ~itself
    return sums.diagonal() / both.diagonal(), ratios, pairs
