"""The parameters of many networks of one architecture as one table, and the steps they take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..neural import MultimodalNet, start_momentum

#: Optimisers that treat every number by itself: what they do to a table they do to its rows.
BY_ELEMENT = (
    torch.optim.ASGD,
    torch.optim.Adadelta,
    torch.optim.Adagrad,
    torch.optim.Adam,
    torch.optim.AdamW,
    torch.optim.Adamax,
    torch.optim.NAdam,
    torch.optim.RAdam,
    torch.optim.RMSprop,
    torch.optim.Rprop,
    torch.optim.SGD,
)


class UnstackableError(Exception):
    """Networks cannot be trained as one; the message says why."""


class StackedParameters:
    """What networks of one architecture are made of, one row of a table a network.

    The networks' own parameters become views of the table: whatever looks at a network, saves it
    or restores it sees and changes its row.

    Parameters
    ----------
    nets : sequence of MultimodalNet
        Their networks must have the same parameters and buffers by name and shape.

    Attributes
    ----------
    table : Tensor of shape (n_networks, n_numbers)
        All that is trained.
    gradients : Tensor of shape (n_networks, n_numbers)
        Of the step at hand.
    trained : dict of str to Tensor of shape (n_networks, ...)
        The table by parameter, as leaves of autograd.
    fixed : dict of str to Tensor of shape (n_networks, ...)
        Buffers, and parameters that are not trained.
    """

    def __init__(self, nets: Sequence[MultimodalNet]):
        modules = [net.network for net in nets]
        learnt = {name for name, p in modules[0].named_parameters() if p.requires_grad}
        learnt = {name for name in learnt if not name.startswith("running.")}
        with torch.no_grad():
            self._shapes = {
                name: p.shape for name, p in modules[0].named_parameters() if name in learnt
            }
            rows = [_row(module, self._shapes) for module in modules]
            self._hold(torch.stack(rows))
            whole = [_everything(module) for module in modules]
            self.fixed = {
                name: torch.stack([tensors[name].detach() for tensors in whole])
                for name in whole[0]
                if name not in learnt
            }
        self._bind(modules)

    def __len__(self) -> int:
        return len(self.table)

    def _hold(self, table: Tensor) -> None:
        self.table = table
        self.gradients = torch.zeros_like(table)
        self.rows = list(table.detach())
        for row, gradient in zip(self.rows, self.gradients, strict=True):
            row.grad = gradient
        self.trained = _leaves(table, self._shapes)

    def _bind(self, modules: Sequence[Any]) -> None:
        for k, module in enumerate(modules):
            tensors = _everything(module)
            gradients = _views(self.gradients[k], self._shapes)
            for name, view in _views(self.table[k], self._shapes).items():
                tensors[name].data = view
                tensors[name].grad = gradients[name]
            for name, values in self.fixed.items():
                tensors[name].data = values[k]

    def values(self, some: Tensor | None = None) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Leaves, and all values by name; of some networks copies, of all the table itself."""
        if some is None:
            return self.trained, {**self.trained, **self.fixed}
        leaves = _leaves(self.table[some], self._shapes)
        return leaves, {**leaves, **{name: values[some] for name, values in self.fixed.items()}}

    def put_back(self, values: Mapping[str, Tensor], some: Tensor) -> None:
        """Keep what a step has made of the buffers of some networks."""
        for name, held in self.fixed.items():
            held[some] = values[name]

    def take_gradients(self, gradients: Sequence[Tensor | None], some: Tensor | None) -> None:
        """Keep gradients by parameter, in the order of the leaves."""
        lacking = [name for name, g in zip(self._shapes, gradients, strict=True) if g is None]
        if lacking:
            raise UnstackableError(f"parameters {lacking[:3]} take no part in the loss")
        flat = [g.flatten(1) for g in gradients if g is not None]
        if some is None:
            torch.cat(flat, dim=1, out=self.gradients)
        else:
            self.gradients[some] = torch.cat(flat, dim=1)

    def drop(self, nets: Sequence[MultimodalNet], kept: Sequence[int]) -> None:
        """Give all but the rows `kept` back to their networks, and forget them."""
        leaving = set(range(len(nets))) - set(kept)
        for k in leaving:
            for tensor in _everything(nets[k].network).values():
                tensor.data, tensor.grad = tensor.data.clone(), None
        chosen = torch.tensor(list(kept), dtype=torch.long, device=self.table.device)
        self._hold(self.table[chosen])
        self.fixed = {name: values[chosen] for name, values in self.fixed.items()}
        self._bind([nets[k].network for k in kept])


def _everything(module: Any) -> dict[str, Tensor]:
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def _row(module: Any, shapes: Mapping[str, Any]) -> Tensor:
    parameters = dict(module.named_parameters())
    return torch.cat([parameters[name].detach().flatten() for name in shapes])


def _views(table: Tensor, shapes: Mapping[str, torch.Size]) -> dict[str, Tensor]:
    """Parts of the last dimension, in the shapes of the parameters."""
    views, start = {}, 0
    for name, shape in shapes.items():
        stop = start + shape.numel()
        views[name] = table[..., start:stop].unflatten(-1, shape) if shape else table[..., start]
        start = stop
    return views


def _leaves(table: Tensor, shapes: Mapping[str, torch.Size]) -> dict[str, Tensor]:
    views = _views(table, shapes)
    return {name: view.detach().requires_grad_() for name, view in views.items()}


class StackedOptimizer:
    """One optimiser for all networks of a stack; each has the settings of its own net's.

    The kernel is that of the single networks. A network that takes no part in a step has no
    gradient, and is left alone altogether: no decay, no momentum, no count.

    Parameters
    ----------
    nets : sequence of MultimodalNet
        Whose settings are read, anew in every epoch: schedules may have changed them.
    parameters : StackedParameters
        What is moved.
    """

    def __init__(self, nets: Sequence[MultimodalNet], parameters: StackedParameters):
        self.parameters = parameters
        self._settings: list[Any] = []
        self._optimizer: torch.optim.Optimizer | None = None
        self.follow(nets)

    def follow(self, nets: Sequence[MultimodalNet]) -> None:
        """Take the settings that the nets have now."""
        settings = [_settings_of(net) for net in nets]
        if settings == self._settings:
            return
        self._settings = settings
        groups: dict[Any, dict[str, Any]] = {}
        for row, own in zip(self.parameters.rows, settings, strict=True):
            groups.setdefault(repr(own), {**own, "params": []})["params"].append(row)
        made = type(nets[0].optimizer_)(list(groups.values()))
        if self._optimizer is not None:
            made.state = self._optimizer.state
        start_momentum(made)
        self._optimizer = made

    def drop(
        self, nets: Sequence[MultimodalNet], kept: Sequence[int], before: list[Tensor]
    ) -> None:
        """Go on with fewer networks, whose rows were those of `before`."""
        assert self._optimizer is not None
        old, self._settings = self._optimizer.state, []
        self._optimizer.state = type(old)(old.default_factory)
        for k, row in zip(kept, self.parameters.rows, strict=True):
            self._optimizer.state[row] = old[before[k]]
        self.follow([nets[k] for k in kept])

    def step(self, taking_part: Sequence[int]) -> None:
        """Move the networks that take part."""
        assert self._optimizer is not None
        rows = self.parameters.rows
        resting = set(range(len(rows))) - set(taking_part) if len(taking_part) < len(rows) else ()
        gradients = {k: rows[k].grad for k in resting}
        for k in resting:
            rows[k].grad = None
        self._optimizer.step()
        for k, gradient in gradients.items():
            rows[k].grad = gradient


def _settings_of(net: MultimodalNet) -> dict[str, Any]:
    (group,) = net.optimizer_.param_groups
    return {key: value for key, value in group.items() if key not in ("params", "initial_lr")}
