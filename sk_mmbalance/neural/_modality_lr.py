"""A learning rate of its own for the encoder of a modality: groups in the optimiser."""

from __future__ import annotations

import glob
import math
from collections.abc import Mapping
from numbers import Real
from typing import Any

import torch

from ..networks import safe_key

#: Under this key a group of parameters holds the factor on its rate.
FACTOR = "modality_lr"


def check_factors(
    factors: Mapping[str, float] | None, names: list[str], optimizer: Any, net_params: Any
) -> None:
    """Refuse names that are no modalities, what is no factor, and what cannot be had with them.

    Parameters
    ----------
    factors : mapping of str to float, or None
        What `modality_lr` is.
    names : list of str
        The modalities.
    optimizer, net_params : object
        Parameters of the estimator.
    """
    if factors is None:
        return
    unknown = sorted(set(factors) - set(names), key=str)
    if unknown:
        raise ValueError(
            f"`modality_lr` names {unknown}, which `X` does not have; its modalities are {names}."
        )
    for name, value in factors.items():
        number = isinstance(value, Real) and not isinstance(value, bool)
        if not (number and 0 <= float(value) < math.inf):
            raise ValueError(
                "`modality_lr` must hold finite numbers that are not negative; got "
                f"{value!r} for {name!r}."
            )
    if not _at_work(factors):
        return
    if isinstance(optimizer, type) and issubclass(optimizer, torch.optim.LBFGS):
        raise ValueError(
            "`modality_lr` cannot be had with `optimizer` LBFGS, which has one rate for all "
            "weights. Use 'adamw', 'adam' or 'sgd'."
        )
    if "optimizer__param_groups" in (net_params or {}):
        raise ValueError(
            "`modality_lr` and the 'optimizer__param_groups' of `net_params` both say which "
            "weights learn at which rate. Leave one of them out."
        )


def parameter_groups(factors: Mapping[str, float] | None, lr: float) -> dict[str, Any]:
    """Skorch's settings that give each encoder with a factor other than 1 a group of its own."""
    groups = [
        # in front of a compiled network's names stands a prefix of torch's
        (
            f"*backbones.{glob.escape(safe_key(name))}.*",
            {"lr": lr * factor, FACTOR: float(factor)},
        )
        for name, factor in sorted(_at_work(factors).items())
    ]
    return {"optimizer__param_groups": groups} if groups else {}


def set_rates(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the rate of every encoder that has a factor, as `lr` is now."""
    for group in optimizer.param_groups:
        if FACTOR in group:
            group["lr"] = lr * group[FACTOR]


def _at_work(factors: Mapping[str, float] | None) -> dict[str, float]:
    return {name: factor for name, factor in (factors or {}).items() if factor != 1}
