"""`balance_report`: contributions, missing modalities and baselines in one."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from ..base import is_word
from ..exceptions import BaselineWarning
from ._baselines import fit_baselines
from ._contributions import ModalityContributions, dataset_contributions
from ._evaluation import Evaluation, Options, Scored
from ._input import read_input
from ._missing_curve import RATES, MissingModalityCurve, curve_of
from ._resamples import interval
from ._shared_docs import shared_parameters


@dataclass(frozen=True, eq=False, repr=False)
class BalanceReport:
    """All that can be said about the balance of a fitted estimator; prints as a report.

    Attributes
    ----------
    contributions : ModalityContributions
        What each modality is worth.
    curve : MissingModalityCurve or None
        How the score falls as modalities go missing; None with a single modality.
    baselines : DataFrame
        One row a baseline: its `score`, the `difference` of the estimator to it, and the paired
        bootstrap interval of that from `low` to `high`. Empty where there is none.
    warnings : tuple of str
        What should not be overlooked, each a sentence.
    """

    contributions: ModalityContributions
    curve: MissingModalityCurve | None
    baselines: pd.DataFrame
    warnings: tuple[str, ...]

    def report(self) -> str:
        """Everything in words and figures."""
        parts = [self.contributions.report()]
        if self.curve is not None:
            parts.append(repr(self.curve))
        if len(self.baselines):
            shown = self.baselines.to_string(float_format="{:.3f}".format)
            score = self.contributions.score_all
            parts.append(f"Baselines on the same rows; the estimator scores {score:.3f}\n\n{shown}")
        else:
            parts.append("No baselines: nothing says whether a simpler model does as well.")
        parts += [f"Warning: {text}" for text in self.warnings]
        return "\n\n".join(parts)

    def __repr__(self) -> str:
        return self.report()

    def _repr_html_(self) -> str:
        tables = [self.contributions._repr_html_(), self.baselines.to_html()]
        if self.curve is not None:
            tables.insert(1, self.curve._repr_html_())
        return "".join([*tables, *(f"<p>Warning: {escape(text)}</p>" for text in self.warnings)])


@shared_parameters
def balance_report(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    train: Sequence[Any] | None = None,
    baselines: Mapping[str, Any] | str | None = "default",
    rates: Sequence[float] = RATES,
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
) -> BalanceReport:
    """Say what each modality is worth, what missing ones cost, and if simpler models do as well.

    Parameters
    ----------
    {data}
    train : tuple (X_train, y_train) or (X_train, y_train, groups), default=None
        Rows that the estimator was fitted on; the default baselines are fitted on them. `X` and `y`
        never reach a `fit`.
    baselines : "default", dict of str to fitted estimator, or None, default="default"
        What to compare with. "default" fits the best single modality, late fusion and one model on
        all columns, linear all three; None compares with nothing, and the report says so.
    rates : sequence of float, default=(0, 0.1, 0.2, 0.3, 0.4, 0.5)
        Shares of missing modalities; see `missing_modality_curve`.
    {options}

    Returns
    -------
    BalanceReport
        Tables, and a report that prints.

    Warns
    -----
    BaselineWarning
        If a baseline scores better than the estimator.

    Raises
    ------
    ValueError
        If a parameter is out of range, or `train` is needed and not given.
    TypeError
        If `estimator` has no `predict`, or the default baselines cannot read a modality.

    Examples
    --------
    >>> from sk_mmbalance import MultimodalClassifier
    >>> from sk_mmbalance.datasets import load_wine_views
    >>> from sk_mmbalance.inspection import balance_report
    >>> X, y = load_wine_views(return_X_y=True)
    >>> scaled = X.to_frame()
    >>> scaled = (scaled - scaled[::2].mean()) / scaled[::2].std()
    >>> model = MultimodalClassifier(random_state=0).fit(scaled[::2], y[::2])
    >>> report = balance_report(
    ...     model, scaled[1::2], y[1::2], train=(scaled[::2], y[::2]), random_state=0
    ... )
    >>> report.baselines["score"].round(2).to_dict()
    {'best single modality': 0.85, 'late fusion': 0.94, 'concatenation': 0.97}
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
    evaluation = Evaluation(estimator, X, y, options)
    baselines = _scored_baselines(evaluation, baselines, train)
    contributions = dataset_contributions(evaluation)
    curve = curve_of(evaluation, rates) if len(evaluation.names) > 1 else None
    own = evaluation.score(np.zeros(evaluation.given.present.shape, dtype=bool))
    table = _compared(own, baselines, confidence)
    texts = tuple(_warnings(table, own.score))
    for text in texts:
        warnings.warn(text, BaselineWarning, stacklevel=2)
    return BalanceReport(contributions, curve, table, texts)


def _scored_baselines(evaluation: Evaluation, baselines: Any, train: Any) -> dict[str, Scored]:
    given = evaluation.given
    if baselines is None:
        return {}
    if isinstance(baselines, Mapping):
        return {
            name: evaluation.plain_score(model, given.given) for name, model in baselines.items()
        }
    if not is_word(baselines, ("default",)):
        raise ValueError(
            "`baselines` must be 'default', a dict of name to fitted estimator, or None; got "
            f"{baselines!r}."
        )
    if train is None or not isinstance(train, tuple | list) or len(train) not in (2, 3):
        raise ValueError(
            "`train` must be (X_train, y_train) or (X_train, y_train, groups), the rows on which "
            f"the default baselines are fitted; got {type(train).__name__}. Pass it, give fitted "
            "models by `baselines=`, or None to compare with nothing."
        )
    X_train, y_train, *rest = train
    rows = read_input(
        X_train,
        modalities=evaluation.options.modalities,
        estimator=evaluation.estimator,
        name="train",
    )
    fitted = fit_baselines(rows, np.asarray(y_train), rest[0] if rest else None, evaluation.kind)
    return {
        name: evaluation.plain_score(one.model, one.read(given)) for name, one in fitted.items()
    }


def _compared(own: Scored, baselines: dict[str, Scored], confidence: float) -> pd.DataFrame:
    rows = []
    for found in baselines.values():
        low, high = interval(own.replicates - found.replicates, confidence)
        rows.append(
            {
                "score": found.score,
                "difference": own.score - found.score,
                "low": low,
                "high": high,
            }
        )
    columns = ["score", "difference", "low", "high"]
    return pd.DataFrame(rows, index=pd.Index(baselines, name="baseline"), columns=columns)


def _warnings(table: pd.DataFrame, score: float) -> list[str]:
    texts = []
    for name, row in table.iterrows():
        if row["difference"] < 0:
            sure = "" if np.isnan(row["high"]) else _how_sure(row)
            texts.append(
                f"the baseline {name!r} scores {row['score']:.3f}, the estimator {score:.3f}"
                f" (difference {row['difference']:.3f}{sure})."
            )
    return texts


def _how_sure(row: Any) -> str:
    inside = "beyond" if row["high"] < 0 else "within"
    return f", interval {row['low']:.3f} to {row['high']:.3f}: {inside} the noise of these rows"
