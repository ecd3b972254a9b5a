"""All balancing values with their default parameters, and how often rows pass through encoders."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch.nn.modules import module as hooks

from sk_mmbalance import balancing

#: By name, in alphabetical order.
VALUES = {
    name: getattr(balancing, name)()
    for name in sorted(balancing.__all__, key=str.lower)
    if name != "Balancing"
}
ENCODER = "MLPBackbone"


@dataclass
class Passes:
    """Rows that went through encoders, and rows whose gradients came back through them."""

    there: int = 0
    back: int = 0


@contextmanager
def counted_passes() -> Iterator[Passes]:
    """Count them in whatever is trained meanwhile."""
    passes = Passes()

    def back(gradient: Any) -> None:
        passes.back += len(gradient)

    def forward(layer: Any, args: Any, output: Any) -> None:
        if type(layer).__name__ == ENCODER:
            passes.there += len(args[0])
            if output.requires_grad:
                output.register_hook(back)

    handle = hooks.register_module_forward_hook(forward)
    try:
        yield passes
    finally:
        handle.remove()
