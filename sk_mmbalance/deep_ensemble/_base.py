"""What ensembles of networks share: members of different seeds, trained as one where that pays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from joblib import Parallel, delayed
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.utils import check_random_state, get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted

from .._sklearn import (
    HasMethods,
    Interval,
    StrOptions,
    fit_context,
    routing_enabled,
)
from ..base import scorable
from ..modalities import Modalities
from ..model_selection import fit_together

#: Seeds are drawn below this, as scikit-learn draws them.
_SEEDS = np.iinfo(np.int32).max

#: More members than memory holds are a mistake.
_MOST = 100_000


@dataclass(frozen=True)
class _Asked:
    """How members are to be trained, as `fit_together` reads it."""

    called: str
    estimator: Any
    n_jobs: Any
    stack: Any
    verbose: int
    max_models: Any = "auto"
    halving: Any = None
    error_score: str = "raise"


class DeepEnsemble(MetaEstimatorMixin, BaseEstimator):
    """Clones of one estimator with seeds of their own."""

    _several_labels: bool

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit", "predict", "get_params"]), None],
        "n_estimators": [Interval(Integral, 1, _MOST, closed="both")],
        "stack": ["boolean", StrOptions({"auto"})],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }
    #: Attributes of the members that are the ensemble's own.
    _shared: ClassVar[tuple[str, ...]] = (
        "n_features_in_",
        "feature_names_in_",
        "modality_names_",
        "modality_shapes_",
    )

    def __init__(
        self,
        estimator: Any = None,
        *,
        n_estimators: int = 5,
        stack: bool | str = "auto",
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ):
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.stack = stack
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def _default(self) -> Any:
        raise NotImplementedError

    def _member(self) -> Any:
        """What members are clones of."""
        if self.estimator is None:
            return self._default()
        if isinstance(self.estimator, type):
            raise TypeError(
                f"`estimator` must be an estimator, not a class; got {self.estimator.__name__}. "
                f"Pass {self.estimator.__name__}()."
            )
        return self.estimator

    def _hands_params_to(self) -> Any:
        """Whose `fit` gets what this one's is given."""
        return self._member()

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, **params: Any) -> Any:
        """Fit a member for every seed, all of them to all rows.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array of shape (n_samples, n_features)
            What the estimator takes.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The target.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, for an estimator that takes some.
        **params : dict
            Further parameters of the estimator's `fit`, such as ``groups``.

        Returns
        -------
        self
            The fitted ensemble.
        """
        member = self._member()
        seeds = self._seeds(member)
        if isinstance(X, Mapping) and not issparse(X):  # scipy's dict of keys is a Mapping
            X = Modalities(X)
        given = {"sample_weight": sample_weight, **params}
        # an estimator that takes no weights may be given none
        given = {name: value for name, value in given.items() if value is not None}
        if given and routing_enabled():
            given = process_routing(self, "fit", **given).estimator.fit
        asked = _Asked(type(self).__name__, member, self.n_jobs, self.stack, self.verbose)
        found, report = fit_together(asked, seeds, X, y, given)
        left = [k for k, one in enumerate(found) if one is None]
        alone = Parallel(n_jobs=self.n_jobs)(
            delayed(_fitted)(clone(member).set_params(**seeds[k]), X, y, given) for k in left
        )
        for k, one in zip(left, alone, strict=True):
            found[k] = one
        for one in found:
            if isinstance(one, Exception):
                raise one
        own = {name: getattr(found[0], name) for name in self._kept() if hasattr(found[0], name)}
        several = str(type_of_target(scorable(y))).startswith("multilabel")
        fitted = own | {"estimators_": found, "vectorized_": report, "_several_labels": several}
        fitted_attributes: dict[str, Any] = self.__dict__
        for name in self._kept():
            fitted_attributes.pop(name, None)
        fitted_attributes.update(fitted)
        return self

    def _kept(self) -> tuple[str, ...]:
        return self._shared

    def _seeds(self, member: Any) -> list[dict[str, int]]:
        """By member, its seeds: of the estimator, and of those inside it."""
        names = sorted(
            name
            for name in member.get_params(deep=True)
            if name.rpartition("__")[2] == "random_state"
        )
        if not names:
            raise ValueError(
                f"`estimator` {type(member).__name__} has no `random_state`: its members would all "
                "be the same. Give one that has, such as a network."
            )
        draws = check_random_state(self.random_state)
        return [
            {name: int(draws.randint(_SEEDS)) for name in names} for _ in range(self.n_estimators)
        ]

    def _mean(self, method: str, X: Any) -> np.ndarray:
        """Mean of what the members answer."""
        check_is_fitted(self, "estimators_")
        answers = [getattr(member, method)(X) for member in self.estimators_]
        return np.mean(answers, axis=0)

    def get_metadata_routing(self) -> MetadataRouter:
        """Get what metadata `fit` hands on to the estimator.

        Returns
        -------
        routing : MetadataRouter
            For scikit-learn's metadata routing.
        """
        mapping = MethodMapping().add(caller="fit", callee="fit")
        return MetadataRouter(owner=self).add(estimator=self._member(), method_mapping=mapping)

    def __sklearn_tags__(self) -> Any:
        """Tags of the estimator inside."""
        tags = super().__sklearn_tags__()
        given = self.estimator
        usable = hasattr(given, "__sklearn_tags__") and not isinstance(given, type)
        inner = get_tags(given if usable else self._default())
        tags.input_tags = inner.input_tags
        tags.target_tags = inner.target_tags
        tags.classifier_tags = inner.classifier_tags
        tags.regressor_tags = inner.regressor_tags
        tags.non_deterministic = inner.non_deterministic
        return tags


def _fitted(estimator: Any, X: Any, y: Any, params: dict[str, Any]) -> Any:
    return estimator.fit(X, y, **params)
