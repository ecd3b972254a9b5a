"""Late fusion of networks that were trained each for itself: a baseline of every method."""

from __future__ import annotations

import numpy as np
from scipy.special import log_softmax, softmax
from sklearn.base import BaseEstimator, ClassifierMixin, clone

from sk_mmbalance import Modalities, MultimodalClassifier


class LateNets(ClassifierMixin, BaseEstimator):
    """One network a modality, each with its own held-out part; predictions are averaged as logits.

    ``unimodal_predict_proba`` gives the single networks: what a modality can do by itself.
    """

    def __init__(self, network=None):
        self.network = network

    def fit(self, X, y, groups=None):
        network = self.network
        if network is None:
            network = MultimodalClassifier(unimodal_weight=0.0)
        self.networks_ = {
            name: clone(network).fit(Modalities({name: X[name]}), y, groups=groups)
            for name in sorted(X.names)
        }
        self.classes_ = next(iter(self.networks_.values())).classes_
        return self

    def unimodal_predict_proba(self, X):
        return {
            name: network.predict_proba(Modalities({name: X[name]}))
            for name, network in self.networks_.items()
        }

    def predict_proba(self, X):
        each = [self._logits(name, X[name]) for name in self.networks_]
        # the mean over the modalities that a row has
        return softmax(np.nanmean([log_softmax(z, axis=1) for z in each], axis=0), axis=1)

    def _logits(self, name, values):
        """Logits of one network; NaN in rows that lack its modality."""
        present = ~np.isnan(values.reshape(len(values), -1)).all(axis=1)
        z = np.full((len(values), len(self.classes_)), np.nan)
        if present.any():
            found = self.networks_[name].decision_function(Modalities({name: values[present]}))
            # with two classes it is the difference of their logits
            z[present] = found if found.ndim == 2 else np.column_stack([0 * found, found])
        return z

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]
