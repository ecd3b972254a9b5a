import numpy as np
import pytest
from sklearn import config_context
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneGroupOut, StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.utils.validation import check_is_fitted

from sk_mmbalance import Modalities, UnimodalClassifier
from tests._checks import assert_all_checks_pass


@pytest.fixture
def data():
    """Class by class: "face" tells them apart, "voice" hardly, "noise" not at all."""
    rng = np.random.default_rng(0)
    y = np.tile([0, 1, 2], 30)
    X = Modalities(
        face=y[:, None] + rng.normal(0, 0.3, (90, 2)),
        noise=rng.normal(size=(90, 3)),
        voice=y[:, None] + rng.normal(0, 2, (90, 2)),
    )
    return X, y


def test_all_of_scikit_learns_checks_pass():
    assert_all_checks_pass(UnimodalClassifier())


def test_best_modality_is_found_by_cross_validation(data):
    X, y = data
    model = UnimodalClassifier().fit(X, y)
    assert model.best_modality_ == "face"
    assert sorted(model.scores_, key=model.scores_.get) == ["noise", "voice", "face"]
    assert model.weights_ == {"face": 1.0, "noise": 0.0, "voice": 0.0}
    assert list(model.estimators_) == ["face"]


def test_prediction_is_that_of_the_classifier_on_its_modality_alone(data):
    X, y = data
    model = UnimodalClassifier(GaussianNB()).fit(X, y)
    alone = GaussianNB().fit(X["face"], y)
    np.testing.assert_array_equal(model.predict_proba(X), alone.predict_proba(X["face"]))
    np.testing.assert_array_equal(model.predict(X), alone.predict(X["face"]))
    ((name, proba),) = model.unimodal_predict_proba(X).items()
    assert name == "face"
    np.testing.assert_array_equal(proba, model.predict_proba(X))


def test_score_is_the_mean_over_the_folds(data):
    X, y = data
    cv = StratifiedKFold(3)
    model = UnimodalClassifier(GaussianNB(), cv=cv).fit(X, y)
    by_hand = [
        GaussianNB().fit(X["voice"][a], y[a]).score(X["voice"][b], y[b]) for a, b in cv.split(y, y)
    ]
    assert model.scores_["voice"] == pytest.approx(np.mean(by_hand), abs=1e-12)


def test_named_modality_is_used_without_cross_validation(data):
    X, y = data
    model = UnimodalClassifier(modality="noise", cv="this is never read").fit(X, y)
    assert model.best_modality_ == "noise"
    assert model.scores_ == {}


def test_single_modality_is_used_without_cross_validation(data):
    X, y = data
    model = UnimodalClassifier(cv="this is never read").fit(X["face"], y)
    assert model.best_modality_ == "X"
    assert model.scores_ == {}


def test_equal_scores_take_the_first_by_name():
    y = np.tile([0, 1], 20)
    X = {"b": y * 1.0, "a": y * 1.0}
    assert UnimodalClassifier().fit(X, y).best_modality_ == "a"


def test_scoring_decides(data):
    X, y = data
    worst = UnimodalClassifier(scoring=lambda model, X, y: -model.predict_proba(X).max())
    assert worst.fit(X, y).best_modality_ != "face"
    assert UnimodalClassifier(scoring="neg_log_loss").fit(X, y).best_modality_ == "face"


def test_scoring_without_a_finite_value_is_refused(data):
    X, y = data
    with pytest.raises(ValueError, match="`scoring` gives nan for modality 'face'"):
        UnimodalClassifier(scoring=lambda *_: np.nan).fit(X, y)


def test_classifier_per_modality(data):
    X, y = data
    models = {"face": SVC(), "voice": GaussianNB(), "noise": None}
    model = UnimodalClassifier(models).fit(X, y)
    assert isinstance(model.estimators_["face"], SVC)
    assert not hasattr(model, "predict_proba")
    assert model.score(X, y) > 0.9


@pytest.mark.parametrize(
    "estimator",
    [
        LinearSVC(),
        KNeighborsClassifier(),
        RandomForestClassifier(5, random_state=0),
        BaggingClassifier(n_estimators=3, random_state=0),
        make_pipeline(StandardScaler(), LogisticRegression()),
    ],
    ids=lambda e: type(e).__name__,
)
def test_any_classifier_serves(data, estimator):
    X, y = data
    model = UnimodalClassifier(estimator, cv=3).fit(X, y)
    assert model.best_modality_ == "face"
    assert model.score(X, y) > 0.8


def test_images_are_flattened_for_the_classifier():
    rng = np.random.default_rng(0)
    y = np.tile([0, 1], 20)
    image = rng.normal(size=(40, 1, 3, 3)) + 3 * y[:, None, None, None]
    assert UnimodalClassifier().fit({"image": image}, y).score({"image": image}, y) == 1.0


# -- missing ---------------------------------------------------------------------------------


def test_prior_is_predicted_where_the_modality_is_missing(data):
    X, y = data
    y = np.where(y == 2, 1, y)  # one third, two thirds
    face = X["face"].copy()
    face[:6] = np.nan
    model = UnimodalClassifier(modality="face", missing="mask")
    model.fit({"face": face, "voice": X["voice"]}, y)
    np.testing.assert_allclose(
        model.predict_proba({"face": face, "voice": X["voice"]})[:6], [[1 / 3, 2 / 3]] * 6
    )
    np.testing.assert_allclose(model.predict_proba({"voice": X["voice"]}), [[1 / 3, 2 / 3]] * 90)
    assert set(model.predict({"voice": X["voice"]})) == {1}


def test_classifier_is_fitted_on_the_rows_that_have_the_modality(data):
    X, y = data
    face = X["face"].copy()
    face[::4] = np.nan
    there = ~np.isnan(face[:, 0])
    model = UnimodalClassifier(GaussianNB(), "face", missing="mask")
    model.fit({"face": face, "voice": X["voice"]}, y)
    alone = GaussianNB().fit(face[there], y[there])
    np.testing.assert_array_equal(model.estimators_["face"].theta_, alone.theta_)


def test_modality_that_is_mostly_missing_is_not_preferred(data):
    X, y = data
    face = X["face"].copy()
    face[np.arange(90) >= 15] = np.nan
    X = {"face": face, "voice": X["voice"]}
    assert UnimodalClassifier(missing="mask").fit(X, y).best_modality_ == "voice"


def test_class_the_expert_never_saw_keeps_its_prior(data):
    X, y = data
    face = X["face"].copy()
    face[y == 2] = np.nan
    model = UnimodalClassifier(modality="face", missing="mask")
    model.fit({"face": face, "voice": X["voice"]}, y)
    proba = model.predict_proba(X.select(["face", "voice"]))
    assert proba.shape == (90, 3)
    np.testing.assert_allclose(proba[:, 2], 1 / 3)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    np.testing.assert_array_equal(model.predict(X.select(["face", "voice"])), proba.argmax(axis=1))


def test_expert_that_saw_a_single_class_predicts_the_prior(data):
    X, y = data
    face = X["face"].copy()
    face[y != 0] = np.nan
    model = UnimodalClassifier(modality="face", missing="mask")
    model.fit({"face": face, "voice": X["voice"]}, y)
    np.testing.assert_allclose(model.predict_proba(X.select(["face", "voice"])), 1 / 3)


# -- weights and groups ----------------------------------------------------------------------


def test_integer_weights_equal_repeated_rows_in_choice_and_fit(data):
    X, y = data
    weight = np.random.default_rng(1).integers(0, 4, len(y))
    rows = np.repeat(np.arange(len(y)), weight)
    half = np.arange(len(y)) < 45
    cv_weighted = [(np.flatnonzero(half), np.flatnonzero(~half))]
    cv_repeated = [(np.flatnonzero(half[rows]), np.flatnonzero(~half[rows]))]
    weighted = UnimodalClassifier(cv=cv_weighted).fit(X, y, sample_weight=weight)
    repeated = UnimodalClassifier(cv=cv_repeated).fit(X[rows], y[rows])
    for name in X:
        assert weighted.scores_[name] == pytest.approx(repeated.scores_[name], abs=1e-9)
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), atol=1e-7)


def test_weights_reach_every_step_of_a_pipeline(data):
    X, y = data
    weight = np.arange(1.0, 91)
    chain = make_pipeline(StandardScaler(), LogisticRegression())
    model = UnimodalClassifier(chain, "face").fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(
        model.estimators_["face"][0].mean_, np.average(X["face"], axis=0, weights=weight)
    )


def test_weights_for_a_classifier_that_takes_none_are_refused(data):
    X, y = data
    with pytest.raises(TypeError, match=r"`sample_weight` was given.*KNeighborsClassifier"):
        UnimodalClassifier(KNeighborsClassifier()).fit(X, y, sample_weight=np.ones(90))


def test_groups_are_never_divided(data):
    X, y = data
    groups = np.repeat(np.arange(9), 10)
    seen = []

    class Spy(GaussianNB):
        def fit(self, X, y, sample_weight=None):
            seen.append(X[:, 0])
            return super().fit(X, y, sample_weight)

    numbered = {name: np.column_stack([groups, X[name]]) for name in X}
    UnimodalClassifier(Spy(), cv=3).fit(numbered, y, groups=groups)
    for part in seen:
        counts = np.unique(part, return_counts=True)[1]
        assert (counts == 10).all()
    assert len(seen) == 3 * 3 + 1


def test_few_groups_make_few_folds(data):
    X, y = data
    groups = np.repeat([0, 1], 45)
    UnimodalClassifier(cv=5).fit(X, y, groups=groups)
    with pytest.raises(ValueError, match="`groups` has a single group"):
        UnimodalClassifier(cv=5).fit(X, y, groups=np.zeros(90))
    with pytest.raises(ValueError, match="`groups` has 3 values for 90 samples"):
        UnimodalClassifier(cv=5).fit(X, y, groups=[1, 2, 3])


def test_groups_reach_a_given_splitter(data):
    X, y = data
    groups = np.repeat([0, 1, 2], 30)
    model = UnimodalClassifier(cv=LeaveOneGroupOut()).fit(X, y, groups=groups)
    assert model.best_modality_ == "face"


def test_routing_passes_weights_to_the_classifier_that_requests_them(data):
    X, y = data
    weight = np.arange(1.0, 91)
    off = UnimodalClassifier(GaussianNB(), "face").fit(X, y, sample_weight=weight)
    with config_context(enable_metadata_routing=True):
        inner = GaussianNB().set_fit_request(sample_weight=True)
        on = UnimodalClassifier(inner, "face").fit(X, y, sample_weight=weight)
        deaf = GaussianNB().set_fit_request(sample_weight=False)
        without = UnimodalClassifier(deaf, "face").fit(X, y, sample_weight=weight)
        default = UnimodalClassifier(modality="face").fit(X, y, sample_weight=weight)
    np.testing.assert_array_equal(on.predict_proba(X), off.predict_proba(X))
    assert np.abs(without.predict_proba(X) - off.predict_proba(X)).max() > 1e-6
    check_is_fitted(default)


# -- bad input -------------------------------------------------------------------------------


class Duck:
    """Fits and predicts, and cannot be cloned."""

    def fit(self, X, y):
        return self

    def predict(self, X):
        return np.zeros(len(X))

    def predict_proba(self, X):
        return np.ones((len(X), 2)) / 2


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"modality": "gait"}, ValueError, r"`modality` must be 'best' or one of"),
        ({"estimator": {"face": None}}, ValueError, "`estimator` lacks modality 'noise', 'voice'"),
        (
            {"estimator": {"face": None, "noise": None, "voice": None, "gait": None}},
            ValueError,
            "`estimator` names, but `X` does not have, modality 'gait'",
        ),
        ({"estimator": StandardScaler()}, TypeError, "`estimator` for 'face'.*has no predict"),
        ({"estimator": GaussianNB}, TypeError, "`estimator` for 'face'.*is a class"),
        ({"estimator": True}, TypeError, "`estimator` for 'face'.*has no fit"),
        ({"estimator": "svm"}, TypeError, "`estimator` for 'face'.*has no fit"),
        ({"estimator": Duck()}, TypeError, "`estimator` for 'face'.*has no get_params"),
        ({"cv": []}, ValueError, "`cv` gives no row to test on"),
    ],
)
def test_bad_parameters_are_refused(data, params, error, message):
    X, y = data
    with pytest.raises(error, match=message):
        UnimodalClassifier(**params).fit(X, y)


def test_error_inside_a_classifier_says_which_modality(data):
    X, y = data
    with pytest.raises(ValueError, match="C") as caught:
        UnimodalClassifier(LogisticRegression(C=-1.0), "voice").fit(X, y)
    assert "classifier of 'voice'" in caught.value.__notes__[0]
