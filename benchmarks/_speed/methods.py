"""Every balancing value beside its own control: how much longer a fit takes than its passes say.

A *pass* is all rows through all encoders, there and back, as plain training has one an epoch; the
way there alone, without gradients as with them, is a third of it, and every way back two thirds.
They are counted by hooks on the encoders in a fit of its own. *Beyond* is the time of a fit divided
by that of the control, over the same ratio of passes: 1.15 is 15 % for losses, scores and
schedules. Two sizes: in small networks a fusion counts as much as an encoder, in wide ones the
encoders are what costs.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from _values import VALUES, Passes, counted_passes

from sk_mmbalance import MultimodalClassifier

from .timing import Asked, as_by_hand, device_name

#: Rows, columns of a modality, layers of an encoder, rows of a batch, epochs.
CASES = {
    "small encoders": (2000, 64, (64, 64), 128, 10),
    "wide encoders": (2000, 256, (512, 512), 128, 10),
}
N_CLASSES = 10
#: Parts of a pass.
THERE, BACK = 1 / 3, 2 / 3


def _passes(counted: Passes, rows: int) -> float:
    """Passes of `rows` rows through both encoders."""
    return (THERE * counted.there + BACK * counted.back) / (2 * rows)


def _fit(X: dict[str, Any], y: Any, shared: dict[str, Any], params: dict[str, Any]) -> None:
    MultimodalClassifier(**(shared | params)).fit(X, y)


def measure(asked: Asked) -> list[dict]:
    found = []
    for case, (n, width, hidden, batch_size, n_epochs) in CASES.items():
        if n > asked.most_rows:
            continue
        rng = np.random.default_rng(0)
        X = {m: rng.standard_normal((n, width)).astype(np.float32) for m in ("first", "second")}
        y = (X["first"][:, :N_CLASSES] + X["second"][:, :N_CLASSES]).argmax(axis=1)
        shared = as_by_hand(batch_size, n_epochs, asked.device)
        shared |= {"hidden_layer_sizes": hidden[:-1], "embedding_dim": hidden[-1]}
        shared |= {"fusion_weights": None}

        fit = partial(_fit, X, y, shared)
        for name, value in VALUES.items():
            method, control = {"balancing": value}, value.control()
            with counted_passes() as own:
                fit(method)
            with counted_passes() as plain:
                fit(control)
            median = asked.medians(
                {"method": partial(fit, method), "control": partial(fit, control)}
            )
            ratio = median["method"] / median["control"]
            ours, theirs = (_passes(counted, n * n_epochs) for counted in (own, plain))
            found.append(
                {
                    "device": device_name(asked.device),
                    "case": case,
                    "method": name,
                    "passes": round(ours, 3),
                    "passes_of_control": round(theirs, 3),
                    "seconds": round(median["method"] / n_epochs, 4),
                    "seconds_of_control": round(median["control"] / n_epochs, 4),
                    "ratio": round(ratio, 3),
                    "beyond": round(ratio / (ours / theirs), 3),
                }
            )
    return found
