"""`VectorizedGridSearchCV` and `VectorizedRandomizedSearchCV`."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.base import is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import (
    GridSearchCV,
    ParameterGrid,
    ParameterSampler,
    RandomizedSearchCV,
    check_cv,
)
from sklearn.utils import indexable
from sklearn.utils.metadata_routing import process_routing
from tqdm.auto import tqdm

from .._sklearn import (
    ArrayLike,
    Interval,
    StrOptions,
    check_method_params,
    fit_context,
    routing_enabled,
)
from ..base import scorable
from ._handed_over import HandedOver
from ._shares import Divided


class _ListedSearch(GridSearchCV):
    """scikit-learn's search over a list of candidates."""

    candidates: list[dict[str, Any]]
    more_results: dict[str, list[Any]]

    def _run_search(self, evaluate_candidates: Any) -> None:
        evaluate_candidates(self.candidates, more_results=self.more_results)

    @staticmethod
    def _select_best_index(refit: Any, refit_metric: str, results: Any) -> Any:
        """The best of those that were trained to the end."""
        if callable(refit) or "dropped_after" not in results:
            return GridSearchCV._select_best_index(refit, refit_metric, results)
        ranks = results[f"rank_test_{refit_metric}"]
        return np.where(results["dropped_after"] == 0, ranks, ranks.max() + 1).argmin()


class _FixedSplits:
    """The splits that `cv` gave once, for whoever asks again."""

    def __init__(self, cv: Any, splits: list[Any]):
        self.cv, self.splits = cv, splits

    def split(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        return iter(self.splits)

    def get_n_splits(self, *args: Any, **kwargs: Any) -> int:
        return len(self.splits)

    def __getattr__(self, name: str) -> Any:
        if name == "get_metadata_routing":  # what `cv` asks for, if it asks
            return getattr(self.__dict__["cv"], name)
        raise AttributeError(name)


class _VectorizedSearch:
    """What both searches have besides scikit-learn's."""

    estimator: Any
    max_models: Any
    halving: Any
    stack: Any

    _own_constraints: ClassVar[dict[str, list[Any]]] = {
        "max_models": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "halving": [ArrayLike(), None],
        "stack": ["boolean", StrOptions({"auto"})],
    }
    #: parameters that scikit-learn's search is given as they are
    _taken: ClassVar[tuple[str, ...]] = (
        "scoring",
        "n_jobs",
        "refit",
        "verbose",
        "pre_dispatch",
        "error_score",
        "return_train_score",
    )

    def _listed(self) -> list[dict[str, Any]]:
        raise NotImplementedError

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any = None, **params: Any) -> Any:
        """Fit every candidate on every fold, and the best one on all rows.

        Parameters
        ----------
        X : Modalities, DataFrame or array of shape (n_samples, n_features)
            The modalities. A plain dict cannot be cut into folds.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The target.
        **params : dict
            Parameters of the estimator's `fit`, of the scorer and of the splitter, as in
            scikit-learn: ``groups`` go to `cv`, ``sample_weight`` to the estimator.

        Returns
        -------
        self
            The fitted search.
        """
        me: Any = self
        X, y = same_rows(X, y)
        fit_params, split_params = self._routed(check_method_params(X, params=params))
        candidates = self._listed()
        try:
            with np.errstate(invalid="ignore"):  # infinite labels are refused a step further
                cv = check_cv(me.cv, y, classifier=is_classifier(self.estimator))
            splits = list(cv.split(X, y, **split_params))
        except (TypeError, ValueError) as error:
            raise ValueError(f"`cv`={me.cv!r} cannot cut folds by `y`: {error}") from error
        _check_splits(me.cv, splits, X.shape[0] if hasattr(X, "shape") else len(X))
        _check_halving(me.halving)
        me._get_scorers()  # a metric that is not there is refused now, not after the training
        together = Divided(me, candidates, splits)
        hands = together.fit(X, y, fit_params)

        settings = {name: getattr(me, name) for name in self._taken}
        if not together.ordinary:
            settings["n_jobs"] = None  # nothing is left but scores
        search = _ListedSearch(
            **{
                **settings,
                "estimator": HandedOver.around(self.estimator, hands),
                "param_grid": {},
                "cv": _FixedSplits(me.cv, splits),
            }
        )
        search.candidates = candidates
        search.more_results = {"dropped_after": together.dropped} if together.halving else {}
        search.fit(X, y, **params)
        together.enter_times(search.cv_results_)
        fitted = {k: v for k, v in vars(search).items() if k.endswith("_") and k[0] != "_"}
        if "best_estimator_" in fitted:
            fitted["best_estimator_"] = HandedOver.undressed(fitted["best_estimator_"])
        if me.scoring is None:  # would keep hold of the estimator that was handed over
            fitted["scorer_"] = check_scoring(self.estimator)
        vars(self).update(fitted, vectorized_=together.report())
        if me.verbose:
            tqdm.write(f"{type(self).__name__}: {_best_of(self)}")
        return self

    def _routed(self, params: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Parameters of the estimator's fit, and of the splitter."""
        if routing_enabled():
            routed = process_routing(self, "fit", **params)
            return routed.estimator.fit, routed.splitter.split
        groups = params.pop("groups", None)
        return params, {"groups": groups}


def _check_splits(cv: Any, splits: list[Any], n_rows: int) -> None:
    rows = np.arange(n_rows)
    try:
        found = bool(splits) and all(len(rows[part]) for split in splits for part in split)
    except IndexError as error:
        raise ValueError(f"`cv`={cv!r} gives rows that `X` does not have: {error}.") from error
    if not found:
        raise ValueError(
            f"`cv`={cv!r} gives no fold, or one without rows to train or to score on. Pass a "
            "number of folds, or a splitter."
        )


def _check_halving(halving: Any) -> None:
    given = [] if halving is None else list(halving)
    if (
        not all(isinstance(n, Integral) and int(n) >= 1 for n in given)
        or sorted(set(given)) != given
    ):
        raise ValueError(
            "`halving` must hold numbers of epochs, at least 1 and each larger than the one "
            f"before, such as [5, 10]; got {halving!r}."
        )


class VectorizedGridSearchCV(_VectorizedSearch, GridSearchCV):
    """Exhaustive search over parameters in which many networks are trained as one.

    A drop-in for `sklearn.model_selection.GridSearchCV` around the neural estimators of this
    package, or a pipeline that ends in one. Candidates and folds whose networks have the same form
    are trained as one stacked network, each on its own batches, with its own learning rate, weight
    decay, weights and seed; steps of a pipeline before the network are fitted once a fold. Results
    are those of training one after another, up to rounding.

    Whatever cannot be stacked (dropout, batch statistics, sparse modalities, callbacks of your
    own, balancing methods that take steps of their own, other estimators) takes scikit-learn's
    path, and ``vectorized_`` says so.

    Parameters
    ----------
    estimator : estimator
        A neural estimator, or a pipeline that ends in one. Others are searched as by
        scikit-learn.
    param_grid : dict or list of dict
        As in `GridSearchCV`. Parameters that shape the network (its sizes, `fusion`, `optimizer`,
        `batch_size`, ...) make stacks of their own; numbers of its training do not.
    scoring, refit, cv, pre_dispatch, error_score, return_train_score : object
        As in `GridSearchCV`. The best candidate is fitted to all rows in the ordinary way.
    n_jobs : int or None, default=None
        Stacks are divided over so many processes, small ones over threads; what cannot be stacked
        takes so many processes.
    verbose : int, default=0
        Above 0, a progress bar over all epochs of the stacks with the time that is left; then as
        in `GridSearchCV`.
    max_models : int or "auto", default="auto"
        How many networks are trained at once at most, and with them how much memory is taken.
        "auto" is as many as pay, and as go into half of the memory that is free: with large
        networks a number makes the stacks, and what `halving` compares, the same everywhere. All
        folds of a candidate are trained together.
    halving : sequence of int or None, default=None
        After so many epochs the worse half of the candidates of every stack is given up, as their
        mean loss on the rows tested on says. A candidate that was is scored as it was then, and
        cannot be the best one. One whose training has ended by then is compared, and kept.
    stack : bool or "auto", default="auto"
        Whether what can be stacked is. "auto" goes by a rule on sizes, which knows where a stack
        is faster.

    Attributes
    ----------
    cv_results_ : dict of str to array
        As in scikit-learn. The time of a fit that was stacked is its share of that of the stack.
        With `halving` there is ``dropped_after``, the epochs after which a candidate was given up;
        0 where it was not.
    best_estimator_, best_params_, best_score_, best_index_, scorer_, n_splits_ : object
        As in scikit-learn; so are further ones.
    vectorized_ : DataFrame
        A row a candidate: ``stacked``, whether it was trained in a stack; ``stack``, the number of
        the (last) one, -1 without; ``reason``, why it was not, or what kept all its fits from
        beginning.

    See Also
    --------
    VectorizedRandomizedSearchCV : Candidates are drawn.
    sklearn.model_selection.GridSearchCV : Trains one after another.

    Examples
    --------
    >>> from sk_mmbalance import MultimodalClassifier
    >>> from sk_mmbalance.datasets import load_digits_views
    >>> from sk_mmbalance.model_selection import VectorizedGridSearchCV
    >>> X, y = load_digits_views(return_X_y=True)
    >>> clf = MultimodalClassifier(max_epochs=3, early_stopping=False, random_state=0)
    >>> grid = {"lr": [1e-4, 1e-2], "unimodal_weight": [0.5, 1.0]}
    >>> search = VectorizedGridSearchCV(clf, grid, cv=3).fit(X[:600], y[:600])
    >>> search.best_params_["lr"]
    0.01
    >>> bool(search.vectorized_["stacked"].all())
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **GridSearchCV._parameter_constraints,
        **_VectorizedSearch._own_constraints,
    }

    def __init__(
        self,
        estimator: Any,
        param_grid: Any,
        *,
        scoring: Any = None,
        n_jobs: Any = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: Any = "2*n_jobs",
        error_score: Any = np.nan,
        return_train_score: bool = False,
        max_models: Any = "auto",
        halving: Any = None,
        stack: Any = "auto",
    ):
        super().__init__(
            estimator,
            param_grid,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.max_models = max_models
        self.halving = halving
        self.stack = stack

    def _listed(self) -> list[dict[str, Any]]:
        return list(ParameterGrid(self.param_grid))


class VectorizedRandomizedSearchCV(_VectorizedSearch, RandomizedSearchCV):
    """Search over drawn parameters in which many networks are trained as one.

    As `VectorizedGridSearchCV`, with the candidates of
    `sklearn.model_selection.RandomizedSearchCV`.

    Parameters
    ----------
    estimator : estimator
        A neural estimator, or a pipeline that ends in one. Others are searched as by
        scikit-learn.
    param_distributions : dict or list of dict
        As in `RandomizedSearchCV`.
    n_iter : int, default=10
        How many candidates are drawn.
    random_state : int, RandomState or None, default=None
        What draws the candidates.
    scoring, refit, cv, pre_dispatch, error_score, return_train_score : object
        As in `GridSearchCV`. The best candidate is fitted to all rows in the ordinary way.
    n_jobs : int or None, default=None
        Stacks are divided over so many processes, small ones over threads; what cannot be stacked
        takes so many processes.
    verbose : int, default=0
        Above 0, a progress bar over all epochs of the stacks with the time that is left; then as
        in `GridSearchCV`.
    max_models : int or "auto", default="auto"
        How many networks are trained at once at most, and with them how much memory is taken.
        "auto" is as many as pay, and as go into half of the memory that is free: with large
        networks a number makes the stacks, and what `halving` compares, the same everywhere. All
        folds of a candidate are trained together.
    halving : sequence of int or None, default=None
        After so many epochs the worse half of the candidates of every stack is given up, as their
        mean loss on the rows tested on says. A candidate that was is scored as it was then, and
        cannot be the best one. One whose training has ended by then is compared, and kept.
    stack : bool or "auto", default="auto"
        Whether what can be stacked is. "auto" goes by a rule on sizes, which knows where a stack
        is faster.

    Attributes
    ----------
    cv_results_ : dict of str to array
        As in scikit-learn. The time of a fit that was stacked is its share of that of the stack.
        With `halving` there is ``dropped_after``, the epochs after which a candidate was given up;
        0 where it was not.
    best_estimator_, best_params_, best_score_, best_index_, scorer_, n_splits_ : object
        As in scikit-learn; so are further ones.
    vectorized_ : DataFrame
        A row a candidate: ``stacked``, whether it was trained in a stack; ``stack``, the number of
        the (last) one, -1 without; ``reason``, why it was not, or what kept all its fits from
        beginning.

    See Also
    --------
    VectorizedGridSearchCV : All candidates of a grid.
    sklearn.model_selection.RandomizedSearchCV : Trains one after another.

    Examples
    --------
    >>> from scipy.stats import loguniform
    >>> from sk_mmbalance import MultimodalClassifier
    >>> from sk_mmbalance.datasets import load_digits_views
    >>> from sk_mmbalance.model_selection import VectorizedRandomizedSearchCV
    >>> X, y = load_digits_views(return_X_y=True)
    >>> clf = MultimodalClassifier(max_epochs=3, early_stopping=False, random_state=0)
    >>> search = VectorizedRandomizedSearchCV(
    ...     clf, {"lr": loguniform(1e-4, 1e-1)}, n_iter=4, cv=3, random_state=0
    ... )
    >>> bool(search.fit(X[:600], y[:600]).best_score_ > 0.8)
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **RandomizedSearchCV._parameter_constraints,
        **_VectorizedSearch._own_constraints,
    }

    def __init__(
        self,
        estimator: Any,
        param_distributions: Any,
        *,
        n_iter: int = 10,
        scoring: Any = None,
        n_jobs: Any = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: Any = "2*n_jobs",
        random_state: Any = None,
        error_score: Any = np.nan,
        return_train_score: bool = False,
        max_models: Any = "auto",
        halving: Any = None,
        stack: Any = "auto",
    ):
        super().__init__(
            estimator,
            param_distributions,
            n_iter=n_iter,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            random_state=random_state,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.max_models = max_models
        self.halving = halving
        self.stack = stack

    def _listed(self) -> list[dict[str, Any]]:
        return list(
            ParameterSampler(self.param_distributions, self.n_iter, random_state=self.random_state)
        )


def _best_of(search: Any) -> str:
    """What a fitted search has found, in a line."""
    if not hasattr(search, "best_params_"):  # several scores, none of which decides
        return f"{len(search.cv_results_['params'])} candidates scored"
    chosen = ", ".join(f"{key}={value!r}" for key, value in search.best_params_.items())
    if not hasattr(search, "best_score_"):  # a callable chose
        return f"chose {chosen}"
    return f"score {search.best_score_:.3f} out of fold with {chosen}"


def same_rows(X: Any, y: Any) -> tuple[Any, Any]:
    """`X` and `y` as rows can be taken of them."""
    if X is None:
        raise ValueError("`X` must hold the rows; got None.")
    y = scorable(y)
    try:
        X, y = indexable(X, y)
    except (TypeError, ValueError) as error:
        raise type(error)(f"`X` and `y` must have the same rows: {error}") from error
    return X, y
