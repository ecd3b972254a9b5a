"""Hundreds of modalities pass in every family, and the order in which they are given is nothing."""

import many_modalities
import numpy as np
import pytest

from sk_mmbalance import (
    LateFusionClassifier,
    Modalities,
    MultimodalClassifier,
    SerialFusionClassifier,
    SerialSemiSupervisedClassifier,
)
from sk_mmbalance.balancing import DGL, MLA
from sk_mmbalance.inspection import missing_modality_curve, modality_contributions

FAST = ["late fusion", "joint network", "scaling each modality", "concatenation"]
CONTAINER = "container: written and read"
#: A step for each modality, and a look at all parameters in each: not for a thousand of them.
BY_MODALITY = "sustained boosting"
#: Thousands of fits of scikit-learn's, which are tested at 300.
MANY_FITS = ["best single modality", "serial chain", "opinion pool, linear experts"]


def answers_of(family, X, y):
    y, options = many_modalities.target(family, X, y)
    estimator = many_modalities.FAMILIES[family](X.names)
    estimator.fit(X, y, **options)
    if hasattr(estimator, "predict_proba"):
        return estimator.predict_proba(X)
    if hasattr(estimator, "predict"):
        return estimator.predict(X)
    made = estimator.transform(X)
    return np.hstack([made[name] for name in made]) if isinstance(made, Modalities) else made


def backwards(X):
    return Modalities({name: X[name] for name in reversed(X.names)})


def assert_passes(family, n_modalities, n_rows):
    X, y = many_modalities.rows(n_modalities, n_rows)
    found = answers_of(family, X, y)
    assert len(found) == n_rows
    assert np.isfinite(found).all()
    if found.ndim == 2 and found.shape[1] == 2:
        np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(answers_of(family, backwards(X), y), found)


@pytest.mark.parametrize("family", FAST)
def test_three_hundred_pass_in_any_order(family):
    assert_passes(family, 300, 60)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("family", [*MANY_FITS, BY_MODALITY])
def test_three_hundred_pass_in_any_order_where_it_takes_longer(family):
    assert_passes(family, 100 if family == BY_MODALITY else 300, 40)


@pytest.mark.slow
@pytest.mark.parametrize(
    "family", sorted({*many_modalities.FAMILIES} - {*MANY_FITS, BY_MODALITY, CONTAINER})
)
def test_a_thousand_pass_in_any_order(family):
    assert_passes(family, 1000, 40)


def test_a_thousand_are_cut_told_written_and_read(tmp_path):
    X, _ = many_modalities.rows(1000, 20)
    some = X[3:9]
    some.save(tmp_path / "rows.npz")
    again = Modalities.load(tmp_path / "rows.npz")
    assert again.names == X.names
    assert all(np.array_equal(again[name], X[name][3:9]) for name in X.names)
    assert len(repr(X)) < 1_000
    assert repr(X).endswith("and 980 more modalities)")
    assert some.to_frame().shape == (6, 5000)


@pytest.mark.parametrize("thresholds", ["cost", "budget", "far", "frr"])
@pytest.mark.parametrize("n_stages", [15, 30])
def test_threshold_search_ends_by_every_criterion(fitted_stages, thresholds, n_stages):
    X, y, stages = fitted_stages
    limits = {"budget": {"budget": 20.0}, "far": {"max_far": 0.5}, "frr": {"max_frr": 0.5}}
    serial = SerialFusionClassifier(
        stages[:n_stages],
        thresholds=thresholds,
        prefit=True,
        n_grid=8,
        **limits.get(thresholds, {}),
    ).fit(X, y)
    assert len(serial.thresholds_) == n_stages
    assert 1 <= serial.expected_cost_ <= n_stages
    if thresholds == "budget":
        assert serial.expected_cost_ <= 20


@pytest.mark.slow
def test_order_search_of_fifteen_stages_ends_and_is_no_worse_than_the_order_given(fitted_stages):
    X, y, stages = fitted_stages
    found = {}
    for order in ("given", "search"):
        options = {"prefit": True, "n_grid": 3, "price": 0.01, "order": order}
        serial = SerialFusionClassifier(stages[:15], **options).fit(X, y)
        found[order] = serial.expected_error_ + 0.01 * serial.expected_cost_
    assert found["search"] <= found["given"] + 1e-9


@pytest.fixture(scope="module")
def fitted_stages():
    """Stages that are fitted once, so that only the search costs anything."""
    from sklearn.naive_bayes import GaussianNB

    X, y = many_modalities.rows(1000, 60)
    return X, y, [(name, GaussianNB().fit(X[name], y), name, 1.0) for name in X.names]


@pytest.mark.parametrize("order", ["given", "search"])
def test_threshold_search_of_a_thousand_stages_ends(fitted_stages, order):
    X, y, stages = fitted_stages
    serial = SerialFusionClassifier(stages, prefit=True, n_grid=3, order=order).fit(X, y)
    assert serial.stage_names_ == list(X.names)  # beyond 500 stages the order given
    assert serial.expected_cost_ < 1000


def test_thirty_modalities_of_few_labels_pass_by_a_criterion_with_a_limit():
    X, y = many_modalities.rows(30, 80)
    y = np.where(np.arange(80) % 4 < 2, y, -1)
    chain = SerialSemiSupervisedClassifier(
        unlabeled_label=-1,
        cv=2,
        guard=False,
        serial_params={"thresholds": "budget", "budget": 5.0},
    ).fit(X, y)
    assert chain.serial_.expected_cost_ <= 5


@pytest.mark.slow
def test_inspection_of_a_hundred():
    X, y = many_modalities.rows(100, 60)
    model = LateFusionClassifier().fit(X, y)
    options = {"n_repeats": 1, "random_state": 0}
    found = modality_contributions(model, X, y, n_orders=4, n_bootstrap=0, **options)
    assert len(found.table) == 100
    assert np.isclose(found.table["contribution"].sum(), found.score_all - found.score_none)
    curve = missing_modality_curve(model, X, y, rates=(0.0, 0.5), **options)
    assert len(curve.table) == 2


@pytest.mark.slow
@pytest.mark.parametrize("balancing", [MLA(), DGL()])
def test_methods_that_need_encoders_apart_pass_as_well(balancing):
    X, y = many_modalities.rows(40, 60)
    model = MultimodalClassifier(balancing=balancing, max_epochs=2, random_state=0).fit(X, y)
    other = MultimodalClassifier(balancing=balancing, max_epochs=2, random_state=0)
    np.testing.assert_array_equal(
        other.fit(backwards(X), y).predict_proba(X), model.predict_proba(X)
    )
