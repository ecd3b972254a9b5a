"""`DataRemixingClassifier` and `remix_after`: batches of one modality, and what they leave."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler
from torch import nn

from sk_mmbalance import (
    DataRemixingClassifier,
    Modalities,
    ModalityTransformer,
    MultimodalClassifier,
    NegativeLearningClassifier,
    SustainedBoostingClassifier,
)
from sk_mmbalance.balancing._remixed_batches import RemixedBatches
from sk_mmbalance.exceptions import CollapseWarning
from sk_mmbalance.neural import MultimodalNet

from .._checks import assert_all_checks_pass
from .conftest import blobs, with_missing

FAST = {"max_epochs": 3, "batch_size": 16, "early_stopping": False, "random_state": 0}
THREE = {"a": (5,), "b": (3,), "c": (2,)}

# Small sets remix unequally, which most tests here are not about.
pytestmark = pytest.mark.filterwarnings("ignore::sk_mmbalance.exceptions.CollapseWarning")


class WithBatchNorm(nn.Sequential):
    """A backbone whose statistics show whether it was run."""

    def __init__(self, input_shape, embedding_dim):
        super().__init__(nn.Linear(input_shape[0], embedding_dim), nn.BatchNorm1d(embedding_dim))


def remixing(**params):
    return DataRemixingClassifier(**{**FAST, "remix_after": 1, "joint_every": None, **params})


def same_weights(a, b):
    first, second = a.net_.module_.state_dict(), b.net_.module_.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


@pytest.fixture
def steps(monkeypatch):
    """Record every training batch, and the weights before and after its step."""
    seen = []
    original = MultimodalNet.train_step

    def recording(self, batch, **params):
        before = {k: v.clone() for k, v in self.network.state_dict().items()}
        step = original(self, batch, **params)
        after = {k: v.clone() for k, v in self.network.state_dict().items()}
        seen.append((len(self.history), batch, before, after))
        return step

    monkeypatch.setattr(MultimodalNet, "train_step", recording)
    return seen


# -- scikit-learn and controls -------------------------------------------------------------


@pytest.mark.parametrize(
    "params",
    [{}, pytest.param({"remix_after": 0, "joint_every": None}, marks=pytest.mark.slow)],
    ids=["default", "published"],
)
def test_all_checks_of_scikit_learn_pass(params):
    assert_all_checks_pass(DataRemixingClassifier(**params))


@pytest.mark.parametrize("fusion", ["concat", "late", "gated"])
def test_without_remixing_it_is_joint_training(fusion):
    X, y = blobs()
    plain = MultimodalClassifier(fusion=fusion, unimodal_weight=0.5, **FAST).fit(X, y)
    none = DataRemixingClassifier(fusion=fusion, remix_after=None, **FAST).fit(X, y)
    later = DataRemixingClassifier(fusion=fusion, remix_after=3, **FAST).fit(X, y)
    assert same_weights(plain, none)
    assert same_weights(plain, later)
    shared = [c for c in plain.history_ if c != "seconds"]
    np.testing.assert_array_equal(plain.history_[shared], later.history_[shared])
    longer = remixing(fusion=fusion, remix_after=2).fit(X, y)
    np.testing.assert_array_equal(plain.history_[shared][:2], longer.history_[shared][:2])
    assert not same_weights(plain, longer)


# -- batches -------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["shuffled", "sequential"])
@pytest.mark.parametrize("dims", [{"a": (5,), "b": (3,)}, THREE])
def test_subsets_partition_the_training_rows_and_batches_are_pure(steps, order, dims):
    X, y = blobs(dims=dims, n=100)
    # the row's number rides along in the first feature, which is not scaled
    X = Modalities({m: np.column_stack([np.arange(100) / 100, X[m]]) for m in X.names})
    clf = remixing(order=order, early_stopping=True, max_epochs=3).fit(X, y)
    for epoch in (2, 3):
        batches = [batch for number, batch, _, _ in steps if number == epoch]
        rows = {name: [] for name in dims}
        for inputs, codes in batches:
            (name,) = inputs["assigned"]
            assert list(inputs["inputs"]) == [name]
            numbers = (inputs["inputs"][name][:, 0] * 100).round().int().tolist()
            assert codes.tolist() == y[numbers].tolist()
            assert len(numbers) > 1
            rows[name] += numbers
        for name in dims:
            assert len(rows[name]) == clf.history_[f"{name}__n_samples"][epoch - 1]
        every = sorted(number for numbers in rows.values() for number in numbers)
        assert len(every) == len(set(every)) == 90  # the tenth held out never enters
        names = [batch[0]["assigned"][0] for batch in batches]
        assert (names == sorted(names)) == (order == "sequential")


def test_listed_modalities_take_their_turns_in_the_order_of_the_list(steps):
    X, y = blobs(dims=THREE, n=100)
    listed = ["c", "a", "b"]
    remixing(order=listed, max_epochs=2).fit(X, y)
    names = [batch[0]["assigned"][0] for number, batch, _, _ in steps if number == 2]
    assert set(names) == set(THREE)
    assert [listed.index(name) for name in names] == sorted(listed.index(name) for name in names)


def test_a_list_that_is_no_order_of_the_modalities_is_refused():
    X, y = blobs(dims=THREE)
    for order in (["a", "b"], ["a", "b", "b"], ["a", "b", "d"], ["a", "b", 3]):
        with pytest.raises(ValueError, match="`order` must list every modality"):
            remixing(order=order).fit(X, y)


def test_both_orders_visit_the_same_rows(steps):
    X, y = blobs(dims=THREE, n=100)
    visited = {}
    for order in ("shuffled", "sequential"):
        steps.clear()
        remixing(order=order, max_epochs=2).fit(X, y)
        batches = [batch for number, batch, _, _ in steps if number == 2]
        visited[order] = sorted(
            (inputs["assigned"], codes.tolist(), inputs["inputs"][inputs["assigned"][0]].tolist())
            for inputs, codes in batches
        )
    assert visited["shuffled"] == visited["sequential"]


def test_rows_go_to_the_modality_with_the_largest_entropy(steps):
    X, y = blobs(dims=THREE, n=100)
    one = remixing(max_epochs=1).fit(X, y)  # as it is when the second epoch begins
    own = one.unimodal_predict_proba(X)
    expected = np.argmax([-(p * np.log(p)).sum(axis=1) for p in own.values()], axis=0)
    two = remixing(max_epochs=2).fit(X, y)
    counts = two.history_.iloc[1][[f"{m}__n_samples" for m in THREE]].tolist()
    assert counts == np.bincount(expected, minlength=3).tolist()
    # accuracy of a remixed epoch is that of the pass over all rows at its beginning
    assert two.history_["train_accuracy"][1] == pytest.approx(one.score(X, y))
    np.testing.assert_allclose(two.history_["a__confidence"][1], own["a"][np.arange(100), y].mean())


def test_joint_every_leaves_joint_epochs_between():
    X, y = blobs()
    remixed = {
        every: DataRemixingClassifier(**{**FAST, "max_epochs": 8}, remix_after=2, joint_every=every)
        .fit(X, y)
        .history_["remixed"]
        .tolist()
        for every in (None, 1, 2, 3)
    }
    assert remixed[None] == [False] * 2 + [True] * 6
    assert remixed[1] == [False] * 8
    assert remixed[2] == [False] * 2 + [True, False] * 3
    assert remixed[3] == [False] * 2 + [True, True, False] * 2


def test_joint_every_epoch_is_no_remixing():
    X, y = blobs()
    plain = MultimodalClassifier(unimodal_weight=0.5, **FAST).fit(X, y)
    assert same_weights(plain, remixing(joint_every=1).fit(X, y))


# -- masked modalities ---------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd"])
@pytest.mark.parametrize("fusion", ["concat", "late", "sum"])
def test_a_step_moves_nothing_of_the_other_modalities(steps, optimizer, fusion):
    """Parameters and batch statistics to the last bit, with momentum and decay at work."""
    X, y = blobs(dims=THREE)
    clf = remixing(
        backbones=WithBatchNorm, optimizer=optimizer, weight_decay=0.1, fusion=fusion
    ).fit(X, y)
    assert clf.history_["remixed"].tolist() == [False, True, True]
    pure = [step for step in steps if "assigned" in step[1][0]]
    assert pure
    for _, (inputs, _), before, after in pure:
        (active,) = inputs["assigned"]
        moved = {key for key in before if not torch.equal(before[key], after[key])}
        for key in before:
            owner = next((m for m in THREE if f".m_{m}." in key or key.endswith(f"m_{m}")), None)
            if owner not in (None, active):
                assert key not in moved, (active, key)
        assert any(f"backbones.m_{active}" in key for key in moved)
        assert any("running_mean" in key for key in moved)


def test_gated_and_film_fusion_run_one_modality():
    X, y = blobs(dims=THREE)
    for fusion in ("gated", "film", "transformer"):
        clf = remixing(fusion=fusion).fit(X, y)
        assert clf.history_["remixed"].tolist() == [False, True, True]
        assert np.isfinite(clf.predict_proba(X)).all()


def test_late_fusion_leaves_out_the_biases_of_masked_heads(steps):
    """A pure batch has its modality's logits as fused ones; the loss counts them 1 + gamma."""
    X, y = blobs()
    clf = remixing(fusion="late", gamma=0.5, max_epochs=2)
    clf.fit(X, y)
    _, (inputs, codes), before, _ = [s for s in steps if "assigned" in s[1][0]][-1]
    net = clf.net_
    net.module_.load_state_dict(before)
    output = net.infer(inputs)
    (name,) = inputs["assigned"]
    assert torch.equal(output.logits, output.unimodal[name])
    loss = net.methods[0].part_loss(net, output, (inputs, codes))
    expected = 1.5 * nn.functional.cross_entropy(output.logits, codes)
    torch.testing.assert_close(loss, expected)


def test_loss_of_a_pure_batch_is_fused_plus_gamma_times_own(steps):
    X, y = blobs()
    clf = remixing(gamma={"face": 0.3}, max_epochs=2).fit(X, y)
    gammas = {"face": 0.3, "voice": 1.0}
    for _, (inputs, codes), before, _ in [s for s in steps if "assigned" in s[1][0]]:
        clf.net_.module_.load_state_dict(before)
        output = clf.net_.infer(inputs)
        (name,) = inputs["assigned"]
        u = clf.net_.module_.backbones[name](inputs["inputs"][name])
        fused = u @ clf.net_.module_.fusion.maps[name].weight.T + clf.net_.module_.fusion.bias
        own = clf.net_.module_.heads[name](u)
        expected = nn.functional.cross_entropy(fused, codes)
        expected = expected + gammas[name] * nn.functional.cross_entropy(own, codes)
        torch.testing.assert_close(
            clf.net_.methods[0].part_loss(clf.net_, output, (inputs, codes)), expected
        )


def test_without_heads_the_fusion_is_asked_and_gamma_is_dropped():
    X, y = blobs()
    plain = MultimodalClassifier(unimodal_weight=0, remix_after=1, **FAST).fit(X, y)
    mask = DataRemixingClassifier(predictor="mask", remix_after=1, gamma=7.0, **FAST).fit(X, y)
    no_heads = DataRemixingClassifier(unimodal_weight=0, remix_after=1, **FAST).fit(X, y)
    assert plain.net_.module_.heads is None
    assert same_weights(plain, mask)
    assert same_weights(plain, no_heads)


def test_mask_predictor_asks_the_fusion_with_the_others_masked():
    X, y = blobs()
    settings = {"remix_after": 1, "joint_every": None, **FAST}
    one = MultimodalClassifier(unimodal_weight=0, **{**FAST, "max_epochs": 1}).fit(X, y)
    own = one.unimodal_predict_proba(X)  # no heads: the fusion with the others masked
    expected = np.argmax([-(p * np.log(p)).sum(axis=1) for p in own.values()], axis=0)
    two = DataRemixingClassifier(predictor="mask", **{**settings, "max_epochs": 2}).fit(X, y)
    counts = two.history_.iloc[1][["face__n_samples", "voice__n_samples"]].tolist()
    assert counts == np.bincount(expected, minlength=2).tolist()
    late = remixing(fusion="late", predictor="mask").fit(X, y)  # its own logits are its parts
    assert same_weights(late, remixing(fusion="late").fit(X, y))


# -- ablations -----------------------------------------------------------------------------


def test_reassemble_makes_pure_batches_of_full_input(steps):
    X, y = blobs(dims=THREE)
    clf = remixing(ablation="reassemble", max_epochs=2).fit(X, y)
    pure = remixing(max_epochs=2).fit(X, y)
    sizes = [f"{m}__n_samples" for m in THREE]
    assert clf.history_[sizes].equals(pure.history_[sizes])
    for _, (inputs, _), before, after in [s for s in steps if "assigned" in s[1][0]][:3]:
        assert len(inputs["assigned"]) == 1
        assert sorted(inputs["inputs"]) == sorted(THREE)
        moved = [key for key in before if not torch.equal(before[key], after[key])]
        assert {key.split(".")[1] for key in moved if key.startswith("backbones")} == {
            "m_a",
            "m_b",
            "m_c",
        }
        heads = {key.split(".")[1] for key in moved if key.startswith("heads")}
        assert heads == {f"m_{inputs['assigned'][0]}"}


def test_decouple_masks_each_row_to_its_modality_in_mixed_batches(steps):
    X, y = blobs(dims=THREE)
    clf = remixing(ablation="decouple", max_epochs=2).fit(X, y)
    masked = [batch for _, batch, _, _ in steps if "assigned" in batch[0]]
    counts = dict.fromkeys(THREE, 0)
    mixed = 0
    for inputs, _ in masked:
        present = torch.stack([inputs["present"][m] for m in THREE], dim=1)
        assert (present.sum(dim=1) == 1).all()
        mixed += int((present.any(dim=0)).sum() > 1)
        for m in THREE:
            counts[m] += int(inputs["present"][m].sum())
    assert mixed == len(masked)
    assert counts == {m: clf.history_[f"{m}__n_samples"][1] for m in THREE}


# -- odd sizes -----------------------------------------------------------------------------


def test_one_modality_is_ordinary_training():
    X, y = blobs(dims={"face": (5,)}, n=50)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clf = remixing(max_epochs=12).fit(X, y)
    assert clf.history_["face__share"].tolist() == [1.0] * 12
    late = remixing(fusion="late", gamma=0.5, remix_after=0, order="sequential").fit(X, y)
    joint = MultimodalClassifier(fusion="late", unimodal_weight=0.5, **FAST).fit(X, y)
    assert same_weights(late, joint)


def batches_of(assigned, names=("a", "b", "c"), size=4, **plan):
    X, y = blobs(n=len(assigned), dims=dict.fromkeys(names, (2,)), n_classes=2)
    clf = remixing(**plan)
    rows = clf.fit(X, y)._rows_for_prediction(X)[1]
    batches = RemixedBatches(clf.net_.methods[0], rows, size, torch.device("cpu"), seed=0)
    batches.remix(torch.tensor(assigned))
    return batches


def test_all_rows_in_one_subset():
    batches = batches_of([1] * 10)
    assert [batch[0]["assigned"] for batch in batches] == [("b",)] * 3
    assert sorted(len(codes) for _, codes in batches) == [2, 4, 4]


def test_a_last_batch_of_one_row_joins_the_one_before():
    batches = batches_of([0] * 5 + [1] * 9)
    sizes = sorted((X["assigned"][0], len(codes)) for X, codes in batches)
    assert sizes == [("a", 5), ("b", 4), ("b", 5)]
    assert len(batches) == 3


def test_a_row_alone_in_its_subset_is_skipped_and_counted():
    batches = batches_of([0] * 6 + [2])
    assert {X["assigned"] for X, _ in batches} == {("a",)}
    assert sum(len(codes) for _, codes in batches) == 6
    assert batches.n_skipped == 1
    lone = batches_of([0, 1, 2])
    assert lone.assigned is None  # nothing would be left: a joint epoch
    assert [len(codes) for _, codes in lone] == [3]


def test_batch_norm_survives_every_subset_size():
    X, y = blobs(n=23, dims=THREE)
    for seed in range(5):
        clf = remixing(
            backbones=WithBatchNorm, batch_size=5, max_epochs=6, random_state=seed, remix_after=0
        ).fit(X, y)
        total = clf.history_[[f"{m}__n_samples" for m in THREE]].sum(axis=1)
        assert (total == 23).all()


def test_min_share_is_kept():
    X, y = blobs(n=100)
    X = Modalities(face=X["face"], voice=0.01 * X["voice"])  # voice knows next to nothing
    settings = {"remix_after": 1, "joint_every": None, **{**FAST, "max_epochs": 8}}
    free = DataRemixingClassifier(**settings).fit(X, y).history_["face__share"]
    held = DataRemixingClassifier(min_share=0.3, **settings).fit(X, y).history_["face__share"]
    assert free.min() < 0.3
    assert held.min() == 0.3


# -- missing modalities, weights -----------------------------------------------------------


def test_rows_train_a_modality_they_have(steps):
    X, y = blobs(dims=THREE, n=150)
    holes, present = with_missing(X, share=0.4)
    clf = remixing(missing="mask").fit(holes, y)
    for _, (inputs, _), _, _ in [s for s in steps if "assigned" in s[1][0]]:
        assert "present" not in inputs
        for value in inputs["inputs"].values():
            assert not value.isnan().any()
    joint = clf.history_.iloc[0][[f"{m}__n_samples" for m in THREE]]
    assert joint.tolist() == present.sum(axis=0).tolist()
    assert np.isfinite(clf.predict_proba(holes)).all()


@pytest.mark.parametrize("ablation", ["decouple", "reassemble"])
def test_ablations_with_missing_rows(ablation):
    X, y = blobs(dims=THREE, n=150)
    holes, _ = with_missing(X, share=0.4)
    clf = remixing(missing="mask", ablation=ablation).fit(holes, y)
    assert np.isfinite(clf.history_["train_loss"]).all()


def test_weight_zero_equals_leaving_rows_out():
    X, y = blobs()
    weight = np.random.default_rng(0).integers(0, 3, len(y)).astype(float)
    kept = weight > 0
    a = remixing().fit(X, y, sample_weight=weight)
    b = remixing().fit(X[kept], y[kept], sample_weight=weight[kept])
    assert same_weights(a, b)


def test_weights_multiply_the_loss_within_a_batch():
    X, y = blobs()
    clf = remixing().fit(X, y)
    rows = clf._rows_for_prediction(X)[1].only("face")
    inputs, _ = rows[:40]
    codes = torch.from_numpy(y[:40])
    weight = torch.arange(40, dtype=torch.float64)
    batch = ({**inputs, "weight": weight, "assigned": ("face",)}, codes)
    ours = clf.net_.methods[0].part_loss(clf.net_, clf.net_.infer(inputs), batch)
    output = clf.net_.infer(inputs)
    each = nn.functional.cross_entropy(output.logits, codes, reduction="none")
    each = each + nn.functional.cross_entropy(output.unimodal["face"], codes, reduction="none")
    torch.testing.assert_close(ours, (weight * each).sum() / weight.sum())


# -- going on ------------------------------------------------------------------------------


def test_partial_fit_does_not_repeat_the_joint_epochs_and_takes_other_sizes():
    X, y = blobs(n=120)
    clf = remixing(max_epochs=2).fit(X, y)
    clf.partial_fit(X[:37], y[:37]).partial_fit(X, y)
    assert clf.history_["remixed"].tolist() == [False, True, True, True]
    total = clf.history_["face__n_samples"] + clf.history_["voice__n_samples"]
    assert total.tolist() == [240, 120, 37, 120]
    assert clone(clf).partial_fit(X[:1], y[:1], classes=[0, 1, 2]).n_iter_ == 1


def test_partial_fit_of_one_row_at_a_time_is_joint():
    X, y = blobs(n=20)
    clf = remixing(remix_after=0)
    for i in range(3):
        clf.partial_fit(X[i : i + 1], y[i : i + 1], classes=np.arange(3))
    assert not clf.history_["remixed"].any()


def test_warm_start_goes_on_in_the_remixed_stage_under_the_plan_of_now():
    X, y = blobs()
    clf = remixing(warm_start=True, max_epochs=2).fit(X, y)
    clf.fit(X, y)
    assert clf.history_["remixed"].tolist() == [False, True, True, True]
    clf.set_params(remix_after=None).fit(X, y)
    assert clf.history_["remixed"].eq(True).tolist()[4:] == [False, False]


def test_memory_mapped_and_resident_rows_give_the_same_bits(tmp_path):
    X, y = blobs(dims=THREE)
    maps = {}
    for m in THREE:
        np.save(tmp_path / f"{m}.npy", X[m])
        maps[m] = np.load(tmp_path / f"{m}.npy", mmap_mode="r")
    assert same_weights(remixing().fit(X, y), remixing().fit(Modalities(maps), y))


def test_same_seed_gives_the_same_bits_and_another_does_not():
    X, y = blobs()
    assert same_weights(remixing().fit(X, y), remixing().fit(X, y))
    assert not same_weights(remixing().fit(X, y), remixing(random_state=1).fit(X, y))


# -- warnings and errors -------------------------------------------------------------------


@pytest.mark.filterwarnings("default::sk_mmbalance.exceptions.CollapseWarning")
def test_a_modality_that_gets_hardly_any_rows_is_warned_of_once():
    X, y = blobs(n=120, spread=4)
    X = Modalities(face=X["face"], voice=np.random.default_rng(0).normal(size=(120, 3)))
    clf = remixing(max_epochs=14, remix_after=4, weight_decay=0.5)
    with pytest.warns(CollapseWarning, match="'face' was given fewer than 10%") as caught:
        clf.fit(X, y)
    assert len(caught) == 1
    shares = clf.history_["face__share"][4:]
    assert (shares.rolling(5).max() < 0.1).any()
    assert caught[0].message.args[0].count("min_share") == 1


@pytest.mark.filterwarnings("error::sk_mmbalance.exceptions.CollapseWarning")
def test_equal_modalities_are_not_warned_of():
    X, y = blobs(n=120, dims={"a": (3,), "b": (3,)})
    remixing(max_epochs=10).fit(X, y)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"min_share": 0.6}, "`min_share` must be at most one over the number of modalities"),
        ({"gamma": {"fce": 1.0}}, "`gamma` names .'fce'., which are no modalities"),
        ({"gamma": {"face": -1.0}}, "`gamma` must not be negative"),
        ({"gamma": -1.0}, "gamma"),
        ({"order": "random"}, "order"),
        ({"predictor": "heads"}, "predictor"),
        ({"criterion": "margin"}, "criterion"),
        ({"temperature": 0}, "temperature"),
        ({"joint_every": 0}, "joint_every"),
        ({"ablation": "both"}, "ablation"),
        ({"optimizer": torch.optim.LBFGS, "weight_decay": 0.0}, "`optimizer` LBFGS moves all"),
    ],
)
def test_bad_parameters_are_named_and_nothing_is_fitted(params, message):
    X, y = blobs()
    clf = remixing(**params)
    with pytest.raises(ValueError, match=message):
        clf.fit(X, y)
    assert not hasattr(clf, "net_")


# -- every neural estimator ----------------------------------------------------------------

NEURAL = [
    MultimodalClassifier(**FAST),
    MultimodalClassifier(unimodal_weight=0.0, **FAST),
    MultimodalClassifier(fusion="late", unimodal_weight=1.0, **FAST),
    MultimodalClassifier(fusion="transformer", **FAST),
    NegativeLearningClassifier(**FAST),
    SustainedBoostingClassifier(**FAST),
    SustainedBoostingClassifier(update="joint", check_every=1, **FAST),
]


@pytest.mark.parametrize("method", NEURAL, ids=lambda m: f"{type(m).__name__}")
def test_remix_after_works_on_every_neural_estimator(method, steps):
    X, y = blobs(dims=THREE)
    labels = np.array(["x", "y", "z"])[y]
    plain = clone(method).fit(X, labels)
    late = clone(method).set_params(remix_after=3).fit(X, labels)
    assert same_weights(plain, late)
    steps.clear()
    clf = clone(method).set_params(remix_after=1, max_epochs=4).fit(X, labels)
    assert clf.history_["remixed"].tolist() == [False, True, False, True]
    pure = [batch[0]["assigned"] for number, batch, _, _ in steps if number in (2, 4)]
    assert {name for (name,) in pure} <= set(THREE)
    assert clf.score(X, labels) > 0.4


@pytest.mark.parametrize("update", ["alternating", "joint"])
def test_boosting_takes_the_step_of_the_assigned_modality_alone(steps, monkeypatch, update):
    step = MultimodalNet.train_step
    moved = []

    def recording(self, batch, **params):
        before = {k: v.clone() for k, v in self.network.state_dict().items()}
        out = step(self, batch, **params)
        after = self.network.state_dict()
        keys = {k for k in before if not torch.equal(before[k], after[k])}
        moved.append((batch[0].get("assigned"), keys))
        return out

    monkeypatch.setattr(MultimodalNet, "train_step", recording)
    X, y = blobs(dims=THREE)
    clf = SustainedBoostingClassifier(
        update=update, remix_after=1, shared_head=False, check_every=2, **{**FAST, "max_epochs": 6}
    ).fit(X, y)
    assert sum(clf.n_heads_.values()) > 3  # heads are added between remixed epochs too
    pure = [(active, keys) for active, keys in moved if active is not None]
    assert pure
    for (active,), keys in pure:
        assert keys
        assert all(f"m_{active}" in key for key in keys)


def test_grid_search_over_remix_after():
    X, y = blobs(n=90)
    small = MultimodalClassifier(max_epochs=3, batch_size=32, random_state=0)
    search = GridSearchCV(small, {"remix_after": [None, 0, 2]}, cv=2, error_score="raise")
    scores = search.fit(X, y).cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()


def test_class_weights_string_labels_images_and_sequences():
    X, y = blobs(n=60, dims={"image": (1, 8, 8), "sequence": (5, 3), "vector": (4,)}, n_classes=2)
    names = np.array(["no", "yes"])[y]
    for method in (remixing(), NegativeLearningClassifier(**FAST)):
        clf = clone(method).set_params(class_weight={"no": 1.0, "yes": 50.0}).fit(X, names)
        assert (clf.predict(X) == "yes").mean() > 0.5
        assert set(clf.predict(X)) <= {"no", "yes"}


@pytest.mark.slow
def test_defaults_do_not_collapse_where_the_published_form_does(load_real):
    """Two noisy sensors take most rows; the room's light, which knows nearly all, is forgotten."""
    data = load_real("occupancy")
    days = np.unique(data.groups)
    test = np.isin(data.groups, days[::3])
    X = ModalityTransformer({}, remainder=StandardScaler()).fit(data.X[~test]).transform(data.X)
    settings = {
        "max_epochs": 30,
        "batch_size": 256,
        "early_stopping": False,
        "dtype": "float32",
        "random_state": 0,
    }
    scores = {}
    for name, clf in {
        "control": MultimodalClassifier(unimodal_weight=0.5, **settings),
        "default": DataRemixingClassifier(**settings),
        "published": DataRemixingClassifier.published(**settings),
    }.items():
        clf.fit(X[~test], data.y[~test])
        scores[name] = balanced_accuracy_score(data.y[test], clf.predict(X[test]))
    assert scores["default"] > scores["control"] - 0.03
    assert scores["published"] < scores["default"] - 0.1


@pytest.mark.parametrize("remix_after", [0, 2])
def test_momentum_waits_for_modalities_that_have_not_trained_yet(remix_after):
    X, y = blobs(n=90)
    model = DataRemixingClassifier(
        optimizer="sgd", lr=0.05, remix_after=remix_after, max_epochs=4, random_state=0
    )
    assert np.isfinite(model.fit(X, y).history_["train_loss"]).all()
