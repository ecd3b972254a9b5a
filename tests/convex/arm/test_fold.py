"""Folds whose training part lacks a class."""

import numpy as np
import pytest

from sk_mmbalance import ARMClassifier, ARMClassifierCV, Modalities
from sk_mmbalance.convex.arm._combination import predicted_codes
from sk_mmbalance.convex.arm._fold import FoldFit

VALUES = {"alpha": 1.0, "coupling": 0.1, "strong_reg": 0.1, "weak_reg": 0.1}


def fold_of(X, y, train, loss, **options):
    arm = ARMClassifier(weak="face", loss=loss, solver="fista", max_iter=400, **options)
    rows = arm._read_rows(X, y, None, None)
    assembly = arm._assemble(rows, ("face",), ("finger",))
    return FoldFit(
        assembly,
        rows,
        train,
        alpha=1.0,
        coupling=0.1,
        make_engine=arm._engine,
        strengths_of=arm._strengths,
    )


@pytest.mark.parametrize("loss", ["squared", "squared_hinge", "log_loss"])
@pytest.mark.parametrize("n_classes", [2, 3, 4])
def test_class_that_is_not_trained_on_is_never_predicted(make_rows, loss, n_classes):
    X, y = make_rows(n_classes=n_classes)
    for absent in (0, n_classes - 1):
        fold = fold_of(X, y, np.flatnonzero(y != absent), loss)
        for side, name in zip(fold.sides(**VALUES), ("finger", "face"), strict=True):
            scores = side.scores(X[name])
            assert scores.shape == (len(y), 1 if n_classes == 2 else n_classes)
            assert not (predicted_codes(scores) == absent).any()


@pytest.mark.parametrize("loss", ["squared_hinge", "log_loss"])
def test_other_classes_are_fitted_as_if_there_were_no_more(make_rows, loss):
    X, y = make_rows(n_classes=4)
    train = np.flatnonzero(y != 3)
    lacking = fold_of(X, y, train, loss, tol=1e-10).sides(**VALUES)
    alone = fold_of(X[train], y[train], np.arange(len(train)), loss, tol=1e-10).sides(**VALUES)
    for one, two in zip(lacking, alone, strict=True):
        np.testing.assert_allclose(one.coef[:, :3], two.coef, atol=1e-5)
        assert not one.coef[:, 3].any()


def test_search_and_thresholds_survive_a_class_of_a_single_row(make_rows):
    X, y = make_rows(n=40, n_classes=2)
    far = X["finger"].copy()
    y[7], far[7] = 2, 20.0
    X = Modalities(face=X["face"], finger=far)
    options = {"weak": "face", "loss": "log_loss", "solver": "fista", "max_iter": 400}
    grid = {"couplings": [0.1], "strong_regs": [0.1], "weak_regs": [0.3, 0.1]}
    found = ARMClassifierCV(**options, **grid, cv=2).fit(X, y)
    assert found.n_splits_ == 2
    # the fold that tests the row was not trained on its class
    assert min(found.cv_results_[f"split{k}_test_score"].max() for k in range(2)) < 1
    serial = ARMClassifier(predict_with="serial", **options, cv=2).fit(X, y)
    assert np.isfinite(serial.decision_function(X)).all()
