"""The round loop: who is asked, what is taken in, what survives a mishap."""

import pickle
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from sk_mmbalance.exceptions import NoUpdateWarning
from sk_mmbalance.federated import (
    ClientTrainer,
    CMSFed,
    FedAvg,
    FedCMI,
    InProcessEngine,
    Order,
    Reply,
    RoundView,
    Server,
    Task,
)
from sk_mmbalance.federated._messages import n_bytes

from .conftest import federation, run, same_state

SMALL = {
    "feature_dim": 6,
    "hidden_layer_sizes": (8,),
    "n_rounds": 3,
    "local_epochs": 1,
    "batch_size": 16,
}
METHODS = [FedAvg(**SMALL), FedCMI(**SMALL), CMSFed(**SMALL)]
every_method = pytest.mark.parametrize("method", METHODS, ids=["FedAvg", "FedCMI", "CMSFed"])


class Spoiled(ClientTrainer):
    """A client that spoils its training replies in some way."""

    def __init__(self, *args, how, **kwargs):
        super().__init__(*args, **kwargs)
        self.how = how

    def handle(self, order, memory=None):
        reply, memory = super().handle(order, memory)
        if order.kind in ("train", "probe"):
            reply = self.how(reply)
        return reply, memory


def nan(reply):
    model = {key: value * np.nan for key, value in reply.arrays["model"].items()}
    return Reply({**reply.arrays, "model": model}, reply.config)


def wrong_shape(reply):
    model = {key: value[..., :1] for key, value in reply.arrays["model"].items()}
    return Reply({**reply.arrays, "model": model}, reply.config)


def nothing(reply):
    return Reply()


def nonsense(reply):
    return Reply(reply.arrays, {**reply.config, "modalities": 7})


def boom(reply):
    raise RuntimeError("out of power")


def trainers_with(method, task, shares, bad, how):
    return {
        k: Spoiled(method, task, task.read(X, y), how=how)
        if k in bad
        else ClientTrainer(method, task, task.read(X, y))
        for k, (X, y) in shares.items()
    }


@every_method
def test_same_seed_same_bits_and_another_seed_others(method):
    task, shares = federation(lacking={3: "a"})
    first, second, other = (run(method, task, shares, seed)[0] for seed in (0, 0, 1))
    assert same_state(first.state, second.state)
    assert first.plans == second.plans
    assert not same_state(first.state, other.state)


@every_method
def test_global_random_state_is_left_alone(method):
    task, shares = federation()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    run(method, task, shares)
    assert torch.equal(torch.rand(3), expected)


@every_method
def test_method_and_task_come_back_from_a_pickle_and_give_the_same_bits(method):
    task, shares = federation()
    again = pickle.loads(pickle.dumps((method, task)))
    assert same_state(run(method, task, shares)[0].state, run(*again, shares)[0].state)
    assert Task.from_json(task.to_json()) == task


@every_method
@pytest.mark.parametrize("how", [nan, wrong_shape, nothing, nonsense, boom])
def test_bad_reply_is_logged_and_survived(method, how):
    task, shares = federation(n_clients=4)
    method = replace(method, clients_per_round=4, n_rounds=2)
    trainers = trainers_with(method, task, shares, {"1"}, how)
    if isinstance(method, CMSFed):  # what cannot be probed is not chosen
        with pytest.warns(NoUpdateWarning, match="'1' could not be probed"):
            server, _ = run(method, task, shares, trainers=trainers)
    else:
        said = (
            nullcontext() if how is boom else pytest.warns(NoUpdateWarning, match="'1': .refused")
        )
        with said:
            server, _ = run(method, task, shares, trainers=trainers)
        outcomes = {r["client"]: r["outcome"] for r in server.selection}
        assert outcomes["1"].startswith("failed: " if how is boom else "refused: ")
        assert outcomes["0"] == "aggregated"
        assert server.history[0]["skipped"]["1"] == outcomes["1"]
    assert server.round == 2
    assert all(np.isfinite(value).all() for value in server.state.values())
    assert "1" not in server.history[-1]["clients"]


def test_good_replies_count_as_if_the_bad_client_had_not_been_asked():
    task, shares = federation(n_clients=3)
    method = FedAvg(**{**SMALL, "n_rounds": 1}, clients_per_round=3)
    trainers = trainers_with(method, task, shares, {"2"}, nan)
    with pytest.warns(NoUpdateWarning, match="NaN or infinite"):
        with_bad, _ = run(method, task, shares, trainers=trainers)
    without, _ = run(
        replace(method, dropout_rate=lambda number, client: client == "2"), task, shares
    )
    assert same_state(with_bad.state, without.state)


@every_method
def test_no_good_reply_leaves_the_model_and_warns(method):
    task, shares = federation()
    method = replace(method, n_rounds=1, dropout_rate=1.0)
    before = Server(method, task, list(shares), seed=0).state
    with pytest.warns(NoUpdateWarning, match="stays as it was.*dropped"):
        server, _ = run(method, task, shares)
    assert same_state(server.state, before)
    assert server.history[0]["clients"] == []
    assert np.isnan(server.history[0]["train_loss"])


def test_late_reply_is_not_aggregated_but_its_bytes_count():
    task, shares = federation(n_clients=2)
    method = FedAvg(**SMALL, clients_per_round=2)
    late = replace(method, straggler_rate=lambda number, client: client == "1" and number == 2)
    server, _ = run(late, task, shares)
    assert server.history[1]["skipped"] == {"1": "late"}
    assert server.history[1]["clients"] == ["0"]
    assert server.history[1]["bytes_up"] == server.history[2]["bytes_up"]
    dropped = replace(method, dropout_rate=lambda number, client: client == "1" and number == 2)
    without, _ = run(dropped, task, shares)
    assert same_state(server.state, without.state)
    assert without.history[1]["bytes_up"] < server.history[1]["bytes_up"]


def test_dropout_rate_is_the_share_of_orders_that_are_not_given():
    task, shares = federation(n=20)
    method = FedAvg(
        feature_dim=2,
        hidden_layer_sizes=(2,),
        n_rounds=100,
        local_epochs=1,
        clients_per_round=4,
        evaluate_every=0,
        dropout_rate=0.3,
    )
    server, _ = run(method, task, shares)
    lost = np.mean([r["outcome"] == "dropped" for r in server.selection])
    assert 0.24 < lost < 0.36  # 400 draws: sd 0.023


def test_random_choice_takes_every_client_and_the_right_number():
    task, shares = federation(n_clients=5, n=20)
    method = FedAvg(feature_dim=2, hidden_layer_sizes=(2,), n_rounds=60, clients_per_round=2)
    held, weights = {client: ["a", "b"] for client in shares}, dict.fromkeys(shares, 1.0)
    counts = dict.fromkeys(shares, 0)
    for number in range(200):
        view = RoundView(number, task, list(shares), held, weights, {}, {}, seed=(0, number))
        plan = method.plan(view)
        assert len(plan) == 2
        for client in plan:
            counts[client] += 1
    # 80 each in the mean, sd 7
    assert min(counts.values()) > 50
    assert max(counts.values()) < 110


@pytest.mark.parametrize(
    ("wanted", "n_clients", "n"), [(2, 5, 2), (9, 5, 5), (0.1, 30, 3), (0.5, 5, 3), (0.01, 5, 1)]
)
def test_number_of_clients_a_round(wanted, n_clients, n):
    assert FedAvg(clients_per_round=wanted).n_chosen(n_clients) == n


def test_learning_rate_follows_the_published_schedule():
    method = FedAvg(lr=1.0, lr_min=0.1, lr_hold=4, n_rounds=10)
    rates = [method.rate(r) for r in range(10)]
    assert rates[:4] == [1.0] * 4
    np.testing.assert_allclose(rates[4:], [1 - 0.9 * r / 10 for r in range(4, 10)])
    assert FedAvg(lr=1.0).rate(99) == 1.0


@every_method
def test_modality_that_nobody_trains_does_not_move(method):
    """All clients lack b: its encoder, and its columns of the fusion, stay to the bit."""
    task, shares = federation(lacking=dict.fromkeys(range(4), "b"))
    server, _ = run(method, task, shares)
    start = Server(method, task, list(shares)).state
    for key in server.blocks["b"]:
        np.testing.assert_array_equal(server.state[key], start[key])
    assert not np.array_equal(
        server.state["backbones.m_a.0.weight"], start["backbones.m_a.0.weight"]
    )
    if method.__class__ is not FedCMI:  # there the slot of b is filled by a
        key = "fusion.maps.m_b.weight"
        np.testing.assert_array_equal(server.state[key], start[key])


@every_method
def test_client_receives_no_memory_of_the_server_or_of_other_clients(method):
    task, shares = federation(n_clients=2)
    kept = []

    class Scribbler(ClientTrainer):
        def handle(self, order, memory=None):
            reply, memory = super().handle(order, memory)
            kept.extend(a for group in order.arrays.values() for a in group.values())
            kept.extend(a for group in reply.arrays.values() for a in group.values())
            return reply, memory

    trainers = {k: Scribbler(method, task, task.read(X, y)) for k, (X, y) in shares.items()}
    server, _ = run(method, task, shares, trainers=trainers)
    expected, _ = run(method, task, shares)
    for array in kept:
        array.fill(np.nan) if array.dtype.kind == "f" else array.fill(0)
    assert same_state(server.state, expected.state)


def test_weights_of_batch_normalisation_survive_a_client_with_one_row():
    task, shares = federation(n_clients=2)
    X, y = shares["1"]
    shares["1"] = (X[:1], y[:1])
    encoder = {
        name: nn.Sequential(nn.Linear(*shape, 6), nn.BatchNorm1d(6), nn.ReLU())
        for name, shape in task.shapes.items()
    }
    method = FedAvg(backbones=encoder, n_rounds=2, clients_per_round=2)
    server, _ = run(method, task, shares)
    assert server.history[-1]["skipped"] == {}
    counter = server.state["backbones.m_a.1.num_batches_tracked"]
    assert counter.dtype == np.int64
    assert counter > 0
    assert all(np.isfinite(value).all() for value in server.state.values())


@every_method
def test_clients_with_one_class_with_few_rows_and_with_many(method):
    task, shares = federation(n_clients=4, n=160)
    X, y = shares["0"]
    shares["0"] = (X[y == 1], y[y == 1])
    X, y = shares["1"]
    shares["1"] = (X[:1], y[:1])
    X, y = shares["2"]
    shares["2"] = (X[y != 2], y[y != 2])
    server, _ = run(replace(method, clients_per_round=4), task, shares)
    assert all(row["skipped"] == {} for row in server.history)
    assert all(np.isfinite(value).all() for value in server.state.values())


@every_method
def test_weights_of_a_client_are_those_of_repeated_rows(method):
    """n_k is the sum of the weights, so that a weighted row counts as if it stood there often."""
    task, shares = federation(n_clients=2, n=30)
    method = replace(method, batch_size=64, clients_per_round=2)
    weighted, repeated = {}, {}
    for k, (X, y) in shares.items():
        times = np.arange(len(y)) % 3
        again = np.repeat(np.arange(len(y)), times)
        weighted[k] = ClientTrainer(method, task, task.read(X, y, times))
        repeated[k] = ClientTrainer(method, task, task.read(X[again], y[again]))
        assert weighted[k].weight() == repeated[k].weight() == times.sum()
    first, _ = run(method, task, shares, trainers=weighted)
    second, _ = run(method, task, shares, trainers=repeated)
    assert same_state(first.state, second.state, atol=1e-8)


def test_client_without_the_modality_asked_for_fails_and_is_logged():
    task, shares = federation(n_clients=2, lacking={1: "b"})
    method = FedAvg(**SMALL, clients_per_round=2)

    class Wrong(FedAvg):
        def plan(self, view):
            return {"0": ["b"], "1": ["b"]}

    server, _ = run(Wrong(**SMALL, clients_per_round=2), task, shares)
    assert server.history[0]["skipped"]["1"].startswith("failed: ValueError: this client has none")
    assert server.history[0]["modalities"] == {"0": ["b"]}
    assert method.n_rounds == server.round


def test_client_that_cannot_describe_itself_takes_no_part():
    task, shares = federation(n_clients=2)
    method = FedAvg(**SMALL)

    class Mute(ClientTrainer):
        def handle(self, order, memory=None):
            raise OSError("no disk")

    trainers = {
        "0": ClientTrainer(method, task, task.read(*shares["0"])),
        "1": Mute(method, task, task.read(*shares["1"])),
    }
    with pytest.warns(NoUpdateWarning, match="'1' takes no part: OSError: no disk"):
        server, _ = run(method, task, shares, trainers=trainers)
    assert server.clients == ["0"]


def test_size_of_a_message_is_that_of_its_arrays_and_values():
    arrays = {"model": {"w": np.zeros(10, dtype=np.float32), "v": np.zeros(2)}}
    assert (
        n_bytes(Order("train", arrays, {"lr": 0.1, "modalities": ["ab", "c"]})) == 40 + 16 + 8 + 3
    )


def test_reply_of_a_client_that_lacks_a_modality_is_smaller():
    task, shares = federation(n_clients=2, lacking={1: "b"})
    method = FedAvg(**SMALL)
    engine = InProcessEngine(
        {k: ClientTrainer(method, task, task.read(X, y)) for k, (X, y) in shares.items()}
    )
    server = Server(method, task, ["0", "1"])
    config = {"round": 0, "seed": 1, "lr": 0.1, "epochs": 1, "modalities": ["a", "b"]}
    order = Order("train", {"model": server.state}, config)
    replies = engine.exchange({"0": order, "1": order})
    assert replies["1"].config["modalities"] == ["a"]
    assert not any(".m_b" in k and k[0] == "b" for k in replies["1"].arrays["model"])
    assert n_bytes(replies["1"]) < n_bytes(replies["0"])


def test_accuracy_is_that_over_all_clients_rows():
    task, shares = federation(n_clients=3, lacking={2: "a"})
    method = FedAvg(**SMALL)
    server, _ = run(method, task, shares)
    right = total = 0
    for X, y in shares.values():
        rows = task.read(X, y)
        batch, codes = rows[:]
        logits = server.module().eval()(batch["inputs"], batch.get("present")).logits
        right += int((logits.argmax(dim=1) == codes).sum())
        total += len(y)
    assert server.history[-1]["accuracy"] == pytest.approx(right / total)


@pytest.mark.parametrize(
    "spoilt",
    [
        {"n": 0.0},
        {"n": float("nan")},
        {"correct": -1.0},
        {"correct": 1e9},
        {"own_n": [1.0]},
        {"own_correct": "all"},
        {"modalities": ["a", "another"]},
    ],
)
def test_figures_that_are_none_are_left_out_of_the_accuracy(spoilt):
    class Boasting(ClientTrainer):
        def handle(self, order, memory=None):
            reply, memory = super().handle(order, memory)
            if order.kind == "evaluate":
                reply = Reply(reply.arrays, {**reply.config, **spoilt})
            return reply, memory

    task, shares = federation(n_clients=3)
    method = FedAvg(**SMALL)
    trainers = {k: ClientTrainer(method, task, task.read(X, y)) for k, (X, y) in shares.items()}
    honest, _ = run(method, task, shares, trainers=dict(trainers))
    trainers["1"] = Boasting(method, task, task.read(*shares["1"]))
    server, _ = run(method, task, shares, trainers=trainers)
    assert same_state(server.state, honest.state)
    assert set(server.history[-1]["client_accuracy"]) == {"0", "2"}
    assert 0 <= server.history[-1]["accuracy"] <= 1
