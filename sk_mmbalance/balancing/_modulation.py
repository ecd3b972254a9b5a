"""`Modulation`: base of the methods that give every encoder a factor in every step."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from .._sklearn import Interval, StrOptions
from ..networks import Batch, MultimodalOutput, parameters_of
from ._base import Balancing
from ._protocol import Net

#: Optimisers that divide a gradient by its own size: they undo every constant factor on it.
NORMALISING = (
    torch.optim.Adadelta,
    torch.optim.Adagrad,
    torch.optim.Adam,
    torch.optim.Adamax,
    torch.optim.AdamW,
    torch.optim.NAdam,
    torch.optim.RAdam,
    torch.optim.RMSprop,
    torch.optim.Rprop,
)


@dataclass(kw_only=True, eq=False, repr=False)
class Modulation(Balancing):
    """Base of the methods that scale what each encoder learns in a step.

    The matrices of an encoder are scaled, not its biases, and never the fusion.
    """

    scale: str = "auto"
    start_epoch: int = 0
    stop_epoch: Any = None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "scale": [StrOptions({"auto", "gradient", "step"})],
        "start_epoch": [Interval(Integral, 0, None, closed="left")],
        "stop_epoch": [Interval(Integral, 0, None, closed="left"), None],
    }

    def factors(self, net: Net, batch: Batch, output: MultimodalOutput) -> Tensor:
        """Factor of every modality, of shape (n_modalities,), without gradient."""
        raise NotImplementedError

    def change_gradients(self, net: Net, matrices: list[list[Tensor]], factors: Tensor) -> Any:
        """Look at the matrices' gradients before they are scaled; give back what is added after.

        None adds nothing; else a tensor for each matrix of each modality.
        """
        return None

    def scales_steps(self, net: Net) -> bool:
        """Whether the optimiser's steps are scaled, not its gradients."""
        return self.scale == "step" or (
            self.scale == "auto" and isinstance(net.optimizer_, NORMALISING)
        )

    def check_net(self, net: Net) -> None:
        """Refuse an optimiser whose steps are not scaled gradients."""
        self._refuse_closure(net)

    def after_backward(self, net: Net, batch: Batch, output: MultimodalOutput) -> None:
        """Scale the gradients, or remember where the step starts from."""
        names = net.network.names
        if len(names) == 1 or not self.acts(net):
            return
        factors = self.factors(net, batch, output)
        net.note_each("factor", factors)
        matrices = [_matrices(net.network.backbones[name]) for name in names]
        added = self.change_gradients(net, matrices, factors)
        gradients: Any = [[p.grad for p in group] for group in matrices]
        if not self.scales_steps(net):
            for k, group in enumerate(gradients):
                if group:
                    torch._foreach_mul_(group, factors[k])
        else:
            back = (1 - factors).unbind()
            self._starts = [
                start_of(group, [rest] * len(group))
                for group, rest in zip(matrices, back, strict=True)
                if group
            ]
        if added is not None:
            for group, more in zip(gradients, added, strict=True):
                if group:
                    torch._foreach_add_(group, more)

    @torch.no_grad()
    def after_step(self, net: Net) -> None:
        """Scale the step: back towards where the weights were, by 1 less the factor."""
        for start in self.__dict__.pop("_starts", ()):
            torch._foreach_lerp_(*start)


@torch.no_grad()
def start_of(parameters: list[Any], back: Any) -> Any:
    """Parameters before a step, their values, and by how much to go back: a number, or one each."""
    return parameters, torch._foreach_clone(parameters), back


def _matrices(encoder: nn.Module) -> list[Tensor]:
    return [p for p in parameters_of(encoder) if p.ndim >= 2 and p.grad is not None]
