"""Data that the serial tests share: small, with a weak and a strong modality."""

import numpy as np
import pytest
from sklearn.utils import Bunch

from sk_mmbalance import Modalities


def make_pair(n_samples: int = 200, n_classes: int = 2, seed: int = 0) -> Bunch:
    """A weak modality of 2 features, a strong one of 4, and `extra` of 6 features."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_classes, n_samples)
    code = np.eye(n_classes)[y]

    def view(n_features: int, strength: float) -> np.ndarray:
        mixing = rng.normal(size=(n_classes, n_features))
        return strength * code @ mixing + rng.normal(size=(n_samples, n_features))

    X = Modalities(weak=view(2, 1.0), strong=view(4, 1.3), extra=view(6, 1.1))
    return Bunch(X=X, y=y)


@pytest.fixture(scope="session")
def two_classes() -> Bunch:
    return make_pair()


@pytest.fixture(scope="session")
def three_classes() -> Bunch:
    return make_pair(n_classes=3, seed=1)


STAGES = [("first", None, "weak", 1), ("second", None, "strong", 10)]
THREE_STAGES = [*STAGES, ("third", None, "extra", 30)]


@pytest.fixture
def stages() -> list:
    return list(STAGES)


@pytest.fixture
def three_stages() -> list:
    return list(THREE_STAGES)
