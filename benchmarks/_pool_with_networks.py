"""The opinion pool with networks among its experts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sk_mmbalance import MultimodalClassifier, OpinionPoolClassifier
from sk_mmbalance.balancing import LFM
from sk_mmbalance.experts import NamedExpert

#: What each network is given.
NETWORKS: dict[str, dict[str, Any]] = {
    "joint network": {},
    "LFM": {"balancing": LFM()},
}


class PoolWithNetworks(OpinionPoolClassifier):
    """The default experts, and networks on all modalities with a seed each.

    Parameters
    ----------
    networks : tuple of str, default=("joint network",)
        Which of `NETWORKS`.
    """

    def __init__(self, networks: tuple[str, ...] = ("joint network",), random_state: Any = None):
        super().__init__(random_state=random_state)
        self.networks = networks

    def _experts_for(self, rows: Any) -> Any:
        chosen = super()._experts_for(rows)
        names = rows.checked.names
        # a network makes do with any of the modalities, as it does outside of a pool
        some = rows.checked.has_missing
        added = [
            NamedExpert(
                f"all: {name}",
                MultimodalClassifier(random_state=self.random_state, **NETWORKS[name]),
                names,
                any_of=some,
            )
            for name in self.networks
        ]
        return replace(chosen, named=[*chosen.named, *added])
