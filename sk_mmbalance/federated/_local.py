"""`Local`: one client's work on one order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from .. import networks
from ._messages import Memory, Order
from ._rows import total_weight


@dataclass
class Local:
    """One client's work on one order, as the hooks of a method see it.

    Attributes
    ----------
    module : Module
        The network, loaded with the global state.
    rows : ModalityRows
        Rows that have at least one of the modalities in use, and these modalities only.
    whole : ModalityRows
        All rows with all modalities.
    used, held : list of str
        Modalities in use, and all that the client has.
    order : Order
        What the server asked.
    memory : dict of str to dict of str to ndarray
        What the client keeps; a method replaces groups, it does not write into arrays.
    device : torch.device
        Where `module` is.
    classes : int
        Number of classes.
    notes : dict
        For a method's own use between its hooks.
    """

    module: nn.Module
    rows: networks.ModalityRows
    whole: networks.ModalityRows
    used: list[str]
    held: list[str]
    order: Order
    memory: Memory
    device: torch.device
    classes: int
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def n(self) -> float:
        """Weight of the rows in use."""
        return total_weight(self.rows)
