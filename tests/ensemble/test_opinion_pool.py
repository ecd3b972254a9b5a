import numpy as np
import pandas as pd
import pytest
from scipy.special import log_softmax
from sklearn import config_context
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from sk_mmbalance import (
    ARMClassifier,
    Modalities,
    ModalityConcatenator,
    ModalityTransformer,
    MultimodalClassifier,
    OpinionPoolClassifier,
)
from sk_mmbalance.convex import fit_opinion_pool, pooled_log_proba
from sk_mmbalance.ensemble._pooling import smooth_log
from sk_mmbalance.experts import auto_classifiers
from tests._checks import assert_all_checks_pass

RULES = ("pool", "select", "stack")


class Guessing(LogisticRegression):
    """Knows nothing: noise that does not depend on the class."""

    def predict_proba(self, X):
        z = np.sin(1e4 * np.asarray(X)[:, :1] * np.arange(1, len(self.classes_) + 1))
        return np.exp(log_softmax(2 * z, axis=1))


def linear(**modalities):
    """A logistic regression on each of these modalities."""
    return {name: (LogisticRegression(), wanted) for name, wanted in modalities.items()}


EACH = linear(face="face", voice="voice", noise="noise")
EACH_AND_ALL = EACH | {"all": LogisticRegression()}


@pytest.fixture
def data():
    """Two modalities that complete each other, and one of noise."""
    rng = np.random.default_rng(0)
    y = np.tile([0, 1, 2], 60)
    X = Modalities(
        face=(y == 0)[:, None] + rng.normal(0, 0.4, (180, 2)),
        noise=rng.normal(size=(180, 3)),
        voice=(y == 1)[:, None] + rng.normal(0, 0.4, (180, 2)),
    )
    return X, y


def without(X, share, seed=1):
    """The same with modalities missing at random; every row has one."""
    present = np.random.default_rng(seed).random((len(X), 3)) > share
    present[~present.any(axis=1), 0] = True
    return Modalities(
        {n: np.where(has[:, None], X[n], np.nan) for n, has in zip(X, present.T, strict=True)}
    )


# -- scikit-learn's contract ---------------------------------------------------------------


def test_all_of_scikit_learns_checks_pass():
    experts = {"linear": LogisticRegression(), "trees": ExtraTreesClassifier(5, random_state=0)}
    assert_all_checks_pass(OpinionPoolClassifier(experts))


@pytest.mark.slow
@pytest.mark.parametrize("params", [{}, {"rule": "select"}, {"rule": "stack"}], ids=str)
def test_all_of_scikit_learns_checks_pass_with_the_default_experts(params):
    assert_all_checks_pass(OpinionPoolClassifier(**params))


def test_parameters_of_named_experts_can_be_searched(data):
    X, y = data
    model = OpinionPoolClassifier(linear(face="face", voice="voice"))
    assert model.get_params()["experts__face__C"] == 1.0
    grid = {"experts__face__C": [1e-6, 1.0], "experts__voice": [GaussianNB()]}
    search = GridSearchCV(model, grid, cv=2).fit(X, y)
    assert search.best_params_["experts__face__C"] == 1.0
    assert isinstance(search.best_estimator_.experts_["voice"], GaussianNB)
    assert model.experts["face"][0].C == 1.0
    assert isinstance(model.experts["voice"][0], LogisticRegression)


def test_list_of_experts_is_the_same_as_a_dict(data):
    X, y = data
    as_list = [("voice", LogisticRegression(), ["voice"]), ("face", LogisticRegression(), "face")]
    a = OpinionPoolClassifier(as_list).fit(X, y)
    b = OpinionPoolClassifier(linear(face="face", voice="voice")).fit(X, y)
    np.testing.assert_array_equal(a.predict_proba(X), b.predict_proba(X))
    changed = clone(a).set_params(experts__voice__C=0.1)
    assert changed.experts[0][1].C == 0.1


def test_none_is_logistic_regression(data):
    X, y = data
    model = OpinionPoolClassifier({"face": (None, "face"), "all": None}).fit(X, y)
    assert isinstance(model.experts_["face"], LogisticRegression)
    assert model.get_params()["experts__all"] is None
    with pytest.raises(ValueError, match="`experts` has no classifier 'other'; it has"):
        model.set_params(experts__other__C=1.0)
    with pytest.raises(ValueError, match="`experts` is None for 'all'"):
        model.set_params(experts__all__C=1.0)


def test_a_failed_fit_leaves_the_earlier_one(data):
    X, y = data
    model = OpinionPoolClassifier(EACH).fit(X, y)
    before = model.predict_proba(X)
    with pytest.raises(ValueError, match="`rule`"):
        model.set_params(rule="mean").fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), before)


# -- the pool ------------------------------------------------------------------------------


def test_weights_are_those_of_the_solver_on_out_of_fold_predictions(data):
    X, y = data
    model = OpinionPoolClassifier(EACH, cv=3, temperature=False).fit(X, y)
    oof = [
        cross_val_predict(LogisticRegression(), X[name], y, cv=3, method="predict_proba")
        for name in sorted(EACH)
    ]
    logs = np.stack([smooth_log(p, 0.01) for p in oof], axis=1)
    expected = fit_opinion_pool(logs, y, alpha=10 / len(y))
    np.testing.assert_allclose(model.weights_["weight"], expected.weights, atol=1e-8)
    fitted = [LogisticRegression().fit(X[n], y).predict_proba(X[n]) for n in sorted(EACH)]
    logs = np.stack([smooth_log(p, 0.01) for p in fitted], axis=1)
    pooled = np.exp(pooled_log_proba(logs, expected.weights))
    np.testing.assert_allclose(model.predict_proba(X), pooled, atol=1e-8)


@pytest.mark.parametrize("per_class", [False, True])
def test_certificate_holds(data, per_class):
    model = OpinionPoolClassifier(EACH_AND_ALL, per_class=per_class, tol=1e-8).fit(*data)
    assert 0 <= model.gap_ <= 1e-8
    assert model.kkt_residual_ < 1e-6
    assert model.n_iter_ > 0


def test_useless_expert_gets_weight_zero(data):
    X, y = data
    model = OpinionPoolClassifier(EACH | {"guess": (Guessing(), "noise")}).fit(X, y)
    assert model.weights_.loc["guess", "weight"] == 0
    assert model.weights_.loc["noise", "weight"] < 0.01
    assert model.modality_weights_["face"] > 0.3


def test_duplicated_expert_changes_no_prediction(data):
    X, y = data
    once = OpinionPoolClassifier(EACH, tol=1e-10).fit(X, y)
    twice = OpinionPoolClassifier(
        EACH | {"face again": EACH["face"], "also": EACH["voice"]}, tol=1e-10
    )
    twice.fit(X, y)
    np.testing.assert_allclose(twice.predict_proba(X), once.predict_proba(X), atol=1e-6)
    assert twice.modality_weights_ == pytest.approx(once.modality_weights_, abs=1e-5)


@pytest.mark.parametrize("rule", RULES)
def test_order_of_experts_and_modalities_changes_nothing(data, rule):
    X, y = data
    here = OpinionPoolClassifier(EACH_AND_ALL, rule=rule).fit(X, y)
    turned = dict(reversed(EACH_AND_ALL.items()))
    there = OpinionPoolClassifier(turned, rule=rule).fit(
        Modalities({name: X[name] for name in ("voice", "noise", "face")}), y
    )
    np.testing.assert_array_equal(there.predict_proba(X), here.predict_proba(X))


def test_default_order_of_modalities_changes_nothing(data):
    X, y = data[0][:60], data[1][:60]
    here = OpinionPoolClassifier(random_state=0, cv=2).fit(X, y)
    there = OpinionPoolClassifier(random_state=0, cv=2).fit(
        Modalities({name: X[name] for name in ("voice", "noise", "face")}), y
    )
    np.testing.assert_array_equal(there.predict_proba(X), here.predict_proba(X))


def test_pool_is_at_least_as_good_as_its_experts_on_their_own_predictions(data):
    model = OpinionPoolClassifier(EACH_AND_ALL).fit(*data)
    losses = model.oof_scores_["log_loss"]
    assert losses["pool"] <= losses.drop("pool").min() + 10 / len(data[1])
    assert list(model.oof_scores_.index) == [*sorted(EACH_AND_ALL), "pool"]
    assert model.oof_scores_.loc["pool", "accuracy"] > 0.85


def test_temperature_calibrates_an_expert_that_is_too_sure(data):
    X, y = data

    class Bold(LogisticRegression):
        def predict_proba(self, X):
            return np.exp(log_softmax(10 * self.predict_log_proba_once(X), axis=1))

        def predict_log_proba_once(self, X):
            return np.log(LogisticRegression.predict_proba(self, X))

    experts = {"bold": (Bold(), "face"), "shy": (LogisticRegression(), "voice")}
    model = OpinionPoolClassifier(experts, smoothing=1e-6).fit(X, y)
    temperatures = model.weights_["temperature"]
    assert temperatures["bold"] > 3
    assert 0.5 < temperatures["shy"] < 2


def test_weights_per_class_have_a_column_each(data):
    X, y = data
    names = np.array(["a", "b", "c"])
    model = OpinionPoolClassifier(EACH, per_class=True).fit(X, names[y])
    table = model.weights_
    assert list(table.columns[-3:]) == ["a", "b", "c"]
    np.testing.assert_allclose(table[["a", "b", "c"]].mean(axis=1), table["weight"])
    assert model.score(X, names[y]) > 0.85


def test_select_takes_the_expert_with_the_least_log_loss(data):
    X, y = data
    model = OpinionPoolClassifier(EACH_AND_ALL, rule="select").fit(X, y)
    best = model.oof_scores_["log_loss"].drop("pool").idxmin()
    assert model.weights_["weight"].idxmax() == best == "all"
    assert model.weights_["weight"].sum() == 1
    np.testing.assert_array_equal(
        model.predict(X),
        model.experts_["all"].predict(np.hstack([X[n] for n in ("face", "noise", "voice")])),
    )


def test_stack_has_a_stacker_and_no_weights(data):
    X, y = data
    model = OpinionPoolClassifier(EACH, rule="stack").fit(X, y)
    assert model.weights_ is model.modality_weights_ is model.gap_ is None
    assert model.stacker_.coef_.shape == (3, 9)
    assert model.score(X, y) > 0.85


def test_modality_weights_add_up_to_the_sum_of_all(data):
    model = OpinionPoolClassifier(EACH_AND_ALL).fit(*data)
    weights = model.weights_["weight"]
    assert sum(model.modality_weights_.values()) == pytest.approx(weights.sum())
    expected = weights["noise"] + weights["all"] / 3
    assert model.modality_weights_["noise"] == pytest.approx(expected)


def test_penalty_that_outweighs_all_rows_lets_all_experts_count_alike(data):
    X, y = data
    model = OpinionPoolClassifier(EACH, alpha=1e6).fit(X, y)
    np.testing.assert_allclose(model.weights_["weight"], 1 / 3)
    assert model.score(X, y) > 0.8


def test_single_expert_is_not_cross_validated(data):
    X, y = data
    model = OpinionPoolClassifier({"nb": (GaussianNB(), "face")}, cv="nonsense").fit(X, y)
    alone = GaussianNB().fit(X["face"], y).predict_proba(X["face"])
    np.testing.assert_array_equal(model.predict_proba(X), alone)
    assert model.oof_scores_.empty
    assert (model.gap_, model.n_iter_) == (0.0, 0)
    assert model.weights_.loc["nb", "weight"] == 1


def test_all_experts_of_one_modality_speak_for_it(data):
    X, y = data
    model = OpinionPoolClassifier(EACH | {"nb": (GaussianNB(), "face")}).fit(X, y)
    own = model.unimodal_predict_proba(X)
    assert set(own) == {"face", "noise", "voice"}
    alone = OpinionPoolClassifier({k: v for k, v in EACH.items() if k == "voice"}).fit(X, y)
    np.testing.assert_array_equal(own["voice"].argmax(1), alone.predict_proba(X).argmax(1))


def test_experts_may_be_this_packages_own_estimators(data):
    X, y = data
    net = MultimodalClassifier(max_epochs=20, lr=0.02, missing="mask", random_state=0)
    arm = ARMClassifier(loss="log_loss", strong="face", weak="voice")
    model = OpinionPoolClassifier(
        {"net": net, "arm": (arm, ["face", "voice"]), "lr": (LogisticRegression(), "face")}, cv=2
    ).fit(X, y)
    assert model.experts_["net"].modality_names_ == ["face", "noise", "voice"]
    assert model.experts_["arm"].modality_names_ == ["face", "voice"]
    assert model.score(X, y) > 0.7


# -- default experts -----------------------------------------------------------------------


def test_auto_is_every_modality_and_all_together(data):
    X, y = data[0][:60], data[1][:60]
    model = OpinionPoolClassifier(random_state=0, cv=2).fit(X, y)
    blocks = {name.partition(":")[0] for name in model.experts_}
    assert blocks == {"face", "noise", "voice", "all"}


@pytest.mark.parametrize(
    ("names", "label"),
    [
        (("all", "face"), "all modalities"),
        (("all", "all modalities"), "all modalities together"),
        (("all", "all modalities", "all modalities together"), "all modalities together together"),
    ],
)
def test_a_modality_may_have_the_name_of_all(data, names, label):
    X, y = data[0][:60], data[1][:60]
    renamed = dict(zip(names, X.values(), strict=False))
    model = OpinionPoolClassifier(random_state=0, cv=2).fit(renamed, y)
    assert {name.rpartition(":")[0] for name in model.experts_} == {*names, label}
    assert model.weights_.loc[f"{label}: linear", "modalities"] == " + ".join(names)


def test_auto_has_no_duplicates_with_one_modality(data):
    X, y = data
    model = OpinionPoolClassifier(random_state=0, cv=2).fit(X["face"], y)
    assert list(model.experts_) == ["X: linear", "X: trees"]


def test_auto_without_a_complete_row_has_experts_of_what_there_is(data):
    X, y = data[0][:60], data[1][:60]
    even = (np.arange(60) // 3 % 2 == 0)[:, None]
    apart = {
        "face": np.where(even, X["face"], np.nan),
        "voice": np.where(even, np.nan, X["voice"]),
    }
    model = OpinionPoolClassifier(random_state=0, cv=2, missing="mask").fit(apart, y)
    assert {name.partition(":")[0] for name in model.experts_} == {"face", "voice", "all"}
    assert (model.oof_scores_.loc[["all: linear", "all: trees"], "n_rows"] == 60).all()


def test_auto_leaves_out_what_costs_too_much():
    def kinds(*shape):
        return auto_classifiers(*shape, 0).kinds

    assert kinds(100, 10, 3) == {"linear", "trees"}
    assert kinds(1000, 10, 3) == {"linear", "trees", "boosting", "kernel"}
    assert kinds(1000, 10, 100) == {"linear", "trees", "kernel"}
    assert kinds(1000, 101, 3) == {"linear", "trees", "kernel"}
    assert set(auto_classifiers(150, 60, 3, 0).models) == {
        "linear",
        "linear, C=0.1",
        "linear, C=0.01",
        "trees",
    }
    assert kinds(100_000, 10, 3) == {"linear", "trees", "boosting", "rough kernel"}


# -- networks among them -------------------------------------------------------------------


def with_networks(**params):
    return OpinionPoolClassifier("auto+nets", random_state=0, cv=2, **params)


def networks_of(model):
    return {name for name in model.experts_ if "network" in name}


def test_networks_are_on_all_modalities_whatever_their_units(data):
    X, y = data
    model = with_networks().fit(X, y)
    assert networks_of(model) == {"all: network", "all: network, LFM"}
    assert model.weights_.loc["all: network, LFM", "modalities"] == "face + noise + voice"
    plain = OpinionPoolClassifier(random_state=0, cv=2).fit(X, y)
    assert [name for name in model.experts_ if "network" not in name] == list(plain.experts_)
    units = Modalities({name: 1e4 * X[name] + 1e3 for name in X})
    proba = with_networks().fit(units, y).predict_proba(units)
    np.testing.assert_allclose(proba, model.predict_proba(X), atol=0.02)


def test_networks_get_what_rows_have(data):
    X, y = data
    fewer = without(X, 0.3)
    model = with_networks(missing="mask").fit(fewer, y)
    assert (model.oof_scores_.loc[sorted(networks_of(model)), "n_rows"] == len(y)).all()
    assert np.isfinite(model.predict_proba(fewer)).all()


def test_one_modality_has_one_network(data):
    X, y = data
    assert networks_of(with_networks().fit(X["face"], y)) == {"X: network"}


def test_networks_learn_labels_and_take_weights(data):
    X, y = data
    labels = np.column_stack([y == 0, y != 1]).astype(int)
    weight = np.linspace(0.5, 2, len(y))
    model = with_networks().fit(X, labels, sample_weight=weight)
    assert networks_of(model) == {"all: network", "all: network, LFM"}
    with config_context(enable_metadata_routing=True):
        routed = with_networks().set_fit_request(sample_weight=True)
        routed.fit(X, labels, sample_weight=weight)
    np.testing.assert_array_equal(routed.predict_proba(X), model.predict_proba(X))


def test_a_network_that_takes_too_much_is_left_out(data):
    X, y = data[0][:60], data[1][:60]
    model = with_networks(memory_limit=4e-3).fit(X, y)
    assert not networks_of(model)
    assert "above `memory_limit`=0.004" in model.left_out_["all: network"]


def test_other_words_for_experts_are_refused(data):
    with pytest.raises(ValueError, match=r"'auto\+nets', a dict or a list of experts; got 'nets'"):
        OpinionPoolClassifier("nets").fit(*data)


@pytest.mark.parametrize(("name", "tolerance"), [("linear", 1e-7), ("trees", 0), ("kernel", 1e-3)])
def test_default_experts_weigh_rows_like_repeated_ones(name, tolerance):
    rng = np.random.default_rng(0)
    X, y, times = rng.normal(size=(60, 4)), np.arange(60) % 3, rng.integers(0, 4, 60)
    X[:, 0] += y
    from sk_mmbalance.base import weight_params

    model = auto_classifiers(500, 4, 3, 0).models[name]
    weighted = clone(model).fit(X, y, **weight_params(model, times.astype(float)))
    repeated = clone(model).fit(np.repeat(X, times, axis=0), np.repeat(y, times))
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), atol=tolerance)


# -- weights and groups --------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::sk_mmbalance.exceptions.FoldWarning")
@pytest.mark.parametrize("rule", RULES)
def test_weights_of_rows_count_like_repeated_rows(data, rule):
    X, y = data
    times = np.random.default_rng(0).integers(0, 3, len(y))
    rows = np.repeat(np.arange(len(y)), times)
    fold = np.arange(len(y)) % 3
    splits = [(np.flatnonzero(fold != f), np.flatnonzero(fold == f)) for f in range(3)]
    repeated = [
        (np.flatnonzero(fold[rows] != f), np.flatnonzero(fold[rows] == f)) for f in range(3)
    ]
    experts = {name: (LogisticRegression(tol=1e-10), m) for name, (_, m) in EACH.items()}
    a = OpinionPoolClassifier(experts, rule=rule, cv=splits)
    a.fit(X, y, sample_weight=times.astype(float))
    b = OpinionPoolClassifier(experts, rule=rule, cv=repeated).fit(X[rows], y[rows])
    np.testing.assert_allclose(a.predict_proba(X), b.predict_proba(X), atol=1e-5)


@pytest.mark.filterwarnings("ignore::sk_mmbalance.exceptions.FoldWarning")
def test_rows_of_weight_zero_change_nothing(data):
    X, y = data
    keep = np.arange(len(y)) % 4 > 0
    fold = np.arange(len(y)) % 3
    splits = [(np.flatnonzero(fold != f), np.flatnonzero(fold == f)) for f in range(3)]
    kept = [(np.flatnonzero(fold[keep] != f), np.flatnonzero(fold[keep] == f)) for f in range(3)]
    spoilt = np.where(keep, y, (y + 1) % 3)
    a = OpinionPoolClassifier(EACH, cv=splits).fit(X, spoilt, sample_weight=keep.astype(float))
    b = OpinionPoolClassifier(EACH, cv=kept).fit(X[keep], y[keep])
    np.testing.assert_allclose(a.predict_proba(X), b.predict_proba(X), atol=1e-6)


def test_class_weight_is_a_sample_weight(data):
    X, y = data
    keep = (y > 0) | (np.arange(len(y)) < 60)
    X, y = X[keep], y[keep]
    share = len(y) / (3 * np.bincount(y))[y]
    a = OpinionPoolClassifier(EACH, class_weight="balanced").fit(X, y)
    b = OpinionPoolClassifier(EACH).fit(X, y, sample_weight=share)
    np.testing.assert_allclose(a.predict_proba(X), b.predict_proba(X), atol=1e-6)


def test_balanced_objective_weighs_classes_alike_in_the_pool_only(data):
    X, y = data
    keep = (y > 0) | (np.arange(len(y)) < 60)
    X, y = X[keep], y[keep]
    plain = OpinionPoolClassifier(EACH).fit(X, y)
    balanced = OpinionPoolClassifier(EACH, objective="balanced_log_loss").fit(X, y)
    np.testing.assert_array_equal(balanced.experts_["face"].coef_, plain.experts_["face"].coef_)
    assert abs(balanced.weights_["weight"] - plain.weights_["weight"]).max() > 1e-3


def test_groups_are_kept_together_out_of_fold():
    # the class is that of the group, and only rows of the same group can tell it
    rng = np.random.default_rng(0)
    groups = np.arange(200) % 40
    y = rng.permutation(np.arange(40) % 2)[groups]
    place = rng.normal(size=(40, 3))[groups] + 0.01 * rng.normal(size=(200, 3))
    honest = y[:, None] + rng.normal(0, 1, (200, 1))
    X = Modalities(honest=honest, place=place)
    experts = {
        "honest": (LogisticRegression(), "honest"),
        "memory": (KNeighborsClassifier(1), "place"),
    }
    careless = OpinionPoolClassifier(experts, cv=4).fit(X, y)
    careful = OpinionPoolClassifier(experts, cv=4).fit(X, y, groups=groups)
    assert careless.oof_scores_.loc["memory", "accuracy"] == 1
    assert careful.oof_scores_.loc["memory", "accuracy"] < 0.75
    assert careful.modality_weights_["honest"] > careful.modality_weights_["place"]
    assert careless.modality_weights_["place"] > careless.modality_weights_["honest"]


class GroupsSeen(LogisticRegression):
    """Remembers the groups that it is given."""

    def fit(self, X, y, groups=None):
        self.groups_ = groups
        return super().fit(X, y)


def test_groups_go_to_the_end_of_a_pipeline(data):
    X, y = data
    groups = np.arange(len(y)) // 3
    experts = {
        "whole": make_pipeline(StandardScaler(), GroupsSeen()),
        "face": (GroupsSeen(), "face"),
    }
    model = OpinionPoolClassifier(experts, cv=3).fit(X, y, groups=groups)
    np.testing.assert_array_equal(model.experts_["whole"][-1].groups_, groups)
    np.testing.assert_array_equal(model.experts_["face"].groups_, groups)


def test_weights_reach_the_scalers_of_modalities_in_a_pipeline(data):
    X, y = data
    times = np.random.default_rng(0).integers(1, 4, len(y))
    scale = ModalityTransformer({}, remainder=StandardScaler())
    experts = {"all": make_pipeline(scale, ModalityConcatenator(), LogisticRegression())}
    model = OpinionPoolClassifier(experts).fit(X, y, sample_weight=times)
    scaler = model.experts_["all"][0].transformers_["face"]
    np.testing.assert_allclose(scaler.mean_, np.repeat(X["face"], times, axis=0).mean(axis=0))


def test_groups_and_weights_are_routed_to_experts_that_request_them(data):
    X, y = data
    with config_context(enable_metadata_routing=True):
        model = OpinionPoolClassifier(
            {
                "a": (LogisticRegression().set_fit_request(sample_weight=True), "face"),
                "b": (LogisticRegression().set_fit_request(sample_weight=False), "voice"),
            }
        ).fit(X, y, sample_weight=np.where(y == 0, 5.0, 1.0))
        weighted = LogisticRegression().fit(X["face"], y, np.where(y == 0, 5.0, 1.0))
        plain = LogisticRegression().fit(X["voice"], y)
        np.testing.assert_allclose(model.experts_["a"].coef_, weighted.coef_)
        np.testing.assert_allclose(model.experts_["b"].coef_, plain.coef_)


def test_default_experts_take_weights_with_metadata_routing(data):
    X, y = data[0][:60], data[1][:60]
    weights = np.where(y == 0, 5.0, 1.0)
    plain = OpinionPoolClassifier(random_state=0, cv=2).fit(X, y, sample_weight=weights)
    with config_context(enable_metadata_routing=True):
        routed = OpinionPoolClassifier(random_state=0, cv=2).fit(X, y, sample_weight=weights)
        np.testing.assert_array_equal(routed.predict_proba(X), plain.predict_proba(X))


def test_class_that_a_fold_lacks_keeps_its_prior(data):
    X, y = data
    y = y.copy()
    y[0] = 7
    model = OpinionPoolClassifier(EACH).fit(X, y)
    assert list(model.classes_) == [0, 1, 2, 7]
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)


def test_fewer_rows_of_a_class_than_folds_lower_the_number_of_folds():
    X, y = np.arange(8.0)[:, None], np.arange(8) % 2
    experts = {"a": LogisticRegression(), "b": GaussianNB()}
    assert OpinionPoolClassifier(experts, cv=10).fit(X, y).oof_scores_.loc["a", "n_rows"] == 8


def test_class_weights_reach_every_default_expert_and_the_pool():
    rng = np.random.default_rng(0)
    y = (rng.random(600) < 0.06).astype(int)
    X = Modalities(
        face=1.5 * y[:, None] + rng.normal(size=(600, 2)),
        voice=y[:, None] + rng.normal(size=(600, 2)),
    )
    plain = OpinionPoolClassifier(random_state=0, cv=2).fit(X, y)
    weighed = OpinionPoolClassifier(class_weight="balanced", random_state=0, cv=2).fit(X, y)
    assert len(weighed.experts_) == 12
    at_best = weighed.oof_scores_["balanced_accuracy"]
    for name in ("linear", "kernel", "boosting"):
        before = plain.oof_scores_.loc[f"all: {name}", "balanced_accuracy"]
        assert at_best[f"all: {name}"] > before + 0.05
    assert at_best["pool"] > 0.8 > plain.oof_scores_.loc["pool", "balanced_accuracy"]


# -- missing modalities --------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
def test_rows_with_missing_modalities_are_predicted_by_who_is_there(data, rule):
    X, y = data
    model = OpinionPoolClassifier(EACH_AND_ALL, rule=rule, missing="mask").fit(without(X, 0.3), y)
    holes = without(X, 0.4, seed=2)
    proba = model.predict_proba(holes)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert model.score(X, y) > 0.8 > model.score(holes, y) > 0.5


def test_what_a_pattern_lacks_changes_nothing(data):
    X, y = data
    model = OpinionPoolClassifier(EACH, missing="mask").fit(X, y)
    only_face = {"face": X["face"], "noise": np.full((180, 3), np.nan)}
    np.testing.assert_array_equal(
        model.predict_proba(only_face | {"voice": np.full((180, 2), np.nan)}),
        model.predict_proba({"face": X["face"]}),
    )


def test_pattern_with_enough_rows_has_the_weights_of_a_pool_of_its_own(data):
    X, y = data
    model = OpinionPoolClassifier(EACH, missing="mask", tol=1e-10).fit(X, y)
    two = OpinionPoolClassifier({k: EACH[k] for k in ("face", "voice")}, tol=1e-10).fit(X, y)
    learnt = model.pattern_weights_.loc["face + voice"]
    np.testing.assert_allclose(
        learnt[["face", "voice"]], two.weights_["weight"].loc[["face", "voice"]], atol=1e-6
    )
    assert learnt["noise"] == 0
    assert len(model.pattern_weights_) == 6  # all but the complete one
    np.testing.assert_allclose(
        model.predict_proba({"face": X["face"], "voice": X["voice"]}),
        two.predict_proba(X),
        atol=1e-6,
    )


def test_other_patterns_keep_the_sum_of_the_complete_weights(data):
    X, y = data
    model = OpinionPoolClassifier(EACH, missing="mask", min_pattern_rows=1000, temperature=False)
    model.fit(X, y)
    assert model.pattern_weights_.empty
    weights = model.weights_["weight"]
    logs = np.log(0.99 * model.experts_["face"].predict_proba(X["face"]) + 0.01 / 3)
    # alone, the face gets the sum of all weights
    expected = np.exp(log_softmax(weights.sum() * logs, axis=1))
    np.testing.assert_allclose(model.predict_proba({"face": X["face"]}), expected)


def test_rows_without_any_expert_get_the_class_prior(data):
    X, y = data
    keep = (y > 0) | (np.arange(len(y)) < 60)
    X, y = X[keep], y[keep]
    experts = linear(face="face", pair=["face", "voice"])
    model = OpinionPoolClassifier(experts, missing="mask").fit(X, y)
    proba = model.predict_proba({"noise": X["noise"][:2]})
    np.testing.assert_allclose(proba, np.tile(np.bincount(y) / len(y), (2, 1)))


def test_unimodal_probabilities_are_nan_where_the_modality_is_missing(data):
    X, y = data
    holes = without(X, 0.3)
    own = OpinionPoolClassifier(EACH, missing="mask").fit(holes, y).unimodal_predict_proba(holes)
    for name, proba in own.items():
        np.testing.assert_array_equal(np.isnan(proba[:, 0]), np.isnan(holes[name][:, 0]))


def test_training_without_a_complete_row(data):
    X, y = data
    holes = Modalities(
        {
            name: np.where((np.arange(180) // 3 % 3 != k)[:, None], X[name], np.nan)
            for k, name in enumerate(X)
        }
    )
    model = OpinionPoolClassifier(EACH, missing="mask").fit(holes, y)
    assert model.score(X, y) > 0.8
    assert model.gap_ <= 1e-6


def test_default_experts_on_all_modalities_use_incomplete_rows():
    rng = np.random.default_rng(0)
    y = np.arange(240) % 2
    X = {
        "face": (y[:, None] + rng.normal(0, 0.7, (240, 2))),
        "voice": (y[:, None] + rng.normal(0, 0.7, (240, 2))),
    }
    lacks = rng.random(240) < 0.6
    X["voice"] = np.where(lacks[:, None], np.nan, X["voice"])
    model = OpinionPoolClassifier(missing="mask", random_state=0, cv=2).fit(X, y)
    scores = model.oof_scores_["n_rows"]
    assert scores["all: linear"] == scores["all: trees"] == 240
    assert scores["voice: linear"] == 240 - lacks.sum()
    linear = model.experts_["all: linear"]
    rows = np.hstack([X["face"], X["voice"]])
    scaled = linear[0].transform(rows)
    np.testing.assert_allclose(
        linear.predict_proba(rows), linear[-1].predict_proba(np.where(np.isnan(scaled), 0, scaled))
    )
    assert model.score(X, y) > 0.8


def test_pattern_is_taught_by_its_own_rows_where_answers_hang_on_what_is_there():
    rng = np.random.default_rng(0)
    y = np.arange(300) % 2
    X = {
        "face": y[:, None] + rng.normal(0, 1, (300, 1)),
        "voice": y[:, None] + 0.3 * rng.normal(size=(300, 1)),
    }
    X["voice"][200:] = np.nan
    model = OpinionPoolClassifier(missing="mask", random_state=0, cv=3, min_pattern_rows=90)
    model.fit(X, y)
    # 100 rows have the face alone, 200 both; none has the voice alone
    assert list(model.pattern_weights_.index) == ["face", "face + voice"]
    complete = model.pattern_weights_.loc["face + voice"]
    np.testing.assert_array_equal(complete, model.weights_["weight"])
    alone = model.pattern_weights_.loc["face"]
    assert alone[["voice: linear", "voice: trees"]].tolist() == [0, 0]
    assert model.score({"face": X["face"]}, y) > 0.65


# -- bad input -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"rule": "mean"}, ValueError, "`rule` must be one of"),
        ({"objective": "accuracy"}, ValueError, "`objective` must be one of"),
        ({"alpha": 0}, ValueError, "`alpha` must be a finite number above 0"),
        ({"tol": -1.0}, ValueError, "`tol` must be a finite number above 0"),
        ({"smoothing": 0}, ValueError, "`smoothing` must lie between"),
        ({"min_pattern_rows": 0}, ValueError, "`min_pattern_rows` must be at least 1"),
        ({"experts": "all"}, ValueError, "`experts` must be 'auto'"),
        ({"experts": {}}, ValueError, "`experts` is empty"),
        ({"experts": 3}, ValueError, "`experts` must be 'auto'"),
        ({"experts": [LogisticRegression()]}, ValueError, "must hold \\(name, estimator\\)"),
        ({"experts": [("a", GaussianNB()), ("a", GaussianNB())]}, ValueError, "come twice"),
        ({"experts": {1: GaussianNB()}}, TypeError, "names that are strings"),
        (
            {"experts": {"a": (GaussianNB(), "iris")}},
            ValueError,
            "asks for modalities \\['iris'\\]",
        ),
        ({"experts": {"a": (GaussianNB(), [])}}, ValueError, "Name at least one"),
        ({"experts": {"a": LinearSVC()}}, TypeError, "has no predict_proba"),
        ({"experts": {"a": GaussianNB}}, TypeError, "is a class"),
    ],
)
def test_bad_parameters_are_named(data, params, error, message):
    with pytest.raises(error, match=message):
        OpinionPoolClassifier(**params).fit(*data)


def test_expert_without_sample_weight_is_named(data):
    X, y = data
    model = OpinionPoolClassifier({"knn": KNeighborsClassifier(), "nb": GaussianNB()})
    with pytest.raises(TypeError, match="expert for 'knn', KNeighborsClassifier, does not take it"):
        model.fit(X, y, sample_weight=np.ones(180))


def test_expert_whose_modalities_never_meet_is_named(data):
    X, y = data
    face = np.where((np.arange(180) % 2)[:, None] == 0, X["face"], np.nan)
    voice = np.where((np.arange(180) % 2)[:, None] == 1, X["voice"], np.nan)
    model = OpinionPoolClassifier(linear(face="face", both=["face", "voice"]), missing="mask")
    with pytest.raises(ValueError, match=r"no row with the modalities .* that expert 'both' needs"):
        model.fit({"face": face, "voice": voice}, y)


def test_weights_that_leave_no_tested_row_are_named(data):
    X, y = data
    splits = [(np.arange(90), np.arange(90, 180))]
    weights = np.where(np.arange(180) < 90, 1.0, 0.0)
    with pytest.raises(ValueError, match=r"`cv` has no split .* of positive `sample_weight`"):
        OpinionPoolClassifier(EACH, cv=splits).fit(X, y, sample_weight=weights)


# -- parallel ------------------------------------------------------------------------------


@pytest.mark.slow
def test_parallel_fits_give_the_same_bits(data):
    X, y = data
    a = OpinionPoolClassifier(random_state=0).fit(X, y)
    b = OpinionPoolClassifier(random_state=0, n_jobs=2).fit(X, y)
    np.testing.assert_array_equal(a.predict_proba(X), b.predict_proba(X))


@pytest.mark.filterwarnings("ignore::sk_mmbalance.exceptions.FoldWarning")
def test_repeated_cross_validation_averages(data):
    X, y = data
    groups = np.arange(180) % 6
    model = OpinionPoolClassifier(
        {"rf": (RandomForestClassifier(5, random_state=0), "face"), **EACH}, cv=GroupKFold(3)
    ).fit(X, y, groups=groups)
    assert isinstance(model.weights_, pd.DataFrame)
    assert (model.oof_scores_["n_rows"] == 180).all()


# -- weights by class that are chosen ------------------------------------------------------


def classes_of_two_experts(n=600, seed=0):
    """Each of two modalities knows a class that the other has no idea of."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 4, n)
    X = Modalities(
        face=np.column_stack([4 * (y == 0), 4 * (y == 1)]) + rng.normal(size=(n, 2)),
        voice=np.column_stack([4 * (y == 2), 4 * (y == 1)]) + rng.normal(size=(n, 2)),
    )
    return X, y


def test_weights_by_class_are_chosen_where_they_pay():
    X, y = classes_of_two_experts()
    skilled = {"a": [0, 1], "b": [2, 3]}  # classes that an expert is sure of

    class Partial(LogisticRegression):
        """Sure of some classes, and loud about the others."""

        def __init__(self, known=(), C=1.0):
            self.known = known
            super().__init__(C=C)

        def predict_proba(self, X):
            logits = super().decision_function(X)
            others = np.setdiff1d(np.arange(4), self.known)
            logits[:, others] = 2 * np.sin(1e4 * np.asarray(X)[:, :1] * (1 + others))
            return np.exp(log_softmax(logits, axis=1))

    experts = {name: (Partial(tuple(known)), None) for name, known in skilled.items()}
    auto = OpinionPoolClassifier(experts, alpha=1.0).fit(X, y)
    common = OpinionPoolClassifier(experts, alpha=1.0, per_class=False).fit(X, y)
    assert np.isfinite(auto.class_penalty_)
    losses = auto.class_penalty_losses_
    assert min(losses, key=losses.get) == auto.class_penalty_ == next(iter(losses))
    assert losses[auto.class_penalty_] < losses[np.inf]
    assert auto.gap_ <= 1e-6
    assert auto.oof_scores_.loc["pool", "log_loss"] < common.oof_scores_.loc["pool", "log_loss"]
    assert np.ptp(auto.weights_[[0, 1, 2, 3]].to_numpy(), axis=1).max() > 0.1
    assert common.class_penalty_ == np.inf
    assert common.class_penalty_losses_ == {}


def test_weights_stay_common_where_classes_are_alike(data):
    X, y = data
    auto = OpinionPoolClassifier(EACH).fit(X, y)
    common = OpinionPoolClassifier(EACH, per_class=False).fit(X, y)
    assert auto.class_penalty_ == np.inf
    assert set(auto.class_penalty_losses_) == {1.0, 3.0, np.inf}
    np.testing.assert_array_equal(auto.predict_proba(X), common.predict_proba(X))


def test_weights_of_two_classes_are_common_without_a_comparison(data):
    X, y = data
    model = OpinionPoolClassifier(EACH).fit(X, y == 0)
    assert (model.class_penalty_, model.class_penalty_losses_) == (np.inf, {})
    free = OpinionPoolClassifier(EACH, per_class=True).fit(X, y)
    assert free.class_penalty_ == pytest.approx(1 / 3)
    with pytest.raises(ValueError, match="`per_class` must be True, False or 'auto'"):
        OpinionPoolClassifier(EACH, per_class="yes").fit(X, y)
