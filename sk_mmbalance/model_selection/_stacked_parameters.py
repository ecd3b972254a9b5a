"""The parameters of many networks of one architecture as one table, and the steps they take."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..neural import MultimodalNet, start_momentum


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
    order : sequence of str, default=()
        Parameters in the order of the table; empty for that of the network.

    Attributes
    ----------
    shapes : dict of str to torch.Size
        Of the parameters of a network that are trained, in the order of the table.
    table : Tensor of shape (n_networks, n_numbers)
        All that is trained.
    gradients : Tensor of shape (n_networks, n_numbers)
        Of the step at hand.
    trained : dict of str to Tensor of shape (n_networks, ...)
        The table by parameter, as leaves of autograd.
    fixed : dict of str to Tensor of shape (n_networks, ...)
        Buffers, and parameters that are not trained.
    """

    def __init__(self, nets: Sequence[MultimodalNet], order: Sequence[str] = ()):
        modules = [net.network for net in nets]
        learnt = learnt_parameters(modules[0])
        with torch.no_grad():
            self.shapes = {name: learnt[name].shape for name in order or learnt}
            rows = [_row(module, self.shapes) for module in modules]
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
        self._gradients = list(_views(self.gradients, self.shapes).values())
        self.trained = _leaves(table, self.shapes)

    def _bind(self, modules: Sequence[Any]) -> None:
        for k, module in enumerate(modules):
            tensors = _everything(module)
            gradients = _views(self.gradients[k], self.shapes)
            for name, view in _views(self.table[k], self.shapes).items():
                tensors[name].data = view
                tensors[name].grad = gradients[name]
            for name, values in self.fixed.items():
                tensors[name].data = values[k]

    def values(self, some: Tensor | None = None) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Leaves, and all values by name; of some networks copies, of all the table itself."""
        if some is None:
            return self.trained, {**self.trained, **self.fixed}
        leaves = _leaves(self.table[some], self.shapes)
        return leaves, {**leaves, **{name: values[some] for name, values in self.fixed.items()}}

    def take_gradients_of(
        self, names: Collection[str], gradients: Sequence[Tensor | None], some: Tensor
    ) -> None:
        """Keep gradients by parameter, of which these alone take part."""
        for name, held, given in zip(self.shapes, self._gradients, gradients, strict=True):
            if (given is None) == (name in names):
                raise UnstackableError(f"{name} takes part in some batches of a modality only")
            if given is not None:
                held[some] = given

    def put_back(self, values: Mapping[str, Tensor], some: Tensor) -> None:
        """Keep what a step has made of the buffers of some networks."""
        for name, held in self.fixed.items():
            held[some] = values[name]

    def take_gradients(self, gradients: Sequence[Tensor | None], some: Tensor | None) -> None:
        """Keep gradients by parameter, in the order of the leaves."""
        lacking = [name for name, g in zip(self.shapes, gradients, strict=True) if g is None]
        if lacking:
            raise UnstackableError(f"parameters {lacking[:3]} take no part in the loss")
        given: Any = list(gradients)
        if some is None:
            torch._foreach_copy_(self._gradients, given)
        else:
            self.gradients[some] = torch.cat([g.flatten(1) for g in given], dim=1)

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


def learnt_parameters(module: Any) -> dict[str, Tensor]:
    """Parameters of a network that its training moves, by name."""
    return {
        name: p
        for name, p in module.named_parameters()
        if p.requires_grad and not name.startswith("running.")
    }


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

    The kernel is that of the single networks. Neighbours with the same settings and as many steps
    in an epoch are one parameter of it, a *slab* of the table. Networks that take no part in a step
    are left alone altogether: no decay, no momentum, no count.

    Parameters
    ----------
    nets : sequence of MultimodalNet
        Whose settings are read, anew in every epoch: schedules may have changed them.
    parameters : StackedParameters
        What is moved.
    n_batches : sequence of int
        Steps of each network in an epoch.
    """

    def __init__(
        self,
        nets: Sequence[MultimodalNet],
        parameters: StackedParameters,
        n_batches: Sequence[int],
    ):
        self.parameters = parameters
        self._n_batches = list(n_batches)
        self._slabs: list[tuple[int, int]] = []
        self._states: list[dict[str, Any]] = []
        self._optimizer: torch.optim.Optimizer | None = None
        self.follow(nets)

    def follow(self, nets: Sequence[MultimodalNet]) -> None:
        """Take the settings that the nets have now."""
        settings = [settings_of(net) for net in nets]
        slabs = _runs(list(zip(settings, self._n_batches, strict=True)))
        if slabs != self._slabs or self._optimizer is None:
            self._cut(slabs, [settings[start] for start, _ in slabs], type(nets[0].optimizer_))
        else:
            for group, (start, _) in zip(self._optimizer.param_groups, slabs, strict=True):
                group.update(settings[start])

    def _cut(
        self,
        slabs: list[tuple[int, int]],
        settings: Sequence[dict[str, Any]],
        kind: Any,
    ) -> None:
        """Make the table's slabs the parameters, and give them what was kept of their networks."""
        states = self._states_of_rows()
        tables = [self.parameters.table[start:stop].detach() for start, stop in slabs]
        for (start, stop), slab in zip(slabs, tables, strict=True):
            slab.grad = self.parameters.gradients[start:stop]
        groups = [{**own, "params": [slab]} for own, slab in zip(settings, tables, strict=True)]
        made: Any = kind(groups)
        for (start, stop), slab in zip(slabs, tables, strict=True):
            if states and states[start]:
                made.state[slab] = _joined(states[start:stop])
        start_momentum(made)
        self._optimizer, self._slabs = made, slabs

    def _states_of_rows(self) -> list[dict[str, Any]]:
        """What the optimiser keeps of every network."""
        if self._optimizer is None:
            return self._states
        states: list[dict[str, Any]] = []
        for group in self._optimizer.param_groups:
            (slab,) = group["params"]
            kept = self._optimizer.state.get(slab, {})
            states += [
                {
                    key: value[k : k + 1] if _has_rows(value, slab) else value
                    for key, value in kept.items()
                }
                for k in range(len(slab))
            ]
        return states

    def give_back(self, nets: Sequence[MultimodalNet], leaving: Sequence[int]) -> None:
        """Leave what is kept of some networks to their own optimisers, which may go on with it."""
        states, shapes = self._states_of_rows(), self.parameters.shapes
        for k in leaving:
            own: dict[str, dict[str, Any]] = {name: {} for name in shapes}
            for key, value in states[k].items():
                by_row = _has_rows(value, self.parameters.table[:1])
                parts = _views(value[0], shapes) if by_row else dict.fromkeys(shapes, value)
                for name, part in parts.items():
                    own[name][key] = part.clone() if isinstance(part, Tensor) else part
            parameters = dict(nets[k].network.named_parameters())
            for name, state in own.items():
                nets[k].optimizer_.state[parameters[name]] = state

    def drop(self, nets: Sequence[MultimodalNet], kept: Sequence[int]) -> None:
        """Go on with fewer networks, which the table has left already."""
        states = self._states_of_rows()
        self._states = [states[k] for k in kept]
        self._n_batches = [self._n_batches[k] for k in kept]
        self._optimizer = None
        self.follow([nets[k] for k in kept])

    def step(self, taking_part: Sequence[int]) -> None:
        """Move the networks that take part."""
        assert self._optimizer is not None
        some = set(taking_part)
        resting = [k for k, (start, _) in enumerate(self._slabs) if start not in some]
        slabs = [self._optimizer.param_groups[k]["params"][0] for k in resting]
        gradients = [slab.grad for slab in slabs]
        for slab in slabs:
            slab.grad = None
        self._optimizer.step()
        for slab, gradient in zip(slabs, gradients, strict=True):
            slab.grad = gradient


def settings_of(net: MultimodalNet) -> dict[str, Any]:
    """Settings of a net's optimiser, as they are now."""
    (group,) = net.optimizer_.param_groups
    return {key: value for key, value in group.items() if key not in ("params", "initial_lr")}


def _runs(keys: Sequence[Any]) -> list[tuple[int, int]]:
    """First and last place of every run of equal neighbours."""
    starts = [k for k in range(len(keys)) if k == 0 or keys[k] != keys[k - 1]]
    return list(zip(starts, [*starts[1:], len(keys)], strict=True))


def _has_rows(value: Any, slab: Tensor) -> bool:
    return isinstance(value, Tensor) and value.shape == slab.shape


def _joined(states: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The states of neighbours as that of a slab; they have taken the same number of steps."""
    joined: dict[str, Any] = {}
    for key, value in states[0].items():
        if not isinstance(value, Tensor):
            joined[key] = value
        elif value.ndim:
            joined[key] = torch.cat([state[key] for state in states])
        else:  # a count, which every slab goes on with for itself
            joined[key] = value.clone()
    return joined
