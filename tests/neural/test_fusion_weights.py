"""Weights of the fusion, fitted by the convex opinion pool after training."""

import pickle

import numpy as np
import pytest
from _protocols import read, summary
from scipy.special import softmax
from sklearn.model_selection import GridSearchCV, KFold

from sk_mmbalance import (
    DataRemixingClassifier,
    Modalities,
    MultimodalClassifier,
    NegativeLearningClassifier,
    SustainedBoostingClassifier,
)
from sk_mmbalance.convex import fit_opinion_pool
from sk_mmbalance.neural.fusion_weights import fit_weights, make_folds
from tests._checks import assert_all_checks_pass

from .conftest import blobs, with_missing


def late(**params):
    return MultimodalClassifier(fusion="late", unimodal_weight=1.0, **params)


ESTIMATORS = {
    "late": late,
    "negative learning": NegativeLearningClassifier,
    "boosting": SustainedBoostingClassifier,
    "remixing": lambda **params: DataRemixingClassifier(fusion="late", remix_after=5, **params),
}
FAST = {"max_epochs": 6, "lr": 0.01, "random_state": 0, "fusion_weights": "fit"}


def noisy(n=240, seed=0):
    """One modality that shows the class, and one of noise."""
    X, y = blobs(n, seed=seed)
    noise = np.random.default_rng(seed + 1).normal(size=X["voice"].shape)
    return Modalities({"face": X["face"], "voice": noise}), y


def own_logits(clf, X):
    """Unimodal log-probabilities: (n_samples, n_modalities, n_classes)."""
    own = clf.unimodal_predict_proba(X)
    return np.log(np.stack([own[name] for name in sorted(own)], axis=1))


@pytest.mark.parametrize("name", ["late", "negative learning", "boosting"])
def test_useless_modality_gets_hardly_any_weight(name):
    X, y = noisy()
    # long enough that the noise is learnt by heart: on other rows it is then sure and wrong
    settings = FAST | {"max_epochs": 25, "early_stopping": False, "cv": 2}
    clf = ESTIMATORS[name](**settings).fit(X[:160], y[:160])
    assert clf.fusion_weights_["voice"] < 0.1 * clf.fusion_weights_["face"]
    assert clf.score(X[160:], y[160:]) > 0.8


@pytest.mark.parametrize("make", ESTIMATORS.values(), ids=ESTIMATORS)
def test_prediction_is_the_opinion_pool_of_the_modalities(make):
    X, y = blobs(200)
    clf = make(**FAST, early_stopping=True).fit(X, y)
    weights = np.array([clf.fusion_weights_[name] for name in X.names])
    pooled = softmax(np.einsum("nmk,m->nk", own_logits(clf, X), weights), axis=1)
    np.testing.assert_allclose(clf.predict_proba(X), pooled, atol=1e-10)


def test_weights_are_the_convex_solution_on_the_held_out_part(two):
    X, y = two
    clf = late(**FAST, early_stopping=True, validation_fraction=0.4).fit(X, y)
    _, held_out = clf._split(y, None, None, clf._seed)
    log_proba = own_logits(clf, X[held_out])
    expected = fit_opinion_pool(log_proba, y[held_out]).weights
    np.testing.assert_allclose(list(clf.fusion_weights_.values()), expected, rtol=1e-6)


def test_weights_are_the_convex_solution_over_the_folds(two):
    X, y = two
    folds = list(KFold(3).split(y))
    clf = late(**FAST, early_stopping=False, cv=folds).fit(X, y)
    parts = [
        own_logits(
            late(**FAST | {"fusion_weights": None}, early_stopping=False).fit(X[a], y[a]), X[b]
        )
        for a, b in folds
    ]
    tested = np.concatenate([b for _, b in folds])
    expected = fit_opinion_pool(np.concatenate(parts), y[tested]).weights
    np.testing.assert_allclose(list(clf.fusion_weights_.values()), expected, rtol=1e-6)


@pytest.mark.parametrize("early_stopping", [True, False])
def test_networks_are_those_of_equal_weights(two, early_stopping):
    X, y = two
    settings = FAST | {"early_stopping": early_stopping, "cv": 2}
    fitted, equal = (late(**settings | {"fusion_weights": w}).fit(X, y) for w in ("fit", None))
    for name, own in equal.unimodal_predict_proba(X).items():
        np.testing.assert_array_equal(fitted.unimodal_predict_proba(X)[name], own)
    assert equal.fusion_weights_ == {"face": 0.5, "voice": 0.5}


def test_held_out_loss_is_not_above_that_of_equal_weights():
    X, y = noisy()
    settings = FAST | {"early_stopping": True, "validation_fraction": 0.4}
    losses = []
    for weights in ("fit", None):
        clf = late(**settings | {"fusion_weights": weights}).fit(X, y)
        _, held_out = clf._split(y, None, None, clf._seed)
        log_p = clf.predict_log_proba(X[held_out])
        losses.append(-log_p[np.arange(len(held_out)), y[held_out]].mean())
    assert losses[0] < losses[1]


def test_twins_get_equal_weights():
    _, y = blobs(200)
    logits = np.random.default_rng(0).normal(size=(200, 1, 3)).repeat(2, axis=1)
    logits[np.arange(200), :, y] += 1
    weights = fit_weights(logits, y, None, np.ones((200, 2), dtype=bool))
    assert weights[0] > 0.1
    assert weights[0] == pytest.approx(weights[1])


def test_order_of_the_modalities_changes_nothing(two):
    X, y = two
    turned = {name: X[name] for name in reversed(X.names)}
    first, second = (late(**FAST, cv=2).fit(data, y) for data in (X, turned))
    assert first.fusion_weights_ == second.fusion_weights_
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(turned))


# -- missing modalities -----------------------------------------------------------------------


def test_weights_are_shared_among_the_modalities_present(two):
    X, y = two
    clf = late(**FAST, cv=2, missing="mask").fit(X, y)
    absent = Modalities({"face": X["face"], "voice": np.full_like(X["voice"], np.nan)})
    own = clf.unimodal_predict_proba(absent)["face"]
    total = sum(clf.fusion_weights_.values())
    np.testing.assert_allclose(clf.predict_proba(absent), softmax(total * np.log(own), axis=1))


def test_row_with_useless_modalities_only_has_their_plain_mean():
    X, y = noisy()
    clf = late(**FAST, early_stopping=True, validation_fraction=0.4, missing="mask").fit(X, y)
    clf.net_._module().fusion.pool.set_fitted([1.0, 0.0])
    absent = Modalities({"face": np.full_like(X["face"], np.nan), "voice": X["voice"]})
    own = clf.unimodal_predict_proba(absent)["voice"]
    np.testing.assert_allclose(clf.predict_proba(absent), own)
    margins = NegativeLearningClassifier(**FAST, cv=2, missing="mask").fit(X, y)
    margins.net_._module().fusion.pool.set_fitted([1.0, 0.0])
    assert np.isfinite(margins.robustness_margin(absent, y).fused_margin).all()


def test_training_rows_may_lack_modalities():
    X, y = blobs(200)
    X, _ = with_missing(X)
    clf = late(**FAST, early_stopping=True, missing="mask").fit(X, y)
    assert all(w >= 0 for w in clf.fusion_weights_.values())
    assert np.isfinite(clf.predict_proba(X)).all()


# -- weights of rows, groups, folds -----------------------------------------------------------


def test_weight_zero_equals_row_left_out(two):
    X, y = two
    weight = np.ones(len(y))
    weight[::4] = 0
    kept = weight > 0
    first = late(**FAST, cv=3).fit(X, y, sample_weight=weight)
    second = late(**FAST, cv=3).fit(X[kept], y[kept])
    assert first.fusion_weights_ == pytest.approx(second.fusion_weights_, rel=1e-9)


def test_weights_of_rows_enter_the_pool(two):
    X, y = two
    settings = FAST | {"early_stopping": True, "validation_fraction": 0.4}
    clf = late(**settings).fit(X, y, sample_weight=np.where(y == 0, 9.0, 1.0))
    _, held_out = clf._split(y, None, None, clf._seed)
    weight = np.where(y == 0, 9.0, 1.0)[held_out]
    expected = fit_opinion_pool(own_logits(clf, X[held_out]), y[held_out], sample_weight=weight)
    np.testing.assert_allclose(list(clf.fusion_weights_.values()), expected.weights, rtol=1e-6)


def test_groups_are_on_one_side_of_every_fold():
    codes = np.arange(60) % 3
    groups = np.arange(60) // 6
    folds = make_folds(None, codes, groups, np.arange(3, 60))
    assert len(folds) == 5
    for train, test in folds:
        assert not set(groups[train]) & set(groups[test])
    with pytest.raises(ValueError, match="`groups` has a single group"):
        make_folds(None, codes, np.zeros(60), np.arange(60))


def test_splits_of_ones_own_count_all_rows():
    folds = make_folds([(np.arange(4, 8), np.arange(4))], np.arange(8) % 2, None, np.arange(2, 8))
    assert [(a.tolist(), b.tolist()) for a, b in folds] == [([4, 5, 6, 7], [2, 3])]


# -- life of an estimator ---------------------------------------------------------------------


@pytest.mark.parametrize("make", ESTIMATORS.values(), ids=ESTIMATORS)
def test_pickle_and_weights_file_keep_the_weights(make, tmp_path):
    X, y = blobs(120, dtype=np.float32)
    clf = make(**FAST, early_stopping=True).fit(X, y)
    clf.save_weights(tmp_path / "w.safetensors")
    for copy in (
        pickle.loads(pickle.dumps(clf)),
        make(**FAST, early_stopping=True).load_weights(tmp_path / "w.safetensors"),
    ):
        assert copy.fusion_weights_ == clf.fusion_weights_
        np.testing.assert_array_equal(copy.predict_proba(X), clf.predict_proba(X))


def test_warm_start_trains_with_equal_weights_and_fits_anew(two):
    X, y = two
    settings = FAST | {"warm_start": True, "early_stopping": True}
    fitted, equal = (late(**settings | {"fusion_weights": w}).fit(X, y) for w in ("fit", None))
    for clf in (fitted, equal):
        before = dict(clf.fusion_weights_)
        clf.fit(X, y)
    assert before == equal.fusion_weights_
    assert fitted.history_["valid_loss"].tolist() == equal.history_["valid_loss"].tolist()


def test_warm_start_may_begin_to_fit_weights(two):
    X, y = two
    settings = FAST | {"warm_start": True, "early_stopping": True, "fusion_weights": None}
    clf = late(**settings).fit(X, y).set_params(fusion_weights="fit").fit(X, y)
    assert clf.n_iter_ > FAST["max_epochs"]
    assert sum(clf.fusion_weights_.values()) != pytest.approx(1)


def test_one_modality_needs_no_weights_and_no_folds(two):
    X, y = two
    single = Modalities({"face": X["face"]})
    clf = late(**FAST, cv=3).fit(single, y)
    assert clf.fusion_weights_ == {"face": 1.0}
    equal = late(**FAST | {"fusion_weights": None}).fit(single, y)
    np.testing.assert_array_equal(clf.predict_proba(single), equal.predict_proba(single))


def test_search_chooses_between_equal_and_fitted(two):
    X, y = two
    grid = GridSearchCV(
        late(**FAST | {"max_epochs": 2}, cv=2), {"fusion_weights": [None, "fit"]}, cv=2
    )
    assert grid.fit(X, y).best_params_["fusion_weights"] in (None, "fit")


def test_given_weights_work_in_late_fusion(two):
    X, y = two
    clf = late(**FAST | {"fusion_weights": {"face": 3, "voice": 1}}).fit(X, y)
    assert clf.fusion_weights_ == {"face": 0.75, "voice": 0.25}
    pooled = softmax(np.einsum("nmk,m->nk", own_logits(clf, X), [0.75, 0.25]), axis=1)
    np.testing.assert_allclose(clf.predict_proba(X), pooled)


@pytest.mark.parametrize("weights", ["fit", {"face": 1, "voice": 2}])
@pytest.mark.parametrize("fusion", ["concat", "transformer"])
def test_fusion_that_is_no_mean_of_logits_is_refused(two, fusion, weights):
    clf = MultimodalClassifier(fusion=fusion, fusion_weights=weights, max_epochs=1)
    with pytest.raises(ValueError, match=f"`fusion_weights`.*fusion='{fusion}'.*fusion='late'"):
        clf.fit(*two)
    assert not hasattr(clf, "net_")


def test_partial_fit_is_refused(two):
    X, y = two
    clf = NegativeLearningClassifier(**FAST)
    with pytest.raises(ValueError, match=r"`fusion_weights='fit'`.*partial_fit"):
        clf.partial_fit(X, y, classes=[0, 1, 2])
    assert not hasattr(clf, "net_")


def test_default_is_what_the_benchmark_says():
    losses = summary(read("fusion_weights"), "log_loss").xs("mean", axis=1, level=1)
    equal = summary(read("fusion_weights"), "log_loss, equal").xs("mean", axis=1, level=1)
    better = (losses < equal).loc["late fusion, a loss per modality"]
    assert better[better].index.tolist() == ["avdigits_weakimage"]
    for make in ESTIMATORS.values():
        assert make().fusion_weights is None


@pytest.mark.slow
def test_all_checks_of_scikit_learn_pass():
    assert_all_checks_pass(late(fusion_weights="fit", max_epochs=5))
