"""AMCo: dependence and masks by hand, and who is masked when."""

import numpy as np
import pytest
import torch

from sk_mmbalance.balancing import AMCo
from sk_mmbalance.networks import ClassLoss, LabelLoss

from .conftest import blobs, fit, formulae, same_weights, whole

amco = formulae(AMCo)
A = torch.tensor([[2.0, 0, 0], [0, 1, 0]], dtype=torch.float64)
V = torch.tensor([[0.5, 0, 0], [0, 0, 0.5]], dtype=torch.float64)
LOSS = ClassLoss(reduction="none")


def shares(*logits, **kwargs):
    return amco.dependence(amco.energies_of(LOSS, torch.stack(logits, dim=1)), **kwargs)


def test_dependence_by_hand():
    assert [round(value, 4) for value in shares(A, V).tolist()] == [0.6420, 0.3580]
    assert round(shares(torch.zeros_like(A), V)[0].item(), 4) == 0.4512
    mass = torch.cat([A, V], dim=1).softmax(dim=1)[:, :3].sum(dim=1)
    torch.testing.assert_close(shares(A, V)[0], mass.mean())


def test_dependence_looks_at_rows_that_have_all_that_there_is():
    a, v = torch.cat([A, A[:1]]), torch.cat([V, V[:1]])
    present = torch.tensor([[True, True, False], [True, False, False], [True, True, False]])
    weight = torch.tensor([1.0, 1e6, 3.0])
    found = shares(a, v, torch.full_like(a, 1e30), present=present, weight=weight)
    assert found[:2].tolist() == pytest.approx(shares(A[:1], V[:1]).tolist())
    assert found[2] == 0
    nobody = shares(a, v, present=torch.tensor([[True, False], [False, True], [True, False]]))
    assert nobody.tolist() == [0, 0]


def test_labels_count_both_their_states():
    logits = torch.tensor([[[2.0, -1.0], [0.0, 0.0]]])
    found = amco.energies_of(LabelLoss(), logits)
    expected = [(np.log(2 * np.cosh(1)) + np.log(2 * np.cosh(0.5))) / 2, np.log(2)]
    assert found[0].tolist() == pytest.approx(expected)


def test_masks_by_hand():
    grows = [amco.share_of_epoch(epoch, 1.0, 3) for epoch in range(5)]
    assert [round(share, 4) for share in grows] == [0, 0.5, 0.8660, 1, 1]
    generator = torch.Generator().manual_seed(0)
    masked = [int(amco.random_entries(512, share, generator).sum()) for share in grows]
    assert masked == [0, 256, 443, 512, 512]
    often = sum(amco.random_entries(8, 0.25, generator).int() for _ in range(2000)) / 2000
    np.testing.assert_allclose(often, 0.25, atol=0.05)


def test_the_modality_that_is_depended_on_is_masked_more_from_epoch_to_epoch():
    X, y = blobs(n=90, dims={"loud": (6,), "quiet": (2,)}, spread=3.0)
    X = type(X)(loud=X["loud"] * 3, quiet=X["quiet"] * 0.1)
    value = AMCo(ramp_epochs=4, max_share=1.0, threshold=0.6)
    history = fit(value, X, y, max_epochs=6, lr=0.05).history_
    assert history["loud__dependence"].gt(0.6).all()
    # of 4 features
    np.testing.assert_allclose(history["loud__masked"], [np.nan, 0.25, 0.5, 0.75, 1, 1], rtol=1e-6)
    assert history["quiet__masked"].iloc[1:].eq(0).all()
    np.testing.assert_allclose(history.filter(like="__dependence").sum(axis=1), 1)


def test_heads_see_what_is_masked_from_the_fusion():
    X, y = blobs(n=60)
    value = AMCo(masked="all", max_share=1.0, ramp_epochs=1)
    net = fit(value, X, y, max_epochs=2, n_iter_no_change=9).net_
    batch = whole(X, y)
    masked, plain = value.forward(net, batch, True), net.infer(batch[0])
    assert torch.equal(masked.unimodal["face"], plain.unimodal["face"])
    assert torch.equal(masked.embeddings["face"], plain.embeddings["face"])
    half = [m for m, u in plain.embeddings.items() for k in range(u.shape[1])]
    assert len(half) == 8
    assert not torch.equal(masked.logits, plain.logits)


@pytest.mark.parametrize("off", [AMCo(threshold=1), AMCo(max_share=0)])
@pytest.mark.parametrize("params", [{"dropout": 0.3}, {"optimizer": "sgd"}, {"fusion": "film"}])
def test_strength_zero_is_joint_training_with_losses_of_modalities(off, params):
    X, y = blobs(n=60)
    assert same_weights(fit(off, X, y, **params), fit(None, X, y, **params))


def test_control_masks_all_alike():
    X, y = blobs(n=60)
    control = AMCo(max_share=1.0, ramp_epochs=1).control()["balancing"]
    assert control.get_params() == AMCo(max_share=1.0, ramp_epochs=1, masked="all").get_params()
    masked = fit(control, X, y).history_.filter(like="__masked").iloc[1:]
    assert (masked == 0.5).all(axis=None)
