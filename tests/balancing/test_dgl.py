"""DGL: which loss reaches which weights."""

import numpy as np
import pytest
import torch

from sk_mmbalance import MultimodalClassifier, MultimodalRegressor
from sk_mmbalance.balancing import DGL
from sk_mmbalance.networks import ConcatFusion, fused_alone

from .conftest import FAST, blobs, fit, same_weights, with_missing

FUSIONS = ["concat", "sum", "late", "gated", "film", "transformer"]


def test_gradients_by_hand():
    """One feature of 2, encoders .5 and 1, an identity for a fusion."""
    encoders = {m: torch.tensor(v, dtype=torch.float64) for m, v in (("a", 0.5), ("b", 1.0))}
    fusion = ConcatFusion({"a": 1, "b": 1}, 2).double()
    with torch.no_grad():
        fusion.bias.zero_()
        fusion.maps["a"].weight.copy_(torch.tensor([[1.0], [0.0]]))
        fusion.maps["b"].weight.copy_(torch.tensor([[0.0], [1.0]]))
    y = torch.tensor([0])

    def gradients(decoupled):
        leaves = {m: v.clone().requires_grad_() for m, v in encoders.items()}
        fusion.zero_grad()
        u = {m: (2 * v).view(1, 1) for m, v in leaves.items()}
        seen = {m: v.detach() for m, v in u.items()} if decoupled else u
        loss = torch.nn.functional.cross_entropy(fusion(seen)[0], y)
        if decoupled:
            for z in fused_alone(fusion, u).values():
                loss = loss + torch.nn.functional.cross_entropy(z, y)
        loss.backward()
        weights = [fusion.maps[m].weight.grad.clone() for m in "ab"]
        return loss.item(), [leaves[m].grad.item() for m in "ab"], [*weights, fusion.bias.grad]

    loss, joint, of_joint = gradients(decoupled=False)
    assert round(loss, 6) == 1.313262
    assert [round(g, 6) for g in joint] == [-1.462117, 1.462117]
    assert [round(g, 6) for g in of_joint[0].flatten().tolist()] == [-0.731059, 0.731059]
    torch.testing.assert_close(of_joint[1], 2 * of_joint[0])
    loss, apart, of_apart = gradients(decoupled=True)
    assert loss == pytest.approx(3.753451, abs=1e-6)
    assert [round(g, 6) for g in apart] == [-0.537883, 1.761594]
    assert all(torch.equal(a, b) for a, b in zip(of_joint, of_apart, strict=True))


def start_and_batch(value, fusion):
    X, y = blobs(n=40)
    net = fit(value, X, y, fusion=fusion, max_epochs=1, lr=1e-300).net_
    inputs = {m: torch.from_numpy(X[m]) for m in X}
    return net, ({"inputs": inputs}, torch.from_numpy(y))


def gradients_of(net, loss):
    parameters = dict(net.network.named_parameters())
    found = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
    return dict(zip(parameters, found, strict=True))


@pytest.mark.parametrize("own_logits", ["heads", "share"])
@pytest.mark.parametrize("fusion", FUSIONS)
def test_encoders_learn_from_their_own_loss_and_the_fusion_from_the_fused(own_logits, fusion):
    net, batch = start_and_batch(DGL(own_logits=own_logits), fusion)
    output = net.methods[-1].forward(net, batch, True)
    criterion, y = net.criterion_, batch[1]
    of_fused = gradients_of(net, criterion(output.logits, y).mean())
    assert all(of_fused[key] is None for key in of_fused if key.startswith("backbones."))
    assert any(g is not None for key, g in of_fused.items() if key.startswith("fusion."))
    output = net.methods[-1].forward(net, batch, True)
    of_face = gradients_of(net, criterion(output.unimodal["face"], y).mean())
    encoders = {k: g is not None for k, g in of_face.items() if k.startswith("backbones.")}
    assert encoders == {k: "m_face" in k for k in encoders}
    touched = {k for k, g in of_face.items() if g is not None and not k.startswith("backbones.")}
    if own_logits == "share":
        assert touched == set()
        assert net.network.heads is None
        alone = net.network.alone("face", output.embeddings["face"])
        torch.testing.assert_close(output.unimodal["face"].detach(), alone)
    else:
        assert all("heads.m_face" in key for key in touched)


@pytest.mark.parametrize("value", [DGL(), DGL(own_logits="share")], ids=repr)
def test_what_another_modality_holds_moves_no_encoder(value):
    X, y = blobs(n=60)
    other = type(X)(face=X["face"], voice=X["voice"][::-1].copy())
    ours, theirs = (
        fit(value, each, y, max_epochs=1, batch_size=200).net_.network.backbones["face"]
        for each in (X, other)
    )
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(p, q)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_fused_prediction_is_the_networks(fusion):
    X, y = blobs(n=90)
    for own_logits in ("heads", "share"):
        value = DGL(own_logits=own_logits)
        clf = fit(value, X, y, fusion=fusion, max_epochs=15)
        assert clf.score(X, y) > 0.8
        assert clf.history_["face__train_loss"].iloc[-1] < clf.history_["face__train_loss"].iloc[0]


def test_weight_of_the_losses_is_heeded_without_heads():
    X, y = blobs(n=60)
    settings = {"optimizer": "sgd", "batch_size": 200, "max_epochs": 1, "weight_decay": 0.0}
    nets = {
        weight: fit(DGL(own_logits="share"), X, y, unimodal_weight=weight, **settings)
        for weight in (1e-300, 1.0, 2.0)
    }
    key = "backbones.m_face.0.weight"
    start, once, twice = (nets[w].net_.network.state_dict()[key] for w in (1e-300, 1.0, 2.0))
    torch.testing.assert_close(twice - start, 2 * (once - start))
    going_on = nets[1.0].partial_fit(X, y)
    assert going_on.net_.unimodal_weight == 1.0


def test_one_modality_is_plain_training():
    X, y = blobs(n=60, dims={"face": (5,)})
    assert same_weights(fit(DGL(), X, y), fit(None, X, y))
    share = fit(DGL(own_logits="share"), X, y)
    assert same_weights(share, fit(None, X, y, unimodal_weight=0))


def test_rows_may_lack_modalities_and_targets_be_labels_or_numbers():
    X, y = blobs(n=90)
    holes, _ = with_missing(X)
    labels = np.stack([y == 0, y < 2], axis=1).astype(int)
    for value in (DGL(), DGL(own_logits="share")):
        for fusion in ("concat", "gated", "transformer"):
            clf = fit(value, holes, y, missing="mask", fusion=fusion, max_epochs=15)
            assert clf.score(holes, y) > 0.6
        assert fit(value, X, labels).predict(X).shape == (90, 2)
        reg = MultimodalRegressor(**FAST, balancing=value).fit(X, y.astype(float))
        assert np.isfinite(reg.history_["train_loss"]).all()


def test_a_loss_per_modality_is_needed():
    X, y = blobs(n=60)
    with pytest.raises(ValueError, match=r"DGL\(\) needs `unimodal_weight` to be above 0"):
        fit(DGL(), X, y, unimodal_weight=0)


def test_control_and_published_form():
    control = MultimodalClassifier(fusion="sum").set_params(**DGL().control())
    assert (control.balancing, control.unimodal_weight) == (None, 1.0)
    clf = DGL.published_estimator(max_epochs=1)
    assert (clf.balancing.own_logits, clf.optimizer, clf.unimodal_weight) == ("share", "sgd", 4.0)


def test_lbfgs_is_refused():
    X, y = blobs(n=60)
    with pytest.raises(ValueError, match=r"DGL\(\) cannot be had with `optimizer` LBFGS"):
        fit(DGL(), X, y, optimizer=torch.optim.LBFGS, weight_decay=0)
