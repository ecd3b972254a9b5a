"""The network: a backbone per modality, a fusion, and (if asked for) a head per modality."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ._aligned import FEWEST, GroupedEncoders, aligned, each, stacked_of
from ._backbones import MLPBackbone
from ._fusions import Embeddings
from ._keys import ByModality


class MultimodalOutput(NamedTuple):
    """What a forward pass gives.

    Attributes
    ----------
    logits : Tensor of shape (batch, n_classes)
        Fused logits: the prediction.
    unimodal : dict of str to Tensor of shape (batch, n_classes)
        Logits of each modality: its own head's where there is one, else what the fusion makes of
        this modality alone (then without gradient).
    embeddings : dict of str to Tensor of shape (batch, dim_m), or None
        What the fusion was given; None where outputs of several batches were put together.
    """

    logits: Tensor
    unimodal: dict[str, Tensor]
    embeddings: dict[str, Tensor] | None = None


class MultimodalModule(nn.Module):
    """Backbones, fusion and optional unimodal heads.

    Whatever stands in rows that lack a modality is replaced by zeros before the backbone, and
    their embedding by zeros after it, so that it cannot change a bit of anything.

    Parameters
    ----------
    backbones : mapping of str to Module
        Network of each modality.
    fusion : Module
        See `sk_mmbalance.networks._fusions`.
    heads : mapping of str to Module, default=None
        Auxiliary classifier of each modality.
    copied : collection of str, default=()
        Modalities whose backbone gets a copy of its input: it may write into it, and without a
        copy that would be the caller's own array.

    Attributes
    ----------
    running : ModuleDict
        What a balancing method keeps from step to step, by the method's name: buffers, and modules
        that are not trained with the network. Weights that are saved, restored, copied or moved to
        another device take it along.
    """

    def __init__(
        self,
        backbones: Mapping[str, nn.Module],
        fusion: nn.Module,
        heads: Mapping[str, nn.Module] | None = None,
        copied: Collection[str] = (),
    ):
        super().__init__()
        self.copied = frozenset(copied)
        self.backbones = ByModality(backbones)
        self.fusion = fusion
        self.heads = None if heads is None else ByModality(heads)
        self.running = nn.ModuleDict()
        #: what turned rows into `inputs`, for modalities that are encoded (see `to_rows`)
        self.encodings = ByModality({})

    #: whether each encoder must have a graph of its own while it is trained: for a balancing method
    #: that takes gradients of one modality, or at its embeddings
    apart = False

    def __getstate__(self) -> dict[str, Any]:
        """All but what is found again when it is needed."""
        return {key: value for key, value in vars(self).items() if key != "_grouped"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Networks that were pickled before there were encodings have none."""
        super().__setstate__(state)
        if "encodings" not in self._modules:
            self.encodings = ByModality({})

    @property
    def names(self) -> list[str]:
        """Sorted names of the modalities."""
        return self.backbones.names

    @property
    def has_own_logits(self) -> bool:
        """Whether modalities have classifiers of their own, in heads or in the fusion."""
        return self.heads is not None or getattr(self.fusion, "gives_own_logits", False)

    def encode(
        self, inputs: Mapping[str, Tensor], present: Mapping[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        """Embeddings of the modalities in `inputs`; zero in rows that lack them.

        Many encoders of one form are run as one.
        """
        together: dict[str, Tensor] = {}
        separate = self.apart and self.training
        if len(inputs) >= FEWEST and not (separate or torch.compiler.is_compiling()):
            together = self._groups().encode(self.backbones, inputs, present)
            if len(together) == len(inputs):
                return together
        embeddings = {}
        for name in sorted(inputs):
            if name in together:
                embeddings[name] = together[name]
                continue
            x = inputs[name].clone() if name in self.copied else inputs[name]
            backbone = self.backbones[name]
            sparse = x.layout is not torch.strided
            if sparse and (type(backbone) is not MLPBackbone or torch.is_autocast_enabled("cpu")):
                x, sparse = x.to_dense(), False
            if present is not None and not sparse:  # what is stored is finite, and masked below
                row = present[name].view(-1, *[1] * (x.ndim - 1))
                x = torch.where(row, x, torch.zeros((), dtype=x.dtype, device=x.device))
            u = backbone(x)
            if present is not None:
                u = u.masked_fill(~present[name][:, None], 0)
            embeddings[name] = u
        return aligned(embeddings) if together else embeddings

    def _groups(self) -> GroupedEncoders:
        groups: GroupedEncoders | None = self.__dict__.get("_grouped")
        if groups is None or not groups.know(self.backbones):
            groups = self.__dict__["_grouped"] = GroupedEncoders(self.backbones)
        return groups

    def fuse(
        self,
        embeddings: dict[str, Tensor],
        present: Mapping[str, Tensor] | None = None,
        unimodal: bool = True,
    ) -> MultimodalOutput:
        """Logits from embeddings; `unimodal` asks for each modality's own as well."""
        fused = self.fusion(embeddings, present)
        logits, parts = fused if isinstance(fused, tuple) else (fused, None)
        if not unimodal:
            return MultimodalOutput(logits, {}, embeddings)
        if self.heads is not None:
            own = each(self.heads, embeddings)
        elif parts is not None:
            own = parts
        else:
            own = self.each_alone(embeddings)
        return MultimodalOutput(logits, own, embeddings)

    def share(
        self, embeddings: Embeddings, present: Mapping[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        """Each modality's part of the fused classifier.

        Of the fusions "concat", "sum" and "late" these are the terms that add up to the fused
        logits (of "late" the terms' logits before they are weighted). Of any other fusion it is
        what the fusion makes of the modality alone, without gradient.
        """
        terms = getattr(self.fusion, "terms", None)
        if terms is not None:
            return terms(embeddings, present)
        return self.each_alone(embeddings)

    @torch.no_grad()
    def each_alone(self, embeddings: Embeddings) -> dict[str, Tensor]:
        """Fused logits of every modality with all others masked."""
        whole = getattr(self.fusion, "each_alone", None)
        if whole is not None and stacked_of(embeddings) is not None:
            found = whole(embeddings)
            if found is not None:
                return found
        return {name: self.alone(name, u) for name, u in embeddings.items()}

    @torch.no_grad()
    def alone(self, name: str, embedding: Tensor) -> Tensor:
        """Fused logits with every other modality masked (of no meaning in rows that lack it)."""
        fused = self.fusion({name: embedding.detach()}, None)
        return fused[0] if isinstance(fused, tuple) else fused

    def forward(
        self,
        inputs: Mapping[str, Tensor],
        present: Mapping[str, Tensor] | None = None,
        unimodal: bool = True,
    ) -> MultimodalOutput:
        """Fused and unimodal logits of a batch."""
        return self.fuse(self.encode(inputs, present), present, unimodal)
