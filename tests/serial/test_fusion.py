"""`SerialFusionClassifier`: limits, thresholds, parameters of stages."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    StratifiedKFold,
    cross_val_score,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from sk_mmbalance import (
    ARMClassifier,
    LateFusionClassifier,
    Modalities,
    ModalityConcatenator,
    ModalityTransformer,
    MultimodalClassifier,
    SerialFusionClassifier,
    SerialSemiSupervisedClassifier,
)
from sk_mmbalance.experts import default_classifier
from sk_mmbalance.serial._order import best_order
from tests._checks import assert_all_checks_pass


@pytest.mark.parametrize("kind", [SerialFusionClassifier, SerialSemiSupervisedClassifier])
def test_all_checks_of_scikit_learn_pass(kind):
    assert_all_checks_pass(kind())


def alone(data, name):
    return default_classifier(scaled=True).fit(data.X[name], data.y)


# -- limits ------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", ["two_classes", "three_classes"])
def test_never_defer_equals_the_first_stage(data, three_stages, request):
    data = request.getfixturevalue(data)
    chain = SerialFusionClassifier(three_stages, thresholds="never").fit(data.X, data.y)
    first = alone(data, "weak")
    np.testing.assert_array_equal(chain.predict(data.X), first.predict(data.X["weak"]))
    np.testing.assert_allclose(chain.predict_proba(data.X), first.predict_proba(data.X["weak"]))
    assert chain.acquisition_cost(data.X).mean == 1
    assert chain.expected_cost_ == 1


@pytest.mark.parametrize("data", ["two_classes", "three_classes"])
def test_always_defer_equals_the_last_stage(data, three_stages, request):
    data = request.getfixturevalue(data)
    chain = SerialFusionClassifier(three_stages, thresholds="always").fit(data.X, data.y)
    last = alone(data, "extra")
    np.testing.assert_array_equal(chain.predict(data.X), last.predict(data.X["extra"]))
    cost = chain.acquisition_cost(data.X)
    assert cost.mean == 41
    assert cost.total == 41 * len(data.y)
    assert cost.deferred_share == 1


@pytest.mark.parametrize("data", ["two_classes", "three_classes"])
def test_cost_is_monotone_in_the_band(data, stages, request):
    data = request.getfixturevalue(data)
    if data.y.max() == 1:
        bands = [[(0.5 - w, 0.5 + w)] for w in np.linspace(0, 0.5, 11)]
    else:
        bands = [[tau] for tau in np.linspace(0, 1, 11)]
    models = [SerialFusionClassifier(stages, thresholds=b).fit(data.X, data.y) for b in bands]
    costs = [model.acquisition_cost(data.X).mean for model in models]
    assert costs == sorted(costs)
    assert costs[0] < costs[-1]
    expected = [model.expected_cost_ for model in models]
    assert expected == sorted(expected)


def test_price_zero_is_never_cheaper_than_a_high_price(two_classes, stages):
    data = two_classes
    free, dear = (
        SerialFusionClassifier(stages, price=price).fit(data.X, data.y) for price in (0.0, 1.0)
    )
    assert dear.expected_cost_ == 1  # a unit of cost is worth all errors: never defer
    assert free.expected_cost_ > dear.expected_cost_
    assert free.expected_error_ < dear.expected_error_


def test_final_mean_averages_the_scores_acquired(three_classes, three_stages):
    data = three_classes
    chain = SerialFusionClassifier(three_stages, thresholds="always", final="mean")
    proba = chain.fit(data.X, data.y).predict_proba(data.X)
    each = [alone(data, n).predict_proba(data.X[n]) for n in ("weak", "strong", "extra")]
    np.testing.assert_allclose(proba, np.mean(each, axis=0))


def test_single_stage_is_its_classifier_without_cross_validation(two_classes):
    data = two_classes
    flat = data.X["strong"]
    chain = SerialFusionClassifier(cv="would fail").fit(flat, data.y)
    plain = default_classifier(scaled=True).fit(flat, data.y)
    np.testing.assert_array_equal(chain.predict_proba(flat), plain.predict_proba(flat))
    assert np.isnan(chain.expected_error_)


def test_default_stages_are_modalities_in_order_of_feature_count(two_classes):
    chain = SerialFusionClassifier().fit(two_classes.X, two_classes.y)
    assert chain.stage_names_ == ["weak", "strong", "extra"]
    np.testing.assert_array_equal(chain.costs_, [2, 4, 6])
    assert list(chain.stage_summary_["modalities"]) == ["weak", "strong", "extra"]


# -- thresholds --------------------------------------------------------------------------------


def test_budget_of_a_whole_number_beyond_numpys_is_as_good_as_none(three_classes, three_stages):
    X, y = three_classes.X, three_classes.y
    chain = SerialFusionClassifier(three_stages, thresholds="budget", budget=10**30).fit(X, y)
    free = SerialFusionClassifier(three_stages, thresholds="budget", budget=1e9).fit(X, y)
    np.testing.assert_array_equal(chain.predict(X), free.predict(X))


def test_budget_is_respected_on_the_tuning_scores(three_classes, three_stages):
    data = three_classes
    errors = []
    for budget in (1, 5, 20, 41):
        chain = SerialFusionClassifier(three_stages, thresholds="budget", budget=budget)
        chain.fit(data.X, data.y)
        assert chain.expected_cost_ <= budget
        errors.append(chain.expected_error_)
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < errors[0]


@pytest.mark.filterwarnings("ignore::sk_mmbalance.exceptions.LimitWarning")  # finer than 3 / n
@pytest.mark.parametrize("limit", [0.0, 0.02, 0.1])
def test_given_far_and_frr_are_kept_on_the_tuning_scores(two_classes, stages, limit):
    data = two_classes
    far = SerialFusionClassifier(stages, thresholds="far", max_far=limit).fit(data.X, data.y)
    assert far.empirical_far_ <= limit
    frr = SerialFusionClassifier(stages, thresholds="frr", max_frr=limit).fit(data.X, data.y)
    assert frr.empirical_frr_ <= limit
    assert far.empirical_frr_ < 0.5
    assert frr.empirical_far_ < 0.5


def test_single_stage_too_meets_a_far(two_classes):
    data = two_classes
    chain = SerialFusionClassifier(thresholds="far", max_far=0.04).fit(data.X["weak"], data.y)
    assert chain.empirical_far_ <= 0.04
    assert chain.thresholds_[0, 0] > 0.5


def test_weights_of_far_and_frr_move_the_rates(two_classes, stages):
    data = two_classes
    careful, lax = (
        SerialFusionClassifier(stages, w_far=w, w_frr=1.0, price=1e-4).fit(data.X, data.y)
        for w in (10.0, 0.1)
    )
    assert careful.empirical_far_ < lax.empirical_far_
    assert careful.empirical_frr_ > lax.empirical_frr_


def test_zero_error_band_covers_the_overlap_of_the_tuning_scores(two_classes, stages):
    data = two_classes
    chain = SerialFusionClassifier(stages, thresholds="zero-error").fit(data.X, data.y)
    lo, hi = chain.thresholds_[0]
    scores = chain._tuning_scores.scores[0, :, 1]
    assert lo == scores[data.y == 1].min()
    assert hi == scores[data.y == 0].max()


def test_listed_thresholds_are_used_as_they_are(two_classes, stages):
    data = two_classes
    chain = SerialFusionClassifier(stages, thresholds=[(0.2, 0.7), (0.9, 0.9)])
    chain.fit(data.X, data.y)
    np.testing.assert_array_equal(chain.thresholds_, [[0.2, 0.7], [0.9, 0.9]])
    labels, stage = chain.predict(data.X, return_stage=True)
    proba = chain.predict_proba(data.X)[:, 1]
    np.testing.assert_array_equal(labels[stage == 0] == 1, proba[stage == 0] > 0.7)
    np.testing.assert_array_equal(labels[stage == 1] == 1, proba[stage == 1] > 0.9)


def test_thresholds_come_from_out_of_fold_scores(two_classes):
    """A forest that knows its training rows by heart would never defer on its own scores."""
    data = two_classes
    rng = np.random.default_rng(0)
    X = Modalities(noise=rng.normal(size=(len(data.y), 5)), strong=data.X["strong"])
    memory = RandomForestClassifier(20, bootstrap=False, random_state=0)
    chain = SerialFusionClassifier([("memory", memory, "noise", 1), ("sure", None, "strong", 2)])
    chain.set_params(price=1e-4).fit(X, data.y)
    assert chain.estimators_[0].score(X["noise"], data.y) == 1.0
    assert chain.stage_summary_.loc["memory", "accuracy"] < 0.65
    assert chain.stage_summary_.loc["memory", "share_ran"] == 1.0
    assert chain.stage_summary_.loc["sure", "share_ran"] > 0.9
    in_sample = SerialFusionClassifier(
        [
            ("memory", chain.estimators_[0], "noise", 1),
            ("sure", chain.estimators_[1], "strong", 2),
        ],
        prefit=True,
    ).fit(X, data.y)
    assert in_sample.stage_summary_.loc["sure", "share_ran"] == 0.0


def test_prefit_keeps_the_classifiers_and_tunes_on_the_rows_given(two_classes):
    data = two_classes
    fitted = [alone(data, "weak"), alone(data, "strong")]
    stages = [("first", fitted[0], "weak", 1), ("second", fitted[1], "strong", 10)]
    chain = SerialFusionClassifier(stages, prefit=True, cv="unused").fit(data.X, data.y)
    assert chain.estimators_[0] is fitted[0]
    frozen = [(n, FrozenEstimator(e), m, c) for n, e, m, c in stages]
    other = SerialFusionClassifier(frozen).fit(data.X, data.y)
    np.testing.assert_array_equal(chain.thresholds_, other.thresholds_)


def test_rows_never_held_out_do_not_count(two_classes, stages):
    data = two_classes
    split = [(np.arange(100, 200), np.arange(100))]
    chain = SerialFusionClassifier(stages, cv=split).fit(data.X, data.y)
    assert len(chain._tuning_scores.codes) == 100


def test_groups_are_not_split(two_classes):
    """Copies of a row in other folds would let a memorising stage know it."""
    data = two_classes
    rows = np.repeat(np.arange(60), 4)
    X, y = data.X[rows], data.y[rows]
    memory = KNeighborsClassifier(1)
    staged = [("first", memory, "weak", 1), ("second", None, "strong", 10)]
    shuffled = StratifiedKFold(5, shuffle=True, random_state=0)
    leaking = SerialFusionClassifier(staged, cv=shuffled).fit(X, y)
    assert leaking.stage_summary_.loc["first", "accuracy"] == 1.0
    for cv in (5, GroupKFold(5)):
        honest = SerialFusionClassifier(staged, cv=cv).fit(X, y, groups=rows)
        assert honest.stage_summary_.loc["first", "accuracy"] < 0.9


def test_weights_are_row_counts(two_classes, stages):
    data = two_classes
    weights = np.random.default_rng(0).integers(0, 3, 200)
    rows = np.repeat(np.arange(200), weights)
    folds = [(np.flatnonzero(data.y < 2), np.arange(200))]
    as_repeated = [(np.arange(len(rows)), np.arange(len(rows)))]
    one = SerialFusionClassifier(stages, cv=folds)
    one.fit(data.X, data.y, sample_weight=weights)
    other = SerialFusionClassifier(stages, cv=as_repeated).fit(data.X[rows], data.y[rows])
    np.testing.assert_allclose(one.thresholds_, other.thresholds_, rtol=1e-5)
    np.testing.assert_allclose(one.predict_proba(data.X), other.predict_proba(data.X), rtol=1e-4)


# -- order, accumulation, rejection --------------------------------------------------------------


def test_order_search_puts_the_cheap_good_stage_first(two_classes):
    data = two_classes
    staged = [("dear", None, "weak", 10), ("cheap", None, "strong", 1)]
    given = SerialFusionClassifier(staged, price=0.01).fit(data.X, data.y)
    searched = SerialFusionClassifier(staged, price=0.01, order="search").fit(data.X, data.y)
    assert given.stage_names_ == ["dear", "cheap"]
    assert searched.stage_names_ == ["cheap", "dear"]
    cost = searched.expected_error_ + 0.01 * searched.expected_cost_
    assert cost < given.expected_error_ + 0.01 * given.expected_cost_


def test_order_search_by_swaps_sorts_a_long_chain():
    wanted = (4, 2, 0, 5, 1, 3)

    def inversions(order):
        rank = [wanted.index(stage) for stage in order]
        return (sum(a > b for i, a in enumerate(rank) for b in rank[i + 1 :]),)

    assert best_order(6, inversions) == wanted
    assert best_order(4, lambda order: (0,)) == (0, 1, 2, 3)


@pytest.mark.parametrize("n_stages", [5, 15, 40, 200, 2000])
def test_order_search_ends_however_many_stages_there_are(n_stages):
    looked_at = []

    def distance(order):
        looked_at.append(order)
        return (sum(abs(i - (len(order) - 1 - stage)) for i, stage in enumerate(order)),)

    found = best_order(n_stages, distance)
    assert len(looked_at) * n_stages**2 <= 250_000 + n_stages**2
    assert len(set(looked_at)) == len(looked_at)
    assert sorted(found) == list(range(n_stages))
    assert distance(found) <= distance(tuple(range(n_stages)))


def test_accumulate_gives_later_stages_what_earlier_ones_acquired(three_classes):
    data = three_classes
    chain = SerialFusionClassifier(accumulate=True, thresholds="always").fit(data.X, data.y)
    together = ModalityConcatenator().fit_transform(data.X)
    everything = default_classifier(scaled=True).fit(together, data.y)
    np.testing.assert_allclose(chain.predict_proba(data.X), everything.predict_proba(together))
    np.testing.assert_array_equal(chain.costs_, [2, 4, 6])


def test_stage_may_name_modalities_that_are_paid_already(three_classes):
    data = three_classes
    staged = [("one", None, "weak", None), ("both", None, ["weak", "strong"], None)]
    chain = SerialFusionClassifier(staged, thresholds="always").fit(data.X, data.y)
    np.testing.assert_array_equal(chain.costs_, [2, 4])


def test_rejection_at_the_end_of_the_chain_only(three_classes, stages):
    data = three_classes
    chain = SerialFusionClassifier(stages, reject_below=0.9, reject_label=-1)
    report = chain.fit(data.X, data.y).decision_report(data.X)
    assert 0 < report.rejected.mean() < 1
    assert (report.stage[report.rejected] == 1).all()
    last = report.stage == 1
    np.testing.assert_array_equal(report.rejected[last], report.proba[last].max(axis=1) < 0.9)
    np.testing.assert_array_equal(report.labels == -1, report.rejected)
    unlabelled = SerialFusionClassifier(stages, reject_below=0.9).fit(data.X, data.y)
    assert set(unlabelled.predict(data.X)) <= set(data.y)


def test_reject_label_of_text_among_text(two_classes, stages):
    data = two_classes
    y = np.array(["no", "yes"])[data.y]
    chain = SerialFusionClassifier(stages, reject_below=0.99, reject_label="ask someone")
    labels = chain.fit(data.X, y).predict(data.X)
    assert set(labels) == {"no", "yes", "ask someone"}


def test_thresholds_of_a_single_stage_are_its_cut(two_classes):
    data = two_classes
    strict = SerialFusionClassifier(thresholds=[(0.9, 0.9)]).fit(data.X["strong"], data.y)
    proba = strict.predict_proba(data.X["strong"])[:, 1]
    np.testing.assert_array_equal(strict.predict(data.X["strong"]), (proba > 0.9) * 1)
    with pytest.raises(ValueError, match="`thresholds` must"):
        SerialFusionClassifier(thresholds=[0.5, 0.5, 0.5]).fit(data.X["strong"], data.y)


def test_rates_of_two_classes_are_predicted_counted_and_bounded(two_classes, three_classes, stages):
    chain = SerialFusionClassifier(stages, thresholds="never").fit(two_classes.X, two_classes.y)
    # of a single stage that decides, the model of independent stages is the count itself
    assert chain.predicted_far_ == pytest.approx(chain.empirical_far_)
    assert chain.predicted_frr_ == pytest.approx(chain.empirical_frr_)
    single = SerialFusionClassifier().fit(two_classes.X["strong"], two_classes.y)
    several = SerialFusionClassifier(stages).fit(three_classes.X, three_classes.y)
    for without, names in (
        (several, ("empirical_far_", "predicted_frr_", "far_bound_")),
        (SerialFusionClassifier(), ("empirical_frr_", "predicted_far_")),
    ):
        for name in names:
            with pytest.raises(AttributeError, match=f"{name}.*after a fit on two classes"):
                getattr(without, name)
    assert np.isnan(single.far_bound_)  # nothing was held out


def test_reject_label_of_another_kind_leaves_the_labels_as_they_are(two_classes, stages):
    data = two_classes
    chain = SerialFusionClassifier(stages, reject_below=0.99, reject_label=2.5)
    labels = chain.fit(data.X, data.y).predict(data.X)
    assert set(labels) == {0, 1, 2.5}
    assert {type(label) for label in labels} == {int, float}


# -- stages' estimators --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "estimator",
    [
        GaussianNB(),
        LinearSVC(),
        RidgeClassifier(),
        CalibratedClassifierCV(LinearSVC()),
        make_pipeline(StandardScaler(), LogisticRegression()),
        GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2),
    ],
)
@pytest.mark.parametrize("data", ["two_classes", "three_classes"])
def test_any_classifier_with_scores_makes_a_stage(estimator, data, request):
    data = request.getfixturevalue(data)
    staged = [("first", estimator, "weak", 1), ("second", estimator, ["strong", "extra"], 10)]
    chain = SerialFusionClassifier(staged, price=1e-3, cv=3)
    weights = np.random.default_rng(0).uniform(0.5, 1.5, len(data.y))
    chain.fit(data.X, data.y, sample_weight=weights)
    assert chain.score(data.X, data.y) > 0.75
    np.testing.assert_allclose(chain.predict_proba(data.X).sum(axis=1), 1)


def test_our_estimators_get_modalities_and_others_one_array(two_classes):
    data = two_classes
    seen = {}

    class Ours(SerialFusionClassifier):
        def fit(self, X, y):
            seen[self.price] = X
            return super().fit(X, y)

    class Theirs(GaussianNB):
        def fit(self, X, y):
            seen[self.var_smoothing] = X
            return super().fit(X, y)

    both, columns = ["weak", "strong"], {"a": [0, 1], "b": [2, 3]}
    scaled = ModalityTransformer({"weak": StandardScaler()})
    staged = [
        ("ours", Ours(price=1.0), both, 1),
        ("by_column", Ours(price=2.0, modalities=columns), "strong", 1),
        ("theirs", Theirs(var_smoothing=0.1), both, 1),
        ("piped", make_pipeline(scaled, ModalityConcatenator(), GaussianNB()), both, 1),
        ("searched", GridSearchCV(Ours(price=3.0), {"n_grid": [5]}, cv=2), both, 1),
    ]
    chain = SerialFusionClassifier(staged, prefit=False, thresholds="always", cv=2)
    chain.fit(data.X, data.y)
    assert seen[1.0].names == seen[3.0].names == ("strong", "weak")
    assert seen[2.0].shape[1] == 4
    assert seen[0.1].shape[1] == 6
    # names are sorted: strong, then weak
    np.testing.assert_allclose(
        chain.estimators_[2].theta_[0, :4], data.X["strong"][data.y == 0].mean(axis=0)
    )
    assert chain.estimators_[3][0].modality_names_ == ["strong", "weak"]


@pytest.mark.parametrize(
    "last",
    [
        MultimodalClassifier(max_epochs=5, random_state=0),
        ARMClassifier(),
        LateFusionClassifier(),
        SerialFusionClassifier(cv=2),
    ],
    ids=lambda last: type(last).__name__,
)
def test_our_own_estimators_make_stages(two_classes, last):
    data = two_classes
    staged = [("first", None, "weak", 1), ("last", last, ["weak", "strong"], 4)]
    chain = SerialFusionClassifier(staged, thresholds="always", cv=2).fit(data.X, data.y)
    both = data.X.select(["strong", "weak"])
    np.testing.assert_array_equal(chain.predict(data.X), chain.estimators_[1].predict(both))
    assert chain.score(data.X, data.y) > 0.7


# -- scikit-learn ------------------------------------------------------------------------------


def test_parameters_of_stages_are_nested(stages):
    chain = SerialFusionClassifier([("first", LogisticRegression(), "weak", 1), stages[1]])
    assert chain.get_params()["first__C"] == 1.0
    chain.set_params(first__C=3.0, price=0.5)
    assert chain.stages[0][1].C == 3.0
    chain.set_params(second=GaussianNB())
    assert isinstance(chain.stages[1][1], GaussianNB)
    assert chain.stages[1][2:] == ("strong", 10)
    copy = clone(chain)
    assert copy.stages[0][1] is not chain.stages[0][1]
    assert copy.get_params()["first__C"] == 3.0


def test_dropped_stage_is_left_out(two_classes, three_stages):
    data = two_classes
    chain = SerialFusionClassifier(three_stages).set_params(second="drop").fit(data.X, data.y)
    assert chain.stage_names_ == ["first", "third"]
    other = SerialFusionClassifier([three_stages[0], three_stages[2]]).fit(data.X, data.y)
    np.testing.assert_array_equal(chain.predict_proba(data.X), other.predict_proba(data.X))


def test_grid_search_over_price_and_stage_parameters(three_classes):
    data = three_classes
    staged = [("a", LogisticRegression(), "weak", 1), ("b", LogisticRegression(), "strong", 10)]
    search = GridSearchCV(
        SerialFusionClassifier(staged, cv=3),
        {"price": [1e-4, 1.0], "a__C": [0.1, 1.0], "b": [GaussianNB(), LogisticRegression()]},
        cv=2,
    ).fit(data.X, data.y)
    assert search.best_params_["price"] == 1e-4
    assert search.best_score_ > 0.8


def test_pickled_chain_predicts_the_same(two_classes, stages):
    data = two_classes
    chain = SerialFusionClassifier(stages).fit(data.X, data.y)
    copy = pickle.loads(pickle.dumps(chain))
    np.testing.assert_array_equal(copy.predict_proba(data.X), chain.predict_proba(data.X))


def test_forms_of_input_and_order_of_modalities_change_no_bit(two_classes, stages):
    data = two_classes
    blocks = {name: data.X[name] for name in ("weak", "strong")}
    flat = np.hstack(list(blocks.values()))
    columns = {"weak": slice(0, 2), "strong": slice(2, 6)}
    by_name = SerialFusionClassifier(stages).fit(Modalities(blocks), data.y)
    backwards = SerialFusionClassifier(stages).fit(dict(reversed(blocks.items())), data.y)
    by_column = SerialFusionClassifier(stages, modalities=columns).fit(flat, data.y)
    expected = by_name.predict_proba(blocks)
    np.testing.assert_array_equal(backwards.predict_proba(Modalities(blocks)), expected)
    np.testing.assert_array_equal(by_column.predict_proba(flat), expected)
    frame = Modalities(blocks).to_frame()
    np.testing.assert_array_equal(by_name.predict_proba(frame), expected)


def test_text_labels_and_cross_validation(two_classes, stages):
    data = two_classes
    y = np.array(["impostor", "genuine"])[data.y]
    chain = SerialFusionClassifier(stages)
    scores = cross_val_score(chain, data.X, y, cv=KFold(3))
    assert scores.min() > 0.8
    chain.fit(data.X, y)
    assert list(chain.classes_) == ["genuine", "impostor"]
    decided = chain.decision_function(data.X) > 0
    assert (chain.predict(data.X) == chain.classes_[decided.astype(int)]).mean() > 0.95


def test_verbose_shows_progress_and_what_was_found(two_classes, stages, capsys):
    chain = SerialFusionClassifier(stages, cv=3, verbose=1).fit(two_classes.X, two_classes.y)
    shown = capsys.readouterr()
    assert "6/6" in shown.err
    assert (
        f"SerialFusionClassifier: first -> second: error {chain.expected_error_:.3f}" in shown.out
    )
    SerialFusionClassifier(stages, cv=3).fit(two_classes.X, two_classes.y)
    assert capsys.readouterr() == ("", "")


def test_jobs_change_no_bit(two_classes, stages):
    data = two_classes
    one, two = (SerialFusionClassifier(stages, n_jobs=n).fit(data.X, data.y) for n in (None, 2))
    np.testing.assert_array_equal(one.thresholds_, two.thresholds_)


@pytest.mark.slow
@pytest.mark.parametrize("accumulate", [False, True])
def test_mfeat_needs_at_most_half_the_cost_for_the_accuracy_of_all_modalities(
    load_real, accumulate
):
    data = load_real("mfeat")
    together = ModalityConcatenator().fit_transform(data.X)
    differences, shares = [], []
    for train, test in StratifiedKFold(5, shuffle=True, random_state=0).split(together, data.y):
        everything = default_classifier(scaled=True).fit(together[train], data.y[train])
        chain = SerialFusionClassifier(price=1e-5, accumulate=accumulate)
        chain.fit(data.X[train], data.y[train])
        accuracy = chain.score(data.X[test], data.y[test])
        differences.append(accuracy - everything.score(together[test], data.y[test]))
        shares.append(chain.acquisition_cost(data.X[test]).mean / 649)
    assert np.mean(differences) >= -0.005
    assert max(shares) <= 0.5


# -- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"stages": "weak"}, TypeError, "`stages` must be a list of"),
        ({"stages": []}, ValueError, "at least one"),
        ({"stages": [("a", None, "weak")]}, ValueError, "cost"),
        ({"stages": [("a", None, "nose", 1)]}, ValueError, "must name modalities"),
        ({"stages": [("a", 3, "weak", 1)]}, TypeError, "must be a classifier"),
        ({"stages": [("a", GaussianNB, "weak", 1)]}, TypeError, "is a class: give an instance"),
        ({"stages": [("a", None, "weak", -1)]}, ValueError, "finite number >= 0"),
        ({"stages": [("price", None, "weak", 1)]}, ValueError, "conflict"),
        ({"stages": [("a", None, "weak", 1)] * 2}, ValueError, "not unique"),
        ({"thresholds": "best"}, ValueError, "`thresholds` must be one of"),
        ({"thresholds": "budget"}, ValueError, "`budget` must be a number"),
        ({"thresholds": "far"}, ValueError, "`max_far` must be a number"),
        ({"thresholds": "budget", "budget": 0.5}, ValueError, "cannot be met together"),
        ({"thresholds": [(0.7, 0.3)]}, ValueError, "lo <= hi"),
        ({"thresholds": [0.5]}, ValueError, "pairs"),
        ({"price": -1.0}, ValueError, "`price` must be between"),
        ({"price": "cheap"}, TypeError, "`price` must be a number"),
        ({"n_grid": 1}, ValueError, "`n_grid`"),
        ({"n_grid": 10**30}, ValueError, "`n_grid` must be an integer from 2 to 1000000"),
        ({"w_far": 1e300}, ValueError, "`w_far` must be between 0 and 1e\\+100"),
        ({"final": "best"}, ValueError, "`final` must be one of"),
        ({"order": "best"}, ValueError, "`order` must be one of"),
        ({"order": "search", "thresholds": "never"}, ValueError, "`order` must be 'given'"),
        ({"reject_below": 2.0}, ValueError, "`reject_below`"),
        ({"reject_label": 1}, ValueError, "`reject_label` must not be"),
        ({"cv": 1}, ValueError, "`cv` must be"),
        ({"n_grid": True}, TypeError, "`n_grid` must be an integer >= 2; got True"),
        ({"thresholds": [("low", "high")]}, ValueError, "`thresholds` must hold 1 pairs"),
        ({"stages": [(1, None, "weak", 1)]}, TypeError, "`stages` names must be strings; got 1"),
        ({"stages": [("a", "keep", "weak", 1)]}, ValueError, "a classifier, None or 'drop'; got"),
        (
            {"order": "search", "prefit": True, "accumulate": True},
            ValueError,
            "`order` must be 'given' with `prefit` and `accumulate`",
        ),
        (
            {"stages": [("a", None, "weak", 5)], "thresholds": "budget", "budget": 2.0},
            ValueError,
            "cannot be met together: {'budget': 2.0}; the first stage alone",
        ),
    ],
)
def test_bad_parameters_name_themselves_and_leave_nothing_fitted(
    two_classes, stages, params, error, message
):
    chain = SerialFusionClassifier(**{"stages": stages, **params})
    with pytest.raises(error, match=message):
        chain.fit(two_classes.X, two_classes.y)
    assert not [name for name in vars(chain) if name.endswith("_")]


def test_far_with_three_classes_is_refused(three_classes, stages):
    chain = SerialFusionClassifier(stages, thresholds="far", max_far=0.1)
    with pytest.raises(ValueError, match="two classes"):
        chain.fit(three_classes.X, three_classes.y)


def test_stage_without_scores_is_refused(two_classes):
    class Mute(GaussianNB):
        predict_proba = decision_function = property(
            lambda self: (_ for _ in ()).throw(AttributeError)
        )

    chain = SerialFusionClassifier([("mute", Mute(), "weak", 1), ("b", None, "strong", 1)])
    with pytest.raises(TypeError, match="predict_proba or decision_function"):
        chain.fit(two_classes.X, two_classes.y)


def test_stage_that_cannot_use_weights_is_refused(two_classes):
    chain = SerialFusionClassifier([("a", KNeighborsClassifier(), "weak", 1)])
    with pytest.raises(TypeError, match=r"`sample_weight` was given.*'a', KNeighborsClass"):
        chain.fit(two_classes.X, two_classes.y, sample_weight=np.ones(200))


def test_failed_fit_leaves_the_earlier_one_untouched(two_classes, stages):
    data = two_classes
    chain = SerialFusionClassifier(stages).fit(data.X, data.y)
    before = chain.predict_proba(data.X)
    chain.set_params(thresholds="budget", budget=0.1)
    with pytest.raises(ValueError, match="budget"):
        chain.fit(data.X, data.y)
    np.testing.assert_array_equal(chain.predict_proba(data.X), before)


def test_label_of_refused_rows_is_of_the_classes_kind():
    rng = np.random.default_rng(0)
    X = Modalities(face=rng.normal(size=(60, 3)), voice=rng.normal(size=(60, 2)))
    names = np.array(["no", "yes"])[np.arange(60) % 2]
    with pytest.raises(ValueError, match=r"`reject_label` must be of the classes' kind \(str\)"):
        SerialFusionClassifier(reject_below=0.9, reject_label=-1).fit(X, names)


def test_silent_fit_shows_no_bar_and_so_starts_no_thread(two_classes, stages, monkeypatch):
    def bar(self, *_, **__):
        self.disable = True  # what is left of it is thrown away, and older tqdm asks then
        raise AssertionError("a bar, be it disabled, starts a thread that stays")

    monkeypatch.setattr("tqdm.auto.tqdm.__init__", bar)
    SerialFusionClassifier(stages).fit(two_classes.X, two_classes.y)
    with pytest.raises(AssertionError, match="a bar"):
        SerialFusionClassifier(stages, verbose=1).fit(two_classes.X, two_classes.y)
