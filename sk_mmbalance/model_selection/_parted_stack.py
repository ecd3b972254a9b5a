"""A stack of networks that are trained on batches of one modality each in some epochs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.func import vmap

from ..balancing import hooks_of
from ..networks import Batch
from ..neural import MultimodalNet
from ._captured import knows
from ._one_of_many import INSIDE, OUTSIDE
from ._parted_optimizer import PartedOptimizer
from ._parts import Epoch, Part, epoch_of, in_blocks, parts_of, taking_part, together
from ._stack import Stack
from ._stacked_parameters import StackedParameters, learnt_parameters

#: Moments of a step at which a method may do something.
ON_STEPS = ("needs_own_logits", "step", "gradients", *INSIDE, *OUTSIDE)


class PartedStack(Stack):
    """Trains networks as one whose batches a method cuts by modality; see `DataRemixing`.

    Every network has an order of its rows and batches of its own. At each step those that train
    the same modality step together. Batches that are smaller than the others are filled up with
    rows of no weight, where rows are known not to see each other: else networks step together
    whose batches have one size.

    Parameters
    ----------
    *args
        As in `Stack`.
    """

    def _hold(self, nets: Sequence[MultimodalNet]) -> None:
        """Put the parameters under each other, those together that take part together."""
        names = list(learnt_parameters(nets[0].network))
        parts = parts_of(nets)
        rows = self._learning.rows
        taking = {part: taking_part(nets[0], rows, part) for part in parts}
        blocks = in_blocks(names, [taking[part] for part in parts])
        self._taking = taking
        self._parameters = StackedParameters(nets, [name for block in blocks for name in block])
        blocks_of = {
            part: [k for k, block in enumerate(blocks) if block[0] in own]
            for part, own in taking.items()
        }
        self._optimizer = PartedOptimizer(nets, self._parameters, blocks, blocks_of)
        self._rows_apart = knows(nets[0].network, nets[0].criterion_)

    def _can_be_captured(self) -> bool:
        """Steps of whole networks are those of plain training."""
        hooks = hooks_of(self._one.methods)
        return self._rows_apart and not any(hooks[name] for name in ON_STEPS)

    def _train_pass(self) -> Tensor:
        """One pass over the rows; gives the mean loss of every network."""
        models = self._models
        epochs = [epoch_of(model.net, model.batches) for model in models]
        if all(epoch.order is None for epoch in epochs):
            return super()._train_pass()
        for model, epoch in zip(models, epochs, strict=True):
            model.n_visited = epoch.n_rows
        orders = self._learning.orders(
            [model.batches for model in models], [epoch.order for epoch in epochs]
        )
        gammas = self._gammas()
        sums = orders.new_zeros(len(models), dtype=self._parameters.table.dtype)
        for number, groups in enumerate(together(epochs, self._rows_apart)):
            self._one.batch_number = number
            numbers: list[int] = []
            parts: list[Part | None] = []
            for part, members in groups:
                some = torch.tensor(members, device=sums.device)
                index, sizes = _rows_of_step(orders, epochs, members, number)
                if part is None:
                    loss = self._gradients(index, some, members)
                else:
                    loss = self._gradients_of(part, index, sizes, some, gammas[part.name])
                sums[some] += loss * sizes
                numbers += members
                parts += [part] * len(members)
            self._optimizer.step(numbers, parts)
        return sums / sums.new_tensor([epoch.n_rows for epoch in epochs])

    def _gammas(self) -> dict[str, Tensor]:
        """By modality, the weight that each network gives its own loss."""
        methods: list[Any] = [model.net.methods[0] for model in self._models]
        like = self._parameters.table
        names = self._models[0].net.network.names
        return {m: like.new_tensor([float(each.gamma_of(m)) for each in methods]) for m in names}

    def _gradients_of(
        self, part: Part, index: Tensor, sizes: Tensor, some: Tensor, gammas: Tensor
    ) -> Tensor:
        """Loss of some networks on batches of one modality; the gradients go to the table."""
        leaves, values = self._parameters.values(some)
        X, y = self._learning.rows.only(part.name)[index]
        most = index.shape[1]
        if int(sizes.min()) < most:
            here = (torch.arange(most, device=sizes.device) < sizes[:, None]).to(gammas.dtype)
            X["weight"] = here * X["weight"] if "weight" in X else here
        weight = gammas[some] if part.own_loss else torch.zeros_like(gammas[some])

        def of_one(values: dict[str, Tensor], gamma: Tensor, batch: Batch) -> Tensor:
            return self._one.part_loss(part.name, values, gamma if part.own_loss else 0.0, batch)

        loss = vmap(of_one, randomness="same")(values, weight, (X, y))
        gradients = torch.autograd.grad(loss.sum(), list(leaves.values()), allow_unused=True)
        self._parameters.take_gradients_of(self._taking[part], gradients, some)
        return loss.detach()


def _rows_of_step(
    orders: Tensor, epochs: Sequence[Epoch], members: Sequence[int], number: int
) -> tuple[Tensor, Tensor]:
    """Rows of networks in a step, and how many are each one's own; behind them its last again."""
    steps = [epochs[k].steps[number] for k in members]
    sizes = orders.new_tensor([step.stop - step.start for step in steps])
    starts = orders.new_tensor([step.start for step in steps])
    places = torch.arange(int(sizes.max()), device=orders.device)
    places = starts[:, None] + torch.minimum(places, sizes[:, None] - 1)
    return orders[orders.new_tensor(members)[:, None], places], sizes
