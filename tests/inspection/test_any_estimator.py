"""Any fitted estimator gets its contributions: ours, scikit-learn's, pipelines, foreign classes."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sk_mmbalance import (
    ARMRegressor,
    LateFusionClassifier,
    Modalities,
    ModalityConcatenator,
    ModalityTransformer,
)
from sk_mmbalance.inspection import coalition_scores, modality_contributions
from tests._estimators import BLOCKS, every_classifier, flat, toy


def assert_sums_up(found):
    total = found.table["contribution"].sum()
    assert total == pytest.approx(found.score_all - found.score_none, abs=1e-12)
    assert found.score_all > 0.7
    assert found.table["contribution"].max() > 0.05


def assert_noise_is_nothing(found):
    assert found.table.loc["noise", "low"] <= 0 <= found.table.loc["noise", "high"]
    assert abs(found.table.loc["noise", "contribution"]) < 0.05


def toy_and_noise(n_samples=120):
    """The toy problem, and a modality that knows nothing."""
    X, y = toy(n_samples)
    return Modalities(**X, noise=np.random.default_rng(1).normal(size=(n_samples, 1))), y


@every_classifier
def test_each_of_ours_gets_contributions(classifier):
    X, y = toy()
    model = clone(classifier).set_params(missing="mask").fit(X, y)
    for removal in ("permute", "native"):
        found = modality_contributions(
            model, X, y, removal=removal, n_repeats=2, n_bootstrap=5, random_state=0
        )
        assert found.table.index.tolist() == ["face", "voice"]
        assert found.score_all == pytest.approx(model.score(X, y))
        assert_sums_up(found)


@pytest.mark.slow
@every_classifier
def test_noise_is_worth_nothing_to_each_of_ours(classifier):
    X, y = toy_and_noise(1060)
    model = clone(classifier).fit(X[:60], y[:60])
    found = modality_contributions(
        model, X[60:], y[60:], n_repeats=5, confidence=0.99, random_state=0
    )
    assert_sums_up(found)
    assert_noise_is_nothing(found)


def test_a_forest_on_a_flat_array_and_a_class_with_only_predict_find_noise_worth_nothing():
    X, y = toy_and_noise(360)
    columns = {"face": slice(0, 3), "voice": [3, 4], "noise": [5]}
    table = np.column_stack([X["face"], X["voice"], X["noise"]])
    forest = RandomForestClassifier(20, random_state=0).fit(table[:60], y[:60])

    class Foreign:  # no tags, no classes_, no score
        def predict(self, rows):
            return forest.predict(rows)

    for model in (forest, Foreign()):
        found = modality_contributions(
            model, table[60:], y[60:], modalities=columns, random_state=0
        )
        assert_sums_up(found)
        assert_noise_is_nothing(found)
        assert found.table.loc["face", "low"] > 0


@pytest.mark.parametrize(
    "model",
    [
        RandomForestClassifier(10, random_state=0),
        make_pipeline(StandardScaler(), LogisticRegression()),
        GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2),
        CalibratedClassifierCV(SVC(), cv=2),
        FixedThresholdClassifier(LogisticRegression(), threshold=0.4),
        SVC(),
    ],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.parametrize("removal", ["permute", "marginal"])
def test_models_of_flat_tables_need_their_columns_only(model, removal):
    X, y = toy()
    fitted = clone(model).fit(flat(X), y)
    found = modality_contributions(
        fitted,
        flat(X),
        y,
        modalities=BLOCKS,
        removal=removal,
        n_repeats=2,
        n_bootstrap=5,
        random_state=0,
    )
    assert_sums_up(found)


@pytest.mark.parametrize("n_modalities", [1, 2, 5])
@pytest.mark.parametrize("removal", ["native", "marginal"])
def test_any_number_of_modalities_and_classes_with_names(n_modalities, removal):
    rng = np.random.default_rng(0)
    codes = np.arange(90) % 3
    y = np.array(["ash", "birch", "cedar"])[codes]
    centres = rng.normal(0, 2, (3, n_modalities))
    X = {f"m{m}": centres[codes, m : m + 1] + rng.normal(size=(90, 1)) for m in range(n_modalities)}
    model = LateFusionClassifier(missing="mask").fit(X, y)
    for scoring in ("accuracy", "neg_log_loss", "balanced_accuracy"):
        found = modality_contributions(
            model,
            X,
            y,
            removal=removal,
            scoring=scoring,
            n_repeats=2,
            n_bootstrap=2,
            random_state=0,
        )
        total = found.table["contribution"].sum()
        assert total == pytest.approx(found.score_all - found.score_none, abs=1e-12)
        assert total > 0
        if removal == "native" and scoring == "accuracy":
            assert found.score_none == pytest.approx(1 / 3)


def test_ignored_modality_of_a_float32_model_gets_nothing_of_a_log_loss():
    """Averaged probabilities must be cut off where those of a single answer are."""

    class Sure:
        classes_ = np.array([0, 1])

        def predict_proba(self, X):
            right = (np.asarray(X["a"])[:, 0] > 0) * np.float32(1)
            return np.column_stack([1 - right, right])

        def predict(self, X):
            return self.predict_proba(X).argmax(axis=1)

    rng = np.random.default_rng(0)
    X = {"a": rng.normal(size=(40, 1)), "b": rng.normal(size=(40, 1))}
    found = modality_contributions(
        Sure(),
        X,
        np.arange(40) % 2,
        scoring="neg_log_loss",
        removal="marginal",
        n_bootstrap=2,
        random_state=0,
    )
    assert found.table.loc["b", "drop"] == 0
    assert found.table.loc["b", "contribution"] == 0


def test_boosting_of_scikit_learn_takes_native_removal():
    X, y = toy(200)
    model = HistGradientBoostingClassifier(max_iter=10).fit(flat(X), y)
    found = modality_contributions(model, flat(X), y, modalities=BLOCKS, removal="native")
    assert found.setting.empty == "prior"
    assert_sums_up(found)


class OnlyPredict:
    """Knows nothing of scikit-learn."""

    def predict(self, X):
        return ["yes" if row.sum() > 0 else "no" for row in np.asarray(X["face"])]


class TakesAFrame:
    """Wants the columns of its DataFrame by name, a text among them."""

    def predict(self, X):
        assert list(X.columns) == ["city", "age", "note"]
        return ((X["age"] > 40) & (X["city"] == "x")).to_numpy() * 1


def test_foreign_class_with_only_predict():
    rng = np.random.default_rng(0)
    X = {"face": rng.normal(size=(80, 2)), "voice": rng.normal(size=(80, 1))}
    y = np.where(X["face"].sum(axis=1) > 0, "yes", "no")
    for removal in ("permute", "marginal", "zero"):
        found = modality_contributions(OnlyPredict(), X, y, removal=removal, random_state=0)
        assert found.setting.scoring == "accuracy"
        assert found.score_all == 1
        assert found.table.loc["voice", "contribution"] == 0
        assert found.table.loc["face", "contribution"] == 1 - found.score_none


def test_foreign_class_on_a_frame_with_text():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {"city": rng.choice(["x", "y"], 80), "age": rng.integers(20, 60, 80), "note": "n"},
        index=[f"p{number}" for number in range(80)],
    )
    y = TakesAFrame().predict(X)
    blocks = {"place": ["city"], "clinical": ["age"], "text": "^note"}
    found = modality_contributions(TakesAFrame(), X, y, modalities=blocks, random_state=0)
    assert found.table.loc["text", "contribution"] == 0
    assert found.table.loc[["place", "clinical"], "contribution"].min() > 0.05


def test_foreign_regressor_is_scored_by_r2():
    class Half:
        def predict(self, X):
            return X["a"][:, 0] / 2

    X = {"a": np.linspace(-1, 1, 50)[:, None], "b": np.ones((50, 1))}
    found = modality_contributions(Half(), X, X["a"][:, 0] / 2, random_state=0)
    assert found.setting.scoring == "r2"
    assert found.score_all == 1


def test_a_count_is_a_number_where_the_scorer_is_one_of_numbers():
    class Count:
        def predict(self, X):
            return X["a"][:, 0] + 0.25

    X = {"a": np.arange(40.0)[:, None], "b": np.ones((40, 1))}
    for removal in ("marginal", "mean"):
        found = modality_contributions(
            Count(), X, np.arange(40), scoring="r2", removal=removal, empty="prior"
        )
        assert found.score_none == pytest.approx(0)  # the mean, not the most frequent count
        assert found.score_all > 0.99


@pytest.mark.parametrize(
    "model", [Ridge(), ARMRegressor(weak="face", solver="schur")], ids=["ridge", "ARM"]
)
def test_regressors_are_scored_by_r2(model):
    X, _ = toy(100)
    target = X["face"][:, 0] + 0.5 * X["voice"][:, 0]
    ours = isinstance(model, ARMRegressor)
    given = X if ours else flat(X)
    fitted = clone(model).fit(given, target)
    found = modality_contributions(
        fitted, given, target, modalities=None if ours else BLOCKS, random_state=0
    )
    assert found.setting.scoring == "r2"
    assert found.score_all == pytest.approx(fitted.score(given, target))
    assert found.table.loc["face", "contribution"] > found.table.loc["voice", "contribution"] > 0


def test_pipelines_and_searches_over_modalities():
    X, y = toy()
    scale = ModalityTransformer({}, remainder=StandardScaler())
    late = make_pipeline(scale, LateFusionClassifier())
    search = GridSearchCV(late, {"latefusionclassifier__rule": ["mean", "product"]}, cv=2)
    joined = make_pipeline(ModalityConcatenator(), LogisticRegression())
    for model in (late, search, joined):
        for form in (X, X.to_frame()):
            fitted = clone(model).fit(form, y)
            assert_sums_up(modality_contributions(fitted, form, y, n_repeats=2, n_bootstrap=5))


def test_estimator_fitted_on_a_flat_table_names_its_columns_itself():
    X, y = toy()
    model = LateFusionClassifier(modalities=BLOCKS).fit(flat(X), y)
    by_itself = modality_contributions(model, flat(X), y, random_state=0)
    told = modality_contributions(model, flat(X), y, modalities=BLOCKS, random_state=0)
    pd.testing.assert_frame_equal(by_itself.table, told.table)


def test_forms_of_input_give_the_same_numbers():
    X, y = toy()
    tables = [
        modality_contributions(
            LateFusionClassifier().fit(form, y), form, y, n_bootstrap=5, random_state=0
        ).table
        for form in (X, dict(X), X.to_frame())
    ]
    for other in tables[1:]:
        pd.testing.assert_frame_equal(tables[0], other)


def test_linear_model_by_hand():
    """R² of a linear model of independent parts is shared out by their variances."""
    rng = np.random.default_rng(0)
    Q = np.linalg.qr(np.column_stack([np.ones(60), rng.normal(size=(60, 2))]))[0][:, 1:]
    X = {"a": Q[:, :1], "b": Q[:, 1:]}
    y = 3 * Q[:, 0] + 4 * Q[:, 1]

    class Linear:
        def predict(self, X):
            return 3 * X["a"][:, 0] + 4 * X["b"][:, 0]

    found = modality_contributions(Linear(), X, y, removal="mean", n_bootstrap=0)
    np.testing.assert_allclose(found.table["contribution"], [9 / 25, 16 / 25], atol=1e-12)
    np.testing.assert_allclose(found.table["alone"], [9 / 25, 16 / 25], atol=1e-12)
    assert found.cooperation == pytest.approx(0, abs=1e-12)
    assert found.utilisation_gap == pytest.approx(9 / 25 - 16 / 25)


def test_tables_of_every_library_and_tensors_are_exchanged_as_arrays_are():
    pl, torch = pytest.importorskip("polars"), pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    face = torch.from_numpy(rng.normal(size=(40, 2)) + y[:, None]).to(torch.bfloat16)
    voice = np.column_stack([y + rng.normal(size=40), y])
    columns = {"a": voice[:, 0], "b": voice[:, 1].astype(np.int8)}
    model = LateFusionClassifier().fit({"face": face.float().numpy(), "voice": voice}, y)
    named = LateFusionClassifier().fit({"face": face, "voice": pl.DataFrame(columns)}, y)
    options = {"n_repeats": 1, "n_bootstrap": 5, "random_state": 0}
    expected = coalition_scores(model, {"face": face.float().numpy(), "voice": voice}, y, **options)
    found = coalition_scores(named, {"face": face, "voice": pl.DataFrame(columns)}, y, **options)
    np.testing.assert_array_equal(found.scores, expected.scores)
    with pytest.raises(ValueError, match="`random_state`"):
        coalition_scores(model, {"face": face, "voice": voice}, y, random_state="chance")


def test_an_estimator_that_does_not_say_what_it_is_is_judged_by_its_target():
    class Untold(BaseEstimator):
        def predict(self, X):
            return X["a"][:, 0]

    X = {"a": np.linspace(-1, 1, 50)[:, None], "b": np.ones((50, 1))}
    found = modality_contributions(Untold(), X, X["a"][:, 0], n_bootstrap=0, random_state=0)
    assert found.setting.scoring == "r2"
    X["a"] = np.sign(X["a"])
    found = modality_contributions(Untold(), X, X["a"][:, 0], n_bootstrap=0, random_state=0)
    assert found.setting.scoring == "accuracy"


@pytest.mark.parametrize("form", ["frame", "dict", "modalities", "text"])
def test_rows_of_weight_zero_are_absent_in_every_form(form):
    rng = np.random.default_rng(0)
    blocks = {"a": rng.normal(size=(60, 1)), "b": rng.normal(size=(60, 2))}
    y, weight = (blocks["a"][:, 0] > 0) * 1, rng.integers(2, size=60)
    if form == "text":
        blocks["b"] = pd.DataFrame({"note": rng.choice(["x", "y"], 60)})
    columns = {"a": [0], "b": [1, 2]} if form == "frame" else None
    kept = np.flatnonzero(weight)

    class First:
        def predict(self, X):
            return (np.asarray(X.iloc[:, :1] if form == "frame" else X["a"])[:, 0] > 0) * 1

    def given(rows):
        if form == "frame":
            return pd.DataFrame(np.hstack(list(blocks.values()))).iloc[rows]
        parts = {n: b.iloc[rows] if hasattr(b, "iloc") else b[rows] for n, b in blocks.items()}
        return Modalities(parts) if form == "modalities" else parts

    options = {"modalities": columns, "n_bootstrap": 4, "random_state": 0}
    weighted = modality_contributions(
        First(), given(np.arange(60)), y, sample_weight=weight, **options
    )
    fewer = modality_contributions(
        First(), given(kept), y[kept], sample_weight=weight[kept], **options
    )
    pd.testing.assert_frame_equal(weighted.table, fewer.table)


def test_columns_of_what_is_no_flat_table_are_refused():
    X = {"a": np.ones((8, 1)), "b": np.ones((8, 1))}
    with pytest.raises(ValueError, match="`modalities`"):
        modality_contributions(OnlyPredict(), X, np.ones(8), modalities={"a": [0]})
