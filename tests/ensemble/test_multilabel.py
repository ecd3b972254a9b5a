"""Several labels a row, in the classifiers made of experts."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from sk_mmbalance import (
    LateFusionClassifier,
    Modalities,
    OpinionPoolClassifier,
    UnimodalClassifier,
)

EACH = {name: (LogisticRegression(), name) for name in ("face", "voice")}
CLASSIFIERS = {
    "best": UnimodalClassifier(cv=3),
    "late": LateFusionClassifier(),
    "late, product": LateFusionClassifier(rule="product"),
    "late, learnt": LateFusionClassifier(weights="cv", cv=3),
    "late, stacking": LateFusionClassifier(rule="stacking", cv=3),
    "pool": OpinionPoolClassifier(EACH, cv=3),
    "pool, stack": OpinionPoolClassifier(EACH, cv=3, rule="stack"),
    "pool, select": OpinionPoolClassifier(EACH, cv=3, rule="select"),
}
every_classifier = pytest.mark.parametrize(
    "model", [pytest.param(model, id=name) for name, model in CLASSIFIERS.items()]
)


@pytest.fixture(scope="module")
def data():
    """Label 0 is known by the face, label 1 by the voice, label 2 by both."""
    rng = np.random.default_rng(0)
    y = (rng.random((160, 3)) < [0.5, 0.4, 0.3]).astype(np.int32)
    X = Modalities(
        face=2.5 * y[:, [0, 2]] + rng.normal(0, 0.6, (160, 2)),
        voice=2.5 * y[:, [1, 2]] + rng.normal(0, 0.6, (160, 2)),
    )
    return X, y


def with_holes(X):
    present = np.random.default_rng(1).random((len(X), 2)) > 0.3
    present[~present.any(axis=1), 0] = True
    return Modalities(
        {n: np.where(has[:, None], X[n], np.nan) for n, has in zip(X, present.T, strict=True)}
    )


@every_classifier
def test_forms_are_those_of_scikit_learns_network(data, model):
    X, y = data
    fitted = clone(model).fit(X, y)
    np.testing.assert_array_equal(fitted.classes_, np.arange(3))
    proba, labels = fitted.predict_proba(X), fitted.predict(X)
    assert proba.shape == (160, 3)
    assert ((proba >= 0) & (proba <= 1)).all()
    assert labels.dtype == y.dtype
    np.testing.assert_array_equal(labels, proba > 0.5)
    assert fitted.score(X, y) == accuracy_score(y, labels)
    for own in fitted.unimodal_predict_proba(X).values():
        assert own.shape == (160, 3)


@every_classifier
def test_labels_are_learnt(data, model):
    X, y = data
    if isinstance(model, UnimodalClassifier):
        return  # each modality misses a label
    assert cross_val_score(model, X, y, cv=3, error_score="raise").mean() > 0.6


@every_classifier
def test_missing_modalities(data, model):
    X, y = data
    holes = with_holes(X)
    fitted = clone(model).set_params(missing="mask").fit(holes, y)
    assert np.isfinite(fitted.predict_proba(holes)).all()
    for name, own in fitted.unimodal_predict_proba(holes).items():
        np.testing.assert_array_equal(np.isnan(own[:, 0]), np.isnan(holes[name][:, 0]))


@every_classifier
def test_integer_weights_equal_repeated_rows(data, model):
    X, y = data
    times = np.random.default_rng(1).integers(0, 4, len(y))
    rows = np.repeat(np.arange(len(y)), times)
    fold = np.arange(len(y)) % 3
    splits = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(3)]
    again = [(np.flatnonzero(fold[rows] != k), np.flatnonzero(fold[rows] == k)) for k in range(3)]
    a = clone(model).set_params(cv=splits).fit(X, y, sample_weight=times)
    b = clone(model).set_params(cv=again).fit(X[rows], y[rows])
    np.testing.assert_allclose(a.predict_proba(X), b.predict_proba(X), atol=1e-4)


@every_classifier
def test_constant_label_is_answered_as_it_is(data, model):
    X, y = data
    y = np.column_stack([y, np.ones(160, int), np.zeros(160, int)])
    proba = clone(model).fit(X, y).predict_proba(X)
    np.testing.assert_allclose(proba[:, 3:], np.tile([1.0, 0.0], (160, 1)), atol=1e-12)


@every_classifier
def test_label_that_a_fold_lacks_keeps_its_prior(data, model):
    X, y = data
    y = y.copy()
    y[:, 1] = 0
    y[5, 1] = 1  # its fold trains on no row that has it
    assert np.isfinite(clone(model).fit(X, y).predict_proba(X)).all()


@pytest.mark.parametrize(
    "estimator",
    [
        RandomForestClassifier(5, random_state=0),
        KNeighborsClassifier(),
        MLPClassifier(max_iter=20, random_state=0),
        make_pipeline(StandardScaler(), RandomForestClassifier(5, random_state=0)),
    ],
    ids=lambda e: type(e).__name__,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_estimator_of_several_labels_is_fitted_once(data, estimator):
    X, y = data
    model = UnimodalClassifier(estimator, "face").fit(X, y)
    alone = clone(estimator).fit(X["face"], y)
    proba = alone.predict_proba(X["face"])
    if isinstance(proba, list):
        proba = np.column_stack([each[:, 1] for each in proba])
    np.testing.assert_array_equal(model.predict_proba(X), proba)
    np.testing.assert_array_equal(model.predict(X), alone.predict(X["face"]))


@pytest.mark.parametrize("estimator", [GaussianNB(), LogisticRegression()])
def test_estimator_of_one_label_is_fitted_to_each(data, estimator):
    X, y = data
    model = UnimodalClassifier(estimator, "voice").fit(X, y)
    each = [clone(estimator).fit(X["voice"], column) for column in y.T]
    expected = np.column_stack([m.predict_proba(X["voice"])[:, 1] for m in each])
    np.testing.assert_array_equal(model.predict_proba(X), expected)


def test_classifier_without_probabilities_serves_the_best_modality(data):
    X, y = data
    model = UnimodalClassifier(LinearSVC(), scoring="f1_macro", cv=3).fit(X, y)
    assert not hasattr(model, "predict_proba")
    assert model.predict(X).shape == (160, 3)


def test_every_label_has_a_pool_of_its_own(data):
    X, y = data
    model = OpinionPoolClassifier(EACH).fit(X, y)
    assert model.gap_.shape == (3,)
    assert (model.gap_ < 1e-6).all()
    assert model.weights_.index.names == ["label", "expert"]
    assert model.modality_weights_["face"][0] > 5 * model.modality_weights_["voice"][0]
    assert model.modality_weights_["voice"][1] > 5 * model.modality_weights_["face"][1]
    for k in range(3):
        folds = list(_folds_of(model, y))
        alone = OpinionPoolClassifier(EACH, cv=folds).fit(X, y[:, k])
        same = OpinionPoolClassifier(EACH, cv=folds).fit(X, y)
        np.testing.assert_allclose(
            same.predict_proba(X)[:, k], alone.predict_proba(X)[:, 1], atol=1e-6
        )


def _folds_of(model, y):
    fold = np.arange(len(y)) % 3
    return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(3)]


def test_rules_of_late_fusion_go_label_by_label(data):
    X, y = data
    own = LateFusionClassifier().fit(X, y).unimodal_predict_proba(X)
    p, q = own["face"], own["voice"]
    mean = LateFusionClassifier().fit(X, y).predict_proba(X)
    np.testing.assert_allclose(mean, (p + q) / 2)
    product = LateFusionClassifier(rule="product").fit(X, y).predict_proba(X)
    up, down = np.sqrt(p * q), np.sqrt((1 - p) * (1 - q))
    np.testing.assert_allclose(product, up / (up + down))


def test_class_weight_needs_one_class_a_row(data):
    X, y = data
    with pytest.raises(ValueError, match="`class_weight` needs one class a row"):
        OpinionPoolClassifier(EACH, class_weight="balanced").fit(X, y)


def test_other_targets_are_refused_with_the_way_out(data):
    X, _ = data
    y = np.arange(320).reshape(160, 2) % 3
    with pytest.raises(ValueError, match="MultiOutputClassifier"):
        LateFusionClassifier().fit(X, y)
