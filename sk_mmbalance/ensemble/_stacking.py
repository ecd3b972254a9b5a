"""Stacking: a linear model on what modalities say out of fold, beyond what everybody knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import logit
from sklearn.linear_model import LogisticRegression, Ridge

from ..base import LABELS, NUMBERS, ClassTarget, Target
from ..experts import MAX_ITER, align_classes
from ._fusion import SMALLEST, safe_log


@dataclass(frozen=True, eq=False)
class Stacking:
    """A fitted stacking.

    Attributes
    ----------
    target : Target
        What `y` is.
    prior : ndarray of shape (n_outputs,)
        Prior of the classes or labels, or mean of the numbers.
    spread : ndarray of shape (n_outputs,)
        Spread of the numbers; 1 for other targets.
    models : list
        One for all classes, or one for each label or column (None for a label that is constant).
    """

    target: Target
    prior: np.ndarray
    spread: np.ndarray
    models: list[Any]

    @classmethod
    def learn(
        cls,
        target: Target,
        prior: np.ndarray,
        answers: Sequence[np.ndarray],
        present: np.ndarray,
        y: np.ndarray,
        weight: np.ndarray | None,
    ) -> Stacking:
        """Fit to out-of-fold `answers`, one array (n_samples, n_outputs) a modality."""
        spread = np.ones(len(prior))
        if target.kind == NUMBERS:
            variance = np.average((y - prior) ** 2, axis=0, weights=weight)
            spread = np.where(variance > 0, np.sqrt(variance), 1.0)
        found = cls(target, prior, spread, [])
        if isinstance(target, ClassTarget):
            model = LogisticRegression(max_iter=MAX_ITER)
            X = np.concatenate(found._evidence(answers, present), axis=1)
            found.models.append(model.fit(X, target.labels(y), weight))
            return found
        for k, X in enumerate(found._evidence_of_each(answers, present)):
            if target.kind == NUMBERS:
                found.models.append(Ridge().fit(X, (y[:, k] - prior[k]) / spread[k], weight))
            elif (y[:, k] == y[0, k]).all():
                found.models.append(None)
            else:
                model = LogisticRegression(max_iter=MAX_ITER)
                found.models.append(model.fit(X, y[:, k], weight))
        return found

    def fuse(self, answers: Sequence[np.ndarray], present: np.ndarray) -> np.ndarray:
        """Fused answers, (n_samples, n_outputs)."""
        if isinstance(self.target, ClassTarget):
            (model,) = self.models
            proba = model.predict_proba(np.concatenate(self._evidence(answers, present), axis=1))
            if len(model.classes_) == len(self.target.classes):
                return proba
            return align_classes(proba, model.classes_, self.target.classes, self.prior)
        fused = np.tile(self.prior, (len(present), 1))
        for k, X in enumerate(self._evidence_of_each(answers, present)):
            if self.models[k] is None:
                continue
            if self.target.kind == NUMBERS:
                fused[:, k] += self.models[k].predict(X) * self.spread[k]
            else:
                fused[:, k] = self.models[k].predict_proba(X)[:, 1]
        return fused

    @property
    def shown(self) -> Any:
        """What people see of it: the model, or those of the labels or columns."""
        single = isinstance(self.target, ClassTarget) or getattr(
            self.target, "one_dimensional", False
        )
        return self.models[0] if single else self.models

    def _evidence(self, answers: Sequence[np.ndarray], present: np.ndarray) -> list[np.ndarray]:
        """What each modality says beyond the prior; 0 if it is missing.

        ``log p_m - log prior`` of classes, the same of log-odds of labels, and of numbers the
        difference to their mean. The constant only shifts the intercept; it is there to make 0
        mean "nothing".
        """
        blocks = []
        for answer, there in zip(answers, present.T, strict=True):
            if isinstance(self.target, ClassTarget):
                block = safe_log(answer) - safe_log(self.prior)
            elif self.target.kind == LABELS:
                block = safe_logit(answer) - safe_logit(self.prior)
            else:
                block = (answer - self.prior) / self.spread
            block[~there] = 0.0
            blocks.append(block)
        return blocks

    def _evidence_of_each(
        self, answers: Sequence[np.ndarray], present: np.ndarray
    ) -> list[np.ndarray]:
        """The same for each label or column by itself, (n_samples, n_modalities)."""
        return list(np.stack(self._evidence(answers, present), axis=1).transpose(2, 0, 1))


def safe_logit(proba: np.ndarray) -> np.ndarray:
    """Log-odds, with probabilities kept from 0 and 1 as far as `safe_log` keeps them from 0."""
    return logit(np.clip(proba, SMALLEST, 1.0 - SMALLEST))
