"""Fitted models on test rows that are noisy, or lack modalities: the same rows for all methods."""

from __future__ import annotations

import zlib

import numpy as np
from _protocols import scores

from sk_mmbalance import Modalities

NOISE = (1.0, 2.0)
MISSING = (0.3, 0.6)


def stress(fitted, X: Modalities, y: np.ndarray, noises=NOISE, shares=MISSING) -> dict[str, float]:
    """Scores under noise and with missing modalities; the draws depend on the test fold alone."""
    rng = np.random.default_rng(zlib.crc32(np.ascontiguousarray(y).tobytes()))
    figures = {}
    noise = {name: rng.standard_normal(X[name].shape).astype(X[name].dtype) for name in X.names}
    for sd in noises:
        noisy = Modalities({name: X[name] + sd * noise[name] for name in X.names})
        figures |= _stressed(fitted, noisy, y, f"noise {sd:g}")
    order = rng.random((len(y), len(X.names)))
    for share in shares:
        absent = order < share
        last = order == order.min(axis=1, keepdims=True)
        absent &= ~(absent.all(axis=1, keepdims=True) & last)  # every row keeps one
        holes = Modalities(
            {
                name: np.where(absent[:, [column]], np.float32(np.nan), X[name])
                for column, name in enumerate(X.names)
            }
        )
        figures |= _stressed(fitted, holes, y, f"missing {share:.0%}")
    return figures


def _stressed(fitted, X: Modalities, y: np.ndarray, how: str) -> dict[str, float]:
    figures = scores(y, fitted.predict_proba(X), fitted.classes_)
    return {f"{metric}, {how}": value for metric, value in figures.items()}
