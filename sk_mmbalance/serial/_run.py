"""Sending rows down a fitted chain, acquiring what each stage needs when it needs it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from ..exceptions import MissingModalityError
from ..experts import Expert
from ._acquire import Acquisition
from ._chain import Thresholds
from ._policy import policy_for
from ._report import SerialReport
from ._stages import PlacedStage


@dataclass(frozen=True)
class FittedChain:
    """Everything that is needed to decide rows."""

    placed: tuple[PlacedStage, ...]
    experts: tuple[Expert, ...]
    thresholds: Thresholds
    classes: np.ndarray
    final: str = "last"
    missing: str = "error"
    reject_below: float | None = None
    reject_label: Any = None

    def run(self, X: Any, estimator: Any) -> SerialReport:
        """Decide every row of `X`, which is read as `estimator` says."""
        return _Run(self, Acquisition(X, estimator)).report()


class _Run:
    """One pass; rows leave `active` as they are decided."""

    def __init__(self, chain: FittedChain, acquisition: Acquisition):
        n_rows, n_stages = acquisition.n_samples, len(chain.placed)
        self.chain, self.acquisition = chain, acquisition
        self.policy = policy_for(len(chain.classes))
        self.active = np.arange(n_rows)
        self.codes = np.zeros(n_rows, dtype=np.intp)
        self.stage = np.full(n_rows, -1)
        self.ran = np.zeros((n_rows, n_stages), dtype=bool)
        self.latest = np.zeros((n_rows, len(chain.classes)))
        self.total = np.zeros_like(self.latest)
        for k in range(n_stages):
            if len(self.active):
                self._stage(k)
        self.rejected = np.zeros(n_rows, dtype=bool)
        if len(self.active):
            self._finish()

    def _stage(self, k: int) -> None:
        chain, rows = self.chain, self._able(k)
        if not len(rows):
            return
        arrays = {n: self.acquisition.values(n, rows) for n in chain.placed[k].inputs}
        scores = chain.experts[k].answer_arrays(arrays, len(rows))
        self.ran[rows, k], self.stage[rows] = True, k
        self.latest[rows] = scores
        self.total[rows] += scores
        if k < len(chain.placed) - 1:
            threshold = chain.thresholds.stages[k]
            sure = self.policy.exits(threshold, scores)
            self.codes[rows[sure]] = self.policy.codes(threshold, scores[sure])
            self.active = np.setdiff1d(self.active, rows[sure], assume_unique=True)

    def _able(self, k: int) -> np.ndarray:
        """Undecided rows that have what stage k needs, which is acquired here."""
        rows, placed = self.active, self.chain.placed[k]
        for name in placed.required:
            there = self.acquisition.request(name, rows)
            if self.chain.missing == "error" and not there.all():
                raise MissingModalityError(self._lacks(name, int((~there).sum()), placed.name))
            rows = rows[there]
        return rows

    def _lacks(self, name: str, n_rows: int, stage: str) -> str:
        given = self.acquisition.given
        what = f"`X` modality {name!r} contains NaN in all values of"
        if name not in given:
            what = f"`X` lacks modality {name!r} seen in fit; got {given}. It is needed in"
        return (
            f"{what} {n_rows} row(s) that stage {stage!r} must decide. Pass it, or fit with "
            "`missing='mask'` to fall back to the latest score of such rows."
        )

    def _finish(self) -> None:
        """Decide what no stage is left for."""
        rows, chain = self.active, self.chain
        n_ran = self.ran[rows].sum(axis=1)
        if not n_ran.all():
            needed = [set(placed.required) for placed in chain.placed]
            grows = len(needed) > 1 and all(a < b for a, b in pairwise(needed))
            too = ", and by `accumulate` each needs those of the stages before it" if grows else ""
            raise MissingModalityError(
                f"`X` has {int((n_ran == 0).sum())} row(s) that no stage can run: each stage lacks "
                f"a modality there{too}. Drop these rows."
            )
        if chain.final == "mean":
            self.latest[rows] = self.total[rows] / n_ran[:, None]
        scores = self.latest[rows]
        self.codes[rows] = self.policy.final_codes(chain.thresholds.cut, scores)
        if chain.reject_below is not None:
            self.rejected[rows] = scores.max(axis=1) < chain.reject_below

    def report(self) -> SerialReport:
        chain = self.chain
        costs = np.array([placed.cost for placed in chain.placed])
        labels = chain.classes[self.codes]
        if chain.reject_label is not None:
            labels = _with_label(chain.classes, chain.reject_label, self.codes, self.rejected)
        return SerialReport(
            labels=labels,
            proba=self.latest,
            stage=self.stage,
            stage_names=tuple(placed.name for placed in chain.placed),
            ran=self.ran,
            acquired=pd.DataFrame(self.acquisition.asked),
            cost=self.ran @ costs,
            rejected=self.rejected,
        )


def _with_label(
    classes: np.ndarray, reject_label: Any, codes: np.ndarray, rejected: np.ndarray
) -> np.ndarray:
    """Labels of one dtype, whether or not a row is rejected."""
    extra = np.asarray([reject_label])
    if extra.dtype.kind != classes.dtype.kind:
        extra, classes = extra.astype(object), classes.astype(object)
    return np.concatenate([classes, extra])[np.where(rejected, len(classes), codes)]
