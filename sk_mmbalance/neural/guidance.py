"""Who guides whom, row by row, and the loss of the guided: the formulae of negative learning.

Tensors over modalities have them in their second dimension; ``z_m`` is the logits of modality m,
``p_m = softmax(z_m)``, and ``y`` the true class.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Roles(NamedTuple):
    """What decides the roles of the modalities, and the roles.

    Attributes
    ----------
    margins : Tensor of shape (batch, n_modalities)
        ``xi_m = z_m[y] - z_m[j]``.
    log_p : Tensor of shape (batch, n_modalities, n_classes)
        ``log softmax(z_m)``.
    guides : Tensor of shape (batch, n_modalities, n_modalities)
        Weight of modality m (second dimension) as a guide of k (third); sums to 1 or 0 over m.
    """

    margins: Tensor
    log_p: Tensor
    guides: Tensor


def runner_up(fused: Tensor, codes: Tensor) -> Tensor:
    """``j``, the likeliest wrong class of the fused prediction, one for all modalities."""
    return fused.scatter(1, codes[:, None], -math.inf).argmax(dim=1)


def confidence_margins(logits: Tensor, fused: Tensor, codes: Tensor) -> Tensor:
    """``xi_m = z_m[y] - z_m[j]``; their weighted mean is the fused margin ``z[y] - z[j]``."""
    pair = torch.stack([codes, runner_up(fused, codes)], dim=1)
    at = logits.gather(2, pair[:, None].expand(-1, logits.shape[1], -1))
    return at[:, :, 0] - at[:, :, 1]


@torch.no_grad()
def find_roles(
    logits: Tensor,
    fused: Tensor,
    codes: Tensor,
    present: Tensor | None = None,
    guide: str = "best",
    require_correct: bool = False,
) -> Roles:
    """Find the guides of every modality in every row.

    Modality m may guide k if both its margin and its probability of the true class are larger.
    (Both criteria together are a strict partial order: nobody guides in a circle.)

    Parameters
    ----------
    logits : Tensor of shape (batch, n_modalities, n_classes)
        Unimodal logits.
    fused : Tensor of shape (batch, n_classes)
        Fused logits.
    codes : Tensor of shape (batch,)
        True classes.
    present : Tensor of bool of shape (batch, n_modalities), default=None
        Modalities that a row has; the others neither guide nor are guided.
    guide : {"best", "mean"}
        Whether the one with the largest margin guides, or all who may do so to equal parts.
    require_correct : bool
        Whether a guide must itself predict the true class.
    """
    margins = confidence_margins(logits, fused, codes)
    log_p = F.log_softmax(logits, dim=2)
    log_py = _at(log_p, codes)
    may = margins[:, :, None] > margins[:, None, :]
    may &= log_py[:, :, None] > log_py[:, None, :]
    if require_correct:
        may &= (logits.argmax(dim=2) == codes[:, None])[:, :, None]
    if present is not None:
        may &= present[:, :, None] & present[:, None, :]
    if logits.shape[1] == 2:  # at most one may guide: best and mean are the same
        return Roles(margins, log_p, may.to(logits.dtype))
    if guide == "best":
        scores = torch.where(may, margins[:, :, None], -math.inf)
        first = torch.zeros_like(may).scatter_(1, scores.argmax(dim=1, keepdim=True), True)
        return Roles(margins, log_p, (may & first).to(logits.dtype))
    parts = may.to(logits.dtype)
    return Roles(margins, log_p, parts / parts.sum(dim=1, keepdim=True).clamp_min(1))


def guidance_loss(
    logits: Tensor,
    codes: Tensor,
    roles: Roles,
    negative_weight: float,
    target_boost: float,
    renormalised: bool = False,
) -> Tensor:
    """``sum_k 1{k is guided} (b CE(z_k, y) + lambda NL(p_guide, p_k))`` for every row.

    ``NL(p, q) = -sum_{c != y} p_c log q_c``. Both terms are cross-entropies against a target
    without gradient, so one sum does for both. Renormalised, NL is ``KL(p || q)`` with both
    restricted to the wrong classes.

    Returns
    -------
    Tensor of shape (batch,)
        Gradient flows into the guided modalities only.
    """
    at_y = codes[:, None, None].expand(-1, logits.shape[1], 1)
    to_guided = roles.guides.transpose(1, 2)
    log_q = F.log_softmax(logits, dim=2)
    if not renormalised:
        p = (negative_weight * roles.log_p.exp()).scatter_(2, at_y, target_boost)
        return -(torch.bmm(to_guided, p) * log_q).sum(dim=(1, 2))
    # exp(-inf) = 0 leaves the true class out on both sides; its own 0 * -inf is set to 0
    log_p = F.log_softmax(roles.log_p.scatter(2, at_y, -math.inf), dim=2)
    p = log_p.exp()
    log_wrong_q = F.log_softmax(logits.scatter(2, at_y, -math.inf), dim=2).scatter(2, at_y, 0)
    p_log_p = (p * log_p.scatter(2, at_y, 0)).sum(dim=2, keepdim=True)
    divergence = torch.bmm(to_guided, p_log_p)[:, :, 0]
    divergence = divergence - (torch.bmm(to_guided, p) * log_wrong_q).sum(dim=2)
    boost = -roles.guides.sum(dim=1) * _at(log_q, codes)
    return (negative_weight * divergence + target_boost * boost).sum(dim=1)


def _at(values: Tensor, codes: Tensor) -> Tensor:
    """Values at the true class: ``(batch, n_modalities, n_classes)`` to the first two."""
    return values.gather(2, codes[:, None, None].expand(-1, values.shape[1], 1))[:, :, 0]
