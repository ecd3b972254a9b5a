"""What an opinion pool has learnt beside its experts: how their probabilities become one."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from ..convex import PatternWeights
from ..experts import MAX_ITER, NamedExpert, align_classes
from ._class_weights import COMMON, choose_class_penalty, with_penalty
from ._pooling import Opinions, inverse_temperatures, pool_logs, smooth_log, tempered


class PoolFusion:
    """Temperatures, and weights by pattern of modalities or a stacker.

    Parameters
    ----------
    named : list of NamedExpert
        The experts, in the order of all arrays.
    modality_names : tuple of str
        Sorted names of the modalities.
    rule : {"pool", "select", "stack"}
        How experts are fused.
    smoothing : float
        Part of equal probabilities in each expert's.

    Attributes
    ----------
    factors : ndarray of shape (n_experts,)
        Inverse temperatures.
    weights : PatternWeights or None
        Weights of the experts; None with a stacker.
    stacker : LogisticRegression or None
        Logistic regression on tempered log-probabilities.
    class_penalty : float
        What it costs that weights differ by class; infinite where they do not.
    class_losses : dict of float to float
        Loss of rows held out by what weights that differ by class cost, the chosen one first.
    """

    def __init__(
        self,
        named: list[NamedExpert],
        modality_names: tuple[str, ...],
        rule: str,
        smoothing: float,
    ):
        self.named = named
        self.modality_names = modality_names
        self.rule = rule
        self.smoothing = smoothing
        self.factors = np.ones(len(named))
        self.weights: PatternWeights | None = PatternWeights(self.uses, np.ones(len(named)))
        self.stacker: LogisticRegression | None = None
        self.class_penalty = COMMON
        self.class_losses: dict[float, float] = {}
        self._own: dict[str, np.ndarray] = {}

    # -- fit -------------------------------------------------------------------------------

    def learn(
        self,
        opinions: Opinions,
        present: np.ndarray,
        *,
        temperature: bool,
        masked: bool,
        min_rows: int,
        fold_of: np.ndarray | None = None,
    ) -> pd.DataFrame:
        """Learn from out-of-fold opinions; returns their scores.

        `present` tells modalities; by `fold_of`, the fold in which each row was tested, it is
        chosen how far weights differ by class.
        """
        if temperature:
            self.factors = inverse_temperatures(opinions)
        opinions = opinions.with_logs(tempered(opinions.logs, self.factors))
        if fold_of is not None and self.rule == "pool":
            self.class_losses = choose_class_penalty(opinions, fold_of)
            penalty = next(iter(self.class_losses), COMMON)
            opinions = with_penalty(opinions, penalty, opinions.tol)
        if opinions.per_class:
            mean = 1.0 / opinions.logs.shape[2]
            self.class_penalty = opinions.class_penalty or mean
        if self.rule == "stack":
            shares = opinions.shares(opinions.codes, opinions.weights) * opinions.weights.sum()
            self.stacker = LogisticRegression(max_iter=MAX_ITER).fit(
                evidence(opinions.logs, opinions.present), opinions.codes, shares
            )
            self.weights = None
        else:
            self.weights = opinions.learn_patterns(
                self.uses,
                np.array([expert.needs_all for expert in self.named]),
                present,
                rule=self.rule,
                masked=masked,
                min_rows=min_rows,
                exactly=any(expert.any_of for expert in self.named),
            )
        for name in self.modality_names:
            chosen = self.experts_of(name)
            rows = np.flatnonzero(opinions.present[:, chosen].all(axis=1) & (opinions.weights > 0))
            if len(chosen) and len(rows):
                self._own[name] = opinions.solve(chosen, rows)
        return self._scores(opinions, present)

    def _scores(self, opinions: Opinions, present: np.ndarray) -> pd.DataFrame:
        rows = {
            expert.name: opinions.score(opinions.logs[e], opinions.present[:, e])
            for e, expert in enumerate(self.named)
        }
        pooled = np.log(np.maximum(self._fuse(opinions.logs, present), np.finfo(float).tiny))
        rows["pool"] = opinions.score(pooled, np.asarray(opinions.present.any(axis=1)))
        table = pd.DataFrame.from_dict(rows, orient="index")
        return table.rename_axis("expert").astype({"n_rows": int})

    # -- who is there ----------------------------------------------------------------------

    @property
    def uses(self) -> np.ndarray:
        """Which modalities each expert looks at, (n_experts, n_modalities)."""
        return np.array(
            [[name in expert.modalities for name in self.modality_names] for expert in self.named]
        )

    def experts_of(self, modality: str) -> np.ndarray:
        """Numbers of the experts on one modality alone."""
        return np.flatnonzero([expert.modalities == (modality,) for expert in self.named])

    # -- predict ---------------------------------------------------------------------------

    def fuse(self, probas: dict[str, np.ndarray], present: np.ndarray) -> np.ndarray:
        """Fused probabilities of rows whose modalities `present` tells."""
        return self._fuse(self._temper(probas), present)

    def of_modality(self, modality: str, probas: dict[str, np.ndarray]) -> np.ndarray | None:
        """Pooled probabilities of the experts on one modality alone; None if there are none."""
        chosen = self.experts_of(modality)
        if not len(chosen):
            return None
        if len(self.named) == 1:
            return next(iter(probas.values())).copy()
        # a modality that nothing was learnt for has its experts count alike
        own = self._own.get(modality, np.ones(len(self.named)))[chosen]
        return np.exp(pool_logs(self._temper(probas)[chosen], own))

    def _temper(self, probas: dict[str, np.ndarray]) -> np.ndarray:
        logs = np.stack([smooth_log(proba, self.smoothing) for proba in probas.values()])
        return tempered(logs, self.factors)

    def _fuse(self, logs: np.ndarray, present: np.ndarray) -> np.ndarray:
        if self.weights is not None:
            return np.exp(self.weights.pooled_log_proba(logs.transpose(1, 0, 2), present))
        assert self.stacker is not None
        has_input = np.column_stack([e.available(present, self.modality_names) for e in self.named])
        proba = self.stacker.predict_proba(evidence(logs, has_input))
        n_classes = logs.shape[2]
        # a class that no fold tested gets nothing
        return align_classes(
            proba, self.stacker.classes_, np.arange(n_classes), np.zeros(n_classes)
        )


def evidence(logs: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Log-probabilities less their mean over classes, side by side; 0 where there is no input."""
    centred = (logs - logs.mean(axis=2, keepdims=True)) * present.T[:, :, None]
    return centred.transpose(1, 0, 2).reshape(logs.shape[1], -1)
