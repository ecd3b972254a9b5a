"""Parameters of many equal modalities as one, while they are trained.

A step of an optimiser over a thousand modalities spends its time on going through thousands of
small parameters. For the time of a training, those that stand at the same place of equal modules
become the slices of one parameter, which the optimiser holds in their stead; products over all
modalities use it as it is. Modules keep parameters of their own, which look into it: weights that
are read, copied, loaded or written meanwhile are those of each modality, as ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor, nn

from ._aligned import FEWEST, form_of
from ._keys import ByModality

_GRADIENT = attrgetter("grad")


class JoinedParameters:
    """Puts an optimiser over stacks of a network's parameters, and back.

    Steps by element (Adam, AdamW, SGD) are the same for slices of a whole. Parameters of which
    some took other steps than the rest, or are in other groups, are left as they are. Gradients
    of earlier steps are forgotten.

    Parameters
    ----------
    network : Module
        The network.
    optimizer : Optimizer
        What steps over its parameters; its groups are changed in place until `release`.
    """

    def __init__(self, network: nn.Module, optimizer: torch.optim.Optimizer):
        self._optimizer = optimizer
        self._groups = [list(group["params"]) for group in optimizer.param_groups]
        home = {id(p): k for k, group in enumerate(self._groups) for p in group}
        self._stacks: list[_Stack] = []
        for modules, parameters in _places(network):
            place = home.get(id(parameters[0]))
            if place is None or any(home.get(id(p)) != place for p in parameters):
                continue
            state = _joined(parameters, [optimizer.state.get(p, {}) for p in parameters])
            if state is not None:
                self._stacks.append(_Stack(modules, parameters, place, state))
        try:
            self._take_over(network, optimizer)
        except BaseException:  # Ctrl-C: nothing stays half done
            self.release()
            raise

    def _take_over(self, network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        for stack in self._stacks:
            stack.take_over(optimizer)
        stacked = {id(p) for stack in self._stacks for p in stack.parameters}
        for k, group in enumerate(optimizer.param_groups):
            wholes = [stack.whole for stack in self._stacks if stack.group == k]
            group["params"][:] = [p for p in self._groups[k] if id(p) not in stacked] + wholes
        names = {id(p): name for name, p in network.named_parameters()} if self._stacks else {}
        self._names = [[names[id(p)] for p in stack.parameters] for stack in self._stacks]
        known = {name for of_stack in self._names for name in of_stack}
        whole = network.state_dict() if self._stacks else {}
        self._others = {name: value for name, value in whole.items() if name not in known}

    def __bool__(self) -> bool:
        return bool(self._stacks)

    def copied(self) -> dict[str, Tensor]:
        """A copy of the network's `state_dict`."""
        state = {name: value.clone() for name, value in self._others.items()}
        for names, stack in zip(self._names, self._stacks, strict=True):
            state.update(zip(names, stack.whole.detach().clone().unbind(0), strict=True))
        return state

    def scattered(self) -> bool:
        """Whether a loss went by way of parameters of single modalities."""
        return any(
            grad is not None for stack in self._stacks for grad in map(_GRADIENT, stack.parameters)
        )

    def release(self) -> None:
        """Give every modality its parameters, their gradients and their state back."""
        for group, parameters in zip(self._optimizer.param_groups, self._groups, strict=True):
            group["params"][:] = parameters
        while self._stacks:
            self._stacks[-1].release(self._optimizer)
            self._stacks.pop()


class _Stack:
    """One parameter (n_modalities, ...), and those that are its slices."""

    def __init__(
        self,
        modules: ByModality,
        parameters: list[nn.Parameter],
        group: int,
        state: dict[str, Any],
    ):
        self.modules = modules
        self.parameters = parameters
        self.group = group
        self.state = state
        self.whole = nn.Parameter(torch.stack([p.detach() for p in parameters]))

    def take_over(self, optimizer: torch.optim.Optimizer) -> None:
        """Become one."""
        if self.state:
            optimizer.state[self.whole] = self.state
        for p, part in zip(self.parameters, self.whole.detach().unbind(0), strict=True):
            p.data, p.grad = part, None  # a step clears gradients first
            optimizer.state.pop(p, None)
        self.modules.stacks[id(self.parameters[0])] = (self.parameters, self.whole)

    def release(self, optimizer: torch.optim.Optimizer) -> None:
        """Become many again; once more where it was interrupted."""
        self.modules.stacks.pop(id(self.parameters[0]), None)
        state = optimizer.state.get(self.whole, {})
        grad = self.whole.grad
        for k, p in enumerate(self.parameters):
            p.data = self.whole.detach()[k].clone()
            if grad is not None:
                p.grad = grad[k].clone() if p.grad is None else p.grad + grad[k]
            if state:
                optimizer.state[p] = {
                    key: _part(value, self.whole, k) for key, value in state.items()
                }
        optimizer.state.pop(self.whole, None)


def _part(value: Any, whole: Tensor, k: int) -> Any:
    if not isinstance(value, Tensor):
        return value
    return value[k].clone() if value.shape == whole.shape else value.clone()


def _places(network: nn.Module) -> Iterator[tuple[ByModality, list[nn.Parameter]]]:
    """Parameters at the same place of equal modules, where there are many of them."""
    for modules in list(network.modules()):
        if not isinstance(modules, ByModality):
            continue
        alike: dict[Any, list[Any]] = {}
        for name in modules.names:
            form = form_of(modules[name])
            if form is not None:
                alike.setdefault(form, []).append(modules[name])
        for group in alike.values():
            if len(group) < FEWEST:
                continue
            for layers in zip(*[_layers(module) for module in group], strict=True):
                for key in layers[0]._parameters:
                    found = [layer._parameters[key] for layer in layers]
                    trained = {p is not None and p.requires_grad for p in found}
                    if trained == {True} and len({id(p) for p in found}) == len(found):
                        yield modules, found


def _layers(module: nn.Module) -> list[Any]:
    return list(module._modules.values()) if module._modules else [module]


def _joined(parameters: Sequence[Tensor], states: Sequence[Any]) -> dict[str, Any] | None:
    """What an optimiser remembers of many parameters as of one; None where that cannot be."""
    keys = list(states[0])
    if any(list(state) != keys for state in states):
        return None
    joined: dict[str, Any] = {}
    for key in keys:
        values = [state[key] for state in states]
        if not isinstance(values[0], Tensor):
            if any(value != values[0] for value in values):
                return None
            joined[key] = values[0]
            continue
        together = torch.stack(values)
        if values[0].shape == parameters[0].shape:
            joined[key] = together
        elif (together == together[0]).all():
            joined[key] = together[0].clone()
        else:
            return None
    return joined
