"""Estimators that can use groups ask for them by themselves under metadata routing."""

import functools
import inspect

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold, GroupShuffleSplit, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.metadata_routing import get_routing_for_object

import sk_mmbalance
from sk_mmbalance import (
    ARMClassifierCV,
    ARMRegressor,
    LateFusionClassifier,
    ModalityTransformer,
    MultimodalRegressor,
    UnimodalClassifier,
)
from tests._estimators import CLASSIFIERS, REGRESSORS, toy, toy_numbers

ALL = {**CLASSIFIERS, **{f"{name}, numbers": model for name, model in REGRESSORS.items()}}
GROUPS = np.arange(60) // 3
PREPARE = ModalityTransformer({}, remainder=StandardScaler())


def takes_groups(model) -> bool:
    return "groups" in inspect.signature(model.fit).parameters


@pytest.mark.parametrize("name", ALL)
def test_who_takes_groups_requests_them_and_nobody_else(name):
    model = ALL[name]
    with config_context(enable_metadata_routing=True):
        asked = get_routing_for_object(model).consumes("fit", ["groups"])
    assert ("groups" in asked) == takes_groups(model)


def test_every_public_estimator_that_takes_groups_requests_them():
    asking = []
    for name in sk_mmbalance.__all__:
        found = getattr(sk_mmbalance, name)
        if isinstance(found, type) and hasattr(found, "fit") and takes_groups(found):
            with config_context(enable_metadata_routing=True):
                asked = get_routing_for_object(_made(found)).consumes("fit", ["groups"])
            assert "groups" in asked, name
            asking.append(found)
    assert len(asking) >= 15
    assert set(asking) == {type(model) for model in TAKE_GROUPS.values()}


def _made(cls):
    """An instance; searches and wrappers get an estimator that asks too."""
    required = [
        p.name
        for p in inspect.signature(cls).parameters.values()
        if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD
    ]
    given = {"estimator": LateFusionClassifier(), "param_grid": {"rule": ["mean"]}}
    given["param_distributions"] = given["param_grid"]
    return cls(**{name: given[name] for name in required})


@pytest.mark.parametrize("name", [name for name, model in ALL.items() if takes_groups(model)])
def test_groups_pass_through_a_pipeline_without_a_request(name):
    X, y = toy_numbers() if "numbers" in name else toy()
    with config_context(enable_metadata_routing=True):
        model = make_pipeline(PREPARE, clone(ALL[name])).fit(X, y, groups=GROUPS)
    direct = clone(ALL[name]).fit(PREPARE.fit_transform(X), y, groups=GROUPS)
    np.testing.assert_array_equal(model.predict(X), direct.predict(PREPARE.fit_transform(X)))


#: Those that have tests of their own instead of a place among `ALL`.
OTHERS = {
    "ARM with a choice of its strength": ARMClassifierCV(cv=2),
    "ARM, numbers": ARMRegressor(),
    "joint network, numbers": MultimodalRegressor(max_epochs=2, random_state=0),
}
TAKE_GROUPS = {name: one for name, one in {**ALL, **OTHERS}.items() if takes_groups(one)}


@pytest.mark.parametrize("name", TAKE_GROUPS)
def test_search_inside_cross_validation_hands_them_to_each_of_ours(name, monkeypatch):
    X, y = toy_numbers() if "numbers" in name else toy()
    model, seen = clone(TAKE_GROUPS[name]), []
    fit = type(model).fit

    @functools.wraps(fit)
    def watched(self, X, y, *args, groups=None, **kwargs):
        seen.append((len(y), groups))
        return fit(self, X, y, *args, groups=groups, **kwargs)

    monkeypatch.setattr(type(model), "fit", watched)
    once = GroupShuffleSplit(1, test_size=0.3, random_state=0)
    with config_context(enable_metadata_routing=True):
        search = GridSearchCV(model, {}, cv=once, error_score="raise")
        cross_validate(search, X, y, cv=once, params={"groups": GROUPS}, error_score="raise")
    outer = seen[-1][1]
    assert len(seen) == 2
    assert [len(groups) for _, groups in seen] == [n for n, _ in seen]
    assert set(np.unique(outer, return_counts=True)[1]) == {3}  # whole ones
    assert set(np.unique(seen[0][1])) < set(np.unique(outer))


def test_search_and_cross_validation_hand_them_on():
    X, y = toy()
    seen = []

    class Recorder(LateFusionClassifier):
        def fit(self, X, y, sample_weight=None, groups=None):
            seen.append(groups)
            return super().fit(X, y, sample_weight, groups)

    model = make_pipeline(PREPARE, Recorder(weights="cv", cv=2))
    with config_context(enable_metadata_routing=True):
        search = GridSearchCV(model, {"recorder__rule": ["mean", "product"]}, cv=GroupKFold(2))
        search.fit(X, y, groups=GROUPS)
        cross_validate(search, X, y, cv=GroupKFold(2), params={"groups": GROUPS})
    assert len(seen) == 5 + 2 * 5
    assert all(groups is not None for groups in seen)


def test_one_of_ours_inside_another_gets_them_too():
    X, y = toy()
    inner = LateFusionClassifier(weights="cv", cv=GroupKFold(3))
    model = UnimodalClassifier(inner, cv=2)
    with config_context(enable_metadata_routing=True):
        routed = model.fit(X, y, groups=GROUPS).scores_
    assert set(routed) == {"face", "voice"}


def test_a_request_that_was_taken_back_stays_so():
    with config_context(enable_metadata_routing=True):
        model = LateFusionClassifier().set_fit_request(groups=False)
        assert not get_routing_for_object(clone(model)).consumes("fit", ["groups"])
