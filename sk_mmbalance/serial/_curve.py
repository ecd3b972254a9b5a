"""Accuracy against cost: thresholds for many prices, applied to rows with known scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from ..base import TrainingRows
from ._chain import ChainScores
from ._fitting import scores_of
from ._rates import empirical_rates, predicted_rates
from ._run import FittedChain
from ._stages import PlacedStage
from ._tuning import Tuning, tune


def default_prices(costs: np.ndarray) -> np.ndarray:
    """From nothing to a price at which the whole chain costs as much as ten errors."""
    total = float(costs.sum())
    return np.concatenate([[0.0], np.geomspace(1e-3, 10.0, 24) / (total or 1.0)])


def known_scores(chain: FittedChain, rows: TrainingRows) -> ChainScores:
    """Scores of all stages on rows that have been acquired in full."""
    return chain_scores(chain.placed, scores_of(chain.experts, rows.checked), rows, chain.final)


def chain_scores(
    placed: Sequence[PlacedStage], scores: np.ndarray, rows: TrainingRows, final: str
) -> ChainScores:
    """The rows with some score (NaN where a stage could not run, or no fold held a row out)."""
    available = np.isfinite(scores).all(axis=2)
    kept = available.any(axis=0)
    return ChainScores(
        np.where(available[:, :, None], scores, 0.0)[:, kept],
        available[:, kept],
        rows.y[kept],
        rows.weight_or_ones[kept],
        np.array([stage.cost for stage in placed]),
        final,
    )


def cost_curve(
    tuning_scores: ChainScores, shown: ChainScores, tuning: Tuning, prices: Any
) -> pd.DataFrame:
    """One row a price; see `SerialFusionClassifier.cost_curve`."""
    prices = default_prices(shown.costs) if prices is None else np.asarray(prices, dtype=float)
    if prices.ndim != 1 or not len(prices) or not (prices >= 0).all():
        raise ValueError(f"`prices` must be a list of numbers >= 0; got {prices!r}.")
    rows = []
    for price in prices:
        by_price = replace(tuning, thresholds="cost", price=float(price), budget=None)
        thresholds, _ = tune(tuning_scores, by_price, quick=True)
        outcome = shown.play(thresholds)
        rates = empirical_rates(shown, outcome)
        row = {
            "price": float(price),
            "mean_cost": rates.cost,
            "accuracy": 1.0 - rates.error,
            "error": rates.error,
            "deferred_share": float(np.average(outcome.ran.sum(axis=0) > 1, weights=shown.weights)),
        }
        if len(rates.by_class) == 2:
            predicted = predicted_rates(shown, thresholds)
            row |= dict(zip(("far", "frr"), rates.by_class.tolist(), strict=True))
            row |= dict(
                zip(("predicted_far", "predicted_frr"), predicted.by_class.tolist(), strict=True)
            )
        rows.append(row)
    return pd.DataFrame(rows)


def stage_table(
    chain: ChainScores | None, placed: Sequence[PlacedStage], ran: np.ndarray | None
) -> pd.DataFrame:
    """Per stage: cost, accuracy if it decided alone, and share of rows that run it.

    Accuracy and share are NaN where no scores were needed.
    """
    table = pd.DataFrame(
        {
            "modalities": ["+".join(stage.inputs) for stage in placed],
            "cost": [stage.cost for stage in placed],
            "accuracy": np.nan,
            "share_ran": np.nan,
        },
        index=pd.Index([stage.name for stage in placed], name="stage"),
    )
    if chain is not None:
        table["accuracy"] = [_accuracy_alone(chain, k) for k in range(chain.n_stages)]
    if chain is not None and ran is not None:
        table["share_ran"] = np.average(ran, axis=1, weights=chain.weights)
    return table


def _accuracy_alone(chain: ChainScores, k: int) -> float:
    rows = chain.available[k]
    decided = chain.scores[k][rows].argmax(axis=1)
    return float(np.average(decided == chain.codes[rows], weights=chain.weights[rows]))
