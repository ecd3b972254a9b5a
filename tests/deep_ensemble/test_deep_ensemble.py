"""Deep ensembles: members, what is trained together, and what comes of their answers."""

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from sk_mmbalance import (
    DeepEnsembleClassifier,
    DeepEnsembleRegressor,
    Modalities,
    ModalityConcatenator,
    MultimodalClassifier,
    MultimodalRegressor,
)
from sk_mmbalance.preprocessing import ModalityTransformer
from tests._checks import assert_all_checks_pass
from tests._estimators import toy, toy_numbers

SMALL = {"hidden_layer_sizes": (8,), "embedding_dim": 8, "max_epochs": 6}
NET = MultimodalClassifier(**SMALL)


def noisy(n=150):
    X, y = toy(n, 3)
    rng = np.random.default_rng(1)
    return Modalities({m: X[m] + rng.normal(0, 2, X[m].shape) for m in X}), y


@pytest.mark.parametrize("stack", [False, True, "auto"])
def test_members_are_the_networks_of_their_seeds_and_answers_their_mean(stack):
    X, y = noisy()
    model = DeepEnsembleClassifier(NET, n_estimators=3, stack=stack, random_state=0).fit(X, y)
    seeds = [member.random_state for member in model.estimators_]
    assert len(set(seeds)) == 3
    alone = [clone(NET).set_params(random_state=seed).fit(X, y) for seed in seeds]
    probas = [net.predict_proba(X) for net in alone]
    for member, proba in zip(model.estimators_, probas, strict=True):
        np.testing.assert_allclose(member.predict_proba(X), proba, atol=0 if not stack else 1e-5)
    np.testing.assert_allclose(model.predict_proba(X), np.mean(probas, axis=0), atol=1e-5)
    chosen = model.classes_[model.predict_proba(X).argmax(axis=1)]
    np.testing.assert_array_equal(model.predict(X), chosen)
    own = model.unimodal_predict_proba(X)
    expected = np.mean([net.unimodal_predict_proba(X)["face"] for net in alone], axis=0)
    np.testing.assert_allclose(own["face"], expected, atol=1e-5)
    assert model.vectorized_["stacked"].tolist() == [stack is True] * 3 or stack == "auto"
    # the mean of probabilities loses no more than the members do on average
    losses = [log_loss(y, proba) for proba in probas]
    assert log_loss(y, model.predict_proba(X)) <= np.mean(losses) + 1e-6


def test_the_seed_decides_and_a_generator_is_drawn_from():
    X, y = noisy(60)

    def answers(seed):
        model = DeepEnsembleClassifier(NET, n_estimators=2, random_state=seed)
        return model.fit(X, y).predict_proba(X)

    np.testing.assert_array_equal(answers(0), answers(0))
    assert np.abs(answers(0) - answers(1)).max() > 0
    draws = np.random.RandomState(0)
    np.testing.assert_array_equal(answers(0), answers(draws))
    assert np.abs(answers(0) - answers(draws)).max() > 0


def test_any_estimator_with_a_seed_will_do_a_pipeline_too():
    X, y = noisy(60)
    forest = make_pipeline(ModalityConcatenator(), RandomForestClassifier(5))
    model = DeepEnsembleClassifier(forest, n_estimators=3, random_state=0).fit(X, y)
    seeds = [m[-1].random_state for m in model.estimators_]
    assert len(set(seeds)) == 3
    assert not hasattr(model, "unimodal_predict_proba")
    assert not model.vectorized_["stacked"].any()
    scaled = make_pipeline(ModalityTransformer({"face": "passthrough"}, remainder="drop"), NET)
    model = DeepEnsembleClassifier(scaled, n_estimators=2, stack=True, random_state=0).fit(X, y)
    assert model.vectorized_["stacked"].all()
    assert model.predict_proba(X).shape == (60, 3)


@pytest.mark.parametrize("stack", [False, True])
def test_rows_that_lack_modalities_dicts_and_weights(stack):
    X, y = noisy(80)
    face = X["face"].copy()
    face[::3] = np.nan
    holes = {"face": face, "voice": X["voice"]}
    net = clone(NET).set_params(missing="mask", early_stopping=False)
    model = DeepEnsembleClassifier(net, n_estimators=2, stack=stack, random_state=0)
    plain = clone(model).fit(holes, y).predict_proba(holes)
    assert np.isfinite(plain).all()
    np.testing.assert_allclose(plain.sum(axis=1), 1, atol=1e-6)
    lacking = np.isnan(face).any(axis=1)
    own = clone(model).fit(holes, y).unimodal_predict_proba(holes)["face"]
    np.testing.assert_array_equal(np.isnan(own).all(axis=1), lacking)
    weight = np.ones(80)
    weight[:20] = 0
    without = {m: v[20:] for m, v in holes.items()}
    np.testing.assert_allclose(
        clone(model).fit(holes, y, sample_weight=weight).predict_proba(without),
        clone(model).fit(without, y[20:]).predict_proba(without),
        atol=1e-5,
    )


def test_several_labels_and_numbers():
    X, y = noisy(60)
    labels = np.column_stack([y == 0, y == 1]).astype(np.int32)
    model = DeepEnsembleClassifier(NET, n_estimators=2, random_state=0).fit(X, labels)
    answer = model.predict(X)
    np.testing.assert_array_equal(answer, model.predict_proba(X) > 0.5)
    assert answer.dtype == labels.dtype
    X, y = toy_numbers()
    net = MultimodalRegressor(**SMALL)
    model = DeepEnsembleRegressor(net, n_estimators=3, random_state=0).fit(X, y)
    expected = np.mean([m.predict(X) for m in model.estimators_], axis=0)
    np.testing.assert_array_equal(model.predict(X), expected)
    two = model.fit(X, np.column_stack([y, -y])).predict(X)
    assert two.shape == (60, 2)


@pytest.mark.parametrize(
    ("ensemble", "network"),
    [
        (DeepEnsembleClassifier(n_estimators=1), MultimodalClassifier()),
        (DeepEnsembleRegressor(n_estimators=1), MultimodalRegressor()),
    ],
)
def test_default_members_are_default_networks(ensemble, network):
    X, y = noisy(30)
    (member,) = ensemble.fit(X, y).estimators_
    network.set_params(random_state=member.random_state)
    assert type(member) is type(network)
    assert member.get_params() == network.get_params()


def test_in_searches_and_with_groups():
    X, y = noisy(60)
    groups = np.arange(60) // 4
    model = DeepEnsembleClassifier(NET, n_estimators=2, random_state=0)
    grid = {"estimator__embedding_dim": [4, 8], "n_estimators": [1, 2]}
    search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(X, y)
    assert len(search.cv_results_["params"]) == 4
    with sklearn.config_context(enable_metadata_routing=True):
        found = cross_validate(model, X, y, cv=2, params={"groups": groups}, error_score="raise")
    assert len(found["test_score"]) == 2


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"estimator": KNeighborsClassifier()}, ValueError, "`estimator` KN.* no `random_state`"),
        ({"estimator": MultimodalClassifier}, TypeError, "`estimator` must be an estimator"),
        ({"estimator": object()}, ValueError, "'estimator' parameter of DeepEnsemble"),
        ({"n_estimators": 10**30}, ValueError, "'n_estimators' parameter of DeepEnsemble"),
        ({"n_estimators": 0}, ValueError, "'n_estimators' parameter of DeepEnsemble"),
        ({"stack": "always"}, ValueError, "'stack' parameter of DeepEnsemble"),
        ({"estimator": MultimodalClassifier(lr=-1)}, ValueError, "'lr' parameter"),
    ],
)
def test_bad_parameters_are_named_and_an_earlier_fit_stays(params, error, message):
    X, y = noisy(40)
    model = DeepEnsembleClassifier(NET, n_estimators=1, random_state=0).fit(X, y)
    before = model.predict_proba(X)
    with pytest.raises(error, match=message):
        model.set_params(**params).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), before)


def test_what_is_wrong_with_the_rows_is_said_once():
    X, y = noisy(40)
    with pytest.raises(ValueError, match="`X` and `y` must have the same rows"):
        DeepEnsembleClassifier(NET).fit(X, y[:-1])
    with pytest.raises(ValueError, match="`X` must hold the rows; got None"):
        DeepEnsembleClassifier(NET).fit(None, y)
    with pytest.raises(TypeError, match="`X` and `y` must have the same rows"):
        DeepEnsembleClassifier(NET).fit(0.5, y, sample_weight=np.ones(40))
    with pytest.raises(ValueError, match="at least two classes"):
        DeepEnsembleClassifier(NET).fit(X, np.zeros(40))


def test_another_fit_leaves_nothing_of_the_one_before():
    X, y = noisy(40)
    model = DeepEnsembleClassifier(NET, n_estimators=2, random_state=0).fit(X, y)
    flat = np.column_stack([X[m] for m in X])
    trees = RandomForestClassifier(3)
    model.set_params(estimator=trees).fit(flat, y)
    assert not hasattr(model, "modality_names_")
    assert model.n_features_in_ == 5


@pytest.mark.slow
@pytest.mark.parametrize("stack", [False, True])
def test_all_of_scikit_learns_checks_pass(stack):
    settings = {"hidden_layer_sizes": (16,), "embedding_dim": 8, "max_epochs": 60, "lr": 0.02}
    net = MultimodalClassifier(**settings)
    assert_all_checks_pass(DeepEnsembleClassifier(net, n_estimators=2, stack=stack))
    net = MultimodalRegressor(**settings)
    assert_all_checks_pass(DeepEnsembleRegressor(net, n_estimators=2, stack=stack))


def test_logistic_regression_has_a_seed_and_equal_members():
    X, y = noisy(40)
    flat = np.column_stack([X[m] for m in X])
    model = DeepEnsembleClassifier(LogisticRegression(), n_estimators=2).fit(flat, y)
    alone = LogisticRegression().fit(flat, y)
    np.testing.assert_allclose(model.predict_proba(flat), alone.predict_proba(flat))


def test_labels_that_scikit_learn_does_not_know_are_learnt_and_scored():
    X, y = noisy(40)
    model = DeepEnsembleClassifier(NET, n_estimators=2, random_state=0)
    names = np.array([f"class {code}" for code in y])
    for labels, same in [(names.astype(np.dtypes.StringDType()), names), (y.astype(object), y)]:
        score = clone(model).fit(X, labels).score(X, labels)
        assert score == clone(model).fit(X, same).score(X, same)
