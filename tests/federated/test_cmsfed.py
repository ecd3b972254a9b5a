"""CMSFed: the loss, what the server learns of clients, and whom it plans."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sk_mmbalance.federated import ClientTrainer, CMSFed, FedAvg, Order, RoundView, Server

from .conftest import federation, run, same_state

CPU = torch.device("cpu")
SMALL = {
    "feature_dim": 6,
    "hidden_layer_sizes": (8,),
    "n_rounds": 3,
    "local_epochs": 1,
    "batch_size": 64,
    "lr": 0.02,
}


class PlannedAsFedAvg(CMSFed):
    """The same with clients chosen as federated averaging does."""

    def plan(self, view):
        return FedAvg.plan(self, view)


@pytest.mark.parametrize("lacking", [None, {2: "a", 3: "b"}])
def test_without_prototypes_and_with_the_same_plan_it_is_federated_averaging(lacking):
    task, shares = federation(lacking=lacking)
    plain, _ = run(FedAvg(**SMALL), task, shares, seed=3)
    other, _ = run(PlannedAsFedAvg(**SMALL, enhance_weight=0.0), task, shares, seed=3)
    assert plain.plans == other.plans
    assert same_state(plain.state, other.state)
    enhanced, _ = run(PlannedAsFedAvg(**SMALL), task, shares, seed=3)
    assert not same_state(plain.state, enhanced.state)


# -- the loss -------------------------------------------------------------------------------


def local_with(method, task, X, y, prototypes, used=None):
    trainer = ClientTrainer(method, task, task.read(X, y))
    used = used or trainer.modalities()
    config = {"round": 1, "seed": 0, "lr": 0.1, "epochs": 1, "modalities": used}
    known = {name: np.ones(len(g), dtype=bool) for name, g in prototypes.items()}
    order = Order("train", {"prototypes": prototypes, "known": known}, config)
    local = trainer.local(order, Server(method, task, ["0"]).module())
    method.prepare(local)
    return local


def distances(z, g):
    return (z[:, None, :] - torch.from_numpy(g)[None]).norm(dim=2)


def prototypes_of(task, names="ab", seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=(len(task.classes), 6)) for name in names}


def test_loss_adds_the_prototype_term_of_the_weaker_modality():
    task, shares = federation(n_clients=1, n=40)
    method = CMSFed(**SMALL, enhance_weight=0.7, unit_features=False)
    g = prototypes_of(task)
    local = local_with(method, task, *shares["0"], g)
    X, codes = local.rows[:]
    z = local.module.encode(X["inputs"])
    score, P = {}, {}
    for m in "ab":
        logits = -distances(z[m], g[m])
        score[m] = F.softmax(logits, dim=1)[torch.arange(len(codes)), codes].sum().item()
        P[m] = F.cross_entropy(logits, codes)
    weak = min(score, key=score.get)
    expected = F.cross_entropy(local.module(X["inputs"]).logits, codes) + 0.7 * P[weak]
    found = method.loss(local, local.rows[:], {})
    torch.testing.assert_close(found, expected)
    found.backward()


def test_one_modality_in_use_gets_its_own_term_and_zeros_in_the_other_place():
    task, shares = federation(n_clients=1, n=40)
    method = CMSFed(**SMALL, unit_features=False)
    g = prototypes_of(task)
    local = local_with(method, task, *shares["0"], g, used=["b"])
    X, codes = local.rows[:]
    z = local.module.encode(X["inputs"])
    zeros = {"a": torch.zeros_like(z["b"]), "b": z["b"]}
    expected = F.cross_entropy(local.module.fusion(zeros)[0], codes)
    expected = expected + F.cross_entropy(-distances(z["b"], g["b"]), codes)
    torch.testing.assert_close(method.loss(local, local.rows[:], {}), expected)


def test_unit_features_compare_directions():
    task, shares = federation(n_clients=1, n=40)
    method = CMSFed(**SMALL)
    g = prototypes_of(task)
    scaled = {name: 7 * value for name, value in g.items()}
    found = []
    for prototypes in (g, scaled):
        local = local_with(method, task, *shares["0"], prototypes, used=["b"])
        found.append(method.loss(local, local.rows[:], {}))
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-4)
    X, codes = local.rows[:]
    z = F.normalize(local.module.encode(X["inputs"])["b"], dim=1)
    own = F.normalize(torch.from_numpy(g["b"]), dim=1).numpy()
    expected = F.cross_entropy(local.module(X["inputs"]).logits, codes)
    expected = expected + F.cross_entropy(-distances(z, own), codes)
    torch.testing.assert_close(found[0], expected, rtol=1e-3, atol=1e-3)


def test_tie_adds_no_term():
    task, shares = federation(n_clients=1, n=40, dims=(4, 4))
    X, y = shares["0"]
    X = type(X)(a=X["a"], b=X["a"])
    method = CMSFed(**SMALL)
    g = prototypes_of(task, "a")["a"]
    local = local_with(method, task, X, y, {"a": g, "b": g})
    twin = local.module.backbones
    twin["b"].load_state_dict(twin["a"].state_dict())
    inputs, codes = local.rows[:]
    expected = F.cross_entropy(local.module(inputs["inputs"]).logits, codes)
    torch.testing.assert_close(method.loss(local, local.rows[:], {}), expected)


def test_no_term_before_there_are_prototypes():
    task, shares = federation(n_clients=1, n=40)
    method = CMSFed(**SMALL)
    for prototypes in ({}, prototypes_of(task, "a")):
        local = local_with(method, task, *shares["0"], prototypes)
        X, codes = local.rows[:]
        expected = F.cross_entropy(local.module(X["inputs"]).logits, codes)
        torch.testing.assert_close(method.loss(local, local.rows[:], {}), expected)


# -- the server -----------------------------------------------------------------------------


def test_probe_fills_the_tables_with_updates_and_leaves_the_model():
    task, shares = federation(lacking={3: "a"})
    method = CMSFed(**SMALL)
    server = Server(method, task, list(shares))
    start = {key: value.copy() for key, value in server.state.items()}
    _, engine = run(method, task, shares)
    server.receive(engine.exchange(server.orders()))
    assert server.phase == "probe"
    server.receive(engine.exchange(server.orders()))
    assert same_state(server.state, start)
    state = server.method_state
    assert state.probed == set(shares)
    assert all(np.linalg.norm(u) > 0 for own in state.joint.values() for u in own.values())
    assert set(state.joint["3"]) == {"b"}
    updates = [own["b"].tolist() for own in state.joint.values()]
    assert all(one != other for one, other in combinations(updates, 2))


def probed(method, task, shares):
    """A server that has visited its clients."""
    server = Server(method, task, list(shares))
    _, engine = run(method, task, shares)
    while server.phase != "train":
        server.receive(engine.exchange(server.orders()))
    return server


def features_of(method, task, share):
    """Features of a client's rows under the initial model, and their classes."""
    trainer = ClientTrainer(method, task, task.read(*share))
    config = {"round": 0, "seed": 0, "lr": 0.1, "epochs": 1, "modalities": ["a", "b"]}
    local = trainer.local(Order("probe", {}, config), Server(method, task, ["0"]).module())
    X, codes = local.rows[:]
    local.module.eval()
    return {m: z.detach().numpy() for m, z in local.module.encode(X["inputs"]).items()}, codes


def test_published_first_visit_measures_the_initial_model():
    task, shares = federation()
    method = CMSFed(**SMALL, first_visit="initial", enhance_weight=1.0)
    state = probed(method, task, shares).method_state
    sums = {m: 0.0 for m in "ab"}
    counts = np.zeros(len(task.classes))
    for client, share in shares.items():
        z, codes = features_of(method, task, share)
        rows = np.eye(len(task.classes))[codes]
        counts += rows.sum(axis=0)
        for m in "ab":
            own = rows.T @ z[m] / np.maximum(rows.sum(axis=0), 1)[:, None]
            away = np.linalg.norm(z[m][:, None] - own[None], axis=2)
            away[:, rows.sum(axis=0) == 0] = np.inf
            right = (away.argmin(axis=1) == codes.numpy()).mean()
            assert state.accuracies[client][m] == pytest.approx(right)
            sums[m] = sums[m] + rows.T @ z[m]
    for m in "ab":
        np.testing.assert_allclose(state.prototypes[m][0], sums[m] / counts[:, None], rtol=1e-5)


def test_published_first_visit_trains_towards_the_clients_own_prototypes():
    task, shares = federation()
    plain = probed(CMSFed(**SMALL), task, shares).method_state
    assert plain.prototypes == {}
    without = CMSFed(**SMALL, first_visit="initial", enhance_weight=0.0)
    same = probed(without, task, shares).method_state
    pulled = probed(CMSFed(**SMALL, first_visit="initial"), task, shares).method_state
    for client in shares:
        np.testing.assert_array_equal(same.joint[client]["a"], plain.joint[client]["a"])
    moved = [
        not np.array_equal(pulled.joint[c][m], plain.joint[c][m]) for c in shares for m in "ab"
    ]
    assert any(moved)


def test_update_is_what_was_received_minus_what_came_back():
    task, shares = federation(n_clients=2)
    method = CMSFed(**SMALL, clients_per_round=2, tau=np.inf)
    before = Server(method, task, list(shares)).state
    trainer = ClientTrainer(method, task, task.read(*shares["0"]))
    server, _ = run(method, task, shares, n_rounds=1)
    seed = int(server.rng("train", 0, 0).integers(2**62))
    config = {"round": 0, "seed": seed, "lr": 0.02, "epochs": 1, "modalities": ["a", "b"]}
    reply, _ = trainer.handle(Order("train", {"model": before}, config))
    after = reply.arrays["model"]
    expected = np.concatenate([(before[k] - after[k]).ravel() for k in server.blocks["a"]])
    np.testing.assert_allclose(server.method_state.joint["0"]["a"], expected)


def test_only_the_tables_that_were_used_are_refreshed():
    task, shares = federation(n_clients=2)

    class Fixed(CMSFed):
        def plan(self, view):
            return {"0": ["a", "b"], "1": ["b"]}

    method = Fixed(**SMALL)
    server = Server(method, task, list(shares))
    _, engine = run(method, task, shares, n_rounds=1)
    while server.phase != "train":
        server.receive(engine.exchange(server.orders()))
    joint, single = server.method_state.joint, server.method_state.single
    server.receive(engine.exchange(server.orders()))
    state = server.method_state
    assert not np.array_equal(state.joint["0"]["a"], joint["0"]["a"])
    assert state.single["0"]["a"] is single["0"]["a"]
    assert state.joint["1"]["b"] is joint["1"]["b"]
    assert state.single["1"]["a"] is single["1"]["a"]
    assert not np.array_equal(state.single["1"]["b"], single["1"]["b"])


def test_encoder_that_was_not_trained_does_not_travel_and_is_not_averaged():
    task, shares = federation(n_clients=2)

    class Fixed(CMSFed):
        def plan(self, view):
            return {"0": ["b"], "1": ["b"]}

    method = Fixed(**SMALL)
    server, _ = run(method, task, shares)
    start = Server(method, task, list(shares)).state
    for key in server.blocks["a"]:
        np.testing.assert_array_equal(server.state[key], start[key])
    whole, _ = run(PlannedAsFedAvg(**SMALL, clients_per_round=2), task, shares)
    assert server.history[-1]["bytes_up"] < whole.history[-1]["bytes_up"]


def test_own_prototypes_are_of_all_or_of_the_trained_modalities():
    task, shares = federation(n_clients=1)
    X, y = shares["0"]
    config = {"round": 0, "seed": 1, "lr": 0.1, "epochs": 1, "modalities": ["b"]}
    for own, names in (("owned", {"a", "b"}), ("trained", {"b"})):
        method = CMSFed(**SMALL, own_prototypes=own)
        trainer = ClientTrainer(method, task, task.read(X, y))
        state = Server(method, task, ["0"]).state
        reply, _ = trainer.handle(Order("train", {"model": state}, config))
        assert set(reply.arrays["prototypes"]) == set(reply.arrays["counts"]) == names
        np.testing.assert_array_equal(reply.arrays["counts"]["b"], np.bincount(y))


def test_prototypes_of_a_reply_are_class_means_of_the_trained_encoder():
    task, shares = federation(n_clients=1)
    y = shares["0"][1]
    method = CMSFed(**SMALL, clients_per_round=1)
    server, engine = run(method, task, shares, n_rounds=1)
    module = server.module().eval()
    rows = engine.trainers["0"].rows
    with torch.no_grad():
        z = module.encode(rows.inputs)["a"].numpy()
    means, known = server.method_state.prototypes["a"]
    expected = np.stack([z[y == c].mean(axis=0) for c in range(3)])
    np.testing.assert_allclose(means, expected, rtol=1e-9)
    assert known.all()


def test_infinite_tau_plans_all_modalities_of_everybody():
    task, shares = federation(lacking={3: "a"})
    server, _ = run(CMSFed(**SMALL, tau=np.inf), task, shares)
    for plan in server.plans:
        assert all(names == server.held[client] for client, names in plan.items())


def planned(method, accuracies, task, held=None, n_rounds=20):
    """Plans of many rounds for given accuracies, and what the last one notes; nobody trains."""
    held = held or {client: ["a", "b"] for client in accuracies}
    rng = np.random.default_rng(0)
    joint, single = ({c: {m: rng.normal(size=4) for m in held[c]} for c in held} for _ in range(2))
    known = {"joint": joint, "single": single, "accuracies": accuracies}
    kept = replace(method.start(), probed=frozenset(accuracies), **known)
    weights = dict.fromkeys(accuracies, 10.0)
    plans = []
    for number in range(n_rounds):
        clients, seed = list(accuracies), (0, number)
        view = RoundView(number, task, clients, held, weights, {}, {}, kept, seed)
        plans.append(method.plan(view))
    return plans, view.notes


def test_ratio_one_everywhere_plans_all_modalities_at_tau_one():
    task, _ = federation()
    plans, _ = planned(CMSFed(tau=1.0), {k: {"a": 0.5, "b": 0.5} for k in "0123"}, task)
    assert all(names == ["a", "b"] for plan in plans for names in plan.values())


def test_clients_whose_weak_modality_is_far_behind_train_it_alone():
    task, _ = federation()
    far, near = {"a": 0.9, "b": 0.3}, {"a": 0.9, "b": 0.8}
    plans, notes = planned(CMSFed(tau=2.0), {"0": far, "1": near, "2": far, "3": near}, task)
    assert notes["weak"] == "b"
    assert notes["ratio"] == pytest.approx((3 + 9 / 8) / 2)
    asked = {(client, tuple(names)) for plan in plans for client, names in plan.items()}
    assert asked >= {("0", ("b",)), ("2", ("b",))}
    assert all(names == ("a", "b") for client, names in asked if client in "13")
    other = {k: {"a": own["b"], "b": own["a"]} for k, own in zip("01", (far, near), strict=True)}
    plans, notes = planned(CMSFed(tau=2.0), other, task)
    assert notes["weak"] == "a"
    assert {tuple(names) for plan in plans for names in plan.values()} <= {("a",), ("a", "b")}


@pytest.mark.parametrize("incomplete", ["include", "exclude"])
def test_no_client_is_planned_for_a_modality_it_lacks(incomplete):
    task, _ = federation()
    held = {"0": ["a", "b"], "1": ["a"], "2": ["b"], "3": ["a", "b"]}
    accuracies = {k: dict.fromkeys(names, 0.5) for k, names in held.items()}
    accuracies["0"] = {"a": 0.9, "b": 0.1}
    method = CMSFed(incomplete_clients=incomplete, clients_per_round=3)
    plans, _ = planned(method, accuracies, task, held)
    for plan in plans:
        assert all(set(names) <= set(held[client]) for client, names in plan.items())
    asked = {client for plan in plans for client in plan}
    # with a in use only, client 1 is in no table of the complete ones
    assert asked == (set("0123") if incomplete == "include" else set("023"))


def test_three_modalities_compare_the_best_with_the_weak_one():
    task, _ = federation(dims=(3, 3, 3))
    held = {k: ["a", "b", "c"] for k in "0123"}
    own = {"a": 0.9, "b": 0.6, "c": 0.5}
    plans, notes = planned(CMSFed(tau=1.7), dict.fromkeys("0123", own), task, held)
    assert notes["weak"] == "c"
    assert all(names == ["c"] for plan in plans for names in plan.values())
    plans, _ = planned(CMSFed(tau=1.9), dict.fromkeys("0123", own), task, held)
    assert all(names == held["0"] for plan in plans for names in plan.values())


def test_accuracies_on_held_out_rows_differ_from_those_on_the_prototypes_own():
    task, shares = federation(n_clients=1, n=60, spread=0.3)
    X, y = shares["0"]
    found = []
    for share in (0.0, 0.5):
        method = CMSFed(**SMALL, ratio_holdout=share)
        trainer = ClientTrainer(method, task, task.read(X, y))
        config = {"round": 0, "seed": 1, "lr": 0.02, "epochs": 1, "modalities": ["a", "b"]}
        order = Order("train", {"model": Server(method, task, ["0"]).state}, config)
        found.append(trainer.handle(order)[0].config["accuracies"])
    assert found[0] != found[1]
    assert sum(found[1]) < sum(found[0])  # on other rows they are not flattered


def test_malformed_prototypes_are_refused():
    task, shares = federation(n_clients=2)
    method = CMSFed(**SMALL)
    server, engine = run(method, task, shares)
    order = Order(
        "train",
        {"model": server.state},
        {"round": 0, "seed": 1, "lr": 0.1, "epochs": 1, "modalities": ["a", "b"]},
    )
    good = engine.exchange({"0": order})["0"]
    assert method.why_refuse(server.view(), good, order) is None
    short = {name: value[:1] for name, value in good.arrays["prototypes"].items()}
    bad = replace(good, arrays={**good.arrays, "prototypes": short})
    assert "prototypes of" in method.why_refuse(server.view(), bad, order)
    bad = replace(good, arrays={**good.arrays, "counts": {}})
    assert "with counts of" in method.why_refuse(server.view(), bad, order)
    bad = replace(good, config={**good.config, "accuracies": [0.1, 7.0]})
    assert "not between 0 and 1" in method.why_refuse(server.view(), bad, order)


def test_class_that_the_chosen_clients_lack_keeps_its_prototype():
    task, shares = federation(n_clients=2)
    X, y = shares["1"]
    shares["1"] = (X[y != 0], y[y != 0])

    class Alternating(CMSFed):
        def plan(self, view):
            client = "0" if view.round == 0 else "1"
            return {client: view.held[client]}

    kept, _ = run(Alternating(**SMALL), task, shares, n_rounds=2)
    first, _ = run(Alternating(**SMALL), task, shares, n_rounds=1)
    assert kept.method_state.prototypes["a"][1].all()
    np.testing.assert_array_equal(
        kept.method_state.prototypes["a"][0][0], first.method_state.prototypes["a"][0][0]
    )
    lost, _ = run(Alternating(**SMALL, keep_old_prototypes=False), task, shares, n_rounds=2)
    assert lost.method_state.prototypes["a"][1].tolist() == [False, True, True]
