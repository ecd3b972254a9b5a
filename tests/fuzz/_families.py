"""The estimators that random cases are given to, cheap to fit, by family."""

from __future__ import annotations

import decimal
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.naive_bayes import GaussianNB

from sk_mmbalance import (
    ARMClassifier,
    ARMClassifierCV,
    ARMRegressor,
    CMSFedClassifier,
    DataRemixingClassifier,
    DeepEnsembleClassifier,
    DeepEnsembleRegressor,
    FedAvgClassifier,
    FedCMIClassifier,
    LateFusionClassifier,
    LateFusionRegressor,
    MultimodalClassifier,
    MultimodalRegressor,
    NegativeLearningClassifier,
    OpinionPoolClassifier,
    OpinionPoolRegressor,
    SerialFusionClassifier,
    SerialSemiSupervisedClassifier,
    SustainedBoostingClassifier,
    UnimodalClassifier,
    UnimodalRegressor,
    balancing,
)

from ._case import Case
from ._junk import JUNK

NET = {
    "hidden_layer_sizes": (4,),
    "embedding_dim": 4,
    "max_epochs": 2,
    "batch_size": 16,
    "random_state": 0,
}
FEDERATED = {
    "hidden_layer_sizes": (4,),
    "feature_dim": 4,
    "n_rounds": 1,
    "local_epochs": 1,
    "batch_size": 16,
    "evaluate_every": 0,
    "random_state": 0,
}
BALANCING = [getattr(balancing, name) for name in balancing.__all__ if name not in ("Balancing",)]


@dataclass(frozen=True)
class Family:
    """Estimators, and what their input may be (see `cases`)."""

    models: list[Any]
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def target(self) -> str:
        """What `y` is."""
        return self.options.get("target", "classes")


#: An inner estimator that costs nothing.
NB = GaussianNB()

FAMILIES = {
    "baselines": Family(
        [
            UnimodalClassifier(NB, cv=2, random_state=0),
            LateFusionClassifier(random_state=0),
            LateFusionClassifier(NB, weights="cv", cv=2, random_state=0),
            LateFusionClassifier(NB, rule="stacking", cv=2, random_state=0),
        ],
        {"labels": True},
    ),
    "opinion pools": Family(
        [
            OpinionPoolClassifier({"one": NB, "each": (NB, "ear")}, cv=2, random_state=0),
            OpinionPoolClassifier({"one": NB, "two": (None, None)}, cv=2, random_state=0),
        ],
        {"labels": True},
    ),
    "convex": Family(
        [
            ARMClassifier(cv=2, max_iter=100),
            ARMClassifier(loss="log_loss", cv=2, max_iter=100),
            ARMClassifierCV(cv=2, max_iter=50, strong_regs=(0.1,), weak_regs=(0.1,)),
        ],
        {"unlabelled": True, "min_modalities": 2, "sides": True},
    ),
    "networks": Family(
        [
            MultimodalClassifier(**NET),
            MultimodalClassifier(**NET, fusion="late", fusion_weights="fit", cv=2),
            NegativeLearningClassifier(**NET),
            DataRemixingClassifier(**NET, remix_after=1),
        ],
        {"labels": True},
    ),
    "deep ensembles": Family(
        [
            DeepEnsembleClassifier(MultimodalClassifier(**NET), n_estimators=2, random_state=0),
            DeepEnsembleClassifier(
                MultimodalClassifier(**NET), n_estimators=2, stack=False, random_state=0
            ),
        ],
        {"labels": True, "groups": None},
    ),
    "boosting": Family(
        [SustainedBoostingClassifier(**NET, head_width=4, max_heads=2)], {"labels": True}
    ),
    "regressors": Family(
        [
            UnimodalRegressor(Ridge(), cv=2, random_state=0),
            LateFusionRegressor(random_state=0),
            OpinionPoolRegressor({"one": Ridge(), "two": Ridge()}, cv=2, random_state=0),
            MultimodalRegressor(**NET),
            DeepEnsembleRegressor(MultimodalRegressor(**NET), n_estimators=2, random_state=0),
        ],
        {"target": "numbers"},
    ),
    "convex regressor": Family(
        [ARMRegressor(cv=2, max_iter=100)],
        {"target": "numbers", "unlabelled": True, "min_modalities": 2, "sides": True},
    ),
    "serial": Family(
        [
            SerialFusionClassifier(cv=2, random_state=0),
            SerialFusionClassifier(cv=2, order="search", n_grid=5, random_state=0),
        ],
        {"lazy": True},
    ),
    "semi-supervised": Family(
        [
            SerialSemiSupervisedClassifier(
                weak_estimator=NB, strong_estimator=NB, cv=2, random_state=0
            )
        ],
        {"unlabelled": True, "min_modalities": 2, "sides": True, "lazy": True},
    ),
    "federated": Family(
        [
            FedAvgClassifier(**FEDERATED),
            FedCMIClassifier(**FEDERATED),
            CMSFedClassifier(**FEDERATED),
        ],
        {"groups": "clients"},
    ),
}

_UNSPOILT = ("callbacks",)  # anything may be a callback


def spoil_parameter(data: st.DataObject, model: Any, case: Case) -> Any:
    """Give one parameter of the model, or of its balancing, a value it was not made for."""
    pick = lambda options: data.draw(st.sampled_from(list(options)))  # noqa: E731
    params: dict[str, Any] = {}
    if "balancing" in model.get_params(deep=False) and pick([True, False]):
        params["balancing"] = pick(BALANCING)()
        fields = sorted(vars(params["balancing"]))
        case.spoilt("balancing", "fusion", "y", "X", "remix_after", "missing")
        if fields and pick([True, False]):
            name = pick(fields)
            setattr(params["balancing"], name, pick(JUNK))
            case.spoilt(name)
        params["fusion"] = pick(["auto", "concat", "late"])
    elif case.must_take and pick([False, True]):
        name = pick([n for n in sorted(model.get_params(deep=False)) if n not in _UNSPOILT])
        # real workers take seconds to start; what somebody's own callable raises is theirs
        value = pick(
            v
            for v in JUNK
            if not (name == "n_jobs" and isinstance(v, Real | np.ndarray | decimal.Decimal))
            and not (name == "scoring" and callable(v))
        )
        params[name] = value
        case.spoilt(name)
        if name == "modalities":  # rows of a table that is one modality may be there in part
            case.spoilt("X")
    for params_of in (case.params, case.plain_params):
        for name, value in params.items():
            lost = name == "estimator" and "modalities" in case.params
            if name in ("modalities", "random_state") or lost:
                case.plain = None
            params_of[name] = value
    return model
