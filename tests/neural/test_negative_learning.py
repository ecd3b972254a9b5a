"""`NegativeLearningClassifier`: its controls, its schedule, its diagnostics, its bound."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from sk_mmbalance import (
    DataRemixingClassifier,
    Modalities,
    ModalityTransformer,
    MultimodalClassifier,
    NegativeLearningClassifier,
)

from .._checks import assert_all_checks_pass
from .conftest import blobs, with_missing

FAST = {"max_epochs": 3, "batch_size": 16, "early_stopping": False, "random_state": 0}
CONTROL = MultimodalClassifier(fusion="late", unimodal_weight=1.0, **FAST)


def same_weights(a, b):
    first, second = a.net_.module_.state_dict(), b.net_.module_.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def test_all_checks_of_scikit_learn_pass():
    assert_all_checks_pass(NegativeLearningClassifier())


def test_zero_weights_equal_late_fusion_with_unimodal_losses():
    X, y = blobs(seed=1)
    ours = NegativeLearningClassifier(negative_weight=0, target_boost=0, **FAST).fit(X, y)
    control = clone(CONTROL).fit(X, y)
    assert same_weights(ours, control)
    np.testing.assert_array_equal(ours.predict_proba(X), control.predict_proba(X))


def test_warmup_epochs_equal_late_fusion_with_unimodal_losses():
    X, y = blobs(seed=1)
    ours = NegativeLearningClassifier(warmup_epochs=3, **FAST).fit(X, y)
    assert same_weights(ours, clone(CONTROL).fit(X, y))
    shares = ours.set_params(max_epochs=4).fit(X, y).history_["face__guided_by_voice"]
    assert (shares[:3] == 0).all()
    assert shares[3] > 0


@pytest.mark.parametrize("reduction", ["mean", "code"])
def test_loss_is_the_closed_form_of_the_published_reduction(reduction):
    """``L_base + 1/(B C) sum_guided {-log q_y + lambda NL}``, element by element."""
    X, y = blobs(n=40, n_classes=4)
    clf = NegativeLearningClassifier(reduction=reduction, negative_weight=0.7, **FAST).fit(X, y)
    net = clf.net_
    _, rows = clf._rows_for_prediction(X)
    output = net.infer(rows[:][0])
    codes = torch.from_numpy(y)
    logits = torch.stack([output.unimodal[name] for name in ("face", "voice")], dim=1).detach()
    fused = output.logits.detach()
    base = F.cross_entropy(fused, codes) + sum(F.cross_entropy(logits[:, m], codes) for m in (0, 1))
    extra = 0.0
    log_p = torch.log_softmax(logits, dim=2)
    for i, c in enumerate(y):
        j = fused[i].masked_fill(torch.arange(4) == c, -1e9).argmax()
        xi = logits[i, :, c] - logits[i, :, j]
        for m, k in ((0, 1), (1, 0)):
            if xi[m] > xi[k] and log_p[i, m, c] > log_p[i, k, c]:
                negative = -(log_p[i, m].exp() * log_p[i, k])[torch.arange(4) != c].sum()
                extra += float(-log_p[i, k, c] + 0.7 * negative)
    assert extra > 0
    scale = {"mean": 40, "code": 160}[reduction]
    loss = net.get_loss(output, codes, X={}, training=True)
    np.testing.assert_allclose(loss.item(), base.item() + extra / scale, rtol=1e-10)
    held_out = net.get_loss(output, codes, X={}, training=False)
    np.testing.assert_allclose(held_out.item(), F.cross_entropy(fused, codes).item())


def test_code_reduction_is_the_mean_with_weights_divided_by_the_classes():
    X, y = blobs(n_classes=4)
    code = NegativeLearningClassifier(reduction="code", **FAST).fit(X, y)
    mean = NegativeLearningClassifier(
        reduction="mean", negative_weight=0.7 / 4, target_boost=1 / 4, **FAST
    ).fit(X, y)
    np.testing.assert_allclose(code.predict_proba(X), mean.predict_proba(X), atol=1e-10)


def test_one_modality_has_twice_the_ordinary_loss_and_no_guide():
    X, y = blobs(dims={"face": (5,)})
    clf = NegativeLearningClassifier(**FAST).fit(X, y)
    assert same_weights(clf, clone(CONTROL).fit(X, y))
    assert not [column for column in clf.history_ if "guided_by" in column]
    row = clf.history_.iloc[0]
    np.testing.assert_allclose(row["train_loss"], 2 * row["face__train_loss"])


@pytest.mark.parametrize("guide", ["best", "mean"])
@pytest.mark.parametrize("negative", ["cross_entropy", "renormalised"])
def test_guidance_changes_training_and_shows_in_the_history(guide, negative):
    X, y = blobs(dims={"a": (5,), "b": (3,), "c": (2,)}, n_classes=4)
    clf = NegativeLearningClassifier(guide=guide, negative=negative, **FAST).fit(X, y)
    assert not same_weights(clf, clone(CONTROL).fit(X, y))
    pairs = [f"{k}__guided_by_{m}" for m in "abc" for k in "abc" if m != k]
    shares = clf.history_[pairs]
    assert ((shares > 0) & (shares < 1)).all(axis=None)
    assert np.isfinite(clf.history_[[f"{m}__margin" for m in "abc"]]).all(axis=None)
    if guide == "best":  # a row's modality has one guide at most
        for k in "abc":
            own = [f"{k}__guided_by_{m}" for m in "abc" if m != k]
            assert (clf.history_[own].sum(axis=1) <= 1).all()


def test_guides_that_must_be_right_are_fewer():
    X, y = blobs(n_classes=4, spread=0.4)
    pair = ["face__guided_by_voice", "voice__guided_by_face"]
    free = NegativeLearningClassifier(**FAST).fit(X, y).history_[pair].iloc[0].sum()
    strict = (
        NegativeLearningClassifier(require_correct=True, **FAST).fit(X, y).history_[pair].iloc[0]
    )
    assert 0 < strict.sum() < free


def test_guidance_stops_where_remixing_begins():
    X, y = blobs(n_classes=4)
    clf = NegativeLearningClassifier(remix_after=2, **{**FAST, "max_epochs": 5}).fit(X, y)
    history = clf.history_
    assert history["remixed"].tolist() == [False, False, True, False, True]
    pair = history[["face__guided_by_voice", "voice__guided_by_face"]].fillna(0).to_numpy()
    assert (pair[:2] > 0).all()
    assert (pair[2:] == 0).all()
    # from then on it is late fusion with remixing
    start = NegativeLearningClassifier(remix_after=0, **FAST).fit(X, y)
    plain = MultimodalClassifier(fusion="late", unimodal_weight=1.0, remix_after=0, **FAST)
    assert same_weights(start, plain.fit(X, y))


def test_without_remixing_the_first_epochs_are_the_same():
    X, y = blobs()
    plain = NegativeLearningClassifier(**FAST).fit(X, y)
    later = NegativeLearningClassifier(remix_after=3, **FAST).fit(X, y)
    assert same_weights(plain, later)


def test_partial_fit_and_warm_start_do_not_repeat_the_warmup():
    X, y = blobs()
    clf = NegativeLearningClassifier(warmup_epochs=2, **FAST)
    for _ in range(3):
        clf.partial_fit(X, y, classes=np.arange(3))
    guided = clf.history_["face__guided_by_voice"]
    assert (guided[:2] == 0).all()
    assert guided[2] > 0
    warm = clone(clf).set_params(warm_start=True, max_epochs=2).fit(X, y)
    assert (warm.history_["face__guided_by_voice"] == 0).all()
    assert (warm.fit(X, y).history_["face__guided_by_voice"][2:] > 0).all()


def test_warm_start_goes_on_under_the_parameters_of_now():
    X, y = blobs()
    clf = NegativeLearningClassifier(warm_start=True, **{**FAST, "max_epochs": 1}).fit(X, y)
    clf.set_params(negative_weight=0, target_boost=0).fit(X, y)
    guided = clf.history_["face__guided_by_voice"]
    assert guided[0] > 0
    assert guided[1] == 0


def test_weight_zero_equals_leaving_rows_out():
    X, y = blobs()
    rng = np.random.default_rng(0)
    weight = rng.integers(0, 3, len(y)).astype(float)
    kept = weight > 0
    settings = {**FAST, "batch_size": 200}
    with_zeros = NegativeLearningClassifier(**settings).fit(X, y, sample_weight=weight)
    without = NegativeLearningClassifier(**settings).fit(X[kept], y[kept], weight[kept])
    np.testing.assert_allclose(with_zeros.predict_proba(X), without.predict_proba(X), atol=1e-10)


def test_weight_two_equals_a_row_twice():
    X, y = blobs()
    twice = np.concatenate([np.arange(len(y)), np.arange(20)])
    weight = np.r_[np.full(20, 2.0), np.ones(len(y) - 20)]
    settings = {**FAST, "batch_size": 500}
    weighted = NegativeLearningClassifier(**settings).fit(X, y, sample_weight=weight)
    repeated = NegativeLearningClassifier(**settings).fit(X[twice], y[twice])
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), atol=1e-8)


def test_what_stands_in_missing_rows_changes_no_bit():
    X, y = blobs(dims={"a": (5,), "b": (3,), "c": (2,)}, n_classes=4)
    holes, present = with_missing(X)
    clf = NegativeLearningClassifier(missing="mask", **FAST).fit(holes, y)
    wild = {name: X[name].copy() for name in X.names}
    rows = clf._rows_for_prediction(holes)[1]
    for column, name in enumerate(X.names):
        wild[name][~present[:, column]] = 1e30
    other = type(rows)(
        {name: torch.from_numpy(value) for name, value in wild.items()},
        torch.from_numpy(y),
        rows.present,
    )
    here = type(rows)(rows.inputs, torch.from_numpy(y), rows.present)
    losses = []
    for data in (here, other):
        batch, codes = data[:]
        clf.net_.module_.zero_grad()
        loss = clf.net_.get_loss(clf.net_.infer(batch), codes, X=batch, training=True)
        loss.backward()
        losses.append((loss, [p.grad.clone() for p in clf.net_.module_.parameters()]))
    assert torch.equal(losses[0][0], losses[1][0])
    assert all(torch.equal(a, b) for a, b in zip(losses[0][1], losses[1][1], strict=True))


# -- fusion weights and the bound ----------------------------------------------------------


def test_fusion_weights_weigh_the_logits():
    X, y = blobs()
    clf = NegativeLearningClassifier(fusion_weights={"face": 1.0, "voice": 3.0}, **FAST).fit(X, y)
    own = clf.unimodal_predict_proba(X)
    mean = 0.25 * np.log(own["face"]) + 0.75 * np.log(own["voice"])
    expected = np.exp(mean) / np.exp(mean).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(clf.predict_proba(X), expected)
    holes = Modalities(face=X["face"], voice=np.full_like(X["voice"], np.nan))
    clf.set_params(missing="mask")
    np.testing.assert_allclose(clf.predict_proba(holes), own["face"])


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"face": 1.0}, "`fusion_weights` must name every modality"),
        ({"face": 1.0, "voice": 0.0}, "`fusion_weights` must be positive"),
        ({"face": 1.0, "voice": "much"}, "`fusion_weights` must be positive"),
    ],
)
def test_bad_fusion_weights_are_refused_and_nothing_is_fitted(weights, message):
    X, y = blobs()
    clf = NegativeLearningClassifier(fusion_weights=weights, **FAST)
    with pytest.raises(ValueError, match=message):
        clf.fit(X, y)
    assert not hasattr(clf, "net_")


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("negative_weight", -1),
        ("target_boost", -0.1),
        ("reduction", "sum"),
        ("guide", "worst"),
        ("negative", "kl"),
        ("warmup_epochs", -1),
        ("require_correct", "yes"),
        ("remix_after", -1),
    ],
)
def test_bad_parameters_are_named(parameter, value):
    X, y = blobs()
    with pytest.raises(ValueError, match=parameter):
        NegativeLearningClassifier(**{**FAST, parameter: value}).fit(X, y)


def test_margins_add_up_to_the_fused_margin():
    X, y = blobs(n_classes=4)
    names = np.array(["n", "e", "s", "w"])[y]
    weights = {"face": 1.0, "voice": 2.0}
    clf = NegativeLearningClassifier(fusion_weights=weights, **FAST).fit(X, names)
    found = clf.robustness_margin(X, names)
    total = (found.margins["face"] + 2 * found.margins["voice"]) / 3
    np.testing.assert_allclose(found.fused_margin, total)
    assert found.bound is None
    logits = clf.decision_function(X)
    np.testing.assert_array_equal(found.fused_margin > 0, clf.predict(X) == names)
    where = {name: k for k, name in enumerate(clf.classes_)}
    true = np.array([where[name] for name in names])
    logits[np.arange(len(y)), true] = -np.inf
    np.testing.assert_array_equal(found.runner_up, clf.classes_[logits.argmax(axis=1)])


def test_no_disturbance_below_the_bound_changes_a_linear_prediction():
    """With linear networks the Lipschitz constants are known exactly."""
    X, y = blobs(n=60, dims={"a": (4,), "b": (3,), "c": (2,)}, n_classes=4)

    class Linear(torch.nn.Linear):
        def __init__(self, input_shape, embedding_dim):
            super().__init__(input_shape[0], embedding_dim)

    clf = NegativeLearningClassifier(backbones=Linear, **FAST).fit(X, y)
    module = clf.net_.module_
    maps = {
        name: (module.fusion.heads[name].weight @ module.backbones[name].weight).detach().numpy()
        for name in X.names
    }
    tau = {
        name: max(np.linalg.norm(W[c] - W[d]) for c in range(4) for d in range(4) if c != d)
        for name, W in maps.items()
    }
    bound = clf.robustness_margin(X, y, lipschitz=tau).bound
    right = clf.predict(X) == y
    assert right.any()
    assert (bound[right] > 0).all()
    assert (bound[~right] == 0).all()
    # the worst direction for every wrong class, at 0.999 of the bound
    for c in range(4):
        steps = {name: (W[c] - W[y]) / 3 for name, W in maps.items()}
        length = np.sqrt(sum((step**2).sum(axis=1) for step in steps.values()))
        scale = (0.999 * bound / np.maximum(length, 1e-12))[:, None]
        moved = Modalities({name: X[name] + scale * steps[name] for name in X.names})
        np.testing.assert_array_equal(clf.predict(moved)[right], y[right])


def test_bound_is_over_the_modalities_present():
    X, y = blobs()
    clf = NegativeLearningClassifier(missing="mask", **FAST).fit(X, y)
    alone = Modalities(face=X["face"], voice=np.full_like(X["voice"], np.nan))
    found = clf.robustness_margin(alone, y, lipschitz={"face": 2.0, "voice": 5.0})
    assert np.isnan(found.margins["voice"]).all()
    np.testing.assert_allclose(found.bound, np.maximum(found.fused_margin, 0) / 2)
    np.testing.assert_allclose(found.fused_margin, found.margins["face"])


@pytest.mark.parametrize("lipschitz", [0, -1.0, {"face": 1.0}, {"face": 1.0, "voice": np.inf}])
def test_bad_lipschitz_constants_are_refused(lipschitz):
    X, y = blobs()
    clf = NegativeLearningClassifier(**FAST).fit(X, y)
    with pytest.raises(ValueError, match="`lipschitz`"):
        clf.robustness_margin(X, y, lipschitz=lipschitz)


# -- searches ------------------------------------------------------------------------------


def test_grid_search_over_parameters_and_over_methods():
    X, y = blobs(n=90)
    pipe = Pipeline([("prep", ModalityTransformer({})), ("clf", CONTROL)])
    small = {"max_epochs": 2, "batch_size": 32, "random_state": 0}
    grid = [
        {
            "clf": [NegativeLearningClassifier(**small)],
            "clf__negative_weight": [0.0, 0.7],
            "clf__remix_after": [None, 1],
        },
        {"clf": [DataRemixingClassifier(remix_after=1, **small), MultimodalClassifier(**small)]},
    ]
    search = GridSearchCV(pipe, grid, cv=2, error_score="raise").fit(X, y)
    assert len(search.cv_results_["params"]) == 6
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.predict(X).shape == (90,)


def test_of_more_than_thirty_modalities_the_history_tells_how_often_each_was_guided():
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    X = {f"m{k:02d}": y[:, None] + rng.normal(size=(40, 2)) for k in range(31)}
    history = NegativeLearningClassifier(max_epochs=1, random_state=0).fit(X, y).history_
    assert not [column for column in history if "guided_by" in column]
    shares = history[[f"{name}__guided" for name in X]].to_numpy()
    assert np.isclose(shares.sum(), 30)  # of two classes: in each row all but the surest
