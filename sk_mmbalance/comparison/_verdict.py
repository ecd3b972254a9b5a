"""What the table says, in words."""

from __future__ import annotations

import pandas as pd

from ._candidate import BASELINE
from ._schedule import DONE, ENDED, FAILED, WAITING


def recommended(table: pd.DataFrame, main: str, baseline: str | None) -> str | None:
    """The model to take: the best one, if it beats the best baseline by a standard error.

    Otherwise the best baseline, which is simpler. None if no model has finished all folds.
    """
    whole = table[table["status"].eq(DONE) & table[main].notna()]
    if not len(whole):
        return None
    best = str(whole[main].idxmax())
    if baseline is None or best == baseline:
        return best
    line = table.loc[best]
    return best if line["difference"] > line["std_error"] else baseline


def verdict(table: pd.DataFrame, main: str, baseline: str | None) -> str:
    """Sentences: what to take, how sure that is, what did not come to its end."""
    parts = [_on_the_best(table, main, baseline), *_on_the_unfinished(table)]
    return " ".join(part for part in parts if part)


def _on_the_best(table: pd.DataFrame, main: str, baseline: str | None) -> str:
    chosen = recommended(table, main, baseline)
    if chosen is None:
        return "No model finished all folds: nothing can be said."
    score, means = main.replace("_", " "), table[main].to_dict()
    best = f"{score} {means[chosen]:.3f}"
    if baseline is None:
        return f"No baseline finished; the best of the others is {chosen} ({best})."
    n_others = int((table["kind"].ne(BASELINE) & table["status"].eq(DONE)).sum())
    if chosen == baseline and not n_others:
        rest = "finished" if table["kind"].ne(BASELINE).any() else "took part"
        return f"Among the baselines, {baseline} is best ({best}); no other model {rest}."
    if chosen == baseline:
        return (
            f"No method beats {baseline} ({best}) by more than one standard error: take the "
            "baseline, it is the simpler model."
        )
    difference, low, high = table.loc[[chosen], ["difference", "low", "high"]].to_numpy()[0]
    said = (
        f"{chosen} beats the best baseline, {baseline}, by {difference:.3f} in {score} "
        f"({means[chosen]:.3f} against {means[baseline]:.3f}; 95 % interval {low:+.3f} to "
        f"{high:+.3f})"
    )
    said += "." if low > 0 else ": by more than one standard error, but the interval includes 0."
    if n_others > 1:
        said += (
            f" It is the best of {n_others} models on these folds, so expect a little less on "
            "new rows."
        )
    return said


def _on_the_unfinished(table: pd.DataFrame) -> list[str]:
    said = []
    for status, words in (
        (ENDED, "ended when their share of the time was up"),
        (WAITING, "not begun, for lack of time"),
        (FAILED, "failed"),
    ):
        names = list(table.index[table["status"].eq(status)])
        if names:
            said.append(f"Not in the running ({words}): {', '.join(names)}.")
    if table["status"].isin([ENDED, WAITING]).any():
        said.append("Give more time: finished folds of a file of results are not made again.")
    return said
