"""The lean net against skorch's own loop, and what happens between epochs."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.base import clone
from skorch import NeuralNet
from skorch.callbacks import Callback, Checkpoint, EarlyStopping, EpochScoring, GradientNormClipping
from torch import nn
from torch.utils.data import DataLoader, default_collate

from sk_mmbalance import FedAvgClassifier, MultimodalClassifier, MultimodalRegressor, balancing
from sk_mmbalance.base import ClassTarget
from sk_mmbalance.exceptions import DivergenceError
from sk_mmbalance.modalities import check_modalities
from sk_mmbalance.networks import ModalityRows, RowBatches, criterion_settings, to_rows
from sk_mmbalance.neural import _net as net_file
from sk_mmbalance.neural._training import TrainingPlan

from .conftest import blobs

CPU = torch.device("cpu")
FAST = {"max_epochs": 3, "batch_size": 16, "early_stopping": False, "random_state": 0}


def rows_of(X, y):
    return to_rows(check_modalities(X), y, None, dtype=torch.float64, device=CPU)


def untrained_net(X, y, **params):
    """Return a net with the estimator's initial weights."""
    clf = MultimodalClassifier(**{**FAST, **params})
    checked = check_modalities(X)
    torch.manual_seed(0)
    module = clf._make_module(checked.spec, len(np.unique(y)), torch.float64)
    plan = TrainingPlan(7, 3, clf.batch_size)
    criterion = criterion_settings(ClassTarget(np.unique(y)))
    return clf._make_net(module, CPU, plan, False, criterion)


class PlainSkorch(NeuralNet):
    """Stock skorch: its loader, its loop, its loss; only the network's signature is ours."""

    def infer(self, x, **fit_params):
        return self.module_(x["inputs"]).logits

    def get_loss(self, y_pred, y_true, X=None, training=False):
        return self.criterion_(y_pred, y_true)


class InOurOrder(DataLoader):
    """Collates row by row, in the order that `RowBatches` draws."""

    def __init__(self, dataset, batch_size):
        self.ours = RowBatches(dataset, batch_size, CPU, seed=7)
        super().__init__(dataset, batch_size=batch_size)
        self.epoch = 0

    def __iter__(self):
        self.ours.epoch = self.epoch
        self.epoch += 1
        order = self.ours.order().tolist()
        for start, stop in self.ours.bounds(len(order)):
            yield default_collate([self.dataset[i] for i in order[start:stop]])


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_lean_loop_equals_stock_skorch(optimizer):
    X, y = blobs(n=57)
    lean = untrained_net(X, y, optimizer=optimizer, unimodal_weight=0.0)
    torch.manual_seed(0)
    clf = MultimodalClassifier(**FAST, optimizer=optimizer, unimodal_weight=0.0)
    module = clf._make_module(check_modalities(X).spec, 3, torch.float64)
    kept = {key: value for key, value in lean.get_params().items() if key.startswith("optimizer")}
    plain = PlainSkorch(
        module,
        criterion=nn.CrossEntropyLoss,
        lr=lean.lr,
        batch_size=lean.batch_size,
        iterator_train=InOurOrder,
        train_split=None,
        max_epochs=3,
        verbose=0,
        **kept,
    ).initialize()
    rows = rows_of(X, y)
    lean.train(rows, None, 3)
    plain.fit_loop(rows)
    ours, theirs = lean.module_.state_dict(), plain.module_.state_dict()
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    np.testing.assert_allclose(
        lean.history[:, "train_loss"],
        [np.average(losses, weights=sizes) for losses, sizes in _batches(plain)],
        rtol=1e-12,
    )


def _batches(net):
    for epoch in net.history:
        yield tuple(
            zip(*((b["train_loss"], b["train_batch_size"]) for b in epoch["batches"]), strict=True)
        )


def test_the_net_knows_no_method_by_name():
    source = Path(net_file.__file__).read_text(encoding="utf-8")
    named = [name for name in balancing.__all__ if name != "Balancing" and name in source]
    assert not named
    assert "assigned" not in source
    assert "remix" not in source


class CountsBatches(Callback):
    def initialize(self):
        self.counts_ = []
        return self

    def on_epoch_begin(self, net, **kwargs):
        self.counts_.append(0)

    def on_batch_end(self, net, training=False, **kwargs):
        self.counts_[-1] += training


def test_batch_events_change_no_weight():
    X, y = blobs(n=57)
    fits = [
        MultimodalClassifier(**FAST, callbacks=callbacks).fit(X, y)
        for callbacks in (None, [("count", CountsBatches())])
    ]
    states = [fit.net_.module_.state_dict() for fit in fits]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert dict(fits[1].net_.callbacks_)["count"].counts_ == [4, 4, 4]
    np.testing.assert_allclose(fits[0].history_["train_loss"], fits[1].history_["train_loss"])


def test_skorch_callbacks_work(tmp_path):
    X, y = blobs(n=200)
    callbacks = [
        ("clip", GradientNormClipping(1.0)),
        ("own", EpochScoring("accuracy", name="own_accuracy", on_train=True)),
        ("checkpoint", Checkpoint(dirname=tmp_path, monitor="train_loss_best")),
    ]
    clf = MultimodalClassifier(**FAST, callbacks=callbacks).fit(X, y)
    np.testing.assert_allclose(clf.history_["own_accuracy"], clf.history_["train_accuracy"])
    assert (tmp_path / "params.pt").is_file()


def test_callbacks_given_are_not_changed():
    stopping = EarlyStopping(monitor="train_loss", patience=1, threshold=10.0)
    before = dict(vars(stopping))
    X, y = blobs()
    clf = MultimodalClassifier(**FAST, callbacks=[stopping]).fit(X, y)
    assert clf.n_iter_ == 2
    assert vars(stopping) == before


def test_closure_optimisers_work():
    X, y = blobs()
    clf = MultimodalClassifier(
        **{**FAST, "lr": 1.0, "batch_size": 120},
        optimizer=torch.optim.LBFGS,
        weight_decay=0,
        net_params={"optimizer__line_search_fn": "strong_wolfe"},
    )
    assert clf.fit(X, y).score(X, y) > 0.9


def test_history_is_the_mean_over_rows():
    X, y = blobs(n=57)
    net = untrained_net(X, y, lr=1e-30)  # weights stand still: every epoch shows the same model
    net.train(rows_of(X, y), None, 1)
    output = net.evaluate_rows(rows_of(X, y))
    cross_entropy = nn.functional.cross_entropy
    expected = cross_entropy(output.logits, torch.from_numpy(y)).item()
    row = net.history[-1]
    each = [
        cross_entropy(logits, torch.from_numpy(y)).item() for logits in output.unimodal.values()
    ]
    assert row["train_loss"] == pytest.approx(expected + sum(each))
    assert row["train_accuracy"] == pytest.approx((output.logits.argmax(1).numpy() == y).mean())
    own = output.unimodal["face"].log_softmax(1)[range(57), y]
    assert row["face__train_loss"] == pytest.approx(-own.mean().item())
    assert row["face__confidence"] == pytest.approx(own.exp().mean().item())


def test_weighted_history_equals_history_of_repeated_rows():
    X, y = blobs(n=20)
    weight = np.arange(20) % 3 + 1.0
    repeated = np.repeat(np.arange(20), weight.astype(int))
    clf = MultimodalClassifier(**{**FAST, "batch_size": 64})
    fits = [
        clone(clf).fit(X, y, sample_weight=weight),
        clone(clf).fit(X[repeated], y[repeated]),
    ]
    columns = ["train_loss", "train_accuracy", "face__train_loss", "voice__confidence", "gap"]
    np.testing.assert_allclose(fits[0].history_[columns], fits[1].history_[columns], rtol=1e-8)


def test_divergence_stops_with_the_epoch_and_the_mend():
    X, y = blobs()
    clf = MultimodalClassifier(**{**FAST, "lr": 1e30, "optimizer": "sgd", "max_epochs": 50})
    with pytest.raises(DivergenceError, match=r"loss became .* in epoch \d+.*lower `lr`"):
        clf.fit(X, y)
    assert not hasattr(clf, "net_")


class PressesCtrlC(Callback):
    """Interrupts in the middle of an epoch, as a person would."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_batch_end(self, net, training=False, **kwargs):
        if len(net.history) == self.epoch:
            raise KeyboardInterrupt


def test_ctrl_c_keeps_the_last_whole_epoch_and_is_raised():
    X, y = blobs()
    clf = MultimodalClassifier(**{**FAST, "max_epochs": 9}, callbacks=[PressesCtrlC(3)])
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X, y)
    reference = MultimodalClassifier(**{**FAST, "max_epochs": 2}).fit(X, y)
    assert clf.n_iter_ == 2
    assert np.array_equal(clf.predict_proba(X), reference.predict_proba(X))


def test_ctrl_c_in_the_first_epoch_leaves_nothing_half_fitted():
    X, y = blobs()
    clf = MultimodalClassifier(**FAST, callbacks=[PressesCtrlC(1)])
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X, y)
    assert not hasattr(clf, "classes_")


@pytest.mark.parametrize("use_caching", [True, False])
@pytest.mark.parametrize("scoring", ["roc_auc", "neg_log_loss", "accuracy"])
def test_any_metric_can_be_scored_and_stopped_on(scoring, use_caching):
    X, y = blobs(n_classes=2)
    score = EpochScoring(
        scoring, name="own", lower_is_better=False, use_caching=use_caching, on_train=False
    )
    stop = EarlyStopping(monitor="own", patience=2, lower_is_better=False)
    clf = MultimodalClassifier(
        **{**FAST, "early_stopping": True}, callbacks=[("own", score), ("stop", stop)]
    ).fit(X, y)
    assert np.isfinite(clf.history_["own"]).all()
    if scoring == "accuracy":
        np.testing.assert_allclose(clf.history_["own"], clf.history_["valid_accuracy"])


def test_label_smoothing_reaches_the_losses_of_single_modalities():
    X, y = blobs()
    smooth = MultimodalClassifier(
        **FAST, net_params={"criterion__label_smoothing": 0.2}, fusion="late"
    ).fit(X, y)
    rows = rows_of(X, y)
    batch = rows[:20]
    output = smooth.net_.infer(batch[0])
    loss = smooth.net_.get_loss(output, batch[1], X=batch[0], training=True)
    expected = [
        nn.functional.cross_entropy(z, batch[1], label_smoothing=0.2)
        for z in (output.logits, *output.unimodal.values())
    ]
    torch.testing.assert_close(loss, sum(expected))


@pytest.mark.parametrize(
    "name", ["iterator_train__shuffle", "max_epochs", "train_split", "dataset", "methods", "seed"]
)
def test_net_params_without_effect_are_refused(name):
    X, y = blobs()
    clf = MultimodalClassifier(**FAST, net_params={name: 1})
    with pytest.raises(ValueError, match=f"`net_params` cannot set '{name}'"):
        clf.fit(X, y)
    assert not hasattr(clf, "net_")


def test_prediction_batches_are_the_users_choice_and_small_for_large_rows():
    X, y = blobs()
    clf = MultimodalClassifier(**FAST, predict_batch_size=50).fit(X, y)
    sizes = [len(codes) for _, codes in clf.net_.get_iterator(clf._rows_for_prediction(X)[1])]
    assert sizes == [50, 50, 20]
    np.testing.assert_allclose(
        clf.predict_proba(X),
        MultimodalClassifier(**FAST).fit(X, y).predict_proba(X),
        rtol=1e-12,
    )
    clf.set_params(predict_batch_size="auto").fit(X, y)
    image = torch.zeros(1, 3, 224, 224).expand(200, -1, -1, -1)
    rows = ModalityRows({"image": image}, torch.zeros(200, dtype=torch.int64))
    assert len(next(iter(clf.net_.get_iterator(rows)))[1]) == 27
    assert clf.net_.get_iterator(clf._rows_for_prediction(X)[1]).batch_size == 4096


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("cls", [MultimodalClassifier, FedAvgClassifier])
def test_a_fit_where_no_gradients_are_kept_trains_as_anywhere(cls, mode):
    X, y = blobs(n=40)
    short = {"n_rounds": 2} if cls is FedAvgClassifier else {"max_epochs": 2}
    plain, inside = (cls(**short, random_state=0) for _ in range(2))
    plain.fit(X, y)
    with mode():
        inside.fit(X, y)
    np.testing.assert_array_equal(inside.predict_proba(X), plain.predict_proba(X))
    for model in (plain, inside):  # and goes on
        model.partial_fit(X, y)
    np.testing.assert_array_equal(inside.predict_proba(X), plain.predict_proba(X))


def test_batch_normalisation_of_a_single_row_is_refused_in_words():
    X, y = blobs(n=40)
    norm = {"face": nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4))}
    clf = MultimodalClassifier(backbones=norm, max_epochs=1, random_state=0)
    with pytest.raises(ValueError, match=r"`X` has one row, .* BatchNorm1d, is batch normalis"):
        clf.partial_fit(X[:1], y[:1], classes=[0, 1, 2])
    clf.partial_fit(X[:2], y[:2], classes=[0, 1, 2])
    with pytest.raises(ValueError, match="`X` has one row"):
        clf.partial_fit(X[:1], y[:1])


def test_parts_of_what_was_saved_are_loaded_by_themselves(tmp_path):
    X, y = blobs()
    trained = MultimodalClassifier(**FAST).fit(X, y).net_
    files = {f"f_{part}": tmp_path / part for part in ("params", "optimizer")}
    trained.save_params(**files)

    def same(net):
        states = [other.optimizer_.state_dict()["state"][0]["exp_avg"] for other in (net, trained)]
        weights = [other.network.state_dict() for other in (net, trained)]
        return (
            all(torch.equal(value, weights[1][key]) for key, value in weights[0].items()),
            torch.equal(*states),
        )

    for part, expected in (("params", (True, False)), ("optimizer", (False, True))):
        net = MultimodalClassifier(**{**FAST, "max_epochs": 1}).fit(X, y).net_
        assert same(net) == (False, False)
        net.load_params(**{f"f_{part}": tmp_path / part})
        assert same(net) == expected


@pytest.mark.parametrize("f_history", ["history.json", None])
def test_a_checkpoint_brings_its_history_if_it_has_one(f_history, tmp_path):
    X, y = blobs()
    checkpoint = Checkpoint(
        dirname=str(tmp_path), monitor="train_loss_best", f_history=f_history, event_name=None
    )
    clf = MultimodalClassifier(**FAST, callbacks=[("checkpoint", checkpoint)]).fit(X, y)
    net = MultimodalClassifier(**{**FAST, "max_epochs": 1}).fit(X, y).net_
    net.load_params(checkpoint=dict(clf.net_.callbacks_)["checkpoint"])
    assert len(net.history) == (3 if f_history else 1)
    theirs = clf.net_.network.state_dict()
    assert all(torch.equal(value, theirs[key]) for key, value in net.network.state_dict().items())


def test_a_net_of_numbers_knows_no_classes():
    X, y = blobs()
    assert MultimodalClassifier(**FAST).fit(X, y).net_.classes_.tolist() == [0, 1, 2]
    assert not hasattr(MultimodalRegressor(**FAST).fit(X, 1.0 * y).net_, "classes_")
