"""What a client says is looked at, field by field: none ends or poisons a run."""

import importlib
from dataclasses import replace

import joblib
import numpy as np
import pytest

from sk_mmbalance.exceptions import NoUpdateWarning
from sk_mmbalance.federated import (
    ClientTrainer,
    CMSFed,
    CMSFedClassifier,
    Failure,
    FedAvg,
    FedAvgClassifier,
    FedCMI,
    InProcessEngine,
    Order,
    Reply,
    Server,
)
from sk_mmbalance.federated._aggregation import aggregate

from .conftest import blobs, federation, same_state

SMALL = {
    "feature_dim": 4,
    "hidden_layer_sizes": (4,),
    "n_rounds": 2,
    "local_epochs": 1,
    "batch_size": 16,
    "clients_per_round": 1.0,
}
METHODS = {"FedAvg": FedAvg(**SMALL), "FedCMI": FedCMI(**SMALL), "CMSFed": CMSFed(**SMALL)}
LIAR = "1"


def engine_called(name):
    """An engine by its name; Flower may not be there."""
    if name == "inprocess":
        return InProcessEngine
    pytest.importorskip("flwr")
    return importlib.import_module("sk_mmbalance.federated.flower").FlowerEngine


class Liar(ClientTrainer):
    """A client that changes its replies of some kinds."""

    def __init__(self, *args, lie, kinds, **kwargs):
        super().__init__(*args, **kwargs)
        self.lie, self.kinds = lie, kinds

    def handle(self, order, memory=None):
        reply, memory = super().handle(order, memory)
        return (self.lie(reply) if order.kind in self.kinds else reply), memory


def play(method, lies, kinds=("train", "probe"), engine=InProcessEngine):
    """A run in which the last clients lie, and four (three next to a single liar) are honest."""
    lies = lies if isinstance(lies, dict) else {LIAR: lies}
    task, shares = federation(n_clients=max(4, 4 + len(lies) * (len(lies) > 1)), n=120)
    trainers = {
        k: Liar(method, task, task.read(X, y), lie=lies[k], kinds=kinds)
        if k in lies
        else ClientTrainer(method, task, task.read(X, y))
        for k, (X, y) in shares.items()
    }
    server = Server(method, task, list(trainers), seed=0)
    engine(trainers).run(server)
    return server


def says(**config):
    return lambda reply: replace(reply, config={**reply.config, **config})


def sends(group, change):
    def lie(reply):
        if group not in reply.arrays:
            return reply
        named = {key: change(value) for key, value in reply.arrays[group].items()}
        return replace(reply, arrays={**reply.arrays, group: named})

    return lie


#: What no field may be.
VALUES = [None, "low", True, float("nan"), float("inf"), -1.0, 10**400, [1.0], {}, 1e300, "\ud800"]
#: What Flower's records can carry of it; the rest never leaves a client.
SENDABLE = ["low", True, float("nan"), float("inf"), -1.0, [1.0], [], 1e300]
FIELDS = ["n", "loss", "modalities", "measured", "accuracies"]


def liars(values, field):
    return {str(4 + i): says(**{field: value}) for i, value in enumerate(values)}


@pytest.mark.parametrize(
    ("name", "engine"), [*((name, "inprocess") for name in METHODS), ("CMSFed", "flower")]
)
@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.filterwarnings("ignore::sk_mmbalance.exceptions.NoUpdateWarning")
def test_no_value_of_a_field_ends_a_run(name, engine, field):
    method, values = METHODS[name], VALUES if engine == "inprocess" else SENDABLE
    ours = isinstance(method, CMSFed) or field in FIELDS[:3]
    lies = liars([v for v in values if (field, v) != ("loss", -1.0)], field)
    server = play(replace(method, n_rounds=1), lies, ("train",), engine_called(engine))
    assert all(np.isfinite(w).all() for w in server.state.values())
    assert abs(server.history[-1]["train_loss"]) < 100
    for row in server.selection:
        good = row["client"] not in lies or not ours
        assert (row["outcome"] == "aggregated") == good, row


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.filterwarnings("ignore::sk_mmbalance.exceptions.NoUpdateWarning")
def test_clients_that_lie_when_visited_are_never_chosen(field):
    server = play(METHODS["CMSFed"], liars(VALUES[:-1], field), ("probe",))
    probed = server.method_state.probed
    assert probed >= {"0", "1", "2", "3"}
    assert len(probed) == 4 + (field == "loss")  # -1.0 is a loss, if a strange one


@pytest.mark.parametrize("field", ["n", "modalities"])
@pytest.mark.filterwarnings("ignore::sk_mmbalance.exceptions.NoUpdateWarning")
def test_clients_that_describe_themselves_wrongly_take_no_part(field):
    lies = liars([None, "a", ["a", "a"], [["a"]], [], float("nan"), True, 10**400, 1e300], field)
    server = play(METHODS["FedAvg"], lies, ("describe",))
    assert set(server.absent) == set(lies)
    assert server.round == 2


FIGURES = ["n", "correct", "own_n", "own_correct", "modalities"]


@pytest.mark.parametrize("field", FIGURES)
def test_figures_that_cannot_be_are_left_out_of_the_accuracy(field):
    lies = liars([*VALUES, ["a", "a"], [1e300, 1e300], [10**400, 1]], field)
    server = play(METHODS["FedAvg"], lies, kinds=("evaluate",))
    assert 0 <= server.history[-1]["accuracy"] <= 1
    assert sorted(server.history[-1]["client_accuracy"]) == ["0", "1", "2", "3"]


def test_what_is_no_reply_at_all_is_a_failure():
    things = [None, 7, Reply(None, {}), Reply({"model": 3}, {}), Reply({}, None)]
    lies = {str(4 + i): lambda reply, thing=thing: thing for i, thing in enumerate(things)}
    with pytest.warns(NoUpdateWarning, match="takes no part"):
        server = play(METHODS["FedAvg"], lies, kinds=("describe", "train", "evaluate"))
    assert set(server.absent) == set(lies)
    server = play(METHODS["FedAvg"], lies, kinds=("train", "evaluate"))
    fates = {row["outcome"] for row in server.selection if row["client"] in lies}
    assert all(fate.startswith("failed: ") for fate in fates)


ARRAYS = {
    "NaN": lambda value: value * np.nan,
    "huge": lambda value: value + 1e8,
    "beyond squares": lambda value: value * 0 + 1e300,
    "text": lambda value: np.full(value.shape, "1"),
    "objects": lambda value: value.astype(object),
    "complex": lambda value: value * 1j,
    "flat": lambda value: value.ravel()[:1],
    "integers": lambda value: np.ones(value.shape, dtype=np.int64),
    "long": lambda value: value.astype(np.longdouble),
    "half": lambda value: value.astype(np.float16),
    "turned": lambda value: value.astype(value.dtype.newbyteorder()),
    "empty": lambda value: value[:0],
}


@pytest.mark.parametrize("engine", ["inprocess", "flower"])
@pytest.mark.parametrize("group", ["model", "prototypes", "counts"])
def test_arrays_that_cannot_be_are_refused_with_a_word(group, engine):
    lies = {str(4 + i): sends(group, change) for i, change in enumerate(ARRAYS.values())}
    with pytest.warns(NoUpdateWarning):
        server = play(METHODS["CMSFed"], lies, ("train",), engine_called(engine))
    assert server.round == 2
    for row in server.selection:
        said = "aggregated" if row["client"] not in lies else ("refused: ", "failed: ")
        assert row["outcome"].startswith(said), row
    assert all(np.isfinite(w).all() for w in server.state.values())
    assert set(server.history[0]["skipped"]) == set(lies)


@pytest.mark.filterwarnings("ignore::sk_mmbalance.exceptions.NoUpdateWarning")
def test_lies_that_agree_with_each_other_are_refused():
    """Several fields at once, so that each fits the others but not what was asked."""
    lies = {
        "4": says(measured=[], accuracies=[]),
        "5": says(measured=["a"], accuracies=[0.5]),
        "6": says(measured=["a", "a"], accuracies=[0.5, 0.5]),
        "7": lambda reply: replace(
            reply,
            arrays={
                **reply.arrays,
                "model": {k: v for k, v in reply.arrays["model"].items() if "m_b" not in k},
            },
            config={**reply.config, "modalities": ["a"]},
        ),
        "8": lambda reply: sends("counts", lambda count: count * 3)(reply),
    }
    server = play(METHODS["CMSFed"], lies, kinds=("train",))
    fates = {row["client"]: row["outcome"] for row in server.selection}
    assert {fates.pop(client)[:9] for client in lies} == {"refused: "}
    assert set(fates.values()) == {"aggregated"}


BAD_ORDERS = {
    "NaN": lambda order: Order(
        order.kind, {"model": {k: w * np.nan for k, w in order.arrays["model"].items()}},
        order.config,
    ),
    "fewer": lambda order: Order(order.kind, {"model": {}}, order.config),
    "flat": lambda order: Order(
        order.kind, {"model": {k: w.ravel()[:1] for k, w in order.arrays["model"].items()}},
        order.config,
    ),
    "kind": lambda order: Order("dance", order.arrays, order.config),
    **{
        f"{key}={value}": lambda order, key=key, value=value: Order(
            order.kind, order.arrays, {**order.config, key: value}
        )
        for key, value in [("lr", float("nan")), ("lr", -1.0), ("lr", None), ("epochs", 0),
                           ("epochs", "all"), ("modalities", ["c"]), ("modalities", 7),
                           ("seed", "now")]
    },
}  # fmt: skip


@pytest.mark.parametrize("change", BAD_ORDERS.values(), ids=BAD_ORDERS)
def test_a_client_refuses_an_order_that_cannot_be_and_keeps_what_it_has(change):
    method = replace(METHODS["FedCMI"], personal_branch=True)
    task, shares = federation()
    trainer = ClientTrainer(method, task, task.read(*shares["0"]))
    server = Server(method, task, ["0"], seed=0)
    server.receive(InProcessEngine({"0": trainer}).exchange(server.orders()))
    order = server.orders()["0"]
    _, kept = trainer.handle(order)
    engine = InProcessEngine({"0": trainer}, {"0": kept})
    assert isinstance(engine.exchange({"0": change(order)})["0"], Failure)
    assert joblib.hash(engine.memories()["0"]) == joblib.hash(kept)


def test_arrays_that_nobody_asked_for_are_refused():
    lie = lambda reply: replace(reply, arrays={**reply.arrays, "more": {"x": np.ones(3)}})  # noqa: E731
    with pytest.warns(NoUpdateWarning, match="'more'.*not asked for"):
        play(METHODS["FedAvg"], lie)


def test_a_client_is_warned_of_once():
    with pytest.warns(NoUpdateWarning) as said:
        play(replace(METHODS["FedAvg"], n_rounds=3), says(loss="low"))
    assert len([w for w in said if "could not be used" in str(w.message)]) == 1


def test_a_weight_that_grows_is_refused():
    with pytest.warns(NoUpdateWarning, match="was its weight at the start"):
        play(METHODS["FedAvg"], lambda reply: says(n=2.0 * reply.config["n"])(reply))


@pytest.mark.parametrize("cls", [FedAvgClassifier, CMSFedClassifier])
def test_a_fit_with_a_liar_says_so_and_goes_on(cls, monkeypatch):
    handle = ClientTrainer.handle

    def lying(self, order, memory=None):
        reply, memory = handle(self, order, memory)
        if order.kind == "train" and len(self.rows) == 21:
            reply = sends("model", lambda w: w + 1e12)(reply)
        return reply, memory

    monkeypatch.setattr(ClientTrainer, "handle", lying)
    X, y = blobs(n=60)
    clients = np.repeat(["bad", "b", "c"], [21, 20, 19])
    settings = {"hidden_layer_sizes": (4,), "feature_dim": 4, "n_rounds": 2, "random_state": 0}
    with pytest.warns(NoUpdateWarning, match="'bad': 'refused: its update has length"):
        model = cls(**settings, clients_per_round=1.0).fit(X, y, clients=clients)
    assert "refused" in model.history_["skipped"][0]["bad"]
    assert np.isfinite(model.predict_proba(X)).all()


# -- ways to aggregate -----------------------------------------------------------------------


def updates(n=7, seed=0):
    rng = np.random.default_rng(seed)
    state = {"w": rng.normal(size=(3, 2)), "n": np.array(3)}
    brought = [({"w": state["w"] + rng.normal(size=(3, 2)), "n": np.array(i)}) for i in range(n)]
    return state, [(10.0 + i, arrays) for i, arrays in enumerate(brought)]


def test_median_and_trimmed_mean_by_hand():
    state = {"w": np.zeros(1)}
    given = [(1.0, {"w": np.array([v])}) for v in (1.0, 2.0, 4.0, 100.0, -50.0)]
    assert aggregate(state, given, "median")["w"] == 2.0
    np.testing.assert_allclose(aggregate(state, given, "trimmed_mean", trim=0.2)["w"], 7 / 3)


def test_clipped_updates_are_as_long_as_said():
    state = {"w": np.zeros(2)}
    given = [(1.0, {"w": np.array([3.0, 4.0])}), (1.0, {"w": np.array([0.0, 1.0])})]
    found = aggregate(state, given, "clipped", clip_norm=2.0)["w"]
    np.testing.assert_allclose(found, [(3 / 5 * 2) / 2, (4 / 5 * 2 + 1) / 2])
    whole = aggregate(state, given, "clipped", clip_norm=50.0)["w"]
    np.testing.assert_array_equal(whole, aggregate(state, given, "mean")["w"])


@pytest.mark.parametrize("how", ["median", "trimmed_mean", "clipped"])
def test_one_liar_among_many_is_bounded(how):
    state, given = updates()
    honest = aggregate(state, given, how)
    lies = [
        (1e6, {"w": np.full((3, 2), 1e6), "n": np.array(1)}) if i == 2 else u
        for i, u in enumerate(given)
    ]
    poisoned = aggregate(state, lies, how)
    reach = max(abs(arrays["w"] - state["w"]).max() for _, arrays in given)
    assert abs(poisoned["w"] - honest["w"]).max() < 3 * reach
    assert abs(aggregate(state, lies, "mean")["w"]).max() > 1e5


@pytest.mark.parametrize("how", ["mean", "median", "trimmed_mean", "clipped"])
def test_alike_clients_move_the_state_to_where_they_are(how):
    state, given = updates()
    alike = [(n, given[0][1]) for n, _ in given]
    np.testing.assert_allclose(aggregate(state, alike, how)["w"], given[0][1]["w"])


@pytest.mark.parametrize("how", ["median", "trimmed_mean", "clipped"])
def test_estimators_take_them_and_mean_is_what_it_was(how):
    X, y = blobs(n=60)
    clients = np.arange(60) % 4
    settings = {"hidden_layer_sizes": (4,), "feature_dim": 4, "n_rounds": 2, "random_state": 0,
                "clients_per_round": 1.0}  # fmt: skip
    fits = [
        FedAvgClassifier(**settings, aggregation=way).fit(X, y, clients=clients).server_.state
        for way in ("mean", how, how)
    ]
    assert same_state(fits[1], fits[2])
    assert not same_state(fits[0], fits[1])


@pytest.mark.parametrize("how", ["mean", "median", "trimmed_mean", "clipped"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_flowers_strategies_give_the_same_numbers(how, dtype):
    """With clients that lack a modality, have not moved, and a single number among the entries."""
    combine = engine_called("flower").aggregate
    rng = np.random.default_rng(0)
    shapes = {"backbones.m_a.w": (3, 2), "backbones.m_b.w": (4,), "fusion.bias": (2,), "t": ()}
    state = {key: np.asarray(rng.normal(size=shape)).astype(dtype) for key, shape in shapes.items()}
    state["n"] = np.array(3)
    given = []
    for client in range(7):
        own = {
            key: np.asarray(w + rng.normal(size=w.shape)).astype(dtype) for key, w in state.items()
        }
        own["n"] = np.array(client)
        if client > 4:
            own.pop("backbones.m_b.w")
        given.append((10.0 + client, own if client else {k: w.copy() for k, w in state.items()}))
    with_nobody = [(n, {k: w for k, w in own.items() if k != "t"}) for n, own in given]
    before = np.random.get_state()[2]  # noqa: NPY002
    for updates in (given, with_nobody, given[:1]):
        for clip_norm in ("median", 1.5):
            ours = aggregate(state, updates, how, 0.2, clip_norm)
            theirs = combine(state, updates, how, 0.2, clip_norm)
            assert list(ours) == list(theirs)
            for key, value in ours.items():
                assert theirs[key].dtype == value.dtype
                assert theirs[key].shape == value.shape
            if how == "clipped":  # the order of sums differs in their last digit
                assert same_state(ours, theirs, rtol=1e-6 if dtype is np.float32 else 1e-14)
            else:
                assert same_state(ours, theirs)
    assert np.random.get_state()[2] == before  # noqa: NPY002


@pytest.mark.parametrize("how", ["median", "trimmed_mean", "clipped"])
def test_on_the_flower_engine_flowers_strategies_aggregate(how, monkeypatch):
    pytest.importorskip("flwr")
    from flwr.serverapp import strategy

    asked = []
    for name in ("FedAvg", "FedMedian", "FedTrimmedAvg"):
        cls = getattr(strategy, name)

        def spied(self, number, replies, name=name, own=cls.aggregate_train):
            asked.append(name)
            return own(self, number, replies)

        monkeypatch.setattr(cls, "aggregate_train", spied)
    X, y = blobs(n=60)
    X = {m: X[m].copy() for m in X}
    clients = np.arange(60) % 4
    X["b"][clients == 3] = np.nan
    settings = {"hidden_layer_sizes": (4,), "feature_dim": 4, "n_rounds": 2, "random_state": 0,
                "clients_per_round": 1.0, "missing": "mask", "aggregation": how}  # fmt: skip
    ours = FedAvgClassifier(**settings).fit(X, y, clients=clients)
    assert asked == []
    theirs = FedAvgClassifier(**settings, engine="flower").fit(X, y, clients=clients)
    name = {"median": "FedMedian", "trimmed_mean": "FedTrimmedAvg", "clipped": "FedAvg"}[how]
    assert asked == [name] * 4  # two rounds, two groups of entries
    assert same_state(ours.server_.state, theirs.server_.state, rtol=1e-12)


def test_an_empty_reply_is_refused():
    with pytest.warns(NoUpdateWarning):
        assert play(METHODS["FedAvg"], lambda reply: Reply()).round == 2
