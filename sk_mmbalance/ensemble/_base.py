"""What classifiers made of one expert per modality share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    _routing_enabled,
    process_routing,
)
from sklearn.utils.validation import check_is_fitted

from ..base import ModalityClassifier, weight_params
from ._expert import Expert, or_default
from ._named_classifiers import NamedClassifiers


class ExpertsClassifier(NamedClassifiers, ModalityClassifier):
    """Base of classifiers that fit scikit-learn classifiers to single modalities.

    A subclass has the parameter `estimator` and sets ``_experts``, a dict of fitted `Expert` by
    name of modality.
    """

    estimator: Any
    _experts: dict[str, Expert]

    #: What error messages call the inner classifiers.
    _role = "`estimator`"

    # -- unfitted classifiers --------------------------------------------------------------

    def _given_classifiers(self) -> dict[str, Any]:
        """Classifiers by name of modality, or the one for all under the name "estimator"."""
        if not isinstance(self.estimator, Mapping):
            return {"estimator": or_default(self.estimator)}
        return {name: or_default(model) for name, model in self.estimator.items()}

    def _classifiers(self, names: list[str]) -> dict[str, Any]:
        """Classifier of each of the modalities `names`, checked."""
        given = self._given_classifiers()
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
                        f"the modalities are {names}. Give a classifier (or None, for logistic "
                        "regression) for each."
                    )
            chosen = {name: given[name] for name in names}
        for name, model in chosen.items():
            needed = ["fit", "predict", *self._needed_methods()]
            lacking = [method for method in needed if not hasattr(model, method)]
            if isinstance(model, type) or lacking:
                what = "is a class" if isinstance(model, type) else f"has no {lacking[0]}"
                raise TypeError(
                    f"`estimator` for {name!r} must be a classifier instance with "
                    f"{', '.join(needed)}; {model!r} {what}. A classifier without probabilities "
                    "gets them from CalibratedClassifierCV."
                )
        return chosen

    def _needed_methods(self) -> tuple[str, ...]:
        return ("predict_proba",)

    # -- weights and metadata --------------------------------------------------------------

    def _fit_params(
        self, models: dict[str, Any], weights: np.ndarray | None, groups: Any
    ) -> dict[str, dict[str, Any]]:
        """Parameters of ``fit`` of each modality's classifier."""
        if _routing_enabled():
            given = {"sample_weight": weights, "groups": groups}
            given = {key: value for key, value in given.items() if value is not None}
            if not given:
                return {name: {} for name in models}
            routed = process_routing(self, "fit", **given)
            return {name: routed[self._route_of(name)].fit for name in models}
        if weights is None:
            return {name: {} for name in models}
        for name, model in models.items():
            final = getattr(model, "_final_estimator", model)
            if not weight_params(final, weights):
                raise TypeError(
                    f"`sample_weight` was given, but the {self._role} for {name!r}, "
                    f"{type(final).__name__}, does not take it. Choose one that does, or leave "
                    "the weights out."
                )
        return {name: weight_params(model, weights) for name, model in models.items()}

    def _route_of(self, name: str) -> str:
        """Name under which metadata go to the classifier of a modality."""
        return name if isinstance(self.estimator, Mapping) else "estimator"

    def get_metadata_routing(self) -> MetadataRouter:
        """Get metadata routing of this object.

        `sample_weight` and `groups` are used by the classifier itself (the weights in class
        priors and scores, the groups in cross-validation) and passed on to the inner classifiers
        that request them.

        Returns
        -------
        routing : MetadataRouter
            What is used and passed on.
        """
        mapping = MethodMapping().add(caller="fit", callee="fit")
        return (
            MetadataRouter(owner=self)
            .add_self_request(self)
            .add(**self._given_classifiers(), method_mapping=mapping)
        )

    # -- what every such classifier answers ------------------------------------------------

    def unimodal_predict_proba(self, X: Any) -> dict[str, np.ndarray]:
        """Probabilities according to each modality's own classifier.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like
            Multimodal input.

        Returns
        -------
        probabilities : dict of str to ndarray of shape (n_samples, n_classes)
            By name of modality; NaN in rows that lack it.
        """
        check_is_fitted(self)
        checked = self._read_sparse(X, reset=False)
        probas = {}
        for name, expert in self._experts.items():
            proba = np.array(expert.predict_proba(checked))
            proba[~checked.present_in(name)] = np.nan
            probas[name] = proba
        return probas

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
        labels : ndarray of shape (n_samples,)
            The class with the highest fused probability.
        """
        proba = self.predict_proba(X)  # first: it says if this is not fitted
        return self.classes_[proba.argmax(axis=1)]

    def _read_sparse(self, X: Any, *, reset: bool) -> Any:
        return self._read_modalities(X, reset=reset, accept_sparse=self._takes_sparse())

    def _takes_sparse(self) -> bool:
        models = self._given_classifiers().values()
        return all(
            get_tags(model).input_tags.sparse
            for model in models
            if hasattr(model, "__sklearn_tags__") and not isinstance(model, type)
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self._takes_sparse()
        return tags
