"""`coalition_scores`: the score with every set of modalities."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ._evaluation import Evaluation, Options
from ._resamples import interval, spread
from ._setting import Setting
from ._shared_docs import shared_parameters

#: Beyond so many modalities the 2 ** M coalitions are too many, and Shapley values are sampled.
MOST_EXACT = 10


@dataclass(frozen=True, eq=False, repr=False)
class CoalitionScores:
    """Score with every set of modalities.

    Attributes
    ----------
    table : DataFrame
        One row a coalition, named by its modalities (``"face+voice"``; ``"(none)"``): its `size`,
        `score`, `std_error`, and the interval from `low` to `high`.
    setting : Setting
        Scorer, removal, and whatever else decides the numbers.
    names : tuple of str
        The modalities, sorted.
    scores : ndarray of shape (2 ** n_modalities,)
        The scores; bit m of a position says whether the coalition has modality m.
    replicates : ndarray of shape (2 ** n_modalities, n_bootstrap)
        The same in every bootstrap resample.
    """

    table: pd.DataFrame
    setting: Setting
    names: tuple[str, ...]
    scores: np.ndarray
    replicates: np.ndarray

    def score_of(self, modalities: Iterable[str]) -> float:
        """Score with these modalities only.

        Parameters
        ----------
        modalities : list of str
            Their names; empty for none.

        Returns
        -------
        score : float
            The score.
        """
        given = [modalities] if isinstance(modalities, str) else list(modalities)
        unknown = sorted(set(given) - set(self.names))
        if unknown:
            raise ValueError(f"`modalities` has {unknown}; known are {list(self.names)}.")
        return float(self.scores[sum(1 << self.names.index(name) for name in set(given))])

    def __repr__(self) -> str:
        return f"{self.setting.title('Score with every set of modalities')}\n\n{self._shown()}"

    def _repr_html_(self) -> str:
        return self.table.to_html(float_format="{:.3f}".format)

    def _shown(self) -> str:
        return self.table.drop(columns="size").to_string(float_format="{:.3f}".format)


@shared_parameters
def coalition_scores(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    modalities: Any = None,
    scoring: Any = None,
    removal: str = "permute",
    background: Any = None,
    n_repeats: int = 5,
    empty: Any = "auto",
    n_bootstrap: int = 200,
    confidence: float = 0.95,
    groups: Any = None,
    sample_weight: Any = None,
    n_jobs: int | None = None,
    random_state: Any = None,
) -> CoalitionScores:
    """Score a fitted estimator with every set of modalities, the others removed.

    Parameters
    ----------
    {data}
    {options}

    Returns
    -------
    CoalitionScores
        A table that prints, and the scores behind it.

    Raises
    ------
    ValueError
        If a parameter is out of range, `X` has more than ten modalities, or the estimator cannot
        do without a modality under ``removal="native"``.
    TypeError
        If `estimator` has no `predict`, or a modality holds no numbers where zeros or means are
        to be put in.

    See Also
    --------
    modality_contributions : What each modality is worth, from these scores.

    Notes
    -----
    A modality that a row lacks (NaN) stays lacking whatever the coalition. Removing one puts the
    same other row in the place of all removed modalities, and all coalitions see the same rows: a
    modality that the estimator ignores changes nothing at all.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sk_mmbalance.datasets import load_wine_views
    >>> from sk_mmbalance.inspection import coalition_scores
    >>> X, y = load_wine_views(return_X_y=True)
    >>> table = X.to_frame()  # the forest sees one flat table
    >>> blocks = {name: table.columns.get_loc(name) for name in X}
    >>> flat = table.to_numpy()
    >>> forest = RandomForestClassifier(random_state=0).fit(flat[::2], y[::2])
    >>> found = coalition_scores(forest, flat[1::2], y[1::2], modalities=blocks, random_state=0)
    >>> round(found.score_of(["colour", "phenols"]), 2)
    0.71
    """
    options = Options(
        modalities,
        scoring,
        removal,
        background,
        n_repeats,
        empty,
        n_bootstrap,
        confidence,
        groups,
        sample_weight,
        n_jobs,
        random_state,
    )
    return all_coalitions(Evaluation(estimator, X, y, options))


def all_coalitions(evaluation: Evaluation) -> CoalitionScores:
    """Scores of all coalitions of an evaluation."""
    names = evaluation.names
    if len(names) > MOST_EXACT:
        raise ValueError(
            f"`X` has {len(names)} modalities, {2 ** len(names)} coalitions; every one is scored "
            f"for at most {MOST_EXACT}. Use `modality_contributions`, which samples beyond."
        )
    found = evaluation.score_coalitions(list(range(2 ** len(names))))
    scores = np.array([one.score for one in found])
    replicates = np.stack([one.replicates for one in found])
    order = sorted(range(len(scores)), key=lambda c: (c.bit_count(), _label(c, names)))
    confidence = evaluation.options.confidence
    rows = []
    for coalition in order:
        low, high = interval(replicates[coalition], confidence)
        rows.append(
            {
                "size": coalition.bit_count(),
                "score": scores[coalition],
                "std_error": spread(replicates[coalition]),
                "low": low,
                "high": high,
            }
        )
    index = pd.Index([_label(c, names) for c in order], name="coalition")
    table = pd.DataFrame(rows, index=index)
    return CoalitionScores(table, Setting.of(evaluation), names, scores, replicates)


def _label(coalition: int, names: tuple[str, ...]) -> str:
    return "+".join(n for m, n in enumerate(names) if coalition >> m & 1) or "(none)"
