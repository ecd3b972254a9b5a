"""MCR: says and gradients by hand, and each player's own aim."""

import math

import numpy as np
import pytest
import torch

from sk_mmbalance import MultimodalClassifier, MultimodalRegressor
from sk_mmbalance.balancing import MCR

from .conftest import FAST, blobs, fit, formulae, same_weights, with_missing

of = formulae(MCR)

A = torch.tensor([[2.0, 0, 0], [0, 1, 0]], dtype=torch.float64)
B = torch.tensor([[0.0, 0, 1], [0, 0.5, 0]], dtype=torch.float64)
FUSIONS = ["concat", "sum", "late", "gated", "film", "transformer"]


def rounded(values):
    return [round(value.item(), 6) for value in values]


def divergence(z, other):
    return of.jensen_shannon(of.log_chances(z, 1), of.log_chances(other, 1))


def test_says_and_greedy_gradients_by_hand():
    a, b = A.clone().requires_grad_(), B.clone().requires_grad_()
    says = []
    turned = of.turned_parts({"a": a, "b": b}, of.STRATEGIES["greedy"])
    for k, name in enumerate("ab"):
        parts = {m: c[k] for m, c in turned.items()}
        moved = {m: c.flip(0) if m == name else c for m, c in parts.items()}
        says.append(divergence(parts["a"] + parts["b"], moved["a"] + moved["b"]).mean())
    assert rounded(says) == [0.174690, 0.035484]
    sum(says).backward()
    assert rounded(a.grad[0]) == [-0.120313, 0.075319, 0.044994]
    assert rounded(b.grad[0]) == [0.024875, 0.051124, -0.075999]


def test_divergence_is_symmetric_bounded_and_zero_for_equals():
    far = torch.tensor([[900.0, 0, 0]]), torch.tensor([[0.0, 900, 0]])
    assert divergence(*far).item() == pytest.approx(math.log(2))
    torch.testing.assert_close(divergence(A, B), divergence(B, A))
    assert divergence(A, A).abs().max() < 1e-15
    sure = torch.tensor([[900.0, -900, 0]])
    labels = [of.log_chances(z, 2) for z in (sure, -sure)]
    assert of.jensen_shannon(*labels).item() == pytest.approx(2 / 3 * math.log(2))


def ready(value, n=24, fusion="concat", holes=False, **dims):
    """A net that has hardly been trained, and a batch."""
    X, y = blobs(n=n, dims=dims or None)
    params = {"fusion": fusion, "max_epochs": 1, "lr": 1e-300}
    if holes:
        X, _ = with_missing(X)
    net = fit(value, X, y, missing="mask", **params).net_
    batch = {"inputs": {m: torch.from_numpy(X[m]) for m in X}}
    if holes:
        batch["present"] = {m: torch.from_numpy(~np.isnan(X[m][:, 0])) for m in X}
    batch["weight"] = torch.linspace(0.5, 2, n, dtype=torch.float64)
    return net, (batch, torch.from_numpy(y))


def players(net, name):
    """Parameters that belong to one modality alone."""
    return {
        k: p for k, p in net.network.named_parameters() if f"m_{name}" in k and "heads" not in k
    }


def naive_says(net, batch, embeddings):
    """What happens to the prediction when an embedding is another row's, pair by pair."""
    X, _ = batch
    n, w = len(batch[1]), X["weight"]
    present = X.get("present")
    says = {}
    for name in embeddings:
        here = torch.ones(n, dtype=torch.bool) if present is None else present[name]
        total, of_pairs = 0.0, 0.0
        for i in range(n):
            for j in range(n):
                if not (here[i] and here[j]):
                    continue
                row = {m: u[[i]] for m, u in embeddings.items()}
                has = None if present is None else {m: p[[i]] for m, p in present.items()}
                other = {**row, name: embeddings[name][[j]]}
                logits = [net.network.fuse(each, has, False).logits for each in (row, other)]
                total = total + w[i] * w[j] * divergence(*logits)[0]
                of_pairs = of_pairs + w[i] * w[j]
        says[name] = (w * here).sum() / w.sum() * total / of_pairs
    return says


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("strategy", ["greedy", "collaborative", "independent"])
@pytest.mark.parametrize("holes", [False, True])
def test_gradients_are_those_of_each_players_aim(fusion, strategy, holes):
    value = MCR(strategy=strategy, n_permutations="all", competition_weight=1.0)
    net, batch = ready(value, n=6, fusion=fusion, holes=holes)
    net.network.eval()
    output = net.network(batch[0]["inputs"], batch[0].get("present"))
    added = net.methods[-1].loss(net, output, batch, torch.zeros((), dtype=torch.float64))
    assert added.item() == 0
    embeddings = net.network.encode(batch[0]["inputs"], batch[0].get("present"))
    says = naive_says(net, batch, embeddings)
    k = of.STRATEGIES[strategy]
    for mine, rival in (("face", "voice"), ("voice", "face")):
        owned = players(net, mine)
        if fusion not in ("concat", "sum", "late"):  # the encoder alone
            owned = {key: p for key, p in owned.items() if key.startswith("backbones.")}
        found = torch.autograd.grad(added, list(owned.values()), retain_graph=True)
        aim = -says[mine] - k * says[rival]
        wanted = torch.autograd.grad(aim, list(owned.values()), retain_graph=True)
        for g, h in zip(found, wanted, strict=True):
            torch.testing.assert_close(g, h, rtol=1e-8, atol=1e-12)


def naive_contrast(u, v, y, weight, here, other):
    losses, total = [], 0.0
    for i in range(len(y)):
        total += weight[i]
        partners = [j for j in range(len(y)) if other[j]]
        same = [j for j in partners if y[j] == y[i]]
        if not here[i] or not same:
            continue
        like = {j: 2 * torch.cosine_similarity(u[i], v[j], dim=0).item() for j in partners}
        whole = math.log(sum(weight[j] * math.exp(like[j]) for j in partners))
        each = sum(weight[j] * (whole - like[j]) for j in same) / sum(weight[j] for j in same)
        losses.append(weight[i] * each)
    return sum(losses) / total


def test_contrastive_loss_equals_a_naive_loop():
    rng = np.random.default_rng(0)
    u, v = (torch.from_numpy(rng.normal(size=(9, 4))) for _ in range(2))
    y = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 3])
    ones, weight = torch.ones(9).double(), torch.from_numpy(rng.uniform(0.5, 2, 9))
    here, other = torch.arange(9) != 1, torch.arange(9) < 8  # class 3 has none to choose
    everyone = torch.ones(9) > 0
    found = of.contrastive_loss(u, v, y).item()
    assert found == pytest.approx(naive_contrast(u, v, y, ones.tolist(), everyone, everyone))
    found = of.contrastive_loss(u, v, y, weight, (here, other)).item()
    assert found == pytest.approx(naive_contrast(u, v, y, weight.tolist(), here, other))
    doubled = torch.tensor([*range(9), 4])
    twice = of.contrastive_loss(u[doubled], v[doubled], y[doubled]).item()
    ones[4] = 2
    assert twice == pytest.approx(of.contrastive_loss(u, v, y, ones).item())


def test_contrast_draws_classes_together_and_stays_in_the_control():
    X, y = blobs(n=60)
    value = MCR(contrastive_weight=1.0, n_permutations="all")
    control = value.control()["balancing"]
    assert (control.competition_weight, control.contrastive_weight) == (0, 1)
    plain = fit(None, X, y, unimodal_weight=0.5)
    assert not same_weights(fit(control, X, y), plain)
    holes, _ = with_missing(X)
    clf = fit(value, holes, y, missing="mask", max_epochs=20)
    u, v = (torch.from_numpy(clf.embed(X)[m]) for m in X)
    was, before = (torch.from_numpy(plain.embed(X)[m]) for m in X)
    loss = of.contrastive_loss(u, v, torch.from_numpy(y))
    assert loss < of.contrastive_loss(was, before, torch.from_numpy(y))
    with pytest.raises(ValueError, match=r"contrastive_weight=1.0.* needs one class a row"):
        fit(value, X, np.stack([y == 0, y < 2], axis=1).astype(int))
    with pytest.raises(ValueError, match="compares embeddings, and theirs are of sizes"):
        fit(value, X, y, backbones={"face": torch.nn.Linear(5, 7).double()})


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_strength_zero_is_its_control(optimizer):
    X, y = blobs(n=60)
    value = MCR(competition_weight=0)
    control = MultimodalClassifier(**FAST, optimizer=optimizer).set_params(**value.control())
    assert control.unimodal_weight == 0.5
    assert same_weights(fit(value, X, y, optimizer=optimizer), control.fit(X, y))
    assert same_weights(fit(MCR(stop_epoch=0), X, y, optimizer=optimizer), control)


def test_one_modality_is_plain_training():
    X, y = blobs(n=60, dims={"face": (5,)})
    assert same_weights(fit(MCR(), X, y), fit(None, X, y, unimodal_weight=0.5))


def test_a_greedy_player_gains_a_say_and_the_loss_is_the_plain_one():
    X, y = blobs(n=90)
    says = {}
    for strategy in ("greedy", "collaborative"):
        value = MCR(strategy=strategy, competition_weight=3.0)
        history = fit(value, X, y, max_epochs=10).history_
        columns = history.filter(like="__say")
        assert ((columns >= 0) & (columns <= math.log(2))).all(axis=None)
        says[strategy] = columns.iloc[-1].sum()
    none = fit(MCR(competition_weight=1e-300), X, y, max_epochs=10).history_
    assert says["collaborative"] > none.filter(like="__say").iloc[-1].sum()
    first = fit(MCR(competition_weight=3.0), X, y, max_epochs=1, batch_size=200).history_
    plain = fit(None, X, y, max_epochs=1, batch_size=200, unimodal_weight=0.5).history_
    assert first["train_loss"][0] == pytest.approx(plain["train_loss"][0], rel=1e-12)


def test_many_permutations_come_near_all_pairs():
    says = {}
    for n in (1, 64, "all"):
        net, batch = ready(MCR(n_permutations=n), n=40)
        seen = {}
        net.note_each = seen.__setitem__
        net.methods[-1].loss(net, net.infer(batch[0]), batch, torch.zeros(()))
        says[n] = seen["say"][0].item()
    # all pairs include that of a row with itself, which changes nothing
    assert says[64] == pytest.approx(says["all"] * 40 / 39, rel=0.05)


def test_draws_are_the_same_every_time():
    X, y = blobs(n=60)
    clf = fit(MCR(n_permutations=2), X, y)
    assert same_weights(clf, fit(MCR(n_permutations=2), X, y))
    assert not same_weights(clf, fit(MCR(n_permutations=1), X, y))


def test_rows_may_lack_modalities_and_targets_be_labels():
    X, y = blobs(n=90, dims={"a": (3,), "b": (2,), "c": (4,)})
    holes, _ = with_missing(X)
    for fusion in FUSIONS:
        clf = fit(MCR(), holes, y, missing="mask", fusion=fusion, max_epochs=15)
        assert clf.score(holes, y) > 0.6
    labels = np.stack([y == 0, y < 2], axis=1).astype(int)
    assert fit(MCR(), X, labels).predict(X).shape == (90, 2)
    with pytest.raises(ValueError, match=r"MCR\(\) works with classes and labels"):
        MultimodalRegressor(**FAST, balancing=MCR()).fit(X, y.astype(float))


def test_published_form_and_its_side():
    clf = MCR.published_estimator()
    assert (clf.balancing.n_permutations, clf.balancing.contrastive_weight) == (32, 1.0)
    assert clf.unimodal_weight == 0.01


def test_lbfgs_is_refused():
    X, y = blobs(n=60)
    with pytest.raises(ValueError, match=r"MCR\(\) cannot be had with `optimizer` LBFGS"):
        fit(MCR(), X, y, optimizer=torch.optim.LBFGS, weight_decay=0)
