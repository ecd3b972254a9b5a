"""What fits of experts show: a bar, a line at the end, warnings once and by name."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from sk_mmbalance import (
    LateFusionClassifier,
    LateFusionRegressor,
    MultimodalRegressor,
    OpinionPoolClassifier,
    OpinionPoolRegressor,
    UnimodalClassifier,
    UnimodalRegressor,
)
from tests._estimators import toy, toy_numbers


@pytest.mark.parametrize(
    ("model", "fits", "said"),
    [
        (LateFusionClassifier(weights="cv", cv=3), "6/6", "face weight 0."),
        (LateFusionClassifier(rule="stacking", cv=3), "6/6", "face stacked"),
        (LateFusionClassifier(), None, "face weight 0.50; voice weight 0.50"),
        (UnimodalClassifier(cv=3), "6/6", "(scores: face 0."),
        (OpinionPoolClassifier({"one": None, "two": (None, ["face"])}, cv=3), "6/6", "2 experts"),
        (LateFusionRegressor(weights="cv", cv=3), "6/6", "face weight"),
        (UnimodalRegressor(cv=3), "6/6", "(scores: face"),
        (OpinionPoolRegressor({"one": None, "two": (None, ["face"])}, cv=3), "6/6", "2 experts"),
        (MultimodalRegressor(max_epochs=2, random_state=0), "2/2", "train loss"),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "fit") else None,
)
def test_bar_and_a_line_of_what_was_learnt(model, fits, said, capsys):
    X, y = toy_numbers() if "Regressor" in type(model).__name__ else toy()
    model.fit(X, y)
    assert capsys.readouterr() == ("", "")
    model.set_params(verbose=1).fit(X, y)
    out, err = capsys.readouterr()
    assert out.startswith(type(model).__name__)
    assert said in out
    assert out.count("\n") == 1
    assert (fits or "") in err


def test_warnings_of_many_fits_come_once_and_name_the_first():
    X, y = toy()
    model = LateFusionClassifier(LogisticRegression(max_iter=1), weights="cv", cv=3)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y)
    texts = [str(one.message) for one in caught if one.category is ConvergenceWarning]
    assert len(texts) == 2
    assert texts[0].startswith("('face', fold 1 of 3, and 5 more alike) lbfgs failed")
    assert texts[1].startswith("('face', all rows, and 1 more alike) lbfgs failed")
    with pytest.warns(ConvergenceWarning) as of_the_best:
        UnimodalClassifier(LogisticRegression(max_iter=1), cv=3).fit(X, y)
    assert [str(one.message).partition(")")[0] for one in of_the_best] == [
        "('face', fold 1 of 3, and 5 more alike",
        "('face', all rows",
    ]


def test_filters_of_the_user_hold_inside():
    X, y = toy()
    model = LateFusionClassifier(LogisticRegression(max_iter=1), weights="cv", cv=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        with pytest.raises(ConvergenceWarning):
            model.fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)


def test_being_told_changes_nothing(capsys):
    X, y = toy()
    quiet = OpinionPoolClassifier({"one": None, "two": (None, ["face"])}, cv=3)
    loud = OpinionPoolClassifier({"one": None, "two": (None, ["face"])}, cv=3, verbose=1)
    np.testing.assert_array_equal(quiet.fit(X, y).predict_proba(X), loud.fit(X, y).predict_proba(X))
    capsys.readouterr()
