"""Valuation: values and copies by hand, and which rows come again with what."""

from itertools import permutations

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from sk_mmbalance import MultimodalClassifier, MultimodalRegressor
from sk_mmbalance.balancing import Valuation
from sk_mmbalance.networks import ModalityRows, RowBatches

from .conftest import FAST, blobs, fit, formulae, same_weights, with_missing

of = formulae(Valuation)

NOW = {"start_epoch": 0}


def values(right, names):
    """Values of the game in which a coalition is worth its size where it is right."""

    def worth(members):
        return torch.tensor([float(len(members) * right(set(members)))])

    found = of.shapley(worth, names, worth(tuple(names)))
    return [round(found[name].item(), 6) for name in names]


@pytest.mark.parametrize(
    ("right", "expected"),
    [
        ({"a", "ab"}, [1.5, 0.5]),
        ({"a", "b", "ab"}, [1, 1]),
        ({"ab"}, [1, 1]),
        ({"a"}, [0.5, -0.5]),
        (set(), [0, 0]),
    ],
)
def test_values_of_two_modalities_by_hand(right, expected):
    assert values(lambda s: "".join(sorted(s)) in right, ["a", "b"]) == expected


def test_values_of_three_modalities_by_hand():
    names = ["a", "b", "c"]
    assert values(lambda s: "a" in s, names) == [2, 0.5, 0.5]
    expected = [round(v, 6) for v in (7 / 6, 7 / 6, 2 / 3)]
    assert values(lambda s: s != {"c"}, names) == expected


def test_copies_by_hand():
    phi = torch.tensor([[1.5, 0.5], [1, 1], [0.5, -0.5], [0, 0], [0.999999999999, 1]])
    phi = phi.double()
    having = torch.ones(5, 2, dtype=torch.bool)
    counts = of.copies_of_rows(phi, having, 3)
    assert counts.tolist() == [[0, 1], [0, 0], [1, 3], [2, 2], [0, 0]]
    assert of.copies_of_rows(phi, having, 1).tolist()[2:4] == [[1, 1], [1, 1]]
    having[2, 0] = having[3, 1] = False  # a row's only modality
    assert of.copies_of_rows(phi, having, 3).tolist()[2:4] == [[0, 0], [0, 0]]
    rows, modality = of.expanded(counts)
    assert rows.tolist() == [0, 2, 2, 2, 2, 3, 3, 3, 3]
    assert modality.tolist() == [1, 0, 1, 1, 1, 0, 0, 1, 1]


def test_copies_of_modalities_by_hand():
    assert of.copies_of_modalities([0.8, 0.3], 300) == [0, 100]
    assert of.copies_of_modalities([0.2, 0.5, 0.8], 100) == [40, 20, 0]
    assert of.copies_of_modalities([0.8, float("nan"), 0.2], 10) == [0, 0, 4]


def test_sampled_values_come_near_the_exact_ones():
    rng = np.random.default_rng(0)
    worths = {}

    def worth(members):
        if members not in worths:
            worths[members] = torch.from_numpy(len(members) * (rng.random(50) < 0.5))
        return worths[members].double()

    names = list("abcdef")
    exact = of.shapley(worth, names, worth(tuple(names)))
    drawn = of.sampled_shapley(worth, names, seed=1)
    whole = worth(tuple(names))
    torch.testing.assert_close(torch.stack(list(drawn.values())).sum(dim=0), whole)
    errors = torch.stack([exact[n] - drawn[n] for n in names])
    assert errors.abs().mean() < 0.35  # gains spread by 2.8, over 64 orders
    alone = of.sampled_shapley(lambda s: torch.tensor([float(len(s))]), names, seed=1)
    assert all(value.item() == pytest.approx(1) for value in alone.values())
    every = {n: torch.zeros(50, dtype=torch.float64) for n in names[:3]}
    for order in permutations(names[:3]):  # the formula that both stand for
        before = 0.0
        for k in range(3):
            now = worth(tuple(sorted(order[: k + 1])))
            every[order[k]] += (now - before) / 6
            before = now
    three = of.shapley(worth, names[:3], worth(tuple(names[:3])))
    for n in three:
        torch.testing.assert_close(three[n], every[n])


def test_batches_visit_rows_as_told():
    x = torch.arange(5.0)[:, None]
    rows = ModalityRows({"a": x, "b": 10 * x}, torch.arange(5), weight=torch.arange(5.0) + 1)
    for resident in (True, False):
        held = ModalityRows(rows.inputs, rows.codes, None, rows.weight, resident)
        batches = RowBatches(held, 3, torch.device("cpu"), seed=0)
        plain = [X["inputs"]["a"].flatten().tolist() for X, _ in batches]
        seen_a = torch.tensor([True, True, False, True, True])
        batches.visit(torch.tensor([0, 0, 4, 2, 2]), {"a": seen_a, "b": torch.ones(5) > 0})
        assert len(batches) == 2
        seen = []
        for X, y in batches:
            assert torch.equal(X["weight"], y + 1.0)
            assert torch.equal(X["inputs"]["a"].flatten(), y.float())
            seen += list(zip(y.tolist(), X["present"]["a"].tolist(), strict=True))
        assert sorted(seen) == [(0, True), (0, True), (2, True), (2, True), (4, False)]
        batches.visit(None)
        assert [X["inputs"]["a"].flatten().tolist() for X, _ in batches] == plain


@pytest.mark.parametrize("off", [{"max_copies": 0}, {"stop_epoch": 0}])
@pytest.mark.parametrize("level", ["row", "modality"])
def test_strength_zero_is_joint_training(off, level):
    X, y = blobs(n=60)
    params = {"dropout": 0.2}
    value = Valuation(**NOW, level=level, **off)
    assert same_weights(fit(value, X, y, **params), fit(None, X, y, **params))


def test_one_modality_is_plain_training():
    X, y = blobs(n=60, dims={"face": (5,)})
    assert same_weights(fit(Valuation(**NOW), X, y), fit(None, X, y))


def uneven(n=90):
    X, y = blobs(n=n)
    return type(X)(face=X["face"], voice=0.05 * X["voice"]), y


@pytest.mark.parametrize("fusion", ["concat", "sum", "late", "gated", "film", "transformer"])
@pytest.mark.parametrize("level", ["row", "modality"])
def test_the_modality_that_helps_little_comes_again(level, fusion):
    X, y = uneven()
    value = Valuation(start_epoch=5, level=level, part=1.0)
    history = fit(value, X, y, fusion=fusion, unimodal_weight=0, max_epochs=7).history_
    assert history["voice__n_copies"].isna().tolist() == 5 * [True] + 2 * [False]
    last = history.iloc[-1]
    assert last["face__value"] > last["voice__value"]
    assert last["voice__n_copies"] > last["face__n_copies"]


def test_values_are_those_of_the_network_as_it_stands():
    X, y = blobs(n=60)
    history = fit(Valuation(start_epoch=2), X, y, max_epochs=3).history_
    clf = fit(None, X, y, max_epochs=2)

    def right(**kept):
        gone = {m: np.full_like(X[m], np.nan) for m in X if m not in kept}
        other = type(X)({**{m: X[m] for m in kept}, **gone})
        return clf.set_params(missing="mask").predict(other) == y

    both = 2.0 * right(face=1, voice=1)
    face, voice = right(face=1) * 1.0, right(voice=1) * 1.0
    assert history["face__value"][2] == pytest.approx(np.mean((face + both - voice) / 2))
    assert history["voice__value"][2] == pytest.approx(np.mean((voice + both - face) / 2))


def test_control_has_as_many_copies_of_modalities_drawn_at_random():
    X, y = uneven(n=300)
    value = Valuation(start_epoch=2)
    control = value.control()["balancing"]
    ours, theirs = (fit(v, X, y, max_epochs=3).history_.iloc[-1] for v in (value, control))
    assert ours["face__value"] == theirs["face__value"]
    total = ours["face__n_copies"] + ours["voice__n_copies"]
    assert theirs["face__n_copies"] + theirs["voice__n_copies"] == total
    assert theirs["face__n_copies"] == pytest.approx(total / 2, rel=0.2)


def test_draws_are_the_same_every_time():
    X, y = uneven()
    for value in (Valuation(**NOW), Valuation(**NOW, level="modality")):
        assert same_weights(fit(value, X, y), fit(value, X, y))


def test_rows_may_lack_modalities_and_targets_be_labels_or_numbers():
    X, y = blobs(n=90, dims={"a": (3,), "b": (2,), "c": (4,)})
    holes, _ = with_missing(X, share=0.4)
    for value in (Valuation(**NOW), Valuation(**NOW, level="modality")):
        for fusion in ("concat", "gated"):
            clf = fit(value, holes, y, missing="mask", max_epochs=15, fusion=fusion)
            assert clf.score(holes, y) > 0.6
    labels = np.stack([y == 0, y < 2], axis=1).astype(int)
    assert fit(Valuation(**NOW), X, labels).predict(X).shape == (90, 2)
    reg = MultimodalRegressor(**FAST, balancing=Valuation(**NOW)).fit(X, y.astype(float))
    assert np.isfinite(reg.history_["train_loss"]).all()


def test_many_modalities_are_valued_by_random_orders():
    X, y = blobs(n=40, dims={name: (2,) for name in "abcdef"})
    history = fit(Valuation(start_epoch=1), X, y, max_epochs=2).history_
    total = history.filter(like="__value").sum(axis=1)[1]
    assert 0 < total <= 6


def test_published_side():
    clf = Valuation.published_estimator()
    assert (clf.optimizer, clf.unimodal_weight) == ("adam", 0.0)
    assert isinstance(clf, MultimodalClassifier)


@pytest.mark.parametrize("level", ["row", "modality"])
def test_rows_are_valued_anew_every_so_many_epochs(level):
    X, y = uneven()
    every = fit(Valuation(**NOW, level=level), X, y, max_epochs=5).history_
    now_and_then = fit(Valuation(**NOW, level=level, revalue_every=2), X, y, max_epochs=5).history_
    figures = now_and_then.filter(regex="__(value|n_copies)$")
    assert figures.iloc[0].equals(every[figures.columns].iloc[0])
    for first in (0, 2):
        assert figures.iloc[first].equals(figures.iloc[first + 1])
    assert figures.nunique().max() == 3
    seldom = fit(Valuation(**NOW, level=level, revalue_every=99), X, y, max_epochs=5)
    assert (seldom.history_.filter(regex="__(value|n_copies)$").nunique() == 1).all()


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_a_fit_that_goes_on_from_a_checkpoint_keeps_the_values(tmp_path, stop):
    X, y = uneven()

    class Stop(Exception):
        pass

    class Breaks(Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == stop and not (tmp_path / "stopped").exists():
                (tmp_path / "stopped").touch()
                raise Stop

    value = Valuation(**NOW, revalue_every=3)
    params = {"max_epochs": 5, "callbacks": [Breaks()], "checkpoint_dir": tmp_path / "kept"}
    with pytest.raises(Stop):
        fit(value, X, y, **params)
    assert list((tmp_path / "kept").rglob("*.*"))
    resumed = fit(value, X, y, **params)
    whole = fit(value, X, y, max_epochs=5)
    assert same_weights(resumed, whole)
    assert resumed.history_["face__value"].equals(whole.history_["face__value"])


def test_each_call_values_its_own_rows():
    X, y = uneven()
    clf = MultimodalClassifier(balancing=Valuation(**NOW, revalue_every=99), **FAST)
    first = clf.partial_fit(X[:60], y[:60], classes=np.unique(y)).history_
    second = clf.partial_fit(X[30:], y[30:]).history_
    assert first["voice__n_copies"].iloc[-1] != second["voice__n_copies"].iloc[-1]
