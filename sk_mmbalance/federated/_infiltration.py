"""What one modality teaches another in FedCMI, and how sharply: formulae alone."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ._losses import LOSS

#: Probabilities below this count as this: the ratio of two of them stays finite.
_TINY = 1e-8


def class_confidence(
    logits: Tensor, codes: Tensor, weight: Tensor | None, mask: Tensor | None
) -> Tensor:
    """P_m(c), shape (n_classes,): mean probability of the true class; NaN for a class not seen."""
    n_classes = logits.shape[1]
    right = LOSS.credit(logits, codes).double()
    share = torch.ones_like(right) if weight is None else weight.double()
    if mask is not None:
        share = torch.where(mask, share, torch.zeros_like(share))
        right = torch.where(mask, right, torch.zeros_like(right))
    zeros = torch.zeros(n_classes, dtype=torch.float64, device=codes.device)
    return zeros.index_add(0, codes, share * right) / zeros.index_add(0, codes, share)


def class_temperatures(p_a: Tensor, p_b: Tensor, sharpness: float = 2.0) -> Tensor:
    """Temperature T_c of every class, in (0, 1], from two modalities' P(c).

    With ``r_c = P_a(c) / P_b(c)`` and its plain mean over the classes present: where the side
    that is ahead on average is further ahead than that, ``T_c = 1 / (1 + sharpness ln(r_c /
    mean))`` (or of the inverse ratio, if b is ahead); elsewhere 1.

    Parameters
    ----------
    p_a, p_b : Tensor of shape (n_classes,)
        Mean probability of the true class; NaN for classes without rows.
    sharpness : float, default=2.0
        Factor of the logarithm.

    Returns
    -------
    Tensor of shape (n_classes,)
        1 for classes without rows.
    """
    ratio = p_a.clamp_min(_TINY) / p_b.clamp_min(_TINY)
    seen = torch.isfinite(ratio)
    if not bool(seen.any()):
        return torch.ones_like(ratio)
    mean = ratio[seen].mean()
    lead = ratio / mean if bool(mean > 1) else mean / ratio
    lead = torch.where(seen, lead, torch.ones_like(lead)).clamp_min(1)
    return 1 / (1 + sharpness * torch.log(lead))


def infiltration_loss(teacher: Tensor, pupil: Tensor, temperature: Tensor) -> Tensor:
    """Cross-entropy of each row between softened teacher and pupil, shape (batch,).

    Parameters
    ----------
    teacher, pupil : Tensor of shape (batch, n_classes)
        Logits; the teacher's get no gradient.
    temperature : Tensor of shape (batch,)
        Temperature of each row's class.
    """
    scale = temperature[:, None]
    q = F.softmax(teacher.detach() / scale, dim=1)
    return -(q * F.log_softmax(pupil / scale, dim=1)).sum(dim=1)
