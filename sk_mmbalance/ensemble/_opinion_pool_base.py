"""What the opinion pools of classifiers and of regressors share."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from .._sklearn import routing_enabled
from ..base import FoldChoice, TrainingRows, is_real
from ..experts import Admission, NamedExpert, OutOfFold, say
from ..modalities import CheckedModalities
from ._base import ExpertsEstimator
from ._pool_experts import ChosenExperts, auto_experts, given_experts, read_experts, replaced
from ._pool_memory import refuse_to_make_dense
from ._pool_networks import admit_networks
from ._pool_work import Work


class OpinionPool(ExpertsEstimator):
    """Base of `OpinionPoolClassifier` and `OpinionPoolRegressor`.

    There is one fusion for all classes, or one for each label or column of `y`.
    """

    _makes_dense = True
    _role = "expert"
    _holder = "experts"

    experts: Any
    rule: str
    cv: Any
    min_pattern_rows: int
    time_limit: float | None
    memory_limit: float | None
    n_jobs: int | None
    verbose: int
    random_state: Any
    _fusions: list[Any]

    # -- fit -------------------------------------------------------------------------------

    def _fit(self, X: Any, y: Any, sample_weight: Any, groups: Any) -> None:
        self._check_kinds()
        self._check_parameters()
        work = Work(type(self).__name__, self.time_limit, self.n_jobs, self.verbose)
        rows = self._read_rows(X, y, sample_weight, groups)
        chosen = self._experts_for(rows)
        rows = self._with_params(rows, chosen.named)
        scores, folds = pd.DataFrame(), None
        if len(chosen.named) > 1:
            folds = rows.choose_folds(self.cv, self.random_state, stacklevel=3)
        done = work.fit(chosen, rows, None if folds is None else folds.parts)
        fusions = self._new_fusions([expert.named for expert in done.fitted], rows)
        if done.oof is not None and folds is not None:
            scores = self._learn(fusions, done.oof, rows, folds)
            if done.oof.n_parts > 1 and len(scores):
                scores["n_rows"] //= done.oof.n_parts
        self._become_fitted(
            rows.checked.spec,
            experts_={expert.name: expert.model for expert in done.fitted},
            oof_scores_=scores,
            left_out_={**chosen.left_out, **done.left_out},
            row_order_={} if folds is None else folds.told(),
            _experts={expert.name: expert for expert in done.fitted},
            _fusions=fusions,
            _target=rows.target,
            **self._told(fusions, rows),
        )
        if self.verbose:
            say(f"{type(self).__name__}: {self._in_a_line()}")

    def _made_dense(self, checked: CheckedModalities, reset: bool) -> CheckedModalities:
        if reset:
            refuse_to_make_dense(checked, self.memory_limit)
        return super()._made_dense(checked, reset)

    def _in_a_line(self) -> str:
        """What was learnt, for `verbose`."""
        shares = getattr(self, "modality_weights_", None) or {}
        told = ", ".join(f"{name} {np.mean(share):.2f}" for name, share in shares.items())
        text = f"{len(self._experts)} experts" + (f", weights by modality: {told}" if told else "")
        if not len(self.oof_scores_):
            return text
        score = str(self.oof_scores_.columns[0])
        pool = self.oof_scores_[score].iloc[-1]
        return f"{text}; out-of-fold {score.replace('_', ' ')} {pool:.3f}"

    def _new_fusions(self, named: list[NamedExpert], rows: TrainingRows) -> list[Any]:
        """Fusions that have learnt nothing yet."""
        raise NotImplementedError

    def _learn(
        self, fusions: list[Any], oof: OutOfFold, rows: TrainingRows, choice: FoldChoice
    ) -> pd.DataFrame:
        """Teach the fusions by answers out of the chosen folds; their scores."""
        raise NotImplementedError

    def _told(self, fusions: list[Any], rows: TrainingRows) -> dict[str, Any]:
        """What people read of the fusions, by name of attribute."""
        raise NotImplementedError

    def _auto(self, rows: TrainingRows, n_columns: int, **limits: Any) -> Admission:
        """Default estimators for a number of columns."""
        raise NotImplementedError

    def _experts_for(self, rows: TrainingRows) -> ChosenExperts:
        """The experts, each of which has a row to learn from."""
        checked = rows.checked
        if isinstance(self.experts, str):
            unlimited = self.time_limit is not None
            limits = {"memory_limit": self.memory_limit, "unlimited": unlimited}
            n_fits = 1 + (int(self.cv) if isinstance(self.cv, int | np.integer) else 5)
            chosen = auto_experts(
                checked,
                lambda n_columns, some, beside: self._auto(
                    rows, n_columns, incomplete=some, megabytes_beside=beside, **limits
                ),
                n_fits,
                unlimited,
                partial(admit_networks, rows=rows, random_state=self.random_state)
                if self.experts == "auto+nets"
                else None,
            )
        else:
            chosen = ChosenExperts(read_experts(self.experts, checked.names, self._checked_expert))
        for expert in chosen.named:
            if not expert.available(checked.present, checked.names).any():
                raise ValueError(
                    f"`X` has no row with the modalities {list(expert.modalities)} that expert "
                    f"{expert.name!r} needs; leave it out, or give it fewer."
                )
        return chosen

    def _checked_expert(self, name: str, given: Any) -> Any:
        model = self._or_default(given)
        self._refuse_other(f"`experts` for {name!r} must be a {self._noun} instance", model)
        return model

    def _check_parameters(self) -> None:
        self._check_choice("rule", self._pool_rules)
        if isinstance(self.experts, str) and self.experts not in ("auto", "auto+nets"):
            raise ValueError(
                "`experts` must be 'auto', 'auto+nets', a dict or a list of experts; got "
                f"{self.experts!r}."
            )
        for name in ("time_limit", "memory_limit"):
            limit = getattr(self, name)
            if limit is not None and not (is_real(limit) and float(limit) > 0):
                raise ValueError(f"`{name}` must be a number above 0 or None; got {limit!r}.")
        if self.min_pattern_rows < 1:
            raise ValueError(
                f"`min_pattern_rows` must be at least 1; got {self.min_pattern_rows!r}."
            )

    def _check_choice(self, name: str, known: tuple[str, ...]) -> None:
        if getattr(self, name) not in known:
            raise ValueError(f"`{name}` must be one of {list(known)}; got {getattr(self, name)!r}.")

    #: What `rule` may be.
    _pool_rules: tuple[str, ...] = ()

    # -- ask -------------------------------------------------------------------------------

    def _without_expert(self, checked: CheckedModalities) -> np.ndarray:
        """Rows in which no expert has its input."""
        knows = [e.named.available(checked.present, checked.names) for e in self._experts.values()]
        return ~np.any(knows, axis=0)

    @property
    def _prior(self) -> np.ndarray:
        return next(iter(self._experts.values())).prior

    # -- parameters and metadata of the experts --------------------------------------------

    def _named(self) -> dict[str, Any]:
        """Estimators as they were given, None among them."""
        try:
            return {name: model for name, model, _ in given_experts(self.experts)}
        except (TypeError, ValueError):  # "auto" has none yet; what is wrong, `fit` says
            return {}

    def _replaced(self, name: str, model: Any) -> Any:
        return replaced(self.experts, name, model)

    def _given_estimators(self) -> dict[str, Any]:
        return {name: self._or_default(model) for name, model in self._named().items()}

    def _with_params(self, rows: TrainingRows, experts: list[NamedExpert]) -> TrainingRows:
        if isinstance(self.experts, str):  # they are made to request weights
            return rows.with_routed({}) if routing_enabled() else rows
        return super()._with_params(rows, experts)

    def _route_of(self, name: str) -> str:
        return name
