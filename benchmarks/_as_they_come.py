"""The neural estimators exactly as they come, beside plain networks exactly as they come.

Nothing is set but the seed: epochs, patience, batches and held-out part are the package's defaults,
the same for all (those of then: `earlier`). No estimator may be more than three points behind the
best of the plain networks on any set, that one chosen in hindsight.

The second question is whether fitted fusion weights help. They change nothing in the training: the
weights are fitted afterwards, on the held-out tenth of the training fold that early stopping has
looked at already (with ``fusion_weights="fit"`` small sets, which hold nothing out, are trained
once more for each of five folds). So every network that has classifiers of its modalities is
trained once, and scored on the test fold as it comes ("accuracy", "log_loss", ...), with the
weights that it was trained with ("accuracy, trained", ...) and with fitted ones ("accuracy,
fitted", ...). The latter two are also scored with a share of the modalities removed, every row
keeping at least one.

``balancing.py as-they-come`` measures it.
"""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
from _late_nets import LateNets
from _protocols import JUDGED_BY, judged, scores
from _stress import MISSING, stress
from sklearn.base import BaseEstimator, ClassifierMixin, clone

from sk_mmbalance import (
    DataRemixingClassifier,
    MultimodalClassifier,
    NegativeLearningClassifier,
    SustainedBoostingClassifier,
)

PLAIN = {
    "joint": MultimodalClassifier(unimodal_weight=0.0),
    "joint, a lighter loss per modality": MultimodalClassifier(
        unimodal_weight=0.5, fusion_weights=None
    ),
    "late fusion, a loss per modality": MultimodalClassifier(fusion="late"),
    "late fusion of networks": LateNets(),
}
DEFAULTS = {
    "MultimodalClassifier()": MultimodalClassifier(),
    "NegativeLearningClassifier()": NegativeLearningClassifier(),
    "DataRemixingClassifier()": DataRemixingClassifier(),
    "SustainedBoostingClassifier()": SustainedBoostingClassifier(),
}


#: Rows were held out by themselves from so many on when these were measured.
EARLIER_ROWS = 1000


class OneTraining(ClassifierMixin, BaseEstimator):
    """One training, two predictions: `trained_`, and `fitted_` with weights fitted afterwards.

    What it predicts itself is what the network predicts as it comes.
    """

    def __init__(self, network):
        self.network = network

    def fit(self, X, y, groups=None):
        # masks change nothing in training where every row is complete
        network = clone(self.network).set_params(fusion_weights="fit", missing="mask")
        network.set_params(**earlier(y))
        self.fitted_ = network.fit(X, y, groups=groups)
        self.trained_ = copy.copy(self.fitted_)
        self.trained_._fitted_fusion = None
        held_out = True if network.history_["valid_loss"].notna().any() else None
        fits = clone(self.network)._fits_weights(network.net_, network._target, held_out)
        self.as_it_comes_ = self.fitted_ if fits else self.trained_
        self.classes_ = network.classes_
        return self

    def predict_proba(self, X):
        return self.as_it_comes_.predict_proba(X)

    def unimodal_predict_proba(self, X):
        return self.as_it_comes_.unimodal_predict_proba(X)


def earlier(y) -> dict:
    """The held-out part of then, on so many rows."""
    return {"early_stopping": len(y) >= EARLIER_ROWS}


class Earlier(ClassifierMixin, BaseEstimator):
    """A network with the held-out part of then."""

    def __init__(self, network):
        self.network = network

    def fit(self, X, y, groups=None):
        self.network_ = clone(self.network).set_params(**earlier(y)).fit(X, y, groups=groups)
        self.classes_ = self.network_.classes_
        return self

    def predict_proba(self, X):
        return self.network_.predict_proba(X)

    def decision_function(self, X):
        return self.network_.decision_function(X)

    def unimodal_predict_proba(self, X):
        return self.network_.unimodal_predict_proba(X)


def _maker(network):
    def make(seed: int):
        if isinstance(network, LateNets):
            return LateNets(Earlier(MultimodalClassifier(unimodal_weight=0.0, random_state=seed)))
        seeded = clone(network).set_params(random_state=seed)
        return (
            Earlier(seeded) if getattr(network, "unimodal_weight", 1) == 0 else OneTraining(seeded)
        )

    return make


METHODS = {name: _maker(network) for name, network in (PLAIN | DEFAULTS).items()}


def both_ways(model, X, y: np.ndarray) -> dict[str, float]:
    """Scores of the same network with the weights it was trained with, and with fitted ones."""
    if not isinstance(model, OneTraining):
        return {}
    figures = {}
    for how, estimator in (("trained", model.trained_), ("fitted", model.fitted_)):
        found = scores(y, estimator.predict_proba(X), model.classes_)
        found |= stress(estimator, X, y, noises=(), shares=MISSING)
        figures |= {f"{metric}, {how}": value for metric, value in found.items()}
    return figures


def extra(model) -> dict[str, float]:
    """The fitted weights of complete rows."""
    if not isinstance(model, OneTraining):
        return {}
    complete = model.fitted_.fusion_weights_.iloc[0]
    return {f"weight[{name}]": weight for name, weight in complete.items()}


def against_plain(frame: pd.DataFrame) -> pd.DataFrame:
    """The defaults minus the best of the plain networks, seed by seed, folds averaged.

    Which of the plain networks is best on a set is chosen in hindsight, by the mean over seeds.
    """
    rows = judged(frame)
    by_seed = rows.groupby(["dataset", "method", "seed"], sort=False)["value"].mean()
    table = []
    for dataset in dict.fromkeys(rows["dataset"]):
        wide = by_seed[dataset].unstack("method")
        if not {*PLAIN, *DEFAULTS} <= set(wide):
            continue
        best = str(wide[list(PLAIN)].mean().idxmax())
        for method in DEFAULTS:
            for seed, value in (wide[method] - wide[best]).dropna().items():
                table.append((dataset, method, best, seed, "accuracy", value))
    columns = ["dataset", "method", "minus", "seed", "metric", "value"]
    return pd.DataFrame(table, columns=columns)


def fitted_minus_trained(frame: pd.DataFrame) -> pd.DataFrame:
    """What fitted weights change, seed by seed, folds averaged: accuracy and log-loss."""
    by = ["dataset", "method", "seed"]
    values = frame.groupby([*by, "metric"], sort=False)["value"].mean().unstack("metric")
    table = []
    if "log_loss, fitted" not in values:  # plain networks only
        return pd.DataFrame(columns=[*by, "metric", "value"])
    for key, row in values.dropna(subset=["log_loss, fitted"]).iterrows():
        accuracy = JUDGED_BY.get(key[0], "accuracy")
        for metric, source in (("accuracy", accuracy), ("log_loss", "log_loss")):
            for how in ("", *(f", missing {share:.0%}" for share in MISSING)):
                apart = row[f"{source}{how}, fitted"] - row[f"{source}{how}, trained"]
                table.append((*key, metric + how, apart))
    return pd.DataFrame(table, columns=[*by, "metric", "value"])
