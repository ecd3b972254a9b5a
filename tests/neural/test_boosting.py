"""Sustained boosting: scikit-learn's checks, growth in training, and what must survive it."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback, Checkpoint, LRScheduler
from torch import nn

from sk_mmbalance import Modalities, SustainedBoostingClassifier
from sk_mmbalance.datasets import make_imbalanced_modalities

from .._checks import assert_all_checks_pass
from .conftest import blobs, with_missing


def small(**params):
    """An estimator that grows a head after every epoch, if it can."""
    return SustainedBoostingClassifier(
        **{
            "hidden_layer_sizes": (8,),
            "embedding_dim": 6,
            "head_width": 8,
            "max_epochs": 6,
            "check_every": 1,
            "tau": 0.0,
            "max_heads": None,
            "lr": 0.01,
            "random_state": 0,
            **params,
        }
    )


def heads_of(clf):
    return clf.net_.module_.fusion


def predictions(clf, X):
    return clf.predict_proba(X)


@pytest.mark.parametrize(
    "params", [{}, pytest.param({"update": "joint", "fused_weight": 0.0}, marks=pytest.mark.slow)]
)
def test_all_checks_of_scikit_learn_pass(params):
    assert_all_checks_pass(SustainedBoostingClassifier(**params))


# -- growth and training ---------------------------------------------------------------------


OneCycle = torch.optim.lr_scheduler.OneCycleLR
Lambda = torch.optim.lr_scheduler.LambdaLR

SCHEDULES = {
    "none": None,
    "StepLR": LRScheduler("StepLR", step_size=1, gamma=0.9),
    "Cosine": LRScheduler("CosineAnnealingLR", T_max=10),
    "Plateau": LRScheduler("ReduceLROnPlateau", monitor="train_loss"),
    "LambdaLR": LRScheduler(Lambda, lr_lambda=lambda epoch: 0.9**epoch),
    "OneCycleLR": LRScheduler(OneCycle, max_lr=0.05, total_steps=20, step_every="batch"),
}


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_new_head_is_trained_from_its_first_batch(two, schedule):
    X, y = two
    clf = small(max_epochs=2, batch_size=1000, lr_schedule=SCHEDULES[schedule]).fit(X, y)
    assert sum(clf.n_heads_.values()) == 3
    (name,) = [m for m, n in clf.n_heads_.items() if n == 2]
    drawn = heads_of(clf)._make_head(name, 1)
    assert not torch.equal(heads_of(clf).hidden[name][1].weight, drawn.weight)
    (group,) = clf.net_.optimizer_.param_groups
    assert len(group["params"]) == len(list(clf.net_.module_.parameters()))


def test_untrained_new_head_stays_as_it_was_drawn(two):
    clf = small(train_new_heads=False, max_epochs=4).fit(*two)
    for name, n in clf.n_heads_.items():
        for index in range(1, n):
            drawn = heads_of(clf)._make_head(name, index)
            assert torch.equal(heads_of(clf).hidden[name][index].weight, drawn.weight)
    assert sum(clf.n_heads_.values()) == 5


def test_patterns_of_parameter_groups_hold_for_new_heads(two):
    groups = [("fusion.*", {"lr": 0.005}), ("*.m_voice.*", {"lr": 0.002})]
    clf = small(net_params={"optimizer__param_groups": groups}).fit(*two)
    module, held = clf.net_.module_, clf.net_.optimizer_.param_groups
    assert [len(group["params"]) for group in held] == [
        len(list(module.fusion.parameters())),
        len(list(module.backbones["voice"].parameters())),
        len(list(module.backbones["face"].parameters())),
    ]
    assert [group["lr"] for group in held] == [0.005, 0.002, 0.01]


class Snapshots(Callback):
    """What the encoders are before each step of the optimiser, and after the last of a batch."""

    def on_train_begin(self, net, **kwargs):
        self.taken = []

    def on_grad_computed(self, net, **kwargs):
        self._take(net)

    def on_batch_end(self, net, training=False, **kwargs):
        if training:
            self._take(net)

    def _take(self, net):
        state = net.module_.backbones.state_dict()
        self.taken.append({key: value.clone() for key, value in state.items()})


@pytest.mark.parametrize("fused_weight", [0.0, 1.0])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_step_of_one_modality_leaves_the_others_encoder_alone(two, optimizer, fused_weight):
    clf = small(
        optimizer=optimizer, fused_weight=fused_weight, callbacks=[Snapshots()], max_epochs=2
    ).fit(*two)
    taken = dict(clf.net_.callbacks_)["Snapshots"].taken
    for before, between, after in zip(taken[::3], taken[1::3], taken[2::3], strict=True):
        for key in before:
            face = "m_face" in key
            assert torch.equal(before[key], between[key]) != face
            assert torch.equal(between[key], after[key]) == face


def test_joint_update_takes_one_step_a_batch(two):
    class Counts(Callback):
        def on_train_begin(self, net, **kwargs):
            self.n = 0

        def on_grad_computed(self, net, **kwargs):
            self.n += 1

    counted = {}
    for update in ("alternating", "joint"):
        clf = small(update=update, callbacks=[Counts()], max_epochs=3, batch_size=40).fit(*two)
        counted[update] = dict(clf.net_.callbacks_)["Counts"].n
    assert counted == {"alternating": 18, "joint": 9}


def test_updates_agree_where_nothing_is_shared(two):
    """Own output layers and no fused loss: the modalities' steps do not touch each other."""
    X, y = two
    settings = {"shared_head": False, "fused_weight": 0.0, "optimizer": "sgd"}
    one = small(update="joint", **settings).fit(X, y)
    other = small(update="alternating", **settings).fit(X, y)
    assert one.n_heads_ == other.n_heads_
    np.testing.assert_allclose(predictions(one, X), predictions(other, X), rtol=1e-10)


def test_without_sharing_and_fused_loss_a_modality_learns_as_if_alone(two):
    X, y = two
    settings = {"shared_head": False, "fused_weight": 0.0, "max_heads": 1}
    clf = small(**settings).fit(X, y)
    before = clf.unimodal_predict_proba(X)["voice"]
    rng = np.random.default_rng(0)
    noise = Modalities(face=rng.normal(size=X["face"].shape), voice=X["voice"])
    after = small(**settings).fit(noise, y).unimodal_predict_proba(noise)["voice"]
    np.testing.assert_array_equal(before, after)


def test_closure_optimisers_need_the_joint_update(two):
    X, y = two
    with pytest.raises(ValueError, match=r"`update='alternating'`.*`optimizer=.*LBFGS.*joint"):
        small(optimizer=torch.optim.LBFGS, weight_decay=0.0).fit(X, y)
    clf = small(
        optimizer=torch.optim.LBFGS, weight_decay=0.0, update="joint", batch_size=200, lr=0.3
    ).fit(X, y)
    assert clf.score(X, y) > 0.8
    assert sum(clf.n_heads_.values()) > 2


# -- assignment ------------------------------------------------------------------------------


def unequal(noise_of_the_weak):
    noise = {"strong": 0.3, "weak": noise_of_the_weak}
    return make_imbalanced_modalities(600, 3, noise=noise, random_state=0)[:2]


def test_heads_go_to_the_weaker_modality_up_to_the_cap():
    X, y = unequal(1.0)
    clf = small(tau=0.1, max_heads=3, max_epochs=8, early_stopping=False).fit(X, y)
    assert clf.n_heads_ == {"strong": 1, "weak": 3}
    assert clf.head_log_["modality"].unique().tolist() == ["weak"]
    assert clf.head_log_["event"].tolist() == ["added"] * 2 + ["blocked"] * 3
    assert clf.confidence_["weak"] < clf.confidence_["strong"]


def test_no_head_is_added_where_no_modality_is_weaker():
    X, y = unequal(0.3)
    clf = small(tau=0.1, max_epochs=15, check_every=7).fit(X, y)
    assert clf.n_heads_ == {"strong": 1, "weak": 1}
    assert len(clf.head_log_) == 0


class CountsHeads(Callback):
    """Heads as callbacks see them at the end of an epoch."""

    def on_train_begin(self, net, **kwargs):
        self.seen = []

    def on_epoch_end(self, net, **kwargs):
        self.seen.append(sum(net.module_.fusion.counts().values()))


def test_growth_comes_after_the_callbacks_and_never_after_the_last_epoch(two):
    clf = small(callbacks=[CountsHeads()], check_every=2, max_epochs=6).fit(*two)
    assert dict(clf.net_.callbacks_)["CountsHeads"].seen == [2, 2, 3, 3, 4, 4]
    assert clf.head_log_["epoch"].tolist() == [2, 4]
    trained = clf.history_[["face__n_heads", "voice__n_heads"]].sum(axis=1).tolist()
    assert trained == [2, 2, 3, 3, 4, 4]
    assert sum(clf.n_heads_.values()) == 4


def test_no_head_is_added_after_early_stopping(two):
    rng = np.random.default_rng(0)
    X, y = two[0], rng.permutation(two[1])
    clf = small(early_stopping=True, n_iter_no_change=2, max_epochs=50, lr=0.05).fit(X, y)
    assert clf.n_iter_ < 50
    assert clf.head_log_["epoch"].max() < clf.n_iter_


def test_cadence_runs_over_partial_fits(two):
    X, y = two
    clf = small(check_every=2)
    totals = []
    for _ in range(5):
        clf.partial_fit(X, y, classes=[0, 1, 2])
        totals.append(sum(clf.n_heads_.values()))
    assert totals == [2, 2, 3, 3, 4]
    assert clf.head_log_["epoch"].tolist() == [2, 4]


def test_automatic_cadence_is_a_tenth_of_the_epochs(two):
    assert small(check_every="auto", max_epochs=40)._methods()[0].check_every == 4
    assert small(check_every="auto", max_epochs=5)._methods()[0].check_every == 1


def test_fit_forgets_the_heads_of_the_last_fit(two):
    clf = small(max_epochs=4).fit(*two)
    first, log = clf.n_heads_, clf.head_log_
    clf.fit(*two)
    assert clf.n_heads_ == first
    assert len(clf.head_log_) == len(log)


def test_scoring_on_held_out_rows_needs_some(two):
    X, y = two
    with pytest.raises(ValueError, match=r"`score_on='valid'` needs a held-out part"):
        small(score_on="valid").fit(X, y)
    with pytest.raises(ValueError, match=r"`score_on='valid'`.*partial_fit"):
        small(score_on="valid", early_stopping=True).partial_fit(X, y, classes=[0, 1, 2])
    clf = small(score_on="valid", early_stopping=True, validation_fraction=0.3).fit(X, y)
    row = clf.head_log_.iloc[0]
    seen = clf.history_.loc[row["epoch"] - 1, "face__valid_confidence"]
    assert row["face__confidence"] == seen


def test_assigning_to_all_weak_modalities():
    X, y = blobs(dims={"a": (4,), "b": (4,), "c": (4,)}, spread=1.0)
    noise = np.random.default_rng(0).normal(size=(2, 120, 4))
    X = Modalities(a=X["a"], b=noise[0], c=noise[1])
    clf = small(assign="all_weak", theta=0.9, max_heads=2, lr=0.05).fit(X, y)
    assert clf.n_heads_ == {"a": 1, "b": 2, "c": 2}


def test_confidences_of_remixed_epochs_assign_no_head(two):
    """There each modality has rows of its own: those of the last plain epoch are compared."""
    clf = small(remix_after=2, max_epochs=8).fit(*two)
    assert clf.history_["remixed"].any()
    plain = clf.history_[~clf.history_["remixed"].astype(bool)].set_index("epoch")
    for row in clf.head_log_.itertuples():
        last = plain.loc[: row.epoch].iloc[-1]
        assert row.face__confidence == last["face__confidence"]
    assert clf.head_log_["epoch"].max() == 7


# -- weights and missing modalities ----------------------------------------------------------


def test_weight_two_equals_a_row_twice(two):
    X, y = two
    weight = np.where(np.arange(len(y)) % 3 == 0, 2.0, 1.0)
    rows = np.repeat(np.arange(len(y)), weight.astype(int))
    settings = {"batch_size": 1000, "max_epochs": 5}
    weighted = small(**settings).fit(X, y, sample_weight=weight)
    repeated = small(**settings).fit(X[rows], y[rows])
    assert weighted.n_heads_ == repeated.n_heads_
    assert sum(weighted.n_heads_.values()) == 6
    np.testing.assert_allclose(predictions(weighted, X), predictions(repeated, X), rtol=1e-6)
    assert weighted.confidence_ == pytest.approx(repeated.confidence_, rel=1e-6)


def test_weight_zero_equals_row_left_out(two):
    X, y = two
    weight = (np.arange(len(y)) % 4 > 0).astype(float)
    weighted = small().fit(X, y, sample_weight=weight)
    kept = small().fit(X[weight > 0], y[weight > 0])
    np.testing.assert_allclose(predictions(weighted, X), predictions(kept, X), rtol=1e-10)


@pytest.mark.parametrize("update", ["alternating", "joint"])
def test_missing_rows_are_learnt_from_and_predicted(update):
    X, y = blobs(spread=2.5)
    holes, _ = with_missing(X)
    clf = small(missing="mask", update=update, max_epochs=12).fit(holes, y)
    assert clf.score(holes, y) > 0.75
    assert sum(clf.n_heads_.values()) > 2
    own = clf.unimodal_predict_proba(holes)["face"]
    np.testing.assert_array_equal(np.isnan(own[:, 0]), np.isnan(holes["face"][:, 0]))


def test_modality_that_a_batch_lacks_takes_no_step(two):
    X, y = two
    absent = Modalities(face=X["face"], voice=np.full_like(X["voice"], np.nan))
    clf = small(missing="mask", warm_start=True, max_epochs=3).fit(X, y).set_params(max_heads=1)
    before = {k: v.clone() for k, v in clf.net_.module_.state_dict().items()}
    clf.set_params(max_epochs=2).fit(absent, y)
    after = clf.net_.module_.state_dict()
    same = {k for k in before if torch.equal(before[k], after[k])}
    voice = {k for k in before if ".m_voice." in k}
    assert voice <= same
    assert not any(".m_face." in k for k in same)


def test_loss_of_a_modality_is_the_mean_over_rows_that_have_it(two):
    """Rows that lack it, weighted or not, change nothing of its step."""
    X, y = two
    face = X["face"].copy()
    face[60:] = np.nan
    holes = Modalities(face=face, voice=X["voice"])
    settings = {
        "fused_weight": 0.0,
        "shared_head": False,
        "max_heads": 1,
        "batch_size": 1000,
        "missing": "mask",
    }
    masked = small(**settings).fit(holes, y).unimodal_predict_proba(X)["face"]
    fewer = small(**settings).fit(X[:60], y[:60]).unimodal_predict_proba(X)["face"]
    np.testing.assert_allclose(masked, fewer, rtol=1e-8)


# -- copies, files, continued training -------------------------------------------------------


def test_clone_has_parameters_but_no_heads(two):
    clf = small().fit(*two)
    fresh = clone(clf)
    assert not hasattr(fresh, "n_heads_")
    assert fresh.fit(*two).n_heads_ == clf.n_heads_
    np.testing.assert_array_equal(predictions(fresh, two[0]), predictions(clf, two[0]))


def test_pickle_after_growth_predicts_the_same_and_goes_on(two):
    X, y = two
    clf = small(warm_start=True).fit(X, y)
    twin = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(predictions(twin, X), predictions(clf, X))
    for model in (clf, twin):
        model.fit(X, y)
    assert twin.n_heads_ == clf.n_heads_
    assert sum(twin.n_heads_.values()) > 8
    np.testing.assert_array_equal(predictions(twin, X), predictions(clf, X))


def test_warm_start_goes_on_with_the_heads_and_parameters_of_now(two):
    X, y = two
    clf = small(warm_start=True, max_epochs=4).fit(X, y)
    before = sum(clf.n_heads_.values())
    clf.set_params(max_heads=1, residual_weight=0.1, head_combine="sum")
    clf.set_params(fusion_weights={"face": 1, "voice": 3}).fit(X, y)
    assert clf.n_iter_ == 8
    assert sum(clf.n_heads_.values()) == before
    assert set(clf.head_log_["event"][clf.head_log_["epoch"] >= 4]) <= {"blocked"}
    assert clf.net_.methods[0].residual_weight == 0.1
    assert heads_of(clf).combine == "sum"
    assert heads_of(clf).weights == {"face": 1, "voice": 3}


def test_partial_fits_equal_one_fit(two):
    X, y = two
    whole = small(max_epochs=5, early_stopping=False).fit(X, y)
    steps = small(max_epochs=5)
    for _ in range(5):
        steps.partial_fit(X, y, classes=[0, 1, 2])
    assert steps.n_heads_ == whole.n_heads_
    np.testing.assert_array_equal(predictions(steps, X), predictions(whole, X))


def test_best_epoch_is_restored_with_the_heads_it_had(two):
    """Random labels: the held-out loss is least early, with few heads."""
    rng = np.random.default_rng(0)
    X, y = two[0], rng.permutation(two[1])
    clf = small(early_stopping=True, validation_fraction=0.3, max_epochs=15, lr=0.05)
    clf.set_params(n_iter_no_change=15, head_patience=None).fit(X, y)
    best = clf.history_["valid_loss"].idxmin()
    counts = {m: clf.history_.loc[best, f"{m}__n_heads"] for m in X.names}
    assert clf.n_heads_ == counts
    assert sum(counts.values()) < clf.history_.filter(like="__n_heads").iloc[-1].sum()
    late = clf.head_log_["epoch"] > best
    assert late.any()
    assert clf.head_log_["discarded"].tolist() == late.tolist()
    # and the optimiser follows in the next epoch
    clf.partial_fit(X, y)
    held = {p for group in clf.net_.optimizer_.param_groups for p in group["params"]}
    assert held == set(clf.net_.module_.parameters())
    assert set(clf.net_.optimizer_.state) <= held


def test_checkpoint_of_fewer_heads_loads_at_the_end_of_training(two, tmp_path):
    class AfterTwo:
        def __call__(self, net):
            return len(net.history) == 2

    checkpoint = Checkpoint(monitor=AfterTwo(), dirname=str(tmp_path), load_best=True)
    clf = small(callbacks=[checkpoint], max_epochs=5).fit(*two)
    assert sum(clf.n_heads_.values()) == 3
    assert clf.n_iter_ == len(clf.history_) == 2
    assert clf.head_log_["discarded"].tolist() == [False, True, True, True]
    clf.set_params(callbacks=None).partial_fit(*two)
    assert clf.n_iter_ == 3
    held = {p for group in clf.net_.optimizer_.param_groups for p in group["params"]}
    assert held == set(clf.net_.module_.parameters())


def test_optimiser_state_loads_after_the_heads(two, tmp_path):
    X, y = two
    grown = small().fit(X, y)
    files = {"f_params": tmp_path / "params.pt", "f_optimizer": tmp_path / "optimizer.pt"}
    grown.net_.save_params(**files)
    fresh = small(max_epochs=1).fit(X, y)
    fresh.net_.load_params(**files)
    assert fresh.net_.module_.fusion.counts() == grown.n_heads_
    theirs = dict(grown.net_.module_.named_parameters())
    for name, parameter in fresh.net_.module_.named_parameters():
        assert torch.equal(parameter, theirs[name])
        ours = fresh.net_.optimizer_.state[parameter]["exp_avg"]
        assert torch.equal(ours, grown.net_.optimizer_.state[theirs[name]]["exp_avg"])


def test_a_pattern_that_no_parameter_had_met_is_held_by_the_last_group(two):
    groups = [("fusion.hidden.*.1.*", {"lr": 0.5})]
    clf = small(net_params={"optimizer__param_groups": groups}).fit(*two)
    module, held = clf.net_.module_, clf.net_.optimizer_.param_groups
    assert max(clf.n_heads_.values()) > 1
    assert [group["lr"] for group in held] == [0.01]
    assert set(held[0]["params"]) == set(module.parameters())
    new = [heads_of(clf).hidden[name][1].weight for name, n in clf.n_heads_.items() if n > 1]
    assert all(clf.net_.optimizer_.state[weight]["step"] > 0 for weight in new)


def test_setting_the_optimiser_rebuilds_it_for_all_heads(two):
    clf = small().fit(*two)
    clf.net_.set_params(optimizer__weight_decay=0.3)
    (group,) = clf.net_.optimizer_.param_groups
    assert group["weight_decay"] == 0.3
    assert len(group["params"]) == len(list(clf.net_.module_.parameters()))


def test_weights_file_carries_the_heads(two, tmp_path):
    clf = small().fit(*two)
    clf.save_weights(tmp_path / "weights.safetensors")
    other = small().load_weights(tmp_path / "weights.safetensors")
    assert other.n_heads_ == clf.n_heads_
    np.testing.assert_array_equal(predictions(other, two[0]), predictions(clf, two[0]))


def test_ctrl_c_goes_back_to_the_heads_of_the_last_whole_epoch(two):
    class Presses(Callback):
        def on_batch_begin(self, net, **kwargs):
            if len(net.history) == 4:
                raise KeyboardInterrupt

    clf = small(callbacks=[Presses()])
    with pytest.raises(KeyboardInterrupt):
        clf.fit(*two)
    assert clf.n_iter_ == 3
    assert sum(clf.n_heads_.values()) == 4
    assert clf.head_log_["discarded"].tolist() == [False, False, True]


# -- prediction ------------------------------------------------------------------------------


def test_last_stage_is_the_prediction_and_the_first_has_one_head_each(two):
    X, _ = two
    clf = small().fit(*two)
    stages = list(clf.staged_predict_proba(X))
    assert len(stages) == max(clf.n_heads_.values()) > 1
    np.testing.assert_array_equal(stages[-1], predictions(clf, X))
    shrunk = pickle.loads(pickle.dumps(clf))
    for name in X.names:
        heads_of(shrunk)._resize(name, 1)
    np.testing.assert_allclose(stages[0], predictions(shrunk, X), rtol=1e-12)


def test_fusion_weights_are_used_in_prediction(two):
    X, y = two
    weights = {"face": 0.9, "voice": 0.1}
    clf = small(fusion_weights=weights, max_heads=1).fit(X, y)
    own = {m: np.log(p) for m, p in clf.unimodal_predict_proba(X).items()}
    mixed = np.exp(0.9 * own["face"] + 0.1 * own["voice"])
    np.testing.assert_allclose(
        predictions(clf, X), mixed / mixed.sum(axis=1, keepdims=True), rtol=1e-9
    )


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("n_modalities", [1, 2, 4])
def test_any_number_of_modalities_and_classes(n_modalities, n_classes):
    shapes = {f"view{i}": (4,) for i in range(n_modalities)}
    X, y = blobs(dims=shapes, n_classes=n_classes, spread=2.5)
    labels = np.array(["ant", "bee", "cow"])[y]
    clf = small(max_epochs=10, lr=0.03, embedding_dim=16, head_width=16).fit(X, labels)
    assert clf.score(X, labels) > 0.8
    assert predictions(clf, X).shape == (120, n_classes)
    assert (sum(clf.n_heads_.values()) == 1) == (n_modalities == 1)


def test_images_sequences_and_vectors_together():
    X, y = blobs(dims={"image": (1, 8, 8), "sound": (6, 3), "table": (4,)}, spread=1.0)
    assert small(max_epochs=10).fit(X, y).score(X, y) > 0.8


def test_order_of_modalities_changes_nothing(two):
    X, y = two
    turned = Modalities({"voice": X["voice"], "face": X["face"]})
    np.testing.assert_array_equal(
        predictions(small().fit(X, y), X), predictions(small().fit(turned, y), X)
    )


def test_grid_over_its_own_parameters(two):
    grid = {"residual_weight": [0.0, 1.0], "sigma": [1.0, 2.0], "max_heads": [1, 2]}
    search = GridSearchCV(small(max_epochs=3), grid, cv=2, error_score="raise").fit(*two)
    assert search.best_score_ > 0.4


@pytest.mark.parametrize(
    "params",
    [
        {"max_heads": 1, "fused_weight": 0.0},
        {"n_heads_init": 3, "max_heads": 1},
        {"n_heads_init": {"face": 1, "voice": 4}, "max_heads": 1},
        {"train_new_heads": False, "head_combine": "sum", "fused_weight": 0.0},
        {"head_combine": "sum", "max_heads": None, "head_patience": None, "fused_weight": 0.0},
        {"update": "joint", "residual_weight": 0.0, "shared_head": False},
        {"dtype": "float32", "amp": True},
    ],
    ids=lambda params: "-".join(params),
)
def test_control_arms_run_from_parameters(two, params):
    clf = small(max_epochs=10, **params).fit(*two)
    assert clf.score(*two) > 0.7
    if params.get("max_heads") == 1:
        start = params.get("n_heads_init", 1)
        expected = start if isinstance(start, dict) else dict.fromkeys(("face", "voice"), start)
        assert clf.n_heads_ == expected


def test_history_has_heads_and_losses_by_modality(two):
    history = small().fit(*two).history_
    for name in ("face", "voice"):
        own = {"n_heads", "boosting_loss", "confidence", "train_loss", "train_accuracy"}
        assert {f"{name}__{key}" for key in own} <= set(history.columns)
    one = history.iloc[0]
    assert one["gap"] == pytest.approx(abs(one["face__train_loss"] - one["voice__train_loss"]))
    assert one["face__boosting_loss"] == pytest.approx(one["face__train_loss"], rel=0.2)


class Pooled(nn.Module):
    """A backbone with batch normalisation."""

    def __init__(self, input_shape):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(input_shape[0], 7), nn.BatchNorm1d(7))

    def forward(self, x):
        return self.layers(x)


def test_modules_of_the_user_with_other_sizes_work(two):
    clf = small(backbones={"face": Pooled}).fit(*two)
    assert heads_of(clf).dims == {"face": 7, "voice": 6}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"residual_weight": 1.5}, "'residual_weight' parameter"),
        ({"sigma": 0.5}, "'sigma' parameter"),
        ({"compile": True}, "`compile=True` is not possible"),
        (
            {"n_heads_init": {"face": 1}},
            r"`n_heads_init` must have one entry.*\['face', 'voice'\]",
        ),
        ({"n_heads_init": {"face": 1, "voice": 0}}, "`n_heads_init` must have integers"),
        ({"fusion_weights": {"face": 1, "audio": 2}}, r"`fusion_weights`.*got \['audio', 'face'\]"),
        ({"fusion_weights": {"face": 1, "voice": 0}}, "`fusion_weights` must be positive"),
    ],
)
def test_bad_parameter_is_named(two, params, message):
    clf = small(**params)
    with pytest.raises(ValueError, match=message):
        clf.fit(*two)
    assert not hasattr(clf, "net_")
