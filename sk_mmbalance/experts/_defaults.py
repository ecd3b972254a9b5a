"""The estimators that stand in where none is given."""

from __future__ import annotations

from typing import Any

from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from .._sklearn import routing_enabled

#: Enough for lbfgs on features that nobody has scaled; it stops at `tol` long before on others.
MAX_ITER = 10_000


def default_classifier(*, scaled: bool = False, sparse: bool = False) -> LogisticRegression:
    """Logistic regression that takes the weights it is given.

    Parameters
    ----------
    scaled : bool, default=False
        Whether a scaler goes before it: modalities come in any unit.
    sparse : bool, default=False
        Whether the scaler must leave zeros where they are.
    """
    if not scaled:
        return requesting_weights(LogisticRegression(max_iter=MAX_ITER))
    scaler = requesting_weights(StandardScaler(with_mean=not sparse))
    return Pipeline(
        [("scale", scaler), ("logistic", requesting_weights(LogisticRegression(max_iter=1000)))]
    )


def default_regressor() -> Pipeline:
    """Ridge regression on scaled features that takes the weights it is given.

    Scaled without moving the mean, which Ridge's own intercept takes up: so that zeros of sparse
    features stay.
    """
    scaler = requesting_weights(StandardScaler(with_mean=False))
    # the tolerance is that of the solver for sparse features; others are exact
    return Pipeline([("scale", scaler), ("ridge", requesting_weights(Ridge(tol=1e-10)))])


def requesting_weights(model: Any) -> Any:
    """The same estimator; with metadata routing it asks for the weights of rows."""
    if routing_enabled():
        model.set_fit_request(sample_weight=True)
    return model
