"""`flat`: tools of flat tables look at estimators of modalities."""

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.inspection import PartialDependenceDisplay, partial_dependence, permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from sk_mmbalance import (
    ARMRegressor,
    LateFusionClassifier,
    Modalities,
    ModalityConcatenator,
    ModalityTransformer,
)
from sk_mmbalance.inspection import flat


@pytest.fixture(scope="module")
def model(problem):
    return LateFusionClassifier().fit(problem.X, problem.y)


def test_table_and_back_give_the_same_predictions(model, problem):
    wrapped = flat(model, problem.X)
    table = wrapped.table(problem.X_test)
    assert list(table) == ["face__0", "face__1", "gait__0", "gait__1", "voice__0"]
    assert wrapped.columns_ == {"face": slice(0, 2), "gait": slice(2, 4), "voice": slice(4, 5)}
    for form in (table, table.to_numpy()):
        np.testing.assert_array_equal(wrapped.predict(form), model.predict(problem.X_test))
        np.testing.assert_array_equal(
            wrapped.predict_proba(form), model.predict_proba(problem.X_test)
        )
        assert wrapped.score(form, problem.y_test) == model.score(problem.X_test, problem.y_test)
    assert wrapped.classes_.tolist() == [0, 1]
    assert is_classifier(wrapped)
    assert not hasattr(wrapped, "decision_function")


def test_permutation_importance_finds_the_telling_features(model, problem):
    wrapped = flat(model, problem.X)
    found = permutation_importance(
        wrapped, wrapped.table(problem.X_test), problem.y_test, n_repeats=5, random_state=0
    )
    assert found.importances_mean[:2].min() > found.importances_mean[2:4].max()


def test_partial_dependence_of_a_feature(model, problem):
    wrapped = flat(model, problem.X)
    table = wrapped.table(problem.X_test)
    found = partial_dependence(wrapped, table, ["face__0"], grid_resolution=5)
    assert (np.diff(found["average"][0]) > 0).all()
    display = PartialDependenceDisplay.from_estimator(
        wrapped, table, ["face__1", "voice__0"], grid_resolution=4
    )
    assert display.axes_.shape == (1, 2)


def test_a_caller_that_only_hands_arrays_to_predict_proba(model, problem):
    """As SHAP's explainers do: differences of predictions on arrays of made-up rows."""
    wrapped = flat(model, problem.X)
    rows = wrapped.table(problem.X_test).to_numpy()
    mixed = np.where(np.arange(5) < 2, rows[:1], rows[1:])
    got = wrapped.predict_proba(mixed)
    X = problem.X_test
    face = np.repeat(X["face"][:1], 119, axis=0)
    by_hand = model.predict_proba(Modalities(face=face, gait=X["gait"][1:], voice=X["voice"][1:]))
    np.testing.assert_array_equal(got, by_hand)


def test_images_are_flattened_and_put_back():
    X = Modalities(image=np.arange(24.0).reshape(2, 3, 2, 2), vector=np.zeros((2, 1)))

    class Shape:
        def predict(self, X):
            assert X["image"].shape == (2, 3, 2, 2)
            return X["image"][:, 2, 1, 0]

    wrapped = flat(Shape(), X)
    assert wrapped.n_features_in_ == 13
    np.testing.assert_array_equal(wrapped.predict(wrapped.table(X)), [10, 22])


def test_frames_keep_their_columns_and_their_text():
    frame = pd.DataFrame({"city": list("abab"), "n": [1.0, 2, 3, 4]}, index=list("wxyz"))
    X = Modalities(patient=frame, voice=np.arange(4.0))
    encode = ModalityTransformer({"patient": OneHotEncoder(sparse_output=False)})
    pipe = make_pipeline(encode, ModalityConcatenator(), LogisticRegression())
    pipe.fit(X, [0, 1, 0, 1])
    wrapped = flat(pipe, X)
    table = wrapped.table(X)
    assert list(table) == ["patient__city", "patient__n", "voice__0"]
    assert table.index.tolist() == list("wxyz")
    np.testing.assert_array_equal(wrapped.predict(table), pipe.predict(X))
    np.testing.assert_array_equal(wrapped.predict(table.to_numpy()), pipe.predict(X))


def test_regressors_stay_regressors_and_nothing_is_fitted_again(problem):
    y = problem.X["face"].sum(axis=1)
    model = ARMRegressor(weak="face", solver="schur").fit(problem.X, y)
    wrapped = flat(model, problem.X)
    assert is_regressor(wrapped)
    before = wrapped.predict(wrapped.table(problem.X_test))
    wrapped.fit(wrapped.table(problem.X), -y)
    assert clone(wrapped) is wrapped
    np.testing.assert_array_equal(before, wrapped.predict(wrapped.table(problem.X_test)))


def test_what_cannot_be_cut_is_named(model, problem):
    wrapped = flat(model, problem.X)
    table = wrapped.table(problem.X_test)
    with pytest.raises(ValueError, match="`table` must have the 5 columns"):
        wrapped.predict(table.to_numpy()[:, :4])
    with pytest.raises(ValueError, match=r"in their order; make it by `table\(X\)`"):
        wrapped.predict(table[table.columns[::-1]])
    with pytest.raises(ValueError, match="`X` must have the modalities"):
        wrapped.table(problem.X.select(["face"]))
    with pytest.raises(TypeError, match=r"flat ndarray, which needs no `flat`"):
        flat(model, np.zeros((3, 5)))
    with pytest.raises(TypeError, match="`estimator` must be a fitted estimator"):
        flat(LateFusionClassifier, problem.X)


def test_sparse_modalities_stand_in_the_table_as_numbers(model, problem):
    sparse = Modalities({**problem.X_test, "gait": csr_matrix(problem.X_test["gait"])})
    wrapped = flat(model, sparse)
    pd.testing.assert_frame_equal(wrapped.table(sparse), wrapped.table(problem.X_test))
    answers = wrapped.predict(wrapped.table(sparse))
    np.testing.assert_array_equal(answers, model.predict(problem.X_test))


@pytest.mark.parametrize("classes", [np.array([0, 1]), None])
def test_a_foreign_class_is_a_classifier_if_it_has_classes(problem, classes):
    class Foreign:
        def predict(self, X):
            return (X["face"][:, 0] > 0) * 1

        def decision_function(self, X):
            return X["face"][:, 0]

    foreign = Foreign()
    if classes is not None:
        foreign.classes_ = classes
    wrapped = flat(foreign, problem.X)
    assert is_classifier(wrapped) == (classes is not None)
    margins = wrapped.decision_function(wrapped.table(problem.X_test))
    np.testing.assert_array_equal(margins, problem.X_test["face"][:, 0])
