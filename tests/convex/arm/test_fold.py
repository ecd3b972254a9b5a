"""Folds whose training part lacks a class."""

import numpy as np
import pytest

from sk_mmbalance import ARMClassifier, ARMClassifierCV, Modalities

LOSSES = ["squared", "squared_hinge", "log_loss"]
GRID = {"couplings": [0.1], "strong_regs": [0.1], "weak_regs": [0.3, 0.1]}


def models_of_fold(X, y, train, test, **options):
    """What a search fits to the training part: coefficients, and the classes of the tested rows."""
    seen = []

    def watch(arm, X, y):
        seen.append((arm.coef_weak_, arm.coef_strong_, arm.predict(X)))
        return 0.0

    ARMClassifierCV(
        weak="face", cv=[(train, test)], scoring=watch, solver="fista", **GRID, **options
    ).fit(X, y)
    return seen


@pytest.mark.filterwarnings("ignore::sk_mmbalance.exceptions.FoldWarning")
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("n_classes", [2, 3, 4])
def test_class_that_is_not_trained_on_is_never_predicted(make_rows, loss, n_classes):
    X, y = make_rows(n=90, n_classes=n_classes)
    for absent in (0, n_classes - 1):
        others, strange = np.flatnonzero(y != absent), np.flatnonzero(y == absent)
        test = np.r_[others, strange[: len(others) // 2]]  # more are refused
        found = models_of_fold(X, y, others, test, loss=loss)
        assert len(found) == 2
        for *_, predicted in found:
            assert set(np.unique(predicted)) == set(range(n_classes)) - {absent}


@pytest.mark.parametrize("loss", LOSSES)
def test_other_classes_are_fitted_as_if_there_were_no_more(make_rows, loss):
    X, y = make_rows(n=120, n_classes=4)
    train = np.flatnonzero(y != 3)
    test = train[::4]
    lacking = models_of_fold(X, y, train, test, loss=loss, tol=1e-10)
    rest = np.arange(len(train))
    alone = models_of_fold(X[train], y[train], rest, rest[::4], loss=loss, tol=1e-10)
    for (*with_class, one), (*without, two) in zip(lacking, alone, strict=True):
        for coef, expected in zip(with_class, without, strict=True):
            np.testing.assert_allclose(coef[:3], expected, atol=1e-5)
            np.testing.assert_allclose(coef[3], 0.0, atol=1e-5)
        np.testing.assert_array_equal(one, two)


def test_search_and_thresholds_survive_a_class_of_a_single_row(make_rows):
    X, y = make_rows(n=40, n_classes=2)
    far = X["finger"].copy()
    y[7], far[7] = 2, 20.0
    X = Modalities(face=X["face"], finger=far)
    options = {"weak": "face", "loss": "log_loss", "solver": "fista", "cv": 2}
    found = ARMClassifierCV(**options, **GRID).fit(X, y)
    assert found.n_splits_ == 2
    # the fold that tests the row was not trained on its class
    assert min(found.cv_results_[f"split{k}_test_score"].max() for k in range(2)) < 1
    serial = ARMClassifier(predict_with="serial", **options).fit(X, y)
    assert np.isfinite(serial.decision_function(X)).all()
