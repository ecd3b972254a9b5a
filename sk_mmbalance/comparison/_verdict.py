"""What the table says, in words."""

from __future__ import annotations

import pandas as pd

from ._candidate import BASELINE
from ._standing import DONE, ENDED, FAILED, WAITING
from ._words import score_name, score_value

#: More names than these are counted: the table has them.
_MOST_NAMES = 5


def recommended(table: pd.DataFrame, main: str, baseline: str | None) -> str | None:
    """The model to take: the best one, if it beats the best baseline by a standard error.

    Otherwise the best baseline, which is simpler. None where fewer than two models have finished
    all folds: one alone has won against nobody.
    """
    whole = _finished(table, main)
    if len(whole) < 2:
        return None
    best = str(whole[main].idxmax())
    if baseline is None or best == baseline:
        return best
    line = table.loc[best]
    return best if line["difference"] > line["std_error"] else baseline


def verdict(table: pd.DataFrame, main: str, baseline: str | None) -> str:
    """Sentences: what to take, how sure that is, what did not come to its end."""
    parts = [
        _on_the_best(table, main, baseline),
        *_on_how_few(table, main, baseline),
        *_on_the_unfinished(table, main),
    ]
    return " ".join(part for part in parts if part)


def _finished(table: pd.DataFrame, main: str) -> pd.DataFrame:
    return table[table["status"].eq(DONE) & table[main].notna()]


def _on_the_best(table: pd.DataFrame, main: str, baseline: str | None) -> str:
    chosen = recommended(table, main, baseline)
    score = score_name(main)
    means = {name: score_value(main, mean) for name, mean in table[main].items()}
    if chosen is None:
        alone = list(_finished(table, main).index)
        if not alone:
            return "No model finished all folds: nothing can be said."
        return (
            f"Only {alone[0]} finished all folds ({score} {means[alone[0]]:.3f}): there is nothing "
            "to compare it with, so nothing is decided."
        )
    best = f"{score} {means[chosen]:.3f}"
    if baseline is None:
        return (
            f"No baseline finished, so whether anything beats one is not known; the best of the "
            f"others is {chosen} ({best})."
        )
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


def _on_how_few(table: pd.DataFrame, main: str, baseline: str | None) -> list[str]:
    """What weakens the verdict: few took part in it, or few of those that are to be beaten."""
    n_done, n_all = len(_finished(table, main)), len(table)
    if n_done < 2 or n_done == n_all:
        return []
    said = []
    if 2 * n_done <= n_all:
        said.append(f"Only {n_done} of {n_all} models finished: this is among them alone.")
    is_baseline = table["kind"].eq(BASELINE)
    n_baselines = int(is_baseline.sum())
    n_finished = int((is_baseline & table["status"].eq(DONE)).sum())
    if baseline is not None and 2 * n_finished <= n_baselines:
        said.append(
            f"Only {n_finished} of {n_baselines} baselines finished: the best one may be another."
        )
    return said


def _on_the_unfinished(table: pd.DataFrame, main: str) -> list[str]:
    said = []
    for status, words in (
        (ENDED, "ended before the last fold, for lack of time"),
        (WAITING, "not begun, for lack of time"),
        (FAILED, "failed"),
    ):
        lines = table[table["status"].eq(status)]
        told = [
            f"{name} ({line['folds']} folds)" if status != WAITING else str(name)
            for name, line in lines.iterrows()
        ]
        if told:
            names = ", ".join(told) if len(told) <= _MOST_NAMES else f"{len(told)} models"
            said.append(f"Not in the running ({words}): {names}.")
    ahead = table[table["status"].isin([ENDED, FAILED]) & table["difference"].gt(0)]
    if len(ahead):
        told = [f"{n} ({line['difference']:+.3f})" for n, line in ahead.iterrows()]
        said.append(
            "Of these, ahead of the best baseline on the folds that they have: "
            f"{', '.join(told[:_MOST_NAMES])}."
        )
    if table["status"].isin([ENDED, WAITING]).any():
        said.append("Give more time: finished folds of a file of results are not made again.")
    return said
