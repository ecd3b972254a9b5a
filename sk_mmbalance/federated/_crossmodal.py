"""FedCMI's network, and its temperatures: formulae alone, without clients or servers.

For every modality m, after the encoder E_m: a self-projector S_m, an infiltration projector I_m,
and a classifier K_m that both share.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..neural import parts

#: Probabilities below this count as this: the ratio of two of them stays finite.
_TINY = 1e-8


class CrossModalModule(parts.MultimodalModule):
    """Two projectors and a classifier per modality behind the encoders.

    A row's slot of modality m in the fusion holds ``S_m z_m`` if the row has m, else the mean of
    ``I_a z_a`` over the modalities a that it has.

    Parameters
    ----------
    backbones, fusion, copied
        As in `MultimodalModule`; the fusion takes `width` features per modality.
    dims : mapping of str to int
        Sizes of the encoders' outputs.
    n_classes : int
        Number of classes.
    width : int
        Size of what the projectors give.
    projector : {"linear", "mlp"}
        One linear layer, or three with ReLU between them.
    """

    def __init__(
        self,
        backbones: Mapping[str, nn.Module],
        fusion: nn.Module,
        copied: Collection[str],
        dims: Mapping[str, int],
        n_classes: int,
        width: int,
        projector: str,
    ):
        heads = {m: nn.Linear(width, n_classes) for m in sorted(dims)}
        super().__init__(backbones, fusion, heads, copied)
        self.own = parts.ByModality({m: _project(dims[m], width, projector) for m in sorted(dims)})
        self.infiltration = parts.ByModality(
            {m: _project(dims[m], width, projector) for m in sorted(dims)}
        )

    def fuse(
        self,
        embeddings: dict[str, Tensor],
        present: Mapping[str, Tensor] | None = None,
        unimodal: bool = True,
    ) -> parts.MultimodalOutput:
        """Logits of the fusion H and (if asked for) of each modality's own branch."""
        own = {m: self.own[m](z) for m, z in embeddings.items()}
        logits = self.fusion(self.slots(embeddings, own, present), None)[0]
        if not unimodal:
            return parts.MultimodalOutput(logits, {})
        if len(self.names) == 1:  # nothing trains the classifier of an only modality
            return parts.MultimodalOutput(logits, dict.fromkeys(embeddings, logits))
        assert self.heads is not None
        return parts.MultimodalOutput(logits, {m: self.heads[m](own[m]) for m in own})

    def slots(
        self,
        embeddings: Mapping[str, Tensor],
        own: Mapping[str, Tensor],
        present: Mapping[str, Tensor] | None,
    ) -> dict[str, Tensor]:
        """What stands in each modality's place in the fusion."""
        if present is None and len(embeddings) == len(self.names):
            return dict(own)
        sent = {m: self.infiltration[m](z) for m, z in embeddings.items()}
        if present is None:
            stand_in = torch.stack(list(sent.values())).mean(dim=0)
            return {m: own.get(m, stand_in) for m in self.names}
        here = {m: present[m][:, None] for m in embeddings}
        total = torch.stack([sent[m] * here[m] for m in sent]).sum(dim=0)
        stand_in = total / torch.stack(list(here.values())).sum(dim=0).clamp_min(1)
        return {
            m: torch.where(here[m], own[m], stand_in) if m in own else stand_in for m in self.names
        }

    def infiltrated(self, name: str, embedding: Tensor) -> Tensor:
        """Logits t_m of a modality's infiltration branch."""
        assert self.heads is not None
        return self.heads[name](self.infiltration[name](embedding))


def _project(size: int, width: int, kind: str) -> nn.Module:
    if kind == "linear":
        return nn.Linear(size, width)
    layers = [nn.Linear(size, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(width, width))


def class_confidence(
    logits: Tensor, codes: Tensor, weight: Tensor | None, mask: Tensor | None
) -> Tensor:
    """P_m(c), shape (n_classes,): mean probability of the true class; NaN for a class not seen."""
    n_classes = logits.shape[1]
    right = F.softmax(logits, dim=1).gather(1, codes[:, None])[:, 0].double()
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
