"""A forward pass in two parts, in the precision in which the net runs it."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..networks import MultimodalOutput, Presence, over
from ._protocol import Net


def encode(net: Net, X: dict[str, Any]) -> dict[str, Tensor]:
    """Embeddings of a batch."""
    with net.autocast():
        return net.network.encode(X["inputs"], X.get("present"))


def fuse(
    net: Net, embeddings: dict[str, Tensor], present: Presence = None, unimodal: bool = True
) -> MultimodalOutput:
    """What the network makes of embeddings."""
    with net.autocast():
        output = net.network.fuse(embeddings, present, unimodal)
    own = wide(net, output.unimodal)
    return MultimodalOutput(wide(net, {"": output.logits})[""], own, embeddings)


def wide(net: Net, logits: dict[str, Tensor]) -> dict[str, Tensor]:
    """Logits in the precision in which losses are computed."""
    return over(Tensor.float, logits) if net.amp else logits
