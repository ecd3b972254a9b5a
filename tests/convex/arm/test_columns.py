"""Columns that are made a block at a time are those of one array."""

import numpy as np
import pytest
from sklearn.base import is_regressor

from sk_mmbalance import ARMClassifier, ARMClassifierCV, ARMRegressor, Modalities
from sk_mmbalance.convex.arm import _columns


@pytest.fixture
def many(monkeypatch):
    """Any number of rows counts as many, and blocks are small."""
    monkeypatch.setattr(_columns, "MOST_COPIED", 0)
    monkeypatch.setattr(_columns, "BLOCK", 7)


def made(rng, n=40):
    """Parts of two types, and the same as one array."""
    parts = [rng.normal(size=(n, 3)), rng.normal(5, size=(n, 2)).astype(np.float32)]
    return _columns.SideColumns.of(parts), np.hstack(parts, dtype=float)


@pytest.mark.parametrize("blocks", [False, True])
def test_products_are_those_of_the_array(request, blocks):
    if blocks:
        request.getfixturevalue("many")
    rng = np.random.default_rng(0)
    columns, array = made(rng)
    seen, counted = rng.random(40) > 0.2, rng.random(40) > 0.3
    mean = columns.mean(seen & counted)
    np.testing.assert_allclose(mean, array[seen & counted].mean(axis=0), rtol=1e-12)
    columns, array = columns.less(mean, seen), np.where(seen[:, None], array - mean, 0.0)
    rows = rng.integers(40, size=25)  # some twice, in any order
    for some, expected in (
        (columns, array),
        (columns.take(rows), array[rows]),
        (columns.take(rows).take(slice(3, 20)), array[rows][3:20]),
    ):
        assert some.shape == expected.shape
        coef, scores = rng.normal(size=(5, 2)), rng.normal(size=(len(expected), 2))
        np.testing.assert_allclose(some.times(coef), expected @ coef, atol=1e-12)
        np.testing.assert_allclose(some.transposed(scores), expected.T @ scores, atol=1e-12)
        at = np.array([4, 4, 0])
        np.testing.assert_allclose(some.block(at), expected[at], atol=1e-12)


def test_rows_of_a_mean_that_is_none():
    columns, _ = made(np.random.default_rng(0))
    assert not columns.mean(np.zeros(40, dtype=bool)).any()


@pytest.mark.parametrize(
    "estimator",
    [
        ARMClassifier(solver="schur"),
        ARMClassifier(loss="log_loss", solver="fista", tol=1e-10),
        ARMClassifier(solver="clarabel", temperature=None),
        ARMClassifier(predict_with="serial", solver="schur", fit_intercept=False),
        ARMClassifierCV(cv=3),
        ARMRegressor(solver="schur"),
    ],
    ids=lambda estimator: f"{type(estimator).__name__}-{getattr(estimator, 'solver', '')}",
)
def test_an_estimator_gives_the_same_of_blocks(make_rows, estimator, request):
    X, y = make_rows()
    X = Modalities({name: X[name].astype(np.float32) for name in X})
    estimator.fit(X, y)
    scores = "predict" if is_regressor(estimator) else "decision_function"
    expected = getattr(estimator, scores)(X)
    importances, subset = estimator.feature_importances_, estimator.transform(X)
    request.getfixturevalue("many")
    estimator.fit(X, y)
    np.testing.assert_allclose(getattr(estimator, scores)(X), expected, atol=1e-6)
    np.testing.assert_allclose(estimator.feature_importances_, importances, atol=1e-6)
    np.testing.assert_allclose(estimator.transform(X), subset, atol=1e-6)


def test_masked_sides_give_the_same_of_blocks(make_rows, request):
    X, y = make_rows()
    face, finger = X["face"].copy(), X["finger"].copy()
    face[::5], finger[1::7] = np.nan, np.nan
    face[np.isnan(face).any(axis=1) & np.isnan(finger).any(axis=1)] = 0.0
    X = Modalities(face=face, finger=finger)
    arm = ARMClassifier(weak="face", missing="mask", solver="schur")
    expected = arm.fit(X, y).predict_proba(X)
    request.getfixturevalue("many")
    np.testing.assert_allclose(arm.fit(X, y).predict_proba(X), expected, atol=1e-7)
