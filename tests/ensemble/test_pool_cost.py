"""Which experts the pool's default admits, and what a fit does when time or memory are short."""

import itertools
import time

import numpy as np
import pytest
import sklearn
from packaging.version import Version
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB

from sk_mmbalance import Modalities, OpinionPoolClassifier, OpinionPoolRegressor
from sk_mmbalance.ensemble import _pool_budget
from sk_mmbalance.experts import (
    Admission,
    NamedExpert,
    Pace,
    WeightedBins,
    auto_classifiers,
    auto_regressors,
    seconds,
)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    y = np.tile([0, 1, 2], 60)
    table = np.eye(3)[y] + rng.normal(0, 0.6, (180, 3))
    return Modalities(face=table[:, :1], voice=table[:, 1:]), y


# -- what is reckoned ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["linear", "trees", "boosting", "kernel", "rough kernel"])
def test_costs_grow_with_rows_columns_and_classes(kind):
    base = seconds(kind, 2000, 50, 3)
    assert base > 0
    assert seconds(kind, 4000, 50, 3) > base
    assert seconds(kind, 400_000, 50, 3) > 40 * base
    assert seconds(kind, 2000, 100, 3) > base
    assert seconds(kind, 2000, 50, 6) >= base


def test_kernel_of_many_rows_is_approximated_and_named():
    small = auto_classifiers(3000, 50, 2, 0)
    assert "kernel" in small.models
    assert not small.left_out
    large = auto_classifiers(20_000, 50, 2, 0)
    assert large.kinds == {"linear", "trees", "boosting", "rough kernel"}
    assert "a fit would take about" in large.left_out["kernel"]
    assert '"rough kernel" approximates it' in large.left_out["kernel"]
    assert large.models["trees"].n_estimators < 100
    assert auto_regressors(20_000, 50, 0).kinds == large.kinds


def test_boosting_left_out_for_columns_or_classes_is_named():
    wide = auto_classifiers(600, 101, 21, 0)
    assert "boosting" not in wide.models
    told = "it would take too long with 101 columns, above 100 and 21 classes or labels, above 20"
    assert wide.left_out == {"boosting": told}
    assert auto_regressors(600, 101, 0).left_out == {
        "boosting": "it would take too long with 101 columns, above 100"
    }
    for found in (auto_classifiers(600, 100, 20, 0), auto_regressors(600, 100, 0)):
        assert "boosting" in found.models
        assert not found.left_out
    few = auto_classifiers(499, 101, 21, 0)  # so few rows have none for another reason than cost
    assert not few.left_out


@pytest.mark.parametrize(
    "found", [auto_classifiers(200_000, 50, 2, 0), auto_regressors(200_000, 50, 0)]
)
def test_fewer_trees_are_named(found):
    trees = found.models["trees"].n_estimators
    assert trees < 100
    told = found.left_out["trees"]
    assert told.startswith(f"{trees} trees: a fit of 100 would take about 35")
    assert told.endswith("above 1.8 s")


def test_verbose_says_that_trees_are_fewer_and_not_that_there_are_none(data, monkeypatch, capsys):
    monkeypatch.setattr(Admission, "n_trees", lambda self: 20)
    model = OpinionPoolClassifier(cv=2, random_state=0, verbose=1).fit(*data)
    assert {"face: trees", "voice: trees", "all: trees"} == set(model.left_out_)
    assert "face: trees" in model.experts_
    told = capsys.readouterr().out
    assert "face: trees: 20 trees" in told
    assert "without" not in told


def test_the_clock_alone_decides_where_it_may():
    for everything in (
        auto_classifiers(20_000, 50, 2, 0, unlimited=True),
        auto_regressors(20_000, 50, 0, unlimited=True),
    ):
        assert everything.kinds == {"linear", "trees", "boosting", "kernel", "rough kernel"}
        assert everything.models["trees"].n_estimators == 100
        assert not everything.left_out
        assert everything.seconds["rough kernel"] < everything.seconds["kernel"]  # goes first
    small = auto_classifiers(3000, 50, 2, 0, unlimited=True)
    assert small.kinds == auto_classifiers(3000, 50, 2, 0).kinds


@pytest.mark.parametrize("pool", [OpinionPoolClassifier, OpinionPoolRegressor])
def test_the_approximated_kernel_stands_in_where_there_is_no_time_for_the_exact_one(
    pool, monkeypatch
):
    def reckoned_dear(self, kind, *args, **kwargs):
        admitted = admit(self, kind, *args, **kwargs)
        if kind == "kernel":
            self.seconds[kind] = 1e9
        return admitted

    admit = Admission.admit
    monkeypatch.setattr(Admission, "admit", reckoned_dear)
    rng = np.random.default_rng(0)
    y = np.tile([0, 1], 300)
    X = rng.normal(size=(600, 2)) + y[:, None]
    model = pool(cv=2, random_state=0, time_limit=1e6).fit(X, y)
    assert "X: rough kernel" in model.experts_
    assert list(model.left_out_) == ["X: kernel"]


def test_twenty_thousand_rows_are_reckoned_to_end_within_a_minute():
    blocks = [auto_classifiers(20_000, n_columns, 2, 0) for n_columns in (50, 50, 100)]
    assert 6 * sum(sum(block.seconds.values()) for block in blocks) < 60


def test_two_hundred_thousand_rows_are_reckoned_to_end_within_five_minutes():
    blocks = [auto_classifiers(200_000, n_columns, 2, 0) for n_columns in (50, 50, 100)]
    assert 6 * sum(sum(block.seconds.values()) for block in blocks) < 300


def test_memory_limit_leaves_out_what_takes_more(data):
    found = auto_classifiers(5000, 20, 2, 0, memory_limit=50.0)
    assert "kernel" not in found.models
    assert "MB, above `memory_limit`=50" in found.left_out["trees"]
    X, y = data
    model = OpinionPoolClassifier(memory_limit=0.2, random_state=0).fit(X, y)
    assert {name.split(": ")[1] for name in model.experts_} == {"linear"}
    assert set(model.left_out_) == {"face: trees", "voice: trees", "all: trees"}


@pytest.mark.parametrize("pool", [OpinionPoolClassifier, OpinionPoolRegressor])
def test_memory_limit_holds_for_linear_experts_and_names_them(data, pool):
    X, y = data
    model = pool(memory_limit=0.004, random_state=0).fit(X, y)  # a column takes .003
    assert set(model.experts_) == {"face: linear"}
    assert "above `memory_limit`=0.004" in model.left_out_["voice: linear"]
    with pytest.raises(ValueError, match=r"`memory_limit` leaves no default expert.* 0\.00288 MB"):
        clone(model).set_params(memory_limit=0.001).fit(X, y)


@pytest.mark.parametrize("pool", [OpinionPoolClassifier, OpinionPoolRegressor])
def test_memory_limit_counts_sparse_modalities_as_they_are_once_dense(data, pool):
    X, y = data
    mixed = Modalities(face=X["face"], voice=csr_matrix(X["voice"]))
    dense = 180 * 2 * 8 / 1e6
    whole = pool(random_state=0, cv=2).fit(X, y)
    limited = pool(memory_limit=100, random_state=0, cv=2).fit(mixed, y)
    np.testing.assert_array_equal(limited.predict(mixed), whole.predict(X))
    least = 16 * 180 / 1e6 + dense
    model = pool(memory_limit=1.001 * least).fit(mixed, y)
    assert set(model.experts_) == {"face: linear"}
    with pytest.raises(ValueError, match="`memory_limit` leaves no default expert"):
        pool(memory_limit=0.999 * least).fit(mixed, y)
    told = (
        r"`memory_limit`=0.002 MB is less than the sparse modalities \['voice'\] take .* 0.00288 MB"
    )
    for experts in ("auto", {"a": (None, "face"), "b": (None, "voice")}):
        with pytest.raises(ValueError, match=told):
            pool(experts, memory_limit=0.002).fit(mixed, y)
    assert model.predict(mixed).shape == (180,)


def test_costliest_experts_go_first_where_modalities_are_many(data, monkeypatch):
    X, y = data
    whole = OpinionPoolClassifier(random_state=0, cv=2).fit(X, y)
    assert whole.left_out_ == {}
    monkeypatch.setattr(_pool_budget, "MOST_SECONDS", 1e-9)
    least = OpinionPoolClassifier(random_state=0, cv=2).fit(X, y)
    linear = {"all: linear", "face: linear", "voice: linear"}
    assert set(least.experts_) == linear
    assert all("all experts would take" in reason for reason in least.left_out_.values())


def dear(seconds):
    """Names of the experts that a pool of these costs does without."""
    named = [NamedExpert(name, None, (name.split(":")[0],)) for name in seconds]
    return list(_pool_budget.too_dear(named, seconds))


def test_pools_within_ten_minutes_keep_everything():
    assert dear({"a: linear": 200.0, "a: linear, C=0.1": 200.0, "a: trees": 200.0}) == []


def test_weaker_linear_experts_go_before_cheap_ones_of_other_kinds():
    weaker = {"a: linear, C=0.1": 250.0, "a: linear, C=0.01": 250.0}
    costs = {"a: linear": 250.0, **weaker, "a: trees": 40.0, "b: linear": 1.0, "b: kernel": 2.0}
    assert dear(costs) == ["a: linear, C=0.1"]
    assert dear({**costs, "c: linear": 200.0}) == list(weaker)


def test_equal_costs_take_the_weaker_linear_expert_first():
    assert dear({"a: linear": 9.0, "a: trees": 300.0, "a: linear, C=0.1": 300.0}) == [
        "a: linear, C=0.1"
    ]


def test_no_expert_goes_in_vain():
    costs = {"a: linear": 700.0, "a: trees": 30.0, "a: kernel": 40.0, "b: linear": 5.0}
    assert dear(costs) == ["a: linear"]  # with or without the kernel it is too dear


def test_every_block_keeps_its_cheapest_expert():
    costs = {f"{block}: linear": 400.0 for block in "abc"}
    assert dear(costs) == []
    assert dear({**costs, "a: trees": 500.0}) == ["a: trees"]


def test_a_modality_may_be_named_like_a_kind():
    costs = {"x: linear: linear": 1.0, "x: linear: trees": 400.0, "x: linear: kernel": 500.0}
    assert dear(costs) == ["x: linear: kernel"]


# -- the clock -----------------------------------------------------------------------------


def test_a_fit_out_of_time_is_a_valid_pool_of_what_was_done(data):
    X, y = data
    model = OpinionPoolClassifier(time_limit=1e-9, cv=2, random_state=0).fit(X, y)
    assert len(model.experts_) == 1
    assert len(model.left_out_) == 5
    assert all("`time_limit`=1e-09 s" in reason for reason in model.left_out_.values())
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)
    assert model.weights_["weight"].tolist() == [1.0]


class Clock:
    """Stands still but for what experts take."""

    now = 0.0


class TakesTime(GaussianNB):
    """Ten seconds a fit."""

    def fit(self, X, y):
        Clock.now += 10.0
        return super().fit(X, y)


def test_a_fit_that_stops_half_way_is_the_pool_of_what_was_done(data, monkeypatch):
    X, y = data
    done = {"a": (None, "face"), "b": (TakesTime(), "voice")}
    whole = OpinionPoolClassifier(done, cv=2).fit(X, y)
    monkeypatch.setattr(time, "monotonic", lambda: Clock.now)
    for limit, begun in ((29.0, ["a", "b"]), (30.0, ["a", "b", "c"])):  # three fits of b
        model = OpinionPoolClassifier({**done, "c": (None, None)}, cv=2, time_limit=limit)
        model.fit(X, y)
        assert list(model.experts_) == begun == model.weights_.index.tolist()
        assert set(model.left_out_) == {"a", "b", "c"} - set(begun)
        assert model.gap_ < 1e-6
        if len(begun) == 2:
            np.testing.assert_array_equal(model.predict_proba(X), whole.predict_proba(X))
            assert model.oof_scores_.index.tolist() == ["a", "b", "pool"]


def test_default_experts_that_are_reckoned_too_long_are_not_begun(data, monkeypatch):
    X, y = data
    ticks = itertools.count()
    monkeypatch.setattr(time, "monotonic", lambda: float(next(ticks)))
    model = OpinionPoolClassifier(cv=2, random_state=0, time_limit=12.0).fit(X, y)
    assert 1 < len(model.experts_) < 6
    assert len(model.experts_) + len(model.left_out_) == 6
    assert all(name.endswith("trees") for name in model.left_out_)  # the dear ones
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)


@pytest.mark.parametrize("pool", [OpinionPoolClassifier, OpinionPoolRegressor])
def test_what_the_cheapest_takes_is_overhead_and_costs_no_other_its_place(data, pool, monkeypatch):
    ticks = itertools.count()
    monkeypatch.setattr(time, "monotonic", lambda: next(ticks) / 2)  # half a second an expert
    model = pool(cv=2, random_state=0, time_limit=20.0).fit(*data)
    assert len(model.experts_) == 6
    assert model.left_out_ == {}
    model.set_params(time_limit=4.0).fit(*data)
    assert 1 < len(model.experts_) < 6


def test_pace_finds_overhead_and_slowness():
    pace = Pace()
    assert pace.foretell(5.0) == 0.0
    pace.see(1e-4, 0.3)
    assert pace.foretell(2.0) == pytest.approx(2.3, abs=0.01)
    pace.see(30.0, 90.3)
    assert pace.foretell(100.0) == pytest.approx(300.3, rel=0.01)
    pace.see(10.0, 30.3)
    assert pace.foretell(1e-4) == pytest.approx(0.3, abs=0.1)


def test_pace_foretells_nothing_below_zero():
    pace = Pace()
    for reckoned, taken in ((1.0, 9.0), (2.0, 1.0), (30.0, 0.1)):
        pace.see(reckoned, taken)
    assert 0 < pace.foretell(0.0) == pace.foretell(100.0)


def test_time_enough_gives_the_pool_of_no_limit(data):
    X, y = data
    experts = {"b": LogisticRegression(), "a": (GaussianNB(), "face"), "c": (None, "voice")}
    plain = OpinionPoolClassifier(experts, cv=3).fit(X, y)
    timed = clone(plain).set_params(time_limit=1000).fit(X, y)
    np.testing.assert_array_equal(timed.predict_proba(X), plain.predict_proba(X))
    assert list(timed.experts_) == list(plain.experts_)
    assert timed.left_out_ == {}
    numbers = X["face"][:, 0] + y
    ridges = {"b": Ridge(), "a": (Ridge(), "face")}
    plain = OpinionPoolRegressor(ridges, cv=3).fit(X, numbers)
    timed = clone(plain).set_params(time_limit=1000).fit(X, numbers)
    np.testing.assert_array_equal(timed.predict(X), plain.predict(X))


@pytest.mark.parametrize("limit", [{}, {"time_limit": 1e-9}])
def test_verbose_tells_what_is_done(data, capsys, limit):
    X, y = data
    OpinionPoolClassifier(cv=2, random_state=0, verbose=2, **limit).fit(X, y)
    told, bar = capsys.readouterr()
    assert "6 experts, 180 rows" in told
    assert "face: linear: " in told if limit else "12/12" in bar
    assert ("without voice: trees" in told) == bool(limit)
    OpinionPoolClassifier(cv=2, random_state=0, **limit).fit(X, y)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["time_limit", "memory_limit"])
@pytest.mark.parametrize("value", [0, -1.0, "much", True, float("nan")])
def test_bad_limits_are_named(data, name, value):
    for pool in (OpinionPoolClassifier, OpinionPoolRegressor):
        with pytest.raises(ValueError, match=f"`{name}` must be a number above 0"):
            pool(**{name: value}).fit(*data)


def test_what_keeps_most_is_fitted_last(data):
    """Else what others take only while they are fitted would come on top of it."""
    X, y = data
    fitted = []

    class Trees(ExtraTreesClassifier):
        def fit(self, X, y):
            fitted.append("trees")
            return super().fit(X, y)

    class Bayes(GaussianNB):
        def fit(self, X, y):
            fitted.append("bayes")
            return super().fit(X, y)

    pairs = [(Trees(2), "face"), (Bayes(), "face"), (Trees(2), "voice"), (Bayes(), "voice")]
    model = OpinionPoolClassifier(dict(zip("abcd", pairs, strict=True)), cv=2).fit(X, y)
    assert fitted[-4:] == ["bayes", "bayes", "trees", "trees"]
    assert list(model.experts_) == ["a", "b", "c", "d"]


# -- weighted boosting ---------------------------------------------------------------------


@pytest.mark.skipif(
    Version(sklearn.__version__) < Version("1.9"), reason="bins of 1.8 know no weights"
)
@pytest.mark.parametrize("missing", [False, True])
def test_weighted_bins_are_those_of_scikit_learn(missing):
    rng = np.random.default_rng(0)
    n = 1500
    X = np.column_stack(
        [rng.normal(size=n), rng.exponential(size=n), rng.integers(0, 20, n), rng.normal(size=n)]
    )
    X[:, 3] = X[:, 3].round(2)  # ties
    if missing:
        X[rng.random(X.shape) < 0.2] = np.nan
    y = (np.nan_to_num(X[:, 0]) + np.nan_to_num(X[:, 3]) + rng.normal(size=n) > 0).astype(int)
    weight = rng.integers(1, 4, n).astype(float)
    settings = {"max_iter": 10, "early_stopping": False, "random_state": 0}
    theirs = HistGradientBoostingClassifier(**settings).fit(X, y, sample_weight=weight)
    bins = WeightedBins().fit(X, y, sample_weight=weight)
    binned = bins.transform(X)
    assert np.nanmax(binned[:, 0]) == 254
    np.testing.assert_array_equal(np.isnan(binned), np.isnan(X))
    ours = HistGradientBoostingClassifier(**settings).fit(binned, y, sample_weight=weight)
    np.testing.assert_allclose(ours.predict_proba(binned), theirs.predict_proba(X), atol=1e-12)


def test_bins_of_weights_are_those_of_repeated_rows():
    rng = np.random.default_rng(1)
    X, weight = rng.normal(size=(700, 2)), rng.integers(1, 4, 700)
    weighted = WeightedBins().fit(X, sample_weight=weight)
    repeated = np.repeat(X, weight, axis=0)
    ones = WeightedBins().fit(repeated, sample_weight=np.ones(len(repeated)))
    np.testing.assert_array_equal(weighted.transform(X), ones.transform(X))


def test_without_weights_columns_stay_as_they_are():
    X = np.random.default_rng(0).normal(size=(400, 2))
    assert WeightedBins().fit(X).transform(X) is X
