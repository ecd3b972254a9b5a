"""What modalities are worth in every single row."""

import numpy as np
import pandas as pd
import pytest

from sk_mmbalance import LateFusionClassifier, Modalities
from sk_mmbalance.inspection import RowContributions, modality_contributions


class Or:
    """1 where either modality is positive."""

    def predict(self, X):
        return ((X["a"][:, 0] > 0) | (X["b"][:, 0] > 0)) * 1


#: Right by both, by a alone, by b alone; zeros say 0, so 0 is right with nothing.
ROWS = {
    "a": np.array([[1.0], [1.0], [-1.0], [-1.0]]),
    "b": np.array([[1.0], [-1.0], [1.0], [-1.0]]),
}


def test_rows_by_hand():
    found = modality_contributions(Or(), ROWS, [1, 1, 1, 0], removal="zero", level="row")
    assert isinstance(found, RowContributions)
    np.testing.assert_allclose(found.table, [[0.5, 0.5], [1, 0], [0, 1], [0, 0]])
    assert found.dominant().tolist() == ["a=b", "a", "b", "a=b"]
    assert found.dominance().to_dict() == {"a": 0.25, "b": 0.25, "a=b": 0.5}
    assert found.value_all.tolist() == [1, 1, 1, 1]
    assert found.value_none.tolist() == [0, 0, 0, 1]


def test_size_scaled_rows_by_hand():
    found = modality_contributions(
        Or(), ROWS, [1, 1, 1, 0], removal="zero", level="row", scale="size"
    )
    # (v(a) + v(ab) - v(b)) / 2 with v(ab) = 2 where both together are right
    np.testing.assert_allclose(found.table, [[1, 1], [1.5, 0.5], [0.5, 1.5], [1, 1]])
    assert found.value_none.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("removal", ["zero", "mean", "permute"])
def test_mean_over_rows_is_the_contribution_to_the_data_set(linear, table, removal):
    options = {"modalities": table.columns, "removal": removal, "random_state": 0}
    rows = modality_contributions(linear, table.X_test, table.y_test, level="row", **options)
    whole = modality_contributions(linear, table.X_test, table.y_test, **options)
    np.testing.assert_allclose(rows.table.mean(), whole.table["contribution"], atol=1e-12)


@pytest.mark.parametrize("scoring", ["accuracy", "probability", "neg_log_loss"])
@pytest.mark.parametrize("removal", ["permute", "marginal"])
def test_every_row_sums_to_all_less_nothing(linear, table, scoring, removal):
    found = modality_contributions(
        linear,
        table.X_test,
        table.y_test,
        modalities=table.columns,
        scoring=scoring,
        removal=removal,
        level="row",
        random_state=0,
    )
    total = found.value_all - found.value_none
    np.testing.assert_allclose(found.table.sum(axis=1), total, atol=1e-12)
    proba = linear.predict_proba(table.X_test)[np.arange(120), table.y_test]
    if scoring == "probability":
        np.testing.assert_allclose(found.value_all, proba)
    if scoring == "neg_log_loss":
        np.testing.assert_allclose(found.value_all, np.log(proba))


def test_prediction_of_a_linear_model_splits_into_its_terms():
    rng = np.random.default_rng(0)
    X = {"a": rng.normal(size=(30, 2)), "b": rng.normal(size=(30, 1))}

    class Linear:
        def predict(self, X):
            return 2 * X["a"].sum(axis=1) - 3 * X["b"][:, 0] + 1

    y = rng.normal(size=30)
    found = modality_contributions(
        Linear(), X, y, scoring="prediction", removal="zero", level="row"
    )
    np.testing.assert_allclose(found.table["a"], 2 * X["a"].sum(axis=1), atol=1e-12)
    np.testing.assert_allclose(found.table["b"], -3 * X["b"][:, 0], atol=1e-12)
    assert (found.value_none == 1).all()
    squared = modality_contributions(Linear(), X, y, removal="zero", level="row")
    assert squared.setting.scoring == "neg_mean_squared_error"
    np.testing.assert_allclose(squared.value_all, -((Linear().predict(X) - y) ** 2))


def test_modality_that_a_row_lacks_gets_nothing_there(problem):
    X = problem.X_test
    face = X["face"].copy()
    face[:30] = np.nan
    holes = Modalities(face=face, gait=X["gait"], voice=X["voice"])
    model = LateFusionClassifier(missing="mask").fit(problem.X, problem.y)
    for scale in ("plain", "size"):
        found = modality_contributions(
            model, holes, problem.y_test, removal="native", level="row", scale=scale
        )
        lacking = found.table["face"][:30]
        if scale == "plain":
            assert (lacking == 0).all()
        assert (found.table["face"][30:] != 0).any()
    assert found.value_all.max() == 3  # three modalities present
    assert found.value_all[:30].max() == 2


def test_row_labels_stay_and_own_functions_are_shared_out(problem):
    frame = problem.X_test.to_frame().set_axis([f"p{n}" for n in range(120)], axis=0)
    model = LateFusionClassifier().fit(problem.X.to_frame(), problem.y)

    def margin(estimator, X, y):
        proba = estimator.predict_proba(X)
        return proba[:, 1] - proba[:, 0]

    found = modality_contributions(
        model, frame, problem.y_test, scoring=margin, removal="mean", level="row"
    )
    pd.testing.assert_index_equal(found.table.index, frame.index)
    assert found.setting.scoring == "margin"
    proba = model.predict_proba(frame)
    np.testing.assert_allclose(found.value_all, proba[:, 1] - proba[:, 0])
    assert "margin" in repr(found)
    assert "<table" in found._repr_html_()
    with pytest.raises(ValueError, match=r"one number a row.*shape \(\)"):
        modality_contributions(
            model, frame, problem.y_test, scoring=lambda e, X, y: 0.0, level="row"
        )


def test_label_that_the_estimator_does_not_know_is_named(linear, table):
    y = np.where(np.arange(120) < 2, 7, table.y_test)
    with pytest.raises(ValueError, match=r"`y` has labels \[7\]"):
        modality_contributions(
            linear, table.X_test, y, modalities=table.columns, scoring="probability", level="row"
        )


def test_a_number_for_nothing_left_is_every_rows(linear, table):
    found = modality_contributions(
        linear,
        table.X_test,
        table.y_test,
        modalities=table.columns,
        scoring="probability",
        level="row",
        empty=0.25,
        random_state=0,
    )
    assert (found.value_none == 0.25).all()
    np.testing.assert_allclose(found.table.sum(axis=1), found.value_all - 0.25, atol=1e-12)
