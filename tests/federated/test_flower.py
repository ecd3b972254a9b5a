"""Flower's apps in one process: the same model as without Flower, and what a deployment runs."""

import gc
import io
import json
import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import joblib
import numpy as np
import pytest

pytest.importorskip("flwr")

from flwr.app import Array, ConfigRecord, Context, Message, RecordDict
from sklearn.base import clone

import sk_mmbalance
from sk_mmbalance import Modalities
from sk_mmbalance.exceptions import MissingDependencyError, NoUpdateWarning
from sk_mmbalance.federated import (
    ClientTrainer,
    CMSFedClassifier,
    FedAvgClassifier,
    FedCMIClassifier,
    InProcessEngine,
    Order,
    Reply,
    Server,
    Task,
)
from sk_mmbalance.federated._engine import make_engine
from sk_mmbalance.federated.flower import FlowerEngine, client_app, server_app
from sk_mmbalance.federated.flower import _records as wire
from sk_mmbalance.federated.flower._grid import InProcessGrid
from sk_mmbalance.federated.flower._switches import require_minor

ROOT = Path(sk_mmbalance.__file__).parents[1]
N_CLIENTS = 4
SMALL = {
    "hidden_layer_sizes": (6,),
    "feature_dim": 5,
    "batch_size": 16,
    "n_rounds": 3,
    "clients_per_round": 3,
    "missing": "mask",
    "random_state": 3,
}
METHODS = {
    "FedAvg": FedAvgClassifier(**SMALL, prox_mu=0.1),
    "FedCMI": FedCMIClassifier(**SMALL, personal_branch=True),
    "CMSFed": CMSFedClassifier(**SMALL, enhance_weight=1.0),
}


def make(name, **params):
    """One of the methods, unfitted."""
    return clone(METHODS[name]).set_params(**params)


every_method = pytest.mark.parametrize("name", METHODS)


def toy(dtype=np.float32):
    """Rows of four clients, of which the last has no voice; clients differ in size."""
    rng = np.random.default_rng(0)
    clients = np.repeat(np.arange(N_CLIENTS), [30, 24, 18, 24])
    y = rng.integers(0, 3, len(clients))
    centres = rng.normal(0, 2, (3, 5))
    table = (centres[y] + rng.normal(size=(len(y), 5))).astype(dtype)
    voice = table[:, 3:].copy()
    voice[clients == N_CLIENTS - 1] = np.nan
    return Modalities(face=table[:, :3], voice=voice), np.array(["a", "b", "c"])[y], clients


def same_bits(one, other):
    """Whether two estimators have the same weights, bit for bit."""
    ours, theirs = one.server_.state, other.server_.state
    return list(ours) == list(theirs) and all(np.array_equal(ours[k], theirs[k]) for k in ours)


class Unreliable(ClientTrainer):
    """A client that raises in its second training."""

    trained = 0

    def handle(self, order, memory=None):
        if order.kind == "train":
            self.trained += 1
            if self.trained == 2:
                raise OSError("the disk is full")
        return super().handle(order, memory)


def server_and_trainers(model, kinds=()):
    """What `fit` makes of the toy problem, some of the clients of another kind."""
    X, y, clients = toy()
    fitted = model.fit(X, y, clients=clients).server_
    names = {name: X[name] for name in X}
    trainers = {}
    for number, client in enumerate(fitted.known):
        rows = fitted.task.read(
            {k: v[clients == number] for k, v in names.items()}, y[clients == number]
        )
        make = Unreliable if client in kinds else ClientTrainer
        trainers[client] = make(fitted.method, fitted.task, rows)
    return Server(fitted.method, fitted.task, fitted.known, seed=5), trainers


# -- records -------------------------------------------------------------------------------


def awkward_arrays():
    not_a_number = np.array([0x7FF8000000000123, 0x8000000000000000], dtype=np.uint64)
    return {
        "model": {
            "a.weight": np.array([[0.1, -0.0], [np.inf, 1e-310]]),
            "a.bits": not_a_number.view(np.float64),
            "b": np.arange(6, dtype=np.float32).reshape(2, 3).T,
            "scalar": np.asarray(np.float32(0.1)),
            "counter": np.asarray(7),
            "none": np.zeros((0, 4), dtype=np.float32),
        },
        "mask": {"here": np.array([True, False])},
        "empty": {},
    }


def assert_same_arrays(one, other):
    assert {g: list(named) for g, named in one.items()} == {g: list(n) for g, n in other.items()}
    for group, named in one.items():
        for key, value in named.items():
            got = other[group][key]
            assert (got.dtype, got.shape) == (value.dtype, value.shape)
            assert got.tobytes() == value.tobytes()


def test_order_survives_the_records_bit_for_bit():
    config = {"round": 2, "seed": 2**61 + 1, "lr": 0.1, "on": True, "modalities": ["b", "a"]}
    sent = Order("train", awkward_arrays(), {**config, "own_n": [1.0, 2.0], "nothing": []})
    got, task = wire.order_of_record(wire.record_of_order(sent, task="{}"))
    assert (got.kind, task) == ("train", "{}")
    assert got.config == sent.config
    assert [type(value) for value in got.config.values()] == [
        type(value) for value in sent.config.values()
    ]
    assert_same_arrays(sent.arrays, got.arrays)


def test_reply_survives_the_records_with_numpy_scalars_as_plain_ones():
    sent = Reply(awkward_arrays(), {"n": np.float64(3.0), "own_n": [np.int64(1), np.int64(2)]})
    got = wire.reply_of_record(wire.record_of_reply(sent))
    assert got.config == {"n": 3.0, "own_n": [1, 2]}
    assert type(got.config["n"]) is float
    assert_same_arrays(sent.arrays, got.arrays)


def test_records_share_no_memory_with_what_was_written():
    arrays = {"model": {"w": np.zeros(3)}}
    records = wire.record_of_reply(Reply(arrays, {"n": 1.0}))
    arrays["model"]["w"][:] = 1
    assert wire.reply_of_record(records).arrays["model"]["w"].tolist() == [0, 0, 0]


def test_memory_replaces_what_was_kept_and_nothing_else():
    state = RecordDict()
    wire.keep_memory(state, {"personal": {"w": np.ones(2)}, "old": {"v": np.ones(1)}})
    state["theirs"] = wire.record_of_reply(Reply({"x": {"y": np.ones(1)}})).array_records[
        "arrays/x"
    ]
    wire.keep_memory(state, {"personal": {"w": np.zeros(2)}})
    kept = wire.kept_memory(state)
    assert list(kept) == ["personal"]
    assert kept["personal"]["w"].tolist() == [0, 0]
    assert "theirs" in state


# -- the engine ----------------------------------------------------------------------------


@every_method
@pytest.mark.filterwarnings("ignore::sk_mmbalance.exceptions.NoUpdateWarning")
def test_flower_gives_the_same_weights_as_inprocess_though_clients_drop_out(name):
    X, y, clients = toy()
    ours = make(name, dropout_rate=0.3).fit(X, y, clients=clients)
    theirs = make(name, dropout_rate=0.3, engine="flower").fit(X, y, clients=clients)
    assert {"aggregated", "dropped"} <= set(ours.selection_log_["outcome"])
    assert same_bits(ours, theirs)
    assert ours.selection_log_.equals(theirs.selection_log_)
    figures = [column for column in ours.history_ if column != "seconds"]
    assert ours.history_[figures].astype(str).equals(theirs.history_[figures].astype(str))


@every_method
def test_flower_gives_the_same_weights_as_inprocess_though_a_client_fails(name):
    states = []
    for engine in (InProcessEngine, FlowerEngine):
        model = make(name, clients_per_round=1.0)
        server, trainers = server_and_trainers(model, kinds=["1"])
        engine(trainers).run(server)
        failed = [r for r in server.selection if r["outcome"].startswith("failed")]
        assert len(server.history) == 3
        assert [(r["round"], r["client"]) for r in failed] == [(2, "1")]
        assert "OSError" in failed[0]["outcome"]
        assert "the disk is full" in failed[0]["outcome"]
        states.append(server.state)
    assert joblib.hash(states[0]) == joblib.hash(states[1])


@every_method
def test_partial_fit_goes_on_with_what_flower_clients_kept(name):
    X, y, clients = toy()
    fitted = []
    for engine in ("inprocess", "flower"):
        model = make(name, engine=engine)
        for _ in range(3):
            model.partial_fit(X, y, classes=np.unique(y), clients=clients)
        fitted.append((joblib.hash(model.server_.state), joblib.hash(model._memories)))
    assert fitted[0] == fitted[1]


def test_single_round_exchange_answers_by_client():
    server, trainers = server_and_trainers(make("FedAvg"))
    answers = FlowerEngine(trainers).exchange(server.orders())
    assert {client: answer.config["n"] for client, answer in answers.items()} == {
        "0": 30.0,
        "1": 24.0,
        "2": 18.0,
        "3": 24.0,
    }
    assert answers["3"].config["modalities"] == ["face"]
    assert FlowerEngine(trainers).exchange({}) == {}


def test_clients_cannot_write_into_the_servers_arrays():
    class Vandal(ClientTrainer):
        def handle(self, order, memory=None):
            for named in order.arrays.values():
                for value in named.values():
                    value[...] = 0
            return super().handle(order, memory)

    server, trainers = server_and_trainers(make("FedAvg"))
    before = {key: value.copy() for key, value in server.state.items()}
    trainers = {c: Vandal(t.method, t.task, t.rows) for c, t in trainers.items()}
    FlowerEngine(trainers).exchange({"0": Order("evaluate", {"model": server.state})})
    assert all(np.array_equal(before[key], server.state[key]) for key in before)


def test_interrupt_at_a_client_ends_the_fit_and_is_no_failure():
    class Interrupted(ClientTrainer):
        def handle(self, order, memory=None):
            raise KeyboardInterrupt

    server, trainers = server_and_trainers(make("FedAvg"))
    trainers["0"] = Interrupted(trainers["0"].method, trainers["0"].task, trainers["0"].rows)
    with pytest.raises(KeyboardInterrupt):
        FlowerEngine(trainers).run(server)


def test_after_round_is_called_once_a_round():
    server, trainers = server_and_trainers(make("CMSFed", evaluate_every=2))
    seen = []
    FlowerEngine(trainers).run(server, lambda server: seen.append(server.round))
    assert seen == [1, 2, 3]


def test_fit_says_nothing_and_leaves_flowers_log_as_it_was(capfd):
    X, y, clients = toy()
    logger = logging.getLogger("flwr")
    before = logger.level
    make("FedAvg", engine="flower").fit(X, y, clients=clients)
    assert logger.level == before
    assert capfd.readouterr() == ("", "")


# -- without, or with another Flower -------------------------------------------------------


@pytest.mark.parametrize("found", ["1.42.0", "1.4.1", "2.0.0", "1.40.9"])
def test_other_minor_of_flower_is_refused_by_name(found):
    with pytest.raises(MissingDependencyError, match=rf"1\.41 is needed, and {found} is"):
        require_minor(found)


def test_absent_flower_is_told_of_with_the_extra():
    with pytest.raises(MissingDependencyError, match=r"not installed: .*sk_mmbalance\[federated\]"):
        require_minor(None)


def test_patch_releases_of_the_minor_are_welcome():
    require_minor("1.41.0")
    require_minor("1.41.7")


def test_missing_flower_is_named_with_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sk_mmbalance.federated.flower", None)
    with pytest.raises(MissingDependencyError, match=r"sk_mmbalance\[federated\]"):
        make_engine("flower", {})


NO_CONTACT = """
import os, sys, threading
contacts = []
def hook(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.bind",
                 "socket.sendto", "socket.sendmsg", "subprocess.Popen", "os.posix_spawn"):
        if arguments[0] != "lscpu":  # by which joblib may count this machine's cores
            contacts.append((event, arguments))
sys.addaudithook(hook)
import numpy as np
from sk_mmbalance.federated import FedAvgClassifier
X = np.random.default_rng(0).normal(size=(40, 3)); y = np.arange(40) % 2
FedAvgClassifier(engine="flower", n_rounds=2, random_state=0).fit(X, y, clients=np.arange(40) % 2)
import flwr.supercore.telemetry as telemetry
threads = [t.name for t in threading.enumerate()]
print(contacts, threads, telemetry.FLWR_TELEMETRY_ENABLED,
      os.environ["FLWR_DISABLE_UPDATE_CHECK"], os.environ["RAY_USAGE_STATS_ENABLED"])
"""


def test_flower_engine_contacts_nothing_writes_nothing_and_leaves_no_thread(tmp_path):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("FLWR_", "RAY_"))}
    home, temporary, here = (tmp_path / name for name in ("home", "temporary", "here"))
    for folder in (home, temporary, here):
        folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", NO_CONTACT],
        # a value that is set stays; the others are switched off
        env=environment
        | {
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": str(home),
            "TMPDIR": str(temporary),
            "RAY_USAGE_STATS_ENABLED": "1",
        },
        cwd=here,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[] ['MainThread'] 0 1 1"
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == []


# -- the two apps of a deployment, on a grid without a network -----------------------------


class Nodes(InProcessGrid):
    """A grid whose nodes come and go."""

    def __init__(self, app, contexts):
        super().__init__(app, contexts)
        self.there = sorted(contexts)
        self.rounds = []

    def get_node_ids(self):
        return self.there

    def send_and_receive(self, messages, *, timeout=None):
        messages = list(messages)
        self.rounds.append([m.metadata.dst_node_id for m in messages])
        return super().send_and_receive(messages, timeout=timeout)


def context_of(node, **config):
    return Context(run_id=1, node_id=node, node_config=config, state=RecordDict(), run_config={})


def load_part(context):
    """Rows of one client; the last one has no voice at all."""
    X, y, clients = toy()
    part = context.node_config["partition-id"]
    own = clients == part
    names = ["face"] if part == N_CLIENTS - 1 else ["face", "voice"]
    return {name: X[name][own] for name in names}, y[own]


def deployed(model, tmp_path, grid=None, load_data=load_part, **options):
    """What a deployment writes: the estimator, read back."""
    grid = grid or Nodes(client_app(model, load_data), nodes())
    target = tmp_path / "models" / "model.joblib"
    options = {"min_nodes": N_CLIENTS, "wait": 0.0, **options}
    server_app(model, target, **options)(grid, context_of(1))
    assert [path.name for path in target.parent.iterdir()] == ["model.joblib"]
    return joblib.load(target)


def nodes(shift=10):
    """A context for every client, under node ids in another order than the clients'."""
    return {shift - part: context_of(shift - part, **{"partition-id": part}) for part in range(4)}


@every_method
def test_deployed_apps_end_with_the_model_of_fit(name, tmp_path):
    X, y, clients = toy()
    model = make(name, clients_per_round=3)
    got = deployed(model, tmp_path)
    wanted = model.fit(X, y, clients=clients)
    assert same_bits(got, wanted)
    assert np.array_equal(got.predict(X), wanted.predict(X))
    assert got.classes_.tolist() == ["a", "b", "c"]
    assert got.clients_.tolist() == [0, 1, 2, 3]
    assert got.modality_names_ == wanted.modality_names_
    if name != "FedCMI":  # what its clients keep stays with them
        more = [m.partial_fit(X, y, clients=clients) for m in (got, wanted)]
        assert same_bits(*more)


def test_deployed_precision_is_that_of_the_data(tmp_path):
    X, y, clients = toy(np.float64)

    def load_wide(context):
        own = clients == context.node_config["partition-id"]
        return {name: X[name][own] for name in X}, y[own]

    model = make("FedAvg", clients_per_round=1.0)
    got = deployed(model, tmp_path, load_data=load_wide)
    assert got.server_.task.dtype == "float64"
    assert same_bits(got, model.fit(X, y, clients=clients))


def test_deployed_weights_of_rows_count(tmp_path):
    X, y, clients = toy()
    weight = np.linspace(0, 2, len(y))
    model = FedAvgClassifier(**SMALL, class_weight={"a": 2.0, "b": 1.0, "c": 0.5})

    def load_weighted(context):
        own = clients == context.node_config["partition-id"]
        return {name: X[name][own] for name in X}, y[own], weight[own]

    got = deployed(model, tmp_path, load_data=load_weighted)
    assert same_bits(got, model.fit(X, y, sample_weight=weight, clients=clients))


def test_settings_come_from_the_run_configuration(tmp_path):
    def chosen(context):
        return make("FedAvg", n_rounds=context.run_config.get("n", 1))

    grid = Nodes(client_app(chosen, load_part), nodes())
    target = tmp_path / "m.joblib"
    app = server_app(chosen, lambda context: target, min_nodes=lambda context: 4)
    context = context_of(1)
    context.run_config = {"n": 2}
    app(grid, context)
    assert joblib.load(target).n_rounds_ == 2


def test_vanished_node_is_survived_and_comes_back_under_another_id(tmp_path):
    model = make("FedAvg", clients_per_round=1.0, n_rounds=3, evaluate_every=0)
    contexts = nodes()
    contexts[99] = context_of(99, **{"partition-id": 0})
    grid = Nodes(client_app(model, load_part), contexts)
    first = grid.there = [7, 8, 9, 10]  # node 10 is client 0, and so will be node 99

    def meddle(server, context):
        grid.there = {1: [7, 8, 9], 2: [7, 8, 9, 99]}.get(server.round, first)

    got = deployed(model, tmp_path, grid, after_round=meddle)
    log = got.selection_log_.query("client == 0")["outcome"].tolist()
    assert log == ["aggregated", "failed: its node is not there", "aggregated"]
    # introductions, descriptions, two rounds, the new node's introduction, the third round
    asked = [sorted(sent) for sent in grid.rounds if sent]
    assert asked == [first, first, first, [7, 8, 9], [99], [7, 8, 9, 99]]


def test_late_and_unreadable_replies_are_survived(tmp_path):
    class Lossy(Nodes):
        def send_and_receive(self, messages, *, timeout=None):
            replies = super().send_and_receive(messages, timeout=timeout)
            if len(self.rounds) == 3:  # the first round of training
                replies = [m for m in replies if m.metadata.src_node_id != 10]
                broken = next(m for m in replies if m.metadata.src_node_id == 9)
                del broken.content["config"]
            return replies

    model = make("FedAvg", clients_per_round=1.0)
    got = deployed(model, tmp_path, Lossy(client_app(model, load_part), nodes()))
    fates = dict(got.selection_log_.query("round == 1")[["client", "outcome"]].values)
    assert fates[0] == "failed: no reply"
    assert fates[1].startswith("failed: unreadable reply (KeyError")
    assert fates[2] == fates[3] == "aggregated"


def test_too_few_nodes_end_the_wait_with_their_number(tmp_path):
    with pytest.raises(TimeoutError, match=r"`min_nodes` is 5, but 4 nodes were there"):
        deployed(make("FedAvg"), tmp_path, min_nodes=5)
    assert list((tmp_path / "models").iterdir()) == []


def test_what_could_not_be_written_at_the_end_is_told_at_the_beginning(tmp_path):
    (tmp_path / "models").write_text("a file where the folder should be")
    with pytest.raises(OSError, match=r"`output` '.*model.joblib' cannot be written"):
        deployed(make("FedAvg"), tmp_path)
    (tmp_path / "models").unlink()
    with pytest.raises(ValueError, match="`estimator` cannot be written to a file"):
        deployed(make("FedAvg", dropout_rate=lambda number, client: 0.0), tmp_path)


def test_nodes_that_cannot_load_their_data_are_told_of(tmp_path):
    def load_data(context):
        raise FileNotFoundError("rows.csv")

    with pytest.raises(RuntimeError, match=r"only 0 of 4.*FileNotFoundError: rows.csv"):
        deployed(make("FedAvg"), tmp_path, load_data=load_data)


def test_clients_that_disagree_on_a_shape_are_named(tmp_path):
    def load_data(context):
        X, y = load_part(context)
        if context.node_config["partition-id"] == 2:
            X["face"] = X["face"][:, :2]
        return X, y

    with pytest.raises(ValueError, match=r"shape of modality 'face': client 2 has \(2,\)"):
        deployed(make("FedAvg"), tmp_path, load_data=load_data)


WARNED = pytest.mark.filterwarnings("ignore::sk_mmbalance.exceptions.NoUpdateWarning")


def walks():
    """Rows of four clients; sequences of unequal length at some, of one length at others."""
    X, y, clients = toy()
    lengths = np.where(clients < 2, 3 + clients, np.arange(len(y)) % 5 + 1)
    rng = np.random.default_rng(0)
    walk = [rng.normal(size=(n, 2)).astype(np.float32) for n in lengths]
    return Modalities(face=X["face"], walk=walk), y, clients


def load_walks(context):
    X, y, clients = walks()
    own = clients == context.node_config["partition-id"]
    return X[own], y[own]


@pytest.mark.parametrize("given", ["found out", "by task"])
def test_sequences_of_unequal_length_may_be_longer_at_one_client(given, tmp_path):
    X, y, clients = walks()
    model = make("FedAvg", n_rounds=2)
    wanted = clone(model).fit(X, y, clients=clients)
    options = {"task": lambda context: wanted.server_.task} if given == "by task" else {}
    got = deployed(model, tmp_path, load_data=load_walks, **options)
    assert got.server_.task == wanted.server_.task
    assert same_bits(got, wanted)
    np.testing.assert_array_equal(got.predict(X), wanted.predict(X))


@WARNED
def test_sequences_that_a_task_does_not_have_are_told_of(tmp_path):
    task = Task({"face": (3,), "walk": (5, 2)}, ("a", "b", "c"))
    with pytest.raises(RuntimeError, match=r"unequal length in \['walk'\], and `task` none there"):
        deployed(make("FedAvg"), tmp_path, load_data=load_walks, task=lambda context: task)


def test_labels_of_different_types_are_shown(tmp_path):
    def load_data(context):
        X, y = load_part(context)
        part = context.node_config["partition-id"]
        return X, (y if part else np.arange(len(y)) % 2)

    with pytest.raises(ValueError, match=r"type of the class labels: 'a', 'b', 'c', 0, 1\."):
        deployed(make("FedAvg"), tmp_path, load_data=load_data)


@pytest.mark.filterwarnings("ignore::sk_mmbalance.exceptions.NoUpdateWarning")
def test_unreadable_introduction_is_survived_if_enough_others_are_there(tmp_path):
    class Stammering(Nodes):
        def send_and_receive(self, messages, *, timeout=None):
            replies = super().send_and_receive(messages, timeout=timeout)
            for reply in replies:
                if len(self.rounds) == 1 and reply.metadata.src_node_id == 8:
                    reply.content["introduction"]["about"] = '{"client": [2]}'
            return replies

    grid = Stammering(client_app(make("FedAvg"), load_part), nodes())
    got = deployed(make("FedAvg", clients_per_round=1.0), tmp_path, grid, min_nodes=3)
    assert got.clients_.tolist() == [0, 1, 3]


@WARNED
def test_two_nodes_with_one_client_id_are_refused(tmp_path):
    grid = Nodes(client_app(make("FedAvg"), load_part, client_id=lambda c: "me"), nodes())
    with pytest.raises(RuntimeError, match=r"only 1 of 4 .*'me': another node has the same client"):
        deployed(make("FedAvg"), tmp_path, grid)


@WARNED
def test_a_node_that_takes_anothers_id_does_not_take_its_place(tmp_path):
    model = make("FedAvg", clients_per_round=1.0, n_rounds=2, evaluate_every=0)
    contexts = nodes()
    contexts[99] = context_of(99, **{"partition-id": 0})
    grid = Nodes(client_app(model, load_part), contexts)
    grid.there = [7, 8, 9, 10]

    def join(server, context):
        grid.there = [7, 8, 9, 10, 99]

    deployed(model, tmp_path, grid, after_round=join)
    assert [sorted(sent) for sent in grid.rounds if sent][-2:] == [[99], [7, 8, 9, 10]]


TASK = Task({"face": (3,), "voice": (2,)}, ("a", "b", "c"))
LIES_AT_THE_DOOR = {
    "shapes": {"shapes": {"face": [10**9]}},
    "names": {"shapes": {"smell": [3]}},
    "classes": {"classes": ["a", "z"]},
    "types": {"classes": [[1], None]},
    "dtype": {"dtype": "float128"},
    "sequences": {"sequences": ["smell"]},
    "none": {"shapes": {"face": [-1]}},
    "client": {"client": float("nan")},
    "no text": None,
}


@pytest.mark.parametrize("lie", LIES_AT_THE_DOOR.values(), ids=LIES_AT_THE_DOOR)
def test_with_a_task_no_node_keeps_the_others_from_starting(lie, tmp_path):
    class Lying(Nodes):
        def send_and_receive(self, messages, *, timeout=None):
            replies = super().send_and_receive(messages, timeout=timeout)
            for reply in replies:
                if len(self.rounds) == 1 and reply.metadata.src_node_id == 9:
                    record = reply.content["introduction"]
                    about = json.loads(record["about"])
                    for key, value in (lie or {}).items():
                        about[key] = {"face": [3]} | value if key == "shapes" else value
                    record["about"] = json.dumps(about) if lie else b"\xff"
            return replies

    model = make("FedAvg", clients_per_round=1.0, n_rounds=1)
    grid = Lying(client_app(model, load_part), nodes())
    with pytest.warns(NoUpdateWarning, match="A node takes no part"):
        got = deployed(model, tmp_path, grid, min_nodes=3, task=lambda context: TASK)
    assert got.clients_.tolist() == [0, 2, 3]


def test_a_task_that_is_given_is_the_one_of_fit(tmp_path):
    X, y, clients = toy()
    model = make("FedAvg")
    got = deployed(model, tmp_path, task=TASK)
    assert same_bits(got, model.fit(X, y, clients=clients))


class Hanging(Nodes):
    """Every node answers in a thread of its own, and is waited for as long as was said."""

    def send_and_receive(self, messages, *, timeout=None):
        pushed = list(messages)
        self.rounds.append([m.metadata.dst_node_id for m in pushed])
        threads = [threading.Thread(target=self.push_messages, args=([m],)) for m in pushed]
        for thread in threads:
            thread.start()
        end = time.monotonic() + timeout
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))
        return self.pull_messages([m.metadata.message_id for m in pushed])


@pytest.mark.parametrize(
    "order",
    [
        *[pytest.param(each, marks=pytest.mark.slow) for each in ("introduce", "describe")],
        *["train", pytest.param("evaluate", marks=pytest.mark.slow)],
    ],
)
@WARNED
def test_a_client_that_hangs_is_left_behind(order, tmp_path):
    model = make("FedAvg", clients_per_round=1.0, n_rounds=1)
    app, until = client_app(model, load_part), threading.Event()

    def hangs(message, context):
        if context.node_id == 9 and message.metadata.message_type.endswith(order):
            until.wait(60)
        return app(message, context)

    try:
        got = deployed(model, tmp_path, Hanging(hangs, nodes()), min_nodes=3, timeout=3.0)
    finally:
        until.set()
    assert got.clients_.tolist() == ([0, 2, 3] if order == "introduce" else [0, 1, 2, 3])
    skipped = got.history_["skipped"][0]
    assert skipped == ({1: "failed: no reply"} if order == "train" else {})
    measured = sorted(got.history_["client_accuracy"][0])
    assert measured == ([0, 2, 3] if order != "train" else [0, 1, 2, 3])


def broken_reply(reply, how):
    """What no client of ours would send."""
    content = reply.content
    arrays = next(name for name in content if name.startswith("arrays/"))
    key, good = next(iter(content[arrays].items()))
    data = {
        "pickle": io.BytesIO(),
        "garbage": io.BytesIO(b"no numpy"),
        "cut": io.BytesIO(good.data[:-3]),
        "claims": io.BytesIO(),
    }
    if how == "pickle":
        np.save(data[how], np.array([{}], dtype=object), allow_pickle=True)
    if how == "claims":  # a header of 10**15 numbers, and none of them
        np.lib.format.write_array_header_1_0(
            data[how], {"descr": "<f4", "fortran_order": False, "shape": (10**15,)}
        )
    if how in data:
        content[arrays][key] = Array(good.dtype, good.shape, good.stype, data[how].getvalue())
    elif how == "no arrays":
        del content[arrays]
    elif how == "no config":
        del content["config"]
    elif how == "bytes":
        content["config"]["n"] = b"30"
    else:
        content["more"] = ConfigRecord({"x": 1})  # what nobody reads does no harm


BROKEN = ["pickle", "garbage", "cut", "claims", "no arrays", "no config", "bytes"]


@WARNED
def test_replies_broken_on_the_wire_are_survived(tmp_path):
    class Broken(Nodes):
        def send_and_receive(self, messages, *, timeout=None):
            replies = super().send_and_receive(messages, timeout=timeout)
            training = (len(self.rounds) - 3) // 2  # introductions, descriptions
            for reply in replies:
                if (
                    len(self.rounds) > 2
                    and len(self.rounds) % 2
                    and reply.metadata.src_node_id == 9
                ):
                    broken_reply(reply, [*BROKEN, "more"][training])
            return replies

    model = make("FedAvg", clients_per_round=1.0, n_rounds=len(BROKEN) + 1)
    got = deployed(model, tmp_path, Broken(client_app(model, load_part), nodes()))
    log = got.selection_log_
    assert set(log.query("client != 1")["outcome"]) == {"aggregated"}
    fates = log.query("client == 1")["outcome"].tolist()
    assert fates.pop() == "aggregated"
    assert all(fate.startswith(("failed: unreadable", "refused: ")) for fate in fates), fates


def test_client_ids_may_be_names(tmp_path):
    towns = ["Ulm", "Aachen", "Jena", "Bonn"]

    def town(context):
        return towns[context.node_config["partition-id"]]

    X, y, clients = toy()
    model = make("FedCMI", clients_per_round=3)
    got = deployed(model, tmp_path, Nodes(client_app(model, load_part, client_id=town), nodes()))
    assert got.clients_.tolist() == sorted(towns)
    assert same_bits(got, model.fit(X, y, clients=np.array(towns)[clients]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"load_data": lambda context: load_part(context)[0]}, "`load_data` must return a tuple"),
        ({"load_data": lambda context: ({}, [])}, "at least one modality"),
    ],
)
def test_wrong_data_are_reported_by_the_node(change, message, tmp_path):
    with pytest.raises(RuntimeError, match=message):
        deployed(make("FedAvg"), tmp_path, **change)


def test_node_without_partition_is_told_how_to_get_one(tmp_path):
    grid = Nodes(client_app(make("FedAvg"), lambda c: toy()[:2]), {2: context_of(2)})
    with pytest.raises(RuntimeError, match="--node-config 'partition-id=0'"):
        deployed(make("FedAvg"), tmp_path, grid, min_nodes=1)


def test_balanced_class_weights_are_refused_where_labels_are_apart(tmp_path):
    model = FedAvgClassifier(**SMALL, class_weight="balanced")
    with pytest.raises(ValueError, match="needs all clients' labels at once"):
        deployed(model, tmp_path)


def test_engine_and_apps_leave_no_thread_behind(tmp_path):
    deployed(make("FedAvg"), tmp_path)
    gc.collect()
    assert [t.name for t in threading.enumerate() if "flwr" in t.name.lower()] == []


def test_failure_of_a_client_is_a_failure_with_its_reason():
    app = client_app(make("FedAvg"), load_part)
    grid = InProcessGrid(app, {2: context_of(2, **{"partition-id": 0})})
    message = grid.create_message(RecordDict(), "train", 2, "1")
    (reply,) = grid.send_and_receive([message])
    assert isinstance(reply, Message)
    assert reply.has_error()
    assert "KeyError" in reply.error.reason
