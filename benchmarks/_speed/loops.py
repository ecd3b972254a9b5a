"""Every balancing value against the loop that a script for two modalities would have.

The same network (two modalities of 64 and 32 features, MLP 64-64 each), rows, batches, epochs,
optimiser and formulae, with the default parameters of each method; only data remixing begins in the
second epoch, as its loop does. Times are those of a whole fit, the
least of the repeats.
"""

from __future__ import annotations

from collections.abc import Callable

from _values import VALUES

from sk_mmbalance import MultimodalClassifier
from sk_mmbalance.balancing import DataRemixing, SustainedBoosting

from . import balancing, boosting
from .by_hand import LOOPS
from .timing import Asked, as_by_hand, device_name, make_data

N_ROWS, BATCH_SIZE, N_EPOCHS, N_CLASSES = 2000, 128, 50, 10


def by_hand(name: str, X, y, device) -> Callable[[], object]:
    """The loop of a method."""
    job = (BATCH_SIZE, N_EPOCHS, device)
    if name == "NegativeLearning":
        return lambda: balancing.by_hand("negative learning", X, y, *job, "slice")
    if name == "DataRemixing":
        return lambda: balancing.by_hand("remixing", X, y, *job, "slice")
    if name == "SustainedBoosting":
        value = SustainedBoosting()
        heads = (value.n_heads_init, value.fused_weight)
        return lambda: boosting.by_hand(X, y, *heads, *job, "slice", value.max_heads)
    return lambda: LOOPS[name](X, y, *job).fit()


def measure(asked: Asked) -> list[dict]:
    if asked.most_rows < N_ROWS:
        return []
    X, y = make_data(N_ROWS, N_CLASSES)
    settings = as_by_hand(BATCH_SIZE, N_EPOCHS, asked.device)
    found = []
    for name, value in (VALUES | {"DataRemixing": DataRemixing(start_epoch=1)}).items():
        model = MultimodalClassifier(balancing=value, fusion_weights=None, **settings)
        least = asked.least(
            {
                "estimator": lambda model=model: model.fit(X, y),
                "by hand": by_hand(name, X, y, asked.device),
            }
        )
        found.append(
            {
                "device": device_name(asked.device),
                "rows": N_ROWS,
                "batch_size": BATCH_SIZE,
                "method": name,
                "seconds": round(least["estimator"], 4),
                "by_hand_seconds": round(least["by hand"], 4),
                "ratio": round(least["estimator"] / least["by hand"], 3),
            }
        )
    return found
