"""What every neural estimator promises, shown on joint training."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_predict
from skorch.callbacks import EpochTimer, LRScheduler
from torch import nn

from sk_mmbalance import Modalities, MultimodalClassifier, MultimodalRegressor
from sk_mmbalance.base import hold_out
from sk_mmbalance.networks import ClassLoss, make_fusion

from .conftest import blobs, with_missing

FAST = {"max_epochs": 4, "batch_size": 32, "random_state": 0}


def fit(X, y, **params):
    return MultimodalClassifier(**{**FAST, **params}).fit(X, y)


def same_state(first, second):
    a, b = first.net_.module_.state_dict(), second.net_.module_.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


# -- input ----------------------------------------------------------------------------------


@pytest.mark.parametrize("n_modalities", [1, 2, 3, 5])
@pytest.mark.parametrize("n_classes", [2, 10])
def test_any_number_of_modalities_and_classes(n_modalities, n_classes):
    dims = {f"m{i}": (i + 2,) for i in range(n_modalities)}
    X, y = blobs(n=200, n_classes=n_classes, dims=dims, spread=6.0)
    labels = np.array([f"class {c}" for c in range(n_classes)])[y]
    clf = fit(X, labels, max_epochs=30, lr=1e-2)
    assert clf.score(X, labels) > 0.8
    assert clf.predict(X).dtype == labels.dtype
    assert list(clf.unimodal_predict_proba(X)) == sorted(dims)
    assert clf.predict_proba(X).shape == (200, n_classes)


def test_images_sequences_and_vectors_together():
    dims = {"image": (1, 8, 8), "sound": (9, 4), "table": (6,)}
    X, y = blobs(n=90, dims=dims, dtype=np.float32)
    clf = fit(X, y, max_epochs=15)
    assert clf.score(X, y) > 0.9
    assert {m: e.shape for m, e in clf.embed(X).items()} == {m: (90, 64) for m in dims}


def test_four_forms_of_input_give_the_same_bits():
    X, y = blobs()
    flat = np.hstack([X["face"], X["voice"]])
    blocks = {"voice": slice(5, 8), "face": slice(0, 5)}
    forms = [
        (dict(X.items()), None),
        (X, None),
        (X.to_frame(), None),
        (flat, blocks),
        (pd.DataFrame(flat), blocks),
    ]
    fits = [fit(form, y, modalities=columns) for form, columns in forms]
    for (form, _), clf in zip(forms, fits, strict=True):
        assert same_state(clf, fits[0])
        assert np.array_equal(clf.predict_proba(form), fits[0].predict_proba(X))


def test_order_of_modalities_changes_nothing():
    X, y = blobs()
    turned = {"voice": X["voice"], "face": X["face"]}
    assert same_state(fit(X, y), fit(turned, y))


def test_sparse_modality_gives_the_bits_of_the_dense_one():
    X, y = blobs()
    X = Modalities(face=X["face"] * (X["face"] > 0), voice=X["voice"])
    sparse = Modalities(face=csr_array(X["face"]), voice=X["voice"])
    dense, thin = fit(X, y), fit(sparse, y)
    assert same_state(dense, thin)
    assert np.array_equal(dense.predict_proba(X), thin.predict_proba(sparse))


def test_float64_stays_and_float32_is_obeyed():
    X, y = blobs()
    assert fit(X, y).predict_proba(X).dtype == np.float64
    assert fit(X, y, dtype="float32").predict_proba(X).dtype == np.float32
    small = Modalities({m: v.astype(np.float32) for m, v in X.items()})
    assert fit(small, y).predict_proba(small).dtype == np.float32


# -- missing modalities -----------------------------------------------------------------------


@pytest.mark.parametrize("fusion", ["concat", "sum", "late", "gated", "film", "transformer"])
def test_rows_that_lack_a_modality_are_learnt_from_and_predicted(fusion):
    X, y = blobs(n=300)
    X, present = with_missing(X)
    clf = fit(X, y, missing="mask", fusion=fusion, max_epochs=15, unimodal_weight=0.5)
    assert clf.score(X, y) > 0.75
    own = clf.unimodal_predict_proba(X)
    for column, name in enumerate(X.names):
        assert np.array_equal(np.isnan(own[name]).any(axis=1), ~present[:, column])
        assert np.array_equal(np.isnan(clf.embed(X)[name]).any(axis=1), ~present[:, column])


def test_absent_modality_equals_all_rows_missing():
    X, y = blobs()
    clf = fit(X, y, missing="mask")
    gone = Modalities(face=X["face"], voice=np.full_like(X["voice"], np.nan))
    assert np.array_equal(clf.predict_proba({"face": X["face"]}), clf.predict_proba(gone))


def test_allow_nan_tag_follows_missing():
    assert not MultimodalClassifier().__sklearn_tags__().input_tags.allow_nan
    assert MultimodalClassifier(missing="mask").__sklearn_tags__().input_tags.allow_nan


# -- weights ----------------------------------------------------------------------------------


def test_weight_zero_equals_row_left_out():
    X, y = blobs(n=100)
    kept = np.arange(100) % 4 != 0
    weight = kept.astype(float)
    clf = MultimodalClassifier(**{**FAST, "batch_size": 16})
    weighted = clone(clf).fit(X, y, sample_weight=weight)
    assert same_state(weighted, clone(clf).fit(X[kept], y[kept], sample_weight=weight[kept]))


def test_class_weight_equals_sample_weight():
    X, y = blobs()
    by_class = fit(X, y, class_weight={0: 3.0, 1: 1.0, 2: 2.0})
    by_sample = MultimodalClassifier(**FAST).fit(X, y, sample_weight=np.array([3.0, 1, 2])[y])
    np.testing.assert_allclose(by_class.predict_proba(X), by_sample.predict_proba(X))


def test_zero_unimodal_weight_trains_no_heads():
    X, y = blobs()
    assert fit(X, y, unimodal_weight=0).net_.module_.heads is None
    assert fit(X, y, unimodal_weight=1.0).net_.module_.heads is not None


# -- reproducibility --------------------------------------------------------------------------


def test_same_seed_gives_the_same_bits_and_leaves_global_state_alone():
    X, y = blobs()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = fit(X, y, dropout=0.2)
    assert torch.equal(torch.rand(3), expected)
    torch.manual_seed(99)
    assert same_state(first, fit(X, y, dropout=0.2))
    assert not same_state(first, fit(X, y, dropout=0.2, random_state=1))


def test_two_workers_equal_one():
    X, y = blobs()
    clf = MultimodalClassifier(**FAST)
    one, two = (
        cross_val_predict(clf, X, y, cv=3, method="predict_proba", n_jobs=n) for n in (1, 2)
    )
    assert np.array_equal(one, two)


# -- going on ---------------------------------------------------------------------------------


def test_partial_fit_trains_one_epoch_a_call():
    X, y = blobs()
    clf = MultimodalClassifier(**FAST)
    for n in (1, 2, 3):
        clf.partial_fit(X, y, classes=[0, 1, 2])
        assert clf.n_iter_ == len(clf.history_) == n
    assert same_state(clf, fit(X, y, max_epochs=3, early_stopping=False))


def test_partial_fit_keeps_classes_that_a_batch_lacks():
    X, y = blobs()
    clf = MultimodalClassifier(**FAST).partial_fit(X[y > 0], y[y > 0], classes=[0, 1, 2])
    assert clf.predict_proba(X).shape == (120, 3)


def test_warm_start_goes_on_and_a_cold_fit_starts_anew():
    X, y = blobs()
    clf = fit(X, y, warm_start=True, max_epochs=2)
    clf.fit(X, y)
    assert clf.n_iter_ == 4
    assert same_state(clf, fit(X, y, max_epochs=4))
    assert clf.set_params(warm_start=False).fit(X, y).n_iter_ == 2


def test_warm_start_with_other_labels_is_refused():
    X, y = blobs()
    clf = fit(X, y, warm_start=True)
    with pytest.raises(ValueError, match="`warm_start=True` continues training with classes"):
        clf.fit(X, y + 1)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (None, "`classes` must be given in the first call"),
        ([0, 1], r"labels \[2\] that are not among the classes"),
        ([1], "`classes` must have at least two classes"),
    ],
)
def test_first_partial_fit_refuses_bad_classes(classes, message):
    X, y = blobs()
    clf = MultimodalClassifier(**FAST)
    with pytest.raises(ValueError, match=message):
        clf.partial_fit(X, y, classes=classes)
    assert not hasattr(clf, "classes_")


def test_later_partial_fit_refuses_other_classes():
    X, y = blobs()
    clf = MultimodalClassifier(**FAST).partial_fit(X, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="but the first call of partial_fit"):
        clf.partial_fit(X, y, classes=[0, 1, 2, 3])
    assert clf.n_iter_ == 1


def test_early_stopping_restores_the_best_epoch():
    X, y = blobs(n=400, dims={"face": (5,), "voice": (3,)})
    rng = np.random.default_rng(0)
    y = np.where(rng.random(400) < 0.3, rng.integers(0, 3, 400), y)  # noise to over-fit
    clf = fit(X, y, early_stopping=True, max_epochs=200, lr=1e-2, n_iter_no_change=5)
    best = clf.history_["valid_loss"].idxmin() + 1
    assert clf.n_iter_ == best + 5 < 200
    again = fit(X, y, early_stopping=True, max_epochs=int(best), lr=1e-2, n_iter_no_change=999)
    assert same_state(clf, again)


def test_auto_early_stopping_needs_250_rows():
    X, y = blobs(n=250)
    assert fit(X, y, max_epochs=1).history_["valid_loss"].notna().all()
    assert fit(X[:249], y[:249], max_epochs=1).history_["valid_loss"].isna().all()


@pytest.mark.parametrize(
    ("n", "early_stopping", "size"),
    [(4999, False, 64), (5000, False, 256), (5000, True, 64), (5556, True, 256)],
)
def test_auto_batches_are_larger_from_5000_rows_trained_on(n, early_stopping, size):
    X, y = blobs(n=n, dims={"face": (2,)})
    params = {"batch_size": "auto", "max_epochs": 1, "early_stopping": early_stopping}
    clf = fit(X, y, **params)
    assert clf.net_.batch_size == size
    assert same_state(clf, fit(X, y, **params | {"batch_size": size}))


def test_auto_batches_follow_the_rows_when_training_goes_on():
    X, y = blobs(n=5000, dims={"face": (2,)})
    clf = fit(X, y, batch_size="auto", max_epochs=1, early_stopping=False)
    clf.partial_fit(X[:100], y[:100])
    assert clf.net_.batch_size == 64


def test_weight_0_does_not_count_among_the_rows_of_a_batch_size():
    X, y = blobs(n=5000, dims={"face": (2,)})
    clf = MultimodalClassifier(max_epochs=1, early_stopping=False)
    assert clf.fit(X, y, sample_weight=np.arange(5000) > 0).net_.batch_size == 64


def test_groups_stay_on_one_side_of_the_validation_split():
    X, y = blobs(n=200)
    groups = np.arange(200) // 20
    clf = MultimodalClassifier(**FAST, early_stopping=True, validation_fraction=0.2)
    seen = {}
    original = clf._split

    def spy(rows, seed):
        train, valid = original(rows, seed)
        seen["train"], seen["valid"] = train.given, valid.given
        return train, valid

    clf._split = spy
    clf.fit(X, y, groups=groups)
    assert not set(groups[seen["train"]]) & set(groups[seen["valid"]])
    assert len(seen["valid"]) == 40


# -- copies and files -------------------------------------------------------------------------


def test_pickle_predicts_the_same_and_can_go_on():
    X, y = blobs()
    clf = fit(X, y, warm_start=True)
    loaded = pickle.loads(pickle.dumps(clf))
    assert np.array_equal(loaded.predict_proba(X), clf.predict_proba(X))
    assert same_state(loaded.fit(X, y), clf.fit(X, y))


def test_pickle_does_not_hold_the_data():
    X, y = blobs(n=120)
    many, labels = Modalities.concat([X] * 50), np.tile(y, 50)
    size, large = (len(pickle.dumps(fit(*args, max_epochs=1))) for args in [(X, y), (many, labels)])
    assert large < 1.1 * size


@pytest.mark.parametrize("labels", [np.arange(3), np.array(["a", "b", "c"]), np.arange(3.0)])
def test_weights_file_round_trip(tmp_path, labels):
    X, y = blobs()
    clf = fit(X, labels[y], unimodal_weight=1.0)
    file = tmp_path / "weights.safetensors"
    clf.save_weights(file)
    loaded = MultimodalClassifier(**FAST, unimodal_weight=1.0).load_weights(file)
    assert np.array_equal(loaded.predict(X), clf.predict(X))
    assert np.array_equal(loaded.predict_proba(X), clf.predict_proba(X))
    assert loaded.classes_.dtype == clf.classes_.dtype
    with pytest.raises(ValueError, match="lacks modality 'voice'"):
        loaded.predict({"face": X["face"]})


def test_weights_file_of_another_network_is_refused(tmp_path):
    X, y = blobs()
    file = tmp_path / "weights.safetensors"
    fit(X, y).save_weights(file)
    other = MultimodalClassifier(**FAST, embedding_dim=8)
    with pytest.raises(ValueError, match="`file` does not fit the network"):
        other.load_weights(file)
    assert not hasattr(other, "classes_")


def test_failed_fit_leaves_the_earlier_fit_untouched():
    X, y = blobs()
    clf = fit(X, y)
    before, names = clf.predict_proba(X), set(vars(clf))
    with pytest.raises(ValueError, match="at least two classes"):
        clf.fit({"other": np.zeros((5, 2))}, np.zeros(5))
    assert np.array_equal(clf.predict_proba(X), before)
    assert set(vars(clf)) == names


# -- outputs ----------------------------------------------------------------------------------


def test_probabilities_logarithms_scores_and_labels_agree():
    X, y = blobs()
    clf = fit(X, y)
    p = clf.predict_proba(X)
    np.testing.assert_allclose(np.exp(clf.predict_log_proba(X)), p)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert np.array_equal(clf.predict(X), clf.classes_[clf.decision_function(X).argmax(axis=1)])
    two = y < 2
    binary = fit(X[two], y[two])
    assert np.array_equal(
        binary.predict(X[two]), (binary.decision_function(X[two]) > 0).astype(int)
    )


def test_history_has_one_row_an_epoch_and_a_column_a_modality():
    X, y = blobs()
    clf = fit(X, y, early_stopping=True, max_epochs=3)
    head = ["epoch", "train_loss", "valid_loss", "train_accuracy", "valid_accuracy", "gap"]
    assert list(clf.history_.columns[:7]) == [*head, "seconds"]
    for name in ("face", "voice"):
        for what in ("train_loss", "train_accuracy", "confidence", "valid_accuracy"):
            assert clf.history_[f"{name}__{what}"].between(0, 10).all()
    losses = clf.history_[["face__train_loss", "voice__train_loss"]]
    np.testing.assert_allclose(clf.history_["gap"], losses.max(axis=1) - losses.min(axis=1))


def test_verbose_shows_a_bar_and_what_was_learnt(capfd):
    X, y = blobs()
    fit(X, y, verbose=1)
    out, err = capfd.readouterr()
    assert "4/4" in err
    assert "MultimodalClassifier: 4 epochs, train accuracy" in out + err
    assert "face" in out + err


# -- parameters -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"lr": 0.0}, "'lr' parameter"),
        ({"fusion": "attention"}, "'fusion' parameter"),
        ({"optimizer": "adagrad"}, "'optimizer' parameter"),
        ({"missing": "drop"}, "'missing' parameter"),
        ({"unimodal_weight": -1.0}, "'unimodal_weight' parameter"),
        ({"device": "gpu"}, "`device` must be 'auto', 'cpu', 'cuda'"),
        ({"class_weight": {7: 1.0}}, "class"),
    ],
)
def test_bad_parameter_is_named(params, message):
    X, y = blobs()
    with pytest.raises(ValueError, match=message):
        fit(X, y, **params)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_gpu_that_is_not_there_is_a_clear_error():
    X, y = blobs()
    with pytest.raises(ValueError, match=r"`device` is 'cuda', but torch sees 0 GPU"):
        fit(X, y, device="cuda")


@pytest.mark.parametrize("schedule", ["cosine", "plateau"])
def test_schedules_lower_the_rate(schedule):
    X, y = blobs()
    y = np.random.default_rng(0).permutation(y)  # nothing to learn: the held-out loss must rise
    settings = {"early_stopping": True, "max_epochs": 60, "lr": 3e-2, "n_iter_no_change": 99}
    clf = fit(X, y, lr_schedule=schedule, **settings)
    assert clf.net_.optimizer_.param_groups[0]["lr"] < 1e-2


def test_zero_weight_decay_is_zero():
    X, y = blobs()
    assert fit(X, y, weight_decay=0.0).net_.optimizer_.param_groups[0]["weight_decay"] == 0


def test_net_params_reach_the_net():
    X, y = blobs()
    clf = fit(X, y, net_params={"criterion__label_smoothing": 0.1})
    assert clf.net_.criterion_.label_smoothing == 0.1
    assert not same_state(clf, fit(X, y))
    assert fit(X, y, net_params={"batch_size": 7}).net_.batch_size == 7


def test_a_criterion_of_ones_own_is_learnt_by():
    class Doubled(ClassLoss):
        def forward(self, outputs, y):
            return 2 * super().forward(outputs, y)

    X, y = blobs()
    plain, doubled = (
        fit(X, y, net_params={"criterion": criterion}, unimodal_weight=0.0)
        for criterion in (ClassLoss, Doubled)
    )
    first, second = (clf.history_["train_loss"][0] for clf in (plain, doubled))
    assert second > 1.5 * first


@pytest.mark.parametrize("criterion", [torch.nn.CrossEntropyLoss, ClassLoss(), "log_loss"])
def test_a_criterion_that_is_none_of_the_target_is_refused(criterion):
    X, y = blobs()
    with pytest.raises(ValueError, match=r"a subclass of sk_mmbalance\.networks\.ClassLoss"):
        fit(X, y, net_params={"criterion": criterion})


def test_grid_over_its_own_parameters():
    X, y = blobs()
    grid = {"fusion": ["concat", "late"], "unimodal_weight": [0.0, 1.0]}
    search = GridSearchCV(MultimodalClassifier(**FAST), grid, cv=2).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_amp_on_a_cpu_runs_in_bfloat16_and_learns():
    X, y = blobs()
    clf = fit(X, y, amp=True, dtype="float32", max_epochs=20, lr=1e-2)
    assert clf.score(X, y) > 0.9


# -- going on, held-out parts and files: what users ran into ----------------------------------


def test_cosine_starts_anew_when_training_goes_on():
    X, y = blobs(n=200)
    clf = fit(X, y, lr_schedule="cosine", warm_start=True, max_epochs=8, lr=1e-2)
    clf.fit(X, y)
    assert clf.net_.optimizer_.param_groups[0]["lr"] < 1e-3
    assert clf.history_["train_loss"].iloc[8:].max() < 2 * clf.history_["train_loss"].iloc[7] + 0.05


def test_what_was_held_out_is_held_out_again():
    X, y = blobs(n=200)
    clf = MultimodalClassifier(max_epochs=1, warm_start=True, early_stopping=True)
    seen = []
    original = clf._split

    def spy(*args):
        seen.append(original(*args)[1].given)
        return original(*args)

    clf._split = spy
    clf.fit(X, y).fit(X, y)
    assert np.array_equal(seen[0], seen[1])


@pytest.mark.parametrize("sizes", [[800, 200, 200], [900, 100, 100, 100], [1080, 120]])
def test_largest_group_is_not_held_out(sizes):
    groups = np.repeat(np.arange(len(sizes)), sizes)
    codes = np.arange(len(groups)) % 3
    for seed in range(5):
        _, valid = hold_out(codes, groups, 0.1, seed)
        assert len(valid) == min(sizes)


def test_groups_that_hold_whole_classes_cannot_be_held_out():
    X, y = blobs(n=200)
    with pytest.raises(ValueError, match="`groups` cannot be held out for validation"):
        MultimodalClassifier(**FAST, early_stopping=True).fit(X, y, groups=y)


@pytest.mark.parametrize("n_classes", [3, 24])
def test_groups_are_held_out_where_every_class_is_rare(n_classes):
    codes, groups = np.arange(24) % n_classes, np.arange(24) // 2
    if n_classes == 24:
        with pytest.raises(ValueError, match="`groups` cannot be held out for validation"):
            hold_out(codes, groups, 0.1, 0)
    else:
        train, valid = hold_out(codes, groups, 0.1, 0)
        assert not set(groups[train]) & set(groups[valid])
        assert set(codes[train]) == {0, 1, 2}


@pytest.mark.parametrize("n", [5, 400])
def test_groups_of_another_length_are_refused(n):
    X, y = blobs(n=200)
    with pytest.raises(ValueError, match=f"`groups` has {n} values for 200 samples"):
        MultimodalClassifier(**FAST).fit(X, y, groups=np.arange(n))


def test_rare_classes_are_always_trained_on():
    codes = np.array([0] * 50 + [1] * 49 + [2])
    for seed in range(20):
        train, valid = hold_out(codes, None, 0.1, seed)
        assert set(codes[train]) == {0, 1, 2}
        assert set(codes[valid]) == {0, 1}
    many = np.arange(40) // 2  # twenty classes, two rows each: too many to stratify by
    train, valid = hold_out(many, None, 0.1, 0)
    assert len(set(many[train])) == 20
    assert len(valid) == 4


def test_weights_file_keeps_feature_names_and_history(tmp_path):
    X, y = blobs()
    frame = X.to_frame()
    file = tmp_path / "weights.safetensors"
    clf = fit(frame, y)
    clf.save_weights(file)
    loaded = MultimodalClassifier(**FAST).load_weights(file)
    with pytest.raises(ValueError, match="features"):
        loaded.predict(frame[frame.columns[::-1]])
    assert loaded.n_iter_ == clf.n_iter_
    pd.testing.assert_frame_equal(loaded.history_, clf.history_)
    assert loaded.partial_fit(frame, y).n_iter_ == clf.n_iter_ + 1


@pytest.mark.parametrize("weight", [-1.0, float("nan"), "much"])
def test_bad_class_weight_is_named(weight):
    X, y = blobs()
    with pytest.raises(ValueError, match=r"`class_weight` must hold finite numbers.*class 0"):
        fit(X, y, class_weight={0: weight})
    with pytest.raises(ValueError, match=r"`class_weight`=.* does not fit the classes"):
        fit(X, y, class_weight={"ear": 1.0})


def test_a_module_that_writes_into_its_input_leaves_the_callers_array_alone():
    X, y = blobs()
    before = X["face"].copy()
    backbone = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(5, 8))
    fit(X, y, backbones={"face": backbone}).predict(X)
    assert np.array_equal(X["face"], before)


def test_what_is_no_callback_is_named():
    X, y = blobs()
    with pytest.raises(TypeError, match="`callbacks` must hold skorch callbacks"):
        MultimodalClassifier(callbacks=["progress"]).fit(X, y)


def test_a_fusion_that_is_given_as_a_module_is_copied():
    X, y = blobs()
    given = make_fusion("concat", {"face": 8, "voice": 8}, 3)
    before = copy.deepcopy(given.state_dict())
    clf = fit(X, y, fusion=given, embedding_dim=8)
    assert all(torch.equal(value, before[key]) for key, value in given.state_dict().items())
    assert not torch.equal(clf.net_.network.fusion.bias, given.bias)


def test_callbacks_may_be_classes_and_a_schedule_of_ones_own_goes_on():
    X, y = blobs()
    steps = LRScheduler("StepLR", step_size=1, gamma=0.5)
    clf = fit(X, y, lr_schedule=steps, callbacks=[EpochTimer], warm_start=True, lr=0.08)
    assert clf.net_.optimizer_.param_groups[0]["lr"] == 0.08 * 0.5**clf.n_iter_
    assert "dur" in clf.net_.history[-1]
    first = clf.n_iter_
    clf.fit(X, y)
    assert clf.n_iter_ == 2 * first
    assert clf.net_.optimizer_.param_groups[0]["initial_lr"] == 0.08


def test_weights_of_another_class_are_refused_and_columns_of_a_table_are_kept(tmp_path):
    X, y = blobs()
    table = np.hstack([X["face"], X["voice"]])
    columns = {"face": slice(0, 5), "voice": [5, 6, 7]}
    file = tmp_path / "weights.safetensors"
    clf = fit(table, y, modalities=columns)
    clf.save_weights(file)
    loaded = MultimodalClassifier(**FAST, modalities=columns).load_weights(file)
    np.testing.assert_array_equal(loaded.predict_proba(table), clf.predict_proba(table))
    with pytest.raises(ValueError, match="holds weights of MultimodalClassifier, not of"):
        MultimodalRegressor().load_weights(file)


def test_rows_that_cannot_be_held_out_are_told():
    X, _ = blobs(n=12)
    with pytest.raises(ValueError, match="`validation_fraction` leaves no row to train on"):
        fit(X[:2], [0, 1], early_stopping=True, validation_fraction=0.9)
    with pytest.raises(ValueError, match=r"cannot hold out a row of 12: every class has one row"):
        fit(X, np.arange(12), early_stopping=True, validation_fraction=0.1)


def test_class_weights_that_leave_nothing_are_refused():
    X, y = blobs()
    with pytest.raises(ValueError, match="leave no row with a positive weight"):
        fit(X, y, class_weight=dict.fromkeys(range(3), 0.0))
