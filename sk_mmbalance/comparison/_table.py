"""From scores by fold to the table: means, spreads, paired differences to the best baseline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ._candidate import BASELINE, Candidate
from ._standing import DONE, Standing
from ._statistics import corrected_interval


@dataclass(frozen=True)
class Rows:
    """What is known of every fold: one row a model and fold, with scores, seconds, sizes."""

    frame: pd.DataFrame
    scoring: list[str]

    def of(self, name: str, score: str) -> pd.Series:
        """A model's scores by fold."""
        rows = self.frame[self.frame["model"] == name]
        return rows.set_index("fold")[score].sort_index()


def make_table(
    rows: Rows,
    candidates: dict[str, Candidate],
    standings: dict[str, Standing],
    n_folds: int,
    confidence: float,
) -> tuple[pd.DataFrame, str | None]:
    """The table, best model first, and the name of the best baseline.

    Means of models that have not finished are of the folds that they have, and stand below all
    others; their differences are to the baseline's scores on these folds.
    """
    main = rows.scoring[0]
    lines = {}
    for name, candidate in candidates.items():
        mine = rows.frame[rows.frame["model"] == name]
        line: dict[str, object] = {
            "kind": candidate.kind,
            "status": standings[name].status,
            "folds": f"{len(mine)} of {n_folds}",
        }
        for score in rows.scoring:
            line[score] = mine[score].mean()
            line[f"{score}_std"] = mine[score].std(ddof=1)
        line["fit_seconds"] = mine["fit_seconds"].mean()
        line["predict_seconds"] = mine["predict_seconds"].mean()
        line["error"] = standings[name].error
        lines[name] = line
    table = pd.DataFrame.from_dict(lines, orient="index").rename_axis("model")
    whole = table["status"].eq(DONE) & table[main].notna()
    baselines = table[table["kind"].eq(BASELINE) & whole]
    best = str(baselines[main].idxmax()) if len(baselines) else None
    for place, column in enumerate(("difference", "low", "high", "std_error")):
        values = [_difference(rows, name, best, main, confidence)[place] for name in table.index]
        table.insert(3 + 2 * len(rows.scoring) + place, column, values)
    order = table.assign(whole=whole).sort_values(
        ["whole", main], ascending=[False, False], kind="stable"
    )
    return order.drop(columns="whole"), best


def _difference(
    rows: Rows, name: str, baseline: str | None, score: str, confidence: float
) -> tuple[float, float, float, float]:
    """Mean paired difference on the folds that both have, its interval and standard error."""
    nothing = (float("nan"),) * 4
    if baseline is None or name == baseline:
        return nothing
    paired = (rows.of(name, score) - rows.of(baseline, score)).dropna()
    if not len(paired):
        return nothing
    sizes = rows.frame[rows.frame["model"] == baseline]
    share = float((sizes["n_test"] / sizes["n_train"]).mean())
    low, high, error = corrected_interval(paired.to_numpy(), share, confidence)
    return float(np.mean(paired)), low, high, error
