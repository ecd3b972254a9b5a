"""`Comparison`: what `compare` found."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ._duration import told
from ._evaluate import Work, fit_candidate
from ._html_page import page_of
from ._schedule import Schedule
from ._standing import in_words
from ._table import Rows, make_table
from ._verdict import recommended, verdict
from ._words import gain_cell, score_cell, score_title

if TYPE_CHECKING:
    from ._comparison_display import ComparisonDisplay


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """What `compare` found; prints as a table and a verdict.

    Attributes
    ----------
    table : DataFrame
        One row a model, the best first: `kind`, `status` ("done", "ended" when time was up before
        its last fold, "failed", "no time left" when it never began), `folds` ("2 of 5"), mean of
        each score and its standard deviation over folds (``accuracy``, ``accuracy_std``, ...), the
        paired `difference` of the first score to the best baseline with its interval from `low` to
        `high` and `std_error` (corrected resampled t), `fit_seconds` and `predict_seconds` a fold,
        and `error`. Of a model that is not "done" the means are of the folds that it has, the
        difference is to the baseline's scores on these same folds; neither enters the verdict.
    scores : DataFrame
        One row a model and fold: scores, seconds, rows, and the setting that was `chosen`.
    verdict : str
        What the table says.
    baseline : str or None
        Name of the best baseline.
    best : str or None
        Name of the model to take: the best one if it beats the best baseline by more than one
        standard error, the best baseline otherwise. None where fewer than two models finished all
        folds.
    details : dict of str to dict
        By model, as seen on the first fold: "worth" of the modalities, "missing" modality curve,
        "history" of a network, and "calibration" over all folds.
    setting : dict
        Rows, modalities, groups, folds, scores, seed, seconds, and notes on columns.
    """

    table: pd.DataFrame
    scores: pd.DataFrame
    verdict: str
    baseline: str | None
    best: str | None
    details: dict[str, dict[str, Any]]
    setting: dict[str, Any]
    _work: Work = field(kw_only=True)

    # -- to look at ------------------------------------------------------------------------

    def report(self) -> str:
        """Table and verdict in words and figures."""
        return f"{self._title()}\n\n{self._shown().to_string()}\n\n{self.verdict}"

    def __repr__(self) -> str:
        return self.report()

    def _repr_html_(self) -> str:
        return f"{self._shown().to_html()}<p>{escape(self.verdict)}</p>"

    def _title(self) -> str:
        s, n = self.setting, len(self.setting["modalities"])
        modalities = f"{n} modalit{'y' if n == 1 else 'ies'}"
        groups = f", {s['groups']} groups kept whole" if s["groups"] else ""
        return (
            f"{s['n_rows']} rows, {modalities}, {s['n_folds']} folds{groups}, {told(s['seconds'])}"
        )

    def _shown(self) -> pd.DataFrame:
        """The columns that a person reads first, as text."""
        table, shown = self.table, pd.DataFrame(index=self.table.index)
        for score in self.setting["scoring"]:
            shown[score_title(score)] = [
                score_cell(score, mean, spread)
                for mean, spread in zip(table[score], table[f"{score}_std"], strict=True)
            ]
        shown["better by (95 %)"] = [
            gain_cell(*line) for line in table[["difference", "low", "high"]].to_numpy()
        ]
        shown["seconds"] = ["" if np.isnan(s) else f"{s:.1f}" for s in table["fit_seconds"]]
        shown["status"] = [
            in_words(status, folds)
            for status, folds in zip(table["status"], table["folds"], strict=True)
        ]
        return shown

    def plot(self, ax: Any = None) -> ComparisonDisplay:
        """Draw every model's scores by fold, and their mean.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.

        Returns
        -------
        ComparisonDisplay
            The display, with `ax_` and `figure_`.
        """
        from ._comparison_display import ComparisonDisplay

        return ComparisonDisplay.from_comparison(self, ax=ax)

    # -- to go on with ---------------------------------------------------------------------

    def best_estimator(self, name: str | None = None) -> Any:
        """A model fitted on all rows, its setting chosen anew on inner folds.

        It takes rows in the form that `compare` was given by name, `Modalities` or a dict, and
        holds its own preparation; ``joblib.dump`` saves it.

        Parameters
        ----------
        name : str, default=None
            Which model; None takes `best`.

        Returns
        -------
        estimator : Pipeline
            Fitted.

        Raises
        ------
        ValueError
            If there is no such model, or fewer than two that finished.
        """
        name = self.best if name is None else name
        if name is None:
            raise ValueError(
                "fewer than two models finished all folds; name one, or give more time."
            )
        if name not in self._work.candidates:
            raise ValueError(f"`name` must be one of {list(self._work.candidates)}; got {name!r}.")
        work = self._work
        rows = np.arange(len(work.problem.y))
        main = next(iter(work.scorers.values()))
        model = fit_candidate(work.candidates[name], work.problem, rows, main)
        return getattr(model, "best_estimator_", model)

    def to_dict(self) -> dict[str, Any]:
        """Everything but models and data, in what JSON knows.

        Returns
        -------
        content : dict
            Table, scores, verdict, details and setting; NaN as None.
        """
        return _plain(
            {
                "verdict": self.verdict,
                "best": self.best,
                "baseline": self.baseline,
                "table": self.table.reset_index().to_dict("records"),
                "scores": self.scores.to_dict("records"),
                "details": self.details,
                "setting": self.setting,
            }
        )

    def to_html(self, file: str | PathLike, title: str = "A fair comparison") -> None:
        """Write the report: one file, without scripts, that needs nothing from elsewhere.

        Parameters
        ----------
        file : str or path-like
            Where.
        title : str, default="A fair comparison"
            Its heading.
        """
        Path(fspath(file)).write_text(page_of(self, title), encoding="utf-8")


def collect(work: Work, schedule: Schedule, setting: dict[str, Any]) -> Comparison:
    """The result of a schedule that has run."""
    lines, details = [], {}
    for name in work.candidates:
        parts = [
            schedule.store.found.get((schedule.marks[name], fold), {})
            for fold in range(len(work.problem.folds))
        ]
        details[name] = _details(parts)
        for fold, found in enumerate(parts):
            if "scores" in found:
                lines.append({"model": name, "fold": fold, **_flat(found)})
    scoring = list(work.scorers)
    columns = ["model", "fold", *scoring, "fit_seconds", "predict_seconds", "n_train", "n_test"]
    frame = pd.DataFrame(lines, columns=[*columns, "chosen"])
    table, baseline = make_table(
        Rows(frame, scoring), work.candidates, schedule.standings, len(work.problem.folds), 0.95
    )
    return Comparison(
        table,
        frame,
        verdict(table, scoring[0], baseline),
        baseline,
        recommended(table, scoring[0], baseline),
        details,
        setting,
        _work=work,
    )


def _flat(found: dict[str, Any]) -> dict[str, Any]:
    kept = {k: found[k] for k in ("fit_seconds", "predict_seconds", "n_train", "n_test", "chosen")}
    return {**{k: np.nan if v is None else v for k, v in found["scores"].items()}, **kept}


def _details(parts: list[dict[str, Any]]) -> dict[str, Any]:
    keys = ("worth", "missing", "removal", "history", "not_seen")
    seen = {key: part[key] for part in parts[:1] for key in keys if part.get(key) is not None}
    bins = [part["calibration"] for part in parts if part.get("calibration")]
    if bins:
        seen["calibration"] = np.sum(bins, axis=0).tolist()
    return seen


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value
