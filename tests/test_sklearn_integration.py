"""scikit-learn's tools on multimodal input, for every classifier of `tests/_estimators.py`."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    train_test_split,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier

from sk_mmbalance import LateFusionClassifier, Modalities, ModalityConcatenator, ModalityTransformer
from tests._estimators import BLOCKS, every_classifier, every_family, flat, toy


def pipeline(classifier):
    prep = ModalityTransformer({"face": StandardScaler()})
    return Pipeline([("prep", prep), ("model", clone(classifier))])


GRID = {"prep__face__with_mean": [True, False]}


@every_family
def test_cross_val_score(classifier):
    X, y = toy()
    assert cross_val_score(classifier, X, y, cv=3, error_score="raise").mean() > 0.7


@every_family
def test_cross_val_predict_of_probabilities(classifier):
    X, y = toy(n_classes=3)
    proba = cross_val_predict(classifier, X, y, cv=3, method="predict_proba")
    assert proba.shape == (60, 3)


@every_classifier
def test_train_test_split_keeps_rows_together(classifier):
    X, y = toy()
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    assert len(X_train) == len(y_train) == 45
    assert clone(classifier).fit(X_train, y_train).score(X_test, y_test) > 0.6


@every_family
@pytest.mark.parametrize(
    "search",
    [
        lambda model: GridSearchCV(model, GRID, cv=2, error_score="raise"),
        lambda model: RandomizedSearchCV(
            model, GRID, n_iter=1, cv=2, random_state=0, error_score="raise"
        ),
        lambda model: HalvingGridSearchCV(
            model, GRID, cv=2, random_state=0, error_score="raise", min_resources=24
        ),
    ],
    ids=["grid", "randomized", "halving"],
)
def test_searches_over_a_pipeline(classifier, search):
    X, y = toy()
    found = search(pipeline(classifier)).fit(X, y)
    assert found.predict(X).shape == (60,)
    assert found.score(X, y) > 0.7


@every_family
def test_learning_curve(classifier):
    X, y = toy()
    sizes, train, test = learning_curve(
        classifier, X, y, cv=2, train_sizes=[0.5, 1.0], error_score="raise"
    )
    assert sizes.tolist() == [15, 30]
    assert train.shape == test.shape == (2, 2)


@every_family
def test_stacking_and_voting(classifier):
    X, y = toy()
    early = make_pipeline(ModalityConcatenator(), LogisticRegression())
    members = [("ours", clone(classifier)), ("early", early)]
    assert StackingClassifier(members, cv=2).fit(X, y).score(X, y) > 0.7
    assert VotingClassifier(members, voting="soft").fit(X, y).score(X, y) > 0.7


@every_family
def test_calibration_and_tuned_threshold(classifier):
    X, y = toy()
    assert CalibratedClassifierCV(clone(classifier), cv=2).fit(X, y).score(X, y) > 0.7
    tuned = TunedThresholdClassifierCV(clone(classifier), cv=2).fit(X, y)
    assert tuned.score(X, y) > 0.7


@every_classifier
def test_bagging_on_a_flat_table(classifier):
    X, y = toy()
    model = clone(classifier).set_params(modalities=BLOCKS)
    bag = BaggingClassifier(model, n_estimators=2, random_state=0).fit(flat(X), y)
    assert bag.score(flat(X), y) > 0.7


@every_classifier
def test_permutation_importance_on_a_flat_table(classifier):
    X, y = toy()
    model = clone(classifier).set_params(modalities=BLOCKS).fit(flat(X), y)
    result = permutation_importance(model, flat(X), y, n_repeats=2, random_state=0)
    assert result.importances.shape == (5, 2)
    assert result.importances.max() > 0


# -- one input, several forms ------------------------------------------------------------------


@every_classifier
def test_four_forms_of_input_give_the_same_bits(classifier):
    X, y = toy()
    frame = pd.concat({name: pd.DataFrame(X[name]) for name in X}, axis=1)
    by_blocks = clone(classifier).set_params(modalities=BLOCKS)
    expected = clone(classifier).fit(X, y).predict_proba(X)
    given = {"dict": dict(X), "frame": frame, "table": flat(X)}
    for form, data in given.items():
        model = clone(by_blocks if form == "table" else classifier).fit(data, y)
        np.testing.assert_array_equal(model.predict_proba(data), expected, err_msg=form)
        np.testing.assert_array_equal(model.predict_proba(X), expected, err_msg=form)


@every_classifier
def test_order_of_modalities_changes_no_bit(classifier):
    X, y = toy()
    turned = {name: X[name] for name in ("voice", "face")}
    model = clone(classifier).fit(X, y)
    other = clone(classifier).fit(turned, y)
    np.testing.assert_array_equal(model.predict_proba(X), other.predict_proba(turned))
    assert model.modality_names_ == other.modality_names_ == ["face", "voice"]
    blocks = {name: BLOCKS[name] for name in ("voice", "face")}
    third = clone(classifier).set_params(modalities=blocks).fit(flat(X), y)
    np.testing.assert_array_equal(model.predict_proba(X), third.predict_proba(flat(X)))


@every_classifier
def test_non_contiguous_arrays_give_the_same_bits(classifier):
    X, y = toy()
    wide = {name: np.repeat(X[name], 2, axis=1)[:, ::2] for name in X}
    assert not wide["face"].flags.c_contiguous
    np.testing.assert_array_equal(
        clone(classifier).fit(wide, y).predict_proba(wide),
        clone(classifier).fit(X, y).predict_proba(X),
    )


# -- state -------------------------------------------------------------------------------------


@every_classifier
def test_pickle_and_clone(classifier):
    X, y = toy()
    model = clone(classifier).fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    assert not [name for name in vars(clone(model)) if name.endswith("_")]


@every_family
def test_search_in_two_processes_equals_one(classifier):
    X, y = toy()
    one = GridSearchCV(pipeline(classifier), GRID, cv=2).fit(X, y)
    two = GridSearchCV(pipeline(classifier), GRID, cv=2, n_jobs=2).fit(X, y)
    np.testing.assert_array_equal(
        one.cv_results_["mean_test_score"], two.cv_results_["mean_test_score"]
    )
    np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))


@every_classifier
def test_failed_fit_leaves_nothing_behind(classifier):
    X, y = toy()
    bad = {"face": X["face"], "voice": np.full((60, 2), np.inf)}
    fresh = clone(classifier)
    with pytest.raises(ValueError, match="infinity"):
        fresh.fit(bad, y)
    assert not [name for name in vars(fresh) if name.endswith("_")]
    model = clone(classifier).fit(X, y)
    before = model.predict_proba(X)
    with pytest.raises(ValueError, match="infinity"):
        model.fit(bad, y)
    np.testing.assert_array_equal(model.predict_proba(X), before)


# -- metadata ----------------------------------------------------------------------------------


@every_family
def test_weights_through_pipeline_and_search_with_and_without_routing(classifier):
    X, y = toy()
    weight = np.linspace(0.2, 3, 60)
    off = GridSearchCV(pipeline(classifier), GRID, cv=2)
    off.fit(X, y, model__sample_weight=weight)
    with config_context(enable_metadata_routing=True):
        model = pipeline(classifier)
        model.set_params(prep__face=StandardScaler().set_fit_request(sample_weight=False))
        model["model"].set_fit_request(sample_weight=True)
        scoring = get_scorer("accuracy").set_score_request(sample_weight=False)
        on = GridSearchCV(model, GRID, cv=2, scoring=scoring).fit(X, y, sample_weight=weight)
        on_proba = on.predict_proba(X)
    np.testing.assert_array_equal(on_proba, off.predict_proba(X))
    unweighted = clone(off).fit(X, y)
    assert np.abs(unweighted.predict_proba(X) - off.predict_proba(X)).max() > 0


@every_family
def test_routed_weights_reach_cross_validate(classifier):
    X, y = toy()
    with config_context(enable_metadata_routing=True):
        model = clone(classifier).set_fit_request(sample_weight=True)
        model.set_score_request(sample_weight=True)
        scores = cross_validate(
            model, X, y, cv=2, params={"sample_weight": np.ones(60)}, error_score="raise"
        )
    assert scores["test_score"].mean() > 0.7


# -- known limits ------------------------------------------------------------------------------


def test_plain_dict_is_no_input_for_cross_validation():
    X, y = toy()
    early = make_pipeline(ModalityConcatenator(), LogisticRegression())
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        cross_val_score(early, dict(X), y)
    assert cross_val_score(early, Modalities(dict(X)), y).mean() > 0.7


def test_tools_that_want_one_array_say_what_to_do():
    X, y = toy()
    with pytest.raises(TypeError, match="ModalityConcatenator"):
        LogisticRegression().fit(X, y)


@pytest.mark.parametrize(
    "tool",
    [
        lambda model: StackingClassifier([("ours", model)], cv=2, passthrough=True),
        lambda model: BaggingClassifier(model, n_estimators=2),
        lambda model: SelfTrainingClassifier(model),
    ],
    ids=["stacking with passthrough", "bagging", "self-training"],
)
def test_known_limit_has_the_flat_table_as_its_way_out(tool):
    X, y = toy()
    model = tool(LateFusionClassifier())
    labels = y.copy()
    if isinstance(model, SelfTrainingClassifier):
        labels[:10] = -1  # to be found
    with pytest.raises(TypeError, match="`Modalities` is no single array"):
        model.fit(X, labels)
    on_table = tool(LateFusionClassifier(modalities=BLOCKS)).fit(flat(X), labels)
    assert on_table.score(flat(X), y) > 0.7


def test_transformer_has_an_html_diagram():
    prep = ModalityTransformer({"face": StandardScaler()}, remainder=StandardScaler())
    X, _ = toy()
    assert "ModalityTransformer" in prep.fit(X)._repr_html_()
    assert "StandardScaler" in repr(prep)
