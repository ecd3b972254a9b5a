"""Many trainings of one architecture carried out as one: the stack.

Every step runs all networks at once, each on its own batch, by `torch.func.vmap`. What comes
between the epochs (history, early stopping, schedules, best weights) is each net's own code, whose
network is a view of the stack.

Batches are exactly those of the single trainings. Where folds differ in size, the batches at the
end of an epoch do too: networks whose batches have equal sizes then step together, and one that
has no batch left rests. Nothing is padded, so that means, weights and statistics are what they are
in a single training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import vmap
from torch.nn.utils.rnn import pad_sequence
from torch.utils._pytree import tree_map

from ..balancing import hooks_of
from ..networks import Batch, ModalityRows, MultimodalOutput, RowBatches
from ..neural import MultimodalNet, Training, TrainingStopped
from ._captured import CapturedSteps, can_be_captured
from ._halving import Halving
from ._one_of_many import OUTSIDE, OneOfMany
from ._stacked_parameters import StackedOptimizer, StackedParameters, settings_of

#: At most so many rows of all networks together are evaluated in one pass.
EVALUATED_ROWS = 2**16


class Stack:
    """Trains networks of one architecture as one.

    Parameters
    ----------
    trainings : sequence of Training
        Alike in all but their rows, seeds and numbers; see `_stackable`.
    on_epoch : callable, default=None
        Called after every epoch with the number of epochs, counted over the networks, that it
        was, those included that a network which has stopped will not need.
    halving : Halving, default=None
        Says which networks are given up after an epoch.
    """

    def __init__(
        self,
        trainings: Sequence[Training],
        on_epoch: Callable[[int], None] | None = None,
        halving: Halving | None = None,
    ):
        given = list(trainings)
        # networks that are moved alike stand side by side
        alike = [(repr(settings_of(t.net)), len(t.rows)) for t in given]
        self._places = sorted(range(len(given)), key=lambda k: alike[k])
        self.trainings = [given[k] for k in self._places]
        self.on_epoch = on_epoch
        self.halving = halving
        self.outcomes: list[Exception | None] = [None] * len(self.trainings)

    def run(self) -> list[Exception | None]:
        """Train; gives, for every training, the error that ended it, if one did."""
        trainings = self.trainings
        nets = [training.net for training in trainings]
        rows = [t.net.begin_training(t.rows, t.valid) for t in trainings]
        for net in nets:
            # no step of its own will follow, and torch's schedules warn where there was none; one
            # without gradients moves nothing
            net.clear_gradients()
            net.optimizer_.step()
        self._models = [
            _Model(k, net, own, training)
            for k, (net, own, training) in enumerate(zip(nets, rows, trainings, strict=True))
        ]
        self._learning = _Together([model.batches for model in self._models])
        self._watching = _Together([m.watched for m in self._models if m.watched is not None])
        self._hold(nets)
        self._one = OneOfMany(nets)
        self._numbers = self._read_numbers()
        self._captured = CapturedSteps(self._plain_step) if self._can_be_captured() else None
        hooks = hooks_of(nets[0].methods)
        self._by_net = any(hooks[name] for name in OUTSIDE)
        self._n_epochs = 0
        while self._models:
            self._epoch()
        found = dict(zip(self._places, self.outcomes, strict=True))
        return [found[k] for k in range(len(found))]

    def _hold(self, nets: Sequence[MultimodalNet]) -> None:
        """Put the networks' parameters under each other, and an optimiser over them."""
        self._parameters = StackedParameters(nets)
        self._optimizer: Any = StackedOptimizer(
            nets, self._parameters, [len(model.bounds) for model in self._models]
        )

    def _can_be_captured(self) -> bool:
        """Whether steps of all of a network do the same every time, with other numbers."""
        return can_be_captured(self._one)

    def _read_numbers(self) -> dict[str, Tensor]:
        numbers = self._one.numbers()
        like = self._parameters.table
        return {key: like.new_tensor(n) for key, n in numbers.items()}

    # -- an epoch --------------------------------------------------------------------------

    def _epoch(self) -> None:
        models = self._models
        self._n_epochs += 1
        for model in models:
            model.begin_epoch()
        self._optimizer.follow([model.net for model in models])
        losses = self._train_pass()
        left: list[_Model] = []
        for model, loss in zip(models, losses.tolist(), strict=True):
            try:
                model.record("train", loss, model.batches, model.n_visited)
                model.record_begun()
                model.net.refuse_divergence(loss)
            except ArithmeticError as error:
                self.outcomes[model.number] = error
                left.append(model)
        going_on = [model for model in models if model not in left]
        watching = [model for model in going_on if model.watched is not None]
        if watching:
            self._evaluate(watching)
        left += [model for model in going_on if not model.end_epoch()]
        if self.halving is not None:
            nets = [t.net for t in self.trainings]
            training = [m.net for m in models if m not in left]
            given_up = self.halving.given_up(nets, training, self._n_epochs)
            left += [m for m in models if m.net in given_up and m not in left]
        if self.on_epoch is not None:
            self.on_epoch(len(models) + sum(m.n_epochs - len(m.net.history) for m in left))
        self._leave(left)

    def _train_pass(self) -> Tensor:
        """One pass over the rows; gives the mean loss of every network."""
        models = self._models
        sums = torch.zeros(len(models), dtype=self._parameters.table.dtype)
        sums = sums.to(self._parameters.table.device)
        orders = self._learning.orders([model.batches for model in models])
        for number, batches in enumerate(_steps([model.bounds for model in models])):
            self._one.batch_number = number
            for (start, stop), members in batches.items():
                some = None if len(members) == len(models) else torch.tensor(members)
                index = (orders if some is None else orders[some])[:, start:stop]
                loss = self._gradients(index, some, members)
                if some is None:
                    sums += loss * (stop - start)
                else:
                    sums[some] += loss * (stop - start)
            taking_part = [k for members in batches.values() for k in members]
            self._optimizer.step(taking_part)
            if self._by_net:
                for k in taking_part:
                    models[k].after_step()
        counts = torch.tensor([len(model.batches.rows) for model in models])
        return sums / counts.to(sums)

    def _gradients(self, index: Tensor, some: Tensor | None, members: Sequence[int]) -> Tensor:
        """Loss of every network on its batch; the gradients go to the table."""
        leaves, values = self._parameters.values(some)
        batch = self._learning.rows[index]
        numbers = self._numbers
        if some is not None:
            numbers = {key: n[some] for key, n in numbers.items()}
        if self._captured is not None:
            fixed = {name: value for name, value in values.items() if name not in leaves}
            losses, *found = self._captured((leaves, fixed, numbers, batch))
            assert losses is not None
            self._parameters.take_gradients(found, some)
            return losses
        loss, output = vmap(self._one.training_loss, randomness="same")(values, numbers, batch)
        gradients = torch.autograd.grad(loss.sum(), list(leaves.values()), allow_unused=True)
        self._parameters.take_gradients(gradients, some)
        if some is not None and self._one.methods:
            self._parameters.put_back(values, some)
        if self._by_net:
            everything = tree_map(Tensor.detach, (batch, output))
            for place, k in enumerate(members):
                own = tree_map(lambda tensor, place=place: tensor[place], everything)
                self._models[k].after_backward(self._one.batch_number, *own)
        return loss.detach()

    def _plain_step(self, given: Any) -> tuple[Tensor | None, ...]:
        """Loss of every network on its batch and its gradients, from these tensors alone."""
        leaves, fixed, numbers, batch = given
        leaves = {name: value.detach().requires_grad_() for name, value in leaves.items()}
        values = {**leaves, **fixed}
        loss, _ = vmap(self._one.training_loss, randomness="same")(values, numbers, batch)
        gradients = torch.autograd.grad(loss.sum(), list(leaves.values()), allow_unused=True)
        return loss.detach(), *gradients

    # -- rows that are watched -------------------------------------------------------------

    @torch.no_grad()
    def _evaluate(self, models: Sequence[_Model]) -> None:
        """Enter the losses of the rows that early stopping watches."""
        place = {model.number: k for k, model in enumerate(self._models)}
        sums = torch.zeros(len(models), dtype=self._parameters.table.dtype)
        sums = sums.to(self._parameters.table.device)
        orders = self._watching.orders([model.watched for model in models])
        for batches in _steps([model.watched.bounds(len(model.watched.rows)) for model in models]):
            for (start, stop), members in batches.items():
                at_once = max(1, EVALUATED_ROWS // (stop - start))
                for first in range(0, len(members), at_once):
                    chosen = members[first : first + at_once]
                    some = torch.tensor([place[models[k].number] for k in chosen])
                    _, values = self._parameters.values(
                        None if len(some) == len(self._parameters) else some
                    )
                    mine = torch.tensor(chosen)
                    batch = self._watching.rows[orders[mine][:, start:stop]]
                    loss = vmap(self._one.watched_loss)(values, batch)
                    sums[mine] += loss * (stop - start)
        for model, total in zip(models, sums.tolist(), strict=True):
            n_rows = len(model.watched.rows)
            model.record("valid", total / n_rows, model.watched, n_rows)

    # -- leaving ---------------------------------------------------------------------------

    def _leave(self, leaving: Sequence[_Model]) -> None:
        """Freeze networks that have stopped, and go on with the others."""
        if not leaving:
            return
        models = self._models
        kept = [k for k, model in enumerate(models) if model not in leaving]
        nets = [model.net for model in models]
        self._optimizer.give_back(nets, sorted(set(range(len(nets))) - set(kept)))
        self._parameters.drop(nets, kept)
        if kept:
            self._optimizer.drop(nets, kept)
            self._one.nets = [nets[k] for k in kept]
            self._numbers = self._read_numbers()
        for model in leaving:
            if self.outcomes[model.number] is None:
                try:
                    model.end()
                except ArithmeticError as error:
                    self.outcomes[model.number] = error
        self._models = [models[k] for k in kept]


class _Model:
    """One training of a stack: its net, its rows, its place among the trainings."""

    def __init__(self, number: int, net: MultimodalNet, rows: ModalityRows, training: Training):
        self.number = number
        self.net = net
        self.n_epochs = training.n_epochs
        self.batches: RowBatches = net.get_iterator(rows, training=True)
        self.bounds = self.batches.bounds(len(rows))
        self.watched: Any = None
        if training.valid is not None:
            self.watched = net.get_iterator(training.valid)
        self._rows, self._valid, self._training = rows, training.valid, training
        #: figures of this epoch that methods gave, and how many rows it trains on
        self._begun: dict[str, Any] = {}
        self.n_visited = len(rows)

    def begin_epoch(self) -> None:
        """Tell the net."""
        self.net.notify("on_epoch_begin", dataset_train=self._rows, dataset_valid=self._valid)
        self.batches.epoch = len(self.net.history) - 1
        self._begun = {}
        self.n_visited = len(self.batches.rows)
        for method in self.net.methods:
            self._begun.update(method.begin_pass(self.net, self.batches))

    def record_begun(self) -> None:
        """Enter what the methods had to say before the pass."""
        for key, value in self._begun.items():
            self.net.history.record(key, value)

    def after_backward(self, number: int, batch: Batch, output: MultimodalOutput) -> None:
        """Let the methods change the gradients of step `number`."""
        self.net.batch_number, self.net.n_batches = number, len(self.bounds)
        self.net.measuring = False
        for method in self.net.methods:
            method.after_backward(self.net, batch, output)

    def after_step(self) -> None:
        """Let the methods change the weights."""
        for method in self.net.methods:
            method.after_step(self.net)

    def record(self, prefix: str, loss: float, batches: RowBatches, n_rows: int) -> None:
        """Enter a pass over so many rows into the net's history."""
        self.net.record_pass(prefix, loss, n_rows, len(batches))
        self.net.history.record(f"{prefix}_loss", loss)

    def end_epoch(self) -> bool:
        """Tell the net; gives whether it goes on."""
        try:
            self.net.notify("on_epoch_end", dataset_train=self._rows, dataset_valid=self._valid)
        except TrainingStopped:
            return False
        return len(self.net.history) < self.n_epochs

    def end(self) -> None:
        """Tell the net that this was the last epoch."""
        self.net.end_training(self._rows)
        self._training.refuse_diverged()


class _Together:
    """The rows of several trainings under each other; rows that several have stand there once."""

    def __init__(self, all_batches: Sequence[RowBatches]):
        self._starts: dict[int, int] = {}
        distinct: list[ModalityRows] = []
        n_rows = 0
        for batches in all_batches:
            if id(batches.rows) not in self._starts:
                self._starts[id(batches.rows)] = n_rows
                distinct.append(batches.rows)
                n_rows += len(batches.rows)
        self._kept = distinct  # their ids stay theirs
        self._joined = _concatenated(distinct) if distinct else None

    @property
    def rows(self) -> ModalityRows:
        """All rows, under each other."""
        assert self._joined is not None
        return self._joined

    def orders(self, all_batches: Sequence[Any], own: Sequence[Tensor | None] = ()) -> Tensor:
        """For each training, its rows in the order of this epoch, as numbers of rows of all.

        Of shape (n_trainings, most rows that one has); what is behind a training's rows is of no
        meaning. A training may have an order of its `own`, in place of that of its batches.
        """
        found: dict[Any, Tensor] = {}
        orders = []
        for batches, given in zip(all_batches, own or [None] * len(all_batches), strict=True):
            if given is not None:
                orders.append((given + self._starts[id(batches.rows)]).to(batches.device))
                continue
            key = (id(batches.rows), batches.seed, batches.epoch if batches.seed is not None else 0)
            if key not in found:
                order = batches.order()
                order = torch.arange(len(batches.rows)) if order is None else order
                found[key] = (order + self._starts[id(batches.rows)]).to(batches.device)
            orders.append(found[key])
        return pad_sequence(orders, batch_first=True)


def _concatenated(parts: Sequence[ModalityRows]) -> ModalityRows:
    first = parts[0]
    if len(parts) == 1:
        return first

    def joined(key: str) -> Any:
        if getattr(first, key) is None:
            return None
        return tree_map(_under_each_other, *[getattr(p, key) for p in parts])

    return replace(first, **{key: joined(key) for key in _OF_ROWS})


def _under_each_other(*tensors: Tensor) -> Tensor:
    """Rows of several tensors; sequences whose longest differ are filled up with NaN."""
    if len({tensor.shape[1:] for tensor in tensors}) > 1:
        longest = max(tensor.shape[1] for tensor in tensors)
        tensors = tuple(_filled_up(tensor, longest) for tensor in tensors)
    return torch.cat(tensors)


def _filled_up(x: Tensor, longest: int) -> Tensor:
    lacking = (0, 0) * (x.ndim - 2) + (0, longest - x.shape[1])
    return F.pad(x, lacking, value=torch.nan)


#: What `ModalityRows` have a value of for every row.
_OF_ROWS = ("inputs", "codes", "present", "weight", "extras")


def _steps(all_bounds: Sequence[list[tuple[int, int]]]) -> Any:
    """Step by step, which networks have a batch from where to where."""
    for number in range(max(map(len, all_bounds))):
        batches: dict[tuple[int, int], list[int]] = {}
        for k, bounds in enumerate(all_bounds):
            if number < len(bounds):
                batches.setdefault(bounds[number], []).append(k)
        yield batches
