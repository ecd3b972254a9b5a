"""One network of a stack, as `vmap` sees it: what the loss and the balancing methods ask of a net.

Inside `vmap` every tensor is that of one network, and numbers that differ from network to network
are tensors as well: the code of a loss is the same as for a single net.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

from torch import Tensor, nn
from torch.func import functional_call

from ..balancing import changed_loss, hooks_of
from ..networks import Batch, MultimodalOutput, joint_loss, mean_criterion
from ..neural import MultimodalNet
from ._stacked_linear import with_stacked_layers

#: Hooks that are asked inside `vmap`.
INSIDE = ("forward", "loss")

#: Hooks that are asked net by net, on views of the stack.
OUTSIDE = ("after_backward", "after_step")

#: Hooks between the epochs, which are the nets' own affair.
BETWEEN = ("on_train_begin", "on_epoch_begin", "on_epoch_end", "on_train_end")


class _Held(nn.Module):
    """Runs a function while the parameters of its network are others."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, function: Callable[[], Any]) -> Any:
        """Run it."""
        return function()


class OneOfMany:
    """A net in the sense of `sk_mmbalance.balancing`: one of a stack, whichever it is.

    Parameters
    ----------
    nets : sequence of MultimodalNet
        The nets of the stack.
    """

    measuring = False
    amp = False
    needs_closure_ = False

    def __init__(self, nets: Sequence[MultimodalNet]):
        first = nets[0]
        self.nets = list(nets)
        self.network: Any = with_stacked_layers(copy.deepcopy(first.network))
        self._held = _Held(self.network)
        self.criterion_ = first.criterion_
        self.optimizer_ = first.optimizer_
        self.seed = first.seed
        self.batch_number, self.n_batches = 0, 1
        self.whole_rows_until = first.whole_rows_until
        self.unimodal_weight: Any = first.unimodal_weight
        self._methods = list(first.methods)
        self._use(self._methods)
        self.sums: dict[str, Tensor] = {}

    def _use(self, methods: Sequence[Any]) -> None:
        self.methods = tuple(methods)
        self._hooks = hooks_of(self.methods)

    @property
    def history(self) -> Any:
        """Of any net that is still trained: they are in the same epoch."""
        return self.nets[0].history

    # -- numbers that differ ---------------------------------------------------------------

    def numbers(self) -> dict[str, list[float]]:
        """By name, the numbers of all nets that are tensors inside `vmap`."""
        found = {}
        if self.nets[0].unimodal_weight:
            found["unimodal_weight"] = [net.unimodal_weight for net in self.nets]
        for k, method in enumerate(self._methods):
            for name in sorted(method._stacked_numbers):
                if getattr(method, name):
                    own = [getattr(net.methods[k], name) for net in self.nets]
                    found[f"{k}|{name}"] = own
        return found

    def _take(self, numbers: Mapping[str, Tensor]) -> None:
        methods = [copy.copy(method) for method in self._methods]
        for key, value in numbers.items():
            if key == "unimodal_weight":
                self.unimodal_weight = value
            else:
                k, _, name = key.partition("|")
                setattr(methods[int(k)], name, value)
        self._use(methods)

    # -- the step --------------------------------------------------------------------------

    @property
    def trains_modalities(self) -> bool:
        """Whether the loss needs the modalities' own logits."""
        weight = self.nets[0].unimodal_weight
        return bool(weight) or any(method.needs_own_logits(self) for method in self.methods)

    def training_loss(
        self, values: Mapping[str, Tensor], numbers: Mapping[str, Tensor], batch: Batch
    ) -> tuple[Tensor, MultimodalOutput]:
        """Loss of one network with these values on one batch, and what the network gave."""
        self._take(numbers)
        self.network.train()
        return self._with(values, lambda: self._training_loss(batch))

    def part_loss(
        self, name: str, values: Mapping[str, Tensor], gamma: Any, batch: Batch
    ) -> Tensor:
        """Loss of one network on a batch of one modality, with this weight of its own loss."""
        method: Any = copy.copy(self._methods[0])
        method.gamma = gamma
        X, y = batch
        X = {**X, "assigned": (name,), "cut_by": method}
        self.network.train()

        def loss() -> Tensor:
            output = self.infer(X, unimodal=self.network.has_own_logits)
            return method.part_loss(self, output, (X, y))

        return self._with(values, loss)

    def watched_loss(self, values: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """Loss of the fused model on rows that are not learnt from."""
        self.network.eval()
        X, y = batch

        def loss() -> Tensor:
            logits = self.infer(X, unimodal=False).logits
            return mean_criterion(self.criterion_, logits, y, X.get("weight"))

        return self._with(values, loss)

    def _with(self, values: Mapping[str, Tensor], function: Callable[[], Any]) -> Any:
        held = {f"network.{name}": value for name, value in values.items()}
        return functional_call(self._held, held, (function,))

    def _training_loss(self, batch: Batch) -> tuple[Tensor, MultimodalOutput]:
        X, y = batch
        output = self._forward(batch)
        own = self.unimodal_weight if self.nets[0].unimodal_weight else 0.0

        def joint() -> Tensor:
            return joint_loss(self.criterion_, output, y, X, own)

        return changed_loss(self._hooks["loss"], self, output, batch, joint), output

    def _forward(self, batch: Batch) -> MultimodalOutput:
        unimodal = self.trains_modalities
        for method in self._hooks["forward"]:
            output = method.forward(self, batch, unimodal)
            if output is not None:
                return output
        return self.infer(batch[0], unimodal=unimodal)

    def infer(self, x: dict[str, Any], **params: Any) -> MultimodalOutput:
        """Run the network on one batch."""
        return self.network(x["inputs"], x.get("present"), **params)

    def autocast(self) -> Any:
        """Full precision."""
        return nullcontext()

    def running(self, method: Any) -> nn.Module:
        """What a method keeps from step to step."""
        return self.network.running[type(method).__name__]

    def note(self, figures: dict[str, Tensor]) -> None:
        """Nothing: the history of a stack has losses only."""

    def note_each(self, figure: str, values: Tensor) -> None:
        """Nothing: the history of a stack has losses only."""

    def add_up(self, key: str, value: Tensor) -> None:
        """Nothing: the history of a stack has losses only."""
