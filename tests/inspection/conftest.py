"""Small problems and small models for this room's tests."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.utils import Bunch

from sk_mmbalance import Modalities


class Sums:
    """A foreign class with nothing but `predict`: which of two sums is larger."""

    def predict(self, X):
        return (np.asarray(X["face"]).sum(axis=1) + np.asarray(X["voice"]).sum(axis=1) > 0) * 1


@pytest.fixture(scope="session")
def problem():
    """Face that tells the class well, voice that tells it badly, gait that is noise."""
    rng = np.random.default_rng(0)
    y = np.arange(240) % 2
    sign = 2.0 * y - 1
    X = Modalities(
        face=sign[:, None] * 0.9 + rng.normal(size=(240, 2)),
        gait=rng.normal(size=(240, 2)),
        voice=sign[:, None] * 0.5 + rng.normal(size=(240, 1)),
    )
    return Bunch(X=X[:120], y=y[:120], X_test=X[120:], y_test=y[120:])


@pytest.fixture(scope="session")
def table(problem):
    """The same in one flat table, with columns of each modality."""
    columns = {"face": [0, 1], "gait": [2, 3], "voice": [4]}

    def side_by_side(X):
        return np.column_stack([X["face"], X["gait"], X["voice"]])

    return Bunch(
        X=side_by_side(problem.X),
        y=problem.y,
        X_test=side_by_side(problem.X_test),
        y_test=problem.y_test,
        columns=columns,
    )


@pytest.fixture(scope="session")
def linear(table):
    """Logistic regression on the flat table."""
    return LogisticRegression().fit(table.X, table.y)
