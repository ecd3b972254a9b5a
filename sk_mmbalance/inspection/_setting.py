"""`Setting`: what decides the numbers of a result, kept with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._evaluation import Evaluation


@dataclass(frozen=True)
class Setting:
    """What decides the numbers of a result.

    Attributes
    ----------
    estimator : str
        Name of the estimator's class; of a pipeline its last step's, of a search its best one's.
    scoring : str
        Name of the scorer.
    removal : str
        What stood in the place of removed modalities.
    n_repeats : int
        Draws behind each score; 1 where there is no chance in them.
    empty : str or float
        What stood for an answer where nothing was left.
    n_samples : int
        Number of rows.
    n_groups : int or None
        Number of groups resampled; None where rows were.
    n_bootstrap : int
        Number of resamples.
    confidence : float
        Level of the intervals.
    random_state : object
        The seed that was given.
    """

    estimator: str
    scoring: str
    removal: str
    n_repeats: int
    empty: Any
    n_samples: int
    n_groups: int | None
    n_bootstrap: int
    confidence: float
    random_state: Any

    @classmethod
    def of(
        cls, evaluation: Evaluation, scoring: str | None = None, n_repeats: int | None = None
    ) -> Setting:
        """Setting of an evaluation.

        Parameters
        ----------
        evaluation : Evaluation
            The evaluation.
        scoring : str, default=None
            Name of what was scored; None for the evaluation's scorer.
        n_repeats : int, default=None
            Number of draws; None for that of the removal.

        Returns
        -------
        Setting
            The setting.
        """
        options, groups = evaluation.options, evaluation.groups
        return cls(
            _name_of(evaluation.estimator),
            evaluation.scoring_name if scoring is None else scoring,
            options.removal,
            evaluation.removal.n_draws if n_repeats is None else n_repeats,
            evaluation.empty_rule,
            len(evaluation.y),
            None if groups is None else len(set(groups.tolist())),
            options.n_bootstrap,
            options.confidence,
            options.random_state,
        )

    def title(self, what: str) -> str:
        """A line on what a table shows and a line on how it was made."""
        times = f", {self.n_repeats} draws" if self.n_repeats > 1 else ""
        rows = f"{self.n_samples} rows"
        if self.n_groups is not None:
            rows += f" in {self.n_groups} groups"
        return (
            f"{what}: {self.scoring} of {self.estimator} on {rows}\n"
            f'removal "{self.removal}"{times}; nothing left: {self.empty}'
        )


def _name_of(estimator: Any) -> str:
    """Class of what predicts in the end."""
    while True:
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif hasattr(estimator, "steps"):
            estimator = estimator.steps[-1][1]
        else:
            return type(estimator).__name__
