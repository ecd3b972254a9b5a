"""Weights into a network of thousands of modules."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


def has_plain_state(module: nn.Module) -> bool:
    """Whether all that a module remembers is tensors, which torch's own code loads one by one."""
    return all(
        type(part)._load_from_state_dict is nn.Module._load_from_state_dict
        and type(part).get_extra_state is nn.Module.get_extra_state
        and not (part._load_state_dict_pre_hooks or part._load_state_dict_post_hooks)
        for part in module.modules()
    )


def load_state(module: nn.Module, state: Mapping[str, Tensor], strict: bool = True) -> None:
    """``module.load_state_dict(state)`` in time that grows with the number of modules.

    torch goes through all names for every module of a list: a second and more for a thousand
    modalities. What is not simply tensor for tensor, or does not fit, is left to torch.
    """
    if has_plain_state(module):
        own = module.state_dict()
        known = state.keys() == own.keys() if strict else state.keys() <= own.keys()
        if known and all(value.shape == own[key].shape for key, value in state.items()):
            with torch.no_grad():
                for key, value in state.items():
                    own[key].copy_(value)
            return
    module.load_state_dict(state, strict=strict)
