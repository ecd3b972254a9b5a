"""What late fusion of classifiers and of regressors share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from ..base import NUMBERS, Target
from ..experts import bar_over_fits, classes_of, cross_fit_parts, fit_experts, say
from ..modalities import CheckedModalities
from ._base import ExpertsEstimator
from ._stacking import Stacking


class LateFusion(ExpertsEstimator):
    """Base of `LateFusionClassifier` and `LateFusionRegressor`.

    A subclass says how answers are scored, fused by weights, and how weights are learnt.
    """

    _rules: ClassVar[tuple[str, ...]]
    _stacking: Stacking | None

    def __init__(
        self,
        estimator: Any = None,
        weights: Any = "uniform",
        rule: str = "mean",
        *,
        cv: Any = 5,
        modalities: Any = None,
        missing: str = "error",
        n_jobs: int | None = None,
        verbose: int = 0,
        random_state: Any = None,
    ):
        self.estimator = estimator
        self.weights = weights
        self.rule = rule
        self.cv = cv
        self.modalities = modalities
        self.missing = missing
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.random_state = random_state

    def _fit(self, X: Any, y: Any, sample_weight: Any, groups: Any) -> None:
        rows = self._read_rows(X, y, sample_weight, groups)
        names, target = list(rows.checked.names), rows.target
        shares = self._fixed_weights(names)
        experts = self._one_per_modality(names)
        rows = self._with_params(rows, experts)
        learns = len(names) > 1 and (shares is None or self.rule == "stacking")
        scores: dict[str, float] = {}
        choice = None
        if learns:
            progress = bar_over_fits(type(self).__name__, self.verbose)
            choice = rows.choose_folds(self.cv, self.random_state, stacklevel=3)
            oof = cross_fit_parts(experts, rows, choice.parts, self.n_jobs, progress=progress)
            tested = oof.tested
            answers, y = oof.answers[:, tested], rows.y[oof.rows]
            present = rows.checked.present[oof.rows]
            weight = None if rows.weight is None else rows.weight[oof.rows]
            for name, own in zip(names, answers, strict=True):
                scores[name] = self._score_of(target, own, y, weight)
        fitted = fit_experts(experts, rows, self.n_jobs)
        stacking = None
        if learns and self.rule == "stacking":
            prior = fitted[0].prior
            stacking = Stacking.learn(target, prior, list(answers), present, y, weight)
        elif learns:
            shares = self._learn_weights(target, answers, present, y, weight)
        shares = np.ones(1) if shares is None else shares
        weights = None if stacking is not None else dict(zip(names, shares.tolist(), strict=True))
        known = {} if target.kind == NUMBERS else {"classes_": classes_of(target)}
        self._become_fitted(
            rows.checked.spec,
            estimators_={expert.name: expert.model for expert in fitted},
            weights_=weights,
            stacker_=None if stacking is None else stacking.shown,
            scores_=scores,
            row_order_={} if choice is None else choice.told(),
            best_modality_=max(names, key=scores.__getitem__) if scores else None,
            _experts={expert.name: expert for expert in fitted},
            _stacking=stacking,
            _target=target,
            **known,
        )
        if self.verbose:
            say(f"{type(self).__name__}: {self._in_a_line()}")

    def _in_a_line(self) -> str:
        """What was learnt, for `verbose`."""
        shares = {} if self.weights_ is None else self.weights_
        parts = []
        for name in self.modality_names_:
            said = f"weight {shares[name]:.2f}" if name in shares else "stacked"
            known = f", out-of-fold score {self.scores_[name]:.3f}" if name in self.scores_ else ""
            parts.append(f"{name} {said}{known}")
        return "; ".join(parts)

    def _fused(self, checked: CheckedModalities) -> np.ndarray:
        """Fused answers, (n_samples, n_outputs)."""
        answers = self._answers(checked)
        if len(answers) == 1:
            return next(iter(answers.values()))
        if self._stacking is not None:
            return self._stacking.fuse(list(answers.values()), checked.present)
        assert self.weights_ is not None
        weights = np.array([self.weights_[name] for name in answers])
        return self._fuse(self._target, list(answers.values()), checked.present, weights)

    def _score_of(
        self, target: Target, answers: np.ndarray, y: np.ndarray, weight: np.ndarray | None
    ) -> float:
        """How good the answers of one modality are."""
        raise NotImplementedError

    def _learn_weights(
        self,
        target: Target,
        answers: np.ndarray,
        present: np.ndarray,
        y: np.ndarray,
        weight: np.ndarray | None,
    ) -> np.ndarray:
        """Best weights for out-of-fold answers, (n_modalities, n_samples, n_outputs)."""
        raise NotImplementedError

    def _fuse(
        self,
        target: Target,
        answers: Sequence[np.ndarray],
        present: np.ndarray,
        weights: np.ndarray,
    ) -> np.ndarray:
        """Answers fused by weights of the modalities."""
        raise NotImplementedError

    def _fixed_weights(self, names: list[str]) -> np.ndarray | None:
        """Weights that need not be learnt, summing to 1; None for "cv"."""
        if self.rule not in self._rules:
            raise ValueError(f"`rule` must be one of {list(self._rules)}; got {self.rule!r}.")
        given = self.weights
        if isinstance(given, str) and given not in ("uniform", "cv"):
            raise ValueError(
                f"`weights` must be 'uniform', 'cv', a dict by modality or an array; got {given!r}."
            )
        if self.rule == "stacking" and not (isinstance(given, str) and given == "uniform"):
            raise ValueError(
                "`weights` must be left at 'uniform' with rule='stacking', which learns its own; "
                f"got {given!r}."
            )
        if isinstance(given, str):
            return None if given == "cv" else np.full(len(names), 1.0 / len(names))
        if isinstance(given, Mapping):
            if set(given) != set(names):
                raise ValueError(
                    f"`weights` must name every modality of {names} and no other; got "
                    f"{sorted(given)}."
                )
            given = [given[name] for name in names]
        try:
            values = np.asarray(given, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise TypeError(f"`weights` must hold numbers; got {given!r}.") from error
        if values.shape != (len(names),):
            raise ValueError(
                f"`weights` must have one value for each modality of {names}; got shape "
                f"{values.shape}."
            )
        if not np.isfinite(values).all() or (values < 0).any() or not values.any():
            raise ValueError(
                f"`weights` must be finite, not negative and not all 0; got {values.tolist()}."
            )
        return values / values.sum()
