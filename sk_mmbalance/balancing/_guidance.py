"""Who guides whom, row by row, and the loss of the guided: the formulae of negative learning.

Tensors over modalities have them in their second dimension; ``z_m`` is the logits of modality m,
``p_m = softmax(z_m)``, and ``y`` the true class.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Roles(NamedTuple):
    """Who guides whom, and the margins that decide it.

    Attributes
    ----------
    margins : Tensor of shape (batch, n_modalities)
        ``xi_m = z_m[y] - z_m[j]``.
    guides : Tensor of shape (batch, n_modalities, n_modalities)
        Weight of modality m (second dimension) as a guide of k (third); sums to 1 or 0 over m.
        Not in pairs: the guide of every modality, -1 where it has none, (batch, n_modalities).
    """

    margins: Tensor
    guides: Tensor


def runner_up(fused: Tensor, codes: Tensor) -> Tensor:
    """``j``, the likeliest wrong class of the fused prediction, one for all modalities."""
    return fused.scatter(1, codes[:, None], -math.inf).argmax(dim=1)


@torch.no_grad()
def find_roles(
    logits: Tensor,
    log_p: Tensor,
    fused: Tensor,
    codes: Tensor,
    present: Tensor | None = None,
    guide: str = "best",
    require_correct: bool = False,
    in_pairs: bool = True,
) -> Roles:
    """Find the guides of every modality in every row.

    Modality m may guide k if both its margin and its probability of the true class are larger.
    (Both criteria together are a strict partial order: nobody guides in a circle.) With a common
    runner-up class j, the weighted mean of the margins is the fused margin ``z[y] - z[j]``.

    Parameters
    ----------
    logits : Tensor of shape (batch, n_modalities, n_classes)
        Unimodal logits. Margins are their differences: those of `log_p` are the same numbers but
        for rounding, which would decide between equals.
    log_p : Tensor of shape (batch, n_modalities, n_classes)
        Logarithms of the unimodal probabilities.
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
    in_pairs : bool
        Whether every pair of modalities is looked at; False is for the best guides of many.
    """
    pair = torch.stack([codes, runner_up(fused, codes)], dim=1)
    both = pair[:, None].expand(-1, log_p.shape[1], -1)
    z_y, z_j = logits.gather(2, both).unbind(dim=2)
    margins, log_py = z_y - z_j, log_p.gather(2, both)[:, :, 0]
    if not in_pairs:
        correct = log_p.argmax(dim=2) == codes[:, None] if require_correct else None
        return Roles(margins, _best_guides(margins, log_py.contiguous(), correct, present))
    may = margins[:, :, None] > margins[:, None, :]
    may &= log_py[:, :, None] > log_py[:, None, :]
    if require_correct:
        may &= (log_p.argmax(dim=2) == codes[:, None])[:, :, None]
    if present is not None:
        may &= present[:, :, None] & present[:, None, :]
    if log_p.shape[1] == 2:  # at most one may guide: best and mean are the same
        return Roles(margins, may.to(log_p.dtype))
    if guide == "best":
        scores = torch.where(may, margins[:, :, None], -math.inf)
        first = torch.zeros_like(may).scatter(1, scores.argmax(dim=1, keepdim=True), True)
        return Roles(margins, (may & first).to(log_p.dtype))
    parts = may.to(log_p.dtype)
    return Roles(margins, parts / parts.sum(dim=1, keepdim=True).clamp_min(1))


def _best_guides(
    margins: Tensor, log_py: Tensor, correct: Tensor | None, present: Tensor | None
) -> Tensor:
    """The guide of every modality, without a look at every pair of them.

    In the order of falling margins it is the first whose probability is larger than one's own: the
    first place at which the largest probability so far is.
    """
    may_guide = log_py
    for condition in (correct, present):
        if condition is not None:
            may_guide = may_guide.masked_fill(~condition, -math.inf)
    order = margins.sort(dim=1, descending=True, stable=True).indices
    largest = may_guide.gather(1, order).cummax(dim=1).values
    place = torch.searchsorted(largest, log_py, right=True)
    guide = order.gather(1, place.clamp_max(order.shape[1] - 1))
    found = (place < order.shape[1]) & (margins.gather(1, guide) > margins)
    if present is not None:
        found &= present
    return torch.where(found, guide, -1)


def guidance_loss(
    log_q: Tensor,
    codes: Tensor,
    guides: Tensor,
    negative_weight: Any,
    target_boost: Any,
    renormalised: bool = False,
) -> Tensor:
    """``sum_k 1{k is guided} (b CE(z_k, y) + lambda NL(p_guide, p_k))`` for every row.

    ``NL(p, q) = -sum_{c != y} p_c log q_c``. Both terms are cross-entropies against a target
    without gradient, so one sum does for both. Renormalised, NL is ``KL(p || q)`` with both
    restricted to the wrong classes.

    Parameters
    ----------
    log_q : Tensor of shape (batch, n_modalities, n_classes)
        Logarithms of the unimodal probabilities.
    codes : Tensor of shape (batch,)
        True classes.
    guides : Tensor of shape (batch, n_modalities, n_modalities) or (batch, n_modalities)
        From `find_roles`, in pairs or not.
    negative_weight, target_boost : float
        lambda and b.
    renormalised : bool
        Which negative term.

    Returns
    -------
    Tensor of shape (batch,)
        Gradient flows into the guided modalities only.
    """
    at_y = codes[:, None, None].expand(-1, log_q.shape[1], 1)
    if not renormalised:
        p = negative_weight * log_q.detach().exp()
        if isinstance(target_boost, Tensor):  # of one of many networks that are trained as one
            p = p.scatter(2, at_y, target_boost.expand(at_y.shape))
        else:
            p = p.scatter(2, at_y, target_boost)
        return -(_of_guides(guides, p) * log_q).sum(dim=(1, 2))
    # exp(-inf) = 0 leaves the true class out of p; its 0 * -inf in the sums is set to 0
    log_wrong = F.log_softmax(log_q.scatter(2, at_y, -math.inf), dim=2)
    p = log_wrong.detach().exp()
    log_wrong = log_wrong.scatter(2, at_y, 0)
    p_log_p = (p * log_wrong.detach()).sum(dim=2, keepdim=True)
    divergence = _of_guides(guides, p_log_p)[:, :, 0]
    divergence = divergence - (_of_guides(guides, p) * log_wrong).sum(dim=2)
    boost = -_is_guided(guides).to(log_q.dtype) * log_q.gather(2, at_y)[:, :, 0]
    return (negative_weight * divergence + target_boost * boost).sum(dim=1)


def _of_guides(guides: Tensor, values: Tensor) -> Tensor:
    """What the guides of every modality have; zero where there is none."""
    if guides.ndim == 3:
        return torch.bmm(guides.transpose(1, 2), values)
    chosen = guides.clamp_min(0)[:, :, None].expand(-1, -1, values.shape[2])
    return values.gather(1, chosen).masked_fill((guides < 0)[:, :, None], 0)


def _is_guided(guides: Tensor) -> Tensor:
    return guides.sum(dim=1) if guides.ndim == 3 else guides >= 0
