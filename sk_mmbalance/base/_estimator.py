"""Bases of all estimators: reading `X` and `y`, and what `fit` remembers of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from ..modalities import CheckedModalities, InputSpec, check_modalities
from ._column import read_column, scorable
from ._parameters import SHARED, Check, check_kinds
from ._plain_state import PlainState
from ._rows import TrainingRows, read_groups
from ._single import warn_of_single_modality
from ._target import (
    CLASSES,
    LABELS,
    NUMBERS,
    ClassTarget,
    LabelTarget,
    Target,
    read_partly_known,
    read_partly_known_numbers,
    read_target,
    shape_of,
)
from ._weights import read_weights

#: Stands for "every row has its value of `y`", where None may itself mark rows without.
EVERY_ROW = object()


class ModalityEstimator(PlainState):
    """Base of estimators that take multimodal input.

    A subclass has the constructor parameters ``modalities=None`` (column blocks of a flat table)
    and ``missing="error"`` (or ``"mask"``). Its `fit` reads what it is given with `_read_training`,
    works on local variables only, and calls `_become_fitted` at the very end: a failed or
    interrupted `fit` leaves whatever was there before.
    """

    modalities: Any
    missing: str

    #: Whether sparse modalities are accepted and made dense as a whole when they are read.
    _makes_dense = False

    #: Whether it can tell padding from the steps of sequences of unequal length.
    _uses_lengths: ClassVar[bool] = False

    #: Whether it is there for several modalities, and a flat table without blocks is a slip.
    _for_several: ClassVar[bool] = False

    #: Of which kind the values of its own parameters must be, beside those that many share.
    _parameter_kinds: ClassVar[Mapping[str, Check]] = {}

    #: What `y` may be.
    _kinds: ClassVar[Collection[str]] = ()

    def _read_modalities(
        self,
        X: Any,
        *,
        reset: bool,
        accept_sparse: bool = False,
        keep_all_missing: bool = False,
        spec: InputSpec | None = None,
        only: Collection[str] | None = None,
        missing: str | None = None,
    ) -> CheckedModalities:
        """Read `X`; with ``reset=False`` hold it to what `fit` saw, or to `spec`. Sets nothing.

        With `only` other modalities are not looked at. `missing` stands in for the parameter.
        """
        spec = self._input_spec if spec is None and not reset else spec
        checked = check_modalities(
            X,
            estimator=self,
            spec=spec,
            modalities=self.modalities,
            missing=self.missing if missing is None else missing,
            accept_sparse=accept_sparse or self._makes_dense,
            keep_all_missing=keep_all_missing,
            only=only,
            accept_lengths=self._uses_lengths,
        )
        return self._made_dense(checked, reset) if self._makes_dense else checked

    def _made_dense(self, checked: CheckedModalities, reset: bool) -> CheckedModalities:
        """Input of a fit (`reset`) or a prediction, with sparse modalities made dense."""
        return checked.dense()

    def _read_for_prediction(self, X: Any, **options: Any) -> CheckedModalities:
        check_is_fitted(self)
        return self._read_modalities(X, reset=False, **options)

    def _read_training(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        groups: Any = None,
        *,
        reset: bool = True,
        accept_sparse: bool = False,
        target: Target | None = None,
        unlabelled: Any = EVERY_ROW,
        class_weight: Any = None,
        spec: InputSpec | None = None,
    ) -> TrainingRows:
        """Read what `fit` was given: the one reader of `X`, `y`, `sample_weight` and `groups`.

        Parameters
        ----------
        X, y, sample_weight, groups : object
            As they came.
        reset : bool
            Whether this is a new fit; else `X` is held to what `fit` saw.
        accept_sparse : bool
            Whether sparse modalities are taken as they are.
        target : Target, default=None
            What `y` is, where that is known already; it need not show every class then.
        unlabelled : object
            Value of `y` in rows without label, for estimators that use such rows.
        class_weight : dict, "balanced" or None
            Weights of classes, multiplied into those of the rows.
        spec : InputSpec, default=None
            What `X` is held to, where that is not what an earlier `fit` saw.
        """
        self._check_kinds()
        checked = self._read_modalities(X, reset=reset, accept_sparse=accept_sparse, spec=spec)
        if reset and self._for_several:
            warn_of_single_modality(self, checked)
        n_samples, owner = checked.n_samples, type(self).__name__
        if target is not None:
            if y is None:
                read_target(y, n_samples, self._kinds, owner)  # says what is missing
            coded = target.encode(y, n_samples)
        elif unlabelled is not EVERY_ROW and NUMBERS in self._kinds:
            target, coded = read_partly_known_numbers(y, n_samples, unlabelled, owner)
        elif unlabelled is not EVERY_ROW:
            target, coded = read_partly_known(y, n_samples, unlabelled, owner)
        else:
            target, coded = read_target(y, n_samples, self._kinds, owner)
        weight = read_weights(sample_weight, checked, target, coded, class_weight)
        by = "class_weight" if sample_weight is None else "sample_weight"
        groups = read_groups(groups, n_samples)
        return TrainingRows.of(checked, target, coded, weight, groups, weighed_by=by)

    def _check_kinds(self) -> None:
        """Refuse parameters whose values are of the wrong kind."""
        check_kinds(self, {**SHARED, **self._parameter_kinds})

    def _become_fitted(self, spec: InputSpec, **fitted: Any) -> None:
        """Become fitted, in one step: an interrupt leaves the old state or the new one."""
        names = (
            {} if spec.feature_names_in is None else {"feature_names_in_": spec.feature_names_in}
        )
        kept = {
            key: value
            for key, value in vars(self).items()
            if key != "feature_names_in_" and key not in fitted
        }
        self.__dict__ = {
            **kept,
            **fitted,
            "_input_spec": spec,
            "modality_names_": list(spec.names),
            "modality_shapes_": dict(spec.shapes),
            "n_features_in_": spec.n_features_in,
            **names,
        }

    def _remember_modalities(self, checked: CheckedModalities | InputSpec) -> None:
        """Set the attributes that later calls are held to."""
        self._become_fitted(checked if isinstance(checked, InputSpec) else checked.spec)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.missing == "mask"
        tags.input_tags.sparse = self._makes_dense
        return tags


class ModalityClassifier(ClassifierMixin, ModalityEstimator):
    """Base of multimodal classifiers."""

    _kinds: ClassVar[Collection[str]] = (CLASSES,)

    classes_: np.ndarray

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = LABELS in self._kinds
        return tags

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy of the predictions.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like of n_samples rows
            Multimodal input.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            True classes or labels, in any form that `fit` takes.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights.

        Returns
        -------
        score : float
            Weighted share of rows that are right (in all labels, where there are several).
        """
        return super().score(X, scorable(y), sample_weight=sample_weight)

    def _classes_to_come(self, classes: Any, *, continued: bool) -> np.ndarray:
        """All labels that `partial_fit` will ever meet: its first call has to name them."""
        class_weight = getattr(self, "class_weight", None)
        if isinstance(class_weight, str):
            raise ValueError(
                f"`class_weight={class_weight!r}` needs all rows at once and cannot be used with "
                "partial_fit. Pass a dict of class weights."
            )
        if not continued and classes is None:
            raise ValueError(
                "`classes` must be given in the first call of partial_fit: later rows may bring "
                "labels that these rows do not have."
            )
        if classes is not None:
            classes = np.unique(read_column(classes, "classes", "label", remedy="Leave them out."))
        known = self.classes_ if continued else classes
        if classes is not None and not np.array_equal(classes, known):
            raise ValueError(
                f"`classes` is {classes.tolist()}, but the first call of partial_fit "
                f"had {known.tolist()}."
            )
        if len(known) < 2:
            raise ValueError(f"`classes` must have at least two classes; got {known.tolist()}.")
        return known

    def _target_to_come(self, y: Any, known: np.ndarray) -> Target:
        """What `y` is in `partial_fit`: classes, or where it has several columns, labels."""
        shape = shape_of(y)
        if LABELS in self._kinds and len(shape) == 2 and shape[1] > 1:
            return LabelTarget(len(known), np.asarray(y).dtype)
        return ClassTarget(known)


class ModalityRegressor(RegressorMixin, ModalityEstimator):
    """Base of multimodal regressors, of one or several columns of numbers."""

    _kinds: ClassVar[Collection[str]] = (NUMBERS,)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
