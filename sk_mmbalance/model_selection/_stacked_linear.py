"""Linear layers of a stack: one batched product, bias included.

`vmap` takes a linear layer apart into a product and a sum, and its gradient comes transposed and
has to be copied; small layers spend as much on that as on the product.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class StackedLinear(nn.Linear):
    """A linear layer of one network, which becomes one batched product inside `vmap`."""

    def forward(self, input: Tensor) -> Tensor:
        """``x W' + b``."""
        if self.bias is None or input.ndim != 2:
            return super().forward(input)
        return _Linear.apply(input, self.weight, self.bias)


def with_stacked_layers(network: nn.Module) -> nn.Module:
    """Make the linear layers of a network, in place, ones that stack well."""
    for module in network.modules():
        if type(module) is nn.Linear:
            module.__class__ = StackedLinear
    return network


class _Linear(torch.autograd.Function):
    """``x W' + b`` of one network, and what it is inside `vmap`."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return F.linear(x, weight, bias)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(*inputs[:2])

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        x, weight = ctx.saved_tensors
        (g,) = gradients
        return g @ weight, g.t() @ x, g.sum(dim=0)

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> Any:
        n = info.batch_size
        batched = [
            value.expand(n, *value.shape) if dim is None else value.movedim(dim, 0)
            for value, dim in zip(args, in_dims, strict=True)
        ]
        return _Batched.apply(*batched), 0


class _Batched(torch.autograd.Function):
    """The same of many networks, of shapes (networks, batch, in), (networks, out, in), ..."""

    @staticmethod
    def forward(ctx: Any, *args: Any) -> Any:
        x, weight, bias = args
        ctx.save_for_backward(x, weight)
        return torch.baddbmm(bias[:, None], x, weight.mT)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        x, weight = ctx.saved_tensors
        (g,) = gradients
        of_x = torch.bmm(g, weight) if ctx.needs_input_grad[0] else None
        return of_x, torch.bmm(g.mT, x), g.sum(dim=1)
