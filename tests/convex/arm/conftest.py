"""Small problems with known structure, shared by the tests of ARM."""

import numpy as np
import pytest

from sk_mmbalance import Modalities
from sk_mmbalance.convex.arm._losses import code_targets
from sk_mmbalance.convex.arm._problem import ARMData


def _shares(rows):
    return rows / rows.sum()


@pytest.fixture(scope="session")
def make_problem():
    """Plain arrays of a problem; half of the weak columns are noise."""

    def make(loss, n_classes, *, missing=False, seed=0, n=120, n_strong=6, n_weak=8):
        rng = np.random.default_rng(seed)
        codes = rng.integers(0, n_classes, n)
        strong_centres = rng.normal(size=(n_classes, n_strong))
        weak_centres = rng.normal(size=(n_classes, n_weak))
        weak_centres[:, n_weak // 2 :] = 0
        strong = strong_centres[codes] + rng.normal(size=(n, n_strong))
        weak = 0.6 * weak_centres[codes] + rng.normal(size=(n, n_weak))
        has_strong = has_weak = labeled = np.ones(n, dtype=bool)
        if missing:
            has_strong = rng.random(n) > 0.3
            has_weak = (rng.random(n) > 0.3) | ~has_strong
            labeled = rng.random(n) > 0.3
        return ARMData(
            np.where(has_strong[:, None], strong, 0.0),
            np.where(has_weak[:, None], weak, 0.0),
            code_targets(loss, codes, n_classes),
            _shares(1.0 * (labeled & has_strong)),
            _shares(1.0 * (labeled & has_weak)),
            _shares(1.0 * (has_strong & has_weak)),
            loss,
        )

    return make


@pytest.fixture(scope="session")
def make_rows():
    """Two modalities and labels: 'finger' is strong, 'face' weak with half its columns noise."""

    def make(n=150, n_classes=3, seed=0, n_weak=6, n_strong=5):
        rng = np.random.default_rng(seed)
        y = rng.integers(0, n_classes, n)
        centres = rng.normal(size=(n_classes, n_weak + n_strong))
        centres[:, n_weak // 2 : n_weak] = 0
        face = 0.8 * centres[y, :n_weak] + rng.normal(size=(n, n_weak))
        finger = 1.5 * centres[y, n_weak:] + rng.normal(size=(n, n_strong))
        return Modalities(face=face, finger=finger), y

    return make
