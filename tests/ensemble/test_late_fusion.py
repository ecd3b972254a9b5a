import numpy as np
import pytest
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, GroupKFold, StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from sk_mmbalance import LateFusionClassifier, Modalities, ModalityTransformer
from tests._checks import assert_all_checks_pass

LEARNING = [{"weights": "cv"}, {"weights": "cv", "rule": "product"}, {"rule": "stacking"}]
ALL = [{}, {"rule": "product"}, *LEARNING]


@pytest.fixture
def data():
    """Two modalities that complete each other, and one of noise."""
    rng = np.random.default_rng(0)
    y = np.tile([0, 1, 2], 40)
    X = Modalities(
        face=(y == 0)[:, None] + rng.normal(0, 0.4, (120, 2)),
        noise=rng.normal(size=(120, 3)),
        voice=(y == 1)[:, None] + rng.normal(0, 0.4, (120, 2)),
    )
    return X, y


@pytest.fixture
def holes(data):
    """The same with modalities missing at random; every row has one."""
    X, y = data
    present = np.random.default_rng(1).random((120, 3)) < 0.7
    present[~present.any(axis=1), 0] = True
    arrays = {}
    for column, name in zip(present.T, X, strict=True):
        arrays[name] = np.where(column[:, None], X[name], np.nan)
    return Modalities(arrays), y


@pytest.mark.parametrize("params", ALL[:1] + ALL[-1:], ids=str)
def test_all_of_scikit_learns_checks_pass(params):
    assert_all_checks_pass(LateFusionClassifier(**params))


def test_mean_rule_is_the_mean_of_the_classifiers(data):
    X, y = data
    model = LateFusionClassifier(GaussianNB()).fit(X, y)
    alone = [GaussianNB().fit(X[n], y).predict_proba(X[n]) for n in X]
    np.testing.assert_allclose(model.predict_proba(X), np.mean(alone, axis=0), atol=1e-12)
    for name, proba in zip(X, alone, strict=True):
        np.testing.assert_array_equal(model.unimodal_predict_proba(X)[name], proba)


def test_product_rule_is_the_normalised_geometric_mean(data):
    X, y = data
    model = LateFusionClassifier(LogisticRegression(), rule="product").fit(X, y)
    alone = [LogisticRegression().fit(X[n], y).predict_proba(X[n]) for n in X]
    product = np.prod(alone, axis=0) ** (1 / 3)
    np.testing.assert_allclose(
        model.predict_proba(X), product / product.sum(axis=1, keepdims=True), atol=1e-12
    )


@pytest.mark.parametrize("params", ALL, ids=str)
def test_fusion_beats_each_modality(data, params):
    X, y = data
    train, test = np.arange(120) < 80, np.arange(120) >= 80
    model = LateFusionClassifier(**params).fit(X[train], y[train])
    alone = [
        (model.classes_[p.argmax(axis=1)] == y[test]).mean()
        for p in model.unimodal_predict_proba(X[test]).values()
    ]
    assert model.score(X[test], y[test]) > max(alone)


def test_learnt_weights_find_the_noise(data):
    X, y = data
    for rule in ("mean", "product"):
        model = LateFusionClassifier(weights="cv", rule=rule).fit(X, y)
        assert min(model.weights_, key=model.weights_.get) == "noise"
        assert sum(model.weights_.values()) == pytest.approx(1)
        assert model.best_modality_ in ("face", "voice")
        assert model.scores_["noise"] < 0.5


def test_learnt_weights_lower_the_out_of_fold_loss(data):
    X, y = data
    cv = list(StratifiedKFold(4).split(y, y))
    model = LateFusionClassifier(GaussianNB(), weights="cv", cv=cv).fit(X, y)
    oof = {n: np.zeros((120, 3)) for n in X}
    for a, b in cv:
        for n in X:
            oof[n][b] = GaussianNB().fit(X[n][a], y[a]).predict_proba(X[n][b])

    def loss(weights):
        pooled = sum(weights[n] * oof[n] for n in X)
        return -np.log(pooled[np.arange(120), y]).mean()

    learnt = loss(model.weights_)
    rng = np.random.default_rng(0)
    for w in rng.dirichlet(np.ones(3), 200):
        assert learnt <= loss(dict(zip(X, w, strict=True))) + 1e-9


def test_stacking_is_logistic_regression_on_out_of_fold_log_probabilities(data):
    X, y = data
    cv = list(StratifiedKFold(3).split(y, y))
    model = LateFusionClassifier(GaussianNB(), rule="stacking", cv=cv).fit(X, y)
    features = np.zeros((120, 9))
    for a, b in cv:
        for m, n in enumerate(X):
            proba = GaussianNB().fit(X[n][a], y[a]).predict_proba(X[n][b])
            features[b, 3 * m : 3 * m + 3] = np.log(np.maximum(proba, np.finfo(float).eps))
    features -= np.log(1 / 3)  # the prior; only the intercept feels it
    by_hand = LogisticRegression(max_iter=10_000).fit(features, y)
    np.testing.assert_allclose(model.stacker_.coef_, by_hand.coef_, atol=1e-9)
    assert model.weights_ is None


@pytest.mark.parametrize(
    "weights", [{"voice": 3, "face": 1, "noise": 0}, [1, 0, 3], (0.25, 0, 0.75)]
)
def test_given_weights_go_by_name_or_by_sorted_names(data, weights):
    X, y = data
    model = LateFusionClassifier(weights=weights).fit(X, y)
    assert model.weights_ == {"face": 0.25, "noise": 0.0, "voice": 0.75}


@pytest.mark.parametrize("params", ALL, ids=str)
def test_single_modality_is_its_classifier_without_cross_validation(data, params):
    X, y = data
    model = LateFusionClassifier(GaussianNB(), cv="this is never read", **params)
    model.fit({"face": X["face"]}, y)
    alone = GaussianNB().fit(X["face"], y)
    np.testing.assert_array_equal(
        model.predict_proba({"face": X["face"]}), alone.predict_proba(X["face"])
    )
    assert model.scores_ == {}
    assert model.best_modality_ is None


def test_classifier_per_modality(data):
    X, y = data
    forest = RandomForestClassifier(5, random_state=0)
    chain = make_pipeline(StandardScaler(), LogisticRegression())
    model = LateFusionClassifier({"face": forest, "voice": chain, "noise": None}).fit(X, y)
    assert isinstance(model.estimators_["face"], RandomForestClassifier)
    assert isinstance(model.estimators_["voice"], Pipeline)
    assert isinstance(model.estimators_["noise"], LogisticRegression)
    assert not hasattr(forest, "classes_")


def test_parameters_of_a_classifier_per_modality_are_set_by_name(data):
    X, y = data
    models = {"face": LogisticRegression(), "noise": None, "voice": GaussianNB()}
    fusion = LateFusionClassifier(models)
    assert fusion.get_params()["estimator__face__C"] == 1.0
    copy = clone(fusion).set_params(estimator__face__C=0.1, estimator__voice=LogisticRegression())
    assert copy.estimator["face"].C == 0.1
    assert isinstance(copy.estimator["voice"], LogisticRegression)
    assert models["face"].C == 1.0
    assert isinstance(fusion.estimator["voice"], GaussianNB)
    fusion.set_params(estimator__noise=LogisticRegression(), estimator__noise__C=7.0)
    assert fusion.estimator["noise"].C == 7.0
    grid = {"estimator__face__C": [0.01, 1.0], "estimator__voice__var_smoothing": [1e-9, 1e-3]}
    assert GridSearchCV(clone(fusion), grid, cv=2).fit(X, y).score(X, y) > 0.6
    with pytest.raises(ValueError, match="`estimator` has no classifier 'gait'"):
        fusion.set_params(estimator__gait__C=1)
    with pytest.raises(ValueError, match="`estimator` is None for 'noise'"):
        clone(fusion).set_params(estimator__noise=None, estimator__noise__C=1)
    single = LateFusionClassifier(LogisticRegression()).set_params(estimator__C=3.0)
    assert single.estimator.C == 3.0


def test_string_labels(data):
    X, y = data
    names = np.array(["ant", "bee", "cat"], dtype=object)
    for params in ALL:
        labelled = LateFusionClassifier(**params).fit(X, names[y])
        numbered = LateFusionClassifier(**params).fit(X, y)
        np.testing.assert_array_equal(labelled.predict(X), names[numbered.predict(X)])


@pytest.mark.parametrize("params", ALL[:1] + ALL[-1:], ids=str)
def test_two_jobs_give_the_bits_of_one(data, params):
    X, y = data
    one = LateFusionClassifier(**params).fit(X, y).predict_proba(X)
    two = LateFusionClassifier(n_jobs=2, **params).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(one, two)


def test_sparse_modalities_are_taken_where_the_classifiers_take_them(data):
    X, y = data
    mixed = {"face": sparse.csr_array(X["face"]), "voice": X["voice"]}
    dense = {"face": X["face"], "voice": X["voice"]}
    model = LateFusionClassifier(weights="cv").fit(mixed, y)
    np.testing.assert_allclose(
        model.predict_proba(mixed),
        LateFusionClassifier(weights="cv").fit(dense, y).predict_proba(dense),
        atol=1e-6,
    )
    with pytest.raises(TypeError, match="modality 'face' cannot be used: Sparse data"):
        LateFusionClassifier(GaussianNB()).fit(mixed, y)


# -- missing ---------------------------------------------------------------------------------


def test_weights_are_renormalised_over_what_a_row_has(holes):
    X, y = holes
    model = LateFusionClassifier(missing="mask").fit(X, y)
    experts = model.unimodal_predict_proba(X)
    present = np.column_stack([~np.isnan(X[n][:, 0]) for n in X])
    for i, proba in enumerate(model.predict_proba(X)):
        there = [experts[n][i] for m, n in enumerate(X) if present[i, m]]
        np.testing.assert_allclose(proba, np.mean(there, axis=0), atol=1e-12)


@pytest.mark.parametrize("params", ALL, ids=str)
def test_missing_rows_are_fitted_and_predicted(holes, params):
    X, y = holes
    model = LateFusionClassifier(missing="mask", **params).fit(X, y)
    proba = model.predict_proba(X)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert model.score(X, y) > 0.6


@pytest.mark.parametrize("params", ALL, ids=str)
def test_modality_absent_at_predict_equals_all_rows_missing(holes, params):
    X, y = holes
    model = LateFusionClassifier(missing="mask", **params).fit(X, y)
    there = ~np.isnan(X["face"]).any(axis=1)
    rest = X[there].select(["face"])
    nan = {n: np.full_like(X[n][there], np.nan) for n in ("noise", "voice")}
    np.testing.assert_array_equal(
        model.predict_proba(rest), model.predict_proba({"face": rest["face"], **nan})
    )


def test_expert_that_never_saw_a_class_leaves_it_to_the_others(data):
    X, y = data
    face = np.where((y == 2)[:, None], np.nan, X["face"])
    arrays = {"face": face, "voice": X["voice"]}
    for params in ALL:
        model = LateFusionClassifier(missing="mask", **params).fit(arrays, y)
        proba = model.predict_proba({"face": X["face"], "voice": X["voice"]})
        assert proba.shape == (120, 3)
        assert (proba[:, 2] > 0).all()
        np.testing.assert_allclose(proba.sum(axis=1), 1)


# -- weights, groups, metadata ---------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::sk_mmbalance.exceptions.FoldWarning")
@pytest.mark.parametrize("params", ALL, ids=str)
def test_integer_weights_equal_repeated_rows(data, params):
    X, y = data
    weight = np.random.default_rng(1).integers(0, 4, len(y))
    rows = np.repeat(np.arange(len(y)), weight)
    fold = np.arange(len(y)) % 3
    splits = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(3)]
    again = [(np.flatnonzero(fold[rows] != k), np.flatnonzero(fold[rows] == k)) for k in range(3)]
    weighted = LateFusionClassifier(cv=splits, **params).fit(X, y, sample_weight=weight)
    repeated = LateFusionClassifier(cv=again, **params).fit(X[rows], y[rows])
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), atol=1e-5)


def test_groups_change_the_folds(data):
    X, y = data
    groups = np.repeat(np.arange(6), 20)
    model = LateFusionClassifier(weights="cv", cv=3).fit(X, y, groups=groups)
    plain = LateFusionClassifier(weights="cv", cv=3).fit(X, y)
    assert model.scores_ != plain.scores_
    LateFusionClassifier(weights="cv", cv=GroupKFold(3)).fit(X, y, groups=groups)
    with pytest.raises(ValueError, match="groups"):
        LateFusionClassifier(weights="cv", cv=GroupKFold(3)).fit(X, y)


def test_rows_that_are_never_tested_do_not_count(data):
    X, y = data
    one = [(np.arange(60), np.arange(60, 120))]
    model = LateFusionClassifier(weights="cv", cv=one).fit(X, y)
    other = np.where(np.arange(120) < 60, y, np.roll(y, 1))
    assert model.weights_ != LateFusionClassifier(weights="cv", cv=one).fit(X, other).weights_
    assert model.score(X, y) > 0.8


def test_folds_without_weight_are_refused(data):
    X, y = data
    half = np.arange(120) < 60
    one = [(np.flatnonzero(half), np.flatnonzero(~half))]
    model = LateFusionClassifier(weights="cv", cv=one)
    for weight in (~half, half):
        with pytest.raises(ValueError, match=r"`cv` has no split .* of positive `sample_weight`"):
            model.fit(X, y, sample_weight=weight)


def test_routing_on_passes_weights_and_groups_through_pipeline_and_search(data):
    X, y = data
    weight, groups = np.linspace(0.5, 2, 120), np.repeat(np.arange(6), 20)
    grid = {"fuse__rule": ["mean", "product"]}
    prep = ("prep", ModalityTransformer({}, remainder=StandardScaler()))
    off = GridSearchCV(
        Pipeline([prep, ("fuse", LateFusionClassifier(weights="cv", cv=2))]), grid, cv=3
    )
    off.fit(X, y, fuse__sample_weight=weight, fuse__groups=groups)
    with config_context(enable_metadata_routing=True):
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        fuse = LateFusionClassifier(weights="cv", cv=2)
        fuse.set_fit_request(sample_weight=True, groups=True)
        scoring = get_scorer("accuracy").set_score_request(sample_weight=False)
        prep = ("prep", ModalityTransformer({}, remainder=scaler))
        on = GridSearchCV(Pipeline([prep, ("fuse", fuse)]), grid, cv=3, scoring=scoring)
        on.fit(X, y, sample_weight=weight, groups=groups)
    assert on.best_params_ == off.best_params_
    np.testing.assert_array_equal(on.predict_proba(X), off.predict_proba(X))


# -- bad input -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"rule": "max"}, ValueError, r"`rule` must be one of .*; got 'max'"),
        ({"weights": "best"}, ValueError, "`weights` must be 'uniform', 'cv'.*got 'best'"),
        ({"weights": {"face": 1}}, ValueError, "`weights` must name every modality"),
        ({"weights": [1, 2]}, ValueError, r"`weights` must have one value for each.*\(2,\)"),
        ({"weights": [1, -2, 0]}, ValueError, "`weights` must be finite, not negative"),
        ({"weights": [0, 0, 0]}, ValueError, "not all 0"),
        ({"weights": "cv", "rule": "stacking"}, ValueError, "`weights` must be left at 'uniform'"),
        ({"estimator": LinearSVC()}, TypeError, "has no predict_proba.*CalibratedClassifierCV"),
    ],
)
def test_bad_parameters_are_refused(data, params, error, message):
    X, y = data
    with pytest.raises(error, match=message):
        LateFusionClassifier(**params).fit(X, y)


def test_failed_fit_leaves_the_earlier_state(data):
    X, y = data
    model = LateFusionClassifier().fit(X, y)
    before = model.predict_proba(X)
    with pytest.raises(ValueError, match="infinity"):
        model.fit({"face": np.full((120, 2), np.inf)}, y)
    np.testing.assert_array_equal(model.predict_proba(X), before)
    fresh = clone(model)
    with pytest.raises(ValueError, match="at least two classes"):
        fresh.fit(X, np.zeros(120))
    assert not [name for name in vars(fresh) if name.endswith("_")]
