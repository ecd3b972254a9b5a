"""What a client says is looked at, field by field: none ends or poisons a run."""

from dataclasses import replace

import numpy as np
import pytest

from sk_mmbalance.exceptions import NoUpdateWarning
from sk_mmbalance.federated import (
    ClientTrainer,
    CMSFed,
    CMSFedClassifier,
    FedAvg,
    FedAvgClassifier,
    FedCMI,
    Reply,
)
from sk_mmbalance.federated._aggregation import aggregate

from .conftest import blobs, federation, run, same_state

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


class Liar(ClientTrainer):
    """A client that changes its replies of some kinds."""

    def __init__(self, *args, lie, kinds, **kwargs):
        super().__init__(*args, **kwargs)
        self.lie, self.kinds = lie, kinds

    def handle(self, order, memory=None):
        reply, memory = super().handle(order, memory)
        return (self.lie(reply) if order.kind in self.kinds else reply), memory


def play(method, lie, kinds=("train", "probe")):
    task, shares = federation()
    trainers = {
        k: Liar(method, task, task.read(X, y), lie=lie, kinds=kinds)
        if k == LIAR
        else ClientTrainer(method, task, task.read(X, y))
        for k, (X, y) in shares.items()
    }
    return run(method, task, shares, trainers=trainers)[0]


def says(**config):
    return lambda reply: replace(reply, config={**reply.config, **config})


def sends(group, change):
    def lie(reply):
        if group not in reply.arrays:
            return reply
        named = {key: change(value) for key, value in reply.arrays[group].items()}
        return replace(reply, arrays={**reply.arrays, group: named})

    return lie


VALUES = [None, "low", True, float("nan"), float("inf"), -1.0, 10**400, [1.0], {}, 1e300]
FIELDS = ["n", "loss", "modalities", "measured", "accuracies"]


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.filterwarnings("ignore::sk_mmbalance.exceptions.NoUpdateWarning")
def test_no_value_of_a_field_ends_a_run(method, field):
    method = replace(method, n_rounds=1)
    for value in VALUES:
        server = play(method, says(**{field: value}))
        assert server.round == 1
        assert all(np.isfinite(w).all() for w in server.state.values())
        assert np.isfinite(server.history[-1]["train_loss"])
        honest = [row for row in server.selection if row["client"] != LIAR]
        assert {row["outcome"] for row in honest} == {"aggregated"}


@pytest.mark.parametrize("field", ["n", "modalities"])
@pytest.mark.filterwarnings("ignore::sk_mmbalance.exceptions.NoUpdateWarning")
def test_a_client_that_describes_itself_wrongly_takes_no_part(field):
    for value in [None, "a", ["a", "a"], [["a"]], float("nan"), True, 10**400]:
        server = play(METHODS["FedAvg"], says(**{field: value}), kinds=("describe",))
        assert LIAR in server.absent
        assert server.round == 2


FIGURES = ["n", "correct", "own_n", "own_correct", "modalities"]


@pytest.mark.parametrize("field", FIGURES)
def test_figures_that_cannot_be_are_left_out_of_the_accuracy(field):
    for value in [*VALUES, ["a", "a"], [1e300, 1e300], [10**400, 1]]:
        server = play(METHODS["FedAvg"], says(**{field: value}), kinds=("evaluate",))
        assert 0 <= server.history[-1]["accuracy"] <= 1
        assert LIAR not in server.history[-1]["client_accuracy"]


ARRAYS = {
    "NaN": lambda value: value * np.nan,
    "huge": lambda value: value + 1e8,
    "beyond squares": lambda value: value * 0 + 1e300,
    "text": lambda value: np.full(value.shape, "1"),
    "objects": lambda value: value.astype(object),
    "complex": lambda value: value * 1j,
    "flat": lambda value: value.ravel()[:1],
    "integers": lambda value: np.ones(value.shape, dtype=np.int64),
}


@pytest.mark.parametrize("group", ["model", "prototypes", "counts"])
@pytest.mark.parametrize("change", ARRAYS.values(), ids=ARRAYS)
def test_arrays_that_cannot_be_are_refused_with_a_word(group, change):
    with pytest.warns(NoUpdateWarning):
        server = play(METHODS["CMSFed"], sends(group, change), kinds=("train",))
    fates = {row["client"]: row["outcome"] for row in server.selection}
    assert fates.pop(LIAR).startswith("refused: ")
    assert set(fates.values()) == {"aggregated"}
    assert all(np.isfinite(w).all() for w in server.state.values())
    assert LIAR in server.history[0]["skipped"]


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


def test_flower_computes_the_same_median_trimmed_mean_and_clipping():
    pytest.importorskip("flwr")
    from flwr.app import Array, ArrayRecord, Message, Metadata, MetricRecord, RecordDict
    from flwr.serverapp.strategy import FedMedian, FedTrimmedAvg
    from flwr.supercore.differential_privacy import compute_clip_model_update

    state, given = updates()
    del state["n"]

    about = Metadata(0, "1", 2, 1, "0", "", 0.0, 60.0, "train")

    def reply(n, w):
        arrays, figures = ArrayRecord({"w": Array(w)}), MetricRecord({"num-examples": n})
        content = RecordDict({"arrays": arrays, "metrics": figures})
        return Message(content=content, metadata=about)

    for how, strategy in (("median", FedMedian()), ("trimmed_mean", FedTrimmedAvg(beta=0.2))):
        theirs, _ = strategy.aggregate_train(1, [reply(n, a["w"]) for n, a in given])
        ours = aggregate(state, given, how, trim=0.2)
        np.testing.assert_array_equal(ours["w"], theirs["w"].numpy())
    clipped = []
    for n, arrays in given:
        own = [arrays["w"].copy()]
        compute_clip_model_update(own, [state["w"]], 1.5)
        clipped.append((n, {"w": own[0]}))
    np.testing.assert_allclose(
        aggregate(state, given, "clipped", clip_norm=1.5)["w"],
        aggregate(state, clipped, "mean")["w"],
    )


def test_an_empty_reply_is_refused():
    with pytest.warns(NoUpdateWarning):
        assert play(METHODS["FedAvg"], lambda reply: Reply()).round == 2
