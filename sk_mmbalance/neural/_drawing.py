"""Where a net's training draws from."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import nn

from ..networks import Draws, has_dropout, may_draw

#: Packages whose callbacks, optimisers and methods draw nothing behind our back.
_KNOWN = ("sk_mmbalance", "skorch", "torch")


def drawing_in_training(net: Any, draws: Draws) -> AbstractContextManager[None]:
    """Return a context in which all that the net's training draws is drawn from `draws`.

    What is known to draw only by this package's own means needs no further care; anything of the
    user's may draw as it likes.
    """
    network: nn.Module = net.network
    parts = [network, net.criterion_]
    besides = [net.optimizer_, *net.methods, *(callback for _, callback in net.callbacks_)]
    known = all(type(part).__module__.partition(".")[0] in _KNOWN for part in besides)
    everything = not known or any(may_draw(part) for part in parts)
    if network is not net.module_:  # compiled: it draws from torch's generators alone
        draws_at_all = everything or has_dropout(network)
        return draws.of_torch(torch.device(net.device)) if draws_at_all else draws.of_ours()
    return draws.of_everything() if everything else draws.of_ours()
