"""`fusion_weights="fit"`: weights of a network's outputs, fitted on rows held out."""

import itertools
import pickle

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from sklearn.base import clone
from sklearn.metrics import log_loss
from skorch.callbacks import Callback

from sk_mmbalance import (
    DataRemixingClassifier,
    Modalities,
    MultimodalClassifier,
    NegativeLearningClassifier,
    SustainedBoostingClassifier,
)
from sk_mmbalance.convex import fit_opinion_pool
from sk_mmbalance.exceptions import RowOrderWarning
from sk_mmbalance.neural._fitted_fusion import FUSED, FittedFusion, fit_fusion

SMALL = {
    "max_epochs": 10,
    "lr": 0.01,
    "hidden_layer_sizes": (16,),
    "embedding_dim": 8,
    "random_state": 0,
}
LATE = {"fusion": "late", "unimodal_weight": 1.0, "fusion_weights": "fit"}
WITH_OWN_LOGITS = [
    MultimodalClassifier(**LATE, **SMALL),
    MultimodalClassifier(unimodal_weight=0.5, fusion_weights="fit", **SMALL),
    NegativeLearningClassifier(fusion_weights="fit", **SMALL),
    SustainedBoostingClassifier(fusion_weights="fit", head_width=16, **SMALL),
    DataRemixingClassifier(fusion_weights="fit", **SMALL),
]
every_kind = pytest.mark.parametrize(
    "model", WITH_OWN_LOGITS, ids=lambda m: f"{type(m).__name__}-{getattr(m, 'fusion', '')}"
)


def rows(n=240, noise=0.6, seed=0):
    """Two modalities that tell three classes, and one that tells nothing."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    centres = 2.0 * np.eye(3)
    X = Modalities(
        face=centres[y] + rng.normal(0, noise, (n, 3)),
        noise=rng.normal(0, 1, (n, 4)),
        voice=centres[y] + rng.normal(0, 2 * noise, (n, 3)),
    )
    return X, y


@every_kind
def test_a_modality_that_tells_nothing_gets_next_to_no_weight(model):
    X, y = rows()
    fitted = clone(model).set_params(early_stopping=True, validation_fraction=0.4).fit(X, y)
    weights = fitted.fusion_weights_.iloc[0]
    assert weights["noise"] < 0.1 * weights.sum()
    assert fitted.temperatures_["noise"] > fitted.temperatures_["face"]
    new, truth = rows(seed=1)
    assert fitted.score(new, truth) > 0.9


def test_weights_are_the_convex_solution_on_the_held_out_rows():
    X, y = rows()
    model = MultimodalClassifier(**LATE, **SMALL, early_stopping=False)
    folds = [(np.arange(120, 240), np.arange(120)), (np.arange(120), np.arange(120, 240))]
    fitted = clone(model).set_params(cv=folds).fit(X, y)
    logs, truth = [], []
    for train, test in folds:
        part = clone(model).set_params(fusion_weights=None).fit(X[train], y[train])
        # a fold's network starts from the seed that the whole one starts from
        own = part.unimodal_predict_proba(X[test])
        logs.append(np.stack([np.log(own[name]) for name in X.names], axis=1))
        truth.append(y[test])
    expected = fit_opinion_pool(
        np.concatenate(logs), np.concatenate(truth), alpha=3.0 / len(y)
    ).weights
    np.testing.assert_allclose(fitted.fusion_weights_.iloc[0], expected, rtol=1e-4, atol=1e-6)


def test_prediction_is_the_pool_of_the_modalities_and_normalised():
    X, y = rows()
    model = MultimodalClassifier(**LATE, **SMALL).fit(X, y)
    own, weights = model.unimodal_predict_proba(X), model.fusion_weights_.iloc[0]
    scores = sum(weights[name] * np.log(own[name]) for name in X.names)
    expected = np.exp(scores - scores.max(axis=1, keepdims=True))
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(X), expected, atol=1e-9)
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), expected, atol=1e-9)
    np.testing.assert_array_equal(model.predict(X), expected.argmax(axis=1))


def test_an_overfitted_modality_is_turned_down():
    rng = np.random.default_rng(0)
    n = 120
    y = rng.integers(0, 2, n)
    X = Modalities(good=y[:, None] + rng.normal(0, 0.4, (n, 2)), wide=rng.normal(size=(n, 300)))
    new_y = rng.integers(0, 2, 400)
    new = Modalities(
        good=new_y[:, None] + rng.normal(0, 0.4, (400, 2)), wide=rng.normal(size=(400, 300))
    )
    params = {**SMALL, "max_epochs": 40, "early_stopping": False}
    plain = MultimodalClassifier(fusion="late", unimodal_weight=1.0, **params).fit(X, y)
    fitted = MultimodalClassifier(**LATE, **params).fit(X, y)
    assert fitted.score(new, new_y) > plain.score(new, new_y) + 0.05
    assert log_loss(new_y, fitted.predict_proba(new)) < log_loss(new_y, plain.predict_proba(new))


@every_kind
def test_names_and_order_of_modalities_change_nothing(model):
    X, y = rows()
    renamed = Modalities({"a_voice": X["voice"], "b_noise": X["noise"], "c_face": X["face"]})
    first = clone(model).fit(Modalities({n: X[n] for n in reversed(X.names)}), y)
    same = clone(model).fit(X, y)
    np.testing.assert_array_equal(first.predict_proba(X), same.predict_proba(X))
    assert list(clone(model).fit(renamed, y).fusion_weights_)[:3] == list(renamed.names)


@every_kind
def test_every_set_of_modalities_has_weights_of_its_own(model):
    X, y = rows()
    fitted = clone(model).set_params(missing="mask").fit(X, y)
    table = fitted.fusion_weights_
    assert len(table) == 7
    for pattern, weights in table.iterrows():
        had = pattern.split(" + ")
        assert (weights[[n for n in X.names if n not in had]] == 0).all()
        assert weights.sum() > 0 or pattern == "noise"
    without = Modalities({"voice": X["voice"]})
    expected = fitted.unimodal_predict_proba(X)["voice"].argmax(axis=1)
    if FUSED not in table:  # the only expert left: its order of classes, at its temperature
        np.testing.assert_array_equal(fitted.predict(without), fitted.classes_[expected])
    assert fitted.score(without, y) > 0.6


def test_patterns_with_too_few_rows_are_renormalised():
    default = np.array([2.0, 0.0, 1.0])
    own = np.array([1.0, 0.0, np.nan])
    fusion = FittedFusion(("a", "b", "c"), False, {(True, True, True): default}, default, own)
    np.testing.assert_allclose(fusion.of((True, True, False)), [3.0, 0.0, 0.0])
    np.testing.assert_allclose(fusion.of((False, True, False)), [0.0, 1.0, 0.0])
    np.testing.assert_allclose(fusion.of((False, True, True)), [0.0, 0.0, 3.0])
    for pattern in itertools.product((True, False), repeat=3):
        if pattern[0] or pattern[2]:
            assert fusion.of(pattern).sum() == pytest.approx(3.0)
    temperatures = fusion.temperatures()
    assert (temperatures["a"], temperatures["b"]) == (1.0, np.inf)
    assert np.isnan(temperatures["c"])


def test_rows_lacking_modalities_in_training_count_where_they_can():
    X, y = rows()
    arrays = {name: X[name].copy() for name in X.names}
    arrays["face"][::2] = np.nan
    arrays["voice"][1::2] = np.nan  # no row has both
    model = MultimodalClassifier(**LATE, missing="mask", **SMALL).fit(Modalities(arrays), y)
    assert "face + noise + voice" not in model.fusion_weights_.index
    assert {"face", "voice", "noise", "face + noise"} <= set(model.fusion_weights_.index)
    assert model.score(X, y) > 0.9  # rows that have everything are predicted all the same


def test_groups_are_never_split_between_a_fold_and_the_network_it_judges():
    X, y = rows(n=120)
    groups = np.arange(120) // 20
    seen = []

    class Watching(MultimodalClassifier):
        def _prepare(self, given, train, valid, *args, **kwargs):
            seen.append(given.checked.flat("face"))
            return super()._prepare(given, train, valid, *args, **kwargs)

    Watching(**LATE, **SMALL, cv=3).fit(X, y, groups=groups)
    assert len(seen) == 4  # all rows, and three folds
    for part in seen[1:]:
        inside = (X["face"][:, None, 0] == part[None, :, 0]).any(axis=1)
        assert all(inside[groups == g].all() or not inside[groups == g].any() for g in range(6))


def test_doubled_rows_equal_double_weights():
    X, y = rows(n=90)
    rng = np.random.default_rng(0)
    weight = rng.integers(1, 3, len(y)).astype(float)
    twice = np.repeat(np.arange(len(y)), weight.astype(int))
    folds = [np.arange(len(y)) % 3 == k for k in range(3)]
    cv = [(np.flatnonzero(~f), np.flatnonzero(f)) for f in folds]
    cv_twice = [(np.flatnonzero(~f[twice]), np.flatnonzero(f[twice])) for f in folds]
    # whole batches, so that repeated rows cannot be shuffled apart
    params = {**LATE, **SMALL, "batch_size": 500}
    weighted = MultimodalClassifier(cv=cv, **params).fit(X, y, sample_weight=weight)
    repeated = MultimodalClassifier(cv=cv_twice, **params).fit(X[twice], y[twice])
    np.testing.assert_allclose(
        weighted.fusion_weights_, repeated.fusion_weights_, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("missing", ["error", "mask"])
def test_rows_that_are_held_out_twice_count_half_each_time(monkeypatch, missing):
    X, y = rows(n=90)
    found = []

    def spy(held_out, *args, **kwargs):
        found.append(fit_fusion(held_out, *args))
        found.append(fit_fusion([*held_out, *held_out], *args, n_times=2))
        return found[0]

    monkeypatch.setattr("sk_mmbalance.neural._estimator.fit_fusion", spy)
    model = MultimodalClassifier(cv=3, unimodal_weight=0.5, fusion_weights="fit", **SMALL)
    model.set_params(missing=missing).fit(X, y)
    once, twice = found
    np.testing.assert_allclose(twice.table(), once.table(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(twice.own, once.own, rtol=1e-4)


def test_how_folds_were_cut_is_kept(tmp_path):
    block = np.repeat(np.arange(30), 10)
    rng = np.random.default_rng(0)
    table = rng.normal(size=(30, 6))[block] + 0.05 * rng.normal(size=(300, 6))
    X, y = Modalities(a=table[:, :3], b=table[:, 3:]), (np.arange(30) % 2)[block]
    model = MultimodalClassifier(cv=2, **LATE, **SMALL)
    with pytest.warns(RowOrderWarning):
        told = model.fit(X, y).row_order_
    assert told["folds"] == "both"
    model.save_weights(tmp_path / "w.safetensors")
    loaded = clone(model).load_weights(tmp_path / "w.safetensors")
    assert loaded.row_order_ == told
    assert model.partial_fit(X, y).row_order_ == told
    assert model.set_params(fusion_weights=None).fit(X, y).row_order_ == {}


@every_kind
def test_pickles_and_files_of_weights_keep_the_fusion(model, tmp_path):
    X, y = rows(n=120)
    fitted = clone(model).set_params(missing="mask").fit(X, y)
    expected = fitted.predict_proba(X)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict_proba(X), expected)
    fitted.save_weights(tmp_path / "w.safetensors")
    loaded = clone(model).set_params(missing="mask").load_weights(tmp_path / "w.safetensors")
    np.testing.assert_array_equal(loaded.predict_proba(X), expected)
    assert loaded.fusion_weights_.equals(fitted.fusion_weights_)


def test_partial_fit_leaves_fitted_weights_as_they_are():
    X, y = rows(n=120)
    model = MultimodalClassifier(**LATE, **SMALL).fit(X, y)
    before = model.fusion_weights_
    assert model.partial_fit(X, y).fusion_weights_.equals(before)
    fresh = MultimodalClassifier(**LATE, **SMALL).partial_fit(X, y, classes=[0, 1, 2])
    assert fresh.fusion_weights_ is None


def test_one_modality_is_not_cross_validated():
    X, y = rows(n=90)
    only = X.select(["face"])
    plain = MultimodalClassifier(fusion="late", unimodal_weight=1.0, **SMALL).fit(only, y)
    fitted = MultimodalClassifier(**LATE, **SMALL).fit(only, y)
    np.testing.assert_array_equal(fitted.predict_proba(only), plain.predict_proba(only))


def test_the_last_stage_of_boosting_is_its_prediction():
    X, y = rows()
    model = SustainedBoostingClassifier(
        fusion_weights="fit", head_width=16, n_heads_init=2, **SMALL
    ).fit(X, y)
    *_, last = model.staged_predict_proba(X)
    np.testing.assert_allclose(last, model.predict_proba(X), atol=1e-12)


def test_margins_are_those_of_the_fitted_fusion():
    X, y = rows()
    model = NegativeLearningClassifier(fusion_weights="fit", **SMALL).fit(X, y)
    found = model.robustness_margin(X, y)
    right = model.predict(X) == y
    np.testing.assert_array_equal(found.fused_margin > 0, right)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"fusion_weights": "fit", "unimodal_weight": 0}, "needs classifiers of single modalities"),
        ({"fusion_weights": {"face": 1.0}, "fusion": "late"}, "must name every modality"),
        ({"fusion_weights": dict.fromkeys(["face", "noise", "voice"], 1.0)}, "fusion='late'"),
        ({"fusion_weights": "equal"}, "'fusion_weights' parameter"),
        (
            {"fusion_weights": {"face": 1.0, "noise": 0.0, "voice": 1.0}, "fusion": "late"},
            "positive and finite",
        ),
    ],
)
def test_what_cannot_be_weighed_is_refused(params, message):
    X, y = rows(n=60)
    model = MultimodalClassifier(**SMALL, **params)
    with pytest.raises(ValueError, match=message):
        model.fit(X, y)
    assert not hasattr(model, "classes_")


# -- "auto", the default -------------------------------------------------------------------------


@every_kind
def test_auto_fits_where_rows_are_held_out_and_there_is_a_fused_classifier(model):
    X, y = rows()
    held_out = clone(model).set_params(early_stopping=True)
    auto = clone(held_out).set_params(fusion_weights="auto").fit(X, y)
    if auto.net_.module_.heads is None:
        assert auto.fusion_weights_ is None
        as_is = clone(held_out).set_params(fusion_weights=None).fit(X, y)
        np.testing.assert_array_equal(auto.predict_proba(X), as_is.predict_proba(X))
    else:
        assert FUSED in auto.fusion_weights_
        fitted = held_out.fit(X, y)
        np.testing.assert_array_equal(auto.predict_proba(X), fitted.predict_proba(X))


@pytest.mark.parametrize("early_stopping", [True, False])
def test_auto_trains_no_further_network(early_stopping):
    X, y = rows()
    trained = []

    class Watching(MultimodalClassifier):
        def _prepare(self, *args, **kwargs):
            trained.append(self)
            return super()._prepare(*args, **kwargs)

    auto = Watching(early_stopping=early_stopping, cv=3, **SMALL).fit(X, y)
    assert len(trained) == 1
    assert (auto.fusion_weights_ is None) == (not early_stopping)
    Watching(early_stopping=early_stopping, cv=3, fusion_weights="fit", **SMALL).fit(X, y)
    assert len(trained) == 5


def test_networks_of_folds_have_the_batches_of_the_whole_one():
    X, y = rows(n=5200)
    sizes = []

    class Watching(MultimodalClassifier):
        def _prepare(self, *args, **kwargs):
            training = super()._prepare(*args, **kwargs)
            sizes.append(training.net.batch_size)
            return training

    params = {**SMALL, "max_epochs": 1, "early_stopping": False}
    Watching(fusion_weights="fit", cv=2, **params).fit(X, y)
    assert sizes == [256] * 3


def test_one_modality_has_no_weights_to_fit():
    X, y = rows()
    only = X.select(["face"])
    auto = MultimodalClassifier(early_stopping=True, **SMALL).fit(only, y)
    plain = MultimodalClassifier(early_stopping=True, fusion_weights=None, **SMALL).fit(only, y)
    assert auto.fusion_weights_ is None
    np.testing.assert_array_equal(auto.predict_proba(only), plain.predict_proba(only))


def test_weights_that_auto_fitted_are_in_the_file(tmp_path):
    X, y = rows()
    auto = MultimodalClassifier(early_stopping=True, **SMALL).fit(X, y)
    auto.save_weights(tmp_path / "net.safetensors")
    loaded = MultimodalClassifier(early_stopping=True, **SMALL)
    loaded.load_weights(tmp_path / "net.safetensors")
    np.testing.assert_array_equal(loaded.predict_proba(X), auto.predict_proba(X))
    assert loaded.temperatures_ == auto.temperatures_


def test_ctrl_c_fits_weights_where_that_needs_no_training():
    X, y = rows()

    class PressesCtrlC(Callback):
        def on_epoch_begin(self, net, **kwargs):
            if len(net.history) == 4:
                raise KeyboardInterrupt

    stopped = MultimodalClassifier(early_stopping=True, callbacks=[PressesCtrlC()], **SMALL)
    with pytest.raises(KeyboardInterrupt):
        stopped.fit(X, y)
    three = {**SMALL, "max_epochs": 3}
    whole = MultimodalClassifier(early_stopping=True, **three).fit(X, y)
    np.testing.assert_array_equal(stopped.predict_proba(X), whole.predict_proba(X))
    folds = MultimodalClassifier(
        early_stopping=True, fusion_weights="fit", cv=2, callbacks=[PressesCtrlC()], **SMALL
    )
    with pytest.raises(KeyboardInterrupt):
        folds.fit(X, y)
    assert folds.fusion_weights_ is None


def test_warm_start_fits_weights_again_and_keeps_them_where_no_rows_are_held_out():
    X, y = rows()
    model = MultimodalClassifier(early_stopping=True, warm_start=True, **SMALL).fit(X, y)
    first = model.fusion_weights_
    second = model.fit(X, y).fusion_weights_
    assert not second.equals(first)
    assert model.set_params(early_stopping=False).fit(X, y).fusion_weights_.equals(second)
    assert model.set_params(fusion_weights=None).fit(X, y).fusion_weights_ is None


@every_kind
def test_masks_change_nothing_where_every_row_is_complete(model):
    X, y = rows()
    plain = clone(model).set_params(fusion_weights=None).fit(X, y)
    masked = clone(plain).set_params(missing="mask").fit(X, y)
    np.testing.assert_array_equal(masked.predict_proba(X), plain.predict_proba(X))


@every_kind
def test_temperature_is_that_of_the_modality_by_itself(model):
    X, y = rows()
    folds = [(np.arange(120), np.arange(120, 240))]
    fitted = clone(model).set_params(cv=folds, fusion_weights="fit").fit(X, y)
    part = clone(model).set_params(fusion_weights=None).fit(X[:120], y[:120])
    own = part.unimodal_predict_proba(X[120:])

    def objective(weight, proba):
        return log_loss(y[120:], softmax(weight * np.log(proba), axis=1)) + 3 / 120 * weight

    for name in X.names:
        found = minimize_scalar(objective, bounds=(1e-9, 20), args=(own[name],), method="bounded")
        assert 1 / fitted.temperatures_[name] == pytest.approx(found.x, abs=2e-3)


def test_auto_is_the_default_and_does_without_classifiers_of_single_modalities():
    X, y = rows()
    plain = MultimodalClassifier(unimodal_weight=0, early_stopping=True, **SMALL).fit(X, y)
    assert plain.fusion_weights == "auto"
    assert plain.fusion_weights_ is None


def test_partial_fit_leaves_weights_that_auto_fitted():
    X, y = rows()
    model = MultimodalClassifier(early_stopping=True, **SMALL).fit(X, y)
    before = model.fusion_weights_
    model.partial_fit(X, y)
    assert before is not None
    assert model.fusion_weights_.equals(before)


def test_given_weights_are_those_of_the_late_fusion():
    X, y = rows(n=90)
    weights = {"face": 3.0, "noise": 0.5, "voice": 1.0}
    model = MultimodalClassifier(fusion="late", fusion_weights=weights, **SMALL).fit(X, y)
    own = model.unimodal_predict_proba(X)
    scores = sum(w * np.log(own[name]) for name, w in weights.items()) / sum(weights.values())
    expected = torch.softmax(torch.from_numpy(scores), dim=1).numpy()
    np.testing.assert_allclose(model.predict_proba(X), expected, atol=1e-9)


def test_rows_of_no_weight_change_nothing():
    X, y = rows(n=120)
    kept = np.arange(120) % 4 > 0
    model = MultimodalClassifier(**LATE, **SMALL)
    weighted = clone(model).fit(X, y, sample_weight=kept.astype(float))
    without = clone(model).fit(X[kept], y[kept])
    np.testing.assert_allclose(weighted.fusion_weights_, without.fusion_weights_, atol=1e-9)
    folds = [(np.arange(60), np.arange(60, 120)), (np.arange(60, 120), np.arange(60))]
    model.set_params(cv=folds).fit(X, y, sample_weight=kept.astype(float))  # numbers of all rows
    assert len(model.fusion_weights_) == 4


def test_of_many_modalities_each_has_the_weights_of_rows_that_have_it_alone(tmp_path):
    rng = np.random.default_rng(0)
    y = np.arange(48) % 2
    names = [f"m{k:02d}" for k in range(16)]
    X = Modalities({name: y[:, None] + rng.normal(0, 2, (48, 1)) for name in names})
    params = {**SMALL, "max_epochs": 2, "missing": "mask", "early_stopping": False}
    model = MultimodalClassifier(unimodal_weight=0.5, fusion_weights="fit", **params)
    folds = [(np.arange(24, 48), np.arange(24)), (np.arange(24), np.arange(24, 48))]
    fitted = clone(model).set_params(cv=folds).fit(X, y)
    parts = [clone(model).set_params(fusion_weights=None).fit(X[f[0]], y[f[0]]) for f in folds]
    for name in names[:3]:
        alone = {m: X[m] if m == name else np.full((48, 1), np.nan) for m in names}
        logs, truth = [], []
        for part, (_, test) in zip(parts, folds, strict=True):
            rows = {m: value[test] for m, value in alone.items()}
            both = [part.unimodal_predict_proba(X[test])[name], part.predict_proba(rows)]
            logs.append(np.log(np.stack(both, axis=1)))
            truth.append(y[test])
        expected = fit_opinion_pool(np.concatenate(logs), np.concatenate(truth), alpha=3 / 48)
        found = fitted.fusion_weights_.loc[name]
        np.testing.assert_allclose(found[[name, FUSED]], expected.weights, rtol=1e-3, atol=1e-4)
    with pytest.raises(ValueError, match="fusion weights of at most 12 modalities; got 16"):
        fitted.export(tmp_path / "p")
