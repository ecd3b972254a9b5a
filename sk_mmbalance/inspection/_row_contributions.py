"""What each modality is worth to a fitted estimator in every single row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ._coalitions import MOST_EXACT
from ._evaluation import Evaluation
from ._scoring import read_row_value
from ._setting import Setting
from ._shapley import shapley_values

#: Contributions of a row that differ by less are equal: what is left is rounding.
_TIE = 1e-9


@dataclass(frozen=True, eq=False, repr=False)
class RowContributions:
    """What each modality is worth in every row.

    Attributes
    ----------
    table : DataFrame of shape (n_samples, n_modalities)
        Contribution of each modality; a row sums to its `value_all` less its `value_none`. A
        modality that the row lacks gets 0.
    setting : Setting
        What was shared out, removal, and whatever else decides the numbers.
    value_all, value_none : Series of shape (n_samples,)
        Value of each row with all modalities and with none.
    """

    table: pd.DataFrame
    setting: Setting
    value_all: pd.Series
    value_none: pd.Series

    def dominant(self) -> pd.Series:
        """Modality with the largest contribution in each row; ties are named as ties.

        Returns
        -------
        dominant : Series of str
            ``"face"``, or ``"face=voice"`` where both contribute the most.
        """
        values = self.table.to_numpy()
        first = values >= values.max(axis=1, keepdims=True) - _TIE
        names = np.array(self.table.columns)
        labels = ["=".join(names[row]) for row in first]
        return pd.Series(labels, index=self.table.index, name="dominant")

    def dominance(self) -> pd.Series:
        """Share of rows in which each modality, or tie of modalities, contributes the most.

        Returns
        -------
        shares : Series of float
            By name of `dominant`, single modalities first; they sum to 1.
        """
        shares = self.dominant().value_counts(normalize=True)
        ties = sorted(set(shares.index) - set(self.table.columns), key=lambda n: (n.count("="), n))
        return shares.reindex([*self.table.columns, *ties], fill_value=0.0).rename("share of rows")

    def report(self) -> str:
        """Means, spreads and shares of dominance in words and figures."""
        shown = pd.DataFrame(
            {
                "mean": self.table.mean(),
                "std": self.table.std(ddof=1),
                "dominant in": self.dominance()[self.table.columns],
            }
        )
        ties = float(self.dominant().str.contains("=").mean())
        return "\n".join(
            [
                self.setting.title("Contributions of modalities, row by row"),
                "",
                shown.to_string(float_format="{:.3f}".format),
                "",
                f"ties in {ties:.3f} of the rows",
            ]
        )

    def __repr__(self) -> str:
        return self.report()

    def _repr_html_(self) -> str:
        return self.table.to_html(float_format="{:.3f}".format, max_rows=10)


def row_contributions(evaluation: Evaluation, *, size_scaled: bool) -> RowContributions:
    """Exact Shapley values of every row."""
    names = evaluation.names
    if len(names) > MOST_EXACT:
        raise ValueError(
            f"`level='row'` is exact and takes at most {MOST_EXACT} modalities; `X` has "
            f"{len(names)}. Merge some, or use `level='dataset'`, which samples."
        )
    value = read_row_value(evaluation.options.scoring, evaluation.kind)
    values = np.stack([evaluation.row_values(c, value) for c in range(2 ** len(names))])
    if size_scaled:
        sizes = [
            (evaluation.given.present & ~evaluation.without(c)).sum(axis=1)
            for c in range(2 ** len(names))
        ]
        values = values * np.stack(sizes)
    index = _row_labels(evaluation.given.given)
    table = pd.DataFrame(shapley_values(values).T, columns=list(names), index=index)
    return RowContributions(
        table,
        Setting.of(evaluation, value.name),
        pd.Series(values[-1], index=index, name="value_all"),
        pd.Series(values[0], index=index, name="value_none"),
    )


def _row_labels(X: object) -> pd.Index | None:
    """Row labels, where the input has some."""
    if isinstance(X, pd.DataFrame):
        return X.index
    values = X.values() if hasattr(X, "keys") else []  # type: ignore[attr-defined]
    return next((value.index for value in values if isinstance(value, pd.DataFrame)), None)
