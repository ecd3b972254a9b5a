"""What all estimators share: reading `X` and `y`, and what `fit` remembers of them."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold, check_cv
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils import check_consistent_length, compute_class_weight, get_tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    assert_all_finite,
    check_is_fitted,
    column_or_1d,
    has_fit_parameter,
)

from .modalities import CheckedModalities, InputSpec, check_modalities


def weight_params(estimator: Any, sample_weight: Any) -> dict[str, Any]:
    """Parameters of ``fit`` that hand `sample_weight` to an estimator; empty if it takes none.

    In a pipeline every step that takes weights gets them, so that a weighted fit equals one on
    repeated rows. For use without metadata routing.
    """
    if isinstance(estimator, Pipeline):
        return {
            f"{name}__{key}": value
            for name, step in estimator.steps
            if hasattr(step, "fit")
            for key, value in weight_params(step, sample_weight).items()
        }
    if isinstance(estimator, BaseSearchCV):  # hands everything on to the estimator it searches
        return weight_params(estimator.estimator, sample_weight)
    if hasattr(estimator, "fit") and has_fit_parameter(estimator, "sample_weight"):
        return {"sample_weight": sample_weight}
    return {}


def first_tags(estimator: Any) -> Any:
    """Tags of what meets the data first: of a pipeline, its first step. None if there are none."""
    while isinstance(estimator, Pipeline):
        steps = [step for _, step in estimator.steps if step not in (None, "passthrough")]
        if not steps:
            return None
        estimator = steps[0]
    return get_tags(estimator) if hasattr(estimator, "__sklearn_tags__") else None


def read_groups(groups: Any, n_samples: int) -> np.ndarray | None:
    """Check `groups`, one value per sample."""
    if groups is None:
        return None
    groups = column_or_1d(groups)
    if len(groups) != n_samples:
        raise ValueError(f"`groups` has {len(groups)} values for {n_samples} samples in `X`.")
    return groups


#: Row numbers to train on and to test on.
Fold = tuple[np.ndarray, np.ndarray]


def make_folds(
    cv: Any, y: np.ndarray, groups: np.ndarray | None, *, classifier: bool = True
) -> list[Fold]:
    """Rows to train on and rows to test on.

    A number of folds is stratified by class (where there are classes); with `groups` all rows of
    a group stay together, and there are at most as many folds as groups.
    """
    cv = 5 if cv is None else cv
    if classifier and isinstance(cv, int | np.integer):
        most = int(np.unique(y, return_counts=True)[1].max())
        if most < cv:
            raise ValueError(
                f"Cross-validation in {cv} folds needs a class with as many rows, and none has "
                f"more than {most}. Give more rows, or ask for fewer folds by `cv`."
            )
    if groups is not None and isinstance(cv, int | np.integer):
        n_groups = len(np.unique(groups))
        if n_groups < 2:
            raise ValueError(
                "`groups` has a single group; cross-validation needs at least two. Leave `groups` "
                "out if rows are independent."
            )
        cv = (StratifiedGroupKFold if classifier else GroupKFold)(min(int(cv), n_groups))
    check_consistent_length(y, groups)
    splitter = check_cv(cv, y, classifier=classifier)
    rows = np.arange(len(y))  # what was given as a mask becomes row numbers
    folds = [
        (rows[train], rows[test])
        for train, test in splitter.split(rows[:, None], y, groups)
        if len(test)
    ]
    if not folds:
        raise ValueError(f"`cv` gives no row to test on: {cv!r}.")
    return folds


class PublishedFormMixin:
    """For methods whose defaults may differ from the form that their authors published.

    A method names the parameters in which they differ, and their published values, in
    `_published`. How long and how fast the authors trained is not among them: that depends on the
    data, and every comparison needs the same of both forms.
    """

    _published: ClassVar[Mapping[str, Any]] = {}

    @classmethod
    def published(cls, **params: Any) -> Self:
        """Make an estimator in the form that the method's authors published.

        The notes on the class say which parameters that are. How long, how fast and whether with a
        held-out part the authors trained is not among them: pass that too. What an estimator was
        made with before is not looked at.

        Parameters
        ----------
        **params : dict
            Further parameters; they override the published ones.

        Returns
        -------
        estimator
            Not fitted.
        """
        return cls(**{**cls._published, **params})


class ModalityEstimator(BaseEstimator):
    """Base of estimators that take multimodal input.

    A subclass has the constructor parameters ``modalities=None`` (column blocks of a flat table)
    and ``missing="error"`` (or ``"mask"``). Its `fit` reads input with `_read_modalities`, works
    on local variables only, and calls `_remember_modalities` at the very end: a failed `fit`
    leaves whatever was there before.
    """

    modalities: Any
    missing: str

    #: Whether sparse modalities are accepted and made dense as a whole when they are read.
    _makes_dense = False

    def _read_modalities(
        self, X: Any, *, reset: bool, accept_sparse: bool = False, keep_all_missing: bool = False
    ) -> CheckedModalities:
        """Read `X`; with ``reset=False`` hold it to what `fit` saw. Sets nothing."""
        checked = check_modalities(
            X,
            estimator=self,
            spec=None if reset else self._input_spec,
            modalities=self.modalities,
            missing=self.missing,
            accept_sparse=accept_sparse or self._makes_dense,
            keep_all_missing=keep_all_missing,
        )
        return checked.dense() if self._makes_dense else checked

    def _read_for_prediction(self, X: Any, **options: Any) -> CheckedModalities:
        check_is_fitted(self)
        return self._read_modalities(X, reset=False, **options)

    def _remember_modalities(self, checked: CheckedModalities | InputSpec) -> None:
        """Set the attributes that later calls are held to."""
        state = self._of_modalities(checked)
        if "feature_names_in_" not in state and hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        self.__dict__.update(state)

    @staticmethod
    def _of_modalities(checked: CheckedModalities | InputSpec) -> dict[str, Any]:
        """Fitted attributes that say what the input was."""
        spec = checked if isinstance(checked, InputSpec) else checked.spec
        state = {
            "_input_spec": spec,
            "modality_names_": list(spec.names),
            "modality_shapes_": dict(spec.shapes),
            "n_features_in_": spec.n_features_in,
        }
        if spec.feature_names_in is not None:
            state["feature_names_in_"] = spec.feature_names_in
        return state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.missing == "mask"
        tags.input_tags.sparse = self._makes_dense
        return tags


class ModalityClassifier(ClassifierMixin, ModalityEstimator):
    """Base of multimodal classifiers: labels and weights."""

    classes_: np.ndarray

    def _read_labels(
        self, y: Any, n_samples: int, classes: Any = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Sorted classes and the position of each label in them.

        `classes` is given where the labels at hand need not show every class.
        """
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y "
                "is None."
            )
        shape = np.asarray(y).shape  # y may be anything that becomes an array
        if len(shape) == 2 and shape[1] > 1:
            raise ValueError(
                f"`y` must be one column of class labels; got shape {shape}. Multilabel and "
                "multioutput targets are not supported: fit one classifier per column."
            )
        y = column_or_1d(y, warn=True)
        if y.dtype == object and (lacking := int(sum(label is None for label in y))):
            raise ValueError(
                f"`y` has no label (None) in {lacking} of {len(y)} rows. Leave these rows out."
            )
        assert_all_finite(y, input_name="y")
        check_classification_targets(y)
        if len(y) != n_samples:
            raise ValueError(f"`y` has {len(y)} labels for {n_samples} samples in `X`.")
        if classes is None:
            classes, codes = np.unique(y, return_inverse=True)
            if len(classes) < 2:
                raise ValueError(
                    f"`y` must have at least two classes; got one class: {classes.tolist()}."
                )
            return classes, codes
        classes = np.asarray(classes)
        unknown = np.setdiff1d(y, classes)
        if len(unknown):
            raise ValueError(
                f"`y` has labels {unknown.tolist()} that are not among the classes "
                f"{classes.tolist()}."
            )
        return classes, np.searchsorted(classes, y)

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
        known = self.classes_ if continued else np.unique(classes)
        if classes is not None and not np.array_equal(np.unique(classes), known):
            raise ValueError(
                f"`classes` is {np.unique(classes).tolist()}, but the first call of partial_fit "
                f"had {known.tolist()}."
            )
        if len(known) < 2:
            raise ValueError(f"`classes` must have at least two classes; got {known.tolist()}.")
        return known

    def _read_partial_labels(
        self, y: Any, n_samples: int, marker: Any
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Which rows are labelled, the classes, and codes (-1 where `marker` stands in `y`)."""
        if y is None or marker is None:
            classes, codes = self._read_labels(y, n_samples)
            return np.ones(n_samples, dtype=bool), classes, codes
        y = column_or_1d(y, warn=True)
        if len(y) != n_samples:
            raise ValueError(f"`y` has {len(y)} labels for {n_samples} samples in `X`.")
        is_nan = isinstance(marker, float | np.floating) and np.isnan(marker)
        labelled = y == y if is_nan else np.asarray(y != marker)  # only NaN differs from itself
        labelled = np.broadcast_to(labelled, y.shape).astype(bool)
        if not labelled.any():
            raise ValueError(
                f"`y` must have labelled rows; all {n_samples} are `unlabeled_label` ({marker!r})."
            )
        # what an object array holds beside the marker may be numbers, or strings
        known = np.array(y[labelled].tolist()) if y.dtype == object else y[labelled]
        found = np.unique(known)
        if len(found) < 2 and not labelled.all():
            raise ValueError(
                f"`unlabeled_label`={marker!r} leaves labels of {found.tolist()} in `y`; at least "
                f"two classes are needed. If {marker!r} is itself a class, mark unlabelled rows "
                "with another value."
            )
        classes, known_codes = self._read_labels(known, int(labelled.sum()))
        codes = np.full(n_samples, -1, dtype=np.intp)
        codes[labelled] = known_codes
        return labelled, classes, codes

    def _read_weights(
        self,
        sample_weight: Any,
        checked: CheckedModalities,
        codes: np.ndarray,
        classes: np.ndarray,
        class_weight: Any = None,
    ) -> np.ndarray | None:
        """Weight of every row, class weights folded in; None if all are 1."""
        if sample_weight is None and class_weight is None:
            return None
        shape = np.asarray(sample_weight).shape  # it may be anything that becomes an array
        if shape and shape != (checked.n_samples,):
            raise ValueError(
                f"`sample_weight` must have one weight a row, shape ({checked.n_samples},); got "
                f"shape {shape}."
            )
        if sample_weight is not None and not np.asarray(sample_weight).any():
            raise ValueError(
                "`sample_weight` is zero for every sample; at least one must be positive."
            )
        dtype = np.result_type(np.float32, *(a.dtype for a in checked.arrays.values()))
        weights = _check_sample_weight(
            sample_weight, codes, dtype=dtype, ensure_non_negative=True, copy=True
        )
        if class_weight is not None:
            _refuse_bad_class_weight(class_weight)
            per_class = compute_class_weight(
                class_weight,
                classes=classes,
                y=classes[codes],
                sample_weight=sample_weight if class_weight == "balanced" else None,
            )
            weights = weights * per_class[codes].astype(dtype)
            if not weights.any():
                raise ValueError(
                    "`class_weight` and `sample_weight` leave no row with a positive weight."
                )
        return weights


def _refuse_bad_class_weight(class_weight: Any) -> None:
    if not isinstance(class_weight, Mapping):
        return
    for label, weight in class_weight.items():
        if not (isinstance(weight, Real) and 0 <= float(weight) < float("inf")):
            raise ValueError(
                f"`class_weight` must hold finite numbers of at least 0; got {weight!r} for class "
                f"{label!r}."
            )
