"""The estimators that every test of the shared contract runs on.

A new method adds one line: an instance that fits the toy problem in a fraction of a second.
"""

from __future__ import annotations

import numpy as np
import pytest

from sk_mmbalance import (
    ARMClassifier,
    CMSFedClassifier,
    DataRemixingClassifier,
    FedAvgClassifier,
    FedCMIClassifier,
    LateFusionClassifier,
    LateFusionRegressor,
    Modalities,
    MultimodalClassifier,
    NegativeLearningClassifier,
    OpinionPoolClassifier,
    OpinionPoolRegressor,
    SerialFusionClassifier,
    SerialSemiSupervisedClassifier,
    SustainedBoostingClassifier,
    UnimodalClassifier,
    UnimodalRegressor,
)

#: A network that learns the toy problem in a fraction of a second.
SMALL = {
    "hidden_layer_sizes": (8,),
    "embedding_dim": 8,
    "max_epochs": 30,
    "batch_size": 16,
    "lr": 0.02,
    "random_state": 0,
}

FEDERATED = {
    "hidden_layer_sizes": (8,),
    "feature_dim": 8,
    "n_rounds": 10,
    "batch_size": 16,
    "evaluate_every": 0,
    "random_state": 0,
}

CLASSIFIERS = {
    "ARM": ARMClassifier(),
    "ARM, log-loss": ARMClassifier(loss="log_loss"),
    "best single modality": UnimodalClassifier(cv=2),
    "late fusion": LateFusionClassifier(),
    "late fusion, learnt weights": LateFusionClassifier(weights="cv", cv=2),
    "late fusion, stacking": LateFusionClassifier(rule="stacking", cv=2),
    "opinion pool": OpinionPoolClassifier({"first": None, "second": (None, None)}, cv=2),
    "serial fusion": SerialFusionClassifier(),
    "serial fusion with teaching": SerialSemiSupervisedClassifier(cv=2),
    "joint network": MultimodalClassifier(**SMALL),
    "negative learning": NegativeLearningClassifier(**SMALL),
    "network with fitted fusion weights": MultimodalClassifier(
        **SMALL, fusion="late", unimodal_weight=1.0, fusion_weights="fit", cv=2
    ),
    "data remixing": DataRemixingClassifier(**SMALL, remix_after=5, min_share=0.2),
    "sustained boosting": SustainedBoostingClassifier(**SMALL, head_width=8, max_heads=2),
    "federated averaging": FedAvgClassifier(**FEDERATED),
    "federated, infiltration": FedCMIClassifier(**FEDERATED),
    "federated, balanced selection": CMSFedClassifier(**FEDERATED),
}

every_classifier = pytest.mark.parametrize(
    "classifier", [pytest.param(model, id=name) for name, model in CLASSIFIERS.items()]
)

#: One of each family. What scikit-learn's tools do is the same for its siblings, which take their
#: turn among the slow tests.
FAMILIES = {
    "ARM",
    "late fusion, learnt weights",
    "opinion pool",
    "serial fusion",
    "joint network",
    "sustained boosting",
    "federated averaging",
}

every_family = pytest.mark.parametrize(
    "classifier",
    [
        pytest.param(model, id=name, marks=() if name in FAMILIES else pytest.mark.slow)
        for name, model in CLASSIFIERS.items()
    ],
)

REGRESSORS = {
    "best single modality": UnimodalRegressor(cv=2),
    "late fusion": LateFusionRegressor(),
    "late fusion, learnt weights": LateFusionRegressor(weights="cv", cv=2),
    "late fusion, stacking": LateFusionRegressor(rule="stacking", cv=2),
    "opinion pool": OpinionPoolRegressor({"first": None, "second": (None, None)}, cv=2),
}

every_regressor = pytest.mark.parametrize(
    "regressor", [pytest.param(model, id=name) for name, model in REGRESSORS.items()]
)


def toy(n_samples: int = 60, n_classes: int = 2) -> tuple[Modalities, np.ndarray]:
    """Two modalities, "face" of 3 values and "voice" of 2, that both know the class."""
    rng = np.random.default_rng(0)
    y = np.arange(n_samples) % n_classes
    centres = rng.normal(0, 2, (n_classes, 5))
    table = centres[y] + rng.normal(size=(n_samples, 5))
    return Modalities(face=table[:, :3], voice=table[:, 3:]), y


def toy_numbers(n_samples: int = 60) -> tuple[Modalities, np.ndarray]:
    """The same modalities, and a number that both know."""
    X, y = toy(n_samples)
    return X, 50 + 10 * y + X["face"][:, 0] + X["voice"][:, 1]


#: Columns of the toy problem in one flat table.
BLOCKS = {"face": slice(0, 3), "voice": [3, 4]}


def flat(X: Modalities) -> np.ndarray:
    """The toy problem as one flat table."""
    return np.column_stack([X["face"], X["voice"]])
