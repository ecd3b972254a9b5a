"""`SerialSemiSupervisedClassifier`: teaching, guard, projection."""

import pickle
import warnings

import numpy as np
import pytest
from scipy.linalg import eigh
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.utils import Bunch

from sk_mmbalance import Modalities, SerialFusionClassifier, SerialSemiSupervisedClassifier
from sk_mmbalance.exceptions import TeachingWarning
from sk_mmbalance.experts import default_classifier
from sk_mmbalance.serial._projection import DependenceProjection
from sk_mmbalance.serial._teaching import confident


def make_few(n_labelled=30, n_samples=400, n_classes=3, seed=0, marker=-1) -> Bunch:
    """A noisy weak side of 8 features, a nearly noiseless strong one of 3, few labels."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_classes, n_samples)
    code = np.eye(n_classes)[y]
    weak = code @ rng.normal(size=(n_classes, 8)) + 1.2 * rng.normal(size=(n_samples, 8))
    strong = 3 * code @ np.eye(n_classes, 3) + 0.7 * rng.normal(size=(n_samples, 3))
    few = y.copy()
    few[n_labelled:] = marker
    return Bunch(X=Modalities(weak=weak, strong=strong), y=y, few=few)


@pytest.fixture(scope="module")
def data() -> Bunch:
    return make_few()


def teach(data, **params) -> SerialSemiSupervisedClassifier:
    model = SerialSemiSupervisedClassifier(unlabeled_label=-1, **params)
    return model.fit(data.X, data.few)


def test_teaching_helps_the_weak_side(data):
    model = teach(data)
    assert (model.weak_, model.strong_) == (["weak"], ["strong"])
    assert model.taught_
    assert model.guard_scores_["strong"] > model.guard_scores_["weak"]
    supervised = default_classifier(scaled=True).fit(data.X["weak"][:30], data.y[:30])
    fresh = make_few(seed=0, n_samples=400)
    weak, y = fresh.X["weak"][30:], fresh.y[30:]
    assert model.weak_estimator_.score(weak, y) > supervised.score(weak, y) + 0.03


def test_pseudo_labels_are_the_confident_half_within_each_predicted_class(data):
    model = teach(data)
    X = data.X["strong"]
    proba = model.strong_estimator_.predict_proba(X)
    predicted, confidence = proba.argmax(axis=1), proba.max(axis=1)
    unlabelled = np.flatnonzero(data.few == -1)
    for c in range(3):
        of_class = unlabelled[predicted[unlabelled] == c]
        kept = model.pseudo_rows_[model.pseudo_labels_ == c]
        assert len(kept) == np.ceil(len(of_class) / 2)
        left = np.setdiff1d(of_class, kept)
        assert confidence[kept].min() >= confidence[left].max()
    assert model.n_pseudo_ == len(model.pseudo_rows_)
    assert not set(model.pseudo_rows_) & set(range(30))


def test_confident_keeps_something_of_every_predicted_class():
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.4, 0.6]])
    np.testing.assert_array_equal(confident(scores, 0.5), [0, 1, 3])
    np.testing.assert_array_equal(confident(scores, 1.0), [0, 1, 2, 3])
    assert len(confident(scores[:0], 0.5)) == 0


def test_no_unlabelled_rows_gives_the_supervised_chain(data):
    X, y = data.X[:60], data.y[:60]
    model = SerialSemiSupervisedClassifier(price=1e-3).fit(X, y)
    chain = SerialFusionClassifier(
        [("weak", None, "weak", 1), ("strong", None, "strong", 10)], price=1e-3
    ).fit(X, y)
    assert not model.taught_
    assert model.n_pseudo_ == 0
    np.testing.assert_array_equal(model.serial_.thresholds_, chain.thresholds_)
    np.testing.assert_array_equal(model.predict_proba(X), chain.predict_proba(X))


def test_unlabelled_rows_without_teaching_change_nothing(data):
    swapped = {"weak": "strong", "strong": "weak"}
    with pytest.warns(TeachingWarning, match=r"`strong` \['weak'\] is no better"):
        guarded = teach(data, **swapped)
    plain = SerialSemiSupervisedClassifier(**swapped).fit(data.X[:30], data.y[:30])
    assert not guarded.taught_
    np.testing.assert_array_equal(guarded.predict_proba(data.X), plain.predict_proba(data.X))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert teach(data, guard=False, **swapped).taught_


def test_guard_turns_teaching_off_where_the_strong_side_is_weaker():
    """Digits: 16 block means know more, at five labels a class, than the lower half."""
    images, y = load_digits(return_X_y=True)
    blocks = images.reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4)).reshape(-1, 16)
    few = np.full_like(y, -1)
    for c in range(10):
        few[np.flatnonzero(y == c)[:10]] = c
    X = Modalities(blocks=blocks, lower=images[:, 32:])
    model = SerialSemiSupervisedClassifier("blocks", unlabeled_label=-1)
    with pytest.warns(TeachingWarning):
        model.fit(X, few)
    assert not model.taught_
    assert model.guard_scores_["weak"] >= model.guard_scores_["strong"]


def test_own_label_does_not_reach_the_tuning_score_through_the_pseudo_labels(data):
    """With useless weak features, tuning must see chance level, whatever the teacher knows."""
    rng = np.random.default_rng(0)
    X = Modalities(weak=rng.normal(size=(400, 300)), strong=data.X["strong"])
    model = SerialSemiSupervisedClassifier(
        "weak", "strong", unlabeled_label=-1, price=1e-4, weak_estimator=LogisticRegression()
    ).fit(X, data.few)
    assert model.weak_estimator_.score(X["weak"][:30], data.y[:30]) == 1.0
    assert model.serial_.stage_summary_.loc["weak", "accuracy"] < 0.6
    assert model.serial_.stage_summary_.loc["strong", "share_ran"] > 0.8


def test_unlabelled_rows_of_a_held_out_group_do_not_teach(data):
    """The weak side knows groups by heart; a row's copy in its group would give it away."""
    seen = []

    class Spy(GaussianNB):
        def fit(self, X, y, sample_weight=None):
            seen.append(len(y))
            return super().fit(X, y, sample_weight)

    groups = np.arange(400) % 10
    model = SerialSemiSupervisedClassifier(
        "weak", unlabeled_label=-1, weak_estimator=Spy(), confident_fraction=1.0, cv=5
    )
    model.fit(data.X, data.few, groups=groups)
    folds = seen[-5:]  # the guard's folds and the whole come first
    assert all(size == 400 * 8 / 10 for size in folds)


def test_sides_are_chosen_by_score_and_may_be_named(data):
    assert teach(data).weak_ == ["weak"]
    three = Modalities(a=data.X["strong"], b=data.X["weak"], c=data.X["strong"][:, :2])
    model = SerialSemiSupervisedClassifier(unlabeled_label=-1).fit(three, data.few)
    assert (model.weak_, model.strong_) == (["b"], ["a", "c"])
    named = SerialSemiSupervisedClassifier(["b", "c"], "a", unlabeled_label=-1)
    named.fit(three, data.few)
    assert (named.weak_, named.strong_) == (["b", "c"], ["a"])
    rest = SerialSemiSupervisedClassifier(strong="a", unlabeled_label=-1).fit(three, data.few)
    assert (rest.weak_, rest.strong_) == (["b"], ["a"])


@pytest.mark.parametrize("marker", [np.nan, -1, None, "?"])
def test_any_marker_of_unlabelled_rows(data, marker):
    y = data.y.astype(float)
    if isinstance(marker, float):
        y[30:] = marker
    elif marker == -1:
        y = np.where(data.few == -1, -1, data.y)
    elif marker == "?":
        y = np.where(data.few == -1, "?", np.array(["a", "b", "c"])[data.y])
    else:
        y = data.y
    model = SerialSemiSupervisedClassifier(unlabeled_label=marker).fit(data.X, y)
    assert len(model.classes_) == 3
    assert model.taught_ == (marker is not None)


def test_minus_one_is_a_class_unless_said_otherwise(data):
    y = np.where(data.y == 0, -1, 1)
    model = SerialSemiSupervisedClassifier().fit(data.X, y)
    assert list(model.classes_) == [-1, 1]
    assert model.n_pseudo_ == 0


def test_one_modality_is_the_supervised_stage(data):
    X = data.X["weak"]
    model = SerialSemiSupervisedClassifier(unlabeled_label=-1, cv="unused").fit(X, data.few)
    plain = default_classifier(scaled=True).fit(X[:30], data.y[:30])
    np.testing.assert_array_equal(model.predict_proba(X), plain.predict_proba(X))
    assert model.weak_ == []
    assert model.weak_estimator_ is None


def test_missing_strong_side_teaches_where_it_is_present(data):
    strong = data.X["strong"].copy()
    strong[200:] = np.nan
    X = {"weak": data.X["weak"], "strong": strong}
    model = SerialSemiSupervisedClassifier("weak", unlabeled_label=-1, missing="mask")
    model.fit(X, data.few)
    assert model.n_pseudo_ > 0
    assert model.pseudo_rows_.max() < 200
    assert model.score(X, data.y) > 0.7


def test_callable_strong_side_is_asked_for_deferred_rows(data):
    model = teach(data, price=1e-3)
    asked = []

    def acquire(rows):
        asked.append(rows)
        return data.X["strong"][rows]

    report = model.decision_report({"weak": data.X["weak"], "strong": acquire})
    np.testing.assert_array_equal(report.proba, model.predict_proba(data.X))
    assert len(asked) == 1
    np.testing.assert_array_equal(asked[0], np.flatnonzero(report.stage == 1))


def test_serial_params_reach_the_chain(data):
    model = teach(data, serial_params={"thresholds": "budget", "budget": 4.0}, costs=(1, 5))
    assert model.serial_.expected_cost_ <= 4.0
    np.testing.assert_array_equal(model.serial_.costs_, [1, 5])
    assert len(model.cost_curve(prices=[0.0, 0.1])) == 2
    curve = model.cost_curve(data.X, data.y, prices=[0.0, 10.0])
    assert curve["mean_cost"].iloc[1] == 1


def test_clone_pickle_and_grid_search(data):
    model = teach(data, weak_estimator=LogisticRegression(), use_dmdr=True)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict_proba(data.X), model.predict_proba(data.X))
    assert clone(model).get_params()["weak_estimator__C"] == 1.0
    search = GridSearchCV(
        SerialSemiSupervisedClassifier("weak", weak_estimator=LogisticRegression()),
        {"price": [1e-3, 1.0], "weak_estimator__C": [0.1, 1.0]},
        cv=2,
    ).fit(data.X, data.y)
    assert search.best_params_["price"] == 1e-3


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"weak": "nose"}, ValueError, "`weak` must name modalities"),
        ({"weak": "weak", "strong": "weak"}, ValueError, "modalities of their own"),
        ({"weak": ["weak", "strong"]}, ValueError, "at least one each"),
        ({"strong": ["weak", "strong"]}, ValueError, "must leave a modality"),
        ({"costs": (1,)}, ValueError, "`costs` must be two"),
        ({"costs": (1, -2)}, ValueError, "`costs` must be a finite number"),
        ({"confident_fraction": 1.5}, ValueError, "`confident_fraction`"),
        ({"dmdr_dim": 0}, ValueError, "`dmdr_dim`"),
        ({"dmdr_gamma": -1.0}, ValueError, "`dmdr_gamma`"),
        ({"weak": None}, TypeError, "`weak` must be a modality's name, or several"),
        ({"strong": 3}, TypeError, "`strong` must be a modality's name, or several"),
        ({"weak_estimator": True}, TypeError, "`weak_estimator` must be a classifier.*no fit"),
        ({"strong_estimator": "svm"}, TypeError, "`strong_estimator` must be.*has no fit"),
        ({"strong_estimator": LogisticRegression}, TypeError, "is a class: give an instance"),
        ({"serial_params": {"stages": []}}, ValueError, "`serial_params` cannot hold"),
        ({"serial_params": [1]}, TypeError, "`serial_params` must be a dict"),
        ({"price": -1.0}, ValueError, "`price`"),
    ],
)
def test_bad_parameters_name_themselves_and_leave_nothing_fitted(data, params, error, message):
    model = SerialSemiSupervisedClassifier(**{"unlabeled_label": -1, **params})
    with pytest.raises(error, match=message):
        model.fit(data.X, data.few)
    assert not [name for name in vars(model) if name.endswith("_")]


def test_rows_of_weight_zero_are_absent(data):
    keep = np.arange(400) % 5 > 0
    spoilt = np.where(keep, data.few, 2)
    model = SerialSemiSupervisedClassifier(unlabeled_label=-1)
    a = clone(model).fit(data.X, spoilt, sample_weight=keep.astype(float))
    b = clone(model).fit(data.X[keep], data.few[keep])
    np.testing.assert_allclose(a.predict_proba(data.X), b.predict_proba(data.X), atol=1e-6)
    np.testing.assert_array_equal(a.pseudo_rows_, np.flatnonzero(keep)[b.pseudo_rows_])
    with pytest.raises(ValueError, match="zero in all labelled rows"):
        clone(model).fit(data.X, data.few, sample_weight=(data.few < 0).astype(float))


def test_splits_count_the_rows_as_they_are_given(data):
    order = np.random.default_rng(0).permutation(400)
    known = np.flatnonzero(data.few[order] >= 0)
    splits = [(known[::2], known[1::2]), (known[1::2], known[::2])]
    shuffled = SerialSemiSupervisedClassifier(unlabeled_label=-1, cv=splits)
    shuffled.fit(data.X[order], data.few[order])
    back = [(order[train], order[test]) for train, test in splits]
    plain = SerialSemiSupervisedClassifier(unlabeled_label=-1, cv=back).fit(data.X, data.few)
    assert shuffled.guard_scores_ == pytest.approx(plain.guard_scores_)


def test_no_labelled_row_is_an_error(data):
    model = SerialSemiSupervisedClassifier(unlabeled_label=-1)
    with pytest.raises(ValueError, match="must have labelled rows"):
        model.fit(data.X, np.full(400, -1))


# -- projection --------------------------------------------------------------------------------


@pytest.fixture
def projected(data):
    X = data.X["weak"] * np.arange(1, 9) + 3
    scores = (
        default_classifier(scaled=True)
        .fit(data.X["strong"], data.y)
        .predict_proba(data.X["strong"])
    )
    codes = data.few
    return X, codes, scores


def test_directions_are_orthonormal_in_the_ridged_covariance(projected):
    X, codes, scores = projected
    projection = DependenceProjection(3).fit(X, codes, scores=scores)
    centred = (X - X.mean(axis=0)) / X.std(axis=0)
    within = centred.T @ centred / len(X)
    within += 1e-2 * np.trace(within) / 8 * np.eye(8)
    gram = projection.directions_.T @ within @ projection.directions_
    np.testing.assert_allclose(gram, np.eye(3), atol=1e-10)
    assert (np.diff(projection.dependence_) <= 0).all()


@pytest.mark.parametrize("gamma", [0.0, 1.0, 5.0])
def test_projection_equals_the_form_with_the_full_kernel(projected, gamma):
    X, codes, scores = (each[:60] for each in projected)
    centred = (X - X.mean(axis=0)) / X.std(axis=0)
    n = len(X)
    indicator = np.zeros((n, 3))
    for c in range(3):
        indicator[codes == c, c] = 1 / np.sqrt((codes == c).sum())
    centring = np.eye(n) - 1 / n
    score = centring @ scores
    labels_kernel = centring @ indicator @ indicator.T @ centring
    scores_kernel = score @ score.T
    target = np.zeros((8, 8))
    for weight, kernel in ((1.0, labels_kernel), (gamma, scores_kernel)):
        part = centred.T @ kernel @ centred
        target += weight * part / np.trace(part)
    within = centred.T @ centred / n
    within += 1e-2 * np.trace(within) / 8 * np.eye(8)
    values = eigh(target, within, eigvals_only=True)[::-1][:3]
    found = DependenceProjection(gamma=gamma).fit(X, codes, scores=scores)
    np.testing.assert_allclose(found.dependence_, values, rtol=1e-8, atol=1e-12)
    for value, direction in zip(values, found.directions_.T, strict=True):
        np.testing.assert_allclose(target @ direction, value * within @ direction, atol=1e-8)


def test_dimension_is_at_most_the_number_of_features(projected):
    X, codes, scores = projected
    assert DependenceProjection(50).fit(X, codes, scores=scores).directions_.shape == (8, 8)
    two = DependenceProjection().fit(X[:, :2], codes, scores=scores)
    assert two.transform(X[:, :2]).shape == (400, 2)


def test_rank_deficient_features_are_projected(projected):
    X, codes, scores = projected
    doubled = np.column_stack([X, X, np.ones(len(X))])
    projection = DependenceProjection().fit(doubled, codes, scores=scores)
    assert np.isfinite(projection.transform(doubled)).all()


def test_weight_two_is_the_row_twice_in_the_projection(projected):
    X, codes, scores = projected
    weights = np.random.default_rng(0).integers(0, 3, len(X))
    rows = np.repeat(np.arange(len(X)), weights)
    one = DependenceProjection().fit(X, codes, scores=scores, sample_weight=weights)
    other = DependenceProjection().fit(X[rows], codes[rows], scores=scores[rows])
    np.testing.assert_allclose(one.dependence_, other.dependence_, rtol=1e-8)


def test_projected_weak_side_is_a_pipeline_of_projection_and_classifier(data):
    model = teach(data, use_dmdr=True, dmdr_dim=2)
    assert model.projection_.directions_.shape == (8, 2)
    weak = data.X["weak"]
    inside = model.weak_estimator_[-1].predict_proba(model.projection_.transform(weak))
    np.testing.assert_array_equal(model.weak_estimator_.predict_proba(weak), inside)
    assert model.score(data.X, data.y) > 0.8


def test_sparse_sides_predict_what_dense_ones_do(data):
    sparse = Modalities(weak=csr_array(data.X["weak"]), strong=data.X["strong"])
    dense, thin = (
        SerialSemiSupervisedClassifier("weak", "strong", unlabeled_label=-1).fit(X, data.few)
        for X in (data.X, sparse)
    )
    assert np.array_equal(dense.predict_proba(data.X), thin.predict_proba(sparse))


def test_verbose_shows_both_rounds_of_folds_and_says_who_taught_whom(data, capsys):
    model = teach(data, cv=2, verbose=1)
    out, err = capsys.readouterr()
    assert "stages x folds: 100%" in err
    assert "taught folds: 100%" in err
    said = f"strong taught weak on {model.n_pseudo_} of 370 rows without label"
    assert f"SerialSemiSupervisedClassifier: {said}" in out
    teach(data, cv=2)
    assert capsys.readouterr() == ("", "")
