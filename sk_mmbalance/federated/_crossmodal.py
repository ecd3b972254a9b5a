"""FedCMI's network.

For every modality m, after the encoder E_m: a self-projector S_m, an infiltration projector I_m,
and a classifier K_m that both share.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn

from .. import networks


class CrossModalModule(networks.MultimodalModule):
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
        self.own = networks.ByModality(
            {m: _project(dims[m], width, projector) for m in sorted(dims)}
        )
        self.infiltration = networks.ByModality(
            {m: _project(dims[m], width, projector) for m in sorted(dims)}
        )

    def fuse(
        self,
        embeddings: dict[str, Tensor],
        present: Mapping[str, Tensor] | None = None,
        unimodal: bool = True,
    ) -> networks.MultimodalOutput:
        """Logits of the fusion H and (if asked for) of each modality's own branch."""
        own = {m: self.own[m](z) for m, z in embeddings.items()}
        logits = self.fusion(self.slots(embeddings, own, present), None)[0]
        if not unimodal:
            return networks.MultimodalOutput(logits, {})
        if len(self.names) == 1:  # nothing trains the classifier of an only modality
            return networks.MultimodalOutput(logits, dict.fromkeys(embeddings, logits))
        assert self.heads is not None
        return networks.MultimodalOutput(logits, {m: self.heads[m](own[m]) for m in own})

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
