"""What a linear opinion pool has learnt beside its experts: weights by pattern of modalities."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.metrics import mean_squared_error, r2_score

from ..convex import (
    PatternWeights,
    fit_linear_pool,
    fit_pattern_weights,
    patterns_to_learn,
)
from ..experts import NamedExpert


class LinearFusion:
    """Weights of the experts for one column of numbers, on the simplex for every pattern.

    Parameters
    ----------
    named : list of NamedExpert
        The experts, in the order of all arrays.
    modality_names : tuple of str
        Sorted names of the modalities.
    rule : {"pool", "select"}
        Whether weights make the squared error least, or all weight goes to one expert.

    Attributes
    ----------
    weights : PatternWeights
        Weights of the experts.
    gap : float or None
        Certified relative gap of the weights where all modalities are there.
    """

    def __init__(self, named: list[NamedExpert], modality_names: tuple[str, ...], rule: str):
        self.named = named
        self.modality_names = modality_names
        self.rule = rule
        self.uses = np.array([[m in e.modalities for m in modality_names] for e in named])
        self.weights = PatternWeights(self.uses, np.full(len(named), 1.0 / len(named)))
        self.gap: float | None = 0.0
        self._own: dict[str, np.ndarray] = {}

    def learn(
        self,
        forecasts: np.ndarray,
        available: np.ndarray,
        y: np.ndarray,
        weight: np.ndarray,
        present: np.ndarray,
        *,
        masked: bool,
        min_rows: int,
    ) -> pd.DataFrame:
        """Learn from out-of-fold forecasts; returns their scores.

        Parameters
        ----------
        forecasts : ndarray of shape (n_experts, n_samples)
            The experts' numbers; the mean of `y` where one lacks its input.
        available : ndarray of bool of shape (n_experts, n_samples)
            Whether an expert has its input.
        y, weight : ndarray of shape (n_samples,)
            What came, and the weights of the rows.
        present : ndarray of bool of shape (n_samples, n_modalities)
            Which modalities each row has.
        masked : bool
            Whether rows may lack modalities.
        min_rows : int
            Fewest rows that teach a pattern weights of its own.
        """
        gaps: list[float] = []

        def solve(forecasts: np.ndarray, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
            numbers = forecasts[:, :, 0]
            if self.rule == "select":
                errors = weight @ (numbers - y[:, None]) ** 2
                return np.eye(len(errors))[np.argmin(errors)]
            found = fit_linear_pool(numbers, y, sample_weight=weight)
            gaps.append(found.gap)
            return found.weights

        patterns = patterns_to_learn(present) if masked else present[:0]
        self.weights = fit_pattern_weights(
            forecasts.T[:, :, None],
            y,
            self.uses,
            present=present,
            patterns=patterns,
            needs_all=np.array([expert.needs_all for expert in self.named]),
            sample_weight=weight,
            min_rows=min_rows,
            default="complete",
            exactly=any(expert.any_of for expert in self.named),
            rule=solve,
        )
        self.gap = gaps[0] if gaps else None  # the default weights are found first
        for name in self.modality_names:
            chosen = self.experts_of(name)
            rows = np.flatnonzero(available[chosen].all(axis=0))
            if len(chosen) and len(rows):
                taught = forecasts[np.ix_(chosen, rows)].T[:, :, None]
                self._own[name] = solve(taught, y[rows], weight[rows])
        return self._scores(forecasts, available, y, weight, present)

    def _scores(
        self,
        forecasts: np.ndarray,
        available: np.ndarray,
        y: np.ndarray,
        weight: np.ndarray,
        present: np.ndarray,
    ) -> pd.DataFrame:
        table = {
            expert.name: _score(forecasts[e], y, weight, available[e])
            for e, expert in enumerate(self.named)
        }
        anyone = np.asarray(available.any(axis=0))
        table["pool"] = _score(self.fuse(forecasts, present), y, weight, anyone)
        frame = pd.DataFrame.from_dict(table, orient="index")
        return frame.rename_axis("expert").astype({"n_rows": int})

    def experts_of(self, modality: str) -> np.ndarray:
        """Numbers of the experts on one modality alone."""
        return np.flatnonzero([expert.modalities == (modality,) for expert in self.named])

    def fuse(self, forecasts: np.ndarray, present: np.ndarray) -> np.ndarray:
        """Fused numbers of rows, from (n_experts, n_samples); 0 where a row has no expert."""
        return np.einsum("ne,en->n", self.weights.by_row(present), forecasts)

    def of_modality(self, modality: str, forecasts: np.ndarray) -> np.ndarray | None:
        """Fused numbers of the experts on one modality alone; None if there are none."""
        chosen = self.experts_of(modality)
        if not len(chosen):
            return None
        alike = np.full(len(chosen), 1.0 / len(chosen))
        return self._own.get(modality, alike) @ forecasts[chosen]


def _score(
    numbers: np.ndarray, y: np.ndarray, weight: np.ndarray, rows: np.ndarray
) -> dict[str, float]:
    """Weighted R² and root of the mean squared error, of the rows with input."""
    if rows.sum() < 2:  # R² needs two
        return {"r2": np.nan, "rmse": np.nan, "n_rows": int(rows.sum())}
    numbers, y, weight = numbers[rows], y[rows], weight[rows]
    return {
        "r2": float(r2_score(y, numbers, sample_weight=weight)),
        "rmse": float(np.sqrt(mean_squared_error(y, numbers, sample_weight=weight))),
        "n_rows": len(y),
    }
