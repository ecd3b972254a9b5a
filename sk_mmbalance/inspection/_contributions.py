"""`modality_contributions`: what each modality is worth to a fitted estimator."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd

from ..base import check_word, is_word
from ._coalitions import MOST_EXACT, CoalitionScores, all_coalitions
from ._evaluation import MOST_DRAWS, Evaluation, Options
from ._resamples import interval, spread
from ._row_contributions import RowContributions, row_contributions
from ._setting import Setting
from ._shapley import cooperation, imbalance, order_gains, sampling_error, shapley_values
from ._shared_docs import shared_parameters

#: Orders in which modalities join, where contributions are sampled.
_DEFAULT_ORDERS = 64


@dataclass(frozen=True, eq=False, repr=False)
class ModalityContributions:
    """What each modality is worth; prints as a report.

    Attributes
    ----------
    table : DataFrame
        One row a modality: its `contribution` (Shapley value) with `std_error` and the interval
        from `low` to `high`; `alone`, the score with this modality only; `drop`, what the score
        loses without it; `utilisation`, the loss as a share of the score with all (NaN unless that
        is positive); and `sampling_error`, 0 where the value is exact.
    setting : Setting
        Scorer, removal, and whatever else decides the numbers.
    score_all, score_none : float
        Score with all modalities and with none; the contributions sum to their difference.
    cooperation : float
        ``score_all - sum(alone) + (M - 1) * score_none``: above zero where modalities tell
        something only together, below where they tell the same twice.
    cooperation_interval : tuple of float
        Its bootstrap interval.
    utilisation_gap : float
        With two modalities, utilisation of the first by name less that of the second; NaN with
        any other number.
    imbalance : dict of str to float
        How unequal contributions are: ``"max_over_min"``, ``"gini"`` and ``"entropy"`` (of the
        shares, as a part of the largest possible: 1 is equal). Contributions below zero count as
        zero; NaN if none is above it.
    coalitions : CoalitionScores or None
        The scores behind it; None where they were sampled.
    """

    table: pd.DataFrame
    setting: Setting
    score_all: float
    score_none: float
    cooperation: float
    cooperation_interval: tuple[float, float]
    utilisation_gap: float
    imbalance: dict[str, float]
    coalitions: CoalitionScores | None

    def report(self) -> str:
        """The contributions in words and figures."""
        lines = [self.setting.title("Contributions of modalities"), "", self._shown(), ""]
        total = self.score_all - self.score_none
        lines.append(
            f"sum {total:.3f} = {self.score_all:.3f} with all - {self.score_none:.3f} with none"
        )
        if len(self.table) > 1:
            low, high = self.cooperation_interval
            lines.append(f"cooperation {self.cooperation:.3f}" + _range(low, high))
            index = self.imbalance
            lines.append(
                f"imbalance: largest / smallest {index['max_over_min']:.3g}, Gini "
                f"{index['gini']:.2f}, entropy {index['entropy']:.2f} (equal: 1, 0, 1)"
            )
        if self.coalitions is None:
            lines.append("values are sampled; their sampling error stands in the table")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return self.report()

    def _repr_html_(self) -> str:
        return self._columns().to_html(float_format="{:.3f}".format)

    def _columns(self) -> pd.DataFrame:
        shown = self.table[["contribution", "low", "high", "alone", "drop"]]
        if self.coalitions is None:
            shown = shown.assign(sampling_error=self.table["sampling_error"])
        return shown.sort_values("contribution", ascending=False, kind="stable")

    def _shown(self) -> str:
        return self._columns().to_string(float_format="{:.3f}".format)


def _range(low: float, high: float) -> str:
    return "" if np.isnan(low) else f" [{low:.3f}, {high:.3f}]"


@shared_parameters
def modality_contributions(
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
    level: str = "dataset",
    scale: str = "plain",
    n_orders: int | str = "auto",
) -> ModalityContributions | RowContributions:
    """Share the score of a fitted estimator out among its modalities.

    The contribution of a modality is its Shapley value [1]_: the mean gain in score as it joins the
    modalities that are there already, over all orders in which they can join. Contributions sum to
    the score with all modalities less the score with none; modalities that are interchangeable
    get the same; one that the estimator ignores gets exactly 0.

    Parameters
    ----------
    {data}
    {options}
    level : {"dataset", "row"}, default="dataset"
        Whether the score of all rows is shared out, or a value of each row. Then `scoring` is one
        of "accuracy" (1 where the label is right, else 0; the default for classifiers),
        "probability" and "neg_log_loss" (of the true class), "neg_mean_squared_error" (the default
        for regressors), "neg_mean_absolute_error", "prediction" (the number predicted), or a
        callable ``scoring(estimator, X, y)`` that gives one number a row.
    scale : {"plain", "size"}, default="plain"
        With ``level="row"``, "size" multiplies the value of a row by the number of modalities that
        it was given, and with none the value is 0. For accuracy this is the sample-level valuation
        of [2]_.
    n_orders : int or "auto", default="auto"
        Orders in which modalities join: "auto" takes all of them (exactly, by the scores of all
        coalitions) for up to ten modalities and samples 64 beyond; an even number of at least 4
        samples so many, each with its reverse.

    Returns
    -------
    ModalityContributions or RowContributions
        With ``level="dataset"`` the former, with ``level="row"`` the latter.

    Raises
    ------
    ValueError
        If a parameter is out of range, or the estimator cannot do without a modality under
        ``removal="native"``.
    TypeError
        If `estimator` has no `predict`, or a modality holds no numbers where zeros or means are
        to be put in.

    See Also
    --------
    coalition_scores : The scores behind the contributions.
    balance_report : Contributions, a curve of missing modalities and baselines in one.

    Notes
    -----
    The figures depend on what stands in the place of a removed modality. Zeros and means may make
    rows that never occur; "permute" and "marginal" keep to values that do, but put together what
    does not belong together; "native" asks the estimator in the way it was built for. Results name
    the removal; compare only figures of the same.

    Intervals are over rows: the estimator stays as it is. They say how sure the figures are for
    this fitted estimator, not how much they would differ after another fit.

    References
    ----------
    .. [1] L. S. Shapley, "A Value for n-Person Games", Contributions to the Theory of Games
       2, 1953.
    .. [2] Y. Wei, R. Feng, Z. Wang, D. Hu, "Enhancing Multimodal Cooperation via Sample-level
       Modality Valuation", CVPR 2024.

    Examples
    --------
    >>> from sk_mmbalance import LateFusionClassifier
    >>> from sk_mmbalance.datasets import make_imbalanced_modalities
    >>> from sk_mmbalance.inspection import modality_contributions
    >>> X, y, _ = make_imbalanced_modalities(600, modalities=["face", "voice"], random_state=0)
    >>> model = LateFusionClassifier().fit(X[:300], y[:300])
    >>> found = modality_contributions(model, X[300:], y[300:], random_state=0)
    >>> found.table["contribution"].round(2).to_dict()
    {'face': 0.35, 'voice': 0.06}
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
    check_word("level", level, ("dataset", "row"))
    check_word("scale", scale, ("plain", "size"))
    if not is_word(n_orders, ("auto",)) and not (
        isinstance(n_orders, Integral) and 4 <= n_orders <= MOST_DRAWS and n_orders % 2 == 0
    ):
        raise ValueError(
            "`n_orders` must be 'auto' or an even integer of at least 4, and at most "
            f"{MOST_DRAWS}; got {n_orders!r}."
        )
    if level == "row":
        if n_orders != "auto":
            raise ValueError(
                "`n_orders` samples contributions of a data set; with `level='row'` they are "
                "exact. Leave it at 'auto'."
            )
        evaluation = Evaluation(estimator, X, y, options, by_row=True)
        return row_contributions(evaluation, size_scaled=scale == "size")
    if scale != "plain":
        raise ValueError("`scale='size'` values rows; pass `level='row'` with it.")
    return dataset_contributions(Evaluation(estimator, X, y, options), n_orders)


def dataset_contributions(evaluation: Evaluation, n_orders: Any = "auto") -> ModalityContributions:
    """Contributions from scores of all coalitions, or of those that sampled orders meet."""
    n = len(evaluation.names)
    full = 2**n - 1
    coalitions = None
    error = np.zeros(n)
    if n_orders == "auto" and n <= MOST_EXACT:
        coalitions = all_coalitions(evaluation)
        scores = dict(enumerate(coalitions.scores))
        replicates = dict(enumerate(coalitions.replicates))
        values = shapley_values(coalitions.scores)
        resampled = shapley_values(coalitions.replicates)
    else:
        count = _DEFAULT_ORDERS if n_orders == "auto" else int(n_orders)
        orders = [evaluation.rng.permutation(n) for _ in range(count // 2)]
        gains = [order_gains(o) for order in orders for o in (order, order[::-1])]
        needed = {c for gain in gains for _, joined, before in gain for c in (joined, before)}
        needed |= {0, full, *(1 << m for m in range(n)), *(full ^ 1 << m for m in range(n))}
        asked = sorted(needed)
        found = dict(zip(asked, evaluation.score_coalitions(asked), strict=True))
        scores = {c: one.score for c, one in found.items()}
        replicates = {c: one.replicates for c, one in found.items()}
        by_order = np.zeros((count, n))
        resampled = np.zeros((n, len(evaluation.resamples)))
        for number, gain in enumerate(gains):
            for m, joined, before in gain:
                by_order[number, m] = scores[joined] - scores[before]
                resampled[m] += (replicates[joined] - replicates[before]) / count
        values, error = by_order.mean(axis=0), sampling_error(by_order)
    confidence = evaluation.options.confidence
    alone = np.array([scores[1 << m] for m in range(n)])
    drop = np.array([scores[full] - scores[full ^ 1 << m] for m in range(n)])
    utilisation = drop / scores[full] if scores[full] > 0 else np.full(n, np.nan)
    together = cooperation(
        replicates[full], np.stack([replicates[1 << m] for m in range(n)]), replicates[0]
    )
    limits = np.array([interval(row, confidence) for row in resampled])
    table = pd.DataFrame(
        {
            "contribution": values,
            "std_error": [spread(row) for row in resampled],
            "low": limits[:, 0],
            "high": limits[:, 1],
            "alone": alone,
            "drop": drop,
            "utilisation": utilisation,
            "sampling_error": error,
        },
        index=pd.Index(evaluation.names, name="modality"),
    )
    return ModalityContributions(
        table,
        Setting.of(evaluation),
        float(scores[full]),
        float(scores[0]),
        float(cooperation(scores[full], alone, scores[0])),
        interval(np.asarray(together), confidence),
        float(utilisation[0] - utilisation[1]) if n == 2 else float("nan"),
        imbalance(values),
        coalitions,
    )
