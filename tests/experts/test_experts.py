"""Experts: what they are given, what they answer, what is kept of cross-fitting."""

import gc
import tracemalloc

import numpy as np
import pytest
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone, is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, GroupKFold, RandomizedSearchCV, ShuffleSplit
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from sk_mmbalance import (
    DeepEnsembleClassifier,
    LateFusionClassifier,
    Modalities,
    ModalityTransformer,
    OpinionPoolClassifier,
    SerialFusionClassifier,
    UnimodalClassifier,
    UnimodalRegressor,
)
from sk_mmbalance.base import NUMBERS, ModalityClassifier, ModalityRegressor
from sk_mmbalance.experts import (
    NamedExpert,
    cross_fit,
    fit_expert,
    prefit_expert,
    refuse_unused_weights,
    side_by_side,
    takes_names,
)
from sk_mmbalance.model_selection import VectorizedGridSearchCV


class Reader(ModalityClassifier):
    """Reads training rows, and nothing else."""

    def __init__(self, modalities=None, missing="mask"):
        self.modalities = modalities
        self.missing = missing

    def read(self, X, y, weight=None, groups=None):
        return self._read_training(X, y, weight, groups, accept_sparse=True)


class NumberReader(ModalityRegressor):
    _kinds = (NUMBERS,)

    def __init__(self, modalities=None, missing="mask"):
        self.modalities = modalities
        self.missing = missing

    def read(self, X, y):
        return self._read_training(X, y)


def read(X, y, weight=None, groups=None):
    return Reader().read(X, y, weight, groups)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    X = Modalities(a=y[:, None] + rng.normal(0, 0.5, (90, 2)), b=rng.normal(size=(90, 3)))
    return X, y


# -- what an expert is given -------------------------------------------------------------------


OURS = LateFusionClassifier()
CUT = LateFusionClassifier(modalities={"left": [0], "right": [1, 2]})


@pytest.mark.parametrize(
    ("estimator", "by_name"),
    [
        (OURS, True),
        (CUT, False),
        (make_pipeline(ModalityTransformer({}, remainder=StandardScaler()), OURS), True),
        (make_pipeline("passthrough", OURS), True),
        (make_pipeline(StandardScaler(), CUT), False),
        (GridSearchCV(OURS, {"rule": ["mean"]}), True),
        (GridSearchCV(CUT, {"rule": ["mean"]}), False),
        (CalibratedClassifierCV(OURS), True),
        (FrozenEstimator(OURS), True),
        (VotingClassifier([("one", OURS), ("two", OURS)]), True),
        (VotingClassifier([("one", OURS), ("two", GaussianNB())]), False),
        (GaussianNB(), False),
        (GridSearchCV(GaussianNB(), {}), False),
    ],
)
def test_estimators_of_this_package_take_modalities_by_name(estimator, by_name):
    assert takes_names(estimator) is by_name


class Seeing(LateFusionClassifier):
    """Tells which modalities it was given."""

    def fit(self, X, y, sample_weight=None, groups=None):
        super().fit(X, y, sample_weight, groups)
        Seeing.seen.append(tuple(self.modality_names_))
        return self


@pytest.mark.parametrize(
    "made",
    [
        lambda model: OpinionPoolClassifier({"e": model, "lr": LogisticRegression()}, cv=2),
        lambda model: SerialFusionClassifier(
            [("first", None, "a", 1), ("e", model, ["a", "b"], 2)], cv=2
        ),
    ],
    ids=["pool", "chain"],
)
@pytest.mark.parametrize(
    ("wrapped", "names"),
    [
        (Seeing(), ("a", "b")),
        (GridSearchCV(Seeing(), {"rule": ["mean"]}, cv=2), ("a", "b")),
        (Seeing(modalities={"left": [0, 1], "right": slice(2, 5)}), ("left", "right")),
    ],
    ids=["itself", "in a search", "with columns to cut"],
)
def test_pool_and_chain_hand_modalities_on_alike(data, made, wrapped, names):
    X, y = data
    Seeing.seen = []
    model = made(wrapped).fit(X, y)
    assert set(Seeing.seen) == {names}
    assert model.predict(X).shape == (90,)


@pytest.mark.parametrize("fusion", [LateFusionClassifier, UnimodalClassifier])
def test_single_modality_goes_to_our_estimators_by_its_name(data, fusion):
    X, y = data
    Seeing.seen = []
    fusion(Seeing()).fit(X, y)
    assert set(Seeing.seen) == {("a",), ("b",)}


def test_tables_are_side_by_side_in_the_order_of_names():
    b, a = np.arange(6.0).reshape(3, 2), np.arange(3, dtype=np.float32)[:, None]
    table = side_by_side({"b": b, "a": a}, np.array([2, 0]))
    np.testing.assert_array_equal(table, [[2, 4, 5], [0, 0, 1]])
    assert table.dtype == np.float64
    mixed = side_by_side({"b": sparse.csr_array(b), "a": a})
    np.testing.assert_array_equal(mixed.toarray(), np.hstack([a, b]))


# -- what it answers ---------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", [LogisticRegression(), LinearSVC()])
def test_class_that_was_not_seen_keeps_its_prior(data, estimator):
    X, y = data
    rows = read(X, y)
    seen = np.flatnonzero((y < 2) | (np.arange(90) < 6))
    here = np.flatnonzero(y < 2)
    expert = fit_expert(NamedExpert("e", estimator, ("a",)), rows, here)
    assert expert.answers(rows.checked)[:, 2].max() == 0  # nobody in training had it
    holes = Modalities(a=np.where((y == 2)[:, None], np.nan, X["a"]), b=X["b"])
    rows = read(holes, y)
    expert = fit_expert(NamedExpert("e", estimator, ("a",)), rows, seen)
    answers = expert.answers(read(X, y).checked)
    share = (y[seen] == 2).mean()
    np.testing.assert_allclose(answers[:, 2], share)
    np.testing.assert_allclose(answers.sum(axis=1), 1)


def test_single_class_and_missing_rows_are_answered_by_the_prior(data):
    X, y = data
    holes = Modalities(a=np.where((y > 0)[:, None], np.nan, X["a"]), b=X["b"])
    rows = read(holes, y, np.linspace(1, 2, 90))
    expert = fit_expert(NamedExpert("e", GaussianNB(), ("a",)), rows)
    prior = np.bincount(y, np.linspace(1, 2, 90)) / np.linspace(1, 2, 90).sum()
    np.testing.assert_allclose(expert.answers(rows.checked), np.tile(prior, (90, 1)))


def test_chain_and_pool_give_an_unseen_class_the_same(data):
    X, y = data
    holes = Modalities(a=np.where((y == 2)[:, None], np.nan, X["a"]), b=X["b"])
    chain = SerialFusionClassifier([("only", LogisticRegression(), "a", 1)], missing="mask")
    best = UnimodalClassifier(LogisticRegression(), "a", missing="mask")
    there = {"a": X["a"], "b": X["b"]}
    np.testing.assert_allclose(
        chain.fit(holes, y).predict_proba(there), best.fit(holes, y).predict_proba(there)
    )
    assert (chain.predict_proba(there)[:, 2] > 0.3).all()


def test_fitted_estimators_are_experts_too(data):
    X, y = data
    model = GaussianNB().fit(X["a"][y < 2], y[y < 2])
    expert = prefit_expert(NamedExpert("e", model, ("a",)), read(X, y))
    np.testing.assert_allclose(expert.answers(read(X, y).checked)[:, 2], 1 / 3)


def test_numbers_are_answered_in_their_units(data):
    X, y = data
    numbers = np.column_stack([y * 100.0 + 5, X["b"][:, 0]])
    rows = NumberReader().read(X, numbers)
    expert = fit_expert(NamedExpert("e", Ridge(), ("a",)), rows)
    expected = Ridge().fit(X["a"], numbers).predict(X["a"])
    np.testing.assert_array_equal(expert.answers(rows.checked), expected)
    np.testing.assert_allclose(expert.prior, numbers.mean(axis=0))


# -- weights and groups ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "estimator",
    [
        KNeighborsClassifier(),
        make_pipeline(StandardScaler(), KNeighborsClassifier()),
        GridSearchCV(KNeighborsClassifier(), {"n_neighbors": [1]}),
        make_pipeline(StandardScaler(), make_pipeline(KNeighborsClassifier())),
    ],
)
def test_weights_that_cannot_be_used_are_a_type_error_everywhere(data, estimator):
    X, y = data
    weight = np.linspace(1, 2, 90)
    with pytest.raises(TypeError, match=r"expert for 'e', KNeighborsClassifier, does not take it"):
        refuse_unused_weights([NamedExpert("e", estimator, ("a",))], read(X, y, weight))
    for model in (
        LateFusionClassifier(estimator),
        OpinionPoolClassifier({"e": estimator}),
        SerialFusionClassifier([("e", estimator, "a", 1)]),
    ):
        with pytest.raises(TypeError, match=r"`sample_weight` was given.*KNeighborsClassifier"):
            model.fit(X, y, sample_weight=weight)


def test_weights_of_classes_that_cannot_be_used_are_called_by_their_name(data):
    X, y = data
    pool = OpinionPoolClassifier({"e": (KNeighborsClassifier(), "a")}, class_weight="balanced")
    with pytest.raises(TypeError, match=r"`class_weight` was given.*the `sample_weight` that it"):
        pool.fit(X, y)
    with pytest.raises(TypeError, match=r"`sample_weight` was given"):
        pool.fit(X, y, sample_weight=np.linspace(1, 2, 90))
    pool.set_params(experts={"e": (LogisticRegression(), "a")})
    with (
        config_context(enable_metadata_routing=True),
        pytest.raises(UnsetMetadataPassedError) as caught,
    ):
        pool.fit(X, y)
    assert caught.value.__notes__ == ["(`sample_weight` is what `class_weight` becomes)"]


@pytest.mark.parametrize(
    "estimator",
    [
        GaussianNB(),
        make_pipeline(StandardScaler(), GaussianNB()),
        GridSearchCV(GaussianNB(), {"var_smoothing": [1e-9]}),
        OURS,
    ],
)
def test_weights_that_can_be_used_are_not_refused(data, estimator):
    X, y = data
    refuse_unused_weights([NamedExpert("e", estimator, ("a",))], read(X, y, np.linspace(1, 2, 90)))


class Grouped(LogisticRegression):
    """Tells which groups it was given."""

    __metadata_request__fit = {"groups": True}
    seen = None

    def fit(self, X, y, groups=None):
        Grouped.seen = groups
        return super().fit(X, y)


class Cut(GroupKFold):
    """Tells which groups it was given."""

    def split(self, X, y=None, groups=None):
        Grouped.seen = groups
        return super().split(X, y, groups)


MADE_OF_EXPERTS = {
    "late": LateFusionClassifier,
    "stacking": lambda expert: LateFusionClassifier(expert, rule="stacking", cv=2),
    "best": lambda expert: UnimodalClassifier(expert, cv=2),
    "pool": lambda expert: OpinionPoolClassifier({"e": (expert, "a")}),
    "chain": lambda expert: SerialFusionClassifier([("e", expert, "a", 1)]),
}
BY_GROUP = GridSearchCV(KNeighborsClassifier(), {"n_neighbors": [1]}, cv=Cut(2))


@pytest.mark.parametrize("routing", [False, True], ids=["routing off", "routing on"])
@pytest.mark.parametrize("made", MADE_OF_EXPERTS)
@pytest.mark.parametrize(
    "expert",
    [
        Grouped(),
        make_pipeline(StandardScaler(), Grouped()),
        DeepEnsembleClassifier(Grouped(), n_estimators=1),
        DeepEnsembleClassifier(make_pipeline(StandardScaler(), Grouped()), n_estimators=1),
        make_pipeline(StandardScaler(), DeepEnsembleClassifier(Grouped(), n_estimators=1)),
        BY_GROUP,
        VectorizedGridSearchCV(GaussianNB(), {"var_smoothing": [1e-9]}, cv=Cut(2)),
        RandomizedSearchCV(GaussianNB(), {"var_smoothing": [1e-9]}, n_iter=1, cv=Cut(2)),
        make_pipeline(StandardScaler(), BY_GROUP),
        GridSearchCV(make_pipeline(StandardScaler(), Grouped()), {}, cv=2),
    ],
    ids=lambda expert: str(expert).replace("\n", "").replace(" ", ""),
)
def test_groups_reach_whoever_takes_them(data, made, expert, routing):
    X, y = data
    groups = np.arange(90) // 3
    Grouped.seen = None
    with config_context(enable_metadata_routing=routing):
        MADE_OF_EXPERTS[made](expert).fit(X, y, groups=groups)
    np.testing.assert_array_equal(Grouped.seen, groups)


@pytest.mark.parametrize(
    "expert",
    [
        GaussianNB(),
        DeepEnsembleClassifier(RandomForestClassifier(5), n_estimators=1),
        GridSearchCV(GaussianNB(), {}, cv=2),
        GridSearchCV(GaussianNB(), {}, cv=ShuffleSplit(2, random_state=0)),
        VectorizedGridSearchCV(GaussianNB(), {"var_smoothing": [1e-9]}, cv=2),
    ],
)
@pytest.mark.parametrize("made", MADE_OF_EXPERTS)
def test_who_takes_no_groups_goes_on_without(data, made, expert):
    X, y = data
    fitted = MADE_OF_EXPERTS[made](expert).fit(X, y, groups=np.arange(90) // 3)
    assert fitted.predict(X).shape == y.shape


def test_weights_reach_the_pipeline_in_a_deep_ensemble(data):
    X, y = data
    weight = np.where(np.arange(90) < 45, 1.0, 0.01)
    chain = make_pipeline(StandardScaler(), LogisticRegression(random_state=0))
    ensemble = DeepEnsembleClassifier(chain, n_estimators=1, random_state=0)
    inside = LateFusionClassifier(ensemble).fit(X, y, sample_weight=weight)
    alone = LateFusionClassifier(chain).fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(inside.predict_proba(X), alone.predict_proba(X))


# -- cross-fitting -----------------------------------------------------------------------------


def test_rows_tested_several_times_have_their_mean_and_others_nothing(data):
    X, y = data
    rows = read(X, y)
    half = np.arange(90) < 45
    folds = [(np.flatnonzero(half), np.arange(60, 90)), (np.arange(30, 60), np.arange(70, 80))]
    experts = [NamedExpert(n, GaussianNB(), (n,)) for n in ("a", "b")]
    oof = cross_fit(experts, rows, folds)
    np.testing.assert_array_equal(oof.tested, np.arange(60, 90))
    first = GaussianNB().fit(X["a"][:45], y[:45]).predict_proba(X["a"][70:80])
    second = GaussianNB().fit(X["a"][30:60], y[30:60]).predict_proba(X["a"][70:80])
    np.testing.assert_allclose(oof.answers[0, 70:80], (first + second) / 2)
    assert np.isnan(oof.known()[:, :60]).all()


def test_jobs_change_no_bit(data):
    X, y = data
    rows = read(X, y)
    experts = [NamedExpert(n, GaussianNB(), (n,)) for n in ("a", "b")]
    one = cross_fit(experts, rows, rows.folds(3))
    two = cross_fit(experts, rows, rows.folds(3), n_jobs=2)
    np.testing.assert_array_equal(one.answers, two.answers)


class Alive(GaussianNB):
    """Counts how many of its fitted kind are alive at once."""

    alive = 0
    most = 0

    def fit(self, X, y, sample_weight=None):
        Alive.alive += 1
        Alive.most = max(Alive.most, Alive.alive)
        self.counted = True
        return super().fit(X, y, sample_weight)

    def __del__(self):
        if self.__dict__.get("counted"):
            Alive.alive -= 1


def test_no_model_of_a_fold_is_kept_beyond_its_use(data):
    X, y = data
    rows = read(X, y)
    Alive.alive = Alive.most = 0
    experts = [NamedExpert(str(k), Alive(), ("a", "b")) for k in range(4)]
    cross_fit(experts, rows, rows.folds(5))
    assert Alive.alive == 0
    assert Alive.most <= 2


def test_experts_on_the_same_modalities_share_one_table(data):
    X, y = data
    given = []

    class Spy(GaussianNB):
        def fit(self, X, y, sample_weight=None):
            given.append(X)
            return super().fit(X, y, sample_weight)

    rows = read(X, y)
    experts = [NamedExpert(str(k), Spy(), ("a", "b")) for k in range(4)]
    cross_fit(experts, rows, rows.folds(3))
    assert len(given) == 12
    assert len({id(table) for table in given}) == 3  # one a fold: all are alive in `given`


def peak_of(function):
    gc.collect()
    tracemalloc.start()
    function()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_pool_of_twelve_experts_needs_little_more_memory_than_its_largest():
    rng = np.random.default_rng(0)
    y = np.arange(2000) % 3
    X = Modalities({name: rng.normal(size=(2000, 100)) for name in ("a", "b", "c")})
    models = [GaussianNB(var_smoothing=k) for k in (1e-9, 1e-8)] + [KNeighborsClassifier()]
    experts = {
        f"{name} {k}": (model, name)
        for name in (None, "a", "b", "c")
        for k, model in enumerate(models)
    }
    assert len(experts) == 12
    table = np.hstack([X[name] for name in X])
    alone = max(peak_of(lambda model=model: clone(model).fit(table, y)) for model in models)
    pool = peak_of(lambda: OpinionPoolClassifier(experts, cv=4).fit(X, y))
    assert pool - alone <= 2.5 * table.nbytes


# -- scores ------------------------------------------------------------------------------------


def test_ranking_scores_work_without_probabilities(data):
    X, y = data
    y = y % 2
    X = Modalities(a=X["a"] + 2 * y[:, None], b=X["b"])
    model = UnimodalClassifier(LinearSVC(), scoring="roc_auc").fit(X, y)
    assert model.best_modality_ == "a"
    holes = Modalities(a=np.where((np.arange(90) < 20)[:, None], np.nan, X["a"]), b=X["b"])
    model = UnimodalClassifier(LinearSVC(), scoring="roc_auc", missing="mask").fit(holes, y)
    assert 0.5 < model.scores_["a"] < 1


def test_callable_scorers_get_a_fitted_estimator_and_what_it_takes(data):
    X, y = data
    seen = []

    def scorer(estimator, X, y):
        seen.append(estimator)
        assert estimator.predict_proba(X).shape == (len(y), 3)
        return estimator.score(X, y)

    scores = UnimodalClassifier(GaussianNB(), scoring=scorer, cv=3).fit(X, y).scores_
    assert all(isinstance(estimator, GaussianNB) for estimator in seen)
    assert scores == pytest.approx(UnimodalClassifier(GaussianNB(), cv=3).fit(X, y).scores_)


def test_callable_scorers_get_every_row_and_class_where_some_are_missing(data):
    X, y = data
    holes = Modalities(a=np.where((np.arange(90) % 4 == 0)[:, None], np.nan, X["a"]), b=X["b"])

    def scorer(estimator, X, y):
        clone(estimator)
        assert len(estimator.predict_proba(X)) == len(X) == len(y)
        return estimator.score(X, y)

    made = {"estimator": RandomForestClassifier(5, random_state=0), "cv": 3, "missing": "mask"}
    scores = UnimodalClassifier(scoring=scorer, **made).fit(holes, y).scores_
    assert scores == pytest.approx(UnimodalClassifier(**made).fit(holes, y).scores_)


@pytest.fixture
def labels(data):
    """Two labels, of which the second is there in the last third only."""
    X, y = data
    rng = np.random.default_rng(1)
    second = np.where(np.arange(90) < 60, 0, rng.integers(2, size=90))
    return X, np.column_stack([y == 2, second]).astype(int)


FIRST, LAST = np.arange(60), np.arange(60, 90)


@pytest.mark.parametrize("varying", [0, 1, 2])
def test_scorers_get_margins_of_every_label_where_a_fold_shows_few(labels, varying):
    X, Y = labels
    train, test = (LAST, FIRST) if varying == 2 else (FIRST, LAST)
    if varying == 0:
        Y = np.where(np.arange(90)[:, None] < 60, [0, 1], Y)
    lacking = np.isin(np.arange(90), [test[0], test[5]])
    holes = Modalities(a=np.where(lacking[:, None], np.nan, X["a"]), b=X["b"])
    asked = {}

    def scorer(estimator, X, Y):
        asked.setdefault("answers", estimator.predict(X))
        if hasattr(estimator, "decision_function") and X.shape[1] == 2:  # that of `a`
            asked["margins"] = estimator.decision_function(X)
        return estimator.score(X, Y)

    model = UnimodalClassifier(LinearSVC(), cv=[(train, test)], scoring=scorer, missing="mask")
    scores = model.fit(holes, Y).scores_
    prior = np.clip(Y[train].mean(axis=0), np.finfo(float).eps, 1 - np.finfo(float).eps)
    known = ~lacking[test]
    expected = np.tile(prior > 0.5, (len(test), 1)).astype(int)
    if varying:
        margins = np.tile(np.log(prior / (1 - prior)), (len(test), 1))
        for k in range(varying):
            own = LinearSVC().fit(X["a"][train], Y[train, k])
            margins[known, k] = own.decision_function(X["a"][test][known])
            expected[known, k] = own.predict(X["a"][test][known])
        np.testing.assert_allclose(asked["margins"], margins)
    assert ("margins" in asked) == (varying > 0)
    np.testing.assert_array_equal(asked["answers"], expected)
    assert scores["a"] == (expected == Y[test]).all(axis=1).mean()


@pytest.mark.parametrize("scoring", ["roc_auc", "average_precision", "f1_macro"])
def test_scores_of_labels_by_name_are_those_of_an_estimator_a_label(labels, scoring):
    X, Y = labels
    folds = [(np.arange(45, 90), np.arange(40, 70))]
    found = UnimodalClassifier(LinearSVC(), scoring=scoring, cv=folds).fit(X, Y).scores_
    (train, test), score = folds[0], get_scorer(scoring)
    each = OneVsRestClassifier(LinearSVC()).fit(X["a"][train], Y[train])
    assert found["a"] == pytest.approx(score(each, X["a"][test], Y[test]))


@pytest.mark.parametrize("form", ["floats", "whole numbers", "sparse"])
def test_scorers_get_scores_of_all_classes_where_a_fold_lacks_one(data, form):
    X, y = data
    a = X["a"] if form == "floats" else np.rint(X["a"]).astype(int)
    given = Modalities(a=sparse.csr_matrix(a) if form == "sparse" else a, b=X["b"])
    train, test = np.split(np.flatnonzero(y < 2), [40])
    asked = []

    def scorer(estimator, X, y):
        asked.append(estimator.decision_function(X))
        return estimator.score(X, y)

    model = UnimodalClassifier(LinearSVC(), cv=[(train, test)], scoring=scorer)
    model.fit(given, y)
    margin = LinearSVC().fit(a[train], y[train]).decision_function(a[test])
    seen = 1 / (1 + np.exp(-np.column_stack([-margin, margin])))
    np.testing.assert_allclose(np.exp(asked[0][:, :2]), seen)
    assert (asked[0][:, 2] == np.log(np.finfo(float).eps)).all()


@pytest.mark.parametrize("several", [False, True])
def test_a_fold_whose_rows_lack_the_modality_is_scored_by_the_prior(data, several):
    X, y = data
    truth = np.column_stack([y == 0, y == 1]).astype(int) if several else y
    holes = Modalities(a=np.where((np.arange(90) >= 60)[:, None], np.nan, X["a"]), b=X["b"])
    asked = []

    def scorer(estimator, X, y):
        asked.append(estimator.decision_function(X))
        return estimator.score(X, y)

    made = UnimodalClassifier(LinearSVC(), cv=[(FIRST, LAST)], scoring=scorer, missing="mask")
    # the first class in order, or none of the labels
    assert made.fit(holes, truth).scores_["a"] == np.mean(y[LAST] == (2 if several else 0))
    prior = np.full((30, 2), np.log(0.5)) if several else np.full((30, 3), np.log(1 / 3))
    np.testing.assert_allclose(asked[0], prior)


def test_scorers_get_a_regressor_where_rows_lack_the_modality(data):
    X, y = data
    lacking = np.arange(90) % 4 == 0
    holes = Modalities(a=np.where(lacking[:, None], np.nan, X["a"]), b=X["b"])

    def scorer(estimator, X, y):
        assert is_regressor(estimator)
        return -np.abs(estimator.predict(X) - y).mean()

    made = {"cv": [(FIRST, LAST)], "missing": "mask"}
    found = UnimodalRegressor(Ridge(), scoring=scorer, **made).fit(holes, 1.0 * y).scores_["a"]
    fitted = Ridge().fit(X["a"][FIRST][~lacking[FIRST]], y[FIRST][~lacking[FIRST]])
    answer = np.where(lacking[LAST], y[FIRST].mean(), fitted.predict(X["a"][LAST]))
    assert found == pytest.approx(-np.abs(answer - y[LAST]).mean())


def test_scorers_get_experts_that_take_names_with_their_modalities(data):
    X, y = data
    lacking = np.arange(90) % 4 == 0
    holes = Modalities(a=np.where(lacking[:, None], np.nan, X["a"]), b=X["b"])
    seen = []

    def scorer(estimator, X, y):
        seen.append(X)
        return estimator.score(X, y)

    made = {"cv": [(FIRST, LAST)], "missing": "mask", "scoring": scorer}
    ours = UnimodalClassifier(LateFusionClassifier(GaussianNB()), **made).fit(holes, y)
    assert [tuple(X) for X in seen] == [("a",), ("b",)]
    assert ours.scores_ == UnimodalClassifier(GaussianNB(), **made).fit(holes, y).scores_


# -- weights -----------------------------------------------------------------------------------


def test_a_frozen_expert_needs_no_weights(data):
    X, y = data
    frozen = FrozenEstimator(KNeighborsClassifier(1).fit(X["a"], y))
    weight = 1.0 + (y == 0)
    with pytest.raises(TypeError, match="'a', KNeighborsClassifier, does not take it"):
        UnimodalClassifier(frozen.estimator).fit(X, y, sample_weight=weight)
    pool = OpinionPoolClassifier({"nearest": (frozen, "a"), "linear": (None, "b")}, cv=2)
    assert pool.fit(X, y, sample_weight=weight).score(X, y) == 1


def test_a_pipeline_of_nothing_is_no_expert(data):
    empty = make_pipeline("passthrough")
    assert not takes_names(empty)
    with pytest.raises(TypeError, match="`estimator`"):
        UnimodalClassifier(empty).fit(*data)


# -- rows of weight 0 --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "model",
    [
        UnimodalClassifier(),
        LateFusionClassifier(weights="cv"),
        OpinionPoolClassifier({"a": (None, "a"), "b": (None, "b")}),
        SerialFusionClassifier(price=1e-3),
    ],
    ids=lambda model: type(model).__name__,
)
def test_rows_of_weight_zero_are_absent_before_folds_are_cut(data, model):
    X, y = data
    keep = np.random.default_rng(3).random(90) < 0.6
    a = clone(model).fit(X, np.where(keep, y, 0), sample_weight=keep.astype(float))
    b = clone(model).fit(X[keep], y[keep])
    np.testing.assert_allclose(a.predict_proba(X), b.predict_proba(X), atol=1e-6)
