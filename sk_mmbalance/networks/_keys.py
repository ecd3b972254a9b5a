"""Modules kept by modality name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import nn


def safe_key(name: str) -> str:
    """Return a key that `torch.nn.ModuleDict` accepts for any modality name.

    Torch refuses dots and the names of its own attributes ("type", "keys", ...).
    """
    return "m_" + name.replace("%", "%25").replace(".", "%2E")


class ByModality(nn.Module):
    """One submodule per modality, reached by the modality's own name, in sorted order.

    Attributes
    ----------
    stacks : dict of int to (list of Parameter, Parameter)
        Parameters of all modalities that are slices of one, and that one, by the `id` of the first;
        while they are trained.
    alike : object
        What was found out of equal modules the last time.
    """

    stacks: dict[int, tuple[list[nn.Parameter], nn.Parameter]]
    alike: Any

    def __init__(self, modules: Mapping[str, nn.Module]):
        super().__init__()
        self.names = sorted(modules)
        self._keys = {name: safe_key(name) for name in self.names}
        for name in self.names:
            self.add_module(self._keys[name], modules[name])
        self.stacks, self.alike = {}, None

    def __getstate__(self) -> dict[str, Any]:
        """All but what is found again: copies stand for themselves."""
        return {**vars(self), "stacks": {}, "alike": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Those that were pickled before there were stacks have none."""
        super().__setstate__({"stacks": {}, "alike": None, **state})

    def train(self, mode: bool = True) -> ByModality:
        """As ever; torch takes ten times as long to set thousands of attributes."""
        _set_mode(self, mode)
        return self

    def __getitem__(self, name: str) -> nn.Module:
        return self._modules[self._keys[name]]  # type: ignore[return-value]

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def _set_mode(module: nn.Module, mode: bool) -> None:
    vars(module)["training"] = mode
    for part in module._modules.values():
        if part is None:
            continue
        if type(part).train is nn.Module.train:
            _set_mode(part, mode)
        else:
            part.train(mode)
