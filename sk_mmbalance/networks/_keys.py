"""Modules kept by modality name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import nn


def safe_key(name: str) -> str:
    """Return a key that `torch.nn.ModuleDict` accepts for any modality name.

    Torch refuses dots and the names of its own attributes ("type", "keys", ...).
    """
    return "m_" + name.replace("%", "%25").replace(".", "%2E")


class ByModality(nn.Module):
    """One submodule per modality, reached by the modality's own name, in sorted order."""

    def __init__(self, modules: Mapping[str, nn.Module]):
        super().__init__()
        self.names = sorted(modules)
        self._keys = {name: safe_key(name) for name in self.names}
        for name in self.names:
            self.add_module(self._keys[name], modules[name])

    def __getitem__(self, name: str) -> nn.Module:
        return self._modules[self._keys[name]]  # type: ignore[return-value]

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)
