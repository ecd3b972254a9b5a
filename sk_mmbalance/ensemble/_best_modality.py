"""Choosing the modality whose estimator is best by cross-validation."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, get_scorer, r2_score

from ..base import NUMBERS
from ..experts import bar_over_fits, classes_of, cross_scores, fit_expert, say
from ._base import ExpertsEstimator


class BestModality(ExpertsEstimator):
    """Base of `UnimodalClassifier` and `UnimodalRegressor`."""

    def __init__(
        self,
        estimator: Any = None,
        modality: str = "best",
        *,
        cv: Any = 5,
        scoring: Any = None,
        modalities: Any = None,
        missing: str = "error",
        n_jobs: int | None = None,
        verbose: int = 0,
        random_state: Any = None,
    ):
        self.estimator = estimator
        self.modality = modality
        self.cv = cv
        self.scoring = scoring
        self.modalities = modalities
        self.missing = missing
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.random_state = random_state

    def _needed_methods(self) -> tuple[str, ...]:
        return ()

    def _fit(self, X: Any, y: Any, sample_weight: Any, groups: Any, **fitted: Any) -> None:
        rows = self._read_rows(X, y, sample_weight, groups)
        names = list(rows.checked.names)
        experts = self._one_per_modality(names)
        rows = self._with_params(rows, experts)
        scores: dict[str, float] = {}
        choice = None
        if self.modality != "best":
            if self.modality not in names:
                raise ValueError(
                    f"`modality` must be 'best' or one of {names}; got {self.modality!r}."
                )
            best = self.modality
        elif len(names) == 1:
            best = names[0]
        else:
            score = Scoring(self.scoring, rows.target.kind)
            progress = bar_over_fits(type(self).__name__, self.verbose)
            choice = rows.choose_folds(self.cv, self.random_state, stacklevel=3)
            by_fold = cross_scores(
                experts, rows, choice.folds, score, self.n_jobs, progress=progress
            )
            scores = dict(zip(names, by_fold.mean(axis=1).tolist(), strict=True))
            for name, value in scores.items():
                if not np.isfinite(value):
                    raise ValueError(
                        f"`scoring` gives {value} for modality {name!r}; every fold must have a "
                        "finite score. Choose another `scoring` or fewer folds in `cv`."
                    )
            best = max(names, key=scores.__getitem__)  # the first of equals: names are sorted
        expert = fit_expert(experts[names.index(best)], rows)
        if rows.target.kind != NUMBERS:
            fitted["classes_"] = classes_of(rows.target)
        self._become_fitted(
            rows.checked.spec,
            best_modality_=best,
            scores_=scores,
            row_order_={} if choice is None else choice.told(),
            weights_={name: float(name == best) for name in names},
            estimators_={best: expert.model},
            _experts={best: expert},
            _target=rows.target,
            **fitted,
        )
        if self.verbose:
            told = ", ".join(f"{name} {value:.3f}" for name, value in scores.items())
            say(f"{type(self).__name__}: {best}" + (f" (scores: {told})" if told else ""))

    def predict(self, X: Any) -> np.ndarray:
        """Predict with the estimator of the modality.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like
            Multimodal input.

        Returns
        -------
        predictions : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            As the estimator of the modality says; in rows that lack the modality the most frequent
            class of `fit`, labels that most rows of `fit` have, or the mean.
        """
        checked = self._read_new(X)
        return self._experts[self.best_modality_].predict(checked)


class Scoring:
    """The parameter `scoring`: ``score(estimator, X, y, weight)``, which processes can be sent.

    Parameters
    ----------
    scoring : str, callable or None
        None is (subset) accuracy, and R² of numbers.
    kind : str
        Kind of the target.
    """

    def __init__(self, scoring: Any, kind: str):
        if scoring is not None and not callable(scoring):
            try:
                get_scorer(scoring)
            except (TypeError, ValueError) as error:
                raise ValueError(
                    "`scoring` must be the name of a scorer (sklearn.metrics.get_scorer_names "
                    f"lists them), a callable or None; got {scoring!r}."
                ) from error
        self.scoring = scoring
        self.kind = kind

    def __call__(self, estimator: Any, X: Any, y: np.ndarray, weight: np.ndarray | None) -> float:
        if self.scoring is None:
            metric = r2_score if self.kind == NUMBERS else accuracy_score
            return float(metric(y, estimator.predict(X), sample_weight=weight))
        if callable(self.scoring) and not hasattr(self.scoring, "_score_func"):
            return float(self.scoring(estimator, X, y))
        extra = {} if weight is None else {"sample_weight": weight}
        return float(get_scorer(self.scoring)(estimator, X, y, **extra))
