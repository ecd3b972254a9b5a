"""Probabilities of the squared losses: temperatures fitted on held-out scores."""

import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn.base import clone
from sklearn.metrics import log_loss

from sk_mmbalance import ARMClassifier, ARMClassifierCV, Modalities
from sk_mmbalance.convex.arm._temperature import HeldOutScores, fit_temperatures

OWN = {"solver": "schur"}


@pytest.mark.parametrize("loss", ["squared", "squared_hinge"])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("mode", ["auto", "weak", "strong", "sum", "serial"])
def test_probabilities_as_it_comes_agree_with_predict_in_every_mode(
    make_rows, n_classes, mode, loss
):
    X, y = make_rows(n=120, n_classes=n_classes)
    arm = ARMClassifier("face", loss=loss, predict_with=mode, max_iter=500, tol=1e-3).fit(X, y)
    proba = arm.predict_proba(X)
    assert proba.shape == (120, n_classes)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    np.testing.assert_array_equal(arm.classes_[proba.argmax(axis=1)], arm.predict(X))
    np.testing.assert_allclose(np.log(proba), arm.predict_log_proba(X))
    assert set(arm.temperatures_) == {"weak", "strong", "both"}


@pytest.mark.parametrize("n_classes", [2, 4])
def test_predictions_and_scores_are_those_without_a_temperature_bit_for_bit(make_rows, n_classes):
    X, y = make_rows(n_classes=n_classes)
    plain = ARMClassifier("face", temperature=None).fit(X, y)
    fitted = ARMClassifier("face").fit(X, y)
    np.testing.assert_array_equal(fitted.predict(X), plain.predict(X))
    np.testing.assert_array_equal(fitted.decision_function(X), plain.decision_function(X))
    fixed = ARMClassifier("face", temperature=0.25).fit(X, y)
    scores = fixed.decision_function(X) / 0.25
    expected = softmax(scores, axis=1) if n_classes > 2 else expit(scores)
    proba = fixed.predict_proba(X)
    np.testing.assert_array_equal(proba if n_classes > 2 else proba[:, 1], expected)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_temperature_has_the_least_log_loss_on_held_out_rows(make_rows, n_classes):
    """Against a search over temperatures, on scores of folds made by hand."""
    X, y = make_rows(n=300, n_classes=n_classes)
    rows = np.random.default_rng(0).permutation(300)
    folds = [(np.setdiff1d(rows, rows[k::3]), rows[k::3]) for k in range(3)]
    model = ARMClassifier("face", temperature=None, predict_with="strong", **OWN)
    scores = np.zeros((300, 1 if n_classes == 2 else n_classes))
    for train, test in folds:
        part = clone(model).fit(X[train], y[train]).decision_function(X[test])
        scores[test] = part.reshape(len(test), -1)
    if n_classes == 2:
        scores = np.hstack([-scores / 2, scores / 2])
    grid = np.geomspace(0.02, 5, 1500)
    # the truth is smoothed: one more row of every class
    truth = np.full((300, n_classes), 1 / (300 + n_classes))
    truth[np.arange(300), np.unique(y, return_inverse=True)[1]] = 301 / (300 + n_classes)
    losses = [-(truth * np.log(softmax(scores / t, axis=1))).sum() for t in grid]
    found = ARMClassifier("face", cv=folds, **OWN).fit(X, y).temperatures_["strong"]
    assert found == pytest.approx(grid[np.argmin(losses)], rel=5e-3)


def test_probabilities_are_nearly_as_good_on_new_rows_as_those_of_the_log_loss(make_rows):
    X, y = make_rows(n=600)
    train, test = np.arange(300), np.arange(300, 600)
    losses = {
        loss: log_loss(
            y[test], ARMClassifier("face", loss=loss).fit(X[train], y[train]).predict_proba(X[test])
        )
        for loss in ("squared", "log_loss")
    }
    assert losses["squared"] < 1.1 * losses["log_loss"]
    raw = ARMClassifier("face", temperature=1.0).fit(X[train], y[train]).predict_proba(X[test])
    assert losses["squared"] < 0.9 * log_loss(y[test], raw)


def test_weight_two_is_the_row_twice_and_weight_0_and_unlabelled_rows_are_not_held_out(make_rows):
    X, y = make_rows(n=90)
    weight = np.tile([1.0, 2.0, 0.0], 30)
    part = np.tile(np.repeat([0, 1, 2], 3), 10)
    options = {"weak": "face", **OWN}
    folds = [(np.flatnonzero(part != k), np.flatnonzero(part == k)) for k in range(3)]
    weighted = ARMClassifier(cv=folds, **options).fit(X, y, weight)
    rows = np.repeat(np.arange(90), weight.astype(int))
    folds = [(np.flatnonzero(part[rows] != k), np.flatnonzero(part[rows] == k)) for k in range(3)]
    repeated = ARMClassifier(cv=folds, **options).fit(X[rows], y[rows])
    for source, temperature in weighted.temperatures_.items():
        assert temperature == pytest.approx(repeated.temperatures_[source], rel=1e-6)
    few = np.where(np.arange(90) < 45, y, -1)
    arm = ARMClassifier(unlabeled_label=-1, coupling=0.0, **options).fit(X, few)
    alone = ARMClassifier(coupling=0.0, **options).fit(X[:45], y[:45])
    for source, temperature in arm.temperatures_.items():
        assert temperature == pytest.approx(alone.temperatures_[source], rel=1e-6)


def test_groups_stay_whole(make_rows):
    """Every row twice: only folds that keep pairs together see that the class is noise."""
    rng = np.random.default_rng(0)
    y = np.tile(np.arange(60) % 2, 2)
    X = Modalities(a=np.tile(rng.normal(size=(60, 50)), (2, 1)), b=np.tile(y, (1, 1)).T + 0.0)
    X["b"][:] = rng.normal(size=(120, 1))
    arm = ARMClassifier("b", **OWN)
    apart = clone(arm).fit(X, y).temperatures_["strong"]
    whole = clone(arm).fit(X, y, groups=np.tile(np.arange(60), 2)).temperatures_["strong"]
    assert whole > 3 * apart


def test_row_gets_the_temperature_of_the_side_that_it_has(make_rows):
    X, y = make_rows(n=120)
    part = Modalities(face=X["face"].copy(), finger=X["finger"].copy())
    part["face"][:40], part["finger"][40:80] = np.nan, np.nan
    arm = ARMClassifier("face", missing="mask", **OWN).fit(part, y)
    found = np.repeat([arm.temperatures_[s] for s in ("strong", "weak", "both")], 40)
    expected = softmax(arm.decision_function(part) / found[:, None], axis=1)
    np.testing.assert_allclose(arm.predict_proba(part), expected)


def test_separable_and_meaningless_scores_still_give_finite_probabilities():
    y = np.arange(60) % 2
    X = {"a": 10.0 * y[:, None] - 5.0, "b": np.random.default_rng(0).normal(size=(60, 1))}
    proba = ARMClassifier("b", **OWN).fit(X, y).predict_proba(X)
    assert ((proba > 0) & (proba < 1)).all()
    assert log_loss(y, proba) < 0.1
    noise = {"a": X["b"], "b": np.ones((60, 1))}
    proba = ARMClassifier("b", **OWN).fit(noise, y).predict_proba(noise)
    assert log_loss(y, proba) < np.log(2) + 0.02


def test_too_few_rows_for_folds_fit_and_predict_but_say_so_in_predict_proba():
    X = {"a": np.array([[0.0], [1.0]]), "b": np.array([[1.0], [3.0]])}
    arm = ARMClassifier("a", **OWN).fit(X, [0, 1])
    assert arm.predict(X).tolist() == [0, 1]
    for method in ("predict_proba", "predict_log_proba"):
        with pytest.raises(ValueError, match=r"`temperature`='cv' has none.*more labelled rows"):
            getattr(arm, method)(X)
    with pytest.raises(ValueError, match="ran with another `temperature`"):
        ARMClassifier("a", temperature=None, **OWN).fit(X, [0, 1]).set_params(
            temperature="cv"
        ).predict_proba(X)
    with pytest.raises(ValueError, match="temperature"):
        ARMClassifier("a", temperature=-1.0).fit(X, [0, 1])


def test_chosen_strengths_are_those_that_the_temperature_is_fitted_with(make_rows):
    X, y = make_rows(n=90)
    grid = {"couplings": [0.0, 0.1], "strong_regs": [0.01, 0.1], "alphas": [1.0]}
    chosen = ARMClassifierCV("face", weak_regs=[0.03], **grid, **OWN).fit(X, y)
    same = ARMClassifier("face", **chosen.best_params_, **OWN).fit(X, y)
    assert chosen.temperatures_ == pytest.approx(same.temperatures_)
    np.testing.assert_allclose(chosen.predict_proba(X), same.predict_proba(X))


def test_rows_that_are_held_out_twice_count_half_each_time():
    rng = np.random.default_rng(0)
    codes, weights = rng.integers(0, 3, 90), rng.uniform(1, 2, 90)
    weak, strong = rng.normal(size=(2, 90, 3)) + np.eye(3)[codes]
    held = rng.random(90) < 0.9
    once = HeldOutScores(weak, strong, np.arange(90), held, held, 1)
    twice = HeldOutScores.together([once, once])
    assert HeldOutScores.together([once]) is once
    sides = {"weak_seen": rng.random(90) < 0.7, "strong_seen": np.ones(90, dtype=bool)}
    expected = fit_temperatures(once, **sides, codes=codes, weights=weights)
    found = fit_temperatures(twice, **sides, codes=codes, weights=weights)
    assert found == pytest.approx(expected)
