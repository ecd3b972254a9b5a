"""Many modalities at once: equal shapes side by side in one tensor, and products over all of them.

A loop over a thousand modalities spends its time on calling torch a thousand times. From `FEWEST`
modalities of one shape on, what is done to each of them is one batched product instead. Parameters
are one set a modality, with names of their own, for files of weights and for methods that change
the gradients of one modality; they are stacked when they are used, unless they are the slices of
one tensor already, as in most trainings (`_joined_parameters`). Below `FEWEST` nothing is stacked,
and every bit is that of the loop; above, results are the loop's but for rounding.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ._backbones import MLPBackbone
from ._draws import Dropout
from ._keys import ByModality

#: Modalities of one shape from which on they are computed together. A constant: whether bits are
#: those of a loop must hang on the data alone.
FEWEST = 16


class Aligned(dict[str, Tensor]):
    """Tensors by modality that are the slices of one tensor, `stacked`.

    It is cut when a slice is asked for. One that is changed is a dict as any other from then on.

    Parameters
    ----------
    names : sequence of str
        The modalities.
    stacked : Tensor of shape (n_modalities, ...)
        Their tensors.
    """

    stacked: Tensor | None

    def __init__(self, names: Iterable[str], stacked: Tensor):
        super().__init__(dict.fromkeys(names))  # type: ignore[arg-type]
        self.stacked = stacked
        self._whole: Tensor | None = stacked
        self._with_graph = torch.is_grad_enabled()

    def _cut(self) -> None:
        whole, self._whole = self._whole, None
        if whole is not None:
            with torch.set_grad_enabled(self._with_graph):
                super().update(zip(self, whole.unbind(0), strict=True))

    def __reduce__(self) -> Any:
        return dict, (dict(self),)

    def __iter__(self) -> Iterator[str]:
        return super().__iter__()  # without a method of its own, C copies what is not cut yet


def _cutting(name: str, changes: bool) -> Any:
    inherited = getattr(dict, name)

    def method(self: Aligned, *args: Any, **kwargs: Any) -> Any:
        self._cut()
        if changes:
            self.stacked = None
        return inherited(self, *args, **kwargs)

    method.__name__, method.__doc__ = name, "As that of dict."
    return method


for _name in ("__getitem__", "__eq__", "__or__", "__ror__", "__repr__"):
    setattr(Aligned, _name, _cutting(_name, changes=False))
for _name in ("get", "values", "items", "copy"):
    setattr(Aligned, _name, _cutting(_name, changes=False))
for _name in ("__setitem__", "__delitem__", "__ior__"):
    setattr(Aligned, _name, _cutting(_name, changes=True))
for _name in ("pop", "popitem", "clear", "update", "setdefault"):
    setattr(Aligned, _name, _cutting(_name, changes=True))


def stacked_of(values: Any) -> Tensor | None:
    """The tensor (n_modalities, ...) that values by modality are slices of, if there is one."""
    return values.stacked if isinstance(values, Aligned) else None


def over(change: Callable[[Tensor], Tensor], values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What a function that keeps its first dimension apart makes of every modality's tensor."""
    together = stacked_of(values)
    if together is None:
        return {name: change(value) for name, value in values.items()}
    return Aligned(values, change(together))


def total(values: Mapping[Any, Tensor]) -> Tensor:
    """Sum over modalities."""
    together = stacked_of(values)
    if together is not None:
        return together.sum(0)
    first, *rest = values.values()
    for value in rest:
        first = first + value
    return first


def side_by_side(values: Mapping[str, Tensor]) -> Tensor:
    """Tensors (n_rows, ...) by modality as one, (n_rows, n_modalities, ...)."""
    together = stacked_of(values)
    if together is not None:
        return together.transpose(0, 1)
    return torch.stack(list(values.values()), dim=1)


def masks_of(present: Mapping[str, Tensor], names: Iterable[str]) -> Tensor:
    """Which modality which row has, (n_modalities, n_rows)."""
    together = stacked_of(present)
    if together is not None and list(present) == list(names):
        return together
    return torch.stack([present[name] for name in names])


def each(modules: ByModality, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What the module of every modality makes of its tensor."""
    together = stacked_of(values)
    if together is not None:
        layers = [modules[name] for name in values]
        if _alike(layers, modules):
            return Aligned(values, _linear(layers, together, modules))
        if all(type(layer) is nn.Identity for layer in layers) and not _watched(layers):
            return values if isinstance(values, dict) else dict(values)
    return {name: modules[name](value) for name, value in values.items()}


def weights_of(modules: ByModality, values: Mapping[str, Tensor]) -> Tensor | None:
    """Weights (n_modalities, n_outputs, n_inputs) of linear maps of values that are aligned."""
    if stacked_of(values) is None:
        return None
    layers = [modules[name] for name in values]
    return _stack(layers, "weight", modules) if _alike(layers, modules) else None


class GroupedEncoders:
    """Which encoders of a network are alike, and their embeddings.

    Parameters
    ----------
    backbones : ByModality
        The encoders.
    """

    def __init__(self, backbones: ByModality):
        self._parts = _parts(backbones)
        self._hooks = _hooks(self._parts)
        groups: dict[Any, list[str]] = {}
        for name in backbones.names:
            key = _form(backbones[name])
            if key is not None:
                groups.setdefault(key, []).append(name)
        self._groups = [names for names in groups.values() if len(names) >= FEWEST]

    def know(self, backbones: ByModality) -> bool:
        """Whether the encoders are still the ones that were looked at."""
        return self._parts == _parts(backbones)

    def encode(
        self,
        backbones: ByModality,
        inputs: Mapping[str, Tensor],
        present: Mapping[str, Tensor] | None,
    ) -> dict[str, Tensor]:
        """Embeddings of the modalities that are encoded together; zero in rows that lack them."""
        found: dict[str, Tensor] = {}
        parts: list[tuple[list[str], Tensor]] = []
        if not self._groups or any(self._hooks):
            return found
        for group in self._groups:
            names = [name for name in group if name in inputs and not _is_sparse(inputs, name)]
            modules = [backbones[name] for name in names]
            if len(names) < FEWEST or len({module.training for module in modules}) > 1:
                continue
            here = None if present is None else masks_of(present, names)
            x = _inputs_of(inputs, names)
            if here is not None:
                x = torch.where(here.view(*here.shape, *[1] * (x.ndim - 2)), x, x.new_zeros(()))
            u = _mlp(modules, x, backbones)
            if here is not None:
                u = u.masked_fill(~here[:, :, None], 0)
            parts.append((names, u))
        for names, u in parts:
            found.update(Aligned(names, u))
        if len(parts) == 1 and len(found) == len(inputs):
            return Aligned(*parts[0])
        return found


def aligned(values: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors by modality as slices of one, where there are many of one shape."""
    if stacked_of(values) is not None or len(values) < FEWEST:
        return values
    if len({(value.shape, value.dtype) for value in values.values()}) > 1:
        return values
    return Aligned(values, torch.stack(list(values.values())))


def _is_sparse(inputs: Mapping[str, Tensor], name: str) -> bool:
    return stacked_of(inputs) is None and inputs[name].layout is not torch.strided


def _inputs_of(inputs: Mapping[str, Tensor], names: list[str]) -> Tensor:
    together = stacked_of(inputs)
    if together is not None and list(inputs) == names:
        return together.contiguous()
    return torch.stack([inputs[name] for name in names])


def _mlp(modules: Sequence[Any], x: Tensor, backbones: ByModality) -> Tensor:
    """What backbones of one form make of their inputs (n_modalities, n_rows, ...)."""
    x = x.flatten(2)
    for layers in zip(*[module._modules.values() for module in modules], strict=True):
        kind = type(layers[0])
        if kind is nn.Linear:
            x = _linear(layers, x, backbones)
        elif kind is nn.ReLU:
            x = x.relu_()  # of what was made just now
        elif kind is Dropout:
            x = layers[0](x)
    return x


def _linear(layers: Sequence[Any], x: Tensor, modules: ByModality) -> Tensor:
    weight = _stack(layers, "weight", modules).transpose(1, 2)
    if layers[0].bias is None:
        return torch.bmm(x, weight)
    return torch.baddbmm(_stack(layers, "bias", modules)[:, None], x, weight)


def _stack(layers: Sequence[Any], name: str, modules: ByModality) -> Tensor:
    parameters = [layer._parameters[name] for layer in layers]
    known, whole = modules.stacks.get(id(parameters[0]), ((), None))
    if whole is not None and _same(known, parameters):
        return whole
    return torch.stack(parameters)


def form_of(module: nn.Module) -> Any:
    """What modules that are computed together have in common; None for those that are not."""
    return _shape(module) if type(module) is nn.Linear else _form(module)


def _form(module: nn.Module) -> Any:
    if type(module) is not MLPBackbone:
        return None
    form: list[Any] = []
    for layer in module:
        if type(layer) is nn.Linear:
            form.append(_shape(layer))
        elif type(layer) is Dropout:
            form.append(layer.p)
        elif type(layer) in (nn.ReLU, nn.Flatten):
            form.append(type(layer))
        else:
            return None
    return tuple(form)


def _shape(layer: Any) -> Any:
    weight = layer.weight
    return tuple(weight.shape), layer.bias is None, weight.dtype, weight.device


def _alike(layers: list[Any], modules: ByModality) -> bool:
    """Whether layers of aligned tensors are linear, of one shape, and nobody watches them."""
    if modules.alike is None or not _same(modules.alike[0], layers):
        linear = all(type(layer) is nn.Linear for layer in layers)
        one_shape = linear and len({_shape(layer) for layer in layers}) == 1
        modules.alike = (layers, one_shape, _hooks(layers))
    _, one_shape, hooks = modules.alike
    return one_shape and not any(hooks)


def _same(some: Sequence[Any], others: Sequence[Any]) -> bool:
    return len(some) == len(others) and all(map(operator.is_, some, others))


def _watched(parts: Sequence[nn.Module]) -> bool:
    """Whether a module has hooks, which only a call of its own would find."""
    return any(_hooks(parts))


def _hooks(parts: Sequence[nn.Module]) -> list[Any]:
    """Where modules keep their hooks."""
    return [hooks for which in _HOOKS for hooks in map(which, parts)]


_HOOKS = [
    operator.attrgetter(name)
    for name in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
]


def _parts(backbones: ByModality) -> list[nn.Module]:
    modules: list[Any] = list(backbones._modules.values())
    return modules + [part for module in modules for part in module._modules.values()]
