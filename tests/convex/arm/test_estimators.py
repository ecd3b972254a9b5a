"""The estimators as scikit-learn objects: checks, inputs, modes, search, serial use."""

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy.special import softmax
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import GridSearchCV, GroupKFold, StratifiedGroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_mmbalance import (
    ARMClassifier,
    ARMClassifierCV,
    ARMRegressor,
    Modalities,
    ModalityTransformer,
)
from sk_mmbalance.convex import cost_scorer
from sk_mmbalance.exceptions import MissingModalityError
from tests._checks import assert_all_checks_pass

OWN = {"solver": "schur"}


@pytest.mark.parametrize("estimator_class", [ARMClassifier, ARMRegressor, ARMClassifierCV])
def test_passes_every_check_of_scikit_learn(estimator_class):
    assert_all_checks_pass(estimator_class())


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["squared_hinge", "log_loss"])
def test_passes_every_check_of_scikit_learn_with_other_losses(loss):
    assert_all_checks_pass(ARMClassifier(loss=loss))


def test_every_form_of_input_gives_the_same_bits(make_rows):
    X, y = make_rows()
    flat = np.hstack([X["face"], X["finger"]])
    frame = pd.DataFrame(
        flat,
        columns=pd.MultiIndex.from_tuples(
            [("face", f"f{i}") for i in range(6)] + [("finger", f"g{i}") for i in range(5)]
        ),
    )
    blocks = {"face": slice(0, 6), "finger": slice(6, 11)}
    arm = ARMClassifier(weak="face", **OWN)
    reference = arm.fit(X, y).decision_function(X)
    for form in (dict(X.items()), frame):
        assert np.array_equal(clone(arm).fit(form, y).decision_function(form), reference)
    by_columns = ARMClassifier(weak="face", modalities=blocks, **OWN).fit(flat, y)
    assert np.array_equal(by_columns.decision_function(flat), reference)
    reversed_order = {"finger": X["finger"], "face": X["face"]}
    assert np.array_equal(clone(arm).fit(reversed_order, y).decision_function(X), reference)


def test_auto_takes_the_modality_that_scores_lower_alone_as_weak(make_rows):
    X, y = make_rows(n=300)
    arm = ARMClassifier(**OWN).fit(X, y)
    assert (arm.weak_modalities_, arm.strong_modalities_) == (["face"], ["finger"])
    renamed = Modalities(zeta=X["face"], alpha=X["finger"])
    assert ARMClassifier(**OWN).fit(renamed, y).weak_modalities_ == ["zeta"]
    regression = ARMRegressor(**OWN).fit(X, X["finger"] @ np.ones(5))
    assert regression.weak_modalities_ == ["face"]


def test_naming_the_strong_side_leaves_the_rest_to_the_weak_one(make_rows):
    X, y = make_rows()
    three = Modalities(a=X["face"][:, :2], b=X["face"][:, 2:], c=X["finger"])
    arm = ARMClassifier(strong="c", **OWN).fit(three, y)
    assert (arm.weak_modalities_, arm.strong_modalities_) == (["a", "b"], ["c"])
    arm = ARMClassifier(weak=["a"], strong=["c"], **OWN).fit(three, y)
    assert (arm.weak_modalities_, arm.strong_modalities_) == (["a"], ["c"])
    assert arm.coef_.shape == (3, 2 + 5)


def test_flat_table_is_the_strong_side_alone(make_rows):
    X, y = make_rows()
    arm = ARMClassifier(cv="never used").set_params(cv=5).fit(X["finger"], y)
    assert (arm.weak_modalities_, arm.strong_modalities_) == ([], ["X"])
    assert arm.coef_weak_.shape == (3, 0)
    assert np.array_equal(arm.transform(X["finger"]), X["finger"])
    assert arm.acquisition_cost(X["finger"]).mean == 10.0


def test_prediction_modes_are_what_their_names_say(make_rows):
    X, y = make_rows()
    arm = ARMClassifier(weak="face", **OWN).fit(X, y)
    scores = {
        mode: clone_fitted(arm, mode).decision_function(X)
        for mode in ("weak", "strong", "sum", "auto")
    }
    by_hand = X["face"] @ arm.coef_weak_.T + arm.intercept_weak_
    np.testing.assert_allclose(scores["weak"], by_hand)
    np.testing.assert_allclose(scores["sum"], 0.5 * (scores["weak"] + scores["strong"]))
    assert np.array_equal(scores["auto"], scores["sum"])


def clone_fitted(arm, mode):
    return pickle.loads(pickle.dumps(arm)).set_params(predict_with=mode)


def test_auto_uses_what_each_row_has(make_rows):
    X, y = make_rows()
    face, finger = X["face"].copy(), X["finger"].copy()
    face[:10], finger[10:20] = np.nan, np.nan
    part = Modalities(face=face, finger=finger)
    arm = ARMClassifier(weak="face", missing="mask", **OWN).fit(part, y)
    mixed = arm.decision_function(part)
    strong = arm.set_params(predict_with="strong").decision_function(X)
    weak = arm.set_params(predict_with="weak").decision_function(X)
    assert np.array_equal(mixed[:10], strong[:10])
    assert np.array_equal(mixed[10:20], weak[10:20])
    np.testing.assert_allclose(mixed[20:], 0.5 * (weak + strong)[20:])
    cost = arm.acquisition_cost(part, "auto")
    assert cost.total == 10 * 10 + 10 * 1 + (len(y) - 20) * 11
    with pytest.raises(MissingModalityError, match="weak side in 10 row"):
        arm.predict(part)
    with pytest.raises(MissingModalityError, match="every modality is missing"):
        arm.set_params(predict_with="auto").predict({"face": face[:5], "finger": face[:5, :5]})


def test_log_loss_needs_no_temperature_and_none_saves_it(make_rows):
    X, y = make_rows()
    log = ARMClassifier(weak="face", loss="log_loss", solver="fista").fit(X, y)
    chance = log.predict_proba(X)
    assert log.temperatures_ == {}
    np.testing.assert_array_equal(chance, softmax(log.decision_function(X), axis=1))
    np.testing.assert_allclose(np.log(chance), log.predict_log_proba(X))
    assert np.array_equal(log.classes_[chance.argmax(axis=1)], log.predict(X))
    squared = ARMClassifier(weak="face", temperature=None, **OWN).fit(X, y)
    assert not hasattr(squared, "predict_proba")
    with pytest.raises(AttributeError) as error:
        squared.predict_proba(X)
    assert "`temperature`='cv'" in str(error.value.__cause__)
    calibrated = CalibratedClassifierCV(squared, cv=3).fit(X, y)
    assert calibrated.predict_proba(X).shape == (len(y), 3)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_serial_mode_defers_unclear_rows_and_pays_only_for_them(make_rows, n_classes):
    X, y = make_rows(n=300, n_classes=n_classes)
    options = {"weak": "face", "predict_with": "serial", **OWN}
    arm = ARMClassifier(kappa=0.01, **options).fit(X, y)
    weak = X["face"] @ arm.coef_weak_.T + arm.intercept_weak_
    deferred = arm.deferral_.defers(weak)
    cost = arm.acquisition_cost(X)
    assert 0 < deferred.mean() < 1
    assert cost.deferred == deferred.mean()
    assert cost.mean == pytest.approx(1 + 10 * deferred.mean())
    # decided rows need no strong side; deferred ones do
    finger = X["finger"].copy()
    finger[~deferred] = np.nan
    partly = Modalities(face=X["face"], finger=finger)
    assert np.array_equal(arm.predict(partly), arm.predict(X))
    with pytest.raises(MissingModalityError, match="deferred rows"):
        arm.predict({"face": X["face"]})
    free = ARMClassifier(kappa=0.0, **options).fit(X, y)
    dear = ARMClassifier(kappa=10.0, **options).fit(X, y)
    assert free.acquisition_cost(X).mean >= cost.mean
    assert dear.acquisition_cost(X).deferred == 0
    assert np.array_equal(dear.predict(X), clone_fitted(dear, "weak").predict(X))


def test_serial_mode_must_be_tuned_in_fit(make_rows):
    X, y = make_rows()
    arm = ARMClassifier(weak="face", **OWN).fit(X, y).set_params(predict_with="serial")
    with pytest.raises(ValueError, match="fit with `predict_with`='serial'"):
        arm.predict(X)


def test_cost_scorer_sets_error_against_cost(make_rows):
    X, y = make_rows(n=300)
    search = GridSearchCV(
        ARMClassifier(weak="face", **OWN),
        {"predict_with": ["weak", "strong", "sum", "serial"]},
        scoring=cost_scorer(kappa=0.01),
        cv=3,
    ).fit(X, y)
    best = search.best_estimator_
    error = 1 - best.score(X, y)
    assert cost_scorer(0.5)(best, X, y) == pytest.approx(
        -(error + 0.5 * best.acquisition_cost(X).mean)
    )
    with pytest.raises(ValueError, match="`kappa`"):
        cost_scorer(-1)


def test_grid_search_over_coupling(make_rows):
    X, y = make_rows()
    search = GridSearchCV(
        ARMClassifier(weak="face", **OWN), {"coupling": [0.0, 0.1, 1.0], "alpha": [0.3, 1.0]}, cv=3
    ).fit(X, y)
    assert search.best_score_ > 0.8
    assert search.cv_results_["mean_test_score"].shape == (6,)


def test_in_a_pipeline_after_a_modality_transformer(make_rows):
    X, y = make_rows()
    pipeline = make_pipeline(
        ModalityTransformer({"face": StandardScaler(), "finger": StandardScaler()}),
        ARMClassifier(weak="face", **OWN),
    )
    assert cross_val_score(pipeline, X, y, cv=3).mean() > 0.8
    search = GridSearchCV(pipeline, {"armclassifier__coupling": [0.0, 1.0]}, cv=3).fit(X, y)
    assert search.best_score_ > 0.8


def test_labels_of_any_kind_and_pickling(make_rows):
    X, y = make_rows()
    named = np.array(["ann", "bob", "cay"])[y]
    arm = ARMClassifier(weak="face", **OWN).fit(X, named)
    assert set(arm.predict(X)) <= {"ann", "bob", "cay"}
    again = pickle.loads(pickle.dumps(arm))
    assert np.array_equal(again.decision_function(X), arm.decision_function(X))
    unlabelled = np.where(np.arange(len(y)) % 2, named, "?")
    semi = ARMClassifier(weak="face", unlabeled_label="?", **OWN).fit(X, unlabelled)
    assert semi.classes_.tolist() == ["ann", "bob", "cay"]
    assert semi.n_labeled_ == np.sum(unlabelled != "?")


def test_weights_and_groups_are_routed(make_rows):
    X, y = make_rows()
    weights = np.random.default_rng(0).integers(1, 4, len(y)).astype(float)
    groups = np.arange(len(y)) % 5
    with sklearn.config_context(enable_metadata_routing=True):
        arm = ARMClassifierCV(weak="face", cv=GroupKFold(3), couplings=[0, 0.1], **OWN)
        arm.set_fit_request(sample_weight=True, groups=True)
        pipeline = make_pipeline("passthrough", arm)
        pipeline.fit(X, y, sample_weight=weights, groups=groups)
    direct = clone(arm).fit(X, y, sample_weight=weights, groups=groups)
    np.testing.assert_array_equal(pipeline[-1].coef_, direct.coef_)


def test_groups_count_in_the_choice_with_an_integer_cv(make_rows):
    X, y = make_rows()
    groups = np.arange(len(y)) % 5
    settings = dict(weak="face", couplings=[0, 0.1], **OWN)
    apart = ARMClassifierCV(cv=5, **settings).fit(X, y, groups=groups)
    named = ARMClassifierCV(cv=StratifiedGroupKFold(5), **settings).fit(X, y, groups=groups)
    mixed = ARMClassifierCV(cv=5, **settings).fit(X, y)
    for name in ("split0_test_score", "split1_test_score", "mean_test_score"):
        np.testing.assert_array_equal(apart.cv_results_[name], named.cv_results_[name])
    assert (apart.cv_results_["split0_test_score"] != mixed.cv_results_["split0_test_score"]).any()


def test_allows_nan_only_when_told_to_mask():
    assert not ARMClassifier().__sklearn_tags__().input_tags.allow_nan
    assert ARMClassifier(missing="mask").__sklearn_tags__().input_tags.allow_nan


def test_verbose_says_what_was_learnt(make_rows, capsys):
    X, y = make_rows()
    ARMClassifier(weak="face", verbose=1, **OWN).fit(X, y)
    said, bar = capsys.readouterr()
    assert "relative gap" in bar
    assert "check" in bar
    assert "relative gap" in said
    assert "of 6 weak columns kept" in said
    ARMClassifierCV(weak="face", cv=3, couplings=[0, 0.1], verbose=1, **OWN).fit(X, y)
    out, err = capsys.readouterr()
    assert "3/3" in err
    assert "ARMClassifierCV: score " in out
    assert "out of fold with alpha=" in out
