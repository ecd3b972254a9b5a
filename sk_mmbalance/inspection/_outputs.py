"""What an estimator answers on input with modalities removed, computed once and scored often."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.metaestimators import available_if

from ._input import take_rows


class Prior:
    """The constant answer of who sees nothing: class shares, or the mean, of the rows scored.

    Parameters
    ----------
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Targets.
    weights : ndarray of shape (n_samples,) or None
        Weights of the rows.
    classes : ndarray of shape (n_classes,) or None
        Class labels; None for numbers, and for several columns of labels.
    kind : {"classifier", "regressor"}
        What `y` is.
    """

    def __init__(self, y: np.ndarray, weights: np.ndarray | None, classes: Any, kind: str):
        weights = np.ones(len(y)) if weights is None else weights
        if kind == "regressor":
            self._answers = {"predict": np.average(y, axis=0, weights=weights)}
        elif classes is None:  # an indicator matrix, or several columns of labels
            columns = [_shares(column, weights, np.unique(column)) for column in y.T]
            tops = [labels[shares.argmax()] for labels, shares in columns]
            self._answers = {"predict": np.array(tops)}
            if y.dtype.kind in "biu" and np.isin(y, (0, 1)).all():
                self._answers["predict_proba"] = np.average(y, axis=0, weights=weights)
        else:
            labels, shares = _shares(y, weights, np.asarray(classes))
            logs = np.log(np.clip(shares, np.finfo(float).tiny, None))
            self._answers = {
                "predict": labels[shares.argmax()],
                "predict_proba": shares,
                "decision_function": logs[1] - logs[0] if len(logs) == 2 else logs,
            }

    def __call__(self, method: str, n_rows: int) -> np.ndarray:
        """The answer of a method, for so many rows."""
        if method not in self._answers:
            raise TypeError(
                f"There is no constant answer of `{method}` for this kind of `y`. Pass "
                "`empty='model'`, or a number."
            )
        answer = np.asarray(self._answers[method])
        return np.repeat(answer[None], n_rows, axis=0)


def _shares(
    y: np.ndarray, weights: np.ndarray, classes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    shares = np.array([weights[y == label].sum() for label in classes])
    return classes, shares / (shares.sum() or 1.0)


def _has(method: str) -> Callable[[Any], bool]:
    return lambda self: hasattr(self._estimator, method)


class RemovedOutputs(BaseEstimator):
    """Stands in for a fitted estimator before scorers; answers from what was computed once.

    Parameters
    ----------
    estimator : estimator
        The fitted one.
    kind : {"classifier", "regressor"}
        What scorers take it for.
    classes : ndarray or None
        Its classes.
    inputs : list of callable
        Each makes the input of one draw.
    answers : ndarray of bool of shape (n_samples,)
        Rows that the estimator is asked about; the others have nothing left.
    prior : Prior
        Answers about the others.
    native : bool, default=False
        Whether the inputs lack modalities that the estimator may not be able to do without.
    """

    def __init__(
        self,
        estimator: Any,
        kind: str,
        classes: Any,
        inputs: list[Callable[[], Any]],
        answers: np.ndarray,
        prior: Prior,
        *,
        native: bool = False,
    ):
        self._estimator = estimator
        self._native = native
        self._kind = kind
        self._inputs = inputs
        self._answers = answers
        self._prior = prior
        self._known: dict[str, Any] = {}
        if classes is not None:
            self.classes_ = classes
        self.on(np.arange(len(answers)))

    def on(self, rows: np.ndarray, X: Any = None) -> RemovedOutputs:
        """Answer for these rows; `X` is what stands for them before a scorer."""
        self._rows = rows
        self.rows_ = rows if X is None else X
        return self

    def first_input(self) -> Any:
        """Input of the first draw, for a scorer that looks at it."""
        return self._inputs[0]()

    @available_if(_has("predict"))
    def predict(self, X: Any) -> Any:
        """Answers of `predict`."""
        return self._answer("predict", X)

    @available_if(_has("predict_proba"))
    def predict_proba(self, X: Any) -> Any:
        """Answers of `predict_proba`."""
        return self._answer("predict_proba", X)

    @available_if(_has("decision_function"))
    def decision_function(self, X: Any) -> Any:
        """Answers of `decision_function`."""
        return self._answer("decision_function", X)

    def __repr__(self) -> str:
        return f"RemovedOutputs({self._estimator!r})"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._estimator, name)  # a scorer may ask for anything, a cost perhaps

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.estimator_type = self._kind
        return tags

    def _answer(self, method: str, X: Any) -> Any:
        if X is not self.rows_:
            return getattr(self._estimator, method)(X)  # rows of the scorer's own
        if method not in self._known:
            self._known[method] = self._compute(method)
        known = self._known[method]
        if isinstance(known, list):
            return [take_rows(output, self._rows) for output in known]
        return take_rows(known, self._rows)

    def _compute(self, method: str) -> Any:
        votes = method == "predict" and self._kind == "classifier"
        draws = (self._one(method, make()) for make in self._inputs)
        if len(self._inputs) == 1:
            return next(draws)
        return _majority(list(draws)) if votes else _mean(draws)

    def _one(self, method: str, X: Any) -> Any:
        if self._answers.all():
            return self._ask(method, X)
        filled = self._prior(method, len(self._answers))
        if self._answers.any():
            rows = np.flatnonzero(self._answers)
            found = self._ask(method, take_rows(X, rows))
            if isinstance(found, list):
                raise TypeError(
                    f"`{method}` gives a list of arrays, which cannot be completed where rows "
                    "have nothing left. Pass `empty='model'`."
                )
            if found.shape[1:] != filled.shape[1:]:
                filled = filled.reshape(len(filled), *found.shape[1:])
            filled = filled.astype(np.result_type(filled, found))
            filled[rows] = found
        return filled

    def _ask(self, method: str, X: Any) -> Any:
        """The estimator's answer; where it cannot do without a modality, the remedy is said."""
        if not self._native:
            return _checked(getattr(self._estimator, method)(X), method)
        try:
            answer = getattr(self._estimator, method)(X)
        except (ValueError, TypeError, KeyError, IndexError) as error:
            said = str(error).partition("\n")[0]
            raise ValueError(
                "`removal='native'` needs an estimator that predicts without a modality. Fit it "
                "with missing='mask', or choose another `removal`. "
                f"{type(self._estimator).__name__} raised {type(error).__name__}: {said}"
            ) from error
        return _checked(answer, method)


def _checked(output: Any, method: str) -> Any:
    """The output as arrays; NaN in it is what some estimators make of input they cannot use."""
    if isinstance(output, list) and output and np.ndim(output[0]) == 2:
        return [_checked(part, method) for part in output]
    output = np.asarray(output)
    if output.dtype.kind == "f" and np.isnan(output).any():
        raise ValueError(
            f"`estimator` gives NaN by `{method}` where modalities are removed. Choose another "
            "`removal`, or fit it so that it can do without them (missing='mask')."
        )
    return output


def _mean(draws: Any) -> Any:
    """Mean over draws; where all draws are equal it is exactly they."""
    mean: Any = next(draws)
    several = isinstance(mean, list)
    # float32 stays: logarithms of probabilities are cut off where the dtype ends
    mean = [part.astype(np.result_type(part, np.float32)) for part in (mean if several else [mean])]
    for count, draw in enumerate(draws, start=2):
        for part, new in zip(mean, draw if several else [draw], strict=True):
            part += (new - part) / count
    return mean if several else mean[0]


def _majority(draws: list[np.ndarray]) -> np.ndarray:
    """The label of most draws; the first in order of equals."""
    stacked = np.stack(draws)
    labels, codes = np.unique(stacked, return_inverse=True)
    codes = codes.reshape(stacked.shape)
    counts = np.stack([(codes == code).sum(axis=0) for code in range(len(labels))])
    return labels[counts.argmax(axis=0)]
