"""A choice among a few estimators inside the training rows, alike for all methods of a record."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import GroupShuffleSplit, StratifiedShuffleSplit
from sklearn.utils.metaestimators import available_if

from sk_mmbalance.exceptions import DivergenceError

#: Share of the training rows by which epoch and candidate are chosen.
HELD_OUT = 0.15


class Chosen(ClassifierMixin, BaseEstimator):
    """Fits every candidate, and is the one of least log-loss on rows held out for all of them.

    The same rows choose the epoch of each. They are of other groups where there are groups. A
    candidate that diverges is out of the choice; `diverged_` counts them. Where all do, shares of
    classes are the answer: whoever trains so has nothing else.

    Parameters
    ----------
    candidates : list of estimators
        Networks, whose ``fit`` takes ``X_val`` and ``y_val``.
    random_state : int
        Which rows are held out: the same for every method.
    """

    def __init__(self, candidates, random_state=0):
        self.candidates = candidates
        self.random_state = random_state

    def fit(self, X, y, groups=None):
        split = StratifiedShuffleSplit if groups is None else GroupShuffleSplit
        cut = split(1, test_size=HELD_OUT, random_state=self.random_state).split(y, y, groups)
        train, held = next(cut)
        own = {} if groups is None else {"groups": groups[train]}
        losses = []
        for candidate in self.candidates:
            try:
                candidate.fit(X[train], y[train], X_val=X[held], y_val=y[held], **own)
            except DivergenceError:
                losses.append(np.inf)
                continue
            proba = candidate.predict_proba(X[held])
            losses.append(log_loss(y[held], proba, labels=candidate.classes_))
        self.diverged_ = int(np.isinf(losses).sum())
        self.chosen_ = int(np.argmin(losses))
        self.best_ = self.candidates[self.chosen_]
        if self.diverged_ == len(losses):
            self.best_ = DummyClassifier(strategy="prior").fit(X[train], y[train])
        self.classes_ = self.best_.classes_
        self.rows_ = X[train], y[train]
        return self

    def predict_proba(self, X):
        return self.best_.predict_proba(X)

    @available_if(lambda self: hasattr(self.best_, "unimodal_predict_proba"))
    def unimodal_predict_proba(self, X):
        return self.best_.unimodal_predict_proba(X)
