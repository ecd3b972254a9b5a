"""`missing_modality_curve`: how the score falls as modalities go missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..base import is_word
from ._evaluation import Evaluation, Options
from ._setting import Setting
from ._shared_docs import shared_parameters

#: The grid of most published curves, 20 % and 50 % among it.
RATES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)


@dataclass(frozen=True, eq=False, repr=False)
class MissingModalityCurve:
    """Score at growing rates of missing modalities.

    Attributes
    ----------
    table : DataFrame
        One row a `rate`: the share that was really `removed`, mean `score` over draws, and `std`,
        `min` and `max` over draws.
    setting : Setting
        Scorer, removal, and whatever else decides the numbers.
    pattern : str
        "random", or the modality that goes missing.
    area : float
        Area under the curve divided by the range of rates: the mean score over rates. NaN for a
        single rate.
    draws : DataFrame
        Score of every draw (columns) at every rate.
    """

    table: pd.DataFrame
    setting: Setting
    pattern: str
    area: float
    draws: pd.DataFrame

    def __repr__(self) -> str:
        what = "modalities" if self.pattern == "random" else repr(self.pattern)
        title = self.setting.title(f"Score as {what} go missing")
        shown = self.table.to_string(float_format="{:.3f}".format)
        return f"{title}\n\n{shown}\n\nmean over rates {self.area:.3f}"

    def _repr_html_(self) -> str:
        return self.table.to_html(float_format="{:.3f}".format)


@shared_parameters
def missing_modality_curve(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    rates: Sequence[float] = RATES,
    pattern: str = "random",
    allow_empty: bool = False,
    modalities: Any = None,
    scoring: Any = None,
    removal: str = "permute",
    background: Any = None,
    n_repeats: int = 5,
    empty: Any = "auto",
    sample_weight: Any = None,
    random_state: Any = None,
) -> MissingModalityCurve:
    """Score a fitted estimator as modalities go missing at random.

    Parameters
    ----------
    {data}
    rates : sequence of float, default=(0, 0.1, 0.2, 0.3, 0.4, 0.5)
        Shares to remove.
    pattern : str, default="random"
        "random" removes every modality of every row with the same probability, the name of a
        modality removes that one.
    allow_empty : bool, default=False
        Whether a row may lose its last modality. Otherwise one is kept, so that less than the rate
        is removed; the table says how much.
    {curve_options}

    Returns
    -------
    MissingModalityCurve
        A table that prints, and the area under the curve.

    Raises
    ------
    ValueError
        If a parameter is out of range, no modality could ever be removed, or the estimator cannot
        do without a modality under ``removal="native"``.
    TypeError
        If `estimator` has no `predict`.

    Notes
    -----
    Draws are nested: what is missing at a rate is missing at every higher rate too. Every draw has
    its own pattern, and under "permute" and "marginal" its own rows to put in. Modalities that
    rows lack already stay lacking.

    Examples
    --------
    >>> from sk_mmbalance import LateFusionClassifier
    >>> from sk_mmbalance.datasets import make_imbalanced_modalities
    >>> from sk_mmbalance.inspection import missing_modality_curve
    >>> X, y, _ = make_imbalanced_modalities(600, modalities=["face", "voice"], random_state=0)
    >>> model = LateFusionClassifier(missing="mask").fit(X[:300], y[:300])
    >>> curve = missing_modality_curve(
    ...     model, X[300:], y[300:], removal="native", random_state=0
    ... )
    >>> curve.table["score"].round(2).tolist()
    [0.91, 0.9, 0.89, 0.87, 0.86, 0.84]
    """
    options = Options(
        modalities,
        scoring,
        removal,
        background,
        n_repeats,
        empty,
        n_bootstrap=0,
        sample_weight=sample_weight,
        random_state=random_state,
    )
    return curve_of(Evaluation(estimator, X, y, options), rates, pattern, allow_empty)


def curve_of(
    evaluation: Evaluation,
    rates: Sequence[float] = RATES,
    pattern: str = "random",
    allow_empty: bool = False,
) -> MissingModalityCurve:
    """Curve of an evaluation."""
    grid = _read_rates(rates)
    names, present = evaluation.names, evaluation.given.present
    if not is_word(pattern, ("random", *names)):
        raise ValueError(f"`pattern` must be 'random' or one of {list(names)}; got {pattern!r}.")
    if len(names) == 1 and not allow_empty:
        raise ValueError(
            "`X` has a single modality, which rows cannot lose unless `allow_empty=True`. Pass "
            "that, or data of several modalities."
        )
    n_repeats = evaluation.options.n_repeats
    scores = np.empty((len(grid), n_repeats))
    removed = np.empty((len(grid), n_repeats))
    can_go = present if pattern == "random" else present[:, [names.index(pattern)]]
    for draw in range(n_repeats):
        order = _order_of_loss(evaluation, pattern)
        for number, rate in enumerate(grid):
            remove = order < rate
            if not allow_empty:
                _keep_one(remove, order, present)
            scores[number, draw] = evaluation.score(remove, draw % evaluation.removal.n_draws).score
            removed[number, draw] = (remove & present).sum() / (can_go.sum() or 1)
    index = pd.Index(grid, name="rate")
    table = pd.DataFrame(
        {
            "removed": removed.mean(axis=1),
            "score": scores.mean(axis=1),
            "std": scores.std(axis=1, ddof=1) if n_repeats > 1 else np.nan,
            "min": scores.min(axis=1),
            "max": scores.max(axis=1),
        },
        index=index,
    )
    width = grid[-1] - grid[0]
    area = float(np.trapezoid(table["score"], grid) / width) if width else float("nan")
    draws = pd.DataFrame(scores, index=index)
    setting = Setting.of(evaluation, n_repeats=n_repeats)
    return MissingModalityCurve(table, setting, pattern, area, draws)


def _read_rates(rates: Any) -> np.ndarray:
    found = np.asarray(rates, dtype=float)
    if found.ndim != 1 or not len(found) or not ((found >= 0) & (found <= 1)).all():
        raise ValueError(f"`rates` must be a list of numbers from 0 to 1; got {rates!r}.")
    if (np.diff(found) <= 0).any():
        raise ValueError(f"`rates` must grow from one to the next; got {rates!r}.")
    return found


def _order_of_loss(evaluation: Evaluation, pattern: str) -> np.ndarray:
    """The rate from which on each modality of each row is missing; infinite where it stays."""
    shape = evaluation.given.present.shape
    order = evaluation.rng.random_sample(shape)
    if pattern != "random":
        stays = np.arange(shape[1]) != evaluation.names.index(pattern)
        order[:, stays] = np.inf
    return order


def _keep_one(remove: np.ndarray, order: np.ndarray, present: np.ndarray) -> None:
    """Keep the modality that would be the last to go, in rows that would be left with none."""
    bare = np.flatnonzero(~(present & ~remove).any(axis=1))
    last = np.where(present, order, -1.0).argmax(axis=1)
    remove[bare, last[bare]] = False
