"""Which modality a row trains in a remixed epoch: the one that is least sure about it."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def uncertainty(
    logits: Tensor,
    codes: Tensor,
    criterion: str = "entropy",
    temperature: float = 1.0,
    log_p: Tensor | None = None,
) -> Tensor:
    """How unsure a modality is about each row.

    Parameters
    ----------
    logits : Tensor of shape (n_samples, n_classes)
        The modality's own logits.
    codes : Tensor of shape (n_samples,)
        True classes; looked at with ``criterion="label"`` only.
    criterion : {"entropy", "label"}
        ``H(p)``, or ``-log p[y]``.
    temperature : float
        ``p = softmax(logits / temperature)``.
    log_p : Tensor of shape (n_samples, n_classes), default=None
        ``log softmax(logits)``, if it is known; saves the most of the work at temperature 1.

    Returns
    -------
    Tensor of shape (n_samples,)
        ``H(p) = log C - KL(p || uniform)``: the largest entropy is the smallest divergence from
        the uniform distribution.
    """
    if log_p is None or temperature != 1:
        log_p = F.log_softmax(logits / temperature, dim=1)
    if criterion == "label":
        return -log_p.gather(1, codes[:, None])[:, 0]
    return -(log_p.exp() * log_p).sum(dim=1)


def assign(scores: Tensor, present: Tensor | None = None, min_share: float = 0.0) -> Tensor:
    """Give every row to the modality with the largest score among those it has.

    Ties go to the first modality.

    Parameters
    ----------
    scores : Tensor of shape (n_samples, n_modalities)
        Uncertainties.
    present : Tensor of bool of shape (n_samples, n_modalities), default=None
        Which modalities a row has.
    min_share : float, default=0.0
        Every modality gets at least ``floor(min_share * n_samples)`` rows, if so many have it and
        can be spared: those that lose least uncertainty by the change.

    Returns
    -------
    Tensor of int64 of shape (n_samples,)
        Position of the modality.
    """
    if present is not None:
        scores = scores.masked_fill(~present, -math.inf)
    chosen = scores.argmax(dim=1)
    minimum = int(min_share * len(scores) + 1e-9)  # 0.3 * 10 is 2.9999999999999996
    if minimum:
        for k in range(scores.shape[1]):
            chosen = _raise_to(minimum, k, chosen, scores)
    return chosen


def _raise_to(minimum: int, k: int, chosen: Tensor, scores: Tensor) -> Tensor:
    """Move rows to modality `k` until it has `minimum`, smallest loss of uncertainty first."""
    counts = torch.bincount(chosen, minlength=scores.shape[1])
    lacking = minimum - int(counts[k])
    if lacking <= 0:
        return chosen
    movable = torch.isfinite(scores[:, k]) & (chosen != k) & (counts[chosen] > minimum)
    rows = movable.nonzero()[:, 0]
    gap = scores[rows, chosen[rows]] - scores[rows, k]
    rows = rows[gap.argsort(stable=True)]
    # no modality gives more rows than it has above its own minimum
    giver = F.one_hot(chosen[rows], scores.shape[1])
    rank = (giver.cumsum(dim=0) * giver).sum(dim=1)
    rows = rows[rank <= (counts - minimum)[chosen[rows]]][:lacking]
    chosen = chosen.clone()
    chosen[rows] = k
    return chosen
