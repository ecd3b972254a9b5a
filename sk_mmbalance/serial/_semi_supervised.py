"""`SerialSemiSupervisedClassifier`: a chain of two whose strong side teaches the weak one."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.utils.metadata_routing import MetadataRouter

from ..base import Fold, FoldChoice, TrainingRows, is_word
from ..exceptions import TeachingWarning
from ..experts import Expert, classes_of, fit_expert, refuse_unused_weights, say
from ._acquire import refuse_callables
from ._base import SerialClassifier
from ._fitting import out_of_fold_scores, stage_router, with_params
from ._fusion import SerialFusionClassifier
from ._projection import DependenceProjection
from ._stages import PlacedStage, Stage, place, read_cost, refuse_no_classifier
from ._teaching import Teaching, taught_scores, teach
from ._tuning import check_number

# What the chain takes from this estimator's own parameters, or fixes.
_NOT_IN_SERIAL_PARAMS = ("stages", "order", "accumulate", "prefit", "modalities", "missing")


class SerialSemiSupervisedClassifier(SerialClassifier):
    """Two stages, learnt from few labels: the strong modality teaches the weak one.

    A strong classifier is fitted on the labelled rows. It labels the unlabelled rows, and the
    most confident half within each predicted class joins the labelled rows in training the weak
    classifier. Both then form a `SerialFusionClassifier`: the weak modality decides the clear
    rows, and the strong one is acquired for the rest. The ideas are those of [1]_; the steps are
    our reconstruction (neither the full text nor code was available to us).

    Parameters
    ----------
    weak : str or list of str, default="auto"
        Modalities of the first stage. "auto" takes the one that scores lowest alone, by
        cross-validation on the labelled rows.
    strong : str or list of str, default="rest"
        Modalities of the second stage; "rest" takes all others.
    weak_estimator, strong_estimator : classifier, default=None
        Classifiers with class scores; None is a logistic regression on scaled features. What they
        are given is said in the notes of `SerialFusionClassifier`.
    unlabeled_label : object, default=None
        The value that marks unlabelled rows in `y` (NaN and -1 are common; it is never guessed,
        for -1 may be a class). None: all rows are labelled.
    use_dmdr : bool, default=False
        Whether the weak features are first projected on the directions that depend most on the
        labels and on the strong side's scores. Off by default: alone it often hurts.
    dmdr_dim : int, default=None
        Number of directions; None for the number of classes.
    dmdr_gamma : float, default=1.0
        Weight of the strong scores against the labels in the projection.
    dmdr_ridge : float, default=1e-2
        Ridge of the projection, relative to the mean variance of a feature.
    confident_fraction : float, default=0.5
        Share of the unlabelled rows, within each predicted class, that teach.
    guard : bool, default=True
        Teach only if the strong side is better than the weak one by cross-validation on the
        labelled rows; else warn, and train the weak side on labelled rows alone.
    costs : pair of float or None, default=(1, 10)
        Cost of the two stages; None counts features.
    price : float, default=0.01
        Error rate that one unit of cost is worth.
    serial_params : dict, default=None
        Further parameters of the `SerialFusionClassifier`, such as ``{"thresholds": "budget",
        "budget": 3}``.
    cv : int, splitter or iterable, default=5
        Folds over the labelled rows, for the guard, for ``weak="auto"`` and for the thresholds.
        Splits of one's own count the rows as they are given, labelled or not.
        Teaching is repeated inside each fold. With one modality nothing is cross-validated.
    n_jobs : int, default=None
        Number of jobs over folds (of the guard).
    verbose : int, default=0
        Show progress, and at the end what was found.
    modalities : dict of str to columns, default=None
        Column blocks of a flat table, as in `sklearn.compose.ColumnTransformer`.
    missing : {"error", "mask"}, default="error"
        Rows that lack a modality: an error, or left out of what needs it.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds, where a number of them is cut from shuffled rows too (see
        `row_order_`).

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    serial_ : SerialFusionClassifier
        The chain, with its thresholds and rates.
    weak_, strong_ : list of str
        Modalities of the two sides. With one modality there is a strong side only.
    weak_estimator_, strong_estimator_ : classifiers
        Fitted classifiers (the weak one a pipeline, if there is a projection).
    projection_ : transformer or None
        The fitted projection, with ``directions_``.
    taught_ : bool
        Whether pseudo-labels were used.
    n_pseudo_ : int
        Number of pseudo-labelled rows.
    pseudo_rows_, pseudo_labels_ : ndarray of shape (n_pseudo,)
        Their row numbers and labels.
    guard_scores_ : dict or None
        Cross-validated accuracy of the sides, ``{"weak": ..., "strong": ...}``; None where it was
        not needed.
    row_order_ : dict
        How folds were cut: "folds" is "in order", "both" (in order, and from shuffled rows; a row
        counts half under each), "by group" or "as given". Where it was looked whether rows
        resemble their neighbours, also `loss_in_order` and `loss_shuffled`, what a few trees lose
        out of fold under both, as shares of what the mean loses, and the `interval` of their
        difference. Empty if nothing was cross-validated.
    modality_names_, modality_shapes_, n_features_in_, feature_names_in_
        What `fit` saw.

    Raises
    ------
    ValueError
        If no row is labelled, or the sides overlap or leave nothing.

    References
    ----------
    .. [1] X. Zhang, Y. Yin, D.-C. Zhan, J. Peng, "Multi-modal learning in serial biometric
       systems", IEEE Transactions on Information Forensics and Security 9(10), 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import train_test_split
    >>> from sk_mmbalance import SerialSemiSupervisedClassifier
    >>> from sk_mmbalance.datasets import load_breast_cancer_views
    >>> X, y = load_breast_cancer_views(return_X_y=True)
    >>> X, X_test, y, y_test = train_test_split(X, y, stratify=y, random_state=1)
    >>> few = np.where(np.arange(len(y)) < 30, y, -1)
    >>> model = SerialSemiSupervisedClassifier("mean", "worst", unlabeled_label=-1).fit(X, few)
    >>> model.n_pseudo_
    199
    >>> round(model.score(X_test, y_test), 3)
    0.916
    """

    _makes_dense = True  # the projection and the scaled sides need dense rows

    def __init__(
        self,
        weak: Any = "auto",
        strong: Any = "rest",
        *,
        weak_estimator: Any = None,
        strong_estimator: Any = None,
        unlabeled_label: Any = None,
        use_dmdr: bool = False,
        dmdr_dim: int | None = None,
        dmdr_gamma: float = 1.0,
        dmdr_ridge: float = 1e-2,
        confident_fraction: float = 0.5,
        guard: bool = True,
        costs: Any = (1, 10),
        price: float = 0.01,
        serial_params: dict[str, Any] | None = None,
        cv: Any = 5,
        n_jobs: int | None = None,
        verbose: int = 0,
        modalities: Any = None,
        missing: str = "error",
        random_state: Any = None,
    ):
        self.weak = weak
        self.strong = strong
        self.weak_estimator = weak_estimator
        self.strong_estimator = strong_estimator
        self.unlabeled_label = unlabeled_label
        self.use_dmdr = use_dmdr
        self.dmdr_dim = dmdr_dim
        self.dmdr_gamma = dmdr_gamma
        self.dmdr_ridge = dmdr_ridge
        self.confident_fraction = confident_fraction
        self.guard = guard
        self.costs = costs
        self.price = price
        self.serial_params = serial_params
        self.cv = cv
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.modalities = modalities
        self.missing = missing
        self.random_state = random_state

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None
    ) -> SerialSemiSupervisedClassifier:
        """Teach the weak side and build the chain.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like of n_samples rows
            Training input, labelled and unlabelled rows.
        y : array-like of shape (n_samples,)
            Class labels, and `unlabeled_label` where there is none.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights.
        groups : array-like of shape (n_samples,), default=None
            Groups that no fold may split.

        Returns
        -------
        SerialSemiSupervisedClassifier
            Itself.
        """
        refuse_callables(X)
        self._check_kinds()
        self._check_parameters()
        rows = self._read_training(X, y, sample_weight, groups, unlabelled=self.unlabeled_label)
        known = rows.target.is_known(rows.y)
        labelled, unlabelled = np.flatnonzero(known), np.flatnonzero(~known)
        if not len(labelled):
            raise ValueError(
                "`sample_weight` is zero in all labelled rows; at least one must be positive."
            )
        fit = self._fit_single if len(rows.checked.names) == 1 else self._fit_pair
        fitted = fit(rows, labelled, unlabelled)
        self._become_fitted(rows.checked.spec, classes_=classes_of(rows.target), **fitted)
        return self

    def _fit_single(
        self, data: TrainingRows, labelled: np.ndarray, unlabelled: np.ndarray
    ) -> dict[str, Any]:
        """One modality: its supervised classifier on the labelled rows."""
        names = list(data.checked.names)
        stage = Stage("strong", self.strong_estimator, tuple(names), self._cost(1))
        placed = place([stage], data.checked, accumulate=False)
        data = with_params(data, self, list(self._sides_given()), placed)
        fitted = fit_expert(placed[0].expert, data, labelled)
        return self._told(
            self._chain_of(data.take(labelled), placed, [fitted], None),
            weak=[],
            strong=names,
            row_order={},
            weak_estimator=None,
            strong_estimator=fitted.model,
        )

    def _fit_pair(
        self, data: TrainingRows, labelled: np.ndarray, unlabelled: np.ndarray
    ) -> dict[str, Any]:
        data = with_params(data, self, list(self._sides_given()))
        known = data.take(labelled)
        choice = known.choose_folds(self.cv, self.random_state, stacklevel=3)
        splits = choice.folds
        weak_names, strong_names = self._sides(known, splits)
        stages = [
            Stage("weak", self.weak_estimator, tuple(weak_names), self._cost(0)),
            Stage("strong", self.strong_estimator, tuple(strong_names), self._cost(1)),
        ]
        weak, strong = place(stages, data.checked, accumulate=False)
        refuse_unused_weights([weak.expert, strong.expert], data)
        scores = out_of_fold_scores([weak, strong], known, splits, self.n_jobs, self.verbose)
        guard_scores = dict(zip(("weak", "strong"), _accuracies(scores, known), strict=True))
        may_teach = bool(len(unlabelled))
        if may_teach and self.guard and not guard_scores["strong"] > guard_scores["weak"]:
            may_teach = False
            warnings.warn(
                f"`strong` {strong_names} is no better than `weak` {weak_names} on the labelled "
                f"rows (accuracy {guard_scores['strong']:.3f} against "
                f"{guard_scores['weak']:.3f}): it does not teach. Swap the sides, or set "
                "guard=False.",
                TeachingWarning,
                stacklevel=3,
            )
        teaching = self._teaching(may_teach)
        taught = teach(weak, strong, data, labelled, unlabelled, teaching)
        if may_teach or self.use_dmdr:
            scores = taught_scores(
                weak,
                strong,
                data,
                labelled,
                unlabelled,
                splits,
                lambda: self._teaching(may_teach),
                self.verbose,
            )
        if self.verbose:
            n_taught = len(taught.pseudo_rows)
            say(
                f"{type(self).__name__}: {', '.join(strong_names)} taught {', '.join(weak_names)} "
                f"on {n_taught} of {len(unlabelled)} rows without label"
                if may_teach
                else f"{type(self).__name__}: {', '.join(weak_names)} was not taught"
            )
        return self._told(
            self._chain_of(
                known, [taught.placed_weak, strong], [taught.weak, taught.strong], scores, choice
            ),
            row_order=choice.told(),
            weak=weak_names,
            strong=strong_names,
            weak_estimator=taught.weak.model,
            strong_estimator=taught.strong.model,
            projection=taught.projection,
            taught=may_teach,
            pseudo_rows=data.given[taught.pseudo_rows],
            pseudo_labels=data.target.labels(taught.pseudo_codes),
            guard_scores=guard_scores,
        )

    def _teaching(self, pseudo_labels: bool) -> Teaching:
        projection = None
        if self.use_dmdr:
            projection = DependenceProjection(
                self.dmdr_dim, gamma=self.dmdr_gamma, ridge=self.dmdr_ridge
            )
        return Teaching(self.confident_fraction, pseudo_labels, projection)

    def _chain_of(
        self,
        known: TrainingRows,
        placed: list[PlacedStage],
        fitted: list[Expert],
        scores: np.ndarray | None,
        choice: FoldChoice | None = None,
    ) -> SerialFusionClassifier:
        stages = [(p.name, p.estimator, list(p.inputs), p.cost) for p in placed]
        own = {"price": self.price, "cv": self.cv, "verbose": self.verbose}
        params = {**own, **(self.serial_params or {})}
        serial = SerialFusionClassifier(
            stages, modalities=self.modalities, missing=self.missing, **params
        )
        serial._assemble(known, placed, fitted, scores, choice)
        return serial

    def _told(
        self,
        serial: SerialFusionClassifier,
        *,
        pseudo_rows: Any = (),
        pseudo_labels: Any = (),
        projection: Any = None,
        taught: bool = False,
        guard_scores: dict[str, float] | None = None,
        **sides: Any,
    ) -> dict[str, Any]:
        """What is fitted, by name of attribute."""
        return {
            "serial_": serial,
            "projection_": projection,
            "taught_": taught,
            "n_pseudo_": len(pseudo_rows),
            "pseudo_rows_": np.asarray(pseudo_rows, dtype=np.intp),
            "pseudo_labels_": np.asarray(pseudo_labels, dtype=serial.classes_.dtype),
            "guard_scores_": guard_scores,
            **{f"{name}_": value for name, value in sides.items()},
        }

    def _sides_given(self) -> dict[str, Any]:
        """Classifiers that were given, by the name of their stage."""
        both = {"weak": self.weak_estimator, "strong": self.strong_estimator}
        return {name: estimator for name, estimator in both.items() if estimator is not None}

    def get_metadata_routing(self) -> MetadataRouter:
        """How `sample_weight` and `groups` go to the classifiers and the splitter.

        Returns
        -------
        MetadataRouter
            The routing of this object.
        """
        return stage_router(self, self._sides_given(), self.cv)

    # -- reading parameters --------------------------------------------------------------------

    def _check_parameters(self) -> None:
        check_number("confident_fraction", self.confident_fraction, 0.0, 1.0)
        check_number("dmdr_gamma", self.dmdr_gamma, 0.0, np.inf)
        check_number("dmdr_ridge", self.dmdr_ridge, 0.0, np.inf)
        if self.dmdr_dim is not None and not (
            isinstance(self.dmdr_dim, int | np.integer) and self.dmdr_dim >= 1
        ):
            raise ValueError(f"`dmdr_dim` must be an integer >= 1 or None; got {self.dmdr_dim!r}.")
        for side, estimator in self._sides_given().items():
            refuse_no_classifier(f"`{side}_estimator`", estimator)
        if not isinstance(self.costs, Sequence) or len(self.costs) != 2:
            raise ValueError(
                f"`costs` must be two costs, of the weak and the strong stage; got {self.costs!r}."
            )
        params = self.serial_params
        if params is not None and not isinstance(params, Mapping):
            raise TypeError(f"`serial_params` must be a dict; got {type(params).__name__}.")
        allowed = set(SerialFusionClassifier().get_params()) - set(_NOT_IN_SERIAL_PARAMS)
        wrong = sorted(set(params or {}) - allowed)
        if wrong:
            raise ValueError(
                f"`serial_params` cannot hold {wrong}; it takes parameters of "
                f"SerialFusionClassifier, of {sorted(allowed)}."
            )

    def _cost(self, side: int) -> float | None:
        return read_cost(self.costs[side], "`costs`")

    def _sides(self, known: TrainingRows, splits: Sequence[Fold]) -> tuple[list[str], list[str]]:
        """Names of the weak and the strong side."""
        names = known.checked.names
        given = {"weak": self.weak, "strong": self.strong}
        default = {"weak": "auto", "strong": "rest"}
        sides = {
            side: None if is_word(value, (default[side],)) else _names(side, value, names)
            for side, value in given.items()
        }
        weak, strong = sides["weak"], sides["strong"]
        if weak is None:
            candidates = [name for name in names if name not in (strong or [])]
            if not candidates:
                raise ValueError(
                    f"`strong` must leave a modality to the weak side; it takes all: {strong}."
                )
            weak = [candidates[0]]
            if len(candidates) > 1:
                weak = [self._weakest(candidates, known, splits)]
        if strong is None:
            strong = [name for name in names if name not in weak]
        both = sorted(set(weak) & set(strong))
        if both or not strong:
            raise ValueError(
                f"`weak` and `strong` must be modalities of their own, at least one each; got "
                f"{weak} and {strong}."
            )
        return weak, strong

    def _weakest(self, names: list[str], known: TrainingRows, splits: Sequence[Fold]) -> str:
        estimator = self.weak_estimator
        stages = [Stage(name, estimator, (name,), 0.0) for name in names]
        placed = place(stages, known.checked, accumulate=False)
        scores = out_of_fold_scores(placed, known, splits, self.n_jobs, self.verbose)
        return names[int(np.argmin(_accuracies(scores, known)))]

    def _fitted_serial(self) -> SerialFusionClassifier:
        return self.serial_


def _accuracies(scores: np.ndarray, known: TrainingRows) -> list[float]:
    """Accuracy of each stage on the rows that it has scores of."""
    result = []
    for each in scores:
        rows = np.isfinite(each).all(axis=1)
        right = each[rows].argmax(axis=1) == known.y[rows]
        result.append(float(np.average(right, weights=known.weight_or_ones[rows])))
    return result


def _names(side: str, value: Any, names: tuple[str, ...]) -> list[str]:
    several = isinstance(value, Collection) and getattr(value, "ndim", 1) == 1
    if not several or not all(isinstance(name, str) for name in value):
        raise TypeError(f"`{side}` must be a modality's name, or several; got {value!r}.")
    chosen = [value] if isinstance(value, str) else sorted(value)
    unknown = sorted(set(chosen) - set(names))
    if unknown or not chosen:
        raise ValueError(
            f"`{side}` must name modalities of `X`; got {chosen}, known are {list(names)}."
        )
    return chosen
