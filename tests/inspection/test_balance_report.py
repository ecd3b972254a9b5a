"""Everything in one report, beside the baselines that a model has to beat."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import Ridge

from sk_mmbalance import (
    LateFusionClassifier,
    LateFusionRegressor,
    Modalities,
    UnimodalClassifier,
)
from sk_mmbalance.exceptions import BaselineWarning, RowOrderWarning
from sk_mmbalance.inspection import balance_report

BASELINES = ["best single modality", "late fusion", "concatenation"]
QUICK = {"n_repeats": 2, "n_bootstrap": 20, "rates": [0, 0.5], "random_state": 0}


class Says:
    """Answers the same whatever it is asked."""

    def __init__(self, answer=0):
        self.answer = answer

    def predict(self, X):
        return np.full(len(next(iter(dict(X).values()))), self.answer)


def test_a_model_that_loses_to_a_baseline_is_told_so(problem):
    with pytest.warns(BaselineWarning, match=r"baseline '.*' scores 0\.\d+, the estimator 0\.5"):
        report = balance_report(
            Says(),
            problem.X_test,
            problem.y_test,
            train=(problem.X, problem.y),
            **QUICK,
        )
    assert len(report.warnings) == 3
    assert "beyond the noise" in report.warnings[0]
    assert report.baselines.index.tolist() == BASELINES
    assert (report.baselines["high"] < 0).all()
    assert report._repr_html_().count("<p>Warning") == 3
    text = report.report()
    for part in ("Contributions", "go missing", "Baselines on the same rows", "Warning: the"):
        assert part in text


def test_a_model_that_loses_to_none_gets_no_warning(problem):
    class Oracle:
        def predict(self, X):
            return problem.y_test

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = balance_report(
            Oracle(), problem.X_test, problem.y_test, train=(problem.X, problem.y), **QUICK
        )
    assert report.warnings == ()
    assert (report.baselines["difference"] > 0).all()


def test_baselines_are_fitted_on_training_rows_only(problem, monkeypatch):
    seen = []
    for cls in (UnimodalClassifier, LateFusionClassifier):
        original = cls.fit

        def fit(self, X, y, *args, original=original, **kwargs):
            seen.append(X["face"])
            return original(self, X, y, *args, **kwargs)

        monkeypatch.setattr(cls, "fit", fit)
    model = Says()
    with pytest.warns(BaselineWarning):
        balance_report(model, problem.X_test, problem.y_test, train=(problem.X, problem.y), **QUICK)
    assert len(seen) == 2
    for face in seen:
        np.testing.assert_array_equal(face, problem.X["face"])


def test_models_of_ones_own_are_baselines_too(problem, table):
    forest = RandomForestClassifier(10, random_state=0).fit(table.X, table.y)

    class Columns:
        def __init__(self, number):
            self.number = number

        def predict(self, X):
            return (X[:, self.number] > 0) * 1

    own = {"voice": Columns(4), "noise": Columns(2)}
    report = balance_report(
        forest,
        table.X_test,
        table.y_test,
        modalities=table.columns,
        baselines=own,
        **QUICK,
    )
    assert report.baselines.index.tolist() == ["voice", "noise"]
    assert report.baselines.loc["noise", "difference"] > 0.2
    none = balance_report(
        forest, table.X_test, table.y_test, modalities=table.columns, baselines=None, **QUICK
    )
    assert none.baselines.empty
    assert "No baselines" in none.report()


def test_flat_tables_and_regressors_have_default_baselines_too(table):
    y, y_test = (X[:, 0] + 0.5 * X[:, 4] for X in (table.X, table.X_test))
    model = Ridge().fit(table.X, y)
    X = table.X_test.copy()
    X[:10, 4] = np.nan  # the baselines have to do with rows that lack a modality
    with pytest.raises(ValueError, match="NaN"):
        balance_report(model, X, y_test, modalities=table.columns, train=(table.X, y), **QUICK)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BaselineWarning)
        report = balance_report(
            model, table.X_test, y_test, modalities=table.columns, train=(table.X, y), **QUICK
        )
    assert report.baselines.index.tolist() == BASELINES
    scores = report.baselines["score"]
    assert scores["concatenation"] > scores["late fusion"] > 0
    assert scores["concatenation"] > scores["best single modality"] > 0.5


@pytest.mark.parametrize("numbers", [False, True])
def test_the_best_modality_is_chosen_as_the_order_of_rows_asks(numbers):
    rng = np.random.default_rng(0)
    block = np.repeat(np.arange(40), 10)
    table = rng.normal(size=(40, 6))[block] + 0.05 * rng.normal(size=(400, 6))
    X, y = Modalities(a=table[:, :3], b=table[:, 3:]), (np.arange(40) % 2)[block]
    y = rng.normal(size=40)[block] if numbers else y
    model = (LateFusionRegressor if numbers else LateFusionClassifier)().fit(X, y)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        balance_report(model, X, y, train=(X, y), **QUICK)
    assert sum(w.category is RowOrderWarning for w in caught) == 1


def test_groups_of_training_rows_choose_the_best_modality(problem):
    groups = np.arange(120) // 12
    with pytest.warns(BaselineWarning):
        report = balance_report(
            Says(),
            problem.X_test,
            problem.y_test,
            train=(problem.X, problem.y, groups),
            groups=groups,
            **QUICK,
        )
    assert report.contributions.setting.n_groups == 10


def test_single_modality_has_no_curve(problem):
    one, test = problem.X.select(["face"]), problem.X_test.select(["face"])
    model = LateFusionClassifier().fit(one, problem.y)
    report = balance_report(model, test, problem.y_test, baselines=None, **QUICK)
    assert report.curve is None
    assert repr(report) == report.report()
    assert "go missing" not in repr(report)
    assert report._repr_html_().count("<table") == 2  # contributions, and no baselines


def test_what_is_needed_is_said(problem):
    with pytest.raises(ValueError, match=r"`train` must be \(X_train, y_train\).*`baselines=`"):
        balance_report(Says(), problem.X_test, problem.y_test)
    with pytest.raises(ValueError, match="`baselines` must be 'default', a dict"):
        balance_report(Says(), problem.X_test, problem.y_test, baselines="all")
    words = Modalities(note=pd.DataFrame({"text": ["a", "b"] * 60}), voice=problem.X_test["voice"])
    with pytest.raises(TypeError, match=r"default baselines need numbers.*'note'"):
        balance_report(Says(), words, problem.y_test, train=(words, problem.y_test))
