"""Networks among the default experts of an opinion pool."""

from __future__ import annotations

import sys
from typing import Any

from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ..base import NUMBERS, TrainingRows
from ..experts import Admission, requesting_weights

#: Reckoned seconds of one fit that a network may take; who asks for networks has some patience.
LONGEST_NETWORK = 60.0


def admit_networks(admitted: Admission, rows: TrainingRows, random_state: Any) -> None:
    """Take a joint network on all modalities, and of several one that is kept in balance.

    Of classes and labels the second has `balancing.LFM`: of all methods it was ahead of its control
    on most sets.
    """
    # by their public names, looked up when they are asked for: networks stand above this room
    package: Any = sys.modules[__name__.partition(".")[0]]
    checked = rows.checked
    own = {"random_state": random_state, "missing": "mask" if checked.has_missing else "error"}
    if rows.target.kind == NUMBERS:
        networks = {"network": package.MultimodalRegressor(**own)}
    else:
        networks = {"network": package.MultimodalClassifier(**own)}
        if len(checked.names) > 1:
            balancing = package.balancing.LFM()
            networks["network, LFM"] = package.MultimodalClassifier(balancing=balancing, **own)
    for kind, network in networks.items():
        # images and sequences are for backbones of their own kind, and stay as they are
        flat = [name for name, shape in checked.spec.shapes.items() if len(shape) == 1]
        scalers = {name: requesting_weights(StandardScaler()) for name in flat}
        scale = package.ModalityTransformer(scalers)
        admitted.admit(kind, make_pipeline(scale, requesting_weights(network)), LONGEST_NETWORK)
