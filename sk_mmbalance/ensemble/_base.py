"""What estimators made of experts share: reading, routing, and what every one of them answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import check_is_fitted

from .._sklearn import routing_enabled
from ..base import (
    CLASSES,
    FLAG,
    LABELS,
    NUMBER,
    TEXT,
    ModalityClassifier,
    ModalityEstimator,
    ModalityRegressor,
    Target,
    TrainingRows,
)
from ..experts import (
    Expert,
    NamedExpert,
    answers,
    default_classifier,
    default_regressor,
    refuse_unused_weights,
    why_no_estimator,
)
from ..modalities import CheckedModalities
from ._named_estimators import NamedEstimators


class ExpertsEstimator(NamedEstimators, ModalityEstimator):
    """Base of estimators that fit scikit-learn estimators to modalities.

    A subclass has the parameter `estimator` (or another `_holder`) and sets ``_experts``, a dict
    of fitted `Expert` by name, and ``_target``.
    """

    estimator: Any
    _experts: dict[str, Expert]
    _target: Target

    #: Groups keep folds inside apart: with metadata routing, nobody has to ask for them.
    __metadata_request__fit = {"groups": True}
    _for_several = True
    _parameter_kinds = {
        "alpha": NUMBER,
        "min_pattern_rows": NUMBER,
        "modality": TEXT,
        "objective": TEXT,
        "rule": TEXT,
        "smoothing": NUMBER,
        "temperature": FLAG,
        "tol": NUMBER,
    }

    #: What error messages call the inner estimators.
    _role = "`estimator`"

    # -- unfitted estimators ---------------------------------------------------------------

    def _default(self) -> Any:
        """What None stands for."""
        raise NotImplementedError

    def _or_default(self, model: Any) -> Any:
        return self._default() if model is None else model

    def _given_estimators(self) -> dict[str, Any]:
        """Estimators by name of modality, or the one for all under the name "estimator"."""
        if not isinstance(self.estimator, Mapping):
            return {"estimator": self._or_default(self.estimator)}
        return {name: self._or_default(model) for name, model in self.estimator.items()}

    def _one_per_modality(self, names: list[str]) -> list[NamedExpert]:
        """An expert on each of the modalities `names`, checked."""
        given = self._given_estimators()
        if not isinstance(self.estimator, Mapping):
            chosen = {name: given["estimator"] for name in names}
        else:
            for problem, wrong in (
                ("lacks", set(names) - set(given)),
                ("names, but `X` does not have,", set(given) - set(names)),
            ):
                if wrong:
                    raise ValueError(
                        f"`estimator` {problem} modality {', '.join(map(repr, sorted(wrong)))}; "
                        f"the modalities are {names}. Give a {self._noun} (or None, for the "
                        "default) for each."
                    )
            chosen = {name: given[name] for name in names}
        for name, model in chosen.items():
            self._refuse_other(f"`estimator` for {name!r} must be a {self._noun} instance", model)
        return [NamedExpert(name, chosen[name], (name,), role=self._role) for name in names]

    def _refuse_other(self, must: str, model: Any) -> None:
        """Raise unless `model` can be fitted and asked for what is needed of it."""
        needed = ["fit", "predict", *self._needed_methods()]
        what = why_no_estimator(model, *needed)
        if what is not None:
            remedy = ""
            if "predict_proba" in needed:
                remedy = (
                    " A classifier without probabilities gets them from CalibratedClassifierCV."
                )
            raise TypeError(f"{must} with {', '.join(needed)}; {model!r} {what}.{remedy}")

    def _needed_methods(self) -> tuple[str, ...]:
        return ()

    # -- weights and metadata --------------------------------------------------------------

    def _with_params(self, rows: TrainingRows, experts: list[NamedExpert]) -> TrainingRows:
        """The rows with what metadata routing gives to the experts, or their weights checked."""
        if not routing_enabled():
            refuse_unused_weights(experts, rows)
            return rows
        given = {"sample_weight": rows.weight, "groups": rows.groups}
        given = {key: value for key, value in given.items() if value is not None}
        if not given:
            return rows.with_routed({})
        try:
            routed = process_routing(self, "fit", **given)
        except UnsetMetadataPassedError as error:
            if rows.weighed_by == "class_weight":
                error.add_note("(`sample_weight` is what `class_weight` becomes)")
            raise
        return rows.with_routed({e.name: routed[self._route_of(e.name)].fit for e in experts})

    def _route_of(self, name: str) -> str:
        """Name under which metadata go to the expert of this name."""
        return name if isinstance(self.estimator, Mapping) else "estimator"

    def get_metadata_routing(self) -> MetadataRouter:
        """Get metadata routing of this object.

        `sample_weight` and `groups` are used by the estimator itself (the weights in priors and
        scores, the groups in cross-validation) and passed on to the inner estimators that request
        them.

        Returns
        -------
        routing : MetadataRouter
            What is used and passed on.
        """
        mapping = MethodMapping().add(caller="fit", callee="fit")
        return (
            MetadataRouter(owner=self)
            .add_self_request(self)
            .add(**self._given_estimators(), method_mapping=mapping)
        )

    # -- reading and asking ----------------------------------------------------------------

    def _read_rows(self, X: Any, y: Any, sample_weight: Any, groups: Any) -> TrainingRows:
        return self._read_training(
            X,
            y,
            sample_weight,
            groups,
            accept_sparse=self._takes_sparse(),
            class_weight=getattr(self, "class_weight", None),
        )

    def _read_new(self, X: Any) -> CheckedModalities:
        check_is_fitted(self)
        return self._read_modalities(X, reset=False, accept_sparse=self._takes_sparse())

    def _answers(self, checked: CheckedModalities) -> dict[str, np.ndarray]:
        """Answers of all experts by name, (n_samples, n_outputs)."""
        given = answers(self._experts.values(), checked)
        return dict(zip(self._experts, given, strict=True))

    def _unimodal_answers(self, X: Any) -> dict[str, np.ndarray]:
        """Answers by modality; NaN in rows that lack it."""
        checked = self._read_new(X)
        own = {}
        for name, answer in self._answers(checked).items():
            answer = np.array(answer)
            answer[~checked.present_in(name)] = np.nan
            own[name] = answer
        return own

    def _takes_sparse(self) -> bool:
        return all(
            get_tags(model).input_tags.sparse
            for model in self._given_estimators().values()
            if hasattr(model, "__sklearn_tags__") and not isinstance(model, type)
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self._makes_dense or self._takes_sparse()
        return tags


class ExpertsClassifier(ExpertsEstimator, ModalityClassifier):
    """Base of classifiers made of experts, of one class or several labels a row."""

    _kinds = (CLASSES, LABELS)

    def _default(self) -> Any:
        return default_classifier()

    def _needed_methods(self) -> tuple[str, ...]:
        return ("predict_proba",)

    def unimodal_predict_proba(self, X: Any) -> dict[str, np.ndarray]:
        """Probabilities according to each modality's own classifier.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like
            Multimodal input.

        Returns
        -------
        probabilities : dict of str to ndarray of shape (n_samples, n_classes)
            By name of modality; NaN in rows that lack it. With several labels a row, the
            probability of each, (n_samples, n_labels).
        """
        return self._unimodal_answers(X)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Predict logarithms of class probabilities.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like
            Multimodal input.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
            Logarithm of `predict_proba`.
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def predict(self, X: Any) -> np.ndarray:
        """Predict class labels.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like
            Multimodal input.

        Returns
        -------
        labels : ndarray of shape (n_samples,) or (n_samples, n_labels)
            The class with the highest fused probability; of several labels, 1 for those more
            probable than not.
        """
        proba = self.predict_proba(X)  # first: it says if this is not fitted
        return self._target.choose(proba)


class ExpertsRegressor(ExpertsEstimator, ModalityRegressor):
    """Base of regressors made of experts, of one or several columns of numbers."""

    _noun = "regressor"
    _example = "Ridge()"

    def _default(self) -> Any:
        return default_regressor()

    def unimodal_predict(self, X: Any) -> dict[str, np.ndarray]:
        """Predictions of each modality's own regressor.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like
            Multimodal input.

        Returns
        -------
        predictions : dict of str to ndarray of shape (n_samples,) or (n_samples, n_columns)
            By name of modality; NaN in rows that lack it.
        """
        return {name: self._target.decode(own) for name, own in self._unimodal_answers(X).items()}
