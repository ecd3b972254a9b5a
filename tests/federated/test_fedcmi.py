"""FedCMI: temperatures by hand, who is taught by whom, and stand-ins for lacking modalities."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sk_mmbalance.federated import ClientTrainer, FedCMI, Order, Server
from sk_mmbalance.federated import _infiltration as formulae

from .conftest import federation, run, same_state

SMALL = {
    "feature_dim": 6,
    "hidden_layer_sizes": (8,),
    "n_rounds": 3,
    "local_epochs": 1,
    "batch_size": 64,
    "lr": 0.02,
}
CPU = torch.device("cpu")


def local_of(method, task, X, y, *, round_number=1, used=None, seed=0):
    """One client's work, ready for `method.loss`, and its only batch with the teacher's logits."""
    trainer = ClientTrainer(method, task, task.read(X, y))
    used = used or trainer.modalities()
    config = {"round": round_number, "seed": 0, "lr": 0.1, "epochs": 1, "modalities": used}
    local = trainer.local(Order("train", {}, config), Server(method, task, ["0"], seed).module())
    extras = method.prepare(local)
    return local, local.rows[:], extras


# -- temperatures ---------------------------------------------------------------------------


def test_temperatures_by_hand_where_the_first_modality_is_ahead():
    p_a, p_b = torch.tensor([0.8, 0.6, 0.6]), torch.tensor([0.2, 0.4, 0.6])
    ratio = np.array([4.0, 1.5, 1.0])
    mean = ratio.mean()  # 2.17
    expected = [1 / (1 + 2 * np.log(4.0 / mean)), 1, 1]
    np.testing.assert_allclose(formulae.class_temperatures(p_a, p_b), expected, rtol=1e-6)


def test_temperatures_by_hand_where_the_second_modality_is_ahead():
    p_a, p_b = torch.tensor([0.2, 0.4, 0.6]), torch.tensor([0.8, 0.6, 0.6])
    ratio = np.array([0.25, 2 / 3, 1.0])
    mean = ratio.mean()  # 0.64
    expected = [1 / (1 + 2 * np.log(mean / 0.25)), 1, 1]
    np.testing.assert_allclose(formulae.class_temperatures(p_a, p_b), expected, rtol=1e-6)


def test_class_without_rows_has_temperature_one_and_is_not_in_the_mean():
    nan = float("nan")
    with_it = formulae.class_temperatures(
        torch.tensor([0.8, nan, 0.6]), torch.tensor([0.2, nan, 0.6])
    )
    without = formulae.class_temperatures(torch.tensor([0.8, 0.6]), torch.tensor([0.2, 0.6]))
    np.testing.assert_allclose(with_it[[0, 2]], without)
    assert with_it[1] == 1


@pytest.mark.parametrize(("p_a", "p_b"), [(0.5, 0.0), (0.0, 0.5), (0.0, 0.0)])
def test_probability_of_nought_leaves_temperatures_finite_and_above_nought(p_a, p_b):
    found = formulae.class_temperatures(torch.tensor([p_a, 0.5]), torch.tensor([p_b, 0.4]))
    assert bool(((found > 0) & (found <= 1)).all())


def test_equal_modalities_and_no_sharpness_have_temperature_one():
    p = torch.tensor([0.3, 0.9])
    assert formulae.class_temperatures(p, p).tolist() == [1, 1]
    assert formulae.class_temperatures(p, torch.tensor([0.2, 0.1]), sharpness=0.0).tolist() == [
        1,
        1,
    ]


def test_confidence_is_the_mean_probability_of_the_true_class():
    logits = torch.tensor([[2.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    codes = torch.tensor([0, 0, 1])
    p = F.softmax(logits, dim=1)
    found = formulae.class_confidence(logits, codes, None, None)
    expected = [(p[0, 0] + p[1, 0]).item() / 2, p[2, 1].item(), np.nan]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    weighted = formulae.class_confidence(logits, codes, torch.tensor([3.0, 1.0, 1.0]), None)
    assert weighted[0].item() == pytest.approx((3 * p[0, 0] + p[1, 0]).item() / 4)
    masked = formulae.class_confidence(logits, codes, None, torch.tensor([True, False, True]))
    assert masked[0].item() == pytest.approx(p[0, 0].item())


# -- the loss -------------------------------------------------------------------------------


def test_infiltration_loss_by_hand():
    teacher, pupil = torch.tensor([[1.0, 3.0]]), torch.tensor([[0.5, 0.0]])
    T = torch.tensor([0.5])
    q, log_p = np.exp([2.0, 6.0]), np.array([1.0, 0.0])
    q = q / q.sum()
    log_p = log_p - np.log(np.exp(log_p).sum())
    found = formulae.infiltration_loss(teacher, pupil, T)
    np.testing.assert_allclose(found, [-(q * log_p).sum()], rtol=1e-6)


def test_loss_of_a_two_modality_client_is_that_of_the_paper():
    task, shares = federation(n_clients=1, n=40)
    method = FedCMI(**SMALL)
    local, batch, extras = local_of(method, task, *shares["0"])
    X, codes = batch
    module = local.module
    z = module.encode(X["inputs"])
    s = {m: module.heads[m](module.own[m](z[m])) for m in "ab"}
    t = {m: module.heads[m](module.infiltration[m](z[m])) for m in "ab"}
    H = module.fusion({m: module.own[m](z[m]) for m in "ab"})[0]
    score = {m: F.softmax(s[m], dim=1)[torch.arange(len(codes)), codes].sum() for m in "ab"}
    dom = "a" if score["a"] > score["b"] else "b"
    weak = "b" if dom == "a" else "a"
    p = {m: formulae.class_confidence(s[m].detach(), codes, None, None) for m in "ab"}
    T = formulae.class_temperatures(p["a"], p["b"])[codes][:, None]
    q = F.softmax(s[dom].detach() / T, dim=1)
    L_inf = -(q * F.log_softmax(t[weak] / T, dim=1)).sum(dim=1).mean()
    expected = (
        F.cross_entropy(H, codes)
        + 2 * F.cross_entropy(s["a"], codes)
        + 2 * F.cross_entropy(s["b"], codes)
        + L_inf
    )
    assert extras.keys() == {"a", "b"}
    torch.testing.assert_close(method.loss(local, batch, extras), expected)


def gradients(method, task, X, y, **kwargs):
    """Norm of the gradient of every weight, after one batch; 0 where there is none."""
    local, batch, extras = local_of(method, task, X, y, **kwargs)
    for value in extras.values():
        value.requires_grad_()
    method.loss(local, batch, extras).backward()
    assert all(value.grad is None for value in extras.values()), "gradient into the teacher"
    named = local.module.named_parameters()
    return {k: 0.0 if w.grad is None else float(w.grad.norm()) for k, w in named}


def test_infiltration_reaches_only_encoder_projector_and_classifier_of_the_weak_modality():
    task, shares = federation(n_clients=1, n=60)
    X, y = shares["0"]
    X = type(X)(a=X["a"], b=np.random.default_rng(0).normal(size=X["b"].shape))
    method = FedCMI(**SMALL, self_weight=0.0)
    with_it = gradients(method, task, X, y)
    without = gradients(replace(method, infiltration_weight=0.0), task, X, y)
    changed = {k for k in with_it if abs(with_it[k] - without[k]) > 1e-12}
    local, (_, codes), _ = local_of(method, task, X, y)
    with torch.no_grad():
        own = local.module(local.rows.inputs).unimodal
    score = {m: float(F.softmax(z, 1)[torch.arange(len(y)), codes].sum()) for m, z in own.items()}
    weak = min(score, key=score.get)
    named = [k for k in with_it if k.split(".")[1] == f"m_{weak}"]
    expected = {k for k in named if k.split(".")[0] in ("backbones", "infiltration", "heads")}
    assert changed == expected


def test_teacher_is_the_received_model_not_the_one_in_training():
    task, shares = federation(n_clients=1, n=40)
    method = FedCMI(**SMALL)
    local, batch, extras = local_of(method, task, *shares["0"])
    before = {m: value.clone() for m, value in extras.items()}
    optimizer = method.make_optimizer(local.module, 0.5)
    for _ in range(3):
        optimizer.zero_grad()
        method.loss(local, batch, extras).backward()
        optimizer.step()
    assert all(torch.equal(before[m], extras[m]) for m in before)
    own = local.module(batch[0]["inputs"]).unimodal
    assert not torch.allclose(own["a"], extras["a"])


def test_first_round_has_no_infiltration_and_the_second_has():
    task, shares = federation(n_clients=1, n=40)
    X, y = shares["0"]
    on, off = FedCMI(**SMALL), FedCMI(**SMALL, infiltration_weight=0.0)
    assert gradients(on, task, X, y, round_number=0) == gradients(off, task, X, y, round_number=0)
    assert gradients(on, task, X, y) != gradients(off, task, X, y)
    late = FedCMI(**SMALL, warmup_rounds=2)
    assert gradients(late, task, X, y) == gradients(off, task, X, y)


def test_without_class_wise_temperature_infiltration_stays_on_with_temperature_one():
    task, shares = federation(n_clients=1, n=40)
    X, y = shares["0"]
    plain = FedCMI(**SMALL, class_wise_temperature=False)
    local, _, _ = local_of(plain, task, X, y)
    assert local.notes["temperatures"]["a", "b"].tolist() == [1.0, 1.0, 1.0]
    assert gradients(plain, task, X, y) == gradients(FedCMI(**SMALL, sharpness=0.0), task, X, y)
    assert gradients(plain, task, X, y) != gradients(
        FedCMI(**SMALL, infiltration_weight=0.0), task, X, y
    )


def test_client_with_one_modality_has_the_fused_cross_entropy_only():
    task, shares = federation(n_clients=1, n=40)
    X, y = shares["0"]
    method = FedCMI(**SMALL)
    local, (inputs, codes), extras = local_of(method, task, X.select(["b"]), y)
    assert extras == {}
    module = local.module
    z = module.encode(inputs["inputs"])["b"]
    slots = {"a": module.infiltration["b"](z), "b": module.own["b"](z)}
    expected = F.cross_entropy(module.fusion(slots)[0], codes)
    torch.testing.assert_close(method.loss(local, local.rows[:], extras), expected)


def test_lacking_modality_is_filled_by_the_mean_of_the_present_ones_infiltration():
    task, shares = federation(n_clients=1, n=30, dims=(4, 3, 2))
    X, y = shares["0"]
    method = FedCMI(**SMALL)
    module = method.build(task)
    whole = task.read(X.select(["a", "c"]), y)
    inputs, present = whole.inputs, whole.present
    z = module.encode(inputs, present)
    stand_in = (module.infiltration["a"](z["a"]) + module.infiltration["c"](z["c"])) / 2
    own = {m: module.own[m](z[m]) for m in "ac"}
    expected = module.fusion({"a": own["a"], "b": stand_in, "c": own["c"]})[0]
    torch.testing.assert_close(module(inputs, present).logits, expected)
    left_out = module({m: inputs[m] for m in "ac"}).logits
    torch.testing.assert_close(left_out, expected)


def test_rows_by_presence_pattern_equal_the_loss_of_each_pattern():
    """Rows with both, with a only and with b only in one batch: the terms add up by rows."""
    task, shares = federation(n_clients=1, n=30)
    X, y = shares["0"]
    values = {m: X[m].copy() for m in X}
    values["a"][:8] = np.nan
    values["b"][20:] = np.nan
    mixed = type(X)(values)
    method = FedCMI(**SMALL, infiltration_weight=0.0)
    parts = [slice(0, 8), slice(8, 20), slice(20, 30)]
    total = 0.0
    for rows in parts:
        local, batch, extras = local_of(method, task, mixed[rows], y[rows])
        total += len(y[rows]) / len(y) * method.loss(local, batch, extras).item()
    local, batch, extras = local_of(method, task, mixed, y)
    assert method.loss(local, batch, extras).item() == pytest.approx(total)


def test_what_stands_in_absent_rows_changes_nothing():
    task, shares = federation(n_clients=2, n=60)
    X, y = shares["0"]
    values = {m: X[m].copy() for m in X}
    values["b"][::3] = np.nan
    holes = type(X)(values)
    method = FedCMI(**SMALL)
    rows = task.read(holes, y)
    filled = {m: torch.nan_to_num(v, nan=1e30) for m, v in rows.inputs.items()}
    first = ClientTrainer(method, task, rows)
    second = ClientTrainer(method, task, replace(rows, inputs=filled))
    states = [
        run(method, task, shares, trainers={"0": trainer})[0].state for trainer in (first, second)
    ]
    assert same_state(*states)


def test_more_than_two_modalities_are_each_taught_by_the_dominant_one():
    task, shares = federation(n_clients=1, n=60, dims=(4, 4, 4))
    X, y = shares["0"]
    method = FedCMI(**SMALL, self_weight=0.0)
    local, batch, extras = local_of(method, task, X, y)
    assert set(local.notes["temperatures"]) == {("a", "b"), ("a", "c"), ("b", "c")}
    method.loss(local, batch, extras).backward()
    taught = [m for m in "abc" if next(local.module.infiltration[m].parameters()).grad is not None]
    assert len(taught) == 2


def test_proximal_term_pulls_towards_the_global_weights():
    task, shares = federation(n_clients=1, n=40)

    def distance(mu):
        method = FedCMI(**{**SMALL, "n_rounds": 1, "local_epochs": 10}, prox_mu=mu)
        start = Server(method, task, ["0"]).state
        end = run(method, task, shares)[0].state
        return sum(np.linalg.norm(end[k] - start[k]) for k in end)

    assert distance(5.0) < 0.8 * distance(0.0)


# -- personal branches ----------------------------------------------------------------------


def test_personal_branches_differ_and_share_no_memory():
    task, shares = federation(n_clients=3)
    method = FedCMI(**SMALL, personal_branch=True, clients_per_round=3)
    _, engine = run(method, task, shares)
    own = [engine.memories()[k]["personal"] for k in "012"]
    for key in own[0]:
        assert key.startswith(("infiltration.", "heads."))
        assert not np.array_equal(own[0][key], own[1][key])
    kept = [engine._memories[k]["personal"] for k in "012"]
    for first, second in ((0, 1), (0, 2), (1, 2)):
        for key in kept[first]:
            assert not np.shares_memory(kept[first][key], kept[second][key])


def test_client_goes_on_with_its_own_branch():
    task, shares = federation(n_clients=2, n=40)
    method = FedCMI(**SMALL, personal_branch=True)
    X, y = shares["0"]
    trainer = ClientTrainer(method, task, task.read(X, y))
    state = Server(method, task, ["0"]).state
    config = {"round": 0, "seed": 3, "lr": 0.0, "epochs": 1, "modalities": ["a", "b"]}
    order = Order("train", {"model": state}, config)
    kept = {"personal": {k: v + 1 for k, v in state.items() if k.startswith("infiltration.")}}
    reply, memory = trainer.handle(order, kept)
    for key, value in kept["personal"].items():  # trained at rate 0: what was restored
        np.testing.assert_array_equal(reply.arrays["model"][key], value)
        np.testing.assert_array_equal(memory["personal"][key], value)
    fresh, _ = trainer.handle(order, {})
    assert not np.array_equal(
        fresh.arrays["model"]["infiltration.m_a.weight"],
        kept["personal"]["infiltration.m_a.weight"],
    )


def test_without_personal_branch_nothing_personal_is_kept():
    task, shares = federation(n_clients=2)
    _, engine = run(FedCMI(**SMALL), task, shares)
    assert all("personal" not in memory for memory in engine.memories().values())


def test_temperatures_stay_at_the_client():
    task, shares = federation(n_clients=1)
    method = FedCMI(**SMALL)
    trainer = ClientTrainer(method, task, task.read(*shares["0"]))
    state = Server(method, task, ["0"]).state
    config = {"round": 1, "seed": 3, "lr": 0.1, "epochs": 1, "modalities": ["a", "b"]}
    reply, memory = trainer.handle(Order("train", {"model": state}, config))
    assert set(reply.arrays) == {"model"}
    assert "temperatures" in memory
