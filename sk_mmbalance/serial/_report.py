"""What one call of a serial classifier did: decisions, stages, acquisitions, cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True, eq=False)
class SerialReport:
    """Row by row account of one pass through a chain.

    Attributes
    ----------
    labels : ndarray of shape (n_samples,)
        Decisions; `reject_label` where it was set and the row was refused.
    proba : ndarray of shape (n_samples, n_classes)
        Class scores that the decision was made from.
    stage : ndarray of int of shape (n_samples,)
        Position of the stage that decided.
    stage_names : tuple of str
        Names of the stages, in the order of the chain.
    ran : ndarray of bool of shape (n_samples, n_stages)
        Which stages ran.
    acquired : DataFrame of bool of shape (n_samples, n_modalities)
        Which modalities were acquired.
    cost : ndarray of shape (n_samples,)
        Cost of the stages that ran.
    rejected : ndarray of bool of shape (n_samples,)
        Rows refused at the end of the chain (see `reject_below`).
    """

    labels: np.ndarray
    proba: np.ndarray
    stage: np.ndarray
    stage_names: tuple[str, ...]
    ran: np.ndarray
    acquired: pd.DataFrame
    cost: np.ndarray
    rejected: np.ndarray

    @property
    def total_cost(self) -> float:
        """Cost of all rows."""
        return float(self.cost.sum())

    @property
    def mean_cost(self) -> float:
        """Mean cost per row."""
        return float(self.cost.mean())

    @property
    def deferred_share(self) -> float:
        """Share of rows that the first stage they could run did not decide."""
        return float((self.ran.sum(axis=1) > 1).mean())

    def by_stage(self) -> pd.DataFrame:
        """Per stage: rows that ran it, rows it decided, and the share of both."""
        ran = self.ran.sum(axis=0)
        decided = np.bincount(self.stage, minlength=len(self.stage_names))
        n_samples = len(self.stage)
        return pd.DataFrame(
            {
                "n_ran": ran,
                "n_decided": decided,
                "share_ran": ran / n_samples,
                "share_decided": decided / n_samples,
            },
            index=pd.Index(self.stage_names, name="stage"),
        )
