"""The estimators that every test of the shared contract runs on.

A new method adds one line: an instance that fits the toy problem in a fraction of a second.
"""

from __future__ import annotations

import numpy as np
import pytest

from sk_mmbalance import (
    LateFusionClassifier,
    Modalities,
    MultimodalClassifier,
    SerialFusionClassifier,
    SerialSemiSupervisedClassifier,
    UnimodalClassifier,
)

CLASSIFIERS = {
    "best single modality": UnimodalClassifier(cv=2),
    "late fusion": LateFusionClassifier(),
    "late fusion, learnt weights": LateFusionClassifier(weights="cv", cv=2),
    "late fusion, stacking": LateFusionClassifier(rule="stacking", cv=2),
    "joint network": MultimodalClassifier(
        hidden_layer_sizes=(8,),
        embedding_dim=8,
        max_epochs=30,
        batch_size=16,
        lr=0.02,
        random_state=0,
    ),
    "serial chain": SerialFusionClassifier(cv=2),
    "serial chain with teaching": SerialSemiSupervisedClassifier(cv=2),
}

every_classifier = pytest.mark.parametrize(
    "classifier", [pytest.param(model, id=name) for name, model in CLASSIFIERS.items()]
)


def toy(n_samples: int = 60, n_classes: int = 2) -> tuple[Modalities, np.ndarray]:
    """Two modalities, "face" of 3 values and "voice" of 2, that both know the class."""
    rng = np.random.default_rng(0)
    y = np.arange(n_samples) % n_classes
    centres = rng.normal(0, 2, (n_classes, 5))
    table = centres[y] + rng.normal(size=(n_samples, 5))
    return Modalities(face=table[:, :3], voice=table[:, 3:]), y


#: Columns of the toy problem in one flat table.
BLOCKS = {"face": slice(0, 3), "voice": [3, 4]}


def flat(X: Modalities) -> np.ndarray:
    """The toy problem as one flat table."""
    return np.column_stack([X["face"], X["voice"]])
